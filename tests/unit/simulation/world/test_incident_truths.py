import pytest

from aiops_mcp.simulation.incident import read_incidents
from aiops_mcp.simulation.promql import Engine
from aiops_mcp.simulation.promql.matching import labels_from

NAMES = sorted(read_incidents())


def firing(fleet, cluster):
    alerts = [alert for alert in fleet.alerts(cluster).active() if alert.firing]
    return [alert for alert in alerts if alert.name != "Watchdog"]


def test_the_incidents_that_were_promised_are_there(incidents):
    assert {
        "bad-rollout",
        "batch-cpu-spike",
        "certificate-expiry",
        "config-change",
        "cross-cluster-payment",
        "dns-outage",
        "gpu-rack-thermal",
        "gpu-xid-79",
        "healthy",
        "node-disk-full",
        "oom-loop",
        "ptp-lock-loss",
        "region-partition",
        "slow-database",
        "storage-gone",
    } <= set(incidents)
    assert len(set(incidents) - {"healthy", "hostile-text"}) >= 16


def test_half_of_the_incidents_cross_signals_or_clusters(incidents):
    def crosses(incident):
        """Beside metrics it bends logs or traces, or it shows in more than one cluster."""
        kinds = {effect.effect for effect in incident.effects}
        places = {alert.cluster for alert in incident.truth.alerts}
        places |= {
            name for effect in incident.effects if effect.where for name in effect.where.clusters
        }
        return bool(kinds & {"log", "journal", "call_faults"}) or len(places) > 1

    crossing = [name for name, incident in incidents.items() if crosses(incident)]
    assert len(crossing) * 2 >= len(incidents), crossing


@pytest.mark.parametrize("name", [name for name in NAMES if name != "healthy"])
def test_the_expected_alerts_fire_and_no_others(name, incidents, fleet_with):
    incident = incidents[name]
    fleet = fleet_with(name)
    truth = incident.truth
    struck = {alert.cluster for alert in truth.alerts} | {truth.cluster}
    for cluster in struck | {"dev-dublin", "fleet-hub"}:
        found = firing(fleet, cluster)
        expected = [alert for alert in truth.alerts if alert.cluster == cluster]
        for alert in expected:
            assert any(
                one.name == alert.alertname and alert.labels.items() <= one.labels.items()
                for one in found
            ), f"{alert} is not among {[(one.name, one.labels) for one in found]}"
        known = {alert.alertname for alert in expected}
        if cluster in struck:
            known |= set(truth.tolerated)
        assert {one.name for one in found} <= known


@pytest.mark.parametrize("seed", [1, 23])
def test_in_a_healthy_fleet_only_the_watchdog_fires(seed, fleet_with):
    fleet = fleet_with("healthy", seed=seed)
    for cluster in fleet.world.names:
        assert [one.name for one in fleet.alerts(cluster).active()] == ["Watchdog"], cluster


def test_a_healthy_day_has_no_alert_at_any_hour(fleet_with, clock):
    fleet = fleet_with()
    now_ms = int(clock() * 1000)
    for cluster in ("ml-frankfurt",):
        blocks = fleet.alerts(cluster).select((), now_ms - 86_400_000, now_ms)
        alerts = {
            dict(labels)["alertname"]
            for block in blocks
            for labels in block.labels
            if dict(labels)["__name__"] == "ALERTS"
        }
        assert alerts == {"Watchdog"}


def test_an_alert_is_pending_for_its_time_then_fires_then_ends(fleet_with, clock):
    fleet = fleet_with("ptp-lock-loss@+1m")
    book = fleet.alerts("edge-munich")

    def states():
        return {
            (one.labels["process"], one.firing)
            for one in book.active()
            if one.name == "NodeOutOfPtpSync"
        }

    assert states() == set()
    clock.moment += 150.0
    assert states() == {("ptp4l", False)}
    clock.moment += 120.0
    assert states() == {("ptp4l", True)}
    (alert,) = [one for one in book.active() if one.name == "NodeOutOfPtpSync"]
    assert alert.fired_at - alert.active_at == 120.0
    clock.moment += 6 * 3600.0
    assert states() == set()


def test_what_an_alert_says_does_not_depend_on_when_one_began_to_look(fleet_with, clock):
    fleet, later = fleet_with("ptp-lock-loss"), fleet_with("ptp-lock-loss")
    fleet.alerts("edge-munich").active()
    clock.moment += 600.0
    looked = {
        labels_from(one.labels): one.active_at for one in fleet.alerts("edge-munich").active()
    }
    fresh = {labels_from(one.labels): one.active_at for one in later.alerts("edge-munich").active()}
    assert {k: v for k, v in looked.items() if ("alertname", "Watchdog") not in k} == {
        k: v for k, v in fresh.items() if ("alertname", "Watchdog") not in k
    }


def test_alerts_are_series_too(fleet_with, clock):
    fleet = fleet_with("ptp-lock-loss")
    fleet.alerts("edge-munich")
    store = fleet.world.store("edge-munich")

    answer = Engine(store).instant(
        'count by (alertname) (ALERTS{alertstate="firing"})', int(clock() * 1000)
    )
    names = {dict(labels)["alertname"] for labels in answer.value.labels}
    assert names == {"Watchdog", "NodeOutOfPtpSync", "HighPtpSyncOffset"}
    since = Engine(store).instant(
        'ALERTS_FOR_STATE{alertname="NodeOutOfPtpSync"}', int(clock() * 1000)
    )
    assert since.value.values[0, 0] == pytest.approx(clock() - 1800.0, abs=60.0)

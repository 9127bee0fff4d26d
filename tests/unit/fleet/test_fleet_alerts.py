"""Alerts of the fleet: who is asked, what is one alert, which silences end."""

import asyncio
from datetime import timedelta

import pytest

from aiops_mcp.backends.alertmanager_answers import AlertmanagerAlert, Silence, label_fingerprint
from aiops_mcp.backends.prometheus_answers import RuleAlert
from aiops_mcp.errors import ClusterUnreachable
from aiops_mcp.fleet.alert_merge import merge_alerts, shared_labels
from aiops_mcp.fleet.alerts import AlertSource, FleetAlerts, rule_alerts
from aiops_mcp.fleet.silences import FleetSilences
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import ClusterEndpoints, ClusterType
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings


def alert(fakes, cluster, fingerprint="f1", name="Down", minutes=0, **more):
    home = fakes.cluster(cluster)
    values = {
        "severity": AlertSeverity.WARNING,
        "state": AlertState.FIRING,
        "labels": {"alertname": name, "of": fingerprint},
        **more,
    }
    return Alert(
        id=f"{cluster}-{fingerprint}",
        fingerprint=fingerprint,
        cluster_id=home.id,
        cluster_name=cluster,
        alertname=name,
        starts_at=fakes.NOW - timedelta(minutes=minutes),
        **values,
    )


def test_one_alert_in_two_places_is_one_and_keeps_both(fakes):
    [group] = merge_alerts(
        [alert(fakes, "bbb", minutes=5), alert(fakes, "aaa", minutes=9), alert(fakes, "ccc", "f2")]
    )
    assert [len(one.places) for one in group.alerts] == [1, 2]
    both = group.alerts[1]
    assert [place.cluster_name for place in both.places] == ["aaa", "bbb"]
    assert both.alert.starts_at == fakes.NOW - timedelta(minutes=9)
    assert group.starts_at == fakes.NOW - timedelta(minutes=9)
    assert [place.cluster_name for place in group.places] == ["aaa", "bbb", "ccc"]


@pytest.mark.parametrize(
    ("first", "second", "suppressed"),
    [
        ({}, {}, False),
        ({"silenced_by": ("s",)}, {}, False),
        ({}, {"inhibited_by": ("i",)}, False),
        ({"silenced_by": ("s",)}, {"inhibited_by": ("i",)}, True),
    ],
)
def test_active_wins_over_suppressed(fakes, first, second, suppressed):
    [group] = merge_alerts([alert(fakes, "aaa", **first), alert(fakes, "bbb", **second)])
    assert group.is_suppressed is group.alerts[0].is_suppressed is suppressed
    assert group.alerts[0].alert.is_suppressed is suppressed


def test_firing_wins_over_pending_and_resolved(fakes):
    states = [AlertState.RESOLVED, AlertState.PENDING, AlertState.FIRING]
    for seen, expected in ((states, states[2]), (states[:2], states[1]), (states[:1], states[0])):
        [group] = merge_alerts([alert(fakes, f"c-{state.lower()}", state=state) for state in seen])
        assert group.state is group.alerts[0].alert.state is expected


def test_groups_stand_by_urgency(fakes):
    groups = merge_alerts(
        [
            alert(fakes, "aaa", "1", "Old", minutes=60, severity=AlertSeverity.CRITICAL),
            alert(fakes, "aaa", "2", "Info", severity=AlertSeverity.INFO),
            alert(fakes, "aaa", "3", "Silent", severity=AlertSeverity.CRITICAL, silenced_by=("s",)),
            alert(fakes, "aaa", "4", "New", minutes=1, severity=AlertSeverity.CRITICAL),
            alert(fakes, "aaa", "5", "Pending", state=AlertState.PENDING),
            alert(fakes, "aaa", "6", "Info", severity=AlertSeverity.CRITICAL, minutes=99),
        ]
    )
    assert [group.alertname for group in groups] == ["New", "Old", "Info", "Silent", "Pending"]
    assert groups[2].severity is AlertSeverity.CRITICAL
    assert [one.alert.fingerprint for one in groups[2].alerts] == ["6", "2"]


def test_shared_labels_are_folded(fakes):
    labels = [{"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "x"}, {"a": "1", "b": "2"}]
    assert shared_labels(labels) == {"a": "1"}
    assert shared_labels(labels[:1]) == labels[0]
    assert shared_labels([]) == {}
    [group] = merge_alerts(
        [alert(fakes, "aaa", str(n), labels=one) for n, one in enumerate(labels)]
    )
    assert group.shared_labels == {"a": "1"}


def test_alerts_of_the_rule_engine(fakes, clock):
    home = fakes.cluster("aaa")
    labels = {"alertname": "Down", "severity": "critical"}
    pending, firing = rule_alerts(
        home,
        [
            RuleAlert(labels, {"summary": "x"}, "pending", "2026-03-01T11:00:00Z", "1e+00"),
            RuleAlert({**labels, "b": "c"}, {}, "firing", None, "1"),
        ],
        now=clock.now,
    )
    assert (pending.state, firing.state) == (AlertState.PENDING, AlertState.FIRING)
    assert pending.severity is AlertSeverity.CRITICAL
    assert pending.fingerprint == label_fingerprint(labels)
    assert pending.starts_at == clock.now - timedelta(hours=1)
    assert firing.starts_at == clock.now
    assert pending.annotations == {"summary": "x"}
    assert (pending.cluster_name, pending.alertname) == ("aaa", "Down")


class History:
    """What the history would hold; ``ended`` with its moments, ``fires`` as told by webhook."""

    def __init__(self):
        self.ended, self.fires = [], []

    async def open_alerts(self, clusters, *, began_since=None, alertname=None):
        ids = {cluster.id for cluster in clusters}
        return tuple(
            alert
            for alert in self.fires
            if alert.cluster_id in ids
            and alertname in (None, alert.alertname)
            and (began_since is None or alert.starts_at >= began_since)
        )

    async def between(self, clusters, since, until, *, limit, only_ended):
        ids = {cluster.id for cluster in clusters}
        found = [a for a in self.ended if a.cluster_id in ids and a.ends_at >= since]
        return tuple(found), len(found)


class Secrets:
    def __init__(self, *clusters):
        self.known = frozenset(cluster.id for cluster in clusters)

    async def clusters(self):
        return self.known


def fleet_alerts(fleet, clock, *, senders=(), **settings):
    return FleetAlerts(
        fleet,
        Settings(_env_file=None, **settings),
        clock.wall,
        history=History(),
        secrets=Secrets(*senders),
        watcher=None,
        intake=None,
    )


class Alertmanager:
    def __init__(self, *alerts, error=None):
        self.found, self.error, self.calls = alerts, error, 0

    async def alerts(self):
        self.calls += 1
        if self.error:
            raise self.error
        return list(self.found)

    async def aclose(self):
        pass


def raw(fakes, name, **more):
    labels = {"alertname": name, "severity": "warning"}
    values = {"annotations": {}, "starts_at": fakes.NOW, "ends_at": None, "updated_at": None}
    return AlertmanagerAlert(
        fingerprint=label_fingerprint(labels), labels=labels, state="active", **(values | more)
    )


async def test_each_cluster_is_asked_where_it_tells_of_alerts(fakes, clock):
    plain = fakes.cluster("bbb", endpoints=ClusterEndpoints(prometheus_url="https://p"))
    none = fakes.cluster("ccc", endpoints=ClusterEndpoints())
    gone = fakes.cluster("ddd", ClusterType.EDGE)
    own = Alertmanager(raw(fakes, "Old", starts_at=fakes.NOW - timedelta(hours=2)))
    rules = Alertmanager(RuleAlert({"alertname": "Rule"}, {}, "pending", None, "1"))
    connect = fakes.FakeConnect(
        {
            ("alertmanager", "aaa"): own,
            ("prometheus", "bbb"): rules,
            ("alertmanager", "ddd"): Alertmanager(error=ClusterUnreachable("down")),
        }
    )
    fleet = fakes.make_fleet([fakes.cluster("aaa"), plain, none, gone], clock, connect)
    alerts = fleet_alerts(fleet, clock)
    answer = await alerts.alerts(principal=LOCAL_ADMIN)
    assert [one.alertname for one in answer.alerts] == ["Old", "Rule"]
    assert answer.sources == {"aaa": AlertSource.ALERTMANAGER, "bbb": AlertSource.PROMETHEUS}
    assert (answer.coverage.succeeded, answer.coverage.queried) == (2, 3)
    assert answer.coverage.skipped == ("ccc (no Prometheus)",)
    assert answer.coverage.failures[0].cluster_name == "ddd"
    clock.advance(9)
    await alerts.alerts(principal=LOCAL_ADMIN)
    assert own.calls == 1
    clock.advance(1)
    await alerts.alerts(principal=LOCAL_ADMIN)
    assert own.calls == 2


async def test_pending_alerts_are_asked_of_prometheus_where_there_is_an_alertmanager(fakes, clock):
    both = ClusterEndpoints(prometheus_url="https://p", alertmanager_url="https://a")
    rules = Alertmanager(
        RuleAlert({"alertname": "Waits"}, {}, "pending", None, "1"),
        RuleAlert({"alertname": "Fires"}, {}, "firing", None, "1"),
    )
    own = Alertmanager(raw(fakes, "Fires"))
    connect = fakes.FakeConnect({("prometheus", "aaa"): rules, ("alertmanager", "aaa"): own})
    fleet = fakes.make_fleet([fakes.cluster("aaa", endpoints=both)], clock, connect)
    alerts = fleet_alerts(fleet, clock)
    firing = await alerts.alerts(principal=LOCAL_ADMIN)
    pending = await alerts.alerts(principal=LOCAL_ADMIN, state=AlertState.PENDING)
    assert [one.alertname for one in firing.alerts] == ["Fires"]
    assert [(one.alertname, one.state) for one in pending.alerts] == [("Waits", AlertState.PENDING)]
    assert pending.sources == {"aaa": AlertSource.PROMETHEUS}


async def test_resolved_alerts_are_those_seen_to_end(fakes, clock):
    home, other = fakes.cluster("aaa"), fakes.cluster("bbb")
    sources = {
        ("alertmanager", "aaa"): Alertmanager(raw(fakes, "Fires")),
        ("alertmanager", "bbb"): Alertmanager(),
    }
    fleet = fakes.make_fleet([home, other], clock, fakes.FakeConnect(sources))
    alerts = fleet_alerts(fleet, clock, ttl_alert_state=100)
    for where in (home, other):
        fired = alert(fakes, where.name).model_copy(update={"cluster_id": where.id})
        over = {"state": AlertState.RESOLVED, "ends_at": clock.now}
        alerts.history.ended.append(fired.model_copy(update=over))
    asked = {"principal": LOCAL_ADMIN, "selection": ("aaa",)}
    assert [one.alertname for one in (await alerts.alerts(**asked)).alerts] == ["Fires"]
    found = (await alerts.alerts(**asked, state=AlertState.RESOLVED)).alerts
    [ended] = [one for one in found if one.state is AlertState.RESOLVED]
    assert (ended.cluster_name, ended.ends_at) == ("aaa", clock.now)
    clock.advance(101)
    later = (await alerts.alerts(**asked, state=AlertState.RESOLVED)).alerts
    assert [one.alertname for one in later] == ["Fires"]


async def test_a_far_edge_alerts_stand_as_last_seen(fakes, clock):
    far = fakes.cluster("far-1", ClusterType.FAR_EDGE)
    source = Alertmanager(raw(fakes, "Down", silenced_by=("s",)))
    store = fakes.MemoryLastSeen()
    connect = fakes.FakeConnect({("alertmanager", "far-1"): source})
    fleet = fakes.make_fleet([far], clock, connect, store)
    alerts = fleet_alerts(fleet, clock)
    fresh = await alerts.alerts(principal=LOCAL_ADMIN)
    await fleet.last_seen.aclose()
    source.error = ClusterUnreachable("down")
    clock.advance(60)
    stale = await alerts.alerts(principal=LOCAL_ADMIN)
    assert stale.alerts == fresh.alerts
    assert stale.coverage.stale[0].age_seconds == 60


async def test_webhooks_tell_of_clusters_that_cannot_be_asked(fakes, clock):
    mute = fakes.cluster("mute", endpoints=ClusterEndpoints())
    gone = fakes.cluster("gone")
    down = Alertmanager(error=ClusterUnreachable("down"))
    connect = fakes.FakeConnect({("alertmanager", "gone"): down})
    alerts = fleet_alerts(
        fakes.make_fleet([mute, gone], clock, connect), clock, senders=[mute, gone]
    )
    for where in (mute, gone):
        told = alert(fakes, where.name, name=f"In-{where.name}", minutes=30)
        alerts.history.fires.append(told.model_copy(update={"cluster_id": where.id}))
    answer = await alerts.alerts(principal=LOCAL_ADMIN)
    assert sorted(each.alertname for each in answer.alerts) == ["In-gone", "In-mute"]
    assert answer.sources == {"mute": AlertSource.WEBHOOK}
    assert [failure.cluster_name for failure in answer.coverage.failures] == ["gone"]


async def test_a_silent_switch_is_listed_until_it_is_back(fakes, clock):
    home = fakes.cluster("aaa")
    source = Alertmanager(raw(fakes, "Other"))
    connect = fakes.FakeConnect({("alertmanager", "aaa"): source})
    alerts = fleet_alerts(fakes.make_fleet([home], clock, connect), clock)
    alerts.history.fires.append(alert(fakes, "aaa", name="DeadMansSwitchSilent", minutes=99))
    names = [one.alertname for one in (await alerts.alerts(principal=LOCAL_ADMIN)).alerts]
    assert sorted(names) == ["DeadMansSwitchSilent", "Other"]
    source.found = (raw(fakes, "Watchdog"),)
    clock.advance(11)
    names = [one.alertname for one in (await alerts.alerts(principal=LOCAL_ADMIN)).alerts]
    assert names == ["Watchdog"]


async def test_what_a_webhook_told_just_now_stands_beside_the_answer(fakes, clock):
    home = fakes.cluster("aaa")
    connect = fakes.FakeConnect({("alertmanager", "aaa"): Alertmanager(raw(fakes, "Polled"))})
    alerts = fleet_alerts(fakes.make_fleet([home], clock, connect), clock)
    alerts.history.fires += [
        alert(fakes, "aaa", "f2", "JustNow"),
        alert(fakes, "aaa", "f3", "LongAgo", minutes=30),
        alert(fakes, "aaa", raw(fakes, "Polled").fingerprint, "Polled"),
    ]
    names = [one.alertname for one in (await alerts.alerts(principal=LOCAL_ADMIN)).alerts]
    assert sorted(names) == ["JustNow", "Polled"]


# --- silences that end ------------------------------------------------------------------------


class Silencer:
    """An Alertmanager's silences; the ends are minutes from now."""

    def __init__(self, clock, *ends, error=None, takes=0.0):
        self.clock, self.ends, self.error, self.takes, self.asked = clock, ends, error, takes, 0

    async def silences(self):
        self.asked += 1
        await asyncio.sleep(self.takes)
        if self.error:
            raise self.error
        now = self.clock.now
        return [
            Silence(f"s{n}", "active", (), now - timedelta(hours=1), now + timedelta(minutes=end))
            for n, end in enumerate(self.ends)
        ]

    async def aclose(self):
        pass


def muting(fakes, clock, **silencers):
    ends = ClusterEndpoints(alertmanager_url="https://alerts")
    clusters = [fakes.cluster(name, endpoints=ends) for name in silencers]

    class Connect:
        async def alertmanager(self, cluster, credentials, url):
            return silencers[cluster.name]

    fleet = fakes.make_fleet(clusters, clock, Connect())
    return FleetSilences(fleet, Settings(_env_file=None), clock.wall)


async def test_silences_that_end_within_a_day_and_mute_something(fakes, clock):
    hub, edge = Silencer(clock, 90, 30, 1441, 0), Silencer(clock, 10)
    other = Silencer(clock, 5)
    silences = muting(fakes, clock, hub=hub, edge=edge, other=other)
    muted = [
        alert(fakes, "hub", silenced_by=("s0", "s1", "s2", "s3")),
        alert(fakes, "edge", silenced_by=("s9",)),
        alert(fakes, "other"),
    ]
    found = await silences.ending(muted, LOCAL_ADMIN)
    assert [(each.cluster_name, each.id) for each in found] == [("hub", "s1"), ("hub", "s0")]
    assert (hub.asked, edge.asked, other.asked) == (1, 1, 0)
    assert await silences.ending([alert(fakes, "other")], LOCAL_ADMIN) == ()


@pytest.mark.parametrize("more", [{"error": ClusterUnreachable("down")}, {"takes": 60.0}])
async def test_nobody_is_waited_for_long_to_say_which_silences_end(fakes, clock, more):
    silences = muting(fakes, clock, hub=Silencer(clock, 30, **more))
    began = asyncio.get_running_loop().time()
    assert await silences.ending([alert(fakes, "hub", silenced_by=("s0",))], LOCAL_ADMIN) == ()
    assert asyncio.get_running_loop().time() - began < 5

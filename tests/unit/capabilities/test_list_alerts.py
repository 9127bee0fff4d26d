"""The list of alerts: one entry a place, and the fleet's view of each name beside."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import NAMESPACE_DNS, uuid5

from aiops_mcp.capabilities.alerts import MOST_FINGERPRINTS, AlertQuery, list_alerts
from aiops_mcp.fleet.alerts import FleetAlertAnswer
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def alert(name, cluster, fingerprint, *, minutes=10, by=(), silenced=(), **labels):
    return Alert(
        id=f"{cluster}/{fingerprint}",
        fingerprint=fingerprint,
        cluster_id=uuid5(NAMESPACE_DNS, cluster),
        cluster_name=cluster,
        alertname=name,
        severity=AlertSeverity.WARNING,
        state=AlertState.FIRING,
        labels={"alertname": name, **labels},
        starts_at=NOW - timedelta(minutes=minutes),
        inhibited_by=by,
        silenced_by=silenced,
    )


class Alerts:
    def __init__(self, *alerts):
        self.found, self.asked_of, self.silences = alerts, [], self

    async def alerts(self, **_):
        coverage = Coverage(queried=3, succeeded=3)
        return FleetAlertAnswer(self.found, coverage, {}, NOW)

    async def ending(self, alerts, principal):
        self.asked_of.append([each.id for each in alerts])
        return ()


def context(*alerts):
    return SimpleNamespace(
        alerts=Alerts(*alerts),
        principal=LOCAL_ADMIN,
        settings=Settings(_env_file=None),
        call=SimpleNamespace(progress=None),
    )


async def test_one_name_in_many_places_is_one_group():
    found = await list_alerts(
        context(
            alert("Down", "c-1", "f1", namespace="shop", pod="a", clusterID="1"),
            alert("Down", "c-2", "f2", minutes=30, namespace="shop", pod="a", clusterID="2"),
            alert("Down", "c-2", "f3", namespace="shop", pod="b", prometheus_replica="0"),
            alert("Down", "c-2", "f4", namespace="shop", pod="b", prometheus_replica="1"),
        ),
        AlertQuery(),
    )
    assert found.total == 3  # the halves of a pair are one
    [group] = found.groups
    assert (group.alertname, group.count, group.clusters) == ("Down", 2, ("c-1", "c-2"))
    assert group.starts_at == NOW - timedelta(minutes=30)
    assert group.shared_labels == {"alertname": "Down", "namespace": "shop"}
    assert len(group.fingerprints) == 2


async def test_a_group_names_some_of_its_alerts():
    many = [alert("Down", "c-1", f"f{n}", pod=f"p{n}") for n in range(MOST_FINGERPRINTS + 5)]
    [group] = (await list_alerts(context(*many), AlertQuery())).groups
    assert (group.count, len(group.fingerprints)) == (len(many), MOST_FINGERPRINTS)


async def test_who_inhibits_is_named_where_the_inhibited_are_shown():
    given = [alert("NodeDown", "c-1", "f1"), alert("PodDown", "c-1", "f2", by=("f1",))]
    shown = await list_alerts(context(*given), AlertQuery(suppressed=True, namespace=None))
    assert shown.inhibitors == {"f1": "NodeDown"}
    left_out = await list_alerts(context(*given), AlertQuery())
    assert (left_out.inhibitors, left_out.suppressed_left_out) == ({}, 1)


async def test_silences_are_looked_at_also_where_the_silenced_are_left_out():
    asked = context(alert("A", "c-1", "f1", silenced=("s1",)), alert("B", "c-1", "f2"))
    found = await list_alerts(asked, AlertQuery())
    assert [each.alertname for each in found.alerts] == ["B"]
    assert asked.alerts.asked_of == [["c-1/f1", "c-1/f2"]]

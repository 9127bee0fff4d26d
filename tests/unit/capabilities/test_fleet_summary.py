"""The fleet in one look: what is loud, and where silence is no good sign."""

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import NAMESPACE_DNS, uuid5

import pytest

from aiops_mcp.capabilities.fleet import MOST_SILENT, NoArguments, fleet
from aiops_mcp.errors import QueryTimeout
from aiops_mcp.models.alerts import SILENT_SWITCH, Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import LOCAL_ADMIN

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


def cluster(name):
    return Cluster(
        id=uuid5(NAMESPACE_DNS, name),
        name=name,
        api_server_url="https://10.0.0.1:6443",
        created_at=NOW,
        updated_at=NOW,
    )


def alert(name, where, *, state=AlertState.FIRING, silenced=(), severity=AlertSeverity.CRITICAL):
    return Alert(
        id=f"{name}-{where}",
        fingerprint="0" * 16,
        cluster_id=uuid5(NAMESPACE_DNS, where),
        cluster_name=where,
        alertname=name,
        severity=severity,
        state=state,
        labels={"alertname": name},
        starts_at=NOW,
        silenced_by=silenced,
    )


@pytest.fixture
def summarise():
    async def summary(*alerts, fails=False):
        async def told(**_):
            if fails:
                raise QueryTimeout("nobody answered in time")
            coverage = Coverage(queried=2, succeeded=2)
            return SimpleNamespace(alerts=alerts, coverage=coverage)

        async def known(_):
            return (cluster("edge-1"), cluster("hub-1"))

        async def expiring(_):
            return ()

        context = SimpleNamespace(
            registry=SimpleNamespace(list=known, expiring_credentials=expiring),
            alerts=SimpleNamespace(alerts=told),
            principal=LOCAL_ADMIN,
            clock=lambda: NOW,
        )
        [operation] = [each for each in fleet.operations if each.name == "get_fleet_summary"]
        answer = await operation.run(context, NoArguments())
        assert operation.digest is not None
        return answer, operation.digest(NoArguments(), answer)

    return summary


async def test_a_silent_switch_is_named_first_because_no_alert_is_no_news_there(summarise):
    answer, digest = await summarise(
        alert(SILENT_SWITCH, "hub-1"), alert(SILENT_SWITCH, "edge-1"), alert("X", "edge-1")
    )
    assert answer.silent == ("edge-1", "hub-1")
    assert digest.notes[0] == (
        "dead-man's switch silent in edge-1, hub-1: no alert from there means nothing"
    )
    assert {each.cluster_name: each.critical for each in answer.firing} == {"hub-1": 1, "edge-1": 2}


async def test_many_silent_clusters_are_counted(summarise):
    alerts = [alert(SILENT_SWITCH, f"edge-{number:02}") for number in range(MOST_SILENT + 3)]
    _, digest = await summarise(*alerts)
    assert "edge-07 and 3 more: no alert" in digest.notes[0]


async def test_a_silenced_or_ended_alert_is_not_loud(summarise):
    answer, digest = await summarise(
        alert(SILENT_SWITCH, "hub-1", silenced=("s",)),
        alert("X", "edge-1", state=AlertState.RESOLVED),
        alert("Note", "edge-1", severity=AlertSeverity.INFO),
    )
    assert (answer.silent, answer.firing) == ((), ())
    assert not any("dead-man" in note for note in digest.notes)


async def test_without_any_alertmanager_there_is_still_a_summary(summarise):
    answer, digest = await summarise(fails=True)
    assert (answer.total, answer.alert_coverage) == (2, None)
    assert "no cluster's Alertmanager answered" in digest.notes

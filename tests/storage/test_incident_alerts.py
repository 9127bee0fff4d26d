"""What the investigator sees of the alerts, out of the record that all replicas share."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from aiops_mcp.errors import ClusterUnreachable
from aiops_mcp.fleet.alert_history import AlertHistory
from aiops_mcp.fleet.incident_alerts import FiringAlerts
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.coverage import Coverage, StaleAnswer
from aiops_mcp.settings import Settings
from aiops_mcp.storage.alert_history import AlertHistoryTable

MINUTE = timedelta(minutes=1)


class Asked:
    """The alerts of the fleet: a real history, and clusters that answer as told."""

    def __init__(self, history):
        self.history = history
        self.now, self.stale, self.error = [], (), None

    async def alerts(self, *, selection, principal):
        if self.error is not None:
            raise self.error
        found = tuple(one for one in self.now if one.cluster_name in selection)
        coverage = Coverage(queried=1, succeeded=1, stale=self.stale)
        return SimpleNamespace(
            alerts=found, coverage=coverage, sources=dict.fromkeys(selection, "ALERTMANAGER")
        )


@pytest.fixture
def history(database, bus, clock):
    return AlertHistory(AlertHistoryTable(database), bus, clock, keep=timedelta(days=30))


@pytest.fixture
def asked(history):
    return Asked(history)


@pytest.fixture
async def cluster(registry, new_cluster):
    return await registry.register(new_cluster("prod-1"))


@pytest.fixture
def firing(asked, registry):
    return FiringAlerts(asked, registry, Settings(_env_file=None))


@pytest.fixture
def alert(cluster, clock):
    def make(name, *, severity=AlertSeverity.CRITICAL, ago=5, **fields):
        return Alert(
            **{
                "id": name,
                "fingerprint": f"f-{name}",
                "cluster_id": cluster.id,
                "cluster_name": cluster.name,
                "alertname": name,
                "severity": severity,
                "state": AlertState.FIRING,
                "labels": {"namespace": "shop", "deployment": "cart"},
                "starts_at": clock() - ago * MINUTE,
                **fields,
            }
        )

    return make


async def test_what_fires_and_counts(history, firing, cluster, alert, clock):
    young, old = alert("Young", severity=AlertSeverity.WARNING, ago=1), alert("Old", ago=90)
    info, switch = alert("Info", severity=AlertSeverity.INFO), alert("Watchdog")
    await history.saw(cluster, [young, old, info, switch, alert("Older", ago=500)])
    found = await firing.firing(clock() - 360 * MINUTE)
    assert [one.told.alertname for one in found] == ["Old", "Young"]
    assert [one.told.component for one in found] == ["shop/cart"] * 2
    assert not found[0].is_simulated


async def test_when_it_ended_is_what_the_record_says(history, firing, cluster, alert, clock):
    begun = [alert("A"), alert("B"), alert("C")]
    await history.saw(cluster, begun)
    told = [one.told for one in await firing.firing(clock() - 60 * MINUTE)]
    clock.advance(minutes=10)
    over = begun[1].model_copy(
        update={"state": AlertState.RESOLVED, "ends_at": clock() - 3 * MINUTE}
    )
    await history.saw(cluster, [over])
    ends = await firing.ended(told, clock())
    assert {told[place].alertname: at for place, at in ends.items()} == {"B": clock() - 3 * MINUTE}


async def test_what_nobody_knows_the_end_of_ended_now(
    history, firing, cluster, alert, clock, registry
):
    await history.saw(cluster, [alert("A")])
    told = [one.told for one in await firing.firing(clock() - 60 * MINUTE)]
    await registry.remove(cluster.id)
    assert await firing.ended(told, clock()) == {0: clock()}
    other = told[0].model_copy(update={"fingerprint": "never-seen"})
    assert await firing.ended([other], clock()) == {0: clock()}


async def test_how_alerts_stand(firing, asked, alert, clock):
    loud, hidden = alert("Loud"), alert("Hidden", silenced_by=("s1",))
    asked.now = [loud, hidden]
    standing = await firing.standing({"prod-1", "nobody"})
    assert standing.answered == {"prod-1"}
    assert standing.loud == {("prod-1", "f-Loud")}
    assert standing.suppressed == {("prod-1", "f-Hidden")}
    assert len(standing.together.problems) == 1
    asked.stale = (StaleAnswer(cluster_name="prod-1", as_of=clock(), age_seconds=5),)
    assert (await firing.standing({"prod-1"})).answered == frozenset()
    asked.error = ClusterUnreachable("away")
    away = await firing.standing({"prod-1"})
    assert (away.answered, away.loud) == (frozenset(), frozenset())
    assert (await firing.standing(set())).answered == frozenset()

"""What health checks change, without a database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from aiops_mcp.fleet.status_writer import StatusUpdate, plan_writes
from aiops_mcp.models.cluster import ClusterState, ClusterStatus
from aiops_mcp.storage.health import StatusRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE = UUID(int=1)
EVERY = timedelta(minutes=5)


def stored(**fields):
    known = {
        "cluster_id": ONE,
        "cluster_name": "one",
        "state": ClusterState.ONLINE,
        "health_score": 100,
        "last_error": None,
        "checked_at": NOW,
        "last_seen_at": NOW,
        "recorded_at": NOW,
    }
    return {ONE: StatusRecord(**{**known, **fields})}


def check(seconds=30, state=ClusterState.ONLINE, score=100, error=None, **fields):
    moment = NOW + timedelta(seconds=seconds)
    status = ClusterStatus(state=state, health_score=score, last_error=error, checked_at=moment)
    return StatusUpdate(ONE, status, **fields)


def plan(*updates, known=None):
    return plan_writes(updates, stored() if known is None else known, now=NOW, history_every=EVERY)


@pytest.mark.parametrize(
    ("update", "history", "events"),
    [
        (check(), 0, 0),
        (check(299), 0, 0),
        (check(300), 1, 0),
        (check(score=80), 1, 0),
        (check(error="x"), 1, 0),
        (check(state=ClusterState.OFFLINE), 1, 1),
        (check(0, state=ClusterState.OFFLINE), 0, 1),
    ],
)
def test_history_and_events(update, history, events):
    batch = plan(update)
    assert (len(batch.writes), len(batch.checks), len(batch.events)) == (1, history, events)
    recorded = update.status.checked_at if history else NOW
    assert batch.writes[0].recorded_at == recorded


def test_the_first_check_enters_the_history():
    batch = plan(check(), known=stored(recorded_at=None, checked_at=None))
    assert len(batch.checks) == 1


def test_last_seen_moves_only_when_seen():
    assert plan(check(seen=False)).writes[0].last_seen_at == NOW
    assert plan(check(seen=True)).writes[0].last_seen_at == NOW + timedelta(seconds=30)


def test_old_checks_and_unknown_clusters_change_nothing():
    assert plan(check(-1)).writes == []
    batch = plan(check(), known={})
    assert (batch.writes, batch.checks, batch.events, batch.known) == ([], [], [], frozenset())


def test_of_two_checks_the_newer_counts_in_any_order():
    old, new = check(10, score=10), check(20, score=20)
    for order in ((old, new), (new, old)):
        [write] = plan(*order).writes
        assert write.status.health_score == 20

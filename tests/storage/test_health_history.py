"""Health checks: status, history and events, on both databases."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event

from aiops_mcp.errors import ClusterNotFound
from aiops_mcp.fleet.status_writer import StatusUpdate
from aiops_mcp.models.cluster import ClusterCapabilities, ClusterState, ClusterStatus, Connectivity
from aiops_mcp.models.principal import LOCAL_ADMIN


@pytest.fixture
def status(clock):
    def make(state=ClusterState.ONLINE, score=100, error=None, **fields):
        return ClusterStatus(
            state=state,
            health_score=score,
            connectivity=Connectivity.CONNECTED,
            last_error=error,
            checked_at=clock.now,
            **fields,
        )

    return make


def transitions(bus):
    return [
        (event.payload["old_state"], event.payload["new_state"])
        for event in bus.events
        if event.event_type == "CLUSTER_STATUS_CHANGED"
    ]


async def test_a_check_is_stored_whole_and_moves_last_seen(registry, new_cluster, status, clock):
    cluster = await registry.register(new_cluster())
    clock.advance(seconds=30)
    checked = status(api_server_healthy=True, prometheus_healthy=False, score=80)
    await registry.set_status(cluster.id, checked, latency_ms=12.5, seen=True)
    read = await registry.resolve(cluster.id, LOCAL_ADMIN)
    assert read.status == checked
    assert read.status.loki_healthy is None
    assert read.last_seen_at == clock.now
    assert read.updated_at == cluster.updated_at
    clock.advance(seconds=30)
    await registry.set_status(cluster.id, status(ClusterState.OFFLINE, 50, "refused"), seen=False)
    read = await registry.resolve(cluster.id, LOCAL_ADMIN)
    assert read.status.last_error == "refused"
    assert read.last_seen_at == clock.now - timedelta(seconds=30)
    [first, second] = await registry.history(cluster.id, cluster.created_at)
    assert (first.latency_ms, first.health_score, first.reason) == (12.5, 80, None)
    assert (second.latency_ms, second.state) == (None, ClusterState.OFFLINE)
    assert second.reason == "refused"


async def test_only_a_change_of_state_is_an_event(registry, new_cluster, status, clock, bus):
    cluster = await registry.register(new_cluster())
    for state, score, error in (
        (ClusterState.ONLINE, 100, None),
        (ClusterState.ONLINE, 100, None),
        (ClusterState.DEGRADED, 80, "prometheus: 503"),
        (ClusterState.DEGRADED, 65, "tempo: 503"),
        (ClusterState.ONLINE, 100, None),
    ):
        clock.advance(seconds=30)
        await registry.set_status(cluster.id, status(state, score, error), 1.0, seen=True)
    assert transitions(bus) == [
        ("UNKNOWN", "ONLINE"),
        ("ONLINE", "DEGRADED"),
        ("DEGRADED", "ONLINE"),
    ]
    degraded = bus.events[2]
    assert degraded.payload["health_score"] == 80
    assert degraded.payload["reason"] == "prometheus: 503"
    assert (degraded.cluster_name, degraded.source) == ("prod-east-1", "fleet.registry")


async def test_unchanged_checks_enter_the_history_every_five_minutes(
    registry, new_cluster, status, clock
):
    cluster = await registry.register(new_cluster())
    for _ in range(21):  # every 30 s from 0 to 10 min
        await registry.set_status(cluster.id, status(), 1.0, seen=True)
        clock.advance(seconds=30)
    entries = await registry.history(cluster.id, cluster.created_at)
    minutes = [(entry.checked_at - cluster.created_at).total_seconds() / 60 for entry in entries]
    assert minutes == [0, 5, 10]
    assert (
        await registry.resolve(cluster.id, LOCAL_ADMIN)
    ).status.checked_at == clock.now - timedelta(seconds=30)


async def test_history_is_cut_by_time_and_limit_oldest_first(registry, new_cluster, status, clock):
    cluster = await registry.register(new_cluster())
    for score in (10, 20, 30, 40):
        await registry.set_status(cluster.id, status(score=score))
        clock.advance(minutes=1)
    since = cluster.created_at + timedelta(minutes=1)
    scores = [check.health_score for check in await registry.history(cluster.id, since)]
    assert scores == [20, 30, 40]
    newest = await registry.history(cluster.id, since, limit=2)
    assert [check.health_score for check in newest] == [30, 40]


async def test_prune_forgets_what_is_older_than_seven_days(registry, new_cluster, status, clock):
    cluster = await registry.register(new_cluster())
    for score in (10, 20, 30):
        await registry.set_status(cluster.id, status(score=score))
        clock.advance(days=3)
    assert await registry.prune_history() == 1  # they are 9, 6 and 3 days old
    left = await registry.history(cluster.id, cluster.created_at)
    assert [check.health_score for check in left] == [20, 30]
    assert await registry.prune_history() == 0


async def test_an_older_check_does_not_undo_a_newer_one(registry, new_cluster, status, clock):
    cluster = await registry.register(new_cluster())
    late = status(ClusterState.OFFLINE, 0, "late")
    clock.advance(seconds=1)
    await registry.set_status(cluster.id, status())
    await registry.set_status(cluster.id, late)
    assert (await registry.resolve(cluster.id, LOCAL_ADMIN)).status.state is ClusterState.ONLINE
    assert len(await registry.history(cluster.id, cluster.created_at)) == 1


async def test_a_check_without_its_moment_gets_the_clocks(registry, new_cluster, clock):
    cluster = await registry.register(new_cluster())
    clock.advance(minutes=1)
    await registry.set_status(cluster.id, ClusterStatus(state=ClusterState.ONLINE))
    assert (await registry.resolve(cluster.id, LOCAL_ADMIN)).status.checked_at == clock.now


async def test_checks_of_a_cluster_that_is_gone(registry, new_cluster, status):
    cluster = await registry.register(new_cluster())
    with pytest.raises(ClusterNotFound):
        await registry.set_status(uuid4(), status())
    await registry.set_statuses(
        [StatusUpdate(uuid4(), status()), StatusUpdate(cluster.id, status(score=70))]
    )
    assert (await registry.resolve(cluster.id, LOCAL_ADMIN)).status.health_score == 70


async def test_fifty_checks_at_once_are_few_transactions(
    database, registry, new_cluster, status, bus
):
    clusters = [await registry.register(new_cluster(f"cluster-{i}")) for i in range(50)]
    commits = []
    event.listen(database._engine.sync_engine, "commit", lambda connection: commits.append(1))
    await asyncio.gather(
        *(registry.set_status(cluster.id, status(), 1.0, seen=True) for cluster in clusters)
    )
    assert len(commits) <= 2
    assert len(transitions(bus)) == 50
    states = {cluster.status.state for cluster in await registry.list(LOCAL_ADMIN)}
    assert states == {ClusterState.ONLINE}


async def test_two_checks_of_one_cluster_in_one_batch_the_newer_wins(
    registry, new_cluster, status, clock
):
    cluster = await registry.register(new_cluster())
    old = status(score=10)
    clock.advance(seconds=1)
    new = status(score=20)
    await registry.set_statuses([StatusUpdate(cluster.id, new), StatusUpdate(cluster.id, old)])
    assert (await registry.resolve(cluster.id, LOCAL_ADMIN)).status.health_score == 20
    await registry.set_statuses([])


async def test_what_a_cluster_says_cannot_spoil_the_batch(registry, new_cluster, status, clock):
    good = await registry.register(new_cluster("good"))
    odd = await registry.register(new_cluster("odd"))
    nasty = status(ClusterState.OFFLINE, 0, "HTTP 500: \0\0" + "x" * 1_000_000)
    await registry.set_statuses([StatusUpdate(odd.id, nasty), StatusUpdate(good.id, status())])
    assert (await registry.resolve(good.id, LOCAL_ADMIN)).status.health_score == 100
    said = (await registry.resolve(odd.id, LOCAL_ADMIN)).status.last_error
    assert said.startswith("HTTP 500: \N{REPLACEMENT CHARACTER}")
    assert len(said) == 2000
    found = await registry.set_capabilities(
        odd.id, ClusterCapabilities(gpu_types=("\0",)), platform_version="v1\0" + "9" * 500
    )
    assert len(found.platform_version) == 128
    assert await registry.resolve(odd.id, LOCAL_ADMIN) == found

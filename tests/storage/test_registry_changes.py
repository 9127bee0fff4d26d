"""Registering, changing and removing clusters, on both databases."""

import asyncio
from uuid import uuid4

import pytest

from aiops_mcp.errors import ClusterAlreadyExists, ClusterNotFound, StorageFailed
from aiops_mcp.models.cluster import (
    ClusterCapabilities,
    ClusterEndpoints,
    ClusterState,
    ClusterType,
    CnfType,
    Environment,
    Platform,
)
from aiops_mcp.models.events import EventType
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.models.registration import ClusterChanges

CONFINED = Principal(subject="ann", role=Role.VIEWER, clusters=frozenset({"edge-01", "gone"}))


def kinds(bus):
    return [event.event_type.value for event in bus.events]


async def test_a_registered_cluster_is_read_back_as_it_was_given(registry, new_cluster, clock, bus):
    cluster = await registry.register(
        new_cluster(
            display_name="Ost 1 — Köln",
            cluster_type=ClusterType.FAR_EDGE,
            platform=Platform.MICROSHIFT,
            region="eu",
            environment=Environment.PRODUCTION,
            labels={"team": "ml", "ü": "ß"},
            endpoints=ClusterEndpoints(prometheus_url="https://p.example/"),
        )
    )
    [read] = await registry.list(LOCAL_ADMIN)
    assert read == cluster
    assert read.display_name == "Ost 1 — Köln"
    assert (read.cluster_type, read.platform) == (ClusterType.FAR_EDGE, Platform.MICROSHIFT)
    assert (read.region, read.environment) == ("eu", Environment.PRODUCTION)
    assert read.labels == {"team": "ml", "ü": "ß"}
    assert read.endpoints.prometheus_url == "https://p.example"
    assert read.endpoints.loki_url is None
    assert read.created_at == read.updated_at == clock.now
    assert read.created_at.utcoffset().total_seconds() == 0
    assert read.status.state is ClusterState.UNKNOWN
    assert read.last_seen_at is None
    assert kinds(bus) == ["CLUSTER_REGISTERED"]
    assert bus.events[0].cluster_id == cluster.id
    assert bus.events[0].payload["cluster_type"] == "FAR_EDGE"


async def test_names_are_unique_and_the_error_names_the_existing_one(registry, new_cluster, bus):
    first = await registry.register(new_cluster("prod-east-1"))
    with pytest.raises(ClusterAlreadyExists) as caught:
        await registry.register(new_cluster("prod-east-1", api_server_url="https://other"))
    assert caught.value.code == "CLUSTER_ALREADY_EXISTS"
    assert str(first.id) in caught.value.message
    assert "https://prod-east-1.example:6443" in caught.value.message
    assert caught.value.details == {"name": "prod-east-1", "cluster_id": str(first.id)}
    assert len(await registry.list(LOCAL_ADMIN)) == 1
    assert kinds(bus) == ["CLUSTER_REGISTERED"]


async def test_of_ten_that_register_one_name_at_once_one_wins(registry, new_cluster):
    outcomes = await asyncio.gather(
        *(registry.register(new_cluster("prod-east-1")) for _ in range(10)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, ClusterAlreadyExists)]
    assert len(refused) == 9
    assert len(await registry.list(LOCAL_ADMIN)) == 1


async def test_resolve_takes_a_name_or_an_id_in_any_spelling(registry, new_cluster):
    cluster = await registry.register(new_cluster("prod-east-1"))
    for spelling in ("prod-east-1", cluster.id, str(cluster.id), str(cluster.id).upper()):
        assert (await registry.resolve(spelling, LOCAL_ADMIN)).id == cluster.id


async def test_an_unknown_name_names_near_ones_that_the_caller_may_see(registry, new_cluster):
    for name in ("prod-east-1", "prod-west-1", "edge-01"):
        await registry.register(new_cluster(name))
    with pytest.raises(ClusterNotFound) as caught:
        await registry.resolve("prod-est-1", LOCAL_ADMIN)
    assert caught.value.details["near"] == ["prod-west-1", "prod-east-1"] or caught.value.details[
        "near"
    ] == ["prod-east-1", "prod-west-1"]
    with pytest.raises(ClusterNotFound) as caught:
        await registry.resolve("prod-est-1", CONFINED)
    assert caught.value.details["near"] == []
    assert "prod" not in caught.value.hint


async def test_what_a_principal_may_not_see_does_not_exist_for_it(registry, new_cluster):
    hidden = await registry.register(new_cluster("prod-east-1"))
    shown = await registry.register(new_cluster("edge-01"))
    assert await registry.list(CONFINED) == (shown,)
    assert (await registry.resolve("edge-01", CONFINED)).id == shown.id
    for key in ("prod-east-1", str(hidden.id), hidden.id):
        with pytest.raises(ClusterNotFound) as caught:
            await registry.resolve(key, CONFINED)
        assert caught.value.message == f"No cluster is called {str(key)!r}."


async def test_an_update_changes_only_what_it_names(registry, new_cluster, clock, bus):
    before = await registry.register(new_cluster(region="eu", labels={"a": "1"}))
    clock.advance(minutes=5)
    after = await registry.update(before.id, ClusterChanges(display_name="East", labels={"b": "2"}))
    assert after.labels == {"b": "2"}
    assert (after.display_name, after.region) == ("East", "eu")
    assert after.updated_at == clock.now
    assert after.created_at == before.created_at
    assert await registry.resolve(before.id, LOCAL_ADMIN) == after
    assert kinds(bus) == ["CLUSTER_REGISTERED", "CLUSTER_UPDATED"]
    assert bus.events[1].payload == {"changed": ["display_name", "labels"]}


async def test_an_explicit_null_clears_the_region_and_nothing_else(registry, new_cluster):
    cluster = await registry.register(new_cluster(region="eu", display_name="East"))
    after = await registry.update(cluster.id, ClusterChanges(region=None, display_name=None))
    assert after.region is None
    assert after.display_name == "East"


async def test_an_update_without_a_difference_writes_and_says_nothing(
    registry, new_cluster, clock, bus
):
    before = await registry.register(new_cluster(region="eu"))
    clock.advance(minutes=5)
    assert await registry.update(before.id, ClusterChanges(region="eu")) == before
    assert kinds(bus) == ["CLUSTER_REGISTERED"]


async def test_a_rename_is_resolved_at_once_and_its_event_tells_both_names(
    registry, new_cluster, bus
):
    cluster = await registry.register(new_cluster("prod-east-1"))
    await registry.register(new_cluster("taken"))
    await registry.update(cluster.id, ClusterChanges(name="prod-east-2"))
    assert (await registry.resolve("prod-east-2", LOCAL_ADMIN)).id == cluster.id
    with pytest.raises(ClusterNotFound):
        await registry.resolve("prod-east-1", LOCAL_ADMIN)
    assert bus.events[-1].cluster_name == "prod-east-2"
    assert bus.events[-1].payload == {"changed": ["name"], "old_name": "prod-east-1"}
    with pytest.raises(ClusterAlreadyExists):
        await registry.update(cluster.id, ClusterChanges(name="taken"))
    assert (await registry.resolve(cluster.id, LOCAL_ADMIN)).name == "prod-east-2"


async def test_changes_of_a_cluster_that_is_gone_are_refused(registry, bus):
    for change in (
        registry.update(uuid4(), ClusterChanges(region="eu")),
        registry.remove(uuid4()),
        registry.set_capabilities(uuid4(), ClusterCapabilities(gpu_count=1)),
        registry.access_revision(uuid4()),
    ):
        with pytest.raises(ClusterNotFound):
            await change
    assert bus.events == []


async def test_a_removed_cluster_takes_everything_with_it(
    registry, vault, new_cluster, credentials, bus, clock
):
    cluster = await registry.register(new_cluster(), credentials())
    other = await registry.register(new_cluster("other"), credentials())
    removed = await registry.remove(cluster.id)
    assert removed.name == "prod-east-1"
    assert [left.name for left in await registry.list(LOCAL_ADMIN)] == ["other"]
    assert await vault.info(cluster.id) is None
    assert await vault.info(other.id) is not None
    assert kinds(bus)[-1] == "CLUSTER_DELETED"
    assert bus.events[-1].cluster_name == "prod-east-1"
    again = await registry.register(new_cluster(), None)
    assert again.id != cluster.id


async def test_discovery_stores_what_it_found_and_leaves_configured_urls(
    registry, new_cluster, bus
):
    cluster = await registry.register(
        new_cluster(endpoints=ClusterEndpoints(prometheus_url="https://mine"))
    )
    found = ClusterCapabilities(
        has_gpu_nodes=True, gpu_count=8, gpu_types=("H100",), cnf_types=(CnfType.UPF,)
    )
    after = await registry.set_capabilities(
        cluster.id,
        found,
        endpoints=ClusterEndpoints(prometheus_url="https://found", loki_url="https://loki"),
        platform=Platform.KUBERNETES,
        platform_version="1.31.2",
    )
    assert after.capabilities == found
    assert after.endpoints.prometheus_url == "https://mine"
    assert after.endpoints.loki_url == "https://loki"
    assert (after.platform, after.platform_version) == (Platform.KUBERNETES, "1.31.2")
    assert await registry.resolve(cluster.id, LOCAL_ADMIN) == after
    assert kinds(bus)[1:] == ["CLUSTER_CAPABILITIES_CHANGED", "CLUSTER_UPDATED"]
    assert bus.events[1].payload == {
        "changed": {
            "has_gpu_nodes": True,
            "gpu_count": 8,
            "gpu_types": ["H100"],
            "cnf_types": ["UPF"],
        }
    }
    assert bus.events[2].payload == {"changed": ["endpoints", "platform", "platform_version"]}
    again = await registry.set_capabilities(
        cluster.id, found, endpoints=ClusterEndpoints(loki_url="https://loki-2")
    )
    assert again.endpoints.loki_url == "https://loki-2"
    assert kinds(bus)[3:] == ["CLUSTER_UPDATED"]


async def test_the_access_revision_moves_with_urls_and_credentials_only(
    registry, new_cluster, credentials
):
    cluster = await registry.register(new_cluster())
    seen = [await registry.access_revision(cluster.id)]

    async def moved():
        seen.append(await registry.access_revision(cluster.id))
        return seen[-1] != seen[-2]

    await registry.update(cluster.id, ClusterChanges(region="eu"))
    assert not await moved()
    await registry.update(cluster.id, ClusterChanges(api_server_url="https://moved"))
    assert await moved()
    await registry.set_capabilities(
        cluster.id, ClusterCapabilities(), endpoints=ClusterEndpoints(loki_url="https://l")
    )
    assert await moved()
    await registry.store_credentials(cluster.id, credentials())
    assert await moved()
    await registry.delete_credentials(cluster.id)
    assert await moved()


async def test_a_change_goes_on_when_its_caller_is_cancelled(registry, new_cluster, bus):
    task = asyncio.create_task(registry.register(new_cluster()))
    done = asyncio.Event()

    async def listener(event):
        if event.event_type is EventType.CLUSTER_REGISTERED:
            done.set()

    bus.subscribe(listener)
    await asyncio.sleep(0)  # let it begin
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await done.wait()
    assert [cluster.name for cluster in await registry.list(LOCAL_ADMIN)] == ["prod-east-1"]


async def test_nothing_is_registered_when_the_credentials_cannot_be_stored(
    database, registry, new_cluster, credentials, keys, tmp_path, bus
):
    keys.newest()
    (tmp_path / "vault.key").chmod(0o644)
    (tmp_path / "vault.key").write_text("changed so that it is read again")
    with pytest.raises(StorageFailed, match="can be read by others"):
        await registry.register(new_cluster(), credentials())
    assert await registry.list(LOCAL_ADMIN) == ()
    assert bus.events == []


async def test_what_was_written_is_seen_though_others_read_at_the_same_moment(
    registry, new_cluster
):
    reading = True

    async def keep_reading():
        while reading:
            registry._roster.forget()
            await registry.list(LOCAL_ADMIN)

    readers = [asyncio.create_task(keep_reading()) for _ in range(3)]
    try:
        for number in range(40):
            await registry.register(new_cluster(f"just-{number}"))
            assert (await registry.resolve(f"just-{number}", LOCAL_ADMIN)).name == f"just-{number}"
    finally:
        reading = False
        await asyncio.gather(*readers)

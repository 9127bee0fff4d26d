"""Two servers on one database see and respect one another."""

import asyncio
import sys

import pytest
from sqlalchemy import text

from aiops_mcp.errors import ClusterNotFound
from aiops_mcp.fleet.registry import Registry
from aiops_mcp.fleet.vault import DatabaseVault
from aiops_mcp.models.cluster import ClusterState, ClusterStatus
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.registration import ClusterChanges
from aiops_mcp.storage.clusters import clusters_since, next_revision, revision_now
from aiops_mcp.storage.engine import Database

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.fleet.registry import Registry
from aiops_mcp.fleet.vault import DatabaseVault
from aiops_mcp.fleet.vault_keys import FileKeys
from aiops_mcp.models.cluster import ClusterStatus
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.storage.engine import Database
from pathlib import Path

async def main(url, key, who):
    clock = lambda: datetime.now(UTC)
    database = Database(url, busy_timeout=20)
    await database.migrate()
    registry = Registry(database, DatabaseVault(database, FileKeys(Path(key)), clock=clock), MemoryBus(), clock)
    for i in range(8):
        cluster = await registry.register(NewCluster(name=f"{who}-{i}", api_server_url="https://x"))
        await registry.set_status(cluster.id, ClusterStatus(state="ONLINE", health_score=i))
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def other(database_url, keys, bus, clock):
    """The registry of a second process, as far as the database can tell."""
    database = Database(database_url)
    vault = DatabaseVault(database, keys, clock=clock)
    yield Registry(database, vault, bus, clock, monotonic=clock.monotonic)
    await database.close()


async def test_what_another_process_writes_is_seen_within_a_second(
    registry, other, new_cluster, clock
):
    kept = await registry.register(new_cluster("kept"))
    gone = await registry.register(new_cluster("gone"))
    assert len(await other.list(LOCAL_ADMIN)) == 2
    await registry.register(new_cluster("new"))
    await registry.remove(gone.id)
    await registry.update(kept.id, ClusterChanges(region="eu"))
    await registry.set_status(kept.id, ClusterStatus(state=ClusterState.DEGRADED))
    assert [cluster.name for cluster in await other.list(LOCAL_ADMIN)] == ["gone", "kept"]
    clock.advance(seconds=1)
    assert [cluster.name for cluster in await other.list(LOCAL_ADMIN)] == ["kept", "new"]
    seen = await other.resolve("kept", LOCAL_ADMIN)
    assert (seen.region, seen.status.state) == ("eu", ClusterState.DEGRADED)
    with pytest.raises(ClusterNotFound):
        await other.resolve(gone.id, LOCAL_ADMIN)


async def test_new_credentials_of_another_process_change_the_access_revision(
    registry, other, new_cluster, credentials, clock
):
    cluster = await registry.register(new_cluster())
    before = await other.access_revision(cluster.id)
    await registry.store_credentials(cluster.id, credentials())
    clock.advance(seconds=1)
    assert await other.access_revision(cluster.id) > before


async def test_an_own_write_is_seen_at_once(registry, other, new_cluster):
    await registry.list(LOCAL_ADMIN)
    await registry.register(new_cluster())
    assert len(await registry.list(LOCAL_ADMIN)) == 1
    await other.list(LOCAL_ADMIN)


async def test_two_processes_that_write_at_once_both_get_everything_in(database_url, tmp_path):
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, database_url, str(tmp_path / "vault.key"), who
        )
        for who in ("left", "right")
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    database = Database(database_url)
    async with database.read() as transaction:
        records = await clusters_since(transaction, 0)
        assert await revision_now(transaction) == (32, 0)
    assert len(records) == 16
    assert sorted(record.cluster.status.health_score for record in records) == sorted(
        [*range(8), *range(8)]
    )
    await database.close()


async def test_a_change_that_reads_before_it_writes_does_not_collide(database, database_url):
    beside = Database(database_url)
    begun = asyncio.Event()

    async def first():
        async with database.transaction() as transaction:
            seen = await next_revision(transaction)
            begun.set()
            await asyncio.sleep(0.05)  # long enough for the other to be at its reading
            return seen

    async def second():
        await begun.wait()
        async with beside.transaction() as transaction:
            await transaction.execute(text("SELECT count(*) FROM clusters"))
            return await next_revision(transaction)

    assert await asyncio.gather(first(), second()) == [1, 2]
    await beside.close()

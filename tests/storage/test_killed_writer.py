"""kill -9 in the middle of writing: what was acknowledged is there, nothing is half there."""

import asyncio
import sys
from datetime import UTC, datetime

from sqlalchemy import text

from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.fleet.registry import Registry
from aiops_mcp.fleet.vault import DatabaseVault
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.storage.engine import Database

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.fleet.registry import Registry
from aiops_mcp.fleet.vault import DatabaseVault
from aiops_mcp.fleet.vault_keys import FileKeys
from aiops_mcp.models.cluster import ClusterCredentials, ClusterStatus
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.storage.engine import Database

async def main(url, key):
    clock = lambda: datetime.now(UTC)
    database = Database(url)
    await database.migrate()
    registry = Registry(database, DatabaseVault(database, FileKeys(Path(key)), clock=clock), MemoryBus(), clock)
    i = 0
    while True:
        i += 1
        name = f"cluster-{i}"
        credentials = ClusterCredentials(auth_type="SERVICE_ACCOUNT", token=name, created_at=clock())
        cluster = await registry.register(NewCluster(name=name, api_server_url="https://x"), credentials)
        print("registered", name, flush=True)
        await registry.set_status(cluster.id, ClusterStatus(state="ONLINE", health_score=100))
        if i % 5 == 0:
            await registry.rotate_vault_key()
            await registry.remove(cluster.id)
            print("removed", name, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_writer_leaves_a_whole_database(database_url, tmp_path, keys):
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, database_url, str(tmp_path / "vault.key"),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    lines = [await writer.stdout.readline() for _ in range(12)]
    writer.kill()
    await writer.wait()
    lines += (await writer.stdout.read()).splitlines()
    said = [line.decode().split() for line in lines]
    removed = {name for what, name in said if what == "removed"}
    registered = {name for what, name in said if what == "registered"} - removed

    database = Database(database_url)
    await database.migrate()

    def clock():
        return datetime.now(UTC)

    vault = DatabaseVault(database, keys, clock=clock)
    registry = Registry(database, vault, MemoryBus(), clock)
    there = {cluster.name: cluster for cluster in await registry.list(LOCAL_ADMIN)}
    # At most one more than acknowledged (committed, not yet said), or one less (removed, not said).
    assert len(there.keys() ^ registered) <= 1
    for name, cluster in there.items():
        assert (await registry.load_credentials(cluster.id)).token.get_secret_value() == name
    async with database.read() as transaction:
        for table in ("cluster_status", "credentials"):
            count = await transaction.scalar(text(f"SELECT count(*) FROM {table}"))
            assert count == len(there)
        if database.dialect == "sqlite":
            assert await transaction.scalar(text("PRAGMA integrity_check")) == "ok"
            assert (await transaction.execute(text("PRAGMA foreign_key_check"))).all() == []
    await registry.rotate_vault_key()
    assert len((tmp_path / "vault.key").read_text().split()) == 1
    await database.close()

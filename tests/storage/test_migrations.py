"""The one list of migrations builds the same tables on both databases."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from aiops_mcp.errors import StorageFailed
from aiops_mcp.storage import migrations
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.tables import metadata
from aiops_mcp.storage.upgrade import HEAD

START_TOGETHER = """
import asyncio, sys
from aiops_mcp.storage.engine import Database

async def main():
    database = Database(sys.argv[1])
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    sys.stdin.readline()
    await database.migrate()
    async with database.transaction() as transaction:
        from aiops_mcp.storage.clusters import next_revision
        print(await next_revision(transaction))
    await database.close()

asyncio.run(main())
"""


def test_the_newest_migration_is_the_one_we_ask_for():
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_migrations_build_exactly_the_tables_we_use(database):
    def differences(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)

    async with database.read() as transaction:
        assert await transaction.run_sync(differences) == []


async def test_a_second_start_changes_nothing(database, database_url, registry, new_cluster):
    await registry.register(new_cluster())
    again = Database(database_url)
    await again.migrate()
    async with again.read() as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM clusters")) == 1
        assert await transaction.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    await again.close()


async def test_processes_that_start_together_make_one_database(database_url):
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            START_TOGETHER,
            database_url,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert await process.stdout.readline() == b"ready\n"
    for process in processes:
        process.stdin.write(b"go\n")
    answers = [await process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(int(out) for out, _ in answers) == [1, 2]


async def test_a_start_waits_for_who_writes_the_new_file_first(tmp_path):
    """SQLite itself does not wait where a file is switched to WAL: it says at once it is locked."""
    file = tmp_path / "aiops.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        database = Database(f"sqlite+aiosqlite:///{file}")
        starting = asyncio.create_task(database.migrate())
        done, _ = await asyncio.wait({starting}, timeout=0.2)
        assert not done
        other.execute("COMMIT")
        await starting
    async with database.read() as transaction:
        assert await transaction.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    await database.close()


async def test_a_start_does_not_wait_forever(tmp_path):
    file = tmp_path / "aiops.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        database = Database(f"sqlite+aiosqlite:///{file}", busy_timeout=0.1)
        with pytest.raises(StorageFailed, match="locked by another process"):
            await database.migrate()
        await database.close()


async def test_a_database_of_a_newer_version_is_refused_untouched(database, database_url):
    async with database.transaction() as transaction:
        await transaction.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer = Database(database_url)
    with pytest.raises(StorageFailed, match="version 9999") as caught:
        await newer.migrate()
    assert "newer version" in caught.value.hint
    await newer.close()


async def test_a_start_that_fails_halfway_leaves_nothing(database_url):
    broken = Database(database_url)
    async with broken.transaction() as transaction:
        await transaction.execute(text("CREATE TABLE leases (name INTEGER)"))  # the last one made
    with pytest.raises(StorageFailed):
        await broken.migrate()
    async with broken.transaction() as transaction:
        with pytest.raises(Exception, match="clusters"):
            await transaction.execute(text("SELECT * FROM clusters"))
        await transaction.rollback()
    async with broken.transaction() as transaction:
        await transaction.execute(text("DROP TABLE leases"))
    await broken.migrate()
    async with broken.read() as transaction:
        assert await transaction.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    await broken.close()


async def test_a_database_in_memory_serves_several_tasks():
    database = Database("sqlite+aiosqlite:///:memory:")
    await database.migrate()
    await database.migrate()

    async def count():
        async with database.transaction() as transaction:
            await transaction.execute(text("UPDATE revisions SET revision = revision + 1"))

    await asyncio.gather(*(count() for _ in range(20)))
    async with database.read() as transaction:
        assert await transaction.scalar(text("SELECT revision FROM revisions")) == 20
    await database.ping()
    assert database.place == ":memory:"
    await database.close()

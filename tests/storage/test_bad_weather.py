"""A database that is read-only, full, locked, damaged or away: what the caller is told."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import text

from aiops_mcp.errors import StorageFailed
from aiops_mcp.models.cluster import ClusterStatus
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.storage.engine import Database

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ONLY_POSTGRESQL = pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.real)], indirect=True
)

READ_ONLY = """
import asyncio, sys
from aiops_mcp.errors import StorageFailed
from aiops_mcp.storage.engine import Database

async def main():
    database = Database(sys.argv[1])
    try:
        await database.migrate()
    except StorageFailed as error:
        print(error.message)
        print(error.hint)
    await database.close()

asyncio.run(main())
"""


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite+aiosqlite:///{tmp_path}/aiops.sqlite"


@pytest.fixture
async def other_database():
    opened = []

    def open_database(url, **options):
        opened.append(Database(url, **options))
        return opened[-1]

    yield open_database
    for database in opened:
        await database.close()


async def failure(work):
    with pytest.raises(StorageFailed) as caught:
        await work
    assert caught.value.code == "INTERNAL_ERROR"
    assert caught.value.retryable
    return caught.value


async def test_a_missing_directory_is_made_for_this_user_only(tmp_path, other_database):
    database = other_database(f"sqlite+aiosqlite:///{tmp_path}/a/b/aiops.sqlite")
    await database.migrate()
    assert (tmp_path / "a" / "b" / "aiops.sqlite").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


async def test_a_directory_that_cannot_be_made(tmp_path, other_database):
    (tmp_path / "a").write_text("a file")
    error = await failure(
        other_database(f"sqlite+aiosqlite:///{tmp_path}/a/b/aiops.sqlite").migrate()
    )
    assert str(tmp_path / "a" / "b" / "aiops.sqlite") in error.message
    assert "cannot be made" in error.message
    assert "AIOPS_HOME" in error.hint


@ONLY_SQLITE
async def test_a_read_only_file_is_still_read_and_writing_says_so(
    tmp_path, database, registry, new_cluster, other_database
):
    await registry.register(new_cluster())
    await database.close()
    read_only = other_database(f"sqlite+aiosqlite:///file:{tmp_path}/aiops.sqlite?mode=ro&uri=true")
    await read_only.migrate()
    async with read_only.read() as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM clusters")) == 1

    async def write():
        async with read_only.transaction() as transaction:
            await transaction.execute(text("UPDATE revisions SET revision = 99"))

    error = await failure(write())
    assert "cannot be written" in error.message
    assert "writable" in error.hint


async def test_a_file_without_write_permission(other_database):
    """As another user, because root may write everything; outside of pytest's private folder."""
    if os.geteuid() != 0:
        pytest.skip("needs to become another user")
    with tempfile.TemporaryDirectory(prefix="aiops-") as place:
        os.chmod(place, 0o755)  # noqa: PTH101 (pathlib is refused in async tests)
        url = f"sqlite+aiosqlite:///{place}/aiops.sqlite"
        database = other_database(url)
        await database.migrate()
        await database.close()
        os.chmod(f"{place}/aiops.sqlite", 0o644)  # noqa: PTH101
        message, hint = _as_another_user(url)
    assert "cannot be written" in message
    assert "writable" in hint


def _as_another_user(database_url):
    started = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
         sys.executable, "-c", READ_ONLY, database_url],
        capture_output=True, text=True, cwd="/", check=False,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    if started.returncode:
        pytest.skip(f"another user may not run this Python: {started.stderr[-200:]}")
    return started.stdout.splitlines()


@ONLY_SQLITE
async def test_a_full_disk_refuses_the_write_whole_and_goes_on_when_there_is_room(
    database, registry, new_cluster
):
    await registry.register(new_cluster("first"))
    async with database.read() as transaction:
        pages = await transaction.scalar(text("PRAGMA page_count"))

    async def limit(pages):
        for _ in range(5):  # each connection of the pool has its own limit
            async with database.read() as transaction:
                await transaction.execute(text(f"PRAGMA max_page_count = {pages}"))

    await limit(pages)
    big = {f"key-{i}": "v" * 250 for i in range(64)}
    error = await failure(registry.register(new_cluster("second", labels=big)))
    assert "is full" in error.message
    assert "Free disk space" in error.hint
    assert [cluster.name for cluster in await registry.list(LOCAL_ADMIN)] == ["first"]
    await limit(1_000_000)
    await registry.register(new_cluster("second", labels=big))
    assert (await registry.resolve("second", LOCAL_ADMIN)).labels == big


@ONLY_SQLITE
async def test_a_lock_of_another_process_beyond_the_patience(
    database, database_url, other_database
):
    holder = sqlite3.connect(database.place, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    impatient = other_database(database_url, busy_timeout=0.05)

    async def write():
        async with impatient.transaction() as transaction:
            await transaction.execute(text("UPDATE revisions SET revision = revision + 1"))

    error = await failure(write())
    assert "locked by another process" in error.message
    async with impatient.read() as transaction:  # readers are not held up
        assert await transaction.scalar(text("SELECT revision FROM revisions")) == 0
    holder.execute("COMMIT")
    holder.close()
    await write()


async def test_a_lock_while_the_database_is_made(tmp_path, sqlite_url, other_database):
    holder = sqlite3.connect(tmp_path / "aiops.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("CREATE TABLE other (x)")
    error = await failure(other_database(sqlite_url, busy_timeout=0.05).migrate())
    assert "locked by another process" in error.message
    holder.execute("ROLLBACK")
    holder.close()


def _overwrite(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


@ONLY_SQLITE
async def test_a_damaged_file(database, registry, new_cluster, database_url, other_database):
    for i in range(30):
        await registry.register(new_cluster(f"cluster-{i}", labels={"k": "v" * 200}))
    await database.close()
    _overwrite(Path(database.place))
    damaged = other_database(database_url)

    async def read():
        async with damaged.read() as transaction:
            await transaction.execute(text("SELECT * FROM clusters"))

    error = await failure(read())
    assert "is damaged" in error.message
    assert "backup" in error.hint


async def test_a_file_that_is_something_else(tmp_path, sqlite_url, other_database):
    (tmp_path / "aiops.sqlite").write_text("Dear diary, " * 100)
    error = await failure(other_database(sqlite_url).migrate())
    assert "is not a SQLite database" in error.message
    assert (tmp_path / "aiops.sqlite").read_text().startswith("Dear diary")


async def test_a_place_that_is_a_directory(tmp_path, other_database):
    error = await failure(other_database(f"sqlite+aiosqlite:///{tmp_path}").migrate())
    assert "cannot be opened" in error.message


@pytest.mark.parametrize("url", ["not a url", "mysql://x/y", "sqlite+pysqlite:///x"])
def test_urls_of_no_use(url):
    with pytest.raises(StorageFailed) as caught:
        Database(url)
    assert "postgresql+asyncpg://" in caught.value.hint


def test_a_url_with_a_broken_port_keeps_its_password_to_itself(canary):
    with pytest.raises(StorageFailed) as caught:
        Database(f"postgresql://me:{canary}@host:notaport/db")
    assert canary not in f"{caught.value}{caught.value.__cause__}"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_plain_urls_are_understood_and_messages_hide_the_password(scheme, canary):
    database = Database(f"{scheme}://me:{canary}@db.example/aiops")
    assert database.place == "postgresql+asyncpg://me:***@db.example/aiops"
    assert database.dialect == "postgresql"


async def test_a_server_that_is_away(unused_tcp_port, other_database, canary):
    database = other_database(f"postgresql://me:{canary}@127.0.0.1:{unused_tcp_port}/aiops")
    for attempt in (database.migrate(), database.ping()):
        error = await failure(attempt)
        assert "cannot be reached" in error.message
        assert "AIOPS_DATABASE_URL" in error.hint
        assert canary not in f"{error}"


async def test_a_server_that_does_not_answer(other_database):
    async def hang(reader, writer):
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    database = other_database(f"postgresql://me@127.0.0.1:{port}/aiops", connect_timeout=0.1)
    error = await failure(database.ping())
    assert "cannot be reached" in error.message
    silent.close()
    await silent.wait_closed()


@pytest.mark.real
async def test_a_database_that_does_not_exist(postgres_server, other_database):
    error = await failure(other_database(f"{postgres_server[0]}/nowhere").migrate())
    assert "does not exist" in error.message
    assert "createdb" in error.hint


@ONLY_POSTGRESQL
async def test_a_connection_that_was_cut_is_replaced(database, registry, new_cluster):
    await registry.register(new_cluster("first"))
    async with database.read() as transaction:
        await transaction.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    await registry.register(new_cluster("second"))
    assert len(await registry.list(LOCAL_ADMIN)) == 2


@ONLY_POSTGRESQL
async def test_a_connection_cut_in_the_middle_of_a_change_writes_nothing(
    database, database_url, registry, new_cluster, other_database
):
    await registry.register(new_cluster("first"))
    killer = other_database(database_url)

    async def cut():
        async with database.transaction() as transaction:
            await transaction.execute(text("UPDATE revisions SET revision = 99"))
            mine = await transaction.scalar(text("SELECT pg_backend_pid()"))
            async with killer.read() as other:
                await other.execute(text(f"SELECT pg_terminate_backend({mine})"))
            await transaction.execute(text("UPDATE revisions SET revision = 100"))

    error = await failure(cut())
    assert error.hint
    async with database.read() as transaction:
        assert await transaction.scalar(text("SELECT revision FROM revisions")) == 1


async def test_the_list_outlives_a_database_that_goes_away_for_minutes(
    database, registry, new_cluster, clock, caplog
):
    cluster = await registry.register(new_cluster())
    assert len(await registry.list(LOCAL_ADMIN)) == 1
    async with database.transaction() as transaction:
        await transaction.execute(text("ALTER TABLE revisions RENAME TO away"))
    clock.advance(seconds=10)
    assert len(await registry.list(LOCAL_ADMIN)) == 1
    assert "as of 10 s ago" in caplog.text
    caplog.clear()
    assert len(await registry.list(LOCAL_ADMIN)) == 1
    assert caplog.text == ""  # not asked again within 5 s
    await failure(registry.set_status(cluster.id, ClusterStatus()))
    clock.advance(seconds=301)
    await failure(registry.list(LOCAL_ADMIN))
    async with database.transaction() as transaction:
        await transaction.execute(text("ALTER TABLE away RENAME TO revisions"))
    assert len(await registry.list(LOCAL_ADMIN)) == 1


async def test_closing_lets_what_has_begun_come_to_its_end(
    database, database_url, registry, new_cluster, other_database
):
    cluster = await registry.register(new_cluster())
    begun = [
        asyncio.create_task(registry.set_status(cluster.id, ClusterStatus(health_score=77))),
        asyncio.create_task(registry.register(new_cluster("second"))),
    ]
    while database._in_use < 2:  # noqa: ASYNC110 (there is nothing to wait for but the begin)
        await asyncio.sleep(0)
    for task in begun:
        task.cancel()
    await database.close()
    error = await failure(database.ping())
    assert "is closed" in error.message
    again = other_database(database_url)
    async with again.read() as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM clusters")) == 2
        query = text("SELECT max(health_score) FROM cluster_status")
        assert await transaction.scalar(query) == 77


async def test_a_database_restored_from_a_backup_is_read_anew(
    database, registry, new_cluster, clock
):
    await registry.register(new_cluster("first"))
    await registry.register(new_cluster("second"))
    assert len(await registry.list(LOCAL_ADMIN)) == 2
    async with database.transaction() as transaction:
        await transaction.execute(text("DELETE FROM clusters WHERE name = 'second'"))
        await transaction.execute(text("UPDATE revisions SET revision = 1"))
    clock.advance(seconds=1)
    assert [cluster.name for cluster in await registry.list(LOCAL_ADMIN)] == ["first"]

"""The database: an async engine, transactions, and driver errors turned into ``StorageFailed``.

SQLite by default, PostgreSQL by URL; callers cannot tell which. Writers are serialised: on SQLite
by ``BEGIN IMMEDIATE`` (and a lock within the process, fairer than SQLite's busy handler), on
PostgreSQL by the row locks of what they write. Knows no table.

SQLite runs in WAL mode with ``synchronous=NORMAL``: a killed process loses nothing that was
committed and leaves nothing half-written; a power cut may lose the last commits, never the file.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, Pool, StaticPool

from aiops_mcp.errors import StorageFailed
from aiops_mcp.storage.failures import storage_failed
from aiops_mcp.storage.upgrade import HEAD, upgrade

Transaction = AsyncConnection
"""What the functions of this room take as ``transaction``; opaque to everybody else."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
_MIGRATION_LOCK = 0x61696F7073  # any constant: the advisory lock of this program's migrations


class Database:
    """One database. ``busy_timeout`` (s) is how long a writer waits for another process.

    Raises:
        StorageFailed: the URL is none we can use.
    """

    def __init__(
        self,
        url: str,
        *,
        busy_timeout: float = 5.0,
        connect_timeout: float = 5.0,
        pool_size: int = 5,
    ) -> None:
        self._url = _parse(url)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._busy_timeout = busy_timeout
        self._connect_timeout = connect_timeout
        self._memory = self._sqlite and self._url.database in (None, "", ":memory:")
        self._errors = _driver_errors(sqlite=self._sqlite)
        self._engine = self._create_engine(foreign_keys=True, pool_size=pool_size)
        self._writer = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        self._write_lock = asyncio.Lock()
        self._closed = False
        self._in_use = 0
        self._idle = asyncio.Event()

    @property
    def place(self) -> str:
        """Where it is, for messages: the file, or the URL without its password."""
        if self._sqlite:
            return self._url.database or ":memory:"
        return self._url.render_as_string(hide_password=True)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._url.get_backend_name()

    async def migrate(self) -> None:
        """Create or upgrade the tables; safe when several processes start at once.

        Everything happens in one transaction under one lock, so that a process killed halfway
        leaves the database as it was. Nothing is written when nothing is to be done.

        Raises:
            StorageFailed: not writable, not ours, or made by a newer version of this program.
        """
        with self._translated():
            if not self._memory:
                self._make_file()
            if await self._version() == HEAD:
                return
            if self._memory:
                async with self.transaction() as transaction:
                    await transaction.run_sync(upgrade)
                return
            # A connection of its own: rebuilding a table in SQLite would delete what refers to it
            # while foreign keys are enforced.
            engine = self._create_engine(foreign_keys=False, pool_size=None)
            try:
                await self._migrate_alone(engine)
            finally:
                await engine.dispose()

    async def _migrate_alone(self, engine: AsyncEngine) -> None:
        if self._sqlite:
            await self._use_wal(engine)
        async with engine.execution_options(begin="BEGIN IMMEDIATE").begin() as connection:
            if not self._sqlite:
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK}
                )
            await connection.run_sync(upgrade)

    async def _use_wal(self, engine: AsyncEngine) -> None:
        """Switch the file to WAL; SQLite does not wait for other processes here, so we do."""
        deadline = asyncio.get_running_loop().time() + self._busy_timeout
        while True:
            try:
                async with engine.connect() as connection:
                    raw = await connection.get_raw_connection()
                    driver = raw.driver_connection
                    assert driver is not None  # noqa: S101 (an open connection has its driver's)
                    await driver.execute("PRAGMA journal_mode=WAL")
            except self._errors:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.02)
            else:
                return

    async def _version(self) -> str | None:
        """The migration the database stands at, read without importing Alembic."""
        async with self.read() as connection:
            exists = await connection.scalar(
                text(
                    "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
                    if self._sqlite
                    else "SELECT count(*) FROM pg_catalog.pg_class "
                    "WHERE oid = to_regclass('alembic_version')"
                )
            )
            if not exists:
                return None
            return await connection.scalar(text("SELECT version_num FROM alembic_version"))

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Transaction, None]:
        """A connection that sees one state of the database; what it writes is rolled back.

        Raises:
            StorageFailed: the database is away, damaged, …
        """
        with self._used(), self._translated():
            async with self._alone(writing=False), self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction, None]:
        """All or nothing: commits at the end, rolls back when the body raises.

        Raises:
            StorageFailed: nothing was written, and the hint says what to do.
        """
        with self._used(), self._translated():
            async with self._alone(writing=True), self._writer.begin() as connection:
                yield connection

    async def ping(self) -> None:
        """Return when the database answers.

        Raises:
            StorageFailed: it does not.
        """
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Let what has begun come to its end, refuse what comes later, close every connection."""
        self._closed = True
        if self._in_use:
            self._idle.clear()
            await self._idle.wait()
        await self._engine.dispose()

    @contextmanager
    def _used(self) -> Generator[None, None, None]:
        if self._closed:
            raise StorageFailed(f"The database {self.place} is closed.", "The server is stopping.")
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            if not self._in_use:
                self._idle.set()

    def _alone(self, *, writing: bool) -> AbstractAsyncContextManager[object]:
        """In memory there is one connection for all; in a file, one writer."""
        if self._memory or (self._sqlite and writing):
            return self._write_lock
        return nullcontext()

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        try:
            yield
        except IntegrityError:
            raise  # a taken name or a cluster that is gone: the table's own module says which
        except self._errors as error:
            raise storage_failed(error, self.place) from error

    def _make_file(self) -> None:
        """The file and its directory are for this user only, whatever the umask says."""
        if not self._sqlite or not self._url.database or self._url.database.startswith("file:"):
            return
        file = Path(self._url.database)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not file.exists():
                file.touch(mode=0o600)
            # The async driver leaves a thread behind when it cannot open a file, so look first.
            sqlite3.connect(file).close()
        except sqlite3.Error as error:
            raise storage_failed(error, self.place) from error
        except OSError as error:
            raise StorageFailed(
                f"The database {file} cannot be made ({error.strerror}).",
                "Set AIOPS_HOME or AIOPS_DATABASE_URL to a place where this user may write.",
            ) from error

    def _create_engine(self, *, foreign_keys: bool, pool_size: int | None) -> AsyncEngine:
        options: dict[str, Any] = {"hide_parameters": True}
        pool: type[Pool] | None = NullPool if pool_size is None else None
        if self._memory:
            pool = StaticPool
        if pool is None:
            options["pool_size"] = pool_size
            options["pool_timeout"] = 30.0
            options["pool_pre_ping"] = not self._sqlite
        else:
            options["poolclass"] = pool
        if not self._sqlite:
            options["connect_args"] = {"timeout": self._connect_timeout, "command_timeout": 30.0}
            return create_async_engine(self._url, **options)
        # isolation_level=None: the driver begins nothing by itself, the hook below does.
        options["connect_args"] = {"timeout": self._busy_timeout, "isolation_level": None}
        engine = create_async_engine(self._url, **options)
        _set_up_sqlite(engine, foreign_keys=foreign_keys)
        return engine


def _set_up_sqlite(engine: AsyncEngine, *, foreign_keys: bool) -> None:
    def connected(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        try:
            cursor.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
            cursor.execute("PRAGMA synchronous=NORMAL")  # reads the file: fails where it is none
        except BaseException:
            connection.close()  # the pool would forget it, and its thread would live on
            raise
        cursor.close()

    def began(connection: Any) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", began)


def _parse(url: str) -> URL:
    """The URL with its async driver; ``sqlite:///…`` and ``postgres://…`` are understood too."""
    hint = "Write sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # without its cause, which repeats the URL
        raise StorageFailed("AIOPS_DATABASE_URL is not a database URL.", hint) from None
    driver = _DRIVERS.get(parsed.drivername, parsed.drivername)
    if driver not in _DRIVERS.values():
        raise StorageFailed(f"Databases of kind {driver!r} are not supported.", hint)
    return parsed.set(drivername=driver)


def _driver_errors(*, sqlite: bool) -> tuple[type[BaseException], ...]:
    if sqlite:
        # sqlite3's own reach us where a statement goes to the driver past SQLAlchemy.
        return (DBAPIError, PoolTimeout, OSError, sqlite3.Error)
    import asyncpg

    return (DBAPIError, PoolTimeout, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

"""One fixture tree for two databases: SQLite, and a PostgreSQL server started for the session."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import real_servers

from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.fleet.registry import Registry
from aiops_mcp.fleet.vault import DatabaseVault
from aiops_mcp.fleet.vault_keys import FileKeys
from aiops_mcp.models.cluster import AuthType, ClusterCredentials
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.storage.engine import Database

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CANARY = "canary-7f3a-never-show-this"


class Clock:
    """A clock that moves when told to; ``monotonic`` moves with it."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def monotonic(self):
        return (self.now - START).total_seconds()

    def advance(self, **parts):
        self.now += timedelta(**parts)


def _postgres_bin():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    where = found[-1].parent if found else None
    if where is None and (path := shutil.which("postgres")):
        where = Path(path).parent
    if where is None:
        reason = "no PostgreSQL server is installed"
        if os.environ.get("AIOPS_REQUIRE_REAL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return where


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[tuple[str, Path]]:
    """(URL without a database, program directory). PostgreSQL refuses root, so it runs as postgres."""
    programs = _postgres_bin()
    home = Path(tempfile.mkdtemp(prefix="aiops-pg-"))
    data = home / "data"
    as_user = []
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    port = real_servers.free_port()
    options = (
        f"-c listen_addresses=127.0.0.1 -p {port} -k {home} "
        "-c fsync=off -c full_page_writes=off -c synchronous_commit=off"
    )

    def run(*command):
        subprocess.run([*as_user, *command], check=True, cwd=home, stdout=subprocess.DEVNULL)

    run(
        f"{programs}/initdb",
        "-D",
        data,
        "-U",
        "test",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--no-locale",
    )
    run(f"{programs}/pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start")
    try:
        yield f"postgresql+asyncpg://test:{CANARY}@127.0.0.1:{port}", programs
    finally:
        run(f"{programs}/pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(home)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def database_url(request, tmp_path) -> Iterator[str]:
    """The URL of an empty database of its own for each test, which ends with it."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/aiops.sqlite"
        return
    server, programs = request.getfixturevalue("postgres_server")
    name = f"t{uuid.uuid4().hex}"
    port = server.rpartition(":")[2]

    def tell(command: str) -> None:
        subprocess.run(
            [f"{programs}/psql", "-q", "-h", "127.0.0.1", "-p", port, "-U", "test",
             "-d", "postgres", "-c", command],
            check=True,
        )  # fmt: skip

    tell(f"CREATE DATABASE {name} STRATEGY file_copy")
    yield f"{server}/{name}"
    # Hundreds of databases left to the end would be a hundred thousand files to remove at once.
    tell(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
def clock():
    return Clock()


class Recorded(MemoryBus):
    """A bus that remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.events = []

    async def publish(self, event):
        self.events.append(event)
        await super().publish(event)


@pytest.fixture
async def bus():
    bus = Recorded()
    yield bus
    await bus.close()


@pytest.fixture
def keys(tmp_path):
    return FileKeys(tmp_path / "vault.key")


@pytest.fixture
def vault(database, keys, clock):
    return DatabaseVault(database, keys, clock=clock)


@pytest.fixture
def registry(database, vault, bus, clock):
    return Registry(database, vault, bus, clock, monotonic=clock.monotonic)


@pytest.fixture
def new_cluster():
    def make(name="prod-east-1", **fields):
        return NewCluster(name=name, **{"api_server_url": f"https://{name}.example:6443", **fields})

    return make


@pytest.fixture
def credentials():
    def make(**fields):
        return ClusterCredentials(
            **{
                "auth_type": AuthType.SERVICE_ACCOUNT,
                "token": CANARY,
                "created_at": START,
                **fields,
            }
        )

    return make


@pytest.fixture
def canary():
    return CANARY

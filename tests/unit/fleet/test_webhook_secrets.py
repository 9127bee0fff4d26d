"""A good secret is never taken for a wrong one: what is answered with 401 is not sent again."""

import asyncio
from hashlib import sha256
from uuid import UUID

import pytest

from aiops_mcp.errors import StorageFailed
from aiops_mcp.fleet.webhook_secrets import RELOAD_SECONDS, WebhookSecrets

OWNER, SECRET = UUID(int=7), "whs_x"


class Table:
    """Answers when ``ready`` is set; ``failing`` raises then."""

    def __init__(self):
        self.ready, self.failing, self.read = asyncio.Event(), False, 0
        self.hashes = {OWNER: sha256(SECRET.encode()).hexdigest()}

    async def all(self):
        self.read += 1
        await self.ready.wait()
        if self.failing:
            raise StorageFailed("The database is away.")
        return dict(self.hashes)


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def secrets(table, clock):
    return WebhookSecrets(table, clock.wall, clock.monotonic)


async def test_who_comes_while_the_secrets_are_read_waits(secrets, table):
    asked = [asyncio.create_task(secrets.owner(SECRET)) for _ in range(3)]
    await asyncio.sleep(0)
    table.ready.set()
    assert await asyncio.gather(*asked) == [OWNER] * 3
    assert table.read == 1


async def test_a_database_that_is_away_makes_no_secret_wrong(secrets, table):
    table.ready.set()
    table.failing = True
    for _ in range(2):
        with pytest.raises(StorageFailed):
            await secrets.owner(SECRET)
    table.failing = False
    assert await secrets.owner(SECRET) == OWNER


async def test_a_secret_that_another_replica_made_is_looked_for_again(secrets, table, clock):
    table.ready.set()
    assert await secrets.owner("whs_new") is None
    table.hashes[UUID(int=8)] = sha256(b"whs_new").hexdigest()
    assert await secrets.owner("whs_new") is None
    clock.advance(RELOAD_SECONDS)
    assert await secrets.owner("whs_new") == UUID(int=8)

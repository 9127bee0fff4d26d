"""Leases, one-time handles and last-seen answers, on both databases."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from aiops_mcp.fleet.leases import Lease
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.handles import HandleTable
from aiops_mcp.storage.last_seen import LastSeenTable
from aiops_mcp.storage.leases import LeaseTable

TTL = timedelta(seconds=30)


async def test_a_lease_has_one_holder_until_it_expires(database, clock):
    table = LeaseTable(database)
    assert await table.acquire("health", "a", now=clock(), ttl=TTL)
    assert not await table.acquire("health", "b", now=clock(), ttl=TTL)
    assert await table.acquire("alerts", "b", now=clock(), ttl=TTL)
    assert await table.holder("health", clock()) == "a"
    clock.advance(seconds=20)
    assert await table.acquire("health", "a", now=clock(), ttl=TTL)  # renewed to 50 s
    clock.advance(seconds=29)
    assert not await table.acquire("health", "b", now=clock(), ttl=TTL)
    clock.advance(seconds=1)
    assert await table.holder("health", clock()) is None
    assert await table.acquire("health", "b", now=clock(), ttl=TTL)
    assert not await table.acquire("health", "a", now=clock(), ttl=TTL)


async def test_only_its_holder_gives_a_lease_back(database, clock):
    table = LeaseTable(database)
    await table.acquire("health", "a", now=clock(), ttl=TTL)
    assert not await table.release("health", "b")
    assert await table.release("health", "a")
    assert not await table.release("health", "a")
    assert await table.acquire("health", "b", now=clock(), ttl=TTL)


async def test_of_many_that_want_a_lease_at_once_one_gets_it(database_url, database, clock):
    others = [Database(database_url) for _ in range(3)]
    tables = [LeaseTable(one) for one in (database, *others)]
    got = await asyncio.gather(
        *(
            table.acquire("health", f"replica-{i}", now=clock(), ttl=TTL)
            for i, table in enumerate(tables * 2)
        )
    )
    winners = {i % 4 for i, won in enumerate(got) if won}
    holder = await tables[0].holder("health", clock())
    assert [f"replica-{i}" for i, won in enumerate(got) if won] == [holder]
    assert len(winners) == 1
    for one in others:
        await one.close()


async def test_a_lease_asks_the_table_only_when_renewal_is_due(database, clock):
    table = LeaseTable(database)
    mine = Lease(table, "health", "a", clock=clock, ttl=TTL)
    theirs = Lease(table, "health", "b", clock=clock, ttl=TTL)
    assert await mine.held()
    assert not await theirs.held()
    clock.advance(seconds=9)
    await table.release("health", "a")
    assert await mine.held()  # believed until a third of the time has passed
    assert await theirs.held()
    clock.advance(seconds=1)
    assert not await mine.held()
    await theirs.release()
    assert await mine.held()


async def test_a_handle_works_once(database, clock):
    table = HandleTable(database, clock)
    await table.add("h" * 64, clock.now + timedelta(minutes=10))
    assert not await table.consume("other")
    assert await table.consume("h" * 64)
    assert not await table.consume("h" * 64)


async def test_of_two_that_use_a_handle_at_once_one_succeeds(database, database_url, clock):
    beside = Database(database_url)
    first, second = HandleTable(database, clock), HandleTable(beside, clock)
    await first.add("h", clock.now + timedelta(minutes=10))
    assert sorted(await asyncio.gather(first.consume("h"), second.consume("h"))) == [False, True]
    await beside.close()


async def test_a_handle_expires_and_is_forgotten(database, clock):
    table = HandleTable(database, clock)
    await table.add("old", clock.now + timedelta(minutes=10))
    await table.add("used", clock.now + timedelta(minutes=30))
    await table.consume("used")
    clock.advance(minutes=10)
    assert not await table.consume("old")
    await table.add("new", clock.now + timedelta(minutes=10))
    async with database.read() as transaction:
        left = (await transaction.execute(text("SELECT hash FROM handles"))).scalars().all()
    assert left == ["new"]


async def test_the_newest_answer_of_each_cluster_and_question_is_kept(
    database, registry, new_cluster, clock
):
    table = LastSeenTable(database)
    one = await registry.register(new_cluster("one"))
    two = await registry.register(new_cluster("two"))
    now = clock.now
    await table.put("up", one.id, b"1\x00\xff", now)
    await table.put("up", two.id, b"2", now)
    await table.put("gpu", one.id, b"3", now)
    assert await table.get("up", one.id) == (b"1\x00\xff", now)
    await table.put("up", one.id, b"older", now - timedelta(seconds=1))
    assert await table.get("up", one.id) == (b"1\x00\xff", now)
    await table.put("up", one.id, b"newer", now + timedelta(seconds=1))
    assert await table.get("up", one.id) == (b"newer", now + timedelta(seconds=1))
    assert await table.get("gpu", two.id) is None
    assert await table.prune(now + timedelta(seconds=1)) == 2
    assert await table.get("up", two.id) is None
    await registry.remove(one.id)
    assert await table.get("up", one.id) is None


async def test_an_answer_of_a_cluster_that_is_gone_is_not_kept(database, clock):
    table = LastSeenTable(database)
    nobody = uuid4()
    await table.put("up", nobody, b"1", clock.now)
    assert await table.get("up", nobody) is None


async def test_a_moment_without_a_zone_is_refused(database, clock):
    naive = clock.now.replace(tzinfo=None)
    with pytest.raises(StatementError, match="without zone"):
        await HandleTable(database, clock).add("h", naive)


async def test_a_question_may_be_long(database, registry, new_cluster, clock):
    table = LastSeenTable(database)
    cluster = await registry.register(new_cluster())
    for query in ("x" * 50_000 + "1", "x" * 50_000 + "2"):
        await table.put(query, cluster.id, query[-1:].encode(), clock.now)
    assert (await table.get("x" * 50_000 + "1", cluster.id))[0] == b"1"

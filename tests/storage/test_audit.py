"""Records of calls, on both databases: what is kept, when it is written, what is lost."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from aiops_mcp.errors import StorageFailed
from aiops_mcp.fleet.auditing import QUEUE, AuditTrail, Made
from aiops_mcp.models.audit import AuditFilter
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.operation import Call, Capability, Effect, Input
from aiops_mcp.storage.audit import AuditTable
from aiops_mcp.surfaces.guard import guard_json

capability = Capability("audited", "Fakes.")
SECRET = "canary-7f3a-never-show-this"


class Asked(Input):
    clusters: tuple[str, ...] = ()
    query: str = ""
    token: SecretStr | None = None
    password: str = ""


@capability.operation("look", needs="clusters:read", tool=False)
async def look(context: Any, request: Asked) -> Entity: ...


@capability.operation("change", needs="clusters:write", tool=False, effect=Effect.WRITE)
async def change(context: Any, request: Asked) -> Entity: ...


@capability.operation("tell", needs="streaming:write", tool=False)
async def tell(context: Any, request: Asked) -> Entity: ...


LOOK, CHANGE, TELL = capability.operations


@pytest.fixture
def trail_of(clock):
    trails: list[AuditTrail] = []

    def make(store) -> AuditTrail:
        trails.append(AuditTrail(store, clock, clean=guard_json, keep=timedelta(days=90)))
        return trails[-1]

    return make


def made(
    clock, operation=LOOK, *, who: str = "viewer-1", outcome: str = "OK", **given: Any
) -> Made:
    call = Call(Principal(subject=who, role=Role.VIEWER), "rest")
    return Made(clock(), operation, Asked(**given), call, outcome, 12.3456, "ab" * 16)


async def test_a_record_has_all_of_the_call_and_no_secret(database, clock, trail_of) -> None:
    trail = trail_of(AuditTable(database))
    one = made(
        clock, clusters=("east", "type=EDGE"), query="up", token=SecretStr(SECRET), password=SECRET
    )
    one.call.receipt.delivered(b"answer")
    await trail.record(one)
    [record], total = await trail.page(AuditFilter(), offset=0, limit=10)
    assert total == 1
    assert SECRET not in record.model_dump_json()
    assert record.at == clock()
    assert (record.subject, record.role, record.surface) == ("viewer-1", "viewer", "rest")
    assert (record.operation, record.effect, record.outcome) == ("look", "read", "OK")
    assert record.clusters == ("east", "type=EDGE")
    assert record.arguments["query"] == "up"
    assert record.duration_ms == 12.346
    assert record.trace_id == "ab" * 16
    assert record.result_digest is not None
    assert len(record.result_digest) == len(record.arguments_digest) == 32
    same = made(clock)
    same.call.receipt.delivered(b"answer")
    await trail.record(same)
    [newest, _], _ = await trail.page(AuditFilter(), offset=0, limit=10)
    assert newest.result_digest == record.result_digest
    assert newest.arguments_digest != record.arguments_digest
    await trail.close()


async def test_a_change_is_written_before_it_answers_a_read_later(
    database, clock, trail_of
) -> None:
    table = AuditTable(database)
    trail = trail_of(table)
    await trail.record(made(clock))
    await trail.record(made(clock, CHANGE))
    records, _ = await table.page(AuditFilter(), offset=0, limit=10)
    assert [record.operation for record in records] == ["change"]
    await trail.close()
    records, _ = await table.page(AuditFilter(), offset=0, limit=10)
    assert sorted(record.operation for record in records) == ["change", "look"]


async def test_filters_pages_and_order(database, clock, trail_of) -> None:
    trail = trail_of(AuditTable(database))
    start = clock()
    for number in range(7):
        await trail.record(
            made(clock, who="a" if number % 2 else "b", outcome="OK" if number else "QUERY_TIMEOUT")
        )
        clock.advance(minutes=1)

    async def found(**wanted: Any) -> int:
        return (await trail.page(AuditFilter(**wanted), offset=0, limit=1))[1]

    assert await found() == 7
    assert await found(subject="a") == 3
    assert await found(outcome="QUERY_TIMEOUT") == 1
    assert await found(operation="change") == 0
    assert await found(since=start + timedelta(minutes=5)) == 2
    assert await found(until=start + timedelta(minutes=5)) == 5
    records, _ = await trail.page(AuditFilter(), offset=2, limit=3)
    assert [record.at for record in records] == [start + timedelta(minutes=at) for at in (4, 3, 2)]
    await trail.close()


async def test_what_is_old_is_forgotten(database, clock, trail_of) -> None:
    trail = trail_of(AuditTable(database))
    await trail.record(made(clock, CHANGE))
    clock.advance(days=89)
    await trail.record(made(clock, CHANGE))
    assert await trail.prune() == 0
    clock.advance(days=2)
    assert await trail.prune() == 1
    assert (await trail.page(AuditFilter(), offset=0, limit=5))[1] == 1
    await trail.close()


class Failing:
    """A database that is away until told otherwise."""

    def __init__(self) -> None:
        self.away = True
        self.written: list[Any] = []

    async def add(self, records) -> None:
        if self.away:
            raise StorageFailed("away")
        self.written += records

    async def page(self, wanted, *, offset, limit):
        return (), 0

    async def prune(self, before) -> int:
        return 0


async def test_no_call_fails_for_its_record(clock, trail_of, caplog) -> None:
    store = Failing()
    trail = trail_of(store)
    await trail.record(made(clock, CHANGE))
    await trail.record(made(clock))
    assert "has to wait" in caplog.text
    store.away = False
    await trail.flush()
    assert [record.operation for record in store.written] == ["change", "look"]
    await trail.close()
    assert trail.lost == 0


async def test_the_queue_is_bounded_and_what_is_lost_is_counted(clock, trail_of, caplog) -> None:
    store = Failing()
    trail = trail_of(store)
    one = made(clock)
    for _ in range(QUEUE + 25):
        trail._enqueue(one)
    assert len(trail._queue) == QUEUE
    assert trail.lost == 25
    store.away = False
    await trail.flush()
    assert len(store.written) == QUEUE
    assert "25 audit records were lost" in caplog.text
    await trail.close()


async def test_a_database_that_stays_away_loses_them_and_says_so(clock, trail_of, caplog) -> None:
    trail = trail_of(Failing())
    await trail.record(made(clock))
    await trail.close()
    assert trail.lost == 1
    assert "1 audit records were lost at the end" in caplog.text


async def test_reads_are_written_soon_by_themselves(database, clock, trail_of) -> None:
    table = AuditTable(database)
    trail = trail_of(table)
    for _ in range(3):
        await trail.record(made(clock))
    for _ in range(200):
        if (await table.page(AuditFilter(), offset=0, limit=1))[1] == 3:
            break
        await asyncio.sleep(0.02)
    assert (await table.page(AuditFilter(), offset=0, limit=1))[1] == 3
    await trail.close()


async def test_long_arguments_are_kept_short(database, clock, trail_of) -> None:
    trail = trail_of(AuditTable(database))
    await trail.record(
        made(clock, query="x" * 100_000, clusters=tuple(f"c{n}" for n in range(200)))
    )
    [record], _ = await trail.page(AuditFilter(), offset=0, limit=1)
    assert record.arguments["query"].endswith("(100000 characters)")
    assert len(record.model_dump_json()) < 5_000
    assert len(record.clusters) == 50
    await trail.close()


async def test_what_tells_others_something_is_written_before_it_answers(
    database, clock, trail_of
) -> None:
    store = AuditTable(database)
    await trail_of(store).record(made(clock, TELL))
    [record], _ = await store.page(AuditFilter(), offset=0, limit=10)
    assert (record.operation, record.effect) == ("tell", "read")


async def test_what_is_followed_is_of_the_record_too(database, clock, trail_of) -> None:
    trail = trail_of(AuditTable(database))
    viewer = Principal(subject="viewer-1", role=Role.VIEWER)
    given = {"event_types": ["ALERT_FIRED"], "cluster_filter": ["east"], "namespace_filter": []}
    trail.began("subscribe_events", given, viewer)
    clock.advance(seconds=1)
    query = f'{{app="x"}} |= "password={SECRET}"'
    trail.began("follow_logs", {"query": query, "clusters": ()}, viewer, outcome="INVALID_LOGQL")
    [logs, events], _ = await trail.page(AuditFilter(), offset=0, limit=10)
    assert (events.operation, events.surface, events.outcome) == (
        "subscribe_events",
        "websocket",
        "OK",
    )
    assert events.clusters == ("east",)
    assert events.arguments == {"event_types": ["ALERT_FIRED"], "cluster_filter": ["east"]}
    assert (logs.operation, logs.outcome, logs.subject) == (
        "follow_logs",
        "INVALID_LOGQL",
        "viewer-1",
    )
    assert SECRET not in logs.model_dump_json()
    assert set(logs.arguments) == {"query"}

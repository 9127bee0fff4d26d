"""Keeps a record of every call: reads in batches off the caller's way, changes before they answer.

What may not be kept (secrets in arguments) is taken out by a function that is passed in. A record
that cannot be written is counted and logged; no call fails for it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import islice
from typing import Any, Protocol, cast

import orjson
from pydantic import BaseModel, ConfigDict

from aiops_mcp.errors import StorageFailed
from aiops_mcp.models.audit import AuditFilter, AuditRecord
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Call, Effect
from aiops_mcp.telemetry import current_trace_id

_log = logging.getLogger(__name__)

QUEUE = 10_000
_BATCH = 500
_EVERY = 0.5
_PAUSE_AFTER_FAILURE = 5.0
_LONG_ARGUMENTS = 8 * 1024
_LONG_TEXT = 500
_MANY = 50


class AuditStore(Protocol):
    async def add(self, records: Sequence[AuditRecord]) -> None: ...

    async def page(
        self, wanted: AuditFilter, *, offset: int, limit: int
    ) -> tuple[tuple[AuditRecord, ...], int]: ...

    async def prune(self, before: datetime) -> int: ...


class Recorded(Protocol):
    """What a record says of an operation."""

    @property
    def name(self) -> str: ...
    @property
    def needs(self) -> str: ...
    @property
    def effect(self) -> Effect: ...


@dataclass(frozen=True, slots=True)
class _Followed:
    """What is followed over a WebSocket: no operation, as it has no answer, but of the record."""

    name: str
    needs: str = ""
    effect: Effect = Effect.READ


class _Given(BaseModel):
    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True, slots=True)
class Made:
    """A call as it was made. Turned into a record later, when nobody waits."""

    at: datetime
    operation: Recorded
    request: BaseModel
    call: Call
    outcome: str
    duration_ms: float
    trace_id: str


class AuditTrail:
    """The records of this process on their way to ``store``."""

    def __init__(
        self,
        store: AuditStore,
        clock: Callable[[], datetime],
        *,
        clean: Callable[[Any], Any],
        keep: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._clean = clean
        self._keep = keep
        self._queue: deque[Made] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._dropped_since_word = 0
        self.lost = 0
        """Records that were never written."""

    async def record(self, made: Made) -> None:
        """Keep a call; one that changes something is in the database when this returns.

        So is one that tells others something, which needs the permission to write as well.
        """
        operation = made.operation
        if operation.effect is Effect.READ and not operation.needs.endswith(":write"):
            self._enqueue(made)
            return
        try:
            await self._store.add([self._as_record(made)])
        except StorageFailed as error:
            _log.error("the record of %s has to wait: %s", operation.name, error)
            self._enqueue(made)

    def began(
        self,
        name: str,
        given: Mapping[str, Any],
        principal: Principal,
        *,
        outcome: str = "OK",
        duration_ms: float = 0.0,
    ) -> None:
        """Keep that somebody began to follow something, or tried; it has no end to wait for.

        Without what is empty in ``given``.
        """
        request = _Given.model_validate({key: each for key, each in given.items() if each})
        call = Call(principal, "websocket")
        trace_id = current_trace_id.get()
        self._enqueue(
            Made(self._clock(), _Followed(name), request, call, outcome, duration_ms, trace_id)
        )

    def _enqueue(self, made: Made) -> None:
        if len(self._queue) >= QUEUE:
            self._queue.popleft()
            self.lost += 1
            self._dropped_since_word += 1
        self._queue.append(made)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="audit")

    async def _write(self) -> None:
        """Write until nothing is left; the next record starts this again."""
        while self._queue:
            await asyncio.sleep(_EVERY)
            while self._queue:
                if not await self._write_batch():
                    await asyncio.sleep(_PAUSE_AFTER_FAILURE)

    async def _write_batch(self) -> bool:
        async with self._writing:
            batch = list(islice(self._queue, _BATCH))
            if not batch:
                return True
            try:
                await self._store.add([self._as_record(each) for each in batch])
            except StorageFailed as error:
                _log.warning("%s audit records wait: %s", len(self._queue), error)
                return False
            for each in batch:
                # While we wrote, a full queue may have pushed out the oldest.
                if self._queue and self._queue[0] is each:
                    self._queue.popleft()
        if self._dropped_since_word:
            lost, self._dropped_since_word = self._dropped_since_word, 0
            _log.error("%s audit records were lost, as the database was away too long", lost)
        return True

    async def flush(self) -> None:
        """Write what waits, if the database lets us."""
        while self._queue:
            if not await self._write_batch():
                return

    async def close(self) -> None:
        """Write what is left and stop."""
        await self.flush()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        if self._queue:
            self.lost += len(self._queue)
            _log.error("%s audit records were lost at the end", len(self._queue))

    async def page(
        self, wanted: AuditFilter, *, offset: int, limit: int
    ) -> tuple[tuple[AuditRecord, ...], int]:
        """Records, newest first, those that wait here included; and how many there are.

        Raises:
            StorageFailed: the database is away.
        """
        await self.flush()
        return await self._store.page(wanted, offset=offset, limit=limit)

    async def prune(self) -> int:
        """Forget what has been kept long enough."""
        return await self._store.prune(self._clock() - self._keep)

    def _as_record(self, made: Made) -> AuditRecord:
        given = made.request.model_dump(mode="json", exclude_defaults=True)
        principal = made.call.principal
        # Made of our own values, thousands a second: nothing to validate.
        return AuditRecord.model_construct(
            at=made.at,
            subject=principal.subject[:255],
            role=principal.role.value,
            surface=made.call.surface[:16],
            operation=made.operation.name[:64],
            effect=made.operation.effect.value,
            clusters=clusters_asked(given),
            arguments=kept_arguments(self._clean(given)),
            arguments_digest=digest(orjson.dumps(given, option=orjson.OPT_SORT_KEYS)),
            result_digest=made.call.receipt.digest or None,
            outcome=made.outcome[:64],
            duration_ms=round(made.duration_ms, 3),
            trace_id=made.trace_id,
        )


def digest(content: bytes) -> str:
    """BLAKE2b of 16 bytes, in hex."""
    return blake2b(content, digest_size=16).hexdigest()


def clusters_asked(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The clusters or selectors that the arguments name."""
    found: list[str] = []
    for name in ("cluster", "clusters", "cluster_id", "cluster_filter"):
        value = given.get(name)
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            found += [str(each) for each in cast("list[object]", value)]
    return tuple(each[:255] for each in found[:_MANY])


def kept_arguments(given: Any) -> dict[str, Any]:
    """The arguments, of those that are too long only the beginning."""
    if len(orjson.dumps(given)) <= _LONG_ARGUMENTS:
        return given
    return {name: _short(value) for name, value in list(given.items())[:_MANY]}


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return value if len(text) <= _LONG_TEXT else f"{text[:_LONG_TEXT]}… ({len(text)} characters)"

"""What far-edge clusters answered last, kept for when they are away, and marked stale then.

Only far-edge clusters: for the others an old answer would hide an outage. Knows no question; the
caller names it and says how its answers become bytes.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from aiops_mcp.errors import ClusterUnreachable, QueryTimeout, StorageFailed
from aiops_mcp.fleet.answer import OFFLINE, ClusterAnswer
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.models.coverage import AnswerStatus

T = TypeVar("T")

WRITE_EVERY_SECONDS = 60.0
"""One cluster's answer to one question is written down no more often than this."""


class LastSeenStore(Protocol):
    """Where answers outlive the process: one blob a key and cluster."""

    async def put(self, key: str, cluster_id: UUID, blob: bytes, at: datetime) -> None: ...

    async def get(self, key: str, cluster_id: UUID) -> tuple[bytes, datetime] | None: ...


@dataclass(frozen=True, slots=True)
class LastSeen(Generic[T]):
    """Names a question and says how its answers become bytes and back.

    ``decode`` raises ValueError for bytes of an older version; the answer is then as if absent.
    """

    key: str
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]


class LastSeenAnswers:
    """Keeps fresh answers in the background and fills in for clusters that are away."""

    def __init__(
        self, store: LastSeenStore, max_age_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._store = store
        self._max_age = max_age_seconds
        self._monotonic = monotonic
        self._written: dict[tuple[str, UUID], float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def fill(
        self, answers: Sequence[ClusterAnswer[T]], codec: LastSeen[T], now: datetime
    ) -> list[ClusterAnswer[T]]:
        """The answers, with those of absent far-edge clusters from what was last seen."""
        return [
            await self._stale(answer, codec, now) if _is_away(answer) else answer
            for answer in answers
        ]

    def keep(self, answers: Sequence[ClusterAnswer[T]], codec: LastSeen[T], now: datetime) -> None:
        """Write fresh far-edge answers down, without making the caller wait."""
        due = [answer for answer in answers if self._is_due(answer, codec.key)]
        if due:
            task = asyncio.create_task(self._write(codec, due, now))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def aclose(self) -> None:
        """Wait until everything is written."""
        if self._writing:
            await asyncio.wait(set(self._writing))

    async def _stale(
        self, answer: ClusterAnswer[T], codec: LastSeen[T], now: datetime
    ) -> ClusterAnswer[T]:
        try:
            seen = await self._store.get(codec.key, answer.cluster.id)
            if seen is None or (now - seen[1]).total_seconds() > self._max_age:
                return answer
            value = codec.decode(seen[0])
        except (StorageFailed, ValueError):
            return answer  # the cluster's own failure is what the caller asked about
        return replace(
            answer,
            status=AnswerStatus.SUCCESS,
            value=value,
            error=None,
            skipped=None,
            stale_as_of=seen[1],
        )

    def _is_due(self, answer: ClusterAnswer[Any], key: str) -> bool:
        far = answer.cluster.cluster_type is ClusterType.FAR_EDGE
        if not far or not answer.answered or answer.stale_as_of is not None:
            return False
        written = self._written.get((key, answer.cluster.id))
        return written is None or self._monotonic() - written >= WRITE_EVERY_SECONDS

    async def _write(
        self, codec: LastSeen[T], answers: Sequence[ClusterAnswer[T]], now: datetime
    ) -> None:
        for answer in answers:
            if answer.value is None:
                continue
            self._written[codec.key, answer.cluster.id] = self._monotonic()
            try:
                await self._store.put(codec.key, answer.cluster.id, codec.encode(answer.value), now)
            except StorageFailed:
                return  # the answer itself stands; the next one is tried again


def _is_away(answer: ClusterAnswer[Any]) -> bool:
    if answer.cluster.cluster_type is not ClusterType.FAR_EDGE:
        return False
    return answer.skipped == OFFLINE or isinstance(answer.error, (ClusterUnreachable, QueryTimeout))

"""New lines of many clusters as they come: Loki's tail, or pods followed where there is no Loki.

Each cluster is followed by a task of its own. One that is lost is named, and tried again with
growing pauses; one that says no is named and left. A reader that is slow loses the oldest lines,
and is told how many.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiops_mcp.errors import (
    AiopsError,
    BackendMisbehaved,
    BackendUnauthorized,
    ClusterUnreachable,
    QueryTimeout,
)
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.log_answer import source_of
from aiops_mcp.fleet.log_pod_follow import PodFollower
from aiops_mcp.fleet.log_pods import PodQuery
from aiops_mcp.fleet.log_tail_queue import TailLine, TailQueue
from aiops_mcp.logql import LogQuery
from aiops_mcp.models.logs import LogSource, TailItem, TailSource, TailStatus

if TYPE_CHECKING:
    from aiops_mcp.backends.loki import LokiClient

LONGEST_PAUSE = 30.0
MISSED_LINES = 1000
"""Lines asked for at most that were written while a connection was lost."""

_AGAIN = (ClusterUnreachable, QueryTimeout, BackendMisbehaved)

Sleep = Callable[[float], Awaitable[None]]
Words = Callable[[Access], Awaitable[str]]
"""The query in the words of one cluster's Loki."""


@dataclass(frozen=True, slots=True)
class TailWanted:
    """What is followed: from ``start`` (nanoseconds) on, ``backlog`` lines of before at most.

    ``pods`` bounds the containers followed in a cluster without Loki.
    """

    query: str
    node: LogQuery
    start: int
    backlog: int
    tenant: str | None
    pods: int


async def tail(
    accesses: Sequence[Access],
    wanted: TailWanted,
    *,
    words: Words,
    most_waiting: int,
    sleep: Sleep = asyncio.sleep,
) -> AsyncGenerator[TailItem]:
    """Items until every cluster has said no; without end otherwise."""
    queue = TailQueue(most_waiting)
    tasks = [
        asyncio.create_task(_Follower(access, wanted, words, queue, sleep).run())
        for access in accesses
    ]
    ending = asyncio.create_task(_end_after(tasks, queue))
    try:
        while (items := await queue.take()) is not None:
            for item in items:
                yield item
    finally:
        for task in (*tasks, ending):
            task.cancel()
        await asyncio.gather(*tasks, ending, return_exceptions=True)
    for task in tasks:
        task.result()  # a fault of the program is raised, not swallowed


async def _end_after(tasks: Sequence[asyncio.Task[None]], queue: TailQueue) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
    queue.end()


class _Follower:
    """Follows one cluster, whatever becomes of its connections."""

    def __init__(
        self, access: Access, wanted: TailWanted, words: Words, queue: TailQueue, sleep: Sleep
    ) -> None:
        self._access = access
        self._wanted = wanted
        self._words = words
        self._queue = queue
        self._sleep = sleep
        self._source = source_of(access.cluster)
        self._last: dict[str | None, int] = {}
        self._status: TailStatus | None = None
        self._left_out: set[str] = set()
        self._pods: PodFollower | None = None

    async def run(self) -> None:
        failures = 0
        while True:
            before = dict(self._last)
            try:
                await self._follow()
            except _AGAIN as error:
                failures = 1 if self._last != before else failures + 1
                self._say(TailStatus.RETRYING, error)
            except AiopsError as error:
                self._say(TailStatus.FAILED, error)
                return
            pause = min(LONGEST_PAUSE, 2.0 ** min(failures, 10) / 2)
            await self._sleep(pause * (0.5 + random.random() / 2))

    async def _follow(self) -> None:
        if self._source is LogSource.PODS:
            if self._pods is None:
                query = PodQuery(self._wanted.node, self._access.cluster.name)
                self._pods = PodFollower(query, self._wanted.pods, self._wanted.backlog)
            client = await self._access.kubernetes()
            take = partial(self._take_one, None)
            await self._pods.run(client, self._wanted.start, take, self._opened)
            return
        client = await self._access.loki()
        query = await self._words(self._access)
        await self._follow_tenants(client, query)

    async def _follow_tenants(self, client: "LokiClient", query: str) -> None:
        """All tenants at once, until one ends; one that may not be read is said and left out.

        Raises:
            BackendUnauthorized: none of them may be read.
        """
        tenants = client.tenancy.chosen(self._wanted.tenant)
        tasks = {asyncio.create_task(self._tail(client, query, each)): each for each in tenants}
        try:
            while True:
                done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    refusal = task.exception()
                    if not isinstance(refusal, BackendUnauthorized) or not left:
                        task.result()
                        return
                    self._leave_out(str(tasks.pop(task)), refusal)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _tail(self, client: "LokiClient", query: str, tenant: str | None) -> None:
        known = self._last.get(tenant)
        frames = client.tail(
            query,
            start=self._wanted.start if known is None else known,
            limit=max(self._wanted.backlog, 1) if known is None else MISSED_LINES,
            tenant=tenant,
        )
        async with aclosing(frames):
            async for frame in frames:
                self._opened()
                self._queue.lost(frame.dropped)
                for stream in frame.streams:
                    for line in stream.lines:
                        self._take_one(tenant, stream.labels, line.ns, line.text, line.metadata)

    def _take_one(
        self,
        tenant: str | None,
        labels: Mapping[str, str],
        ns: int,
        text: str,
        metadata: Mapping[str, str],
    ) -> None:
        self._last[tenant] = max(self._last.get(tenant, 0), ns + 1)
        self._queue.put(TailLine(self._access.cluster, labels, ns, text, metadata))

    def _opened(self) -> None:
        self._say(TailStatus.FOLLOWING)

    def _say(self, status: TailStatus, error: AiopsError | None = None) -> None:
        """Tell of a change; that it is still lost is no news."""
        if status is not self._status:
            self._status = status
            self._tell(status, None if error is None else str(error))

    def _leave_out(self, tenant: str, refusal: BackendUnauthorized) -> None:
        """Tell, once, that a part of the cluster's logs is not followed."""
        if tenant not in self._left_out:
            self._left_out.add(tenant)
            self._tell(
                TailStatus.FOLLOWING, f"its tenant {tenant} may not be read: {refusal.message}"
            )

    def _tell(self, status: TailStatus, error: str | None) -> None:
        cluster = self._access.cluster
        self._queue.tell(
            TailSource(
                cluster_id=cluster.id,
                cluster_name=cluster.name,
                source=self._source,
                status=status,
                error=error,
            )
        )

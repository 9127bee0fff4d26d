"""Follow the logs of a cluster's pods, those too that start while one follows."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from aiops_mcp.backends.kubernetes_logs import follow_pod_log
from aiops_mcp.errors import BackendRefused, QueryTimeout
from aiops_mcp.fleet.log_pod_choice import PodLog
from aiops_mcp.fleet.log_pods import PodQuery, parse_lines
from aiops_mcp.models.nanoseconds import to_datetime

if TYPE_CHECKING:
    from aiops_mcp.backends.kubernetes import KubernetesClient

LOOK_EVERY = 15.0
"""Seconds between two looks for pods that are new."""

Take = Callable[[Mapping[str, str], int, str, Mapping[str, str]], None]
_NO_MORE: Mapping[str, str] = {}
_Key = tuple[str, str, str]


class PodFollower:
    """One cluster's containers, at most ``most`` of them at a time.

    It remembers how far each has been read: run again, it goes on from there.
    """

    def __init__(self, query: PodQuery, most: int, backlog: int) -> None:
        self._query = query
        self._most = most
        self._backlog = backlog
        self._following: dict[_Key, asyncio.Task[None]] = {}
        self._last: dict[_Key, int] = {}
        self._looked = False

    async def run(
        self, client: "KubernetesClient", start: int, take: Take, opened: Callable[[], None]
    ) -> None:
        """Follow without end, from ``start`` (nanoseconds) on.

        Of what is there already, each container gives its last ``backlog`` lines at most.

        Raises:
            BackendError: the pods cannot be listed, or a log cannot be read for a reason that is
                not the pod's own.
        """
        try:
            while True:
                logs = [log for log in await self._query.logs(client) if log.started]
                self._reap()
                opened()
                for log in logs:
                    key = (log.namespace, log.pod, log.container)
                    if key not in self._following and len(self._following) < self._most:
                        since = self._last.get(key, start)
                        known = key in self._last or self._looked
                        backlog = None if known else self._backlog
                        self._following[key] = asyncio.create_task(
                            self._follow(client, log, since, backlog, take)
                        )
                self._looked = True
                await self._wait()
        finally:
            tasks = list(self._following.values())
            self._following = {}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self) -> None:
        """Until it is time to look again, or a log has ended."""
        if self._following:
            await asyncio.wait(
                self._following.values(),
                timeout=LOOK_EVERY,
                return_when=asyncio.FIRST_EXCEPTION,
            )
        else:
            await asyncio.sleep(LOOK_EVERY)

    def _reap(self) -> None:
        """Forget what has ended; an error that is not the pod's own is raised."""
        ended = [key for key, task in self._following.items() if task.done()]
        for key in ended:
            self._following.pop(key).result()

    async def _follow(
        self,
        client: "KubernetesClient",
        log: PodLog,
        since: int,
        backlog: int | None,
        take: Take,
    ) -> None:
        key = (log.namespace, log.pod, log.container)
        lines = follow_pod_log(
            client.http,
            log.namespace,
            log.pod,
            log.container,
            since=to_datetime(since),
            tail_lines=backlog,
        )
        try:
            async with aclosing(lines):
                async for raw in lines:
                    for ns, text in parse_lines(raw.decode("utf-8", "replace")):
                        if ns >= since:
                            self._last[key] = ns + 1
                            if self._query.wanted(log, text):
                                take(log.stream, ns, self._query.shown(text), _NO_MORE)
        except QueryTimeout:
            return  # silent for long: it is followed anew at the next look
        except BackendRefused as refusal:
            if refusal.http_status not in {400, 404}:
                raise
            # It has not started, or is gone.

"""Many calls at once, a bounded number in flight, and nobody waited for beyond the last deadline.

One task a call and no layer above it. Each call keeps its own deadline; ``until`` is the last of
them, after which a call that does not even let itself be cancelled is left behind. Knows nothing
of clusters.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias, TypeVar

from aiops_mcp.operation import Progress, no_progress

R = TypeVar("R")
Call: TypeAlias = Callable[[], Coroutine[Any, Any, R]]

GRACE_SECONDS = 0.25
"""Beyond the last deadline, for calls that are just giving up."""


async def fan_out(
    calls: Sequence[Call[R]],
    *,
    concurrency: int,
    until: float,
    progress: Progress = no_progress,
    noun: str = "clusters",
) -> list[R | None]:
    """Run the calls; answers in their order, None for one that had to be left behind.

    ``until`` is in the event loop's time. Cancelling this cancels every call. An exception of a
    call is one of the program: it cancels the others and is raised.
    """
    if not calls:
        return []
    if len(calls) > concurrency:
        slots = asyncio.Semaphore(concurrency)
        tasks = [asyncio.create_task(_in_a_slot(call, slots)) for call in calls]
    else:
        tasks = [asyncio.create_task(call()) for call in calls]
    reporter = _Reporter(progress, noun).watch(tasks) if progress is not no_progress else None
    try:
        await _settle(tasks, until)
        return [task.result() if task.done() else None for task in tasks]
    finally:
        await _end(tasks)
        if reporter is not None:
            await reporter.finish()


async def _in_a_slot(call: Call[R], slots: asyncio.Semaphore) -> R:
    async with slots:
        return await call()


async def _settle(tasks: "Sequence[asyncio.Future[R]]", until: float) -> None:
    patience = max(0.0, until - asyncio.get_running_loop().time()) + GRACE_SECONDS
    await asyncio.wait(tasks, timeout=patience, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()


async def _end(tasks: "Sequence[asyncio.Future[R]]") -> None:
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=GRACE_SECONDS)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()


class _Reporter:
    """Tells a watcher how many calls are done, never more often than it takes in."""

    def __init__(self, progress: Progress, noun: str) -> None:
        self._progress = progress
        self._noun = noun
        self._total = 0
        self._done = 0
        self._told = -1
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def watch(self, tasks: "Sequence[asyncio.Future[R]]") -> "_Reporter":
        self._total = len(tasks)
        for task in tasks:
            task.add_done_callback(self._count)
        self._task = asyncio.create_task(self._run())
        return self

    def _count(self, _: object) -> None:
        self._done += 1
        self._changed.set()

    async def _run(self) -> None:
        while self._done < self._total:
            await self._changed.wait()
            self._changed.clear()
            await self._tell()

    async def _tell(self) -> None:
        if self._told == self._done:
            return
        self._told = self._done
        message = f"{self._done} of {self._total} {self._noun}"
        await self._progress(float(self._done), float(self._total), message)

    async def finish(self) -> None:
        """Stop, with the last count told unless the question was given up."""
        if self._task is not None and not self._task.done():
            if self._done < self._total:
                self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

"""Runs groups of scenarios one after another here, or several at once in processes.

A process that dies takes its group with it: its scenarios are rows that say so. It must not know
what a group does.
"""

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache

from agents.evaluate.asking import Asked
from agents.evaluate.remembered import SharedFleets
from agents.evaluate.running import Group, Plan, Row, Tell, run_group
from agents.evaluate.scoring import failed
from aiops_mcp.garbage import look_seldom


def run_all(plan: Plan, groups: Sequence[Group], *, jobs: int, tell: Tell) -> None:
    """Run every group; ``tell`` gets each row, in whatever order they end.

    Raises:
        KeyboardInterrupt: whoever waits has enough; what was told until then holds.
    """
    if jobs <= 1 or len(groups) == 1:
        asyncio.run(_one_by_one(plan, groups, tell))
    else:
        _at_once(plan, groups, jobs, tell)


async def _one_by_one(plan: Plan, groups: Sequence[Group], tell: Tell) -> None:
    shared = SharedFleets()
    for group in groups:
        await run_group(plan, group, tell, shared)


def _at_once(plan: Plan, groups: Sequence[Group], jobs: int, tell: Tell) -> None:
    # Not forked: this process has threads by now.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(groups)), mp_context=context, initializer=look_seldom)
    try:
        running = {pool.submit(rows_of, plan, group): group for group in groups}
        for done in as_completed(running):
            for row in _rows(done, plan, running[done]):
                tell(row)
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _rows(done: "Future[list[Row]]", plan: Plan, group: Group) -> list[Row]:
    try:
        return done.result()
    except BrokenProcessPool:
        error = "its process died, perhaps for want of memory"
        return [
            Row(number, Asked(failed(scenario, error)))
            for scenario in group
            for number in range(plan.repeat)
        ]


def rows_of(plan: Plan, group: Group) -> list[Row]:
    """All rows of one group, for a process of its own."""
    rows: list[Row] = []
    asyncio.run(run_group(plan, group, rows.append, _shared()))
    return rows


@cache
def _shared() -> SharedFleets:
    """Of this process, for the groups that come to it."""
    return SharedFleets()

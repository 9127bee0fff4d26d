"""Background work goes on after a failure that nobody expected."""

import asyncio

import pytest

from aiops_mcp.background import keep_running


async def test_work_that_breaks_starts_again(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    async def run() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            raise ZeroDivisionError

    await keep_running("watch", run, pause=0)
    assert runs == [0, 1, 2]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


async def test_cancelling_ends_it() -> None:
    started = asyncio.Event()

    async def run() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(keep_running("watch", run))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

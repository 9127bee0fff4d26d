"""Who stops listening stops everything: the model's stream, the calls, the tools; nothing leaks."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import loop_fakes as fakes
import pytest
from loop_fakes import FakeModel, FakeTools, calls, outcome, says

from agents.conversation import AnswerDelta, CallBegun, ConsentWanted, Question, Step, ToolOutcome

QUESTION = Question("Why?", fakes.PERSONA)


async def until(steps: AsyncGenerator[Step], kind: type) -> Step:
    async for step in steps:
        if isinstance(step, kind):
            return step
    raise AssertionError(f"no {kind.__name__} came")


def others() -> set["asyncio.Task[Any]"]:
    return asyncio.all_tasks() - {asyncio.current_task()}  # pyright: ignore[reportReturnType]


async def test_closing_while_the_model_speaks() -> None:
    never = asyncio.Event()
    model, tools = FakeModel(["The cart ", never, "restarts"]), FakeTools()
    steps = fakes.agent(model, tools).answer(QUESTION)
    await until(steps, AnswerDelta)
    await steps.aclose()
    assert (model.closed, tools.is_open) == (1, False)
    assert others() == set()


async def test_closing_while_tools_work() -> None:
    never, both_work = asyncio.Event(), asyncio.Event()

    async def gives(name: str, arguments: Mapping[str, Any]) -> ToolOutcome:
        if tools.at_once == 2:
            both_work.set()
        await never.wait()
        return outcome()

    tools = FakeTools(gives)
    turn = calls(("list_alerts", {}), ("query_metrics", {"query": "up"}))
    steps = fakes.agent(FakeModel(turn), tools).answer(QUESTION)
    await until(steps, CallBegun)
    await until(steps, CallBegun)
    await both_work.wait()
    await steps.aclose()
    assert (tools.cancelled, tools.at_once, tools.is_open) == (2, 0, False)
    assert others() == set()


async def test_cancelling_the_listener_while_consent_is_waited_for() -> None:
    from test_loop_consent import ASKED, MUTE, Writing

    asked = asyncio.Event()

    async def consent(wanted: ConsentWanted) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    tools = Writing()

    async def listen() -> None:
        async for _ in fakes.agent(FakeModel(MUTE), tools).answer(ASKED, consent=consent):
            pass

    listener = asyncio.create_task(listen())
    await asked.wait()
    listener.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listener
    await asyncio.sleep(0)
    assert tools.done == []
    for _ in range(10):
        await asyncio.sleep(0)
    assert tools.is_open is False
    assert others() == set()


async def test_an_answer_that_nobody_reads_to_its_end_is_closed() -> None:
    model, tools = FakeModel(says("All is well.")), FakeTools()
    steps = fakes.agent(model, tools).answer(QUESTION)
    await until(steps, AnswerDelta)
    await steps.aclose()
    assert others() == set()


async def test_many_at_once_do_not_hold_up_the_event_loop() -> None:
    """Fifty answers of four rounds and a long text; no step of the event loop takes long."""
    text = "The cart of shop restarts 7 times because its memory is too small [1]. " * 12
    words = text.replace("7", "{}")

    def turns(at: int) -> FakeModel:
        rounds = [calls(("query_metrics", {"query": f"up{at}{step}"})) for step in range(4)]
        return FakeModel(*rounds, says(words.format(*range(at, at + 12))))

    rows = [f"shop/cart-{at} restarts 7 times, memory 99 %" for at in range(60)]
    tools = [FakeTools(lambda *_: outcome(*rows)) for _ in range(50)]
    lags: list[float] = []
    loop = asyncio.get_running_loop()

    async def measure() -> None:
        while True:
            before = loop.time()
            await asyncio.sleep(0)
            lags.append(loop.time() - before)

    async def one(at: int) -> int:
        steps = fakes.agent(turns(at), tools[at]).answer(QUESTION)
        return len([step async for step in steps])

    measuring = asyncio.create_task(measure())
    counts = await asyncio.gather(*map(one, range(50)))
    measuring.cancel()
    assert min(counts) > 100
    assert all(not each.is_open for each in tools)

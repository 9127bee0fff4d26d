"""The steps of an answer: what a watcher gets, when he comes, leaves, lags and comes back."""

import asyncio

from agents.chat_steps import Steps


def told(batches):
    return [(each.number, each.type, dict(each.data)) for batch in batches for each in batch]


async def everything(steps, after=0):
    return told([batch async for batch in steps.follow(after)])


def over(steps):
    steps.tell("message_complete", {})


async def test_text_of_one_turn_of_the_loop_is_one_event() -> None:
    steps = Steps()
    for word in ("so ", "it ", "is"):
        steps.say(word)
    await asyncio.sleep(0)
    steps.say("!")
    over(steps)
    assert await everything(steps) == [
        (1, "content_delta", {"delta": "so it is"}),
        (2, "content_delta", {"delta": "!"}),
        (3, "message_complete", {}),
    ]
    assert steps.text == "so it is!"


async def test_text_comes_before_the_step_after_it() -> None:
    steps = Steps()
    steps.say("look: ")
    steps.tell("tool_use", {"name": "triage"})
    over(steps)
    assert [kind for _, kind, _ in await everything(steps)] == [
        *("content_delta", "tool_use", "message_complete"),
    ]


async def test_a_watcher_sees_steps_as_they_come() -> None:
    steps, seen = Steps(), asyncio.Queue()

    async def watch():
        async for batch in steps.follow():
            for each in batch:
                seen.put_nowait(each.type)

    watching = asyncio.create_task(watch())
    for kind in ("message_start", "plan"):
        steps.tell(kind, {})
        assert await asyncio.wait_for(seen.get(), 1) == kind
    over(steps)
    await asyncio.wait_for(watching, 1)
    assert seen.get_nowait() == "message_complete"


async def test_who_comes_back_gets_what_he_missed() -> None:
    steps = Steps()
    steps.tell("message_start", {"id": "m"})
    steps.say("one")
    await asyncio.sleep(0)
    steps.say("two")
    over(steps)
    assert [number for number, _, _ in await everything(steps, after=2)] == [3, 4]
    assert await everything(steps, after=4) == []
    assert await everything(steps, after=99) == []


async def test_after_the_end_nothing_is_told() -> None:
    steps = Steps()
    over(steps)
    steps.tell("notice", {})
    steps.say("late")
    await asyncio.sleep(0)
    assert len(await everything(steps)) == 1


async def test_text_that_begins_anew_takes_the_void_with_it() -> None:
    steps = Steps()
    steps.tell("message_start", {})
    steps.say("void")
    await asyncio.sleep(0)
    early = steps.follow(after=2)
    steps.say("better", replaces=True)
    await asyncio.sleep(0)
    steps.say(" still")
    over(steps)
    assert (steps.text, [data for _, _, data in await everything(steps)]) == (
        "better still",
        [{}, {"delta": "better", "replaces": True}, {"delta": " still"}, {}],
    )
    assert told([await anext(early)])[0] == (
        *(3, "content_delta"),
        {"delta": "better", "replaces": True},
    )
    await early.aclose()


async def test_what_nobody_was_told_needs_no_taking_back() -> None:
    steps = Steps()
    steps.say("unsaid")
    steps.say("said", replaces=True)
    over(steps)
    assert (await everything(steps))[0] == (1, "content_delta", {"delta": "said"})


async def test_nothing_left_is_told_too() -> None:
    steps = Steps()
    steps.say("void")
    await asyncio.sleep(0)
    steps.say("", replaces=True)
    over(steps)
    assert (await everything(steps))[0][2] == {"delta": "", "replaces": True}


async def test_what_is_kept_stays_bounded_and_whole() -> None:
    steps = Steps(most_kept=20)
    steps.tell("message_start", {})
    lagging = steps.follow(after=1)
    words = [f"{number} " for number in range(50)]
    for number, word in enumerate(words):
        steps.say(word)
        if number % 10 == 0:
            steps.tell("tool_use", {"tool_call_id": str(number)})
            steps.tell("tool_progress", {"tool_call_id": str(number)})
        await asyncio.sleep(0)
    over(steps)
    assert len(steps._kept) <= 21
    for seen in (await everything(steps), told([batch async for batch in lagging])):
        text = ""
        for _, kind, data in seen:
            if kind == "content_delta":
                text = data["delta"] if data.get("replaces") else text + data["delta"]
        assert text == "".join(words)
        numbers = [number for number, _, _ in seen]
        assert numbers == sorted(numbers)
        uses = [data["tool_call_id"] for _, kind, data in seen if kind == "tool_use"]
        assert uses == ["0", "10", "20", "30", "40"]


async def test_a_lagging_watcher_who_saw_some_text_is_told_to_begin_anew() -> None:
    steps = Steps(most_kept=3)
    seen = []
    for word in ("a", "b", "c"):
        steps.say(word)
        await asyncio.sleep(0)
    watcher = steps.follow()
    seen.append(await anext(watcher))
    for word in ("d", "e"):
        steps.say(word)
        await asyncio.sleep(0)
    over(steps)
    seen += [batch async for batch in watcher]
    text = ""
    for _, kind, data in told(seen):
        if kind == "content_delta":
            text = data["delta"] if data.get("replaces") else text + data["delta"]
    assert text == "abcde"


async def test_secrets_and_control_characters_are_not_told() -> None:
    steps = Steps()
    steps.say("\x1b[31mred\u202e")
    steps.tell("tool_use", {"arguments": {"password": "hunter2secret"}})
    over(steps)
    seen = await everything(steps)
    assert seen[0][2] == {"delta": "red"}
    assert "hunter2" not in str(seen)

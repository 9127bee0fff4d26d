"""Whatever a model says, the parts of the loop neither fail nor lose text."""

from typing import Any

import loop_fakes as fakes
import orjson
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from loop_fakes import FakeModel, FakeTools, ask, outcome

from agents.compaction import Conversation
from agents.conversation import Answered, Finish, ToolCall, Turn, TurnDone
from agents.loop_arguments import ArgumentCheck, canonical
from agents.loop_speech import Speech
from agents.narrated import Narration, without_calls

NAMES = frozenset({"list_alerts", "query_metrics"})
FINDER = Narration(NAMES)
BITS = st.sampled_from(
    [
        *("<tool_call>", "</tool_call>", "<function=list_alerts>", "</function>", "[TOOL_CALLS]"),
        *(
            "```json\n",
            "```",
            "{",
            "}",
            '{"name": "list_alerts"',
            ', "arguments": ',
            "{}",
            "[",
            "]",
        ),
        *(
            "list_alerts(",
            'query_metrics(query="up")',
            ")",
            "Action: list_alerts\n",
            "Action Input: ",
        ),
        *(
            "<parameter=query>",
            "</parameter>",
            "<|python_tag|>",
            "to=functions.list_alerts",
            "\n",
            " ",
        ),
        *("The cart restarts [1]. ", "\\", '"', "'", "«", "\u2028", "é", "\x00", "🙂", "print("),
    ]
)
TEXTS = st.lists(BITS | st.text(max_size=6), max_size=24).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMED = st.sampled_from(["query", "limit", "clusters", "cluster", "severity", "cluster_id"])
ARGUMENTS = st.dictionaries(NAMED | st.text(max_size=5), JSON, max_size=5)


@given(TEXTS, st.integers(1, 9))
def test_text_is_shown_in_order_and_none_is_lost(text: str, size: int) -> None:
    speech = Speech(NAMES)
    shown = "".join(speech.add(text[at : at + size]) for at in range(0, len(text), size))
    assert text.startswith(shown)
    calls = speech.calls()
    assert all(call.name in NAMES for call in calls)
    assert all(0 <= call.start < call.end <= len(text) for call in calls)
    assert [call.start for call in calls] == sorted(call.start for call in calls)
    if not calls:
        assert shown + speech.rest() == text
        assert without_calls(text, calls) == text.strip()


@given(TEXTS)
def test_arguments_of_narrated_calls_are_json(text: str) -> None:
    for call in FINDER.calls(text):
        assert call.arguments is None or isinstance(call.arguments, dict)


@given(st.sampled_from([*(spec.name for spec in fakes.SPECS), "unknown"]), ARGUMENTS)
def test_arguments_are_sent_as_json_or_refused_in_words(name: str, arguments: Any) -> None:
    check = ArgumentCheck(fakes.SPECS)
    fitted, wrong = check.checked(ToolCall("c0", name, arguments))
    if wrong:
        assert wrong.startswith("Not called")
        assert len(wrong) < 4_000
    else:
        orjson.dumps(fitted)
        canonical(name, fitted)
        again, still = check.checked(ToolCall("c0", name, fitted))
        assert (again, still) == (fitted, "")


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(1, 4)), max_size=6),
    st.integers(0, 5),
    st.integers(50, 4_000),
)
def test_compaction_never_parts_a_call_from_its_result(
    sizes: list[tuple[int, int]], exchanges: int, room: int
) -> None:
    history = [
        Turn("user" if at % 2 == 0 else "assistant", "x " * 50) for at in range(2 * exchanges)
    ]
    conversation = Conversation("rules", history, "Why?")
    number = 0
    for size, count in sizes:
        made = tuple(ToolCall(f"c{number + at}", "list_alerts", {}) for at in range(count))
        results = [Turn("tool", "row " * size, tool_call_id=call.id) for call in made]
        turns = (Turn("assistant", "", made), *results)
        conversation.add_round(turns, range(number + 1, number + count + 1))
        number += count
    before = conversation.tokens()
    fits = conversation.compact(room)
    assert fits == (conversation.tokens() <= room)
    assert conversation.tokens() <= before or not fits
    waiting: set[str | None] = set()
    for turn in conversation.turns():
        if turn.role == "tool":
            assert turn.tool_call_id in waiting
        waiting |= {call.id for call in turn.tool_calls}
    assert conversation.turns()[0].role == "system"


TURN = st.tuples(
    TEXTS,
    st.lists(
        st.tuples(
            st.sampled_from([*NAMES, "make_plan", "search_result", "nothing"]),
            st.none() | ARGUMENTS,
        ),
        max_size=3,
    ),
    st.sampled_from(list(Finish)),
)


@hypothesis_settings(max_examples=60)
@given(st.lists(TURN, max_size=8))
async def test_every_conversation_ends_with_an_answer(turns: list[Any]) -> None:
    def played(request: Any) -> list[Any]:
        text, made, finish = turns.pop(0) if turns else ("All is well [1].", [], Finish.STOP)
        tools = tuple(ToolCall(f"c{at}", name, given) for at, (name, given) in enumerate(made))
        return [text, TurnDone(finish, tools, 10, 10, "f")]

    tools = FakeTools(lambda name, arguments: outcome(headline=f"{name} {len(tools.made)}"))
    ran = await ask(FakeModel(played, endless=True), tools, agent_steps=6)
    assert isinstance(ran.steps[-1], Answered), ran.steps[-1]
    assert ran.streamed == ran.answer.text
    assert not tools.is_open

"""The loop over a scripted model: what is told to the model, what people see, what it ends with."""

import asyncio
from collections.abc import Mapping
from typing import Any

import loop_fakes as fakes
import pytest
from loop_fakes import FakeModel, FakeTools, ask, calls, failed, outcome, says

from agents.conversation import (
    AnswerDelta,
    CallBegun,
    CallDone,
    CallProgress,
    Finish,
    Noticed,
    PlanChanged,
    Question,
    ToolCall,
    ToolOutcome,
    Turn,
    TurnDone,
)
from aiops_mcp.errors import ModelNotAvailable
from aiops_mcp.models.chat import AnswerMode, TimeScope, ToolStatus

LOOK = calls(("list_alerts", {"clusters": ["edge-1"]}))
CITED = "The cart restarts 7 times [1]."


def told(model: FakeModel, request: int = -1) -> list[str]:
    """What the tools' turns of a request say."""
    return [turn.content for turn in model.requests[request].turns if turn.role == "tool"]


async def test_a_call_its_result_and_the_answer() -> None:
    model, tools = FakeModel(LOOK, says(CITED)), FakeTools()
    ran = await ask(model, tools)
    assert tools.made == [("list_alerts", {"clusters": ["edge-1"]})]
    (begun,), (done,) = ran.of(CallBegun), ran.of(CallDone)
    assert (begun.call_id, begun.name, begun.arguments) == ("c0", "list_alerts", tools.made[0][1])
    assert (done.call_id, done.reference.number, done.status) == ("c0", 1, ToolStatus.SUCCESS)
    assert done.reference.clusters == ("edge-1",)
    answer = ran.answer
    assert (answer.text, answer.mode, answer.model) == (CITED, AnswerMode.MODEL, "fake-8b")
    assert (answer.prompt_tokens, answer.completion_tokens) == (200, 30)
    assert [reference.number for reference in answer.references] == [1]
    assert ran.streamed == CITED
    assert told(model)[0].startswith("[1] ")
    assert model.closed == 2
    assert not tools.is_open


async def test_text_is_passed_on_piece_by_piece() -> None:
    ran = await ask(FakeModel(says("All is well in all clusters.")), FakeTools())
    assert [delta.text for delta in ran.of(AnswerDelta)] == [
        "All ", "is ", "well ", "in ", "all ", "clusters.",
    ]  # fmt: skip


async def test_the_system_turn_holds_rules_persona_scope_and_time() -> None:
    model = FakeModel(says("Fine."))
    scope = TimeScope(start=fakes.NOW.replace(hour=8))
    question = Question("How is it?", fakes.PERSONA, clusters=("edge-1",), time_scope=scope)
    await ask(model, FakeTools(), question)
    system, asked = model.requests[0].turns
    for part in ("not enough data", "it is data", "You know Kubernetes.", "edge-1"):
        assert part in system.content
    assert "2026-03-02T10:00:00Z" in system.content
    assert "from 2026-03-02T08:00:00Z to now" in system.content
    assert asked == Turn("user", "How is it?")
    names = [tool.name for tool in model.requests[0].tools]
    assert names[:2] == ["triage_fleet", "list_alerts"]
    assert names[-2:] == ["search_result", "make_plan"]


async def test_calls_are_made_side_by_side_but_not_too_many() -> None:
    queries = [("query_metrics", {"query": f"up{at}"}) for at in range(6)]
    release = asyncio.Event()

    async def gives(name: str, arguments: Mapping[str, Any]) -> ToolOutcome:
        if tools.at_once == 3:
            release.set()
        await release.wait()
        return outcome(headline=f"{arguments['query']} is 1.")

    tools = FakeTools(gives)
    ran = await ask(FakeModel(calls(*queries), says(CITED)), tools, agent_parallel=3)
    assert tools.most_at_once == 3
    assert [done.reference.headline for done in ran.of(CallDone)] == [
        f"up{at} is 1." for at in range(6)
    ]


async def test_results_are_numbered_as_called_whichever_is_first() -> None:
    first_may_end = asyncio.Event()

    async def gives(name: str, arguments: Mapping[str, Any]) -> ToolOutcome:
        if name == "list_alerts":
            await first_may_end.wait()
        else:
            first_may_end.set()
        return outcome(headline=f"{name} said.")

    turn = calls(("list_alerts", {}), ("query_metrics", {"query": "up"}))
    model = FakeModel(turn, says(CITED))
    ran = await ask(model, FakeTools(gives))
    assert [(done.reference.number, done.reference.tool) for done in ran.of(CallDone)] == [
        (1, "list_alerts"),
        (2, "query_metrics"),
    ]
    assert [turn.tool_call_id for turn in model.requests[1].turns if turn.role == "tool"] == [
        "c0", "c1",
    ]  # fmt: skip


async def test_ids_that_come_again_are_made_unique() -> None:
    second = calls(("list_alerts", {"clusters": ["edge-2"]}))
    model = FakeModel(LOOK, second, says(CITED))
    ran = await ask(model, FakeTools())
    ids = [begun.call_id for begun in ran.of(CallBegun)]
    assert len(set(ids)) == 2
    turns = model.requests[-1].turns
    made = [call.id for turn in turns for call in turn.tool_calls]
    assert made == ids == [turn.tool_call_id for turn in turns if turn.role == "tool"]


async def test_progress_of_a_tool_is_passed_on() -> None:
    class Slow(FakeTools):
        async def call(self, name: str, arguments: Any, *, progress: Any = None) -> ToolOutcome:
            await progress(3, 12, "3 of 12 clusters")
            return outcome()

    ran = await ask(FakeModel(LOOK, says(CITED)), Slow())
    assert ran.of(CallProgress) == [CallProgress("c0", "3 of 12 clusters")]


# --- budgets ---------------------------------------------------------------------------------


def always_calls(request: Any) -> list[Any]:
    """A model that never comes to an end by itself, and answers when it has no tools."""
    if not request.tools:
        return says("The cart restarts [1].")
    return calls(("query_metrics", {"query": f"up{len(request.turns)}"}))


async def test_the_last_step_has_no_tools_so_an_answer_comes() -> None:
    model = FakeModel(always_calls, endless=True)
    ran = await ask(model, FakeTools(), agent_steps=5)
    assert [bool(request.tools) for request in model.requests] == [True] * 4 + [False]
    assert model.requests[-1].tool_choice == "none"
    told_so = ["No more tools" in str(request.turns) for request in model.requests]
    assert told_so == [False] * 4 + [True]
    assert ran.answer.text == "The cart restarts [1]."


async def test_a_personas_limits_stand_before_the_settings() -> None:
    model = FakeModel(always_calls, endless=True)
    question = Question("Why?", fakes.persona(steps=2))
    await ask(model, FakeTools(), question, agent_steps=9)
    assert len(model.requests) == 2


async def test_one_step_is_an_answer_without_tools() -> None:
    model = FakeModel(says("I cannot look."))
    await ask(model, FakeTools(), Question("Why?", fakes.persona(steps=1)))
    assert model.requests[0].tools == ()
    assert "No more tools" not in str(model.requests[0].turns)


async def test_the_token_budget_ends_the_calls_too() -> None:
    def dear(request: Any) -> list[Any]:
        *pieces, done = always_calls(request)
        return [*pieces, TurnDone(done.finish, done.tool_calls, 3_000, 50, "fake")]

    model = FakeModel(dear, endless=True)
    ran = await ask(model, FakeTools(), Question("Why?", fakes.persona(tokens=15_000, steps=50)))
    assert 2 <= len(model.requests) <= 5
    assert model.requests[-1].tools == ()
    assert ran.answer.tokens_used <= 15_000


# --- circles ---------------------------------------------------------------------------------


async def test_an_identical_call_is_blocked_with_the_earlier_number() -> None:
    again = calls(("list_alerts", {"clusters": "edge-1", "severity": None}))
    model, tools = FakeModel(LOOK, again, says(CITED)), FakeTools()
    await ask(model, tools)
    assert len(tools.made) == 1
    assert "[1]" in told(model)[1]
    assert "Not called again" in told(model)[1]


async def test_round_after_round_of_nothing_new_ends_the_calls() -> None:
    def stubborn(request: Any) -> list[Any]:
        return LOOK if request.tools else says(CITED)

    model, tools = FakeModel(stubborn, endless=True), FakeTools()
    ran = await ask(model, tools, agent_steps=12)
    assert len(tools.made) == 1
    assert len(model.requests) == 5
    assert ran.answer.text == CITED


async def test_the_same_result_over_and_over_is_remarked() -> None:
    def varied(request: Any) -> list[Any]:
        if not request.tools:
            return says(CITED)
        return calls(("query_metrics", {"query": "up", "limit": len(request.turns)}))

    model = FakeModel(varied, endless=True)
    await ask(model, FakeTools(lambda *_: outcome()), agent_steps=5)
    assert "remark" not in " ".join(told(model)[:2])
    assert "this same result 3 times" in told(model)[2]


async def test_the_same_error_again_is_remarked() -> None:
    first = calls(("query_metrics", {"query": "up("}))
    second = calls(("query_metrics", {"query": "up(("}))
    model = FakeModel(first, second, says("not enough data"))
    await ask(model, FakeTools(lambda *_: failed("INVALID_PROMQL", "unclosed parenthesis")))
    assert "remark" not in told(model)[0]
    assert "the same error of query_metrics for the second time" in told(model)[1]


@pytest.mark.parametrize(("kinds", "turns"), [(1, 5), (99, 8)])
async def test_errors_end_the_calls_when_they_teach_nothing_new(kinds: int, turns: int) -> None:
    def failing(request: Any) -> list[Any]:
        if not request.tools:
            return says("not enough data")
        return calls(("query_metrics", {"query": f"up{len(request.turns)}"}))

    tools = FakeTools(lambda *_: failed("INVALID_PROMQL", f"kind {len(tools.made) % kinds}"))
    model = FakeModel(failing, endless=True)
    await ask(model, tools, agent_steps=8)
    assert len(model.requests) == turns


async def test_what_may_work_later_may_be_called_once_more() -> None:
    model, tools = (
        FakeModel(LOOK, LOOK, LOOK, says("not enough data")),
        FakeTools(lambda *_: failed("QUERY_TIMEOUT", "late", retryable=True)),
    )
    await ask(model, tools)
    assert len(tools.made) == 2


# --- arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "says_so"),
    [
        ("query_metric", {"query": "up"}, "Did you mean query_metrics"),
        ("delete_everything", {}, "There are: list_alerts"),
        ("query_metrics", {}, "'query' is a required property"),
        ("query_metrics", {"query": "up", "limitt": 3}, "did you mean limit"),
        ("query_metrics", {"query": {"a": 1}}, "query: {'a': 1} is not of type string"),
        ("list_alerts", {"severity": "FATAL"}, "allowed are CRITICAL, WARNING"),
        ("list_alerts", {"clusters": 5}, "clusters: 5 is not of type array"),
        ("query_metrics", None, "no complete JSON object"),
    ],
)
async def test_a_wrong_call_is_told_and_not_made(name: str, arguments: Any, says_so: str) -> None:
    model, tools = FakeModel(calls((name, arguments)), says("not enough data")), FakeTools()
    ran = await ask(model, tools)
    assert tools.made == []
    assert ran.of(CallBegun) == []
    assert says_so in told(model)[0]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ({"query": "up", "limit": "5"}, {"query": "up", "limit": 5}),
        ({"query": "up", "limit": 5.0}, {"query": "up", "limit": 5}),
        ({"query": ["up"], "limit": None}, {"query": "up"}),
        ({"query": "up", "clusters": "a, b"}, {"query": "up", "clusters": ["a", "b"]}),
        ({"query": "up", "clusters": '["a"]'}, {"query": "up", "clusters": ["a"]}),
        ({"query": "up", "cluster": "a"}, {"query": "up", "clusters": ["a"]}),
        ({"query": 1}, {"query": "1"}),
    ],
)
async def test_what_is_plainly_meant_is_taken_so(arguments: Any, meant: Any) -> None:
    tools = FakeTools()
    await ask(FakeModel(calls(("query_metrics", arguments)), says(CITED)), tools)
    assert tools.made == [("query_metrics", meant)]


# --- narrated calls --------------------------------------------------------------------------


async def test_a_narrated_call_is_made_and_its_text_withdrawn() -> None:
    narrated = 'I will look.\n<tool_call>\n{"name": "list_alerts", "arguments": {}}\n</tool_call>'
    model, tools = FakeModel(says(narrated), says(CITED)), FakeTools()
    ran = await ask(model, tools)
    assert tools.made == [("list_alerts", {})]
    assert "tool_call" not in "".join(delta.text for delta in ran.of(AnswerDelta))
    assert AnswerDelta("", replaces=True) in ran.steps
    assert ran.streamed == ran.answer.text == CITED
    assistant = model.requests[1].turns[2]
    assert [call.name for call in assistant.tool_calls] == ["list_alerts"]
    assert assistant.content == "I will look."


async def test_a_call_narrated_in_the_last_step_is_left_out() -> None:
    text = 'It restarts 7 times.\n```json\n{"name": "list_alerts", "arguments": {}}\n```'
    model, tools = FakeModel(says(text)), FakeTools()
    ran = await ask(model, tools, Question("Why?", fakes.persona(steps=1)))
    assert tools.made == []
    assert ran.answer.text == ran.streamed == "It restarts 7 times."


# --- plan ------------------------------------------------------------------------------------


async def test_a_plan_is_shown_and_moves_on() -> None:
    steps = ["See the alerts", "See the metrics", "Conclude"]
    model = FakeModel(
        calls(("make_plan", {"steps": steps})),
        LOOK,
        calls(("query_metrics", {"query": "up"})),
        says(CITED),
    )
    tools = FakeTools()
    ran = await ask(model, tools)
    states = [[step.state for step in changed.plan] for changed in ran.of(PlanChanged)]
    assert states == [
        ["now", "next", "next"],
        ["done", "now", "next"],
        ["done", "done", "now"],
        ["done", "done", "done"],
    ]
    assert [name for name, _ in tools.made] == ["list_alerts", "query_metrics"]
    assert [step.text for step in ran.answer.plan] == steps
    assert [reference.number for reference in ran.answer.references] == [1, 2]


async def test_a_model_says_itself_how_far_it_is() -> None:
    model = FakeModel(
        calls(("make_plan", {"steps": ["a", "b", "", "a", "c"], "done": 2})), says(CITED)
    )
    ran = await ask(model, FakeTools())
    first = ran.of(PlanChanged)[0].plan
    assert [(step.text, step.state) for step in first] == [
        ("a", "done"), ("b", "done"), ("c", "now"),
    ]  # fmt: skip


# --- answers that are none -------------------------------------------------------------------


async def test_an_empty_answer_is_asked_for_once_more() -> None:
    model = FakeModel(LOOK, says(""), says(CITED))
    ran = await ask(model, FakeTools())
    assert "Your answer was empty" in model.requests[2].turns[-1].content
    assert model.requests[2].tools == ()
    assert ran.answer.text == CITED


async def test_two_empty_answers_hand_over_to_triage() -> None:
    model = FakeModel(LOOK, says(""), says("  "))
    ran = await ask(model, FakeTools())
    assert ran.answer.mode is AnswerMode.MIXED
    assert len(ran.answer.references) == 2
    assert ran.answer.text == ran.streamed


async def test_an_answer_cut_at_its_length_goes_on() -> None:
    model = FakeModel(LOOK, says("The cart restarts [1] and", Finish.LENGTH), says(" so on [1]."))
    ran = await ask(model, FakeTools())
    assert ran.answer.text == ran.streamed == "The cart restarts [1] and so on [1]."
    assert model.requests[2].turns[-2].content == "The cart restarts [1] and"
    assert "cut off" in model.requests[2].turns[-1].content


@pytest.mark.parametrize(
    ("first", "more", "whole"),
    [
        ("The cart of the shop restarts [1] and", "the shop restarts [1] and so on.", " so on."),
        ("The cart of the shop restarts [1] and", " and so on.", " and so on."),
        ("It restarts.", " " + " ".join(f"Pod {at} as well [1]." for at in range(20)), None),
    ],
)
async def test_what_a_continuation_repeats_is_left_out(first: str, more: str, whole: str) -> None:
    model = FakeModel(LOOK, says(first, Finish.LENGTH), says(more))
    ran = await ask(model, FakeTools())
    assert ran.answer.text == ran.streamed == first + (more if whole is None else whole)


async def test_a_stream_without_an_end_is_whole_when_its_text_is() -> None:
    whole = FakeModel(LOOK, says(CITED, Finish.BROKEN))
    assert (await ask(whole, FakeTools())).answer.text == CITED
    half = FakeModel(LOOK, says("The cart restarts 7", Finish.BROKEN), says(" times [1]."))
    assert (await ask(half, FakeTools())).answer.text == "The cart restarts 7 times [1]."


async def test_an_answer_without_end_is_cut_with_notice() -> None:
    model = FakeModel(LOOK, *[says(f"part {at} [1] ", Finish.LENGTH) for at in range(3)])
    ran = await ask(model, FakeTools())
    assert ran.answer.text.count("part") == 3
    assert any("not whole" in notice for notice in ran.answer.notices)
    assert len(model.requests) == 4


async def test_a_text_in_circles_is_cut_off() -> None:
    once = "The kubelet of worker-3 does not answer its node [1]. "
    model = FakeModel(LOOK, says("So: " + once * 60))
    ran = await ask(model, FakeTools())
    assert ran.answer.text.count("kubelet") <= 2
    assert ran.answer.text == ran.streamed
    assert any("repeated itself" in step.text for step in ran.of(Noticed))
    assert model.closed == 2


async def test_an_answer_without_references_is_asked_to_cite() -> None:
    bare = "The cart of the shop restarts 7 times because its memory is too small."
    cited = "The cart of the shop restarts 7 times [1] because its memory is too small [1]."
    model = FakeModel(LOOK, says(bare), says(cited))
    ran = await ask(model, FakeTools())
    assert ran.answer.text == ran.streamed == cited
    assert len(model.requests) == 3
    worse = FakeModel(LOOK, says(bare), says("Sorry [1]."))
    assert (await ask(worse, FakeTools())).answer.text == bare
    modest = FakeModel(LOOK, says("There is not enough data to say why the cart restarts."))
    assert len((await ask(modest, FakeTools())).of(CallDone)) == 1


# --- the model goes away ---------------------------------------------------------------------


async def test_without_a_model_triage_answers() -> None:
    ran = await ask(None, FakeTools())
    assert ran.answer.mode is AnswerMode.TRIAGE
    assert ran.answer.model is None
    assert "no language model is set" in ran.answer.text
    assert ran.answer.references
    assert ran.answer.text == ran.streamed


async def test_a_model_that_is_away_from_the_first_is_triage() -> None:
    ran = await ask(FakeModel([ModelNotAvailable("The server refused.")]), FakeTools())
    assert ran.answer.mode is AnswerMode.TRIAGE
    assert any("The server refused." in step.text for step in ran.of(Noticed))


async def test_a_model_that_dies_in_its_answer_hands_over_with_what_there_is() -> None:
    model = FakeModel(LOOK, ["The cart restarts", " 7 times [1]", ModelNotAvailable("Gone.")])
    ran = await ask(model, FakeTools())
    answer = ran.answer
    assert answer.mode is AnswerMode.MIXED
    assert [reference.number for reference in answer.references][:2] == [1, 2]
    assert any("Gone." in notice for notice in answer.notices)
    assert answer.text == ran.streamed
    assert answer.model == "fake-8b"
    assert answer.prompt_tokens > 100


# --- what cannot be a question ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"), [("", "VALIDATION_FAILED"), ("  \n", "VALIDATION_FAILED"), ("x" * 1_000_000, "CONTEXT_TOO_LARGE")]
)  # fmt: skip
async def test_what_is_no_question_fails_at_once(text: str, code: str) -> None:
    model = FakeModel()
    ran = await ask(model, FakeTools(), text)
    assert ran.failure.code == code
    assert model.requests == []


async def test_a_defect_is_an_end_and_no_exception() -> None:
    class Broken(FakeTools):
        async def specs(self) -> Any:
            raise RuntimeError("a secret of the inside")

    ran = await ask(FakeModel(), Broken())
    assert ran.failure.code == "INTERNAL_ERROR"
    assert "secret" not in ran.failure.message


@pytest.mark.parametrize(
    "arguments",
    [
        {"query": "up", "limit": 10**30},
        {"query": "up", "limit": float("nan")},
        {"query": [[[[[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]]]]},
    ],
)
async def test_arguments_that_are_no_plain_json_are_not_sent(arguments: Any) -> None:
    model, tools = (
        FakeModel(calls(("query_metrics", arguments)), says("not enough data")),
        FakeTools(),
    )
    ran = await ask(model, tools)
    assert tools.made == []
    assert "no plain JSON" in told(model)[0]
    assert ran.answer.mode is AnswerMode.MODEL


async def test_half_characters_in_arguments_are_replaced() -> None:
    tools = FakeTools()
    await ask(FakeModel(calls(("query_metrics", {"query": "up\ud800"})), says(CITED)), tools)
    assert tools.made == [("query_metrics", {"query": "up?"})]


async def test_a_cut_result_can_be_searched_by_its_handle() -> None:
    rows = [f"shop/cart-{at} restarts {at} times for want of memory" for at in range(400)]
    search = calls(("search_result", {"handle": "r1", "pattern": "cart-200"}))
    model, tools = (
        FakeModel(LOOK, search, says("cart-200 restarts 200 times [2].")),
        FakeTools(lambda *_: outcome(*rows)),
    )
    ran = await ask(model, tools)
    assert len(tools.made) == 1
    first, second = ran.answer.references
    assert (first.truncated, first.handle, second.tool) == (True, "r1", "search_result")
    assert "cart-200" not in first.text
    assert "shop/cart-200 restarts 200 times" in told(model)[1]
    assert ran.answer.marks == ()


async def test_tools_that_a_small_model_cannot_hold_are_named() -> None:
    many = [
        fakes.spec(f"tool_{at}", **{f"a{n}": fakes.text("x" * 80) for n in range(9)})
        for at in range(40)
    ]
    ran = await ask(FakeModel(says("Fine."), context=2_048), FakeTools(offered=many))
    assert any("2048 tokens" in notice and "tool_39" in notice for notice in ran.answer.notices)


async def test_calls_of_earlier_answers_are_not_told_again() -> None:
    history = (
        Turn("user", "How is it?"),
        calls_turn(),
        Turn("tool", "[1] 2 alerts", tool_call_id="old"),
        Turn("assistant", "Two alerts."),
    )
    model = FakeModel(says("Fine."))
    await ask(model, FakeTools(), Question("And now?", fakes.PERSONA, history=history))
    roles = [(turn.role, turn.content) for turn in model.requests[0].turns[1:]]
    assert roles == [("user", "How is it?"), ("assistant", "Two alerts."), ("user", "And now?")]


def calls_turn() -> Turn:
    return Turn("assistant", "", tool_calls=(ToolCall("old", "list_alerts", {}),))


async def test_too_many_calls_in_one_turn_are_not_all_made() -> None:
    many = calls(*[("query_metrics", {"query": f"up{at}"}) for at in range(20)])
    model, tools = FakeModel(many, says(CITED)), FakeTools()
    await ask(model, tools)
    assert len(tools.made) == 16
    assert [said.startswith("Not called: at most 16") for said in told(model)][15:18] == [
        False, True, True,
    ]  # fmt: skip

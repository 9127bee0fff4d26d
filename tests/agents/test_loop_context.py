"""A conversation fits the model's context: compacted before it is full, once more when refused."""

from typing import Any

import loop_fakes as fakes
import pytest
from loop_fakes import FakeModel, FakeTools, ask, calls, outcome, says

from agents.compaction import Conversation, shortened
from agents.conversation import Finish, ModelRequest, Question, ToolCall, Turn, TurnDone
from agents.loop_budget import Budget
from agents.prompt import fit_tools, system_prompt
from agents.tokens import estimate_tokens, estimate_tools, estimate_turns
from aiops_mcp.errors import ContextTooLarge
from aiops_mcp.models.chat import AnswerMode, Reference, TimeScope, ToolStatus
from aiops_mcp.settings import Settings

ROWS = [f"shop/cart-{at} restarts {at} times, memory 99 %, node worker-{at}" for at in range(80)]


def cost(request: ModelRequest) -> int:
    return estimate_turns(request.turns) + estimate_tools(request.tools)


class Strict(FakeModel):
    """A model that counts, and refuses what does not fit, as servers do."""

    async def stream(self, request: ModelRequest) -> Any:
        if cost(request) + (request.max_tokens or 0) > self._context:
            self.refused = getattr(self, "refused", 0) + 1
            raise ContextTooLarge("too long", details={"context_tokens": self._context})
        async for piece in super().stream(request):
            yield piece


def greedy(request: ModelRequest) -> list[Any]:
    """Asks for everything, twelve times, then answers."""
    if not request.tools:
        return says("cart-79 restarts most [1].")
    made = calls(("query_metrics", {"query": f"q{len(request.turns)}_{cost(request)}"}))
    return [*made[:-1], TurnDone(Finish.TOOL_CALLS, made[-1].tool_calls, cost(request), 20, "f")]


def many_rows(name: str, arguments: Any) -> Any:
    return outcome(*[f"{row} {arguments}" for row in ROWS], headline=f"{arguments} has 80 rows.")


@pytest.mark.parametrize("context", [4_096, 8_192, 32_768])
async def test_an_investigation_fits_contexts_of_all_sizes(context: int) -> None:
    model = Strict(greedy, context=context, endless=True)
    ran = await ask(model, FakeTools(many_rows), agent_steps=12, agent_tokens=400_000)
    assert len(model.requests) == 12
    assert not hasattr(model, "refused")
    assert ran.answer.mode is AnswerMode.MODEL
    assert ran.answer.text == "cart-79 restarts most [1]."
    assert len(ran.answer.references) == 11


async def test_what_was_found_is_kept_when_rounds_are_folded() -> None:
    class Boasting(Strict):
        async def context_tokens(self, model: str | None = None) -> int:
            return 32_768

    model = Boasting(greedy, context=6_000, endless=True)
    ran = await ask(model, FakeTools(many_rows), agent_steps=12)
    assert model.refused == 1
    assert ran.answer.mode is AnswerMode.MODEL
    asked = next(turn for turn in model.requests[-1].turns if turn.role == "user")
    assert "What is wrong in the shop?" in asked.content
    assert "[1] query_metrics" in asked.content
    assert "has 80 rows." in asked.content
    assert any("shortened" in notice for notice in ran.answer.notices)


async def test_a_large_context_is_not_compacted() -> None:
    model = Strict(greedy, context=32_768, endless=True)
    ran = await ask(model, FakeTools(many_rows), agent_steps=8)
    assert ran.answer.notices == ()


@pytest.mark.parametrize("details", [{"context_tokens": 4_096}, {"prompt_tokens": 9_000}, {}])
async def test_a_refusal_is_answered_by_compaction_and_one_retry(details: dict[str, int]) -> None:
    history = tuple(
        Turn("user" if at % 2 == 0 else "assistant", f"{at} " + "words of old " * 200)
        for at in range(8)
    )
    question = Question("What is wrong?", fakes.PERSONA, history=history)
    model = FakeModel([ContextTooLarge("too long", details=details)], says("Nothing."))
    ran = await ask(model, FakeTools(), question)
    assert ran.answer.text == "Nothing."
    first, second = model.requests
    assert cost(second) < cost(first)
    assert "Earlier in this conversation" in second.turns[1].content or len(second.turns) < 9


async def test_a_second_refusal_hands_over() -> None:
    model = FakeModel(*[[ContextTooLarge("too long")] for _ in range(2)])
    ran = await ask(model, FakeTools())
    assert ran.answer.mode is AnswerMode.TRIAGE
    assert len(model.requests) == 2


async def test_a_long_question_is_cut_for_a_small_context() -> None:
    model = Strict(says("Fine."), context=4_096)
    long = "Look at this log: " + "error in the cart " * 1_500 + " What is it?"
    await ask(model, FakeTools(), long)
    asked = model.requests[0].turns[1].content
    assert asked.startswith("Look at this log")
    assert asked.endswith("What is it?")
    assert "(cut)" in asked


async def test_more_tokens_than_estimated_are_believed() -> None:
    """A server that counts double is sent half."""

    def counts_double(request: ModelRequest) -> list[Any]:
        *made, done = greedy(request)
        return [*made, TurnDone(done.finish, done.tool_calls, 2 * cost(request), 20, "f")]

    model = FakeModel(counts_double, context=8_192, endless=True)
    await ask(model, FakeTools(many_rows), agent_steps=10)
    assert max(2 * cost(request) for request in model.requests[1:]) < 8_192


# --- the parts -------------------------------------------------------------------------------


def reference(number: int, headline: str, text: str, **more: Any) -> Reference:
    return Reference(
        number=number,
        tool_call_id=f"c{number}",
        tool="list_alerts",
        status=ToolStatus.SUCCESS,
        headline=headline,
        text=text,
        **more,
    )


def rounds(conversation: Conversation, count: int) -> list[Reference]:
    references = [
        reference(at, f"Finding {at}.", "\n".join([f"Finding {at}.", *ROWS]), handle=f"r{at}")
        for at in range(1, count + 1)
    ]
    for each in references:
        call = ToolCall(each.tool_call_id, each.tool, {})
        turns = (
            Turn("assistant", f"So far {each.number}.", (call,)),
            Turn("tool", each.text, tool_call_id=call.id),
        )
        conversation.add_round(turns, (each.number,))
    conversation.know_results(lambda: references)
    return references


def test_the_oldest_rounds_are_folded_first_and_the_last_is_whole() -> None:
    conversation = Conversation("rules", (), "Why?")
    rounds(conversation, 3)
    room = conversation.tokens() - 800
    assert conversation.compact(room)
    assert conversation.tokens() <= room
    turns = conversation.turns()
    assert [turn.role for turn in turns[:2]] == ["system", "user"]
    assert "[1] list_alerts: Finding 1." in turns[1].content
    assert "handle r1" in turns[1].content
    assert "So far 1." in turns[1].content
    assert turns[-1].content.startswith("Finding 3.")
    assert turns[-1].content.endswith(ROWS[-1])
    assert conversation.folded == (1,)


def test_every_call_keeps_its_answer_when_folded() -> None:
    for room in range(300, 6_000, 300):
        conversation = Conversation("rules", (), "Why?")
        rounds(conversation, 4)
        conversation.compact(room)
        made = [call.id for turn in conversation.turns() for call in turn.tool_calls]
        answered = [turn.tool_call_id for turn in conversation.turns() if turn.role == "tool"]
        assert made == answered


def test_history_is_summed_up_before_results_are() -> None:
    history = [
        Turn("user" if at % 2 == 0 else "assistant", f"said {at} " + "x" * 600) for at in range(10)
    ]
    conversation = Conversation("rules", history, "Why?")
    rounds(conversation, 1)
    assert conversation.compact(conversation.tokens() - 500)
    turns = conversation.turns()
    assert turns[1].content.startswith("said 8")
    assert "- asked: said 0" in turns[3].content
    assert "answered: said 1" in turns[3].content
    assert conversation.folded == ()


def test_what_fits_is_left_as_it_is() -> None:
    conversation = Conversation("rules", [Turn("user", "a"), Turn("assistant", "b")], "Why?")
    before = conversation.turns()
    assert conversation.compact(10_000)
    assert conversation.turns() == before
    assert not conversation.was_compacted


def test_a_last_word_follows_a_tool_without_a_turn_of_its_own() -> None:
    conversation = Conversation("rules", (), "Why?")
    rounds(conversation, 1)
    conversation.say(Turn("user", "Answer now."))
    assert conversation.turns()[-1].role == "tool"
    assert conversation.turns()[-1].content.endswith("\n\nAnswer now.")
    conversation.say(Turn("assistant", "It is"), Turn("user", "Go on."))
    assert [turn.role for turn in conversation.turns()[-2:]] == ["assistant", "user"]


def test_shortened_keeps_both_ends() -> None:
    text = "begin " + "middle " * 500 + "end"
    cut = shortened(text, 50)
    assert cut.startswith("begin")
    assert cut.endswith("end")
    assert estimate_tokens(cut) <= 55
    assert shortened("short", 50) == "short"
    assert estimate_tokens(shortened(text, 0)) < 10


def test_tools_get_smaller_step_by_step() -> None:
    described = {f"a{at}": fakes.text("A long description of it. " * 4) for at in range(6)}
    specs = [fakes.spec(f"tool_{at}", **described) for at in range(12)]
    whole = estimate_tools(specs)
    assert fit_tools(specs, 10 * whole) == tuple(specs)
    without = fit_tools(specs, int(whole * 1.5))
    assert len(without) == 12
    assert "description" not in without[0].parameters["properties"]["a0"]
    assert specs[0].parameters["properties"]["a0"]["description"]
    fewer = fit_tools(specs, int(whole * 0.6))
    assert 3 <= len(fewer) < 12
    assert [spec.name for spec in fewer] == [f"tool_{at}" for at in range(len(fewer))]
    assert len(fit_tools(specs, 10)) == 3


def test_a_persona_is_cut_by_paragraphs_in_a_small_context() -> None:
    prompt = "First of all.\n\n" + "\n\n".join(f"Paragraph {at}. " * 30 for at in range(20))
    persona = fakes.PERSONA.model_copy(update={"system_prompt": prompt})

    def said(context: int) -> str:
        return system_prompt(
            persona, clusters=(), time_scope=TimeScope(), now=fakes.NOW, context_tokens=context
        )

    assert prompt.strip() in said(32_000)
    small = said(4_096)
    assert "First of all." in small
    assert "Paragraph 19" not in small
    assert estimate_tokens(small) < 1_400


def test_a_budget_counts_and_knows_its_last_turn() -> None:
    settings = Settings(agent_steps=3, agent_tokens=10_000, model_max_tokens=1_000)
    budget = Budget.of(fakes.PERSONA, settings, 8_000)
    assert (budget.steps, budget.tokens, budget.max_output) == (3, 10_000, 1_000)
    assert not budget.is_last(1_000)
    assert budget.is_last(5_000)
    budget.turn_ended(TurnDone(Finish.STOP, (), 3_000, 100), estimated=1_500)
    assert budget.scale == 2.0
    assert budget.spent == 3_100
    assert budget.prompt_room == int((8_000 * 0.9 - 1_000) / 2)
    budget.turn_ended(TurnDone(Finish.STOP, (), 100, 100), estimated=200)
    assert budget.scale == 1.0
    assert budget.is_last(100)
    assert budget.allows(100)
    assert not budget.allows(7_000)
    budget.overflowed(held=2_000, sent=None, estimated=100)
    assert (budget.context, budget.max_output) == (2_000, 400)
    budget.overflowed(held=2_000, sent=None, estimated=1_000)
    assert budget.scale == pytest.approx(1.6 / 0.7)
    budget.overflowed(held=None, sent=1_500, estimated=1_000)
    assert budget.context == int((1_500 + 400) * 0.7)
    budget.overflowed(held=None, sent=None, estimated=100)
    assert budget.context < 1_000


def test_where_nothing_else_is_left_the_question_is_cut() -> None:
    history = [Turn("user", "before " * 90), Turn("assistant", "it was so " * 60)]
    conversation = Conversation("rules", history, "begin " + "log line " * 2_000 + "end")
    rounds(conversation, 2)
    assert conversation.compact(600)
    turns = conversation.turns()
    assert [turn.role for turn in turns] == ["system", "user"]
    assert "begin" in turns[1].content
    assert "(cut)" in turns[1].content
    assert "[2] list_alerts: Finding 2." in turns[1].content
    assert not conversation.compact(20)


def test_a_plan_may_get_shorter_and_knows_its_end() -> None:
    from agents.planning import Plan

    plan = Plan()
    assert plan.make({"steps": []}) == "A plan needs steps; go on without one."
    assert (plan.steps, plan.advance(), plan.end(is_whole=True)) == ((), False, False)
    assert plan.make({"steps": ["a", "b", "c"]}).endswith("Now: a")
    assert plan.advance()
    assert plan.advance()
    assert not plan.advance()
    assert plan.make({"steps": ["a", "d"]}).endswith("Now: d")
    assert [step.state for step in plan.steps] == ["done", "now"]
    assert plan.make({"steps": ["a", "d"], "done": 9}).endswith("Now: the answer")
    plan.make({"steps": ["a", "d"], "done": 0})
    assert plan.end(is_whole=False)
    assert [step.state for step in plan.steps] == ["dropped", "dropped"]

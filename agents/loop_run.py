"""One investigation by a model: turns and calls until there is an answer, within its budget.

Knows neither where the tools are nor what happens when the model is away: it says so, and what it
had. Nothing here waits but for the model, the tools and the user's consent.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from agents.compaction import Conversation, shortened
from agents.conversation import (
    Consent,
    Finish,
    Model,
    ModelRequest,
    Noticed,
    PlanChanged,
    Question,
    Tools,
    ToolSpec,
    Turn,
)
from agents.loop_arguments import ArgumentCheck
from agents.loop_budget import Budget
from agents.loop_calls import Calls
from agents.loop_orders import Orders
from agents.loop_turn import AnswerText, Continuation, Emit, Said, no_text, take_turn
from agents.planning import MAKE_PLAN, Plan
from agents.prompt import ANSWER_EMPTY, ANSWER_NOW, CITE, GO_ON, fit_tools
from agents.results import SEARCH_RESULT, Results
from agents.tokens import estimate_tools
from aiops_mcp.errors import AiopsError, ContextTooLarge, ModelNotAvailable
from aiops_mcp.models.chat import ToolStatus

_CONTINUED = 2
_PLANNED_FROM_STEPS = 4
_CITED = re.compile(r"\[\d{1,3}\]")
_NOTHING_CLAIMED = re.compile(r"not enough data", re.IGNORECASE)
_LEAST_CLAIM = 40
"""A shorter answer claims nothing that wants a reference."""
_TWICE_SAID = 400
_WHOLE = (".", "!", "?", "]", ")", "|", "`", "*", "_")
"""What the text of an answer that came to its end ends with."""


class ModelGone(Exception):
    """The model is of no more use for this answer: away, or silent; ``cause`` says why."""

    def __init__(self, cause: str, *, is_away: bool = True) -> None:
        super().__init__(cause)
        self.cause = cause
        self.is_away = is_away


@dataclass(slots=True)
class Progressed:
    """What an answer has so far; it stays when the model goes away."""

    text: AnswerText
    plan: Plan
    orders: Orders
    budget: Budget
    notices: list[str] = field(default_factory=list[str])
    model: str | None = None


class Investigation:
    """A question, a model, tools and what came of them."""

    def __init__(
        self,
        question: Question,
        *,
        model: Model,
        tools: Tools,
        specs: tuple[ToolSpec, ...],
        results: Results,
        conversation: Conversation,
        so_far: Progressed,
        emit: Emit,
        consent: Consent,
        parallel: int,
        monotonic: Callable[[], float],
    ) -> None:
        self._question = question
        self._model = model
        self._specs = specs
        self._results = results
        self._conversation = conversation
        self._so_far = so_far
        self._emit = emit
        self._check = ArgumentCheck(specs)
        self._calls = Calls(
            tools=tools,
            results=results,
            check=self._check,
            plan=so_far.plan,
            orders=so_far.orders,
            emit=emit,
            notice=self.notice,
            consent=consent,
            clusters=question.clusters,
            parallel=parallel,
            monotonic=monotonic,
        )
        self._asked_again = False
        self._continued = 0
        self._turn_began = 0
        conversation.know_results(lambda: results.references)

    def notice(self, text: str) -> None:
        """Tell people something once, now and with the answer."""
        if text not in self._so_far.notices:
            self._so_far.notices.append(text)
            self._emit(Noticed(text))

    async def run(self) -> None:
        """Investigate until the answer's text is whole.

        Raises:
            ModelGone: it is not, and the model will not make it so.
        """
        while True:
            offers_tools = self._offers_tools()
            self._turn_began = len(self._so_far.text.text)
            said = await self._spoken(offers_tools=offers_tools)
            if said.lost is not None:
                raise ModelGone(said.lost.message)
            if said.calls and offers_tools:
                await self._round(said)
            elif self._is_settled(said):
                break
        await self._cite()

    # --- turns ------------------------------------------------------------------------------

    def _offers_tools(self) -> bool:
        """Whether the turn to come may call; where it must bring the answer, that is said."""
        if self._continued:
            return False
        prompt = self._prompt_tokens(offers_tools=True)
        is_last = self._so_far.budget.is_last(prompt) or self._calls.goes_in_circles
        if is_last and self._conversation.rounds and not self._asked_again:
            self._conversation.say(Turn("user", ANSWER_NOW))
        return not is_last and not (self._asked_again and self._results.references)

    async def _spoken(self, *, offers_tools: bool) -> Said:
        """One turn whose text people see as it comes."""
        answer = self._so_far.text
        if not self._continued:
            return await self._turn(offers_tools=offers_tools, show=answer.add)
        more = Continuation(answer.text, answer.add)
        said = await self._turn(offers_tools=offers_tools, show=more.add)
        more.rest()
        return said

    def _prompt_tokens(self, *, offers_tools: bool) -> int:
        tools = estimate_tools(self._specs) if offers_tools else 0
        return self._conversation.tokens() + tools

    async def _turn(self, *, offers_tools: bool, show: Callable[[str], None]) -> Said:
        """One turn; compacted before it where it would not fit, and once more when it did not."""
        budget = self._so_far.budget
        self._make_fit(offers_tools=offers_tools)
        estimated = self._prompt_tokens(offers_tools=offers_tools)
        try:
            said = await self._asked(offers_tools=offers_tools, show=show)
        except ContextTooLarge as error:
            budget.overflowed(
                held=_count(error, "context_tokens"),
                sent=_count(error, "prompt_tokens"),
                estimated=estimated,
            )
            self._refit_tools()
            self._make_fit(offers_tools=offers_tools)
            estimated = self._prompt_tokens(offers_tools=offers_tools)
            said = await self._asked_once_more(offers_tools=offers_tools, show=show)
        budget.turn_ended(said.done, estimated)
        self._so_far.model = said.done.model or self._so_far.model
        return said

    async def _asked_once_more(self, *, offers_tools: bool, show: Callable[[str], None]) -> Said:
        try:
            return await self._asked(offers_tools=offers_tools, show=show)
        except ContextTooLarge as error:
            raise ModelGone(error.message, is_away=False) from error

    async def _asked(self, *, offers_tools: bool, show: Callable[[str], None]) -> Said:
        request = ModelRequest(
            turns=self._conversation.turns(),
            tools=self._specs if offers_tools else (),
            tool_choice="auto" if offers_tools else "none",
            model=self._question.model,
            max_tokens=self._so_far.budget.max_output,
        )
        try:
            return await take_turn(self._model, request, names=self._check.names, show=show)
        except ModelNotAvailable as error:
            raise ModelGone(error.message) from error

    def _make_fit(self, *, offers_tools: bool) -> None:
        tools = estimate_tools(self._specs) if offers_tools else 0
        had_been = self._conversation.was_compacted
        self._conversation.compact(self._so_far.budget.prompt_room - tools)
        self._results.freed(self._conversation.folded)
        if self._conversation.was_compacted and not had_been:
            self.notice(
                "The conversation was shortened to fit the model: older turns are summed up."
            )

    def _refit_tools(self) -> None:
        context = int(self._so_far.budget.context / self._so_far.budget.scale)
        self._specs = fit_tools(self._specs, context)

    # --- what follows a turn -----------------------------------------------------------------

    async def _round(self, said: Said) -> None:
        """Make the calls of a turn. What it said beside them is no answer, and withdrawn."""
        self._so_far.text.replace("")
        outcome = await self._calls.made(said.calls)
        turn = Turn("assistant", shortened(said.text, _TWICE_SAID), tool_calls=outcome.calls)
        self._conversation.add_round((turn, *outcome.turns), outcome.numbers)
        if outcome.numbers and self._so_far.plan.advance():
            self._emit(PlanChanged(self._so_far.plan.steps))

    def _is_settled(self, said: Said) -> bool:
        """Whether the text is the answer; else what the model is to do is said to it."""
        answer, budget = self._so_far.text, self._so_far.budget
        if said.narrated or said.circled:
            self._take_back(said)
        if said.circled:
            self.notice("The model repeated itself without end; its answer was cut off there.")
            return bool(answer.text.strip()) or self._asks_again()
        if not answer.text.strip():
            return self._asks_again()
        if not _is_cut(said):
            return True
        if self._continued < _CONTINUED and budget.allows(self._prompt_tokens(offers_tools=False)):
            self._continued += 1
            self._conversation.say(Turn("assistant", said.text), Turn("user", GO_ON))
            return False
        self.notice("The answer is not whole: the model was cut off at its length limit.")
        return True

    def _take_back(self, said: Said) -> None:
        """Let the answer's text be without what was narrated, or said over and over."""
        answer = self._so_far.text
        before = answer.text[: self._turn_began]
        answer.replace(before + said.text)

    def _asks_again(self) -> bool:
        """Ask for an answer once more; never settled by it.

        Raises:
            ModelGone: it was asked again already, or nothing is left to ask with.
        """
        prompt = self._prompt_tokens(offers_tools=False)
        if self._asked_again or not self._so_far.budget.allows(prompt):
            raise ModelGone("The model gave no answer.", is_away=False)
        self._asked_again = True
        self._conversation.say(Turn("user", ANSWER_EMPTY))
        return False

    async def _cite(self) -> None:
        """Where an answer names no reference at all, ask once for it with them."""
        answer = self._so_far.text
        read = [each for each in self._results.references if each.status is ToolStatus.SUCCESS]
        if not read or not _wants_references(answer.text):
            return
        self._conversation.say(Turn("assistant", answer.text), Turn("user", CITE))
        if not self._so_far.budget.allows(self._prompt_tokens(offers_tools=False)):
            return
        try:
            said = await self._turn(offers_tools=False, show=no_text)
        except ModelGone:
            return  # the answer is there, only its references are not
        is_whole = said.lost is None and said.done.finish is Finish.STOP and not said.narrated
        if is_whole and _CITED.search(said.text) and 2 * len(said.text) > len(answer.text):
            answer.replace(said.text)


def _is_cut(said: Said) -> bool:
    """Whether a turn ended before its text did; some servers never say why one ended."""
    if said.done.finish is Finish.BROKEN:
        return not said.text.rstrip().endswith(_WHOLE)
    return said.done.finish is Finish.LENGTH


def _wants_references(text: str) -> bool:
    if len(text) < _LEAST_CLAIM or _CITED.search(text):
        return False
    return not _NOTHING_CLAIMED.search(text)


def _count(error: AiopsError, name: str) -> int | None:
    value = error.details.get(name)
    return value if isinstance(value, int) and value > 0 else None


def built_in(steps: int) -> tuple[ToolSpec, ...]:
    """The tools that the loop has itself: results to search, and a plan where there is time."""
    return (SEARCH_RESULT, MAKE_PLAN) if steps >= _PLANNED_FROM_STEPS else (SEARCH_RESULT,)

"""The agent: answers a question by a model with tools, and without one where there is none.

One loop, streaming; chats, commands and investigations collect what they need of it. The work is
done in a task of its own, so that what it opens is closed where it was opened, whoever stops
listening. Nothing is raised but cancellation: what goes wrong is a step.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.compaction import Conversation, shortened
from agents.conversation import (
    AnswerDelta,
    Answered,
    Answerer,
    Consent,
    Failed,
    Model,
    PlanChanged,
    Question,
    Step,
    Tools,
    ToolSpec,
    nobody_consents,
)
from agents.evidence import causes_in, check
from agents.loop_budget import Budget
from agents.loop_orders import Orders
from agents.loop_run import Investigation, ModelGone, Progressed, built_in
from agents.loop_turn import AnswerText, Emit
from agents.planning import Plan
from agents.prompt import fit_tools, system_prompt
from agents.results import Results
from agents.tokens import estimate_tokens, estimate_tools
from agents.toolbox import ToolSource, notices_of
from agents.without_model import answer_without_model
from aiops_mcp.errors import AiopsError, ContextTooLarge, InputError
from aiops_mcp.models.chat import Answer, AnswerMode
from aiops_mcp.settings import Settings

_log = logging.getLogger(__name__)

_NO_MODEL = "no language model is set"
_TAKES_OVER = "Triage and root-cause ranking take over."
_QUESTION_SHARE = 3
"""A question may take a third of a context."""
_RESULTS_SHARE = 0.8
_LEAST_RESULTS = 800
_WITHOUT_MODEL = 32_000
"""Tokens of results where there is no context to fit."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question with what its answer is made by."""

    question: Question
    tools: Tools
    consent: Consent
    emit: Emit
    began: float


class Agent(Answerer):
    """Answers questions. ``model`` is ``None`` where there is none; ``clock`` tells UTC."""

    def __init__(
        self,
        model: Model | None,
        tools: ToolSource,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._tools = tools
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._checking = asyncio.Semaphore(1)

    async def answer(
        self, question: Question, *, consent: Consent = nobody_consents
    ) -> AsyncGenerator[Step]:
        """See `Answerer.answer`."""
        steps: asyncio.Queue[Step] = asyncio.Queue()
        work = asyncio.create_task(self._work(question, consent, steps.put_nowait))
        try:
            while True:
                step = await steps.get()
                yield step
                if isinstance(step, Answered | Failed):
                    return
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _work(self, question: Question, consent: Consent, emit: Emit) -> None:
        """All of it; whatever ends it but cancellation ends in a last step."""
        try:
            self._refuse_unusable(question)
            async with self._tools.open(question.persona, question.principal) as tools:
                asked = _Asked(question, tools, consent, emit, self._monotonic())
                answer = await self._answered(asked)
            emit(Answered(answer))
        except AiopsError as error:
            emit(Failed(error.code, str(error)))
        except Exception:  # noqa: BLE001 - the edge: who listens must hear of an end
            _log.exception("an answer failed")
            emit(
                Failed(
                    AiopsError.code,
                    "The answer failed inside the agent. Ask again; the cause is in the log.",
                )
            )

    def _refuse_unusable(self, question: Question) -> None:
        """Refuse what cannot be a question.

        Raises:
            InputError: it is empty.
            ContextTooLarge: it is longer than a message may be.
        """
        if not question.text.strip():
            raise InputError("The question is empty.", "Ask something.")
        if len(question.text.encode("utf-8", "replace")) > self._settings.chat_message_bytes:
            raise ContextTooLarge(
                f"The question is longer than {self._settings.chat_message_bytes} bytes.",
                "Shorten it, or quote only the lines that matter.",
            )

    async def _answered(self, asked: _Asked) -> Answer:
        """The answer: by the model, or by what takes over where there is none, or none any more."""
        so_far = Progressed(
            AnswerText(asked.emit), Plan(), Orders(_words(asked.question)), Budget(0, 0, 0, 0)
        )
        if self._model is None:
            return await self._without(asked, Results(_WITHOUT_MODEL), so_far, _NO_MODEL)
        specs = tuple(await asked.tools.specs())
        context = await self._model.context_tokens(asked.question.model)
        so_far.budget = Budget.of(asked.question.persona, self._settings, context)
        investigation, results = self._prepared(asked, self._model, specs, so_far)
        for said in (
            *notices_of(asked.tools),
            so_far.orders.look(_said_before(asked.question), number=None),
        ):
            if said:
                investigation.notice(said)
        try:
            await investigation.run()
        except ModelGone as gone:
            investigation.notice(f"{gone.cause} {_TAKES_OVER}")
            return await self._without(asked, results, so_far, gone.cause)
        return await self._by_model(asked, results, so_far)

    def _prepared(
        self, asked: _Asked, model: Model, offered: tuple[ToolSpec, ...], so_far: Progressed
    ) -> tuple[Investigation, Results]:
        """The investigation with what it needs, made to fit the model's context."""
        question, budget = asked.question, so_far.budget
        specs = fit_tools((*offered, *built_in(budget.steps)), budget.context)
        if left_out := [each.name for each in offered if each.name not in _names(specs)]:
            so_far.notices.append(
                f"The model holds {budget.context} tokens, so some tools were left out: "
                f"{', '.join(left_out)}."
            )
        system = system_prompt(
            question.persona,
            clusters=question.clusters,
            time_scope=question.time_scope,
            now=self._clock(),
            context_tokens=budget.context,
        )
        text = shortened(question.text.strip(), budget.context // _QUESTION_SHARE)
        conversation = Conversation(system, question.history, text)
        fixed = estimate_tokens(system) + estimate_tools(specs) + estimate_tokens(text)
        room = int((budget.prompt_room - fixed) * _RESULTS_SHARE)
        results = Results(max(room, _LEAST_RESULTS))
        investigation = Investigation(
            question,
            model=model,
            tools=asked.tools,
            specs=specs,
            results=results,
            conversation=conversation,
            so_far=so_far,
            emit=asked.emit,
            consent=asked.consent,
            parallel=self._settings.agent_parallel,
            monotonic=self._monotonic,
        )
        return investigation, results

    async def _by_model(self, asked: _Asked, results: Results, so_far: Progressed) -> Answer:
        """The model's text with its claims checked against what the tools gave."""
        if remark := so_far.orders.remark:
            so_far.text.add(f"\n\n{remark}")
        if so_far.plan.end(is_whole=True):
            asked.emit(PlanChanged(so_far.plan.steps))
        references = results.references
        payloads = {each.number: results.payload(each.number) for each in references}
        async with self._checking:  # one at a time, in a thread: others' answers go on meanwhile
            checked = await asyncio.to_thread(
                check, so_far.text.text, references, asked=asked.question.text
            )
            causes = await asyncio.to_thread(causes_in, references, payloads)
        return Answer(
            text=checked.text,
            mode=AnswerMode.MODEL,
            references=tuple(references),
            marks=checked.marks,
            confidence=checked.confidence,
            confidence_reason=checked.confidence_reason,
            causes=causes,
            **self._told(asked, so_far, results),
        )

    async def _without(
        self, asked: _Asked, results: Results, so_far: Progressed, reason: str
    ) -> Answer:
        """Triage takes over, with what the model had found and said."""
        had_begun = bool(results.references) or bool(so_far.text.text.strip())
        steps = answer_without_model(
            asked.question,
            asked.tools,
            results,
            clock=self._clock,
            reason=reason,
            begun=so_far.text.text,
        )
        answer: Answer | None = None
        async with aclosing(steps):
            async for step in steps:
                if isinstance(step, Answered):
                    answer = step.answer
                else:
                    asked.emit(step)
        if answer is None:
            raise AiopsError("The answer without a model did not end.")
        told = self._told(asked, so_far, results)
        remark = so_far.orders.remark
        if remark and "give orders" not in answer.text:  # it was in what the model had read
            more = f"\n{remark}" if answer.text.endswith("\n") else f"\n\n{remark}"
            told["text"] = answer.text + more
            asked.emit(AnswerDelta(more))
        told["notices"] = tuple(dict.fromkeys((*told["notices"], *answer.notices)))
        told["mode"] = AnswerMode.MIXED if had_begun else AnswerMode.TRIAGE
        return answer.model_copy(update={**told, "plan": answer.plan})

    def _told(self, asked: _Asked, so_far: Progressed, results: Results) -> dict[str, Any]:
        """What of an answer is the same however it was made."""
        return {
            "plan": so_far.plan.steps,
            "notices": (*so_far.notices, *results.notices),
            "model": so_far.model,
            "prompt_tokens": so_far.budget.prompt_tokens,
            "completion_tokens": so_far.budget.completion_tokens,
            "latency_ms": round((self._monotonic() - asked.began) * 1000, 1),
        }


def _names(specs: Iterable[ToolSpec]) -> frozenset[str]:
    return frozenset(spec.name for spec in specs)


def _words(question: Question) -> Iterator[str]:
    """What the user said, now and before."""
    yield question.text
    yield from (turn.content for turn in question.history if turn.role == "user")


def _said_before(question: Question) -> str:
    """What was answered and read before, which may quote a cluster's text."""
    return "\n".join(turn.content for turn in question.history if turn.role != "user")

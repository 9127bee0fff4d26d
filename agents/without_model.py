"""An answer without a model: triage for the scope asked, then the root cause of what is worst.

Which tools to call follows from the words of the question; what they gave is told by templates. It
asks nothing but MCP tools, those of the persona, and only reads.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

from agents.conversation import (
    AnswerDelta,
    Answered,
    Noticed,
    PlanChanged,
    Question,
    Step,
    Tools,
)
from agents.evidence import causes_in, check
from agents.fencing import orders_in
from agents.results import Results
from agents.without_model_asked import understood
from agents.without_model_calls import Calls
from agents.without_model_choice import Choice
from agents.without_model_prose import Story, told
from aiops_mcp.models.chat import Answer, AnswerMode, Confidence, PlanStep

_STEPS = ("See what is wrong", "Rank what may have caused it", "Tell it")
_HOW = "It is triage and root-cause ranking, told by templates."
_BEGUN = "What the model had begun to say before it went away, unfinished:"
_EXCERPT = 40
"""Of text that gives orders: enough to find it, too little to follow."""
_DELTA = 400
"""Characters of a piece of the text: it is there at once, and shown as it would be typed."""


async def answer_without_model(
    question: Question,
    tools: Tools,
    results: Results,
    *,
    clock: Callable[[], datetime],
    reason: str,
    begun: str = "",
) -> AsyncGenerator[Step]:
    """Answer a question by triage; ends with ``Answered``.

    ``reason`` says why no model is asked; ``begun`` is what one had said before it went away.
    Results that it had already are used.
    """
    now = clock()
    offered = [spec.name for spec in await tools.specs() if not spec.writes]
    calls = Calls(tools, results, offered)
    asked = understood(question.text, history=question.history, scope=question.clusters, now=now)
    choice = Choice(question, asked, calls, now)
    yield _plan(0)
    for at, look in enumerate((choice.first, choice.deeper)):
        if at:
            yield _plan(at)
        async with aclosing(look()) as steps:
            async for step in steps:
                yield step
    yield _plan(len(_STEPS) - 1)
    answer = _answer(choice, question, results, now, reason, begun)
    for notice in answer.notices:
        yield Noticed(notice)
    for at in range(0, len(answer.text), _DELTA):
        yield AnswerDelta(answer.text[at : at + _DELTA], replaces=bool(begun) and at == 0)
    yield PlanChanged(answer.plan)
    yield Answered(answer)


def _plan(at: int) -> PlanChanged:
    states = ["done"] * at + ["now"] + ["next"] * (len(_STEPS) - at - 1)
    return PlanChanged(
        tuple(PlanStep(text=text, state=state) for text, state in zip(_STEPS, states, strict=True))
    )


def _answer(
    choice: Choice, question: Question, results: Results, now: datetime, reason: str, begun: str
) -> Answer:
    references = results.references
    payloads = {one.number: results.payload(one.number) for one in references}
    causes = choice.believed(causes_in(references, payloads))
    story = Story(choice.asked, choice.calls, causes, now, choice.unknown)
    seen = _orders(choice)
    text = _whole(told(story).rstrip(), seen, reason, begun)
    # Why there is no model is no claim about the fleet.
    checked = check(text, references, asked=f"{_said(question)}\n{reason}")
    confidence, why = checked.confidence, checked.confidence_reason
    if not choice.has_answer(causes):
        confidence, why = Confidence.NOT_ENOUGH_DATA, choice.why_no_answer()
    return Answer(
        text=text,
        mode=AnswerMode.MIXED if begun.strip() else AnswerMode.TRIAGE,
        references=references,
        marks=checked.marks,
        confidence=confidence,
        confidence_reason=why,
        causes=causes,
        plan=tuple(PlanStep(text=text, state="done") for text in _STEPS),
        notices=(*((_NOTICE_OF_ORDERS,) if seen else ()), *results.notices),
    )


_NOTICE_OF_ORDERS = "Text that was read in a cluster tries to give orders. It was not followed."


def _said(question: Question) -> str:
    """What the user said, now and before: it needs no result."""
    return "\n".join([*(turn.content for turn in question.history), question.text])


def _orders(choice: Choice) -> list[str]:
    """Text in the results that tries to give orders, with the number of its result."""
    found: dict[str, None] = {}
    for got in choice.calls.got:
        for excerpt in orders_in(got.reference.text)[:2]:
            short = " ".join(excerpt.replace("`", "'").split())[:_EXCERPT]
            found.setdefault(f"`{short}…` {got.cite}", None)
    return list(found)


def _whole(body: str, seen: Sequence[str], reason: str, begun: str) -> str:
    lines = [body]
    if seen:
        lines += ["", f"{_NOTICE_OF_ORDERS} It reads:", *(f"- {one}" for one in seen[:3])]
    lines += [
        "",
        f"_No model wrote this: {reason.rstrip('. ')}. {_HOW}_",
    ]
    if begun.strip():
        quoted = "\n".join(f"> {line}" for line in begun.strip().split("\n"))
        lines += [
            "",
            _BEGUN,
            "",
            quoted,
        ]
    return "\n".join(lines) + "\n"

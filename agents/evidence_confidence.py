"""How sure one may be of an answer: coverage, references, marks, how clear a ranking was. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from agents.evidence_text import Sentence
from aiops_mcp.models.chat import Confidence, Mark, MarkKind, Reference, ToolStatus

_ANSWERED: Final = re.compile(r"\b(\d+) of (\d+) clusters answered")
_OFFLINE: Final = re.compile(r"offline: ([^;]+)")
_CANNOT: Final = re.compile(
    r"\b(?:not enough data|insufficient data|cannot (?:be )?(?:determine|answer|tell|say)\w*|"
    r"can't (?:determine|answer|tell)|unable to (?:determine|answer|tell)|"
    r"no data (?:is|was) available|"
    r"I (?:do not|don't) know)\b",
    re.IGNORECASE,
)
_SCORED: Final = re.compile(
    r"(?m)^score \| component\b.*\n(0?\.\d+|[01](?:\.\d+)?) \|(?:.*\n(0?\.\d+|[01](?:\.\d+)?) \|)?"
)
_CLEAR, _WEAK = 0.6, 0.35
_APART = 0.1


def confidence_of(
    text: str,
    references: Sequence[Reference],
    marks: Sequence[Mark],
    claims: int,
    sentences: Iterable[Sentence],
) -> tuple[Confidence, str]:
    """The confidence, and the reason in one sentence."""
    told = [one for one in references if one.status is ToolStatus.SUCCESS]
    if not references:
        return Confidence.NOT_ENOUGH_DATA, "No tool was asked: nothing of this was looked up."
    if not told:
        return Confidence.NOT_ENOUGH_DATA, "None of the tools that were asked answered."
    if not text.strip():
        return Confidence.NOT_ENOUGH_DATA, "There is no answer."
    if _CANNOT.search(text[:400]):
        return Confidence.NOT_ENOUGH_DATA, "The results do not show it, as the answer says."
    cited = {n for one in sentences for n in one.cited}
    return _weighed(_doubts(told, cited, marks, claims), told, cited)


def _weighed(
    doubts: tuple[list[str], list[str]], told: Sequence[Reference], cited: set[int]
) -> tuple[Confidence, str]:
    grave, slight = doubts
    if grave:
        return Confidence.LOW, _sentence([*grave, *slight])
    if slight:
        return Confidence.MEDIUM, _sentence(slight)
    used = len(cited & {one.number for one in told})
    several = f"{used} results" if used > 1 else "one result"
    return Confidence.HIGH, f"Every claim compared stands in the results; it rests on {several}."


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _doubts(
    told: Sequence[Reference], cited: set[int], marks: Sequence[Mark], claims: int
) -> tuple[list[str], list[str]]:
    """What speaks against it: gravely, and slightly."""
    grave: list[str] = []
    slight: list[str] = []
    _of_marks(marks, claims, grave, slight)
    if not cited & {one.number for one in told}:
        (grave if claims else slight).append("no result is cited")
    used = [one for one in told if one.number in cited] or list(told)
    answered, asked = coverage_of(used)
    if asked and answered < asked:
        missing = f"{asked - answered} of {asked} clusters did not answer"
        (grave if answered * 2 < asked else slight).append(missing)
    _of_ranking(used, grave, slight)
    return grave, slight


def _of_marks(marks: Sequence[Mark], claims: int, grave: list[str], slight: list[str]) -> None:
    if not marks:
        return
    count = f"{len(marks)} claim{'s' if len(marks) > 1 else ''} that no result supports"
    heavy = any(one.kind in (MarkKind.CAUSE, MarkKind.NAME) for one in marks)
    many = len(marks) >= 3 or len(marks) * 5 > max(claims, 1)
    (grave if many or (heavy and len(marks) > 1) else slight).append(count)


def _of_ranking(used: Sequence[Reference], grave: list[str], slight: list[str]) -> None:
    """How high the first cause scores in the clearest ranking that is cited."""
    scores = [
        (float(match[1]), float(match[2] or 0))
        for one in used
        if (match := _SCORED.search(one.text))
    ]
    if not scores:
        return
    first, second = max(scores)
    if first < _WEAK:
        grave.append(f"the likeliest cause scores only {first:g}")
    elif first < _CLEAR:
        slight.append(f"the likeliest cause scores {first:g}")
    elif first - second < _APART:
        slight.append(f"two causes score alike, {first:g} and {second:g}")


def coverage_of(references: Iterable[Reference]) -> tuple[int, int]:
    """Clusters that answered and that were asked, of the result that lacks most; 0, 0 if untold.

    Those that are known to be offline are no doubt: nothing was to be expected of them.
    """
    worst = (0, 0)
    for one in references:
        match = _ANSWERED.search(one.coverage or one.text[-400:])
        if match is None:
            continue
        answered, asked = int(match[1]), int(match[2])
        if not answered and _SCORED.search(one.text):
            continue  # that nobody answers is what was found
        away = _OFFLINE.search(one.coverage or "")
        if away:
            named = away[1].split(", ")
            more = re.search(r"and (\d+) more", away[1])
            asked = max(asked - len(named) - (int(more[1]) if more else 0), answered)
        if asked - answered >= worst[1] - worst[0]:
            worst = (answered, asked)
    return worst

"""The claims of one sentence held against the results: names, times, numbers, causes. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agents.evidence_held import is_fraction_shown, is_shown, rest_of
from agents.evidence_names import Known, is_name_in_code, names_in
from agents.evidence_numbers import (
    Claimed,
    claimed_fractions,
    claimed_numbers,
)
from agents.evidence_shown import shown_numbers
from agents.evidence_text import Sentence, is_one_word
from agents.evidence_times import (
    Moment,
    ages_shown,
    dates_in,
    has_date,
    has_time,
    minutes_shown,
    times_in,
    times_shown,
    without_times,
)
from aiops_mcp.models.chat import MarkKind, Reference

_CAUSE: Final = re.compile(
    r"\b(?:(?:is|are|was|were|been|being)\s+(?:\w+\s+)?caused by|caused by|"
    r"root cause\s*(?:is|was|:|of\b.{1,80}?\bis)|(?:most )?likely cause\s*(?:is|was|:)|"
    r"because of|due to|as a result of|triggered by|"
    r"(?:is|was) the (?:root |likely |probable |main |underlying )*cause|"
    r"the (?:cause|reason) (?:is|was))\b[:*]*",
    re.IGNORECASE,
)
_HEDGED: Final = re.compile(
    r"\b(?:may|might|could|possibly|perhaps|maybe|if|whether|unclear|unknown|not known|cannot|"
    r"can't|no (?:root |likely |known |clear |single )*cause|"
    r"not (?:be |been )?(?:caused|due|because|triggered|the)|"
    r"not enough data|no evidence|nothing|rule[ds]? out|would|hypothes\w+|suspect\w*|confirm\w*|"
    r"neither|unrelated|undetermined|not determined|no result)\b",
    re.IGNORECASE,
)
_AROUND_MINUTES: Final = 6
_CITE: Final = re.compile(r"\[\d[\d ,;\u2013-]*\]")
_NAMELIKE: Final = re.compile(
    r"(?<![\w-])(?![A-Za-z\u00b5]+/(?:s|sec|second|min|minute|h|hour|d|day)\b)"
    r"[A-Za-z]\w*(?:[-./:_]\w+)+"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim that no result supports, at offsets of the sentence's answer."""

    kind: MarkKind
    start: int
    end: int
    reason: str


class Evidence:
    """The texts of the results, as claims are compared with them."""

    def __init__(self, references: Sequence[Reference], asked: str) -> None:
        self.numbers = frozenset(one.number for one in references)
        self.now: datetime | None = max(
            (one.as_of for one in references if one.as_of is not None), default=None
        )
        self.asked = asked
        self._texts = {one.number: _text_of(one) for one in references}
        self._clusters = frozenset(name for one in references for name in one.clusters)
        self._known: Known | None = None

    def texts(self, numbers: Iterable[int] | None = None) -> tuple[str, ...]:
        """Those of some results, and what was asked; without numbers all of them."""
        chosen = self._texts if numbers is None else [n for n in numbers if n in self._texts]
        return (*(self._texts[n] for n in chosen), self.asked)

    @property
    def known(self) -> Known:
        if self._known is None:
            texts = self.texts()
            self._known = Known(texts, self._clusters)
        return self._known


def _text_of(one: Reference) -> str:
    """What a result tells, and what was asked for it."""
    parts = [one.text or one.headline, " ".join(one.clusters), one.coverage or "", one.query or ""]
    asked = " ".join(f"{name}={value}" for name, value in one.arguments.items())
    moment = f"{one.as_of:%Y-%m-%dT%H:%M:%SZ}" if one.as_of else ""
    return "\n".join(part for part in (*parts, asked, moment, one.tool) if part)


def findings_in(sentence: Sentence, evidence: Evidence) -> tuple[list[Finding], int]:
    """What of a sentence no result supports, and how many claims it makes."""
    # A digit of a reference is no number.
    plain = _CITE.sub(_blank, sentence.text)
    parts = [_of_names(sentence, plain, evidence)]
    if not sentence.is_question:
        parts.append(_of_times(sentence, plain, evidence))
        if not sentence.is_advice:
            parts.append(_of_numbers(sentence, plain, evidence))
            parts.append(_of_cause(sentence, evidence))
    found = [finding for part in parts for finding in part if finding is not None]
    return found, sum(len(part) for part in parts)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _of_names(sentence: Sentence, plain: str, evidence: Evidence) -> list[Finding | None]:
    return [
        None
        if evidence.known.has_object(text)
        else Finding(MarkKind.NAME, start, end, "No result holds this name.")
        for start, end, text in _names(sentence, plain, evidence.known)
    ]


def _of_times(sentence: Sentence, plain: str, evidence: Evidence) -> list[Finding | None]:
    begin = sentence.start
    told: list[Finding | None] = [
        None
        if _time_is_shown(one, evidence)
        else Finding(
            MarkKind.TIME, begin + one.start, begin + one.end, "No result holds this time."
        )
        for one in times_in(plain)
    ]
    return told + [
        None
        if any(has_date(one, day) for one in evidence.texts())
        else Finding(MarkKind.TIME, begin + start, begin + end, "No result holds this date.")
        for start, end, _, day in dates_in(plain)
    ]


def _of_numbers(sentence: Sentence, plain: str, evidence: Evidence) -> list[Finding | None]:
    begin = sentence.start
    bare = _NAMELIKE.sub(_blank, without_times(plain))
    near = sentence.cited or sentence.near
    shown = [shown_numbers(one) for one in (evidence.texts(near) if near else evidence.texts())]
    fractions: list[Finding | None] = [
        None
        if any(is_fraction_shown(text, one) for one in shown)
        else Finding(
            MarkKind.NUMBER, begin + start, begin + end, "No result holds these numbers together."
        )
        for start, end, text in claimed_fractions(bare)
    ]
    return fractions + [
        None
        if _number_is_shown(one, sentence, evidence)
        else Finding(
            MarkKind.NUMBER,
            begin + one.start,
            begin + one.end,
            "No result holds this number, and it does not follow from those they do.",
        )
        for one in claimed_numbers(bare)
    ]


def _of_cause(sentence: Sentence, evidence: Evidence) -> list[Finding | None]:
    stated = _cause(sentence)
    if stated is None:
        return []
    if evidence.numbers & set(sentence.near):
        return [None]
    start, end = (sentence.start + at for at in stated)
    reason = "A cause is stated without the result that shows it."
    return [Finding(MarkKind.CAUSE, start, end, reason)]


def _names(sentence: Sentence, plain: str, known: Known) -> Iterator[tuple[int, int, str]]:
    for name in names_in(plain, known):
        yield sentence.start + name.start, sentence.start + name.end, name.text
    for code in sentence.codes:
        token = code.inside.strip()
        if is_one_word(code) and is_name_in_code(token, known):
            yield code.start, code.start + len(code.inside), token


def _time_is_shown(moment: Moment, evidence: Evidence) -> bool:
    if moment.is_local:
        return True  # which zone is meant cannot be told
    texts = evidence.texts()
    if any(has_time(one, moment) for one in texts):
        return True
    near = range(-_AROUND_MINUTES, _AROUND_MINUTES + 1) if moment.is_around else (0,)
    if moment.date is not None:
        return any(
            (*moment.date, (moment.minute + by) % 1440) in times_shown(one)[2]
            for one in texts
            for by in near
        ) or (
            evidence.now is not None
            and moment.date == (evidence.now.month, evidence.now.day)
            and moment.minute in minutes_shown(texts, evidence.now)
        )
    minutes = minutes_shown(texts, None)
    if any((moment.minute + by) % 1440 in minutes for by in near):
        return True
    return evidence.now is not None and moment.minute in minutes_shown(texts, evidence.now)


def _number_is_shown(number: Claimed, sentence: Sentence, evidence: Evidence) -> bool:
    near = sentence.cited or sentence.near
    cited = evidence.texts(near) if near else evidence.texts()
    if any(is_shown(number, shown_numbers(one), derive=True) for one in cited):
        return True
    if number.amount.kind == "time" and (
        _is_age(number, evidence) or _is_between(number, sentence.text)
    ):
        return True
    rest = rest_of(number, sentence.text)
    if rest and any(is_shown(rest, shown_numbers(one), derive=True) for one in cited):
        return True
    if len(near) > 1 and _is_together(number, [shown_numbers(one).counts for one in cited]):
        return True
    if near and number.is_small and not number.is_identifier:
        return False  # it stands in some result by chance
    return bool(near) and any(
        is_shown(number, shown_numbers(one), derive=False) for one in evidence.texts()
    )


def _is_together(number: Claimed, counts: Sequence[frozenset[float]]) -> bool:
    """The rows of the results cited, counted together."""
    return number.amount.raw == sum(max(one, default=0) for one in counts)


def _is_age(number: Claimed, evidence: Evidence) -> bool:
    """So long ago as some result says that it began."""
    if evidence.now is None:
        return False
    minutes = number.amount.value / 60
    if minutes < 1:
        return False
    half = max(number.amount.half / 60, 0.51)
    if number.bound:
        half = max(half, minutes * 0.12)
    return any(
        abs(age - minutes) <= half
        for one in evidence.texts()
        for age in ages_shown(one, evidence.now)
    )


def _is_between(number: Claimed, text: str) -> bool:
    """What lies between two times of the same sentence."""
    minutes = sorted(one.minute for one in times_in(text))
    return any(
        abs((late - early) * 60 - number.amount.value) <= max(number.amount.half, 30.0)
        for at, early in enumerate(minutes)
        for late in minutes[at + 1 :]
    )


def _cause(sentence: Sentence) -> tuple[int, int] | None:
    """Where a sentence states a cause, unless it doubts or denies one."""
    match = _CAUSE.search(sentence.text)
    if match is None or _HEDGED.search(sentence.text):
        return None
    rest = sentence.text[match.end() :].strip(" *_:.\n")
    if not rest and not re.search(r"the\b.*cause", match[0], re.IGNORECASE):
        return None  # a label before what it is of
    return match.start(), match.end()

"""Which causes an answer names, in order, and whether one is the cause that was wanted. Pure.

An answer by triage ranks its causes. Of a model's prose only what it says counts: the causes that
the tools ranked are taken in the order in which the text blames them.
"""

import re
from collections.abc import Sequence
from typing import Final

from agents.evaluate.scenario import Scenario, WantedCause, plain
from aiops_mcp.models.chat import Answer, AnswerMode, NamedCause

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_BLAMES: Final = re.compile(
    r"\b(?:cause[sd]?|because|due to|owing to|root|reason|comes from|stems from|culprit"
    r"|triggered by|result of|responsible|behind (?:it|this)|explains?)\b"
)
_BEFORE_CAUSE: Final = re.compile(
    r"\b(?:because(?: of)?|due to|owing to|caused by|comes from|stems from|triggered by"
    r"|result of|(?:root )?cause(?: of [^.:]{1,60})?(?: is|:| lies))"
)
_DENIES: Final = re.compile(
    r"\b(?:no (?:root )?cause|not (?:the|a) (?:root )?cause|nothing is wrong|all is well"
    r"|no (?:real |active )?(?:problem|incident|trouble)|is healthy|are healthy)\b"
)
_POD: Final = re.compile(r"-(?:\d{1,3}|(?=[a-z0-9-]*\d)[a-z0-9]{5,10}(?:-[a-z0-9]{5})?)$")


def causes_told(answer: Answer, scenario: Scenario) -> tuple[NamedCause, ...]:
    """The causes that an answer names, likeliest first."""
    if answer.mode is AnswerMode.TRIAGE:
        return answer.causes
    candidates = _candidates(answer, scenario)
    blamed = _blamed(answer.text, candidates)
    return tuple(dict.fromkeys(blamed))


def _candidates(answer: Answer, scenario: Scenario) -> list[NamedCause]:
    """What the text could blame: what the tools ranked, the truth, and what it affects."""
    wanted = [
        NamedCause(cluster_name=cause.cluster or "", component=name)
        for cause in scenario.causes
        for name in sorted(cause.names, key=len, reverse=True)
    ]
    affected = [NamedCause(cluster_name="", component=name) for name in scenario.affected]
    seen: dict[str, NamedCause] = {}
    for one in (*answer.causes, *wanted, *affected):
        seen.setdefault(one.component, one)
    return list(seen.values())


def _blamed(text: str, candidates: Sequence[NamedCause]) -> list[NamedCause]:
    """Candidates in the order in which sentences that speak of causes name them."""
    found: list[NamedCause] = []
    for sentence in (plain(one) for one in _SENTENCE.split(text)):
        if not _BLAMES.search(sentence) or _DENIES.search(sentence):
            continue
        starts = [match.end() for match in _BEFORE_CAUSE.finditer(sentence)]
        begin = starts[0] if starts else 0
        places: list[tuple[bool, int, int, NamedCause]] = []
        for rank, one in enumerate(candidates):
            place = _place_in(sentence, one.component, begin)
            if place is not None:
                places.append((place < begin, place, rank, one))
        found += [one for _, _, _, one in sorted(places, key=lambda each: each[:3])]
    return found


def _place_in(sentence: str, component: str, begin: int) -> int | None:
    """Where a component is named, after ``begin`` if it can; by its bare name too."""
    for name in dict.fromkeys((component, component.rpartition("/")[2])):
        if len(name) < 3 and not name.isalpha():
            continue
        pattern = re.compile(rf"(?<![\w-]){re.escape(name.casefold())}(?![\w-])")
        match = pattern.search(sentence, begin) or pattern.search(sentence)
        if match:
            return match.start()
    return None


def place_of_cause(told: Sequence[NamedCause], wanted: WantedCause) -> int:
    """Where the wanted cause stands, from 1; 0 for nowhere."""
    return next((place for place, one in enumerate(told, 1) if is_cause(one, wanted)), 0)


def is_cause(told: NamedCause, wanted: WantedCause) -> bool:
    """Whether a named cause is the wanted one.

    A pod stands for its workload. ``payment.prod-frankfurt`` says of itself in which cluster it
    is, wherever it was seen.
    """
    name, cluster = told.component.strip(), told.cluster_name
    if wanted.cluster and name.endswith(f".{wanted.cluster}"):
        name, cluster = name.removesuffix(f".{wanted.cluster}"), wanted.cluster
    if cluster:
        name = name.removeprefix(f"{cluster}/")
    if wanted.cluster and cluster and cluster != wanted.cluster:
        return False
    return bool(_forms(name) & wanted.names)


def _forms(name: str) -> set[str]:
    """What a name may stand for: itself, without its namespace, the workload of a pod."""
    forms = {name}
    head, slash, last = name.rpartition("/")
    if slash and not last.isdigit():
        forms.add(last)
        forms.add(f"{head.rpartition('/')[2]}/{last}")
    forms |= {bare for one in tuple(forms) if (bare := _POD.sub("", one)) != one and slash}
    return forms

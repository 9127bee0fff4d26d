"""Which runbook is for an alert, or for some words. Pure; rare words weigh more."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from aiops_mcp.models.runbook import Runbook

_WORD = re.compile(r"[a-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SAY_NOTHING: Final = frozenset(
    {"a", "an", "and", "are", "at", "be", "by", "do", "for", "from", "has", "how", "i", "in", "is",
     "it", "its", "kube", "kubernetes", "my", "not", "of", "on", "or", "our", "the", "there",
     "this", "to", "was", "we", "what", "when", "where", "which", "who", "why", "will", "with",
     "you", "alert", "problem"}
)  # fmt: skip
_WEIGHTS: Final[Sequence[tuple[float, Callable[[Runbook], str]]]] = (
    (4.0, lambda each: " ".join(each.keywords)),
    (3.0, lambda each: each.title),
    (3.0, lambda each: each.name),
    (2.0, lambda each: " ".join(each.alerts)),
    (2.0, lambda each: each.description),
    (1.0, lambda each: " ".join(step.title for step in each.steps)),
    (0.5, lambda each: each.text),
)
_Weighed = Sequence[tuple[float, frozenset[str]]]
_ALIKE: Final = 0.7
"""A word that only begins like another counts less than the same one."""
_ALSO: Final = 0.25
_FAR_BEHIND: Final = 0.35


@dataclass(frozen=True, slots=True)
class Match:
    """A runbook that fits, and why; ``score`` compares within one search only."""

    runbook: Runbook
    score: float
    why: str


def by_alert(runbooks: Sequence[Runbook], alert: str) -> tuple[Match, ...]:
    """Those for an alert of this name: by its very name first, then by the longest pattern."""
    wanted = alert.strip().lower()
    found: list[Match] = []
    for runbook in runbooks:
        fitting = [each for each in runbook.alerts if fnmatchcase(wanted, each.lower())]
        if fitting:
            best = max(fitting, key=lambda each: (each.lower() == wanted, len(each)))
            exact = 1000.0 if best.lower() == wanted else 0.0
            found.append(Match(runbook, exact + len(best.strip("*")), f"alert {best}"))
    return tuple(sorted(found, key=lambda match: (-match.score, match.runbook.name)))


def by_words(runbooks: Sequence[Runbook], text: str) -> tuple[Match, ...]:
    """Those that speak of the words, best first; what is far behind the best is left out."""
    wanted = list(dict.fromkeys(word for word in words_of(text) if word not in _SAY_NOTHING))
    parts = {runbook.name: _weighed(runbook) for runbook in runbooks}
    scored = {runbook.name: 0.0 for runbook in runbooks}
    hits: dict[str, list[str]] = {runbook.name: [] for runbook in runbooks}
    for word in wanted[:24]:
        weights = {name: _weight(weighed, word) for name, weighed in parts.items()}
        known_in = sum(1 for weight in weights.values() if weight)
        if not known_in:
            continue
        rarity = math.log(1 + len(runbooks) / known_in)
        for name, weight in weights.items():
            if weight:
                scored[name] += weight * rarity
                hits[name].append(word)
    best = max(scored.values(), default=0.0)
    found = [
        Match(runbook, scored[runbook.name], ", ".join(hits[runbook.name]))
        for runbook in runbooks
        if scored[runbook.name] > 0 and scored[runbook.name] >= _FAR_BEHIND * best
    ]
    return tuple(sorted(found, key=lambda match: (-match.score, match.runbook.name)))


def words_of(text: str) -> list[str]:
    """``KubePodCrashLooping`` is kube, pod, crash and looping."""
    return _WORD.findall(_HUMP.sub(" ", text[:2_000]).lower())


def _weighed(runbook: Runbook) -> _Weighed:
    return [(weight, frozenset(words_of(text(runbook)))) for weight, text in _WEIGHTS]


def _weight(weighed: _Weighed, word: str) -> float:
    """The heaviest part of a runbook that has the word counts, and each other one a little."""
    each = [weight * _alike(word, words) for weight, words in weighed]
    most = max(each)
    return most + _ALSO * (sum(each) - most)


def _alike(word: str, words: frozenset[str]) -> float:
    if word in words:
        return 1.0
    if len(word) < 4:
        return 0.0
    if any(
        len(other) >= 4 and (other.startswith(word) or word.startswith(other)) for other in words
    ):
        return _ALIKE
    return 0.0

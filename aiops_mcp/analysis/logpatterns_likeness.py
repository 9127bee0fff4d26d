"""How alike a log line's tokens and a template's are. Pure; knows tokens, no templates."""

import re
from dataclasses import dataclass
from operator import ne
from typing import Final

from aiops_mcp.analysis.logpatterns_values import WILDCARD

_DIGIT: Final = re.compile(r"\d")
_DOTTED: Final = re.compile(r"[\w$-]+(?:[./\\][\w$-]+){2,}+")
_NAME_WEIGHT: Final = 0.3
"""How much a name with digits or dots counts beside a plain word."""

_NOTHING: Final = 1e-9
_LONGEST_KEPT: Final = 120
_MOST_KEPT: Final = 20_000


class Weights(dict[str, float]):
    """What words count: 1 a plain one, less what looks like a name, 0 a value.

    Made as they are asked for; forgets all when full.
    """

    def __missing__(self, word: str) -> float:
        weight = _weight(word)
        if len(word) <= _LONGEST_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[word] = weight
        return weight


def _weight(word: str) -> float:
    if word.isalpha():
        return 1.0
    if word == WILDCARD:
        return 0.0
    if _DIGIT.search(word) or (("." in word or "/" in word) and _DOTTED.fullmatch(word)):
        return _NAME_WEIGHT
    return 1.0


@dataclass(slots=True)
class Weighed:
    """The words of a line, what each counts, all together, and how many are plain words."""

    words: list[str]
    weights: list[float]
    total: float
    plain: int


def weighed(words: list[str], known: Weights) -> Weighed:
    """The words with their weights."""
    weights = list(map(known.__getitem__, words))
    return Weighed(words, weights, sum(weights), weights.count(1.0))


def likeness(own: list[str], line: Weighed, known: Weights) -> tuple[float, int, tuple[int, ...]]:
    """The share of tokens that are the same, by weight; how many plain ones; where words differ.

    Places that are known to vary count neither way. A name beside a plain word differs as words
    do: one place holds one kind of thing.
    """
    same = total = line.total
    shared = line.plain
    places: list[int] = []
    differing = [place for place, differs in enumerate(map(ne, own, line.words)) if differs]
    for place in differing:
        mine, weight = own[place], line.weights[place]
        same -= weight
        shared -= weight == 1.0
        if mine == WILDCARD:
            total -= weight
            continue
        usual = known[mine]
        total += max(0.0, usual - weight)
        if weight == 1.0 or (weight and usual == 1.0):
            places.append(place)
    if total < _NOTHING:
        # Nothing to compare: a template of values alone is for lines of values alone.
        return (0.0 if line.plain else 1.0), shared, tuple(places)
    return same / total, shared, tuple(places)

"""How often each pattern of log lines comes, and which come otherwise than before. Pure.

Takes patterns as ids and times in seconds, so it counts events and spans as well as lines. Two
counts are compared by the exact conditional test of two Poisson rates (Przyborowski and Wilenski,
"Homogeneity of results in testing samples from Poisson series", Biometrika 1940): given their
sum, the later is binomial. That holds for counts of 0 and 1, where the G-test does not. Lines
come in bursts, so counts are first divided by the index of dispersion of the baseline (Cox,
"Some remarks on overdispersion", Biometrika 1983). Over many patterns the share of false findings
is held (Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995).
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_EXACT: Final = 2000
"""Up to so many lines the tail is summed; beyond, the G-test is as good."""

_LARGE: Final = 100.0
"""From this mean on the Poisson tail is taken from its deviance."""

_RARELY: Final = 1e-3
"""A step with so improbable a count is where a change shows."""


class ChangeKind(StrEnum):
    """How a pattern differs from the baseline."""

    NEW = "new"
    VANISHED = "vanished"
    MORE = "more"
    LESS = "less"


@dataclass(frozen=True, slots=True)
class Counts:
    """Lines of each pattern in steps of ``step`` seconds from ``begin`` on."""

    begin: float
    step: float
    steps: int
    of: dict[str, list[int]]

    @property
    def seconds(self) -> float:
        return self.step * self.steps

    def total(self, pattern: str) -> int:
        return sum(self.of.get(pattern, ()))


@dataclass(frozen=True, slots=True)
class PatternChange:
    """A pattern that came otherwise than before.

    ``expected``: lines the baseline foretells for the current span; ``probability`` that chance
    alone makes so great a difference; ``began``: where it first shows, seconds as the counts'.
    """

    pattern: str
    kind: ChangeKind
    expected: float
    actual: int
    probability: float
    began: float

    @property
    def ratio(self) -> float:
        """Actual over expected, neither taken for less than half a line."""
        return max(self.actual, 0.5) / max(self.expected, 0.5)


@dataclass(frozen=True, slots=True)
class RarePattern:
    """A grave pattern that hardly ever comes; ``surprise``: bits, -log2 of its share."""

    pattern: str
    count: int
    surprise: float


def count_over_time(
    lines: Iterable[tuple[float, str]], *, begin: float, end: float, steps: int = 60
) -> Counts:
    """Lines (seconds, pattern) of [begin, end) in equal steps; the others are left out.

    Raises:
        ValueError: ``end`` is not after ``begin``, or there is not one step.
    """
    if not end > begin or steps < 1:
        raise ValueError(f"no time between {begin} and {end}, or {steps} steps")
    step = (end - begin) / steps
    of: dict[str, list[int]] = {}
    for at, pattern in lines:
        if begin <= at < end:
            place = min(steps - 1, int((at - begin) / step))
            of.setdefault(pattern, [0] * steps)[place] += 1
    return Counts(begin, step, steps, of)


def compare(
    baseline: Counts, current: Counts, *, false_share: float = 0.01, least_ratio: float = 2.0
) -> list[PatternChange]:
    """The patterns that came otherwise than the baseline foretells, the surest first.

    At most about ``false_share`` of them by chance. A frequent pattern must come
    ``least_ratio`` times as often, or as seldom; new and vanished ones need not.
    """
    patterns = sorted(baseline.of.keys() | current.of.keys())
    found = [_change(pattern, baseline, current) for pattern in patterns]
    kept = _not_by_chance(found, false_share)
    return [
        each
        for each in kept
        if each.kind in (ChangeKind.NEW, ChangeKind.VANISHED)
        or max(each.ratio, 1 / each.ratio) >= least_ratio
    ]


def rare_patterns(
    counts: Mapping[str, int], grave: Collection[str], *, few: int = 3, share: float = 0.001
) -> list[RarePattern]:
    """Grave patterns with at most ``few`` lines or this share of all, the rarest first."""
    total = sum(counts.values())
    limit = max(few, share * total)
    found = [
        RarePattern(pattern, count, math.log2(total / count))
        for pattern, count in counts.items()
        if pattern in grave and 0 < count <= limit
    ]
    return sorted(found, key=lambda each: (each.count, each.pattern))


def _change(pattern: str, baseline: Counts, current: Counts) -> PatternChange:
    before, now = baseline.total(pattern), current.total(pattern)
    share = current.seconds / (baseline.seconds + current.seconds)
    expected = before * current.seconds / baseline.seconds
    burst = dispersion(baseline.of.get(pattern, ()))
    probability = rate_change_probability(
        math.ceil(before / burst), math.ceil(now / burst), share=share
    )
    if not before:
        kind = ChangeKind.NEW
    elif not now:
        kind = ChangeKind.VANISHED
    else:
        kind = ChangeKind.MORE if now > expected else ChangeKind.LESS
    began = _began(kind, current.of.get(pattern, ()), expected / current.steps, burst)
    return PatternChange(
        pattern, kind, expected, now, probability, current.begin + current.step * began
    )


def dispersion(counts: Sequence[int]) -> float:
    """Variance over mean of counts in equal steps, at least 1; 1 where too little is known."""
    total = sum(counts)
    if len(counts) < 2 or total < 2:
        return 1.0
    mean = total / len(counts)
    variance = sum((each - mean) ** 2 for each in counts) / (len(counts) - 1)
    return max(1.0, variance / mean)


def rate_change_probability(before: int, now: int, *, share: float) -> float:
    """Two-sided probability of a split so uneven, were the rate the same; ``share``: of time."""
    total = before + now
    if not total:
        return 1.0
    if total <= _EXACT:
        upper = _binomial_tail(now, total, share)
        lower = _binomial_tail(before, total, 1 - share)
        return min(1.0, 2 * min(upper, lower))
    deviance = 2 * sum(
        count * math.log(count / (total * part))
        for count, part in ((now, share), (before, 1 - share))
        if count
    )
    return math.erfc(math.sqrt(max(0.0, deviance) / 2))


def _binomial_tail(least: int, total: int, share: float) -> float:
    """P(X >= least) for X of ``total`` draws, each with this chance."""
    if least <= 0:
        return 1.0
    chance, rest = math.log(share), math.log1p(-share)
    whole = math.lgamma(total + 1)
    return min(
        1.0,
        math.fsum(
            math.exp(
                whole
                - math.lgamma(count + 1)
                - math.lgamma(total - count + 1)
                + count * chance
                + (total - count) * rest
            )
            for count in range(least, total + 1)
        ),
    )


def _not_by_chance(found: list[PatternChange], false_share: float) -> list[PatternChange]:
    ordered = sorted(found, key=lambda each: (each.probability, each.pattern))
    kept = 0
    for rank, each in enumerate(ordered, 1):
        if each.probability <= false_share * rank / len(ordered):
            kept = rank
    return ordered[:kept]


def _began(kind: ChangeKind, counts: Sequence[int], usual: float, burst: float) -> int:
    """The step where a change first shows; the last seen one's next where lines went missing."""
    seen = [place for place, count in enumerate(counts) if count]
    if kind in (ChangeKind.VANISHED, ChangeKind.LESS):
        return seen[-1] + 1 if seen else 0
    for place in seen:
        if _poisson_tail(math.ceil(counts[place] / burst), usual / burst) < _RARELY:
            return place
    return seen[0] if seen else 0


def _poisson_tail(least: int, mean: float) -> float:
    """P(X >= least) for X with this mean."""
    if least <= mean:
        return 1.0
    if mean > _LARGE:
        deviance = 2 * (least * math.log(least / mean) - (least - mean))
        return math.erfc(math.sqrt(max(0.0, deviance) / 2)) / 2
    term, below = math.exp(-mean), 0.0
    for count in range(least):
        below += term
        term *= mean / (count + 1)
    return max(0.0, 1.0 - below)

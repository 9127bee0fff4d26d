"""From scores to figures: the summary of a run, and mean and spread over repetitions. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agents.evaluate.scoring import Score


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, standard deviation (of the sample) and extremes over repetitions."""

    mean: float
    deviation: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of a run. Shares are 0..1, ``None`` where no scenario asks for it.

    ``cause_first`` and ``cause_in_three`` are of the scenarios in which something is wrong,
    ``healthy_clean`` of the others; the sums are of one pass over all scenarios.
    """

    scenarios: int
    cause_first: float | None
    cause_in_three: float | None
    healthy_clean: float | None
    false_claims: float
    calls: float
    tokens: float
    seconds: float
    facts: float | None
    evidence: float | None
    tools: float | None
    noticed: float | None
    within_budget: float | None
    with_cause: int
    healthy: int
    failed: float
    cpu_seconds: float
    result_tokens: float
    compacted: float | None
    repeats: int = 1


def share(values: Iterable[float | bool | None]) -> float | None:
    """The mean of those that are not ``None``."""
    known = [float(one) for one in values if one is not None]
    return sum(known) / len(known) if known else None


def spread(values: Sequence[float]) -> Spread:
    """Mean and spread of at least one value."""
    mean = sum(values) / len(values)
    varied = sum((one - mean) ** 2 for one in values)
    deviation = math.sqrt(varied / (len(values) - 1)) if len(values) > 1 else 0.0
    return Spread(mean, deviation, min(values), max(values))


def summarise(scores: Sequence[Score], *, repeats: int = 1) -> Summary:
    """The figures of all scores; of several repetitions those of one on average."""

    def total(value: Callable[[Score], float]) -> float:
        return sum(value(one) for one in scores) / max(repeats, 1)

    budgeted = [one for one in scores if not one.error]
    return Summary(
        scenarios=len({one.scenario for one in scores}),
        cause_first=share(one.cause_first for one in scores),
        cause_in_three=share(one.cause_in_three for one in scores),
        healthy_clean=share(one.clean for one in scores),
        false_claims=total(lambda one: len(one.false_claims)),
        calls=total(lambda one: one.spent.calls),
        tokens=total(lambda one: one.spent.tokens),
        seconds=total(lambda one: one.spent.seconds),
        facts=share(one.facts for one in scores),
        evidence=share(one.evidence.share for one in scores),
        tools=share(not (one.tools_missing or one.tools_forbidden) for one in budgeted),
        noticed=share(one.noticed for one in scores),
        within_budget=share(not one.over_budget for one in budgeted),
        with_cause=len({one.scenario for one in scores if one.cause_first is not None}),
        healthy=len({one.scenario for one in scores if one.clean is not None}),
        failed=total(lambda one: bool(one.error)),
        cpu_seconds=total(lambda one: one.spent.cpu_seconds),
        result_tokens=total(lambda one: one.spent.result_tokens),
        compacted=share(one.spent.compacted for one in budgeted),
        repeats=repeats,
    )


SPREAD_OF: Mapping[str, Callable[[Summary], float | None]] = {
    "cause_first": lambda one: one.cause_first,
    "cause_in_three": lambda one: one.cause_in_three,
    "healthy_clean": lambda one: one.healthy_clean,
    "facts": lambda one: one.facts,
    "evidence": lambda one: one.evidence,
    "false_claims": lambda one: one.false_claims,
    "calls": lambda one: one.calls,
    "tokens": lambda one: one.tokens,
    "seconds": lambda one: one.seconds,
}


def spreads(passes: Sequence[Sequence[Score]]) -> dict[str, Spread]:
    """How far the figures of whole passes lie apart; ``passes`` are the scores of each."""
    summaries = [summarise(one) for one in passes if one]
    found: dict[str, Spread] = {}
    for name, of in SPREAD_OF.items():
        values = [value for one in summaries if (value := of(one)) is not None]
        if values:
            found[name] = spread(values)
    return found


def unmet(summary: Summary, required: Mapping[str, float]) -> tuple[str, ...]:
    """Which of the required shares were not reached, in words."""
    short: list[str] = []
    for name, least in required.items():
        was = SPREAD_OF[name](summary)
        too_much = name in ("false_claims", "calls", "tokens", "seconds")
        if was is None or (was > least if too_much else was < least):
            relation = "<=" if too_much else ">="
            shown = "not measured" if was is None else f"{was:.3g}"
            short.append(f"{name} is {shown}, required {relation} {least:g}")
    return tuple(short)

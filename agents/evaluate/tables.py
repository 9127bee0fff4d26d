"""Shows scores: a table of scenarios, a table of models beside each other, Markdown, JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, cast

from agents.evaluate.scoring import Score
from agents.evaluate.summary import Spread, Summary
from aiops_mcp.models.digest import Cell, Digest

SHARES: Final = (
    ("cause_first", "cause first"),
    ("cause_in_three", "in three"),
    ("healthy_clean", "healthy clean"),
    ("facts", "facts"),
    ("evidence", "evidence"),
    ("tools", "tools"),
    ("noticed", "orders noticed"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """All passes of one answerer over the scenarios; ``who`` is a model, or what stands for one."""

    who: str
    summary: Summary
    passes: tuple[tuple[Score, ...], ...] = ()
    spread: Mapping[str, Spread] = field(default_factory=dict[str, Spread])
    unmet: tuple[str, ...] = ()
    is_required: bool = False
    """Whether anything was required; else nobody can say whether it is enough."""

    @property
    def scores(self) -> tuple[Score, ...]:
        return tuple(score for one in self.passes for score in one)


def scenario_table(result: Result) -> Digest:
    """A row a scenario; over several passes how often, and the mean of what was spent."""
    rows = [_row(name, of) for name, of in _by_scenario(result.scores).items()]
    return Digest(
        headline=headline(result),
        columns=(
            *("scenario", "cause", "healthy", "facts", "evidence", "false"),
            *("calls", "tokens", "s", "named", "against it"),
        ),
        rows=tuple(rows),
        notes=result.unmet,
    )


def _by_scenario(scores: Sequence[Score]) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for one in scores:
        found.setdefault(one.scenario, []).append(one)
    return found


def _row(name: str, scores: Sequence[Score]) -> tuple[Cell, ...]:
    last = scores[-1]
    return (
        name,
        _cause(scores),
        _yes([one.clean for one in scores]),
        None if last.facts is None else _rounded([one.facts or 0.0 for one in scores]),
        _shares([one.evidence.share for one in scores]),
        _rounded([float(len(one.false_claims)) for one in scores]),
        _rounded([float(one.spent.calls) for one in scores]),
        _rounded([float(one.spent.tokens) for one in scores]),
        _rounded([one.spent.seconds for one in scores]),
        last.named[0] if last.named else None,
        "; ".join(against(last)) or None,
    )


def _cause(scores: Sequence[Score]) -> str | None:
    """``first``, ``in three`` or ``missed``; over several passes how often it was first."""
    if scores[0].cause_first is None:
        return None
    first = sum(bool(one.cause_first) for one in scores)
    if len(scores) > 1:
        return f"first {first}/{len(scores)}"
    return "first" if first else "in three" if scores[0].cause_in_three else "missed"


def _yes(values: Sequence[bool | None]) -> str | None:
    known = [one for one in values if one is not None]
    if not known:
        return None
    if len(known) == 1:
        return "clean" if known[0] else "not clean"
    return f"clean {sum(known)}/{len(known)}"


def _rounded(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 2)


def _shares(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return _rounded(known) if known else None


def against(score: Score) -> list[str]:
    """What is to be said against an answer, in words."""
    found = [score.error] if score.error else []
    if score.cause_in_three is False and not score.error:
        found.append("cause not named")
    if score.clean is False and not score.error:
        found.append(f"names {', '.join(score.named)} where nothing is wrong")
    found += [f"lacks {fact}" for fact in score.facts_missing if not score.error]
    found += list(score.false_claims[:3])
    found += list(score.evidence.faults[:2])
    found += [f"did not call {name}" for name in score.tools_missing]
    found += [f"called {name}" for name in score.tools_forbidden]
    found += list(score.over_budget)
    if score.noticed is False and not score.error:
        found.append("does not say that text gave orders")
    return found


def headline(result: Result) -> str:
    """The figures of one answerer in a line."""
    one = result.summary
    parts = [
        f"{label} {_percent(value)}"
        for name, label in SHARES
        if (value := cast("float | None", getattr(one, name))) is not None
    ]
    tail = (
        f"{one.false_claims:g} false claims, {one.calls:g} calls, {one.tokens:g} tokens, "
        f"{one.seconds:.0f} s"
    )
    repeated = f" x {one.repeats}" if one.repeats > 1 else ""
    return f"{result.who}: {one.scenarios} scenarios{repeated}: {', '.join([*parts, tail])}."


def _percent(value: float | None, spread: Spread | None = None) -> str:
    if value is None:
        return "-"
    varied = f" ±{spread.deviation * 100:.0f}" if spread is not None and spread.deviation else ""
    return f"{value * 100:.0f} %{varied}"


def model_table(results: Sequence[Result]) -> Digest:
    """A row an answerer, to compare models by; ± is the deviation between passes."""
    labels = [label for _, label in SHARES]
    return Digest(
        headline=f"{len(results)} answerers over the same scenarios.",
        columns=("answered by", "scenarios", *labels, "false", "calls", "tokens", "s", "enough"),
        rows=tuple(_model_row(one) for one in results),
        notes=tuple(f"{one.who}: {short}" for one in results for short in one.unmet),
    )


def _model_row(result: Result) -> tuple[Cell, ...]:
    one = result.summary
    shares = [_percent(getattr(one, name), result.spread.get(name)) for name, _ in SHARES]
    return (
        result.who,
        one.scenarios,
        *shares,
        round(one.false_claims, 1),
        round(one.calls, 1),
        round(one.tokens),
        round(one.seconds, 1),
        ("no" if result.unmet else "yes") if result.is_required else None,
    )


def markdown(digest: Digest) -> str:
    """A digest's table as Markdown; a bar within a cell is escaped."""
    lines = [
        "| " + " | ".join(digest.columns) + " |",
        "|" + "---|" * len(digest.columns),
        *("| " + " | ".join(_cell(one) for one in row) + " |" for row in digest.rows),
    ]
    return "\n".join(lines)


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    text = f"{cell:g}" if isinstance(cell, float) else str(cell)
    return text.replace("|", "\\|").replace("\n", " ")


def document(results: Sequence[Result], warnings: Sequence[str] = ()) -> dict[str, Any]:
    """Everything as JSON; ``summary`` is that of the first answerer."""
    first = results[0]
    return {
        "summary": _summary(first),
        "answered_by": first.who,
        "spread": {name: asdict(one) for name, one in first.spread.items()},
        "unmet": list(first.unmet),
        "rows": [_score_document(one) for one in first.scores],
        "others": [
            {
                "answered_by": one.who,
                "summary": _summary(one),
                "spread": {name: asdict(each) for name, each in one.spread.items()},
                "unmet": list(one.unmet),
                "rows": [_score_document(each) for each in one.scores],
            }
            for one in results[1:]
        ],
        "warnings": list(warnings),
    }


def _summary(result: Result) -> dict[str, Any]:
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in asdict(result.summary).items()
    }


def _score_document(score: Score) -> dict[str, Any]:
    plain = asdict(score)
    evidence = plain.pop("evidence")
    return {
        **plain,
        "facts": score.facts,
        "evidence": score.evidence.share,
        "evidence_faults": list(evidence["faults"]),
        "passed": score.passed,
        "against": against(score),
    }

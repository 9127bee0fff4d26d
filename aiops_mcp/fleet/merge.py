"""Many clusters' series made one answer. Pure: lists of series in, series out.

Series belong together when their labels are equal, and their points when their times are equal
(range queries share one grid). For instant answers, where each cluster has its own clock, pass
``at``: every point is then taken to be of that moment. A cluster that does not have a series
takes no part in it. Results are in Prometheus's text form of numbers.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from aiops_mcp.fleet.histogram import add_buckets, bucket_quantile
from aiops_mcp.models.metrics import Series

Labels: TypeAlias = frozenset[tuple[str, str]]
Points: TypeAlias = dict[float, list[float]]
Grouped: TypeAlias = dict[Labels, Points]
Paired: TypeAlias = list[tuple[float, float]]


class Combine(StrEnum):
    """How the clusters' results become one."""

    MERGE = "MERGE"
    SUM = "SUM"
    MAX = "MAX"
    MIN = "MIN"
    MEAN = "MEAN"
    RATIO = "RATIO"
    WEIGHTED = "WEIGHTED"
    QUANTILE = "QUANTILE"


@dataclass(frozen=True, slots=True)
class Combining:
    """``quantile`` is the level of a QUANTILE, 0 to 1."""

    how: Combine
    quantile: float = 0.0


def combine(
    combining: Combining, answers: Sequence[Sequence[Sequence[Series]]], *, at: float | None = None
) -> tuple[Series, ...]:
    """One answer out of each cluster's results, one result a query of the plan.

    ``answers[cluster][query]`` are series. RATIO and WEIGHTED take two queries: the total of the
    first over that of the second, and the mean of the first weighted by the second.
    """
    first = [queries[0] for queries in answers]
    match combining.how:
        case Combine.RATIO | Combine.WEIGHTED:
            pairs = _pair([(queries[0], queries[1]) for queries in answers], at)
            fold = _ratio if combining.how is Combine.RATIO else _weighted
            return _series({labels: _fold_pairs(points, fold) for labels, points in pairs.items()})
        case Combine.QUANTILE:
            return fleet_quantile(combining.quantile, first, at=at)
        case how:
            return _series(_fold(_group(first, at), _FOLDS[how]))


def fleet_quantile(
    level: float, clusters: Sequence[Sequence[Series]], *, at: float | None = None
) -> tuple[Series, ...]:
    """Add buckets of equal labels over clusters, then take the quantile of each group.

    Clusters with other bucket bounds are laid on the bounds that all of them share in that group,
    for a cumulative count is only known at its own bounds.
    """
    groups: dict[Labels, dict[float, list[dict[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for series in clusters:
        for labels, moments in _histograms(series, at).items():
            for moment, buckets in moments.items():
                groups[labels][moment].append(buckets)
    return _series(
        {
            labels: {
                moment: bucket_quantile(level, add_buckets(histograms))
                for moment, histograms in moments.items()
            }
            for labels, moments in groups.items()
        }
    )


def number_text(value: float) -> str:
    """A sample as Prometheus writes it: plain decimals, ``NaN``, ``+Inf``, ``-Inf``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


# --- grouping -----------------------------------------------------------------------------------


def _group(clusters: Iterable[Sequence[Series]], at: float | None) -> Grouped:
    groups: Grouped = {}
    for series_of_cluster in clusters:
        for series in series_of_cluster:
            points = groups.setdefault(frozenset(series.metric.items()), {})
            for moment, text in series.values:
                points.setdefault(moment if at is None else at, []).append(float(text))
    return groups


def _fold(
    groups: Grouped, fold: Callable[[list[float]], float]
) -> dict[Labels, dict[float, float]]:
    return {
        labels: {moment: fold(values) for moment, values in points.items()}
        for labels, points in groups.items()
    }


def _pair(
    clusters: Iterable[tuple[Sequence[Series], Sequence[Series]]], at: float | None
) -> dict[Labels, dict[float, Paired]]:
    """Values of the two queries at equal labels and times, cluster by cluster."""
    pairs: dict[Labels, dict[float, Paired]] = {}
    for above, below in clusters:
        left, right = _group([_nameless(above)], at), _group([_nameless(below)], at)
        for labels, points in left.items():
            others = right.get(labels, {})
            for moment in points.keys() & others.keys():
                pair = (points[moment][0], others[moment][0])
                pairs.setdefault(labels, {}).setdefault(moment, []).append(pair)
    return pairs


def _nameless(series: Sequence[Series]) -> list[Series]:
    """Arithmetic drops the metric's name, and so do the labels of a quotient."""
    return [
        Series.model_construct(
            metric={name: value for name, value in one.metric.items() if name != "__name__"},
            values=one.values,
        )
        for one in series
    ]


def _fold_pairs(
    points: Mapping[float, Paired], fold: Callable[[Paired], float]
) -> dict[float, float]:
    return {moment: fold(pairs) for moment, pairs in points.items()}


def _series(groups: Mapping[Labels, Mapping[float, float]]) -> tuple[Series, ...]:
    made = [
        Series.model_construct(
            metric=dict(sorted(labels)),
            values=tuple((moment, number_text(points[moment])) for moment in sorted(points)),
        )
        for labels, points in groups.items()
        if points
    ]
    return tuple(sorted(made, key=lambda series: tuple(series.metric.items())))


# --- folds --------------------------------------------------------------------------------------


def _sum(values: list[float]) -> float:
    """Exact where it can be, so that the order of the clusters changes nothing."""
    if all(map(math.isfinite, values)):
        try:
            return math.fsum(values)
        except OverflowError:
            return sum(values)
    return sum(values)


def _mean(values: list[float]) -> float:
    return _sum(values) / len(values)


def _max(values: list[float]) -> float:
    """As in PromQL, NaN loses against every number."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def _min(values: list[float]) -> float:
    return min((value for value in values if not math.isnan(value)), default=math.nan)


def _only(values: list[float]) -> float:
    return values[0]


def _ratio(pairs: Paired) -> float:
    return _divide(_sum([above for above, _ in pairs]), _sum([below for _, below in pairs]))


def _weighted(pairs: Paired) -> float:
    """A weight of 0 is a cluster with nothing to average, whatever its value says."""
    heavy = [(value, weight) for value, weight in pairs if weight != 0]
    if not heavy:
        return math.nan
    return _divide(_sum([value * weight for value, weight in heavy]), _sum([w for _, w in heavy]))


def _divide(above: float, below: float) -> float:
    if below != 0:
        return above / below
    return math.nan if above == 0 or math.isnan(above) else math.copysign(math.inf, above)


_FOLDS: dict[Combine, Callable[[list[float]], float]] = {
    Combine.MERGE: _only,
    Combine.SUM: _sum,
    Combine.MEAN: _mean,
    Combine.MAX: _max,
    Combine.MIN: _min,
}


# --- histograms ---------------------------------------------------------------------------------


def _histograms(
    series: Sequence[Series], at: float | None
) -> dict[Labels, dict[float, dict[float, float]]]:
    """One cluster's buckets by the labels without ``le`` and by time; no ``le``, no bucket."""
    found: dict[Labels, dict[float, dict[float, float]]] = {}
    for one in series:
        bound = _bound(one.metric.get("le"))
        if bound is None:
            continue
        labels = frozenset(
            (name, value) for name, value in one.metric.items() if name not in ("le", "__name__")
        )
        moments = found.setdefault(labels, {})
        for moment, text in one.values:
            buckets = moments.setdefault(moment if at is None else at, {})
            buckets[bound] = buckets.get(bound, 0.0) + float(text)
    return found


def _bound(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None

"""What is measured: the metrics of ``catalogue.yaml`` laid over a cluster's entities.

Each entry becomes signals with labels; incidents' bends are laid on where they match. It must not
know how signals are evaluated or served.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Literal

import numpy as np
from pydantic import Field

from aiops_mcp.simulation.cluster import Bend
from aiops_mcp.simulation.entities import Entity, Target
from aiops_mcp.simulation.noise import key_of, unit
from aiops_mcp.simulation.signals import Curve, Kind, RateBend, Signal, rate_bend
from aiops_mcp.simulation.steps import Steps
from aiops_mcp.simulation.topology import Spec, load_yaml

BUCKETS: Mapping[str, tuple[float, ...]] = {
    "web": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    "disk": tuple(0.001 * 2**power for power in range(14)),
    "slow": (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120),
    "tokens": (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000),
    "bytes": tuple(100.0 * 10**power for power in range(8)),
}
"""Bucket bounds by name; ``+Inf`` is understood."""


class Measure(Spec):
    """One metric. ``base`` times the entity's ``scale`` is its value or, of counters, its rate/s.

    ``over`` multiplies a series into one per label value with a weight (or the name of a size);
    ``state`` follows a truth of the entity: as a number, ``enum`` as 0/1 for each value of that
    label, ``label`` as 1 while active with the state as that label's value, or ``equals``.
    Histograms have a lognormal ``median`` (times ``median_scale``) observed ``base`` times a
    second. ``info`` are the entity's info labels to carry; without the size ``needs``, no
    series; one that ``outlives`` its entity stays when that is gone.
    """

    type: Literal["counter", "gauge", "histogram"] = "gauge"
    help: str
    unit: str = ""
    base: float = 1.0
    scale: str | None = None
    offset: float = 0.0
    swing: float | None = None
    noise: float | None = None
    exact: bool = False
    whole: bool = False
    ceiling: float = math.inf
    over: dict[str, dict[str, float | str] | list[str]] = Field(default_factory=dict[str, Any])
    labels: dict[str, str] = Field(default_factory=dict)
    info: dict[str, str] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()
    state: str | None = None
    enum: str | None = None
    label: str | None = None
    equals: str | None = None
    median: float = 0.01
    median_scale: str | None = None
    sigma: float = 0.8
    buckets: str = "web"
    needs: str | None = None
    outlives: bool = False


class Group(Spec):
    """Metrics of one exporter about one kind of entity; ``when`` is a platform or stack."""

    job: str
    per: str
    when: str | None = None
    metrics: dict[str, Measure]


@dataclass(frozen=True, slots=True)
class SeriesSignal:
    """One series: who scrapes it, its labels (with ``__name__``) and its values over time."""

    target: Target
    labels: dict[str, str]
    signal: Signal


@cache
def default_catalogue() -> tuple[Group, ...]:
    """The metrics of ``catalogue.yaml``."""
    return tuple(Group.model_validate(group) for group in load_yaml("catalogue.yaml"))


def series_names(name: str, measure: Measure) -> tuple[str, ...]:
    """The names of the series that a metric is exposed as."""
    if measure.type == "histogram":
        return (f"{name}_bucket", f"{name}_sum", f"{name}_count")
    return (name,)


class Expansion:
    """Turns catalogue entries into signals for one cluster."""

    def __init__(self, seed: int, cluster: str, phase: float, bends: Sequence[Bend]) -> None:
        self._seed = seed
        self._cluster = cluster
        self._phase = phase
        self._bends = bends

    def expand(
        self, series_name: str, name: str, measure: Measure, entities: Iterable[Entity]
    ) -> Iterator[SeriesSignal]:
        """The series called ``series_name`` of a metric, over all its entities."""
        for entity in entities:
            if measure.needs and not entity.sizes.get(measure.needs, 0.0):
                continue
            labels = {"__name__": series_name, **entity.target.all_labels}
            labels |= {k: v for k, v in entity.labels.items() if k not in measure.drop}
            labels |= measure.labels
            labels |= {label: entity.info[source] for label, source in measure.info.items()}
            if measure.type == "histogram":
                yield from self._histogram(series_name, name, measure, entity, labels)
            elif measure.state:
                yield from self._stateful(measure, entity, labels)
            else:
                yield from self._plain(name, measure, entity, labels)

    def _plain(
        self, name: str, measure: Measure, entity: Entity, labels: dict[str, str]
    ) -> Iterator[SeriesSignal]:
        for extra, weight in _variants(measure, entity):
            series = labels | extra
            curves = self._curves(series)
            base = self._base(name, measure, entity, extra) * weight
            signal = self._signal(name, measure, entity, base, series, curves)
            yield SeriesSignal(entity.target, series, signal)

    def _signal(
        self,
        name: str,
        measure: Measure,
        entity: Entity,
        base: float,
        labels: Mapping[str, str],
        curves: tuple[Curve, ...],
    ) -> Signal:
        counter = measure.type == "counter"
        unsteady = not measure.exact
        return Signal(
            kind=Kind.COUNTER if counter else Kind.GAUGE,
            key=key_of(self._seed, self._cluster, entity.key, name, *sorted(labels.items())),
            base=base,
            swing=(0.25 if measure.swing is None else measure.swing) if unsteady else 0.0,
            noise=(0.15 if measure.noise is None else measure.noise) if unsteady else 0.0,
            phase=self._phase,
            floor=-math.inf if base < 0 else 0.0,
            ceiling=measure.ceiling,
            whole=measure.whole,
            present=None if measure.outlives else entity.present,
            resets=entity.starts if counter else (),
            curves=() if counter else curves,
            bend=rate_bend(curves) if counter else None,
        )

    def _base(self, name: str, measure: Measure, entity: Entity, extra: Mapping[str, str]) -> float:
        base = measure.base * (entity.sizes.get(measure.scale, 0.0) if measure.scale else 1.0)
        if not measure.exact:
            base *= 0.85 + 0.3 * unit(self._seed, self._cluster, entity.key, name, *extra.values())
        return base + measure.offset

    def _stateful(
        self, measure: Measure, entity: Entity, labels: dict[str, str]
    ) -> Iterator[SeriesSignal]:
        steps = entity.states[measure.state or ""]
        if measure.label:
            for value in {str(one): None for one in steps.values if one}:
                series = labels | {measure.label: value}
                active = Steps(steps.times, tuple(str(one) == value for one in steps.values))
                shown = Steps(steps.times, (1.0,) * len(steps.values))
                signal = self._stepped(series, shown, _both(entity.present, active))
                yield SeriesSignal(entity.target, series, signal)
            return
        wanted = [(labels, measure.equals)]
        if measure.enum:
            values = measure.over[measure.enum]
            wanted = [(labels | {measure.enum: value}, value) for value in values]
        for series, value in wanted:
            shown = Steps(steps.times, tuple(_number(one, value) for one in steps.values))
            signal = self._stepped(series, shown, entity.present)
            yield SeriesSignal(entity.target, series, signal)

    def _stepped(
        self,
        labels: dict[str, str],
        steps: Steps[float],
        present: Steps[bool] | None,
    ) -> Signal:
        curves = self._curves(labels)
        if curves and steps.is_constant:
            return Signal(Kind.GAUGE, 0, steps.values[0], floor=0.0, present=present, curves=curves)
        return Signal(Kind.STEPS, 0, steps=steps, present=present)

    def _histogram(
        self,
        series_name: str,
        name: str,
        measure: Measure,
        entity: Entity,
        labels: dict[str, str],
    ) -> Iterator[SeriesSignal]:
        suffix = series_name.removeprefix(name)
        median = measure.median * (
            entity.sizes[measure.median_scale] if measure.median_scale else 1
        )
        for extra, weight in _variants(measure, entity):
            plain = labels | extra
            rates = self._curves(plain | {"__name__": f"{name}_count"})
            grows = self._curves(plain | {"__name__": name})
            base = self._base(name, measure, entity, extra) * weight
            for bound in (*BUCKETS[measure.buckets], math.inf) if suffix == "_bucket" else (None,):
                series = plain if bound is None else plain | {"le": _bound_text(bound)}
                bend = _observed(rates, grows, suffix, bound, median, measure.sigma)
                factor = _observed_factor(suffix, bound, median, measure.sigma)
                same = {k: v for k, v in plain.items() if k != "__name__"}
                signal = self._signal(name, measure, entity, base, same, ())
                unbent = 1.0 if bend else factor
                yield SeriesSignal(
                    entity.target, series, _as_counter(signal, base * unbent, entity, bend)
                )

    def _curves(self, labels: dict[str, str]) -> tuple[Curve, ...]:
        name = labels["__name__"]
        return tuple(
            bend.curve
            for bend in self._bends
            if bend.metric.fullmatch(name) and bend.touches(labels)
        )


def _as_counter(signal: Signal, base: float, entity: Entity, bend: RateBend | None) -> Signal:
    return Signal(
        kind=Kind.COUNTER,
        key=signal.key,
        base=base,
        swing=signal.swing,
        noise=signal.noise,
        phase=signal.phase,
        present=signal.present,
        resets=entity.starts,
        bend=bend,
    )


def _observed_factor(suffix: str, bound: float | None, median: float, sigma: float) -> float:
    """What one observation adds to a histogram's series: a share of a bucket, 1, or its mean."""
    if suffix == "_bucket" and bound is not None:
        if math.isinf(bound):
            return 1.0
        return 0.5 * math.erfc(-math.log(bound / median) / (sigma * math.sqrt(2)))
    return median * math.exp(sigma * sigma / 2) if suffix == "_sum" else 1.0


def _observed(
    rates: Sequence[Curve],
    grows: Sequence[Curve],
    suffix: str,
    bound: float | None,
    median: float,
    sigma: float,
) -> RateBend | None:
    """The bend of one histogram series when its rate, its observed sizes, or both are bent."""
    whole = rate_bend([*rates, *grows])
    if whole is None:
        return None
    times = whole.times
    middles = np.concatenate([[times[0] - 1], (times[:-1] + times[1:]) / 2, [times[-1] + 1]])
    size, rate = np.full_like(middles, median), np.ones_like(middles)
    for curve in grows:
        size = curve.bend(size, middles)
    for curve in rates:
        rate = curve.bend(rate, middles)
    shares = [_observed_factor(suffix, bound, max(float(one), 1e-9), sigma) for one in size]
    return RateBend(times, np.maximum(rate, 0.0) * np.asarray(shares), np.zeros_like(middles))


def _variants(measure: Measure, entity: Entity) -> Iterator[tuple[dict[str, str], float]]:
    axes: list[list[tuple[str, str, float]]] = []
    for label, values in measure.over.items():
        weights = values if isinstance(values, dict) else dict.fromkeys(values, 1.0)
        axes.append(
            [
                (label, value, entity.sizes[weight] if isinstance(weight, str) else weight)
                for value, weight in weights.items()
            ]
        )
    for combination in product(*axes):
        labels = {label: value for label, value, _ in combination}
        yield labels, math.prod(weight for _, _, weight in combination)


def _both(first: Steps[bool] | None, second: Steps[bool]) -> Steps[bool]:
    if first is None:
        return second
    times = tuple(sorted({*first.times, *second.times}))
    checks = [times[0] - 1.0, *times] if times else [0.0]
    return Steps(times, tuple(first.at(one) and second.at(one) for one in checks))


def _number(value: object, wanted: str | None) -> float:
    if wanted is not None:
        return float(str(value).lower() == wanted.lower())
    return float(value) if isinstance(value, int | float) else float(value == "True")


def _bound_text(bound: float) -> str:
    """``le`` as Prometheus 3 writes it: a plain float, ``+Inf`` last."""
    return "+Inf" if math.isinf(bound) else repr(float(bound))

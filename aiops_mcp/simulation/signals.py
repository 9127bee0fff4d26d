"""Signals of the simulated fleet: what one time series is worth at any moments.

A gauge is base x (1 + daily wave + noise), bent by curves; a counter is the exact integral of
such a rate, so that ``rate()`` gives the rate back; a stepped signal follows a known truth.
Nothing is stored. It must not know metrics, clusters or incidents.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.simulation.noise import (
    Floats,
    Keys,
    daily,
    daily_integral,
    paired_slope_integral,
    wander,
    wander_slope_integral,
)
from aiops_mcp.simulation.steps import Steps, changes

Mask = NDArray[np.bool_]

RAMP_STAIRS = 24
TOOTH_STAIRS = 6


class Shape(StrEnum):
    """How a bend unfolds between its start and its end."""

    STEP = "step"
    RAMP = "ramp"
    SAWTOOTH = "sawtooth"
    PULSE = "pulse"


class Bending(StrEnum):
    """What a bend does to a value: multiply it, add to it, or replace it."""

    FACTOR = "factor"
    ADD = "add"
    SET = "set"


@dataclass(frozen=True, slots=True)
class Curve:
    """One bend. Times in unix seconds; ``period`` is a ramp's length or a tooth's.

    Teeth that begin at known moments (each life of a container) name them in ``starts``.
    """

    start: float
    end: float
    shape: Shape
    bending: Bending
    amount: float
    period: float = 600.0
    starts: tuple[float, ...] = ()

    def progress(self, times: Floats) -> Floats:
        """How far the bend is on, 0 to 1; 0 outside its time."""
        passed = (times - self.start) / self.period
        if self.starts:
            starts = np.asarray(self.starts)
            latest = np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)
            passed = np.clip((times - starts[latest]) / self.period, 0.0, 1.0 - 1e-9)
        match self.shape:
            case Shape.STEP:
                share = np.ones_like(times)
            case Shape.RAMP:
                share = np.clip(passed, 0.0, 1.0)
            case Shape.SAWTOOTH:
                share = passed - np.floor(passed)
            case Shape.PULSE:
                share = (passed - np.floor(passed) < 0.5).astype(float)
        return np.where((times >= self.start) & (times < self.end), share, 0.0)

    def bend(self, values: Floats, times: Floats) -> Floats:
        """The values with this bend laid over them."""
        share = self.progress(times)
        match self.bending:
            case Bending.FACTOR:
                return values * (1.0 + (self.amount - 1.0) * share)
            case Bending.ADD:
                return values + self.amount * share
            case Bending.SET:
                return values * (1.0 - share) + self.amount * share

    def knots(self) -> list[float]:
        """The moments between which a counter's rate is taken as constant under this bend."""
        if self.shape is Shape.STEP:
            return [self.start, self.end]
        if self.shape is Shape.RAMP:
            top = min(self.end, self.start + self.period)
            stairs = np.linspace(self.start, top, RAMP_STAIRS + 1)
            return [*map(float, stairs), self.end]
        stairs = TOOTH_STAIRS if self.shape is Shape.SAWTOOTH else 2
        count = max(1, int((self.end - self.start) / self.period * stairs))
        return [*(self.start + self.period / stairs * i for i in range(count + 1)), self.end]


@dataclass(frozen=True, slots=True)
class RateBend:
    """Curves made steps for a counter: its rate becomes ``rate * factor + extra``."""

    times: Floats
    factors: Floats
    extras: Floats


def rate_bend(curves: Sequence[Curve]) -> RateBend | None:
    """The common steps of several curves over a counter's rate."""
    if not curves:
        return None
    times = np.unique(np.concatenate([np.asarray(curve.knots()) for curve in curves]))
    middles = np.concatenate([[times[0] - 1.0], (times[:-1] + times[1:]) / 2, [times[-1] + 1.0]])
    extras = np.zeros_like(middles)
    factors = np.ones_like(middles)
    for curve in curves:
        extras = curve.bend(extras, middles)
        scaled = Curve(curve.start, curve.end, curve.shape, curve.bending, 0.0, curve.period)
        keeps = curve if curve.bending is Bending.FACTOR else scaled
        if curve.bending is not Bending.ADD:
            factors = keeps.bend(factors, middles)
    return RateBend(times, np.maximum(factors, 0.0), extras)


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class Signal:
    """One series' values as a function of time; ``base`` is a value or, of counters, a rate/s.

    ``resets`` are the moments a counter starts again at 0 (the first is its birth);
    ``present`` says when the series exists at all.
    """

    kind: Kind
    key: int
    base: float = 0.0
    swing: float = 0.0
    noise: float = 0.0
    phase: float = 0.0
    floor: float = -inf
    ceiling: float = inf
    whole: bool = False
    steps: Steps[float] | None = None
    present: Steps[bool] | None = None
    resets: tuple[float, ...] = ()
    curves: tuple[Curve, ...] = ()
    bend: RateBend | None = None


NO_STEPS: Steps[float] = Steps((0.0,), (0.0, 0.0))
_COLUMNS = ("base", "swing", "noise", "phase", "floor", "ceiling")


class SignalBlock:
    """Signals prepared to be evaluated together at the same moments."""

    def __init__(self, signals: Sequence[Signal]) -> None:
        self.signals = signals
        self._keys: Keys = np.array([signal.key for signal in signals], dtype=np.uint64)
        self._gauges = _rows(signals, lambda one: one.kind is Kind.GAUGE and not _is_constant(one))
        self._counters = _rows(signals, lambda one: one.kind is Kind.COUNTER)
        self._switched = _rows(signals, lambda one: _changes(one) == 1)
        switches = [one.steps or NO_STEPS for one in signals if _changes(one) == 1]
        self._switch_times = np.array([one.times[0] for one in switches])[:, None]
        self._switch_values = np.array([one.values[1] for one in switches], dtype=float)[:, None]
        self._stepped = [row for row, one in enumerate(signals) if _changes(one) > 1]
        self._lives = _rows(signals, lambda one: _life(one.present) is not None)
        lives = [life for one in signals if (life := _life(one.present)) is not None]
        self._births, self._deaths = (
            np.array([life[end] for life in lives])[:, None] for end in (0, 1)
        )
        self._partial = [
            row
            for row, one in enumerate(signals)
            if one.present is not None and _life(one.present) is None
        ]
        self._whole = _rows(signals, lambda one: one.whole and not _is_constant(one))
        self._constants = np.array([_constant_value(signal) for signal in signals])
        self._columns = {
            name: np.array([getattr(signal, name) for signal in signals], dtype=float)[:, None]
            for name in _COLUMNS
        }

        self._gauge_rows = self._chosen(self._gauges)
        self._counter_rows = self._chosen(self._counters)

    def __len__(self) -> int:
        return len(self.signals)

    def _chosen(self, rows: NDArray[np.intp]) -> "_Rows":
        columns = {name: values[rows] for name, values in self._columns.items()}
        noisy = np.flatnonzero(columns["noise"][:, 0])
        return _Rows(columns, self._keys[rows], noisy, bool(columns["swing"].any()))

    def evaluate(self, times: Floats) -> tuple[Floats, Mask | None]:
        """Values of shape (signals, times) and where they exist (``None``: everywhere)."""
        values = np.repeat(self._constants[:, None], len(times), axis=1)
        if len(self._gauges):
            values[self._gauges] = self._evaluate_gauges(self._gauges, times)
        if len(self._counters):
            values[self._counters] = self._evaluate_counters(self._counters, times)
        if len(self._switched):
            before = self._constants[self._switched][:, None]
            values[self._switched] = np.where(
                times >= self._switch_times, self._switch_values, before
            )
        for row in self._stepped:
            steps = self.signals[row].steps
            if steps is not None:
                values[row] = np.asarray(steps.values, dtype=float)[steps.indices(times)]
        if len(self._whole):
            values[self._whole] = np.floor(values[self._whole])
        return values, self._presence(times)

    def _evaluate_gauges(self, rows: NDArray[np.intp], times: Floats) -> Floats:
        chosen = self._gauge_rows
        column, noisy = chosen.columns, chosen.noisy
        values = np.ones((len(rows), len(times)))
        if chosen.swinging:
            values += column["swing"] * daily(times[None, :], column["phase"])
        if len(noisy):
            values[noisy] += column["noise"][noisy] * wander(chosen.keys[noisy], times)
        values *= column["base"]
        for place, row in enumerate(map(int, rows)):
            for curve in self.signals[row].curves:
                values[place] = curve.bend(values[place], times)
        return np.clip(values, column["floor"], column["ceiling"])

    def _evaluate_counters(self, rows: NDArray[np.intp], times: Floats) -> Floats:
        values = _integrals(self._counter_rows, times) - self._birth_marks[:, None]
        for place, row in enumerate(map(int, rows)):
            signal = self.signals[row]
            if signal.bend is None and len(signal.resets) < 2:
                continue
            one = self._chosen(rows[place : place + 1])
            resets = np.asarray(signal.resets or (0.0,))
            plain, marks = _integrals(one, times)[0], _integrals(one, resets)[0]
            if signal.bend is not None:
                plain = self._bent(one, signal.bend, plain, times)
                marks = self._bent(one, signal.bend, marks, resets)
            latest = np.searchsorted(resets, times, side="right") - 1
            values[place] = plain - marks[np.maximum(latest, 0)]
        return np.maximum(values, 0.0)

    @cached_property
    def _birth_marks(self) -> Floats:
        """Each counter's antiderivative at its birth, which is what its value counts from."""
        rows = self._counters
        births = np.array([(self.signals[int(row)].resets or (0.0,))[0] for row in rows])
        column = {name: values[rows, 0] for name, values in self._columns.items()}
        marks = births + column["swing"] * daily_integral(births, column["phase"])
        marks += column["noise"] * paired_slope_integral(self._keys[rows], births)
        return marks * column["base"]

    def _bent(self, row: "_Rows", bend: RateBend, plain: Floats, times: Floats) -> Floats:
        """The antiderivative of ``rate * factor + extra``; steps make it exact."""
        at_steps = _integrals(row, bend.times)[0]
        gained = np.diff(at_steps) * bend.factors[1:-1] + np.diff(bend.times) * bend.extras[1:-1]
        sums = np.concatenate([[0.0], np.cumsum(gained)])
        place = np.searchsorted(bend.times, times, side="right")
        anchor = np.maximum(place - 1, 0)
        passed = plain - at_steps[anchor]
        longer = times - bend.times[anchor]
        return (
            at_steps[0]
            + sums[anchor]
            + passed * bend.factors[place]
            + longer * np.where(place > 0, bend.extras[place], 0.0)
        )

    def _presence(self, times: Floats) -> Mask | None:
        if not len(self._partial) and not len(self._lives):
            return None
        mask = np.ones((len(self.signals), len(times)), dtype=bool)
        mask[self._lives] = (times >= self._births) & (times < self._deaths)
        for row in self._partial:
            present = self.signals[row].present
            if present is not None:
                mask[row] = np.asarray(present.values, dtype=bool)[present.indices(times)]
        return mask


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some signals' columns, each of shape (rows, 1), their keys, and which of them have noise."""

    columns: Mapping[str, Floats]
    keys: Keys
    noisy: NDArray[np.intp]
    swinging: bool


def _integrals(rows: _Rows, times: Floats) -> Floats:
    """The unbent antiderivative of each rate, up to a constant."""
    values = np.repeat(times[None, :], len(rows.keys), axis=0)
    if rows.swinging:
        values += rows.columns["swing"] * daily_integral(times[None, :], rows.columns["phase"])
    if len(rows.noisy):
        values += rows.columns["noise"] * wander_slope_integral(rows.keys, times)
    return values * rows.columns["base"]


def _rows(signals: Sequence[Signal], wanted: Callable[[Signal], bool]) -> NDArray[np.intp]:
    return np.array([i for i, signal in enumerate(signals) if wanted(signal)], dtype=np.intp)


def _changes(signal: Signal) -> int:
    return 0 if signal.steps is None else len(signal.steps.times)


def _life(present: Steps[bool] | None) -> tuple[float, float] | None:
    """From when until when, of a presence that begins once and may end once."""
    if present is not None and present.values in ((False, True), (False, True, False)):
        return present.times[0], present.times[1] if len(present.times) > 1 else inf
    return None


def _is_constant(signal: Signal) -> bool:
    """Whether the signal has one value for ever (while it exists)."""
    if signal.kind is Kind.STEPS:
        return signal.steps is None or signal.steps.is_constant
    return signal.kind is Kind.GAUGE and not (signal.swing or signal.noise or signal.curves)


def _constant_value(signal: Signal) -> float:
    value = signal.base if signal.steps is None else float(signal.steps.values[0])
    if signal.kind is Kind.GAUGE:
        value = min(max(value, signal.floor), signal.ceiling)
    return float(np.floor(value)) if signal.whole else value


def lifetime(born: float, died: float = inf) -> Steps[bool]:
    """Present from ``born`` until ``died``."""
    later: list[tuple[float, bool]] = [(born, True)]
    if died < inf:
        later.append((died, False))
    return changes(False, later)

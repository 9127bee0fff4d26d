"""How far, since when and with whom one signal left its normal. Knows no graph and no component.

Normal is the shortest half of what was before (the shorth; Rousseeuw 1984, "Least Median of Squares
Regression"): its middle is the level and its length the scatter. Up to half of the past may hold
other incidents without moving either, where the interquartile range gives way at a quarter.

The notice may be late, so the stretch before it is not trusted: normal is taken from what lies
before that stretch, and the begin is found by walking back from the notice while the values are
nearer to the incident's level than to the normal one.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from aiops_mcp.analysis.rootcause_problem import Signal, SignalKind, Vector

LOOK_BACK_SECONDS: Final = 900.0
"""An alert fires at most so long after the fault: the longest usual ``for``."""
LOOK_BACK_SHARE: Final = 0.25
"""But most of what was before stays for knowing what is normal."""
MIN_NORMAL: Final = 3
"""Fewer samples have no scatter."""
SMALLEST_CHANGE: Final = 0.05
"""Less than this share of its level is no change worth a word, however calm the signal is."""
SMALLEST_LOSS: Final = 0.002
"""The same for a share of what succeeded, whose level is near its end stop."""
FROM_NOTHING: Final = 10.0
"""Deviation of a signal that was constantly zero and is not: clear, but without a measure."""
SUSTAINED_SHARE: Final = 0.25
"""The worst stretch of this share of the incident counts: it may end before the window does."""
MIN_STRETCHES: Final = 5
"""Fewer disjoint stretches do not tell how far it wanders."""
STEADY_SHARE: Final = 0.8
"""Walking back stops where fewer of the values than this are on the incident's side."""
LARGEST: Final = 1e100
"""Values beyond are taken for this."""
FARTHEST: Final = 1e6
"""And so many deviations are as many as there can be."""
MIN_REGULAR: Final = 10
"""A series of fewer samples has no rhythm that could stop."""
IRREGULAR: Final = 0.05
"""Share of gaps from which a series is one that comes and goes."""
MISSED_STEPS: Final = 4.0
"""Prometheus itself takes a series for gone after five minutes, mostly five to ten steps."""
IQR_TO_SIGMA: Final = 1.349
"""Length of the middle (and shortest) half of a normal distribution, in standard deviations."""

_RISES: Final = frozenset(
    {SignalKind.LATENCY, SignalKind.WAITING, SignalKind.ERRORS, SignalKind.SATURATION}
)


@dataclass(frozen=True, slots=True)
class Movement:
    """One signal's deviation: in robust deviations of its normal, signed; positive is a rise.

    ``fresh`` is the part that came with the incident: what had been so for longer than a notice is
    late fades. ``growth`` is the change as a share of the normal level.
    ``began`` is in Unix seconds, None where it did not move. ``follows`` is the
    correlation with the target's violated series (0 where there is none), ``has_twin`` that its
    component has the target's very metric.
    """

    signal: Signal
    deviation: float
    fresh: float
    growth: float
    began: float | None
    follows: float = 0.0
    has_twin: bool = False

    @property
    def constant(self) -> bool:
        """Whether it says nothing, before or after."""
        return self.deviation == 0.0 and not np.ptp(self.signal.values)

    @property
    def worse(self) -> float:
        """How far it moved in a direction that is bad for this kind; 0 where it got better."""
        return max(0.0, towards_bad(self.signal.kind, self.fresh))


def towards_bad(kind: SignalKind, change: float) -> float:
    """The change, positive where it is bad."""
    if kind in _RISES:
        return change
    return -change if kind is SignalKind.SUCCESS else abs(change)


def badness(kind: SignalKind, changes: Vector) -> Vector:
    """The same for many."""
    if kind in _RISES:
        return changes
    return -changes if kind is SignalKind.SUCCESS else np.abs(changes)


def look_back(times: Vector, when: float) -> float:
    """Seconds before the notice that may already belong to the incident."""
    before = times[times < when]
    if not len(before):
        return 0.0
    return min(LOOK_BACK_SECONDS, LOOK_BACK_SHARE * float(when - before.min()))


def tidy(signal: Signal) -> Signal:
    """The signal in order of time, without what is empty or infinite; the rest expects it so."""
    size = min(len(signal.times), len(signal.values))
    times, values = signal.times[:size], signal.values[:size]
    usable = np.isfinite(times) & np.isfinite(values)
    if not usable.all():
        times, values = times[usable], values[usable]
    if (np.diff(times) < 0).any():
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    # squares of what is clipped are still finite
    return replace(signal, times=times, values=np.clip(values, -LARGEST, LARGEST))


def normal_of(values: Vector) -> tuple[float, float]:
    """Level and scatter (as a standard deviation) of the shortest half."""
    ordered = np.sort(values)
    half = len(ordered) // 2 + 1
    widths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    # of several equally short halves the middle one
    shortest = np.flatnonzero(widths <= widths.min())
    first = int(shortest[len(shortest) // 2])
    return float(np.median(ordered[first : first + half])), float(widths[first]) / IQR_TO_SIGMA


def movement(signal: Signal, when: float, back: float) -> Movement | None:
    """How the signal moved at ``when``, given that ``back`` seconds before it are not trusted.

    None where there is too little before or nothing after.
    """
    times, values = signal.times, signal.values
    first_after = int(np.searchsorted(times, when))
    trusted = int(np.searchsorted(times, when - back))
    if trusted < MIN_NORMAL:
        trusted = first_after
    after = values[first_after:]
    if trusted < MIN_NORMAL or not len(after):
        return None
    level, _ = normal_of(values[:trusted])
    reached = _worst(signal.kind, after, level)
    start = _walk_back(values, first_after, level, reached)
    # what lies before the begin is normal after all
    before = values[: start if start >= MIN_NORMAL else trusted]
    level, scatter = normal_of(before)
    reached = _worst(signal.kind, after, level)
    wandered = _wandered(before, level, _stretch(len(after)))
    unit = max(scatter, wandered, _smallest(signal.kind, level))
    deviation = (reached - level) / unit if unit > 0.0 else _from_nothing(before, reached)
    deviation = min(FARTHEST, max(-FARTHEST, deviation))
    growth = (reached - level) / abs(level) if level else float(np.sign(reached))
    age = when - float(times[start])
    # older than a notice is late it fades, and at twice that age it is another story
    faded = 2.0 - age / back if back > 0.0 else 0.0
    came = max(0.0, faded) if age > back else _made_since(values[trusted:start], level, reached)
    return Movement(
        signal=signal,
        deviation=deviation,
        fresh=deviation * came,
        growth=growth,
        began=float(times[start]) if deviation else None,
    )


def _made_since(recent: Vector, level: float, reached: float) -> float:
    """The share of the way from the level that it made only after what was just before."""
    if not len(recent) or reached == level:
        return 1.0
    share = (reached - float(np.median(recent))) / (reached - level)
    return min(1.0, max(0.0, share))


def has_ended(signal: Signal, when: float, end: float) -> bool:
    """Whether a series that came regularly stopped at the incident, where others go on to ``end``.

    Regularly: hardly a gap of twice the usual step; stopped: the last is longer ago than that.
    """
    times = signal.times
    if len(times) < MIN_REGULAR or times[-1] >= when:
        return False
    steps = np.diff(times)
    usual = float(np.median(steps))
    gaps = float(np.mean(steps > 2.0 * usual))
    return gaps <= IRREGULAR and end - float(times[-1]) > MISSED_STEPS * usual


def _from_nothing(before: Vector, reached: float) -> float:
    """Deviation of what is zero most of the time: by what it is when it is not, if it ever was."""
    usual = float(np.quantile(np.abs(before), 0.95))
    size = abs(reached) / usual if usual > 0.0 else FROM_NOTHING
    return float(np.sign(reached)) * min(FROM_NOTHING, size)


def _smallest(kind: SignalKind, level: float) -> float:
    share = SMALLEST_LOSS if kind is SignalKind.SUCCESS else SMALLEST_CHANGE
    return abs(level) * share


def _worst(kind: SignalKind, after: Vector, level: float) -> float:
    """The median of the stretch in which it was farthest from normal, in the bad direction."""
    medians = _medians(after, _stretch(len(after)))
    return float(medians[int(np.argmax(badness(kind, medians - level)))])


def _wandered(before: Vector, level: float, length: int) -> float:
    """How far half of the stretches of that length were from the level; 0 where there are too few.

    Where neighbouring values resemble each other, stretches wander farther than the scatter of
    single values tells. Not more than half: at an entry every third minute may be an incident's.
    """
    if len(before) < MIN_STRETCHES * length:
        return 0.0
    return float(np.median(np.abs(_medians(before, length) - level)))


def _stretch(samples: int) -> int:
    """A single sample is no stretch unless there is no more."""
    return min(samples, max(3, int(samples * SUSTAINED_SHARE)))


def _medians(values: Vector, length: int) -> Vector:
    """The median of each stretch, of some where there are very many."""
    if len(values) <= length:
        return np.median(values, keepdims=True)
    stretches = np.lib.stride_tricks.sliding_window_view(values, length)
    return np.median(stretches[:: max(1, len(stretches) // 64)], axis=1)


def _walk_back(values: Vector, notice: int, level: float, reached: float) -> int:
    """Index from which most of the values up to the notice are on the incident's side.

    The first on that side after the notice, where those before it are not.
    """
    changed = np.abs(values - level) > np.abs(reached - values)
    upto = changed[:notice][::-1]
    if len(upto) and upto[0]:
        share = np.cumsum(upto) / np.arange(1, len(upto) + 1)
        steady = np.flatnonzero(upto & (share >= STEADY_SHARE))
        if len(steady):
            return notice - 1 - int(steady[-1])
    later = np.flatnonzero(changed[notice:])
    return notice + int(later[0]) if len(later) else notice

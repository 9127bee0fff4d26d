"""Repeatable noise: functions of (key, time) and nothing else, vectorised over both.

A sample is computed when it is asked for and never stored, so that a day of history costs
nothing before somebody reads it. Hashing is splitmix64 (Steele, Lea, Flood 2014).
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

DAY = 86400.0
OCTAVES: tuple[tuple[float, float], ...] = ((1800.0, 0.6), (150.0, 0.4))
"""(seconds between knots, share of the amplitude): slow drift and quick jitter."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def key_of(*parts: object) -> int:
    """A 64-bit key of some texts, the same in every process."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def unit(*parts: object) -> float:
    """A number in [0, 1) drawn by the parts."""
    return key_of(*parts) / 2.0**64


def _mix(values: Keys) -> Keys:
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))


def _hashed(keys: Keys, numbers: NDArray[np.int64], octave: int) -> Floats:
    """A value in [-1, 1) for each pair of key and knot number; the two broadcast."""
    salted = _mix(numbers.astype(np.uint64) + np.uint64(octave << 56))
    return (_mix(keys ^ salted) >> np.uint64(11)).astype(float) * 2.0**-52 - 1.0


def _knots(keys: Keys, numbers: NDArray[np.int64], octave: int) -> Floats:
    return _hashed(keys[:, None], numbers[None, :], octave)


def wander(keys: Keys, times: Floats) -> Floats:
    """Continuous noise in [-1, 1], shape (keys, times): straight lines between hashed knots."""
    total = np.zeros((len(keys), len(times)))
    if not len(times):
        return total
    for octave, (period, share) in enumerate(OCTAVES):
        position = times / period
        low = np.floor(position).astype(np.int64)
        first, last = int(low.min()), int(low.max())
        knots = _knots(keys, np.arange(first, last + 2, dtype=np.int64), octave)
        column = low - first
        fraction = position - low
        total += share * (knots[:, column] * (1.0 - fraction) + knots[:, column + 1] * fraction)
    return total


def wander_slope_integral(keys: Keys, times: Floats) -> Floats:
    """An antiderivative (seconds) of a mean-free noise in [-1, 1], shape (keys, times).

    The noise is the slope of ``wander`` with its knots' heights halved and scaled by their
    period, so the integral is exact and a counter that uses it never falls.
    """
    total = np.zeros((len(keys), len(times)))
    if not len(times):
        return total
    for octave, (period, share) in enumerate(OCTAVES):
        position = times / period
        low = np.floor(position).astype(np.int64)
        first, last = int(low.min()), int(low.max())
        knots = _knots(keys, np.arange(first, last + 2, dtype=np.int64), octave)
        column = low - first
        fraction = position - low
        height = knots[:, column] * (1.0 - fraction) + knots[:, column + 1] * fraction
        total += (0.5 * share * period) * height
    return total


def paired_slope_integral(keys: Keys, times: Floats) -> Floats:
    """``wander_slope_integral`` of each key at its own moment; both of one length."""
    total = np.zeros(len(keys))
    for octave, (period, share) in enumerate(OCTAVES):
        position = times / period
        low = np.floor(position).astype(np.int64)
        fraction = position - low
        left, right = (_hashed(keys, low + step, octave) for step in (0, 1))
        total += (0.5 * share * period) * (left * (1.0 - fraction) + right * fraction)
    return total


def daily(times: Floats, phase: float | Floats) -> Floats:
    """The time of day as a wave in [-1, 1] with its peak at ``phase`` (seconds after 00:00 UTC)."""
    return np.cos((times - phase) * (2 * np.pi / DAY))


def daily_integral(times: Floats, phase: float | Floats) -> Floats:
    """An antiderivative of ``daily`` (seconds)."""
    return np.sin((times - phase) * (2 * np.pi / DAY)) * (DAY / (2 * np.pi))

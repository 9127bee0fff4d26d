"""Truths that change at known moments: piecewise-constant functions of time.

They hold object states (a pod's phase, a node's condition) and the factors by which an
incident bends a signal. It must not know what a value stands for.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

ValueT = TypeVar("ValueT")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Steps(Generic[ValueT]):
    """``values[0]`` before ``times[0]``, then ``values[i + 1]`` from ``times[i]`` on (seconds)."""

    times: tuple[float, ...]
    values: tuple[ValueT, ...]

    def at(self, moment: float) -> ValueT:
        """The value that holds at ``moment``."""
        return self.values[bisect_right(self.times, moment)]

    def since(self, moment: float) -> float | None:
        """When the value that holds at ``moment`` began; ``None``: it always held."""
        index = bisect_right(self.times, moment)
        return self.times[index - 1] if index else None

    def indices(self, moments: Floats) -> NDArray[np.intp]:
        """For each moment the position in ``values`` that holds there."""
        return np.searchsorted(np.asarray(self.times, dtype=float), moments, side="right")

    @property
    def is_constant(self) -> bool:
        return not self.times


def constant(value: ValueT) -> Steps[ValueT]:
    """A truth that never changes."""
    return Steps((), (value,))


def changes(initial: ValueT, later: Iterable[tuple[float, ValueT]]) -> Steps[ValueT]:
    """Steps from ``(moment, value)`` pairs in any order; the last one given for a moment wins."""
    times: list[float] = []
    values: list[ValueT] = [initial]
    for moment, value in sorted(later, key=lambda change: change[0]):
        if times and times[-1] == moment:
            values[-1] = value
        else:
            times.append(moment)
            values.append(value)
    return Steps(tuple(times), tuple(values))

"""The values an expression has over a grid of evaluation times, and how a query can fail.

A vector keeps a presence mask beside its values: NaN is a value, absence is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from aiops_mcp.simulation.promql.matching import Labels
from aiops_mcp.simulation.promql.store import Floats, Mask, Times

SAME_LABELS = "vector cannot contain metrics with the same labelset"


class QueryFailed(Exception):
    """A query that parsed but could not be answered; ``kind`` is the wire's errorType."""

    def __init__(
        self, message: str, kind: Literal["execution", "timeout", "bad_data"] = "execution"
    ) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(slots=True)
class Notes:
    """Warnings and infos gathered while a query runs, each once, in order."""

    warnings: dict[str, None] = field(default_factory=dict[str, None])
    infos: dict[str, None] = field(default_factory=dict[str, None])

    def warn(self, text: str) -> None:
        self.warnings.setdefault(f"PromQL warning: {text}")

    def inform(self, text: str) -> None:
        self.infos.setdefault(f"PromQL info: {text}")


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Evaluation times in milliseconds, shape (T,), and the outer query they belong to."""

    times: Times
    step_ms: int
    query_start_ms: int
    query_end_ms: int
    query_step_ms: int

    @property
    def size(self) -> int:
        return int(self.times.shape[0])

    def at(self, times: Times, step_ms: int) -> "Grid":
        """Another grid within the same query."""
        return Grid(times, step_ms, self.query_start_ms, self.query_end_ms, self.query_step_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    values: Floats


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """``values`` and ``present`` have shape (len(labels), T)."""

    labels: Sequence[Labels]
    values: Floats
    present: Mask


@dataclass(frozen=True, slots=True, eq=False)
class RawSeries:
    labels: Labels
    timestamps: Times
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class RawMatrix:
    """The samples of a range selector or subquery, asked for at one instant."""

    series: Sequence[RawSeries]


Value: TypeAlias = Scalar | Text | Vector


def empty(grid: Grid) -> Vector:
    """A vector without series."""
    return Vector([], np.empty((0, grid.size)), np.empty((0, grid.size), dtype=np.bool_))


def relabel(vector: Vector, change: Callable[[Labels], Labels]) -> Vector:
    """The vector with changed labels; series that become the same are joined.

    Raises:
        QueryFailed: when two of them are present at one time.
    """
    return joined([change(labels) for labels in vector.labels], vector.values, vector.present)


def joined(labels: Sequence[Labels], values: Floats, present: Mask) -> Vector:
    """A vector in which each label set stands once.

    Raises:
        QueryFailed: when two series with the same labels are present at one time.
    """
    rows: dict[Labels, list[int]] = {}
    for row, one in enumerate(labels):
        rows.setdefault(one, []).append(row)
    if len(rows) == len(labels):
        return Vector(labels, values, present)
    first = [members[0] for members in rows.values()]
    new_values, new_present = values[first], present[first]
    for target, members in enumerate(rows.values()):
        for row in members[1:]:
            if (new_present[target] & present[row]).any():
                raise QueryFailed(SAME_LABELS)
            new_values[target] = np.where(present[row], values[row], new_values[target])
            new_present[target] |= present[row]
    return Vector(list(rows), new_values, new_present)


def without_absent(vector: Vector) -> Vector:
    """The vector without series that are present nowhere."""
    kept: Mask = np.asarray(vector.present.any(axis=1))
    if kept.all():
        return vector
    labels = [one for one, here in zip(vector.labels, kept, strict=True) if here]
    return Vector(labels, vector.values[kept], vector.present[kept])

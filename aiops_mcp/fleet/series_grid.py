"""Series of one answer as arrays on a common grid of times.

Pure. A sample that is missing, not finite, or off the grid is NaN; of two at one time the last
stands.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.models.metrics import Series

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

MOST_POINTS = 300_000
"""Of one answer of one cluster: about 40 MB while it is read; more series are left out."""


@dataclass(frozen=True, slots=True)
class Span:
    """The moments ``start``, ``start + step`` … up to ``end``, in unix seconds."""

    start: float
    end: float
    step: float

    @property
    def points(self) -> int:
        return int((self.end - self.start) / self.step + 1e-6) + 1

    @property
    def times(self) -> Vector:
        return self.start + self.step * np.arange(self.points, dtype=np.float64)

    @property
    def most_series(self) -> int:
        """How many series of this length are read of one answer."""
        return max(1, MOST_POINTS // self.points)


@dataclass(frozen=True, slots=True)
class SeriesGrid:
    """``values`` is series x times; ``cut`` more series were not read."""

    labels: tuple[Mapping[str, str], ...]
    times: Vector
    values: Matrix
    cut: int = 0

    def __len__(self) -> int:
        return len(self.labels)


def grid_of(series: Sequence[Series], span: Span) -> SeriesGrid:
    """The series on the span's times; as many as may be read, in the order of their labels.

    The order is that of the labels so that the same ones are read each time.
    """
    most = span.most_series
    kept = (
        sorted(series, key=lambda one: sorted(one.metric.items())) if most < len(series) else series
    )
    kept = kept[:most]
    values = np.full((len(kept), span.points), np.nan)
    for row, one in enumerate(kept):
        _fill(values[row], one, span)
    values[~np.isfinite(values)] = np.nan
    labels = tuple(one.metric for one in kept)
    return SeriesGrid(labels, span.times, values, len(series) - len(kept))


def _fill(row: Vector, series: Series, span: Span) -> None:
    if not series.values:
        return
    stamps = np.array([moment for moment, _ in series.values])
    told = np.array([_number(text) for _, text in series.values])
    places = np.rint((stamps - span.start) / span.step)
    near = (np.abs(places * span.step + span.start - stamps) <= span.step / 2) & (
        (places >= 0) & (places < len(row))
    )
    row[places[near].astype(np.int64)] = told[near]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

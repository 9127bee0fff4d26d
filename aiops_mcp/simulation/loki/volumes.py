"""Sizes without reading all: statistics of the index, and volumes by labels.

Long windows are told from a sample, as an index is told from its chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiops_mcp.logql import Matcher
from aiops_mcp.simulation.loki.series import Series, Times, grouped
from aiops_mcp.simulation.loki.streams import ClusterStreams, Stream

_SAMPLE = 1800 * 1_000_000_000
_CHUNK_BYTES = 1_500_000


@dataclass(frozen=True, slots=True)
class Size:
    """What a selector covers in a window, roughly."""

    streams: int
    chunks: int
    entries: int
    bytes: int


def _sampled(
    streams: ClusterStreams, matchers: Sequence[Matcher], start: int, end: int, now: int
) -> tuple[list[Stream], float]:
    """Streams of the newest part of the window, and how many times longer the window is."""
    end = min(end, now)
    if end <= start:
        return [], 0.0
    first = max(start, end - _SAMPLE)
    return streams.select(matchers, first, end), (end - start) / (end - first)


def _bytes(stream: Stream) -> int:
    return sum(len(entry.line) for entry in stream.entries)


def size_of(
    streams: ClusterStreams, matchers: Sequence[Matcher], start: int, end: int, now: int
) -> Size:
    """How much a selector covers."""
    found, factor = _sampled(streams, matchers, start, end, now)
    total = int(sum(map(_bytes, found)) * factor)
    entries = int(sum(len(stream.entries) for stream in found) * factor)
    chunks = max(len(found), total // _CHUNK_BYTES) if found else 0
    return Size(len(found), chunks, entries, total)


def volumes(
    streams: ClusterStreams,
    matchers: Sequence[Matcher],
    steps: Times,
    names: Sequence[str],
    now: int,
) -> list[Series]:
    """Bytes by labels in each part of a window that ends at a step; largest first.

    ``names`` are the labels to tell apart; without any those of the selector.
    """
    asked = list(names) or [one.name for one in matchers]
    found: dict[tuple[tuple[str, str], ...], Series] = {}
    for place in range(len(steps) - 1):
        start, end = int(steps[place]), int(steps[place + 1])
        parts, factor = _sampled(streams, matchers, start, end, now)
        for stream in parts:
            key = grouped(stream.labels, asked, without=False)
            one = found.setdefault(key, Series(key, np.full(len(steps) - 1, np.nan)))
            before = 0.0 if np.isnan(one.values[place]) else one.values[place]
            one.values[place] = before + int(_bytes(stream) * factor)
    return sorted(found.values(), key=_total, reverse=True)


def _total(one: Series) -> float:
    return float(np.nansum(one.values))

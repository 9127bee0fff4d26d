"""What a cluster's metrics say about its services, scrape by scrape: how many fail, how slow.

Spans are drawn from this, so that traces and metrics tell the same of the same moment, whatever
an incident bends. It must not know traces.
"""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock

import numpy as np

from aiops_mcp.simulation.catalogue import SeriesSignal
from aiops_mcp.simulation.noise import Floats
from aiops_mcp.simulation.signals import SignalBlock
from aiops_mcp.simulation.store import WorldStore

HOUR = 3600.0
CELL = 15.0
_CELLS = int(HOUR / CELL)
_KEPT = 30
_SERVED, _SENT = "http_requests_total", "http_client_requests_total"
_TOOK, _WAITED = "http_request_duration_seconds", "http_client_request_duration_seconds"
_MEAN_OVER_MEDIAN = math.exp(0.7**2 / 2)
_MEAN_OVER_MEDIAN_SENT = math.exp(0.8**2 / 2)

Edge = tuple[str, str]
"""Calling and called service."""


@dataclass(frozen=True, slots=True)
class TruthTable:
    """An hour of truths, a value for each ``CELL`` seconds from ``start`` on.

    ``errors`` and ``medians`` (seconds) are of answered requests by service, ``failed`` and
    ``waited`` (the median in seconds) of sent ones by edge.
    """

    start: float
    errors: Mapping[str, Sequence[float]]
    medians: Mapping[str, Sequence[float]]
    failed: Mapping[Edge, Sequence[float]]
    waited: Mapping[Edge, Sequence[float]]

    def cell(self, moment: float) -> int:
        """The place of a moment within the hour."""
        return min(int((moment - self.start) / CELL), _CELLS - 1)


class ServiceTruths:
    """A cluster's truths by the hour; safe from several threads."""

    def __init__(self, store: WorldStore) -> None:
        self._store = store
        self._lock = RLock()
        self._tables: OrderedDict[int, TruthTable] = OrderedDict()
        self._blocks: dict[str, tuple[list[SeriesSignal], SignalBlock]] = {}

    def table(self, moment: float) -> TruthTable:
        """The hour that a moment lies in."""
        hour = int(moment // HOUR)
        with self._lock:
            if hour not in self._tables:
                self._tables[hour] = self._hour(hour * HOUR)
                while len(self._tables) > _KEPT:
                    self._tables.popitem(last=False)
            return self._tables[hour]

    def _hour(self, start: float) -> TruthTable:
        times = np.linspace(start, start + HOUR, _CELLS + 1)
        served, sent = self._gained(_SERVED, times), self._gained(_SENT, times)
        took, waited = (
            _ratio(
                _sums(self._gained(f"{name}_sum", times), of),
                _sums(self._gained(f"{name}_count", times), of),
            )
            for name, of in ((_TOOK, _service), (_WAITED, _edge))
        )
        errors = _ratio(_sums(served, _service, failing=True), _sums(served, _service))
        failed = _ratio(_sums(sent, _edge, failing=True), _sums(sent, _edge))
        return TruthTable(
            start,
            {_name(key): one.tolist() for key, one in errors.items()},
            {_name(key): (one / _MEAN_OVER_MEDIAN).tolist() for key, one in took.items()},
            {_pair(key): one.tolist() for key, one in failed.items()},
            {_pair(key): (one / _MEAN_OVER_MEDIAN_SENT).tolist() for key, one in waited.items()},
        )

    def _gained(self, name: str, times: Floats) -> list[tuple[Mapping[str, str], Floats]]:
        """By how much each series of a counter grew in each cell."""
        if name not in self._blocks:
            series = self._store.signals(name)
            self._blocks[name] = series, SignalBlock([one.signal for one in series])
        series, block = self._blocks[name]
        if not series:
            return []
        values, present = block.evaluate(times)
        if present is not None:
            values = np.where(present, values, 0.0)
        grown = np.maximum(np.diff(values, axis=1), 0.0)
        return [(one.labels, grown[row]) for row, one in enumerate(series)]


def _service(labels: Mapping[str, str]) -> tuple[str, ...]:
    return (labels["service"],)


def _edge(labels: Mapping[str, str]) -> tuple[str, ...]:
    return labels["service"], labels["peer_service"]


def _name(key: tuple[str, ...]) -> str:
    return key[0]


def _pair(key: tuple[str, ...]) -> Edge:
    return key[0], key[1]


def _sums(
    gained: Sequence[tuple[Mapping[str, str], Floats]],
    of: Callable[[Mapping[str, str]], tuple[str, ...]],
    *,
    failing: bool = False,
) -> dict[tuple[str, ...], Floats]:
    sums: dict[tuple[str, ...], Floats] = defaultdict(lambda: np.zeros(_CELLS))
    for labels, grown in gained:
        if not failing or labels.get("code", "").startswith("5"):
            sums[of(labels)] += grown
    return sums


def _ratio(
    parts: Mapping[tuple[str, ...], Floats], wholes: Mapping[tuple[str, ...], Floats]
) -> dict[tuple[str, ...], Floats]:
    """Parts of wholes; where nothing happened, the usual share of the hour stands in."""
    found: dict[tuple[str, ...], Floats] = {}
    for key, whole in wholes.items():
        part = parts.get(key, np.zeros(_CELLS))
        total = float(whole.sum())
        usual = float(part.sum()) / total if total else 0.0
        found[key] = np.divide(part, whole, out=np.full(_CELLS, usual), where=whole > 0)
    return found

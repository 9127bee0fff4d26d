"""What there is to ask: metric names, label names and values, series, over the fleet.

Each entry says which clusters have it. Times are unix seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from aiops_mcp.errors import BackendRefused
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.answer import FleetAnswer
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.metrics import MetricMetadata
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.promql import parse_selector
from aiops_mcp.settings import Settings

PROMETHEUS = "prometheus"
"""The name breakers and messages use."""

MAX_NAMES = 50_000
"""Of one cluster and question; one more is asked for, to know of the cut."""

EntryT = TypeVar("EntryT")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[EntryT]):
    """One entry and the names of the clusters that have it."""

    entry: EntryT
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing(Generic[EntryT]):
    """Everything found, in order; ``cut`` are clusters that had more than was read."""

    found: tuple[Found[EntryT], ...]
    coverage: Coverage
    cut: tuple[str, ...] = ()

    @property
    def entries(self) -> tuple[EntryT, ...]:
        return tuple(one.entry for one in self.found)


@dataclass(frozen=True, slots=True)
class Window:
    """Series are looked for from ``start`` to ``end``; None: as far as the backend goes."""

    start: float | None = None
    end: float | None = None


ALL_TIME = Window()


class MetricNames:
    """Catalogue of the fleet's metrics. Every method raises when no cluster answered."""

    def __init__(self, fleet: Fleet, settings: Settings) -> None:
        self._fleet = fleet
        self._settings = settings

    async def labels(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        match: Sequence[str] = (),
        window: Window = ALL_TIME,
        progress: Progress = no_progress,
    ) -> Listing[str]:
        """The label names, of the series that one of ``match`` selects."""
        _check(match)

        async def ask(access: Access) -> tuple[str, ...]:
            client = await access.prometheus()
            return tuple(
                await client.labels(
                    match=match, start=window.start, end=window.end, limit=MAX_NAMES + 1
                )
            )

        key = ("labels", *match, window)
        return _listing(await self._ask(selection, principal, ask, key, progress))

    async def label_values(
        self,
        name: str,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        match: Sequence[str] = (),
        window: Window = ALL_TIME,
        progress: Progress = no_progress,
    ) -> Listing[str]:
        """The values of one label; those of ``__name__`` are the metrics."""
        _check(match)

        async def ask(access: Access) -> tuple[str, ...]:
            client = await access.prometheus()
            return tuple(
                await client.label_values(
                    name, match=match, start=window.start, end=window.end, limit=MAX_NAMES + 1
                )
            )

        key = ("values", name, *match, window)
        return _listing(await self._ask(selection, principal, ask, key, progress))

    async def series(
        self,
        match: Sequence[str],
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        window: Window = ALL_TIME,
        limit: int = 1000,
        progress: Progress = no_progress,
    ) -> Listing[Mapping[str, str]]:
        """The label sets that one of ``match`` selects, at most ``limit`` a cluster."""
        _check(match)

        async def ask(access: Access) -> tuple[Mapping[str, str], ...]:
            client = await access.prometheus()
            return tuple(
                await client.series(match, start=window.start, end=window.end, limit=limit + 1)
            )

        key = ("series", *match, window, limit)
        answer = await self._ask(selection, principal, ask, key, progress)
        found = _collect(answer, lambda labels: tuple(sorted(labels.items())), limit)
        return Listing(found, answer.coverage(), _cut(answer, limit))

    async def metadata(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> Listing[MetricMetadata]:
        """Every metric with type and help; those that say nothing of themselves too.

        Where clusters differ about a metric, the fullest description stands.
        """

        async def ask(access: Access) -> tuple[MetricMetadata, ...]:
            client = await access.prometheus()
            told, names = await asyncio.gather(
                _or_empty(client.metadata()), client.label_values("__name__", limit=MAX_NAMES + 1)
            )
            return _described(told, names)

        answer = await self._ask(selection, principal, ask, ("metadata",), progress)
        best: dict[str, MetricMetadata] = {}
        clusters: dict[str, list[str]] = {}
        for one in answer.succeeded():
            for metric in one.value or ():
                clusters.setdefault(metric.name, []).append(one.cluster.name)
                known = best.get(metric.name)
                if known is None or len(metric.help) > len(known.help):
                    best[metric.name] = metric
        found = tuple(Found(best[name], tuple(clusters[name])) for name in sorted(best))
        return Listing(found, answer.coverage(), _cut(answer, MAX_NAMES))

    async def _ask(
        self,
        selection: Sequence[str],
        principal: Principal,
        question: Callable[[Access], Awaitable[tuple[T, ...]]],
        key: tuple[Hashable, ...],
        progress: Progress,
    ) -> FleetAnswer[tuple[T, ...]]:
        answer = await self._fleet.ask(
            selection,
            question,
            principal=principal,
            backend=PROMETHEUS,
            cache=CacheRule(key, self._settings.ttl_labels, _size),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        return answer


async def _or_empty(
    asked: Awaitable[Mapping[str, MetricMetadata]],
) -> Mapping[str, MetricMetadata]:
    """Some compatible servers know no metadata; the names are worth having without it."""
    try:
        return await asked
    except BackendRefused as refused:
        if refused.http_status in (400, 404, 405, 422):
            return {}
        raise


def _described(
    told: Mapping[str, MetricMetadata], names: Iterable[str]
) -> tuple[MetricMetadata, ...]:
    """Metadata is kept under the family's name: ``x`` describes ``x_bucket`` as well."""
    made: list[MetricMetadata] = []
    for name in names:
        family = told.get(name)
        if family is None:
            family = next(
                (
                    told[name.removesuffix(suffix)]
                    for suffix in ("_bucket", "_count", "_sum", "_total")
                    if name.endswith(suffix) and name.removesuffix(suffix) in told
                ),
                None,
            )
        made.append(
            MetricMetadata(name=name)
            if family is None
            else MetricMetadata.model_construct(
                name=name, type=family.type, help=family.help, unit=family.unit
            )
        )
    return tuple(made)


def _listing(answer: FleetAnswer[tuple[str, ...]]) -> Listing[str]:
    found = _collect(answer, lambda name: name, MAX_NAMES)
    return Listing(found, answer.coverage(), _cut(answer, MAX_NAMES))


def _collect(
    answer: FleetAnswer[tuple[EntryT, ...]], key: Callable[[EntryT], Hashable], limit: int
) -> tuple[Found[EntryT], ...]:
    entries: dict[Hashable, tuple[EntryT, list[str]]] = {}
    for one in answer.succeeded():
        for entry in (one.value or ())[:limit]:
            entries.setdefault(key(entry), (entry, []))[1].append(one.cluster.name)
    ordered = sorted(entries.items(), key=lambda item: str(item[0]))
    return tuple(Found(entry, tuple(clusters)) for _, (entry, clusters) in ordered)


def _cut(answer: FleetAnswer[tuple[EntryT, ...]], limit: int) -> tuple[str, ...]:
    clusters: list[Cluster] = [
        one.cluster for one in answer.succeeded() if len(one.value or ()) > limit
    ]
    return tuple(cluster.name for cluster in clusters)


def _check(match: Sequence[str]) -> None:
    """Raises InvalidPromql with the position, before anybody is asked."""
    for selector in match:
        parse_selector(selector)


def _size(entries: Sequence[object]) -> int:
    return 512 + sum(_entry_size(entry) for entry in entries)


def _entry_size(entry: object) -> int:
    if isinstance(entry, str):
        return 80 + len(entry)
    if isinstance(entry, MetricMetadata):
        return 600 + len(entry.help)
    return 1000

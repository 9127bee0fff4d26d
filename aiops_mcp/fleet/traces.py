"""Traces of the whole fleet; one that crosses clusters is one.

Every chosen cluster that keeps traces is asked; what they have of one trace is united here. Spans
of clusters that the caller may not see are left out, whoever's store they lie in. What is normal
for an operation is in `trace_normal`, the pure parts in `analysis`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from aiops_mcp.analysis.traces_assembly import AssembledTrace, assemble, cluster_of
from aiops_mcp.analysis.traces_groups import UnitedHit, unite
from aiops_mcp.backends.jaeger_answers import hit_of
from aiops_mcp.errors import BackendError, InputError, TempoNotAvailable, TraceNotFound
from aiops_mcp.fleet.access import Access, address
from aiops_mcp.fleet.answer import FleetAnswer
from aiops_mcp.fleet.fleet import CacheRule, Fleet, Question
from aiops_mcp.fleet.metric_names import Found, Listing
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal
from aiops_mcp.models.spans import FoundTrace, SpanRecord, TraceSearch, TraceSpans
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings

if TYPE_CHECKING:
    from aiops_mcp.backends.traces import TraceClient

TRACES = "traces"
"""The name breakers and messages use."""

COMPLETE_AFTER = timedelta(minutes=2)
"""A trace that ended so long ago gets no more spans."""

MOMENT_SECONDS = 5.0
"""A trace that may still grow is kept so long; so is that a cluster has none."""

AT_ONCE = 8
"""Traces that are read at a time."""

MANY = 2_000
"""Spans that take so long to put together that others should not wait."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundTraces:
    """Hits of the whole fleet, newest first; ``clusters`` are those that answered, by name.

    ``cut`` are clusters that had at least as many as were asked for.
    """

    hits: tuple[UnitedHit, ...]
    clusters: Mapping[str, Cluster]
    coverage: Coverage
    asked_at: datetime
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetTrace:
    """A whole trace; ``stores`` are the clusters whose stores have a part of it, by name.

    ``partial`` says of stores that know they lack something, ``broken`` counts unreadable spans.
    """

    trace: AssembledTrace
    stores: Mapping[str, Cluster]
    coverage: Coverage
    asked_at: datetime
    partial: tuple[str, ...] = ()
    broken: int = 0

    @property
    def home(self) -> Cluster:
        """The cluster whose store has the root, or most of the trace's spans."""
        name = self.trace.clusters[self.trace.root]
        return self.stores.get(name) or next(iter(self.stores.values()))


class FleetTraces:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

    async def search(
        self,
        search: TraceSearch,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> FoundTraces:
        """Traces of all chosen clusters.

        Raises:
            InputError: a time that cannot be. TempoNotAvailable: no chosen cluster has traces.
            And the failure when no cluster answered.
        """
        _check(search)

        async def ask(client: "TraceClient") -> tuple[FoundTrace, ...]:
            return await client.search(search)

        ttl = self._settings.ttl_trace_search
        rule = CacheRule(("search", search), ttl, _hits_size)
        answer = await self._ask(selection, principal, ask, rule, progress)
        told = {one.cluster.name: one.value or () for one in answer.succeeded()}
        most = max(search.limit, search.sample)
        hits = unite(told)
        if await self._hidden_from(principal):
            hits = await self._as_seen(hits[: search.limit], principal)
        return FoundTraces(
            hits=tuple(hits),
            clusters={one.cluster.name: one.cluster for one in answer.succeeded()},
            coverage=answer.coverage(),
            asked_at=answer.asked_at,
            cut=tuple(
                name
                for name, hits in told.items()
                if len(hits) >= most or len(hits) == search.limit
            ),
        )

    async def trace(
        self,
        trace_id: str,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> FleetTrace:
        """One trace, from all clusters that have a part of it; ``trace_id`` is 32 hex digits.

        Raises:
            TraceNotFound: no cluster that answered has it. TempoNotAvailable: as `search`.
            And the failure when no cluster answered.
        """

        async def ask(access: Access) -> TraceSpans | None:
            return await self._kept(access, trace_id)

        rule: CacheRule[TraceSpans | None] = CacheRule(
            ("trace", trace_id), MOMENT_SECONDS, _trace_size
        )
        answer = await self._asked(selection, principal, ask, rule, progress)
        hidden = await self._hidden_from(principal)
        stores: dict[str, Cluster] = {}
        spans: dict[str, list[SpanRecord]] = {}
        partial: list[str] = []
        broken = 0
        for one in answer.succeeded():
            if one.value is None:
                continue
            name = one.cluster.name
            seen = [span for span in one.value.spans if cluster_of(span, name) not in hidden]
            if not seen:
                continue
            stores[name], spans[name] = one.cluster, seen
            broken += one.value.broken
            if one.value.partial:
                partial.append(f"{name}: {one.value.partial}")
        if not spans:
            raise _not_found(trace_id, answer)
        count = sum(len(part) for part in spans.values())
        trace = assemble(spans) if count < MANY else await asyncio.to_thread(assemble, spans)
        return FleetTrace(trace, stores, answer.coverage(), answer.asked_at, tuple(partial), broken)

    async def services(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> Listing[str]:
        """Every service that has spans, with the clusters it is traced in. Raises as `search`."""

        async def ask(client: "TraceClient") -> tuple[str, ...]:
            return await client.services()

        rule = CacheRule(("services",), self._settings.ttl_labels, _names_size)
        return _listing(await self._ask(selection, principal, ask, rule, progress))

    async def operations(
        self,
        service: str,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> Listing[str]:
        """Names of a service's spans. Raises as `search`."""

        async def ask(client: "TraceClient") -> tuple[str, ...]:
            return await client.operations(service)

        rule = CacheRule(("operations", service), self._settings.ttl_labels, _names_size)
        return _listing(await self._ask(selection, principal, ask, rule, progress))

    # --- asking ---------------------------------------------------------------------------

    async def _ask(
        self,
        selection: Sequence[str],
        principal: Principal,
        question: "Callable[[TraceClient], Awaitable[T]]",
        rule: CacheRule[T],
        progress: Progress,
    ) -> FleetAnswer[T]:
        async def ask(access: Access) -> T:
            return await question(await access.traces())

        return await self._asked(selection, principal, ask, rule, progress)

    async def _asked(
        self,
        selection: Sequence[str],
        principal: Principal,
        question: Question[T],
        rule: CacheRule[T],
        progress: Progress,
    ) -> FleetAnswer[T]:
        chosen = await self._fleet.choose(selection, principal)
        _need_traces(chosen)
        answer = await self._fleet.ask_chosen(
            chosen, question, backend=TRACES, cache=rule, progress=progress
        )
        answer.raise_if_nobody_answered()
        return answer

    async def _kept(self, access: Access, trace_id: str) -> TraceSpans | None:
        """One cluster's part of a trace; one that gets no more spans is kept for longer."""
        cluster, cache = access.cluster, self._fleet.cache
        key = (cluster.id.int, address(cluster), TRACES, "complete", trace_id)
        kept = cache.peek(key)
        if kept is not None:
            return kept.value
        found = await (await access.traces()).trace(trace_id)
        if found is None or not found.spans or found.partial:
            return found
        ended = max(span.end_ns for span in found.spans) / 1e9
        if self._clock().timestamp() - ended < COMPLETE_AFTER.total_seconds():
            return found

        async def known() -> TraceSpans:
            return found

        return await cache.get(key, known, ttl=self._settings.ttl_traces, size=_trace_size)

    async def _as_seen(self, hits: Sequence[UnitedHit], principal: Principal) -> list[UnitedHit]:
        """The hits as far as the caller may see them: a store may hold other clusters' spans.

        Only the traces themselves tell where their spans ran, so that these are read.
        """
        places = asyncio.Semaphore(AT_ONCE)

        async def seen(one: UnitedHit) -> UnitedHit | None:
            async with places:
                try:
                    found = await self.trace(
                        one.hit.trace_id, selection=one.clusters, principal=principal
                    )
                except (BackendError, TraceNotFound):
                    return None
            return UnitedHit(hit_of(found.trace.spans), found.home.name, tuple(found.stores))

        told = await asyncio.gather(*(seen(one) for one in hits))
        return [one for one in told if one is not None]

    async def _hidden_from(self, principal: Principal) -> frozenset[str]:
        """Registered clusters that the caller may not see."""
        if principal.clusters is None:
            return frozenset()
        every = await self._fleet.choose((), LOCAL_ADMIN)
        return frozenset(one.name for one in every.all if not principal.sees(one.name))


def _check(search: TraceSearch) -> None:
    if search.start >= search.end:
        raise InputError(
            "start_time does not lie before end_time.",
            "Leave both out for the last hour.",
            details={"field": "start_time"},
        )
    low, high = search.min_duration_ms, search.max_duration_ms
    if low is not None and high is not None and low > high:
        raise InputError(
            "min_duration_ms is more than max_duration_ms.", details={"field": "min_duration_ms"}
        )


def _need_traces(chosen: Selection) -> None:
    """Raises TempoNotAvailable when none of the clusters keeps traces."""
    if not any(cluster.endpoints.tempo_url for cluster in chosen.all):
        names = ", ".join(cluster.name for cluster in chosen.all[:5]) or "none are registered"
        more = f" and {len(chosen.all) - 5} more" if len(chosen.all) > 5 else ""
        raise TempoNotAvailable(
            f"No chosen cluster keeps traces ({names}{more}).",
            "Set its tempo_url (Tempo or Jaeger) with update_cluster, "
            "or let refresh_cluster discover it.",
        )


def _not_found(trace_id: str, answer: FleetAnswer[TraceSpans | None]) -> TraceNotFound:
    coverage = answer.coverage()
    failed = [failure.cluster_name for failure in coverage.failures]
    missing = [*failed, *coverage.offline]
    hint = (
        f"No answer came from {', '.join(missing[:5])}; it may be there."
        if missing
        else "It may be past its retention; search_traces finds others."
    )
    return TraceNotFound(
        f"None of {coverage.succeeded} clusters has the trace {trace_id}.",
        hint,
        details={"trace_id": trace_id},
    )


def _listing(answer: FleetAnswer[tuple[str, ...]]) -> Listing[str]:
    clusters: dict[str, list[str]] = {}
    for one in answer.succeeded():
        for name in one.value or ():
            clusters.setdefault(name, []).append(one.cluster.name)
    found = tuple(Found(name, tuple(clusters[name])) for name in sorted(clusters))
    return Listing(found, answer.coverage())


def _hits_size(hits: tuple[FoundTrace, ...]) -> int:
    return 256 + 500 * len(hits)


def _names_size(names: tuple[str, ...]) -> int:
    return 256 + sum(80 + len(name) for name in names)


def _trace_size(found: TraceSpans | None) -> int:
    """About 2 KiB a span: its attributes, and its part of its process's."""
    return 256 + 2048 * len(found.spans) if found is not None else 256

"""Traces of the whole fleet; one that crosses clusters is one.

Every chosen cluster that keeps traces is asked; what they have of one trace is united here. Spans
of clusters that the caller may not see are left out, whoever's store they lie in (`trace_scope`).
Names are in `trace_names`, what is normal for an operation in `trace_normal`, the pure parts in
`analysis`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from aiops_mcp.analysis.traces_assembly import assemble
from aiops_mcp.analysis.traces_groups import UnitedHit, unite
from aiops_mcp.errors import BackendError, InputError, TempoNotAvailable, TraceNotFound
from aiops_mcp.fleet.access import Access, address
from aiops_mcp.fleet.answer import FleetAnswer
from aiops_mcp.fleet.fleet import CacheRule, Fleet, Question
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.fleet.trace_found import FleetTrace, FoundTraces
from aiops_mcp.fleet.trace_scope import seen_hit, visible_spans
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal
from aiops_mcp.models.spans import SearchHits, SpanRecord, TraceSearch, TraceSpans
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


class FleetTraces:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self.settings = settings
        self.clock = clock

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

        answer = await self._search(search, selection, principal, progress)
        hits = _united(answer)
        clusters = {one.cluster.name: one.cluster for one in answer.succeeded()}
        if await self.hidden_from(principal):
            found = await self._read(hits[: search.limit], principal)
            hits = [hit for one in found if (hit := seen_hit(one, search)) is not None]
            clusters |= {each.home.name: each.home for each in found}
        return FoundTraces(
            hits=tuple(hits),
            clusters=clusters,
            coverage=answer.coverage(),
            asked_at=answer.asked_at,
            cut=tuple(
                one.cluster.name for one in answer.succeeded() if one.value and one.value.more
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
        hidden = await self.hidden_from(principal)
        stores: dict[str, Cluster] = {}
        spans: dict[str, Sequence[SpanRecord]] = {}
        partial: list[str] = []
        broken = unseen = 0
        for one in answer.succeeded():
            if one.value is None:
                continue
            name = one.cluster.name
            seen = visible_spans(one.value.spans, name, hidden)
            unseen += len(one.value.spans) - len(seen)
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
        ran_in = frozenset(trace.clusters)
        registered = (await self._fleet.choose((), principal)).all
        return FleetTrace(
            trace,
            stores,
            {**stores, **{each.name: each for each in registered if each.name in ran_in}},
            answer.coverage(),
            answer.asked_at,
            tuple(partial),
            broken,
            is_whole=not unseen,
        )

    async def sample(
        self, search: TraceSearch, *, selection: Sequence[str], principal: Principal
    ) -> list[FleetTrace]:
        """The newest ``search.limit`` traces themselves, as far as the caller may see them."""
        answer = await self._search(search, selection, principal, no_progress)
        return await self._read(_united(answer)[: search.limit], principal)

    async def hidden_from(self, principal: Principal) -> frozenset[str]:
        """Registered clusters that the caller may not see."""
        if principal.clusters is None:
            return frozenset()
        every = await self._fleet.choose((), LOCAL_ADMIN)
        return frozenset(one.name for one in every.all if not principal.sees(one.name))

    # --- asking ---------------------------------------------------------------------------

    async def _search(
        self,
        search: TraceSearch,
        selection: Sequence[str],
        principal: Principal,
        progress: Progress,
    ) -> FleetAnswer[SearchHits]:
        async def ask(client: "TraceClient") -> SearchHits:
            return await client.search(search)

        rule = CacheRule(("search", search), self.settings.ttl_trace_search, _hits_size)
        return await self.ask_stores(selection, principal, ask, rule, progress)

    async def ask_stores(
        self,
        selection: Sequence[str],
        principal: Principal,
        question: "Callable[[TraceClient], Awaitable[T]]",
        rule: CacheRule[T],
        progress: Progress,
    ) -> FleetAnswer[T]:
        """Put one question to the store of every chosen cluster. Raises as `search`."""

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
        if self.clock().timestamp() - ended < COMPLETE_AFTER.total_seconds():
            return found

        async def known() -> TraceSpans:
            return found

        return await cache.get(key, known, ttl=self.settings.ttl_traces, size=_trace_size)

    async def _read(self, hits: Sequence[UnitedHit], principal: Principal) -> list[FleetTrace]:
        """The traces themselves, which alone tell where their spans ran; without those gone."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(hit: UnitedHit) -> FleetTrace | None:
            async with places:
                try:
                    return await self.trace(
                        hit.hit.trace_id, selection=hit.clusters, principal=principal
                    )
                except (BackendError, TraceNotFound):
                    return None

        told = await asyncio.gather(*(one(hit) for hit in hits))
        return [found for found in told if found is not None]


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


def _united(answer: FleetAnswer[SearchHits]) -> list[UnitedHit]:
    return unite({one.cluster.name: one.value.hits for one in answer.succeeded() if one.value})


def _hits_size(found: SearchHits) -> int:
    return 256 + 500 * len(found.hits)


def _trace_size(found: TraceSpans | None) -> int:
    """About 2 KiB a span: its attributes, and its part of its process's."""
    return 256 + 2048 * len(found.spans) if found is not None else 256

"""Logs of the whole fleet: Loki where a cluster has one, pod logs where it has none.

A query is parsed and its cost judged before anybody is asked. Merging is in `log_merge`, the live
tail in `log_tail`. Knows no surface.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

from aiops_mcp.errors import (
    BackendMisbehaved,
    BackendRefused,
    InputError,
    LokiNotAvailable,
    QueryTimeout,
)
from aiops_mcp.fleet import log_cost
from aiops_mcp.fleet.access import Access, BackendMissing, address
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.log_answer import LogAsked, log_answer, names_answer, source_of
from aiops_mcp.fleet.log_labels import real_name, translate
from aiops_mcp.fleet.log_loki import (
    LogsTold,
    Wanted,
    loki_bytes,
    loki_lines,
    loki_names,
    loki_series,
)
from aiops_mcp.fleet.log_merge import ALL_SHOWN, Place, read_place
from aiops_mcp.fleet.log_pod_names import POD_LABELS, pod_label_values
from aiops_mcp.fleet.log_pods import Bounds, PodQuery, check_pods_can, pod_lines
from aiops_mcp.fleet.log_tail import TailWanted, tail
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.logql import LogQuery, parse, to_text
from aiops_mcp.logql import selectors as selectors_of
from aiops_mcp.models.logs import LogAnswer, LogDirection, LogNames, LogSource, TailItem
from aiops_mcp.models.nanoseconds import SECOND, to_ns
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings

MAX_LIMIT = 5000
BACKEND = "logs"
DEFAULT_SECONDS = 3600.0
LABELS_SECONDS = 6 * 3600.0
BACKLOG_SECONDS = 300.0
"""How old the lines may be with which a live tail begins."""

ESTIMATES = "log sizes"
"""A breaker of their own: they are given little time, and to be late with one is not to be ill."""
ESTIMATE_SHARE = 0.25
"""Of the time a cluster has, what estimating bytes may take before the query itself."""


@dataclass(frozen=True, slots=True)
class LogRange:
    """What is asked for; times are nanoseconds, ``step`` (of a metric) seconds.

    Without ``start`` a metric query is asked at one moment, a log query over the last hour.
    """

    start: int | None = None
    end: int | None = None
    step: float | None = None
    limit: int = 100
    direction: LogDirection = LogDirection.BACKWARD
    tenant: str | None = None
    cursor: str | None = None


class FleetLogs:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

    async def query(
        self,
        query: str,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        within: LogRange = LogRange(),
        timeout: float | None = None,
        progress: Progress = no_progress,
    ) -> LogAnswer:
        """Lines of the chosen clusters merged by time, or the series of a metric query.

        Raises:
            InvalidLogql: with the position; InputError: a range or cursor that cannot be;
            QueryTooExpensive; ClusterNotFound; LokiNotAvailable: no cluster asked has what the
            query needs; and the failure when no cluster answered.
        """
        question = log_cost.read_question(query)
        span = log_cost.span_of(within.start, within.end, self._clock(), default=DEFAULT_SECONDS)
        is_instant = question.is_metric and within.start is None and within.step is None
        judged = log_cost.Span(span.end - 1, span.end, span.now) if is_instant else span
        log_cost.check(question, judged, self._settings)
        began = asyncio.get_running_loop().time()
        chosen = await self._fleet.choose(selection, principal)
        await self._judge(question, judged, chosen, within.tenant, began)
        step, notes = log_cost.step_of(within.step, span)
        after = read_place(within.cursor) if within.cursor else None
        wanted = _wanted(question.text, span, within, after)

        unable: list[LokiNotAvailable] = []

        async def ask(access: Access) -> LogsTold:
            if source_of(access.cluster) is LogSource.LOKI:
                client = await access.loki()
                said = translate(question.node, await self._labels_of(access, within.tenant))
                here = replace(wanted, query=to_text(said.query)) if said.remarks else wanted
                if question.is_metric:
                    told = await loki_series(client, here, None if is_instant else step, timeout)
                    return replace(told, series=said.back(told.series), remarks=said.remarks)
                return replace(await loki_lines(client, here, timeout), remarks=said.remarks)
            try:
                return await self._from_pods(access, question, wanted, span.now)
            except LokiNotAvailable as error:
                unable.append(error)
                stage = str(error.details.get("stage", ""))[:40]
                raise BackendMissing(access.cluster.name, f"Loki for {stage}") from error

        answer = await self._fleet.ask_chosen(
            chosen, ask, backend=BACKEND, deadline=timeout, progress=progress, began=began
        )
        if unable and not answer.succeeded() and not answer.failed():
            raise unable[0]
        answer.raise_if_nobody_answered()
        asked = LogAsked(
            question,
            span,
            within.limit,
            within.direction,
            after,
            None if is_instant else step,
            notes,
        )
        return log_answer(answer, asked)

    async def check(
        self,
        query: str,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        within: LogRange,
    ) -> None:
        """Judge a query that will be asked in parts as if it were asked at once. Asks no lines.

        Raises:
            As `query`; InputError: a metric query, which has no lines.
        """
        question = log_cost.read_question(query)
        if question.is_metric:
            raise InputError(
                "A metric query has no lines to find patterns in.",
                "Give its selector alone, with the filters that it has.",
                details={"field": "query"},
            )
        span = log_cost.span_of(within.start, within.end, self._clock(), default=DEFAULT_SECONDS)
        log_cost.check(question, span, self._settings)
        began = asyncio.get_running_loop().time()
        chosen = await self._fleet.choose(selection, principal)
        await self._judge(question, span, chosen, within.tenant, began)

    async def _from_pods(
        self, access: Access, question: log_cost.LogQuestion, wanted: Wanted, now: int
    ) -> LogsTold:
        """Raises LokiNotAvailable where pods cannot answer."""
        name = access.cluster.name
        query = PodQuery(check_pods_can(question.node, name), name)
        bounds = Bounds(self._settings.log_max_pods, self._settings.log_pod_bytes)
        return await pod_lines(await access.kubernetes(), query, wanted, bounds, now)

    async def labels(
        self,
        label: str | None = None,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        query: str | None = None,
        within: LogRange = LogRange(),
        progress: Progress = no_progress,
    ) -> LogNames:
        """Names of labels, or the values of ``label``, over the last six hours by default.

        ``query`` is a selector that the streams must fit. Raises as `query`.
        """
        if query is not None:
            log_cost.read_question(query)
        span = log_cost.span_of(within.start, within.end, self._clock(), default=LABELS_SECONDS)

        async def ask(access: Access) -> tuple[tuple[str, ...], list[str]]:
            if source_of(access.cluster) is LogSource.LOKI:
                known = await self._labels_of(access, within.tenant) if label or query else ()
                selector = translate(parse(query), frozenset(known)).query if query else None
                return await loki_names(
                    await access.loki(),
                    label and real_name(label, known),
                    start=span.start,
                    end=span.end,
                    query=None if selector is None else to_text(selector),
                    tenant=within.tenant,
                )
            if label is None:
                return POD_LABELS, []
            return await pod_label_values(await access.kubernetes(), label, query, access.cluster)

        recent = within.start is None and within.end is None
        # Callers a moment apart share an answer about "the last six hours".
        times = () if recent else (span.start, span.end)
        answer = await self._fleet.ask(
            selection,
            ask,
            principal=principal,
            backend=BACKEND,
            cache=CacheRule(
                ("log labels", label, query, within.tenant, *times), self._settings.ttl_labels
            ),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        return names_answer(answer)

    async def tail(
        self,
        query: str,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        start: int | None = None,
        backlog: int = 10,
        tenant: str | None = None,
    ) -> AsyncGenerator[TailItem]:
        """New lines of the chosen clusters as they come, from ``start`` (nanoseconds) or now on.

        ``backlog`` lines of before come first: since ``start``, or of the last minutes.

        Clusters that are known to be away are followed too, once they are back. Ends only when
        every cluster has refused the query.

        Raises:
            InvalidLogql, QueryTooExpensive, ClusterNotFound; InputError: a metric query.
        """
        question = log_cost.read_question(query)
        if not isinstance(question.node, LogQuery):
            raise InputError(
                "A metric query cannot be followed, only lines can.",
                "Follow the selector alone, or ask the metric again and again.",
                details={"field": "query"},
            )
        log_cost.check_selectors(question, 0.0, self._settings)
        chosen = await self._fleet.choose(selection, principal)
        wanted = TailWanted(
            question.text,
            question.node,
            self._since(backlog) if start is None else start,
            backlog,
            tenant,
            self._settings.log_max_pods,
        )
        accesses = [self._fleet.clients.access(cluster) for cluster in chosen.all]

        async def words(access: Access) -> str:
            said = translate(wanted.node, await self._labels_of(access, tenant))
            return to_text(said.query) if said.remarks else wanted.query

        items = tail(accesses, wanted, words=words, most_waiting=self._settings.log_tail_queue)
        async with aclosing(items):
            async for item in items:
                yield item

    def _since(self, backlog: int) -> int:
        """Where a tail begins that names no start: now, or as early as lines of before may be."""
        return to_ns(self._clock()) - (int(BACKLOG_SECONDS * SECOND) if backlog else 0)

    async def _labels_of(self, access: Access, tenant: str | None) -> frozenset[str]:
        """The names of a Loki's labels; none where it does not say, and nothing is translated."""
        end = to_ns(self._clock())

        async def load() -> frozenset[str]:
            client = await access.loki()
            start = end - int(LABELS_SECONDS * SECOND)
            names, _ = await loki_names(
                client, None, start=start, end=end, query=None, tenant=tenant
            )
            return frozenset(names)

        try:
            return await self._fleet.cache.get(
                (access.cluster.id.int, address(access.cluster), BACKEND, "label names", tenant),
                load,
                ttl=self._settings.ttl_labels,
                size=lambda names: 100 * len(names),
            )
        except (BackendRefused, BackendMisbehaved, QueryTimeout):
            return frozenset()

    async def _judge(
        self,
        question: log_cost.LogQuestion,
        span: log_cost.Span,
        chosen: Selection,
        tenant: str | None,
        began: float,
    ) -> None:
        """Refuse what the indexes say is too much; a cluster that does not say counts nothing.

        Raises:
            QueryTooExpensive: with the time that may be asked instead.
            LokiNotAvailable: a metric query, and no cluster chosen has a Loki.
        """
        lokis = Selection(tuple(c for c in chosen.asked if source_of(c) is LogSource.LOKI))
        if question.is_metric and chosen.asked and not lokis.asked:
            raise LokiNotAvailable(
                "A metric query over logs needs a Loki, and none of the clusters asked has one.",
                "Ask for the lines themselves, or set loki_url with update_cluster.",
            )
        start = span.start - question.looks_back
        # To the minute, so that callers a moment apart share the estimate.
        key = (question.text, tenant, start // (60 * SECOND), span.end // (60 * SECOND))

        async def ask(access: Access) -> int:
            said = translate(question.node, await self._labels_of(access, tenant)).query
            selectors = dict.fromkeys(to_text(use.selector) for use in selectors_of(said))
            return await loki_bytes(await access.loki(), tuple(selectors), start, span.end, tenant)

        patience = min(self._settings.check_timeout.values())
        answer = await self._fleet.ask_chosen(
            lokis,
            ask,
            backend=ESTIMATES,
            deadline=patience * ESTIMATE_SHARE,
            cache=CacheRule(("log bytes", *key), self._settings.ttl_range_query_short),
            began=began,
        )
        sizes = {one.cluster.name: one.value or 0 for one in answer.succeeded()}
        log_cost.check_bytes(question, span, sizes, self._settings)


def _wanted(query: str, span: log_cost.Span, within: LogRange, after: Place | None) -> Wanted:
    """What each cluster is asked: one line more than the limit, from where a page ended."""
    start, end, shown = span.start, span.end, 0
    if after is not None:
        # More equal times than can be asked for at once are stepped past.
        step_past = after.shown >= ALL_SHOWN - 1
        shown = 0 if step_past else after.shown
        if within.direction is LogDirection.BACKWARD:
            end = min(end, after.ns + (0 if step_past else 1))
        else:
            start = max(start, after.ns + (1 if step_past else 0))
    count = min(within.limit + 1 + shown, MAX_LIMIT)
    return Wanted(query, start, end, count, within.direction, within.tenant)

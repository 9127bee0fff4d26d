"""Prometheus over the fleet: PromQL asked of many clusters, answers laid side by side or combined.

A query is parsed before anybody is asked, its cost judged, and its aggregation over clusters
planned by `pushdown`. Caching and partial answers are those of `Fleet.ask`. Knows no surface.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiops_mcp.errors import InputError
from aiops_mcp.fleet import cost, pushdown
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.metric_answer import Asked, build_answer
from aiops_mcp.fleet.metric_names import PROMETHEUS, MetricNames
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.fleet.told import Results, Told, last_seen_codec, question_key, size_of
from aiops_mcp.models.metrics import Aggregation, MetricAnswer
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.promql import parse, tree
from aiops_mcp.settings import Settings

if TYPE_CHECKING:
    from aiops_mcp.backends.prometheus import PrometheusAnswer

MAX_TIMEOUT_SECONDS = 300.0
COUNT_SHARE = 0.25
"""Of the time a cluster has, what counting series may take before the query itself."""


@dataclass(frozen=True, slots=True)
class _Question:
    """One federated query, ready to be asked."""

    text: str
    node: tree.Node
    aggregation: Aggregation
    plan: pushdown.Plan
    timeout: float | None
    progress: Progress


class FleetMetrics:
    """PromQL over the fleet; ``names`` tells what there is to ask. ``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock
        self.names = MetricNames(fleet, settings)

    async def query(
        self,
        query: str,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        time: datetime | None = None,
        aggregation: Aggregation = Aggregation.MERGE,
        timeout: float | None = None,
        progress: Progress = no_progress,
    ) -> MetricAnswer:
        """One instant; without ``time`` that is now, and callers a moment apart share answers.

        ``timeout`` (seconds, up to 300) takes the place of each cluster's own deadline.

        Raises:
            InvalidPromql: with the position; InputError: an aggregation that would be wrong;
            QueryTooExpensive; ClusterNotFound; and the failure when no cluster answered.
        """
        question = self._question(query, aggregation, timeout, progress)
        now, time = self._clock(), _utc(time)
        began = asyncio.get_running_loop().time()
        chosen = await self._fleet.choose(selection, principal)
        moment = now if time is None else time
        self._check_moment(moment, now)
        await self._judge(question, cost.Grid(0, 0, 1), chosen, began, moment)
        keeps = question.aggregation is Aggregation.MERGE and time is None
        key = ("instant", *question.plan.queries, time)

        async def ask(access: Access) -> Results:
            client = await access.prometheus()
            at = None if time is None else time.timestamp()
            return await _all_told(
                [client.query(text, time=at, timeout=timeout) for text in question.plan.queries]
            )

        answer = await self._fleet.ask_chosen(
            chosen,
            ask,
            backend=PROMETHEUS,
            deadline=timeout,
            cache=CacheRule(key, self._settings.ttl_instant_query, size_of),
            keep_last_seen=last_seen_codec(question_key(*key)) if keeps else None,
            progress=progress,
            began=began,
        )
        answer.raise_if_nobody_answered()
        return build_answer(answer, Asked(query, aggregation, question.plan, moment))

    async def query_range(
        self,
        query: str,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        start: datetime | None = None,
        end: datetime | None = None,
        step: str | float | None = None,
        aggregation: Aggregation = Aggregation.MERGE,
        timeout: float | None = None,
        progress: Progress = no_progress,
    ) -> MetricAnswer:
        """A range, by default the last hour at a minute's step; see `cost.grid`.

        ``step_seconds`` of the answer may be coarser than asked; a warning then says so. Raises
        as `query`, and InputError for a range or step that cannot be.
        """
        question = self._question(query, aggregation, timeout, progress)
        if tree.result_type(question.node) not in ("vector", "scalar"):
            raise InputError(
                "A range query needs an expression that gives one value at a time.",
                "Wrap the range in a function, such as rate(...[5m]).",
                details={"field": "query"},
            )
        began = asyncio.get_running_loop().time()
        grid = cost.grid(_utc(start), _utc(end), cost.read_step(step), now=self._clock())
        chosen = await self._fleet.choose(selection, principal)
        at = datetime.fromtimestamp(grid.end, UTC)
        grid = await self._judge(question, grid, chosen, began, at)
        length = grid.end - grid.start
        keeps = question.aggregation is Aggregation.MERGE and grid.follows_now

        async def ask(access: Access) -> Results:
            client = await access.prometheus()
            return await _all_told(
                [
                    client.query_range(
                        text, start=grid.start, end=grid.end, step=grid.step, timeout=timeout
                    )
                    for text in question.plan.queries
                ]
            )

        settings = self._settings
        ttl = settings.ttl_range_query_long if length > 3600 else settings.ttl_range_query_short
        key = ("range", *question.plan.queries, grid.start, grid.end, grid.step)
        seen_key = question_key("range", question.plan.queries, round(length), grid.step)
        answer = await self._fleet.ask_chosen(
            chosen,
            ask,
            backend=PROMETHEUS,
            deadline=timeout,
            cache=CacheRule(key, ttl, size_of),
            keep_last_seen=last_seen_codec(seen_key) if keeps else None,
            progress=progress,
            began=began,
        )
        answer.raise_if_nobody_answered()
        return build_answer(answer, Asked(query, aggregation, question.plan, at, grid))

    def _question(
        self, query: str, aggregation: Aggregation, timeout: float | None, progress: Progress
    ) -> _Question:
        if timeout is not None and not 0 < timeout <= MAX_TIMEOUT_SECONDS:
            raise InputError(
                f"timeout is {timeout:g} s; it must be over 0 and at most {MAX_TIMEOUT_SECONDS:g}.",
                "Leave it out to wait as long as each cluster's type suggests.",
                details={"field": "timeout"},
            )
        node = parse(query)
        plan = pushdown.plan(node, aggregation)
        if aggregation is Aggregation.MERGE:
            # What the clusters see is what was written, not our printing of it.
            plan = replace(plan, queries=(query.strip(),))
        return _Question(query, node, aggregation, plan, timeout, progress)

    def _check_moment(self, moment: datetime, now: datetime) -> None:
        cost.check_moment(moment.timestamp(), "time")
        if (moment - now).total_seconds() > cost.CLOCK_SLACK_SECONDS:
            raise InputError(
                "The time lies in the future.", "Leave it out to ask for now.",
                details={"field": "time"},
            )  # fmt: skip

    async def _judge(
        self,
        question: _Question,
        grid: cost.Grid,
        chosen: Selection,
        began: float,
        moment: datetime,
    ) -> cost.Grid:
        """The grid that the answer's size allows, after counting series where that decides."""
        clusters = len(chosen.asked)
        most = self._settings.max_points
        known = cost.known_series(question.node)
        if known is not None:
            return cost.fit(
                grid, known * clusters, clusters=clusters, max_points=most, query=question.text
            )
        if not cost.needs_count(
            question.node, steps=grid.points, clusters=clusters, max_points=most
        ):
            return grid
        series = await self._count(question, chosen, began, moment)
        return cost.fit(grid, series, clusters=clusters, max_points=most, query=question.text)

    async def _count(
        self, question: _Question, chosen: Selection, began: float, moment: datetime
    ) -> int:
        """Series over all clusters at one moment; a cluster that does not say counts as none."""
        text = cost.count_query(question.plan.queries)
        at = moment.timestamp()

        async def ask(access: Access) -> float:
            answer = await (await access.prometheus()).query(text, time=at)
            return sum(float(series.values[-1][1]) for series in answer.series)

        patience = question.timeout or min(self._settings.check_timeout.values())
        answer = await self._fleet.ask_chosen(
            chosen,
            ask,
            backend=PROMETHEUS,
            deadline=patience * COUNT_SHARE,
            cache=CacheRule(("count", text), self._settings.ttl_labels, lambda _: 128),
            began=began,
        )
        return round(sum(one.value or 0.0 for one in answer.succeeded()))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


async def _all_told(queries: "Sequence[Coroutine[Any, Any, PrometheusAnswer]]") -> Results:
    """Results of a plan's queries; the usual single one is awaited without a task of its own."""
    if len(queries) == 1:
        return (_told(await queries[0]),)
    return tuple(_told(answer) for answer in await asyncio.gather(*queries))


def _told(answer: "PrometheusAnswer") -> Told:
    return Told(answer.result_type, answer.series, answer.warnings, answer.infos)

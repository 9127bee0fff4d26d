"""From the clusters' answers to the one that the caller gets: results, coverage, warnings. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiops_mcp.fleet.answer import ClusterAnswer, FleetAnswer
from aiops_mcp.fleet.cost import Grid
from aiops_mcp.fleet.merge import combine
from aiops_mcp.fleet.pushdown import Plan
from aiops_mcp.fleet.told import Results
from aiops_mcp.models.coverage import AnswerStatus, Coverage
from aiops_mcp.models.metrics import Aggregation, MetricAnswer, MetricResult, ResultType

PARTIAL_RESULTS = "PARTIAL_RESULTS"
FLEET_NAME = "fleet"
"""The cluster name of a result that is combined over clusters."""

MAX_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: ``end`` is the instant, or the end of ``grid``."""

    query: str
    aggregation: Aggregation
    plan: Plan
    end: datetime
    grid: Grid | None = None


def build_answer(answer: FleetAnswer[Results], asked: Asked) -> MetricAnswer:
    """Lay the clusters' results side by side, or combine them, with who is missing and why."""
    coverage = answer.coverage()
    if asked.aggregation is Aggregation.MERGE:
        results = [_cluster_result(one) for one in answer.answers if one.skipped is None]
    else:
        failed = [_cluster_result(one) for one in answer.failed()]
        results = [_combined(answer, asked, partial=bool(failed)), *failed]
    grid = asked.grid
    return MetricAnswer.model_construct(
        results=tuple(results),
        total_query_time_ms=round(answer.elapsed_ms, 3),
        clusters_queried=coverage.queried,
        clusters_succeeded=coverage.succeeded,
        warnings=_warnings(answer, asked, coverage),
        coverage=coverage,
        query=asked.query,
        aggregation=asked.aggregation,
        start_time=None if grid is None else datetime.fromtimestamp(grid.start, UTC),
        end_time=asked.end,
        step_seconds=None if grid is None else grid.step,
    )


def _cluster_result(answer: ClusterAnswer[Results]) -> MetricResult:
    told = answer.value[0] if answer.value else None
    status = answer.status
    if told is not None and status is AnswerStatus.SUCCESS and told.is_partial:
        status = AnswerStatus.PARTIAL
    return MetricResult.model_construct(
        cluster_id=answer.cluster.id,
        cluster_name=answer.cluster.name,
        status=status,
        result_type=None if told is None else told.result_type,
        data=() if told is None else told.series,
        error=None if answer.error is None else str(answer.error),
        query_time_ms=round(answer.elapsed_ms, 3),
    )


def _combined(answer: FleetAnswer[Results], asked: Asked, *, partial: bool) -> MetricResult:
    values = [one.value for one in answer.succeeded() if one.value is not None]
    at = asked.end.timestamp() if asked.grid is None else None
    data = combine(
        asked.plan.combining,
        [[told.series for told in results] for results in values],
        at=at,
    )
    incomplete = partial or any(told.is_partial for results in values for told in results)
    return MetricResult.model_construct(
        cluster_id=None,
        cluster_name=FLEET_NAME,
        status=AnswerStatus.PARTIAL if incomplete else AnswerStatus.SUCCESS,
        result_type=ResultType.VECTOR if asked.grid is None else ResultType.MATRIX,
        data=data,
        error=None,
        query_time_ms=round(answer.elapsed_ms, 3),
    )


def _warnings(answer: FleetAnswer[Results], asked: Asked, coverage: Coverage) -> tuple[str, ...]:
    backends = _backend_warnings(answer.succeeded())
    partial = bool(coverage.failures) or any(
        told.is_partial for one in answer.succeeded() for told in one.value or ()
    )
    notes = [
        *([PARTIAL_RESULTS] if partial else []),
        *(asked.grid.notes if asked.grid is not None else ()),
        *asked.plan.notes,
        *(
            f"{stale.cluster_name} is away; its answer is of {stale.as_of:%Y-%m-%dT%H:%M:%SZ}"
            for stale in coverage.stale
        ),
        *backends[:MAX_WARNINGS],
    ]
    if len(backends) > MAX_WARNINGS:
        notes.append(f"and {len(backends) - MAX_WARNINGS} more warnings")
    return tuple(notes)


def _backend_warnings(answers: Sequence[ClusterAnswer[Results]]) -> list[str]:
    """Each remark once, with the clusters that made it."""
    clusters: dict[str, list[str]] = {}
    for one in answers:
        for told in one.value or ():
            for text in (*told.warnings, *told.infos):
                names = clusters.setdefault(text, [])
                if one.cluster.name not in names:
                    names.append(one.cluster.name)
    return [f"{_names(names)}: {text}" for text, names in clusters.items()]


def _names(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"

"""From the clusters' lines and series to the answer that the caller gets. Pure."""

from collections import Counter
from dataclasses import dataclass

from aiops_mcp.fleet.answer import ClusterAnswer, FleetAnswer
from aiops_mcp.fleet.log_cost import LogQuestion, Span
from aiops_mcp.fleet.log_loki import LogsTold
from aiops_mcp.fleet.log_merge import Place, merge
from aiops_mcp.fleet.metric_answer import PARTIAL_RESULTS
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import AnswerStatus, Coverage
from aiops_mcp.models.logs import LogAnswer, LogDirection, LogNames, LogResult, LogSource
from aiops_mcp.models.metrics import MetricAnswer, MetricResult, ResultType
from aiops_mcp.models.nanoseconds import to_datetime

MAX_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class LogAsked:
    """What was asked: over ``span``, ``step`` seconds apart where it is a metric's range."""

    question: LogQuestion
    span: Span
    limit: int
    direction: LogDirection
    after: Place | None
    step: float | None
    notes: tuple[str, ...] = ()


def log_answer(answer: FleetAnswer[LogsTold], asked: LogAsked) -> LogAnswer:
    """Lines of all clusters in one order, or their series side by side, and who is missing."""
    told = [(one.cluster, one.value) for one in answer.succeeded() if one.value is not None]
    merged = merge(
        [(cluster, value.lines) for cluster, value in told],
        limit=asked.limit,
        direction=asked.direction,
        after=asked.after,
    )
    coverage = answer.coverage()
    warnings = _warnings(answer, coverage, asked)
    shown = Counter(entry.cluster_name for entry in merged.entries)
    return LogAnswer(
        query=asked.question.text,
        direction=asked.direction,
        limit=asked.limit,
        start_time=asked.span.start,
        end_time=asked.span.end,
        entries=merged.entries,
        metric=_metric(answer, asked, coverage, warnings) if asked.question.is_metric else None,
        results=tuple(
            _result(one, shown[one.cluster.name]) for one in answer.answers if one.skipped is None
        ),
        truncated=merged.more,
        cursor=merged.cursor.text() if merged.cursor else None,
        duplicates_folded=merged.folded,
        total_query_time_ms=round(answer.elapsed_ms, 3),
        warnings=warnings,
        coverage=coverage,
    )


def names_answer(answer: FleetAnswer[tuple[tuple[str, ...], list[str]]]) -> LogNames:
    """Each name once, with the number of clusters that have it."""
    counts: Counter[str] = Counter()
    warnings: list[str] = []
    for one in answer.succeeded():
        names, said = one.value or ((), [])
        counts.update(names)
        warnings += [f"{one.cluster.name}: {text}" for text in said]
    coverage = answer.coverage()
    return LogNames(
        names=tuple(sorted(counts)),
        clusters=dict(sorted(counts.items())),
        coverage=coverage,
        warnings=(*([PARTIAL_RESULTS] if coverage.failures else []), *warnings[:MAX_WARNINGS]),
    )


def source_of(cluster: Cluster) -> LogSource:
    """Where a cluster's lines come from."""
    return LogSource.PODS if cluster.endpoints.loki_url is None else LogSource.LOKI


def _result(one: ClusterAnswer[LogsTold], shown: int) -> LogResult:
    told = one.value
    status = one.status
    if told is not None and told.warnings and status is AnswerStatus.SUCCESS:
        status = AnswerStatus.PARTIAL
    return LogResult(
        cluster_id=one.cluster.id,
        cluster_name=one.cluster.name,
        status=status,
        source=told.source if told is not None else source_of(one.cluster),
        lines=shown,
        truncated=told is not None and told.lines.truncated,
        error=None if one.error is None else str(one.error),
        warnings=told.warnings if told is not None else (),
        query_time_ms=round(one.elapsed_ms, 3),
    )


def _metric(
    answer: FleetAnswer[LogsTold], asked: LogAsked, coverage: Coverage, warnings: tuple[str, ...]
) -> MetricAnswer:
    results = tuple(_metric_result(one) for one in answer.answers if one.skipped is None)
    is_range = asked.step is not None
    return MetricAnswer(
        results=results,
        total_query_time_ms=round(answer.elapsed_ms, 3),
        clusters_queried=coverage.queried,
        clusters_succeeded=coverage.succeeded,
        warnings=warnings,
        coverage=coverage,
        query=asked.question.text,
        start_time=to_datetime(asked.span.start) if is_range else None,
        end_time=to_datetime(asked.span.end),
        step_seconds=asked.step,
    )


def _metric_result(one: ClusterAnswer[LogsTold]) -> MetricResult:
    told = one.value
    return MetricResult(
        cluster_id=one.cluster.id,
        cluster_name=one.cluster.name,
        status=one.status,
        result_type=(told.result_type or ResultType.VECTOR) if told is not None else None,
        data=told.series if told is not None else (),
        error=None if one.error is None else str(one.error),
        query_time_ms=round(one.elapsed_ms, 3),
    )


def _warnings(
    answer: FleetAnswer[LogsTold], coverage: Coverage, asked: LogAsked
) -> tuple[str, ...]:
    told = [(one.cluster.name, one.value) for one in answer.succeeded() if one.value is not None]
    said = [f"{name}: {text}" for name, value in told for text in value.warnings]
    by_remark: dict[str, list[str]] = {}
    for name, value in told:
        for text in value.remarks:
            by_remark.setdefault(text, []).append(name)
    said += [f"{', '.join(names)}: {text}" for text, names in by_remark.items()]
    more = [f"and {len(said) - MAX_WARNINGS} more warnings"] if len(said) > MAX_WARNINGS else []
    partial = [PARTIAL_RESULTS] if coverage.failures else []
    return (*partial, *asked.notes, *said[:MAX_WARNINGS], *more)

"""Metrics: what a federated PromQL query answers, per cluster and together."""

from enum import StrEnum
from uuid import UUID

from aiops_mcp.models.coverage import AnswerStatus, Coverage
from aiops_mcp.models.entity import Entity, Timestamp


class ResultType(StrEnum):
    MATRIX = "MATRIX"
    VECTOR = "VECTOR"
    SCALAR = "SCALAR"
    STRING = "STRING"


class Aggregation(StrEnum):
    """How answers of several clusters become one: laid side by side, or combined."""

    MERGE = "MERGE"
    SUM = "SUM"
    AVG = "AVG"
    MAX = "MAX"
    MIN = "MIN"


class Series(Entity):
    """One time series: its labels and ``[unix_seconds, "value"]`` points, oldest first."""

    metric: dict[str, str]
    values: tuple[tuple[float, str], ...]


class MetricResult(Entity):
    """What one cluster answered to a PromQL query."""

    cluster_id: UUID | None
    cluster_name: str
    status: AnswerStatus
    result_type: ResultType | None = None
    data: tuple[Series, ...] = ()
    error: str | None = None
    query_time_ms: float = 0.0


class MetricMetadata(Entity):
    """What a metric is: its type (counter, gauge, …), help text and unit."""

    name: str
    type: str = "unknown"
    help: str = ""
    unit: str = ""


class MetricAnswer(Entity):
    """A federated query's answer: one result per cluster, or one combined over all of them.

    ``warnings`` holds ``PARTIAL_RESULTS`` where some clusters failed, and the backends' own.
    ``step_seconds`` is set for ranges; it may be coarser than asked, and ``warnings`` then says so.
    """

    results: tuple[MetricResult, ...]
    total_query_time_ms: float
    clusters_queried: int
    clusters_succeeded: int
    warnings: tuple[str, ...] = ()
    coverage: Coverage
    query: str
    aggregation: Aggregation = Aggregation.MERGE
    start_time: Timestamp | None = None
    end_time: Timestamp
    step_seconds: float | None = None

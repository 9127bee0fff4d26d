"""Metrics: what a federated PromQL query answers, per cluster and together."""

from enum import StrEnum
from uuid import UUID

from aiops_mcp.models.coverage import AnswerStatus
from aiops_mcp.models.entity import Entity


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

"""Logs: lines of many clusters in one order, and what a federated LogQL query answers."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.coverage import AnswerStatus, Coverage
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.metrics import MetricAnswer
from aiops_mcp.models.nanoseconds import Nanoseconds


class LogDirection(StrEnum):
    """Oldest first, or newest first."""

    FORWARD = "FORWARD"
    BACKWARD = "BACKWARD"


class LogSource(StrEnum):
    """Where a cluster's lines come from: its Loki, or the Kubernetes API's pod logs."""

    LOKI = "LOKI"
    PODS = "PODS"


class LogEntry(Entity):
    """One line. ``stream`` are its labels, ``metadata`` what its store knows of this line alone.

    ``copies`` counts how often exactly this line stood in the cluster (replicas of a collector).
    """

    cluster_id: UUID
    cluster_name: str
    timestamp: Nanoseconds
    stream: dict[str, str]
    message: str
    metadata: dict[str, str] = Field(default_factory=dict)
    copies: int = 1


class LogResult(Entity):
    """What one cluster gave to the answer; ``truncated`` says that it has more lines."""

    cluster_id: UUID
    cluster_name: str
    status: AnswerStatus
    source: LogSource
    lines: int = 0
    truncated: bool = False
    error: str | None = None
    warnings: tuple[str, ...] = ()
    query_time_ms: float = 0.0


class LogAnswer(Entity):
    """A federated LogQL query's answer: lines merged by time, or a metric's series.

    ``truncated`` is known, not guessed: one line more than the limit was asked for. ``cursor``
    then continues. ``metric`` holds the answer of a metric query (``rate(…)``), which has no lines.
    """

    query: str
    direction: LogDirection
    limit: int
    start_time: Nanoseconds
    end_time: Nanoseconds
    entries: tuple[LogEntry, ...] = ()
    metric: MetricAnswer | None = None
    results: tuple[LogResult, ...] = ()
    truncated: bool = False
    cursor: str | None = None
    duplicates_folded: int = 0
    total_query_time_ms: float
    warnings: tuple[str, ...] = ()
    coverage: Coverage


class LogNames(Entity):
    """Names of labels, or values of one, and in how many clusters each exists."""

    names: tuple[str, ...]
    clusters: dict[str, int]
    coverage: Coverage
    warnings: tuple[str, ...] = ()


class TailStatus(StrEnum):
    """How a live tail stands with one cluster; a FAILED one is not tried again."""

    FOLLOWING = "FOLLOWING"
    RETRYING = "RETRYING"
    FAILED = "FAILED"


class TailSource(Entity):
    """A cluster of a live tail: followed, lost for now, or given up."""

    cluster_id: UUID
    cluster_name: str
    source: LogSource
    status: TailStatus
    error: str | None = None


class TailLines(Entity):
    """Lines of a live tail that came since the last ones, oldest first."""

    entries: tuple[LogEntry, ...]


class TailDropped(Entity):
    """So many lines were left out of a live tail, because the reader or a Loki was too slow."""

    count: int


TailItem = TailLines | TailDropped | TailSource

"""What a report is made of: answers of the fleet, and what did not answer. Plain data."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from aiops_mcp.models.alerts import Alert
from aiops_mcp.models.anomaly import AnomalyAnswer, ForecastAnswer
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.cnf import CnfWorkload, PtpStatus
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.findings import ChangeList, UnhealthyList
from aiops_mcp.models.gpu_health import GpuHealth, ModelServers, WasteReport
from aiops_mcp.models.metrics import MetricAnswer
from aiops_mcp.models.reports import NotAvailable, TimeRange
from aiops_mcp.models.rootcause import RCAResult
from aiops_mcp.models.triage import Triage


@dataclass(frozen=True, slots=True)
class Measure:
    """A chart of one PromQL; its series are named by the cluster, and by ``by`` where there are.

    ``share``: 0 to 1. ``limit``: where trouble begins. ``worst``: highest first matters most.
    """

    key: str
    title: str
    query: str
    share: bool = False
    limit: float | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    measure: Measure
    answer: MetricAnswer


@dataclass(frozen=True, slots=True)
class FailedTrace:
    """A request that failed."""

    trace_id: str
    at: datetime
    service: str
    operation: str
    duration_ms: float
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailedTraces:
    found: tuple[FailedTrace, ...]
    coverage: Coverage
    cut: bool


@dataclass(frozen=True, slots=True)
class Clocks:
    found: tuple[PtpStatus, ...]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class NetworkFunctions:
    found: tuple[CnfWorkload, ...]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Alerts:
    """``now``: those that fire; ``past``: all that fired in the period, at most so many."""

    now: tuple[Alert, ...]
    past: tuple[Alert, ...]
    past_total: int
    known_since: datetime | None
    coverage: Coverage


@dataclass(slots=True)
class Gathered:
    """``clusters`` are those that the report tells of. What is None was not asked or not told."""

    clusters: tuple[Cluster, ...]
    period: TimeRange
    now: datetime
    subject: str = ""
    """What an incident report is of, in words; empty for a window of time alone."""
    triage: Triage | None = None
    alerts: Alerts | None = None
    unhealthy: UnhealthyList | None = None
    changes: ChangeList | None = None
    gpu_health: GpuHealth | None = None
    gpu_waste: WasteReport | None = None
    model_servers: ModelServers | None = None
    clocks: Clocks | None = None
    functions: NetworkFunctions | None = None
    traces: FailedTraces | None = None
    anomalies: AnomalyAnswer | None = None
    forecast: ForecastAnswer | None = None
    causes: tuple[RCAResult, ...] = ()
    measured: dict[str, Measured] = field(default_factory=dict[str, Measured])
    is_now: bool = True
    """Whether the period ends about now, so that it tells how things are."""
    missing: list[NotAvailable] = field(default_factory=list[NotAvailable])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(cluster.name for cluster in self.clusters)

    def lacks(self, what: str, why: str) -> None:
        self.missing.append(NotAvailable(what=what, why=why))

    def count_failures(self, what: str, coverage: Coverage, notes: Iterable[str] = ()) -> None:
        """Note every cluster that did not answer a question, and what those that did could not."""
        for failure in coverage.failures:
            self.lacks(f"{what} of {failure.cluster_name}", f"{failure.code}: {failure.error}")
        for note in notes:
            self.lacks(what, note)

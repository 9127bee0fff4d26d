"""Anomalies, changes and what runs out: what a series does, and its own past does not explain."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp


class AnomalyType(StrEnum):
    SPIKE = "SPIKE"
    DROP = "DROP"
    TREND_CHANGE = "TREND_CHANGE"
    PATTERN_BREAK = "PATTERN_BREAK"
    THRESHOLD_BREACH = "THRESHOLD_BREACH"


class AnomalySeverity(StrEnum):
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class DetectionType(StrEnum):
    STATISTICAL = "STATISTICAL"
    ML_BASED = "ML_BASED"
    LLM_ASSISTED = "LLM_ASSISTED"


class Sensitivity(StrEnum):
    """How far from what is expected counts: fewer robust deviations find more, and more noise."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    EXTREME = "EXTREME"

    @property
    def deviations(self) -> float:
        return _DEVIATIONS[self]


_DEVIATIONS = {
    Sensitivity.LOW: 3.0,
    Sensitivity.MEDIUM: 2.5,
    Sensitivity.HIGH: 2.0,
    Sensitivity.EXTREME: 1.5,
}


class AnomalyDetection(Entity):
    """One event in one series of one cluster, or of all of them together (no cluster).

    ``detected_at`` is when it was judged; it goes on while ``ended_at`` is not set. ``deviation``
    counts robust deviations from what was expected, ``deviation_percent`` percent of it (none
    where nothing was expected). ``component`` names what the series is of, ``detail`` which part of
    it: a mount point, whom it calls.
    """

    id: UUID
    cluster_id: UUID | None
    cluster_name: str
    metric_name: str
    query: str
    labels: dict[str, str] = Field(default_factory=dict)
    component: str = ""
    detail: str = ""
    component_kind: str = ""
    unit: str = ""
    detection_type: DetectionType = DetectionType.STATISTICAL
    severity: AnomalySeverity
    confidence_score: float = Field(ge=0, le=1)
    anomaly_type: AnomalyType
    expected_value: float | None
    expected_low: float | None = None
    expected_high: float | None = None
    actual_value: float | None
    deviation: float | None = None
    deviation_percent: float | None
    explanation: str
    started_at: Timestamp
    ended_at: Timestamp | None = None
    detected_at: Timestamp
    related_alerts: tuple[str, ...] = ()


class AnomalyAnswer(Entity):
    """The anomalies of a window, worst first; ``notes`` tell what could not be judged, and why.

    ``total`` counts those that were found, ``anomalies`` holds at most the worst thousand of them.
    """

    anomalies: tuple[AnomalyDetection, ...]
    total: int
    by_severity: dict[str, int] = Field(default_factory=dict)
    by_type: dict[str, int] = Field(default_factory=dict)
    series_judged: int
    expressions: int
    since: Timestamp
    until: Timestamp
    step_seconds: float
    sensitivity: Sensitivity
    notes: tuple[str, ...] = ()
    coverage: Coverage
    query: str | None = None
    as_of: Timestamp


class SeriesChange(Entity):
    """The moment from which a series was at another level.

    ``strength`` ranks changes: the t statistic of the difference. ``goes_on``: no later change.
    """

    cluster_id: UUID | None
    cluster_name: str
    metric_name: str
    labels: dict[str, str] = Field(default_factory=dict)
    component: str = ""
    detail: str = ""
    unit: str = ""
    at: Timestamp
    before: float | None
    after: float | None
    change_percent: float | None
    strength: float
    goes_on: bool


class ChangeAnswer(Entity):
    """Changes of level, in the order of time; ``onset`` names the clusters in that of their first.

    ``total`` counts those found, ``changes`` holds at most the thousand strongest.
    """

    changes: tuple[SeriesChange, ...]
    total: int
    onset: tuple[str, ...] = ()
    series_judged: int
    since: Timestamp
    until: Timestamp
    step_seconds: float
    notes: tuple[str, ...] = ()
    coverage: Coverage
    query: str | None = None
    as_of: Timestamp


class RunningOut(Entity):
    """Something that will reach its limit: at ``at``, 90 % between ``earliest`` and ``latest``.

    ``latest`` is not set where it may as well never be; ``reason`` says what is uncertain.
    """

    cluster_id: UUID | None
    cluster_name: str
    metric_name: str
    labels: dict[str, str] = Field(default_factory=dict)
    component: str = ""
    detail: str = ""
    component_kind: str = ""
    unit: str = ""
    now: float
    limit: float
    per_day: float
    at: Timestamp
    earliest: Timestamp | None = None
    latest: Timestamp | None = None
    reason: str = ""


class ForecastAnswer(Entity):
    """What runs out within the horizon, soonest first; at most a thousand."""

    running_out: tuple[RunningOut, ...]
    total: int
    series_judged: int
    since: Timestamp
    until: Timestamp
    horizon_seconds: float
    notes: tuple[str, ...] = ()
    coverage: Coverage
    query: str | None = None
    as_of: Timestamp

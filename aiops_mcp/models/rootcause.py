"""What probably caused a trouble, and what speaks for and against it."""

from enum import StrEnum
from uuid import UUID

from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp


class TriggerKind(StrEnum):
    ALERT = "ALERT"
    ANOMALY = "ANOMALY"
    COMPONENT = "COMPONENT"
    TIME = "TIME"


class RcaTrigger(Entity):
    """What was asked about. ``at`` is when it is taken to have been noticed."""

    kind: TriggerKind
    id: str | None = None
    name: str | None = None
    component: str | None = None
    at: Timestamp | None = None


class RcaSignal(Entity):
    """One thing that was looked at. ``kind``: metric, log, call, change, alert or event.

    ``before`` and ``after`` are medians on either side of the notice, of a metric.
    """

    kind: str
    component: str
    name: str
    detail: str = ""
    unit: str = ""
    before: float | None = None
    after: float | None = None
    since: Timestamp | None = None


class CorrelationNode(Entity):
    """A component in trouble, or between two that are; ``score`` is its cause's (0..1)."""

    component: str
    kind: str = ""
    score: float = 0.0
    since: Timestamp | None = None


class CorrelationEdge(Entity):
    """``source`` depends on ``target``; ``lag_seconds`` is how much later the source began.

    ``weight`` 0..1: how surely the trouble of one is that of the other.
    """

    source: str
    target: str
    relation: str
    lag_seconds: float | None = None
    weight: float = 0.0


class CorrelationMap(Entity):
    nodes: tuple[CorrelationNode, ...] = ()
    edges: tuple[CorrelationEdge, ...] = ()


class RootCause(Entity):
    """One component that may have caused it. ``score`` 0..1 orders the causes of one answer.

    ``what`` names the known pattern that fits it, if one does. Evidence is told in sentences.
    """

    component: str
    component_kind: str = ""
    score: float
    what: str = ""
    metric: str = ""
    since: Timestamp | None = None
    evidence_for: tuple[str, ...] = ()
    evidence_against: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    remediation: tuple[str, ...] = ()
    next_call: str = ""


class RCAResult(Entity):
    """Causes, likeliest first; none, with the ``reason_if_empty``, when nothing is wrong.

    ``looked_at`` names the sources that answered, ``missing`` those that did not and why.
    """

    id: UUID
    trigger: RcaTrigger
    cluster_id: UUID
    cluster_name: str
    start_time: Timestamp
    end_time: Timestamp
    onset: Timestamp | None = None
    signals: tuple[RcaSignal, ...] = ()
    correlation_graph: CorrelationMap = CorrelationMap()
    causes: tuple[RootCause, ...] = ()
    reason_if_empty: str = ""
    explanation: str = ""
    remediation_steps: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    series_judged: int = 0
    coverage: Coverage
    as_of: Timestamp

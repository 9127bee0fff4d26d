"""What is wrong in a fleet now: symptoms, and the problems that they make up."""

from enum import StrEnum

from pydantic import Field

from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.findings import Change


class SymptomSource(StrEnum):
    ALERT = "alert"
    OBJECT = "object"
    GPU = "gpu"
    MODEL_SERVER = "model server"
    NETWORK_FUNCTION = "network function"
    CLUSTER = "cluster"


class Trouble(StrEnum):
    """What kind of trouble, in our words. The order is that of causes before what they cause."""

    CLUSTER_AWAY = "cluster away"
    ALERTING_SILENT = "alerting silent"
    NODE_AWAY = "node away"
    NODE = "node in trouble"
    GPU = "GPU failing"
    CLOCK = "clock out of sync"
    CONTROL_PLANE = "control plane"
    OPERATOR = "operator degraded"
    STORAGE = "storage"
    CERTIFICATE = "certificate"
    PODS_FAIL = "pods fail"
    PACKETS = "packets lost"
    OVERLOAD = "model server overloaded"
    REPLICAS = "replicas missing"
    JOB = "job failed"
    BACKEND = "backend away"
    ERRORS = "errors"
    LATENCY = "latency"
    TARGET = "target down"
    OTHER = "alert"


class Symptom(Entity):
    """One thing that tells of trouble.

    ``what`` is the source's own name for it (an alert's name, a finding's cause), ``detail`` what
    it says. ``component`` is what it is of, ``part`` which part of that (a pod, a GPU).
    ``runs_on`` are nodes that it stands on.
    """

    source: SymptomSource
    trouble: Trouble
    severity: AlertSeverity
    cluster_name: str
    component_kind: str
    component: str
    part: str | None = None
    what: str
    detail: str | None = None
    since: Timestamp | None = None
    runs_on: tuple[str, ...] = ()


class FleetProblem(Entity):
    """Symptoms of one trouble, the one that most likely is at its root first.

    ``also`` are other components that it touches; ``changes`` came shortly before, nearest first.
    ``next_call`` is the call that tells more.
    """

    severity: AlertSeverity
    trouble: Trouble
    cluster_name: str
    clusters: tuple[str, ...]
    component_kind: str
    component: str
    since: Timestamp | None
    symptoms: tuple[Symptom, ...]
    also: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    next_call: str


class Triage(Entity):
    """Worst first. ``away`` are far-edge clusters out of reach, which alone is no trouble.

    ``left_out`` counts what does not want anybody: INFO, silenced and inhibited. ``looked_at``
    names what was asked, and ``notes`` what did not answer.
    """

    problems: tuple[FleetProblem, ...]
    total: int
    by_severity: dict[AlertSeverity, int]
    away: tuple[str, ...] = ()
    left_out: dict[str, int] = Field(default_factory=dict)
    looked_at: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp

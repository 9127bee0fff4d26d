"""What is wrong with objects, what changed, and what differs between clusters."""

from enum import StrEnum

from pydantic import Field

from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp


class Finding(Entity):
    """One object that is not well. ``cause`` is the field's own word, ``detail`` what it says.

    ``workload`` is the top of the owner chain (``Deployment/web``). ``restarts`` and ``last_exit``
    are a pod's; ``explained_by`` names the object whose trouble is the reason of this one's.
    """

    cluster_name: str
    kind: str
    namespace: str | None = None
    name: str
    severity: AlertSeverity
    cause: str
    detail: str | None = None
    since: Timestamp | None = None
    workload: str | None = None
    node: str | None = None
    restarts: int | None = None
    last_exit: str | None = None
    explained_by: str | None = None


class UnhealthyList(Entity):
    """Worst first. ``looked_at`` counts the objects that were judged, by kind."""

    findings: tuple[Finding, ...]
    total: int
    by_severity: dict[AlertSeverity, int]
    by_cause: dict[str, int]
    looked_at: dict[str, int] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


class ChangeKind(StrEnum):
    ROLLOUT = "rollout"
    CONFIG = "config"
    SCALING = "scaling"
    NODE = "node"
    OPERATOR = "operator"
    UPGRADE = "upgrade"
    RELEASE = "release"
    JOB = "job"
    DELETION = "deletion"


class Change(Entity):
    """Something that was changed; ``by`` is who wrote it (a field manager), where it is known."""

    at: Timestamp
    cluster_name: str
    change: ChangeKind
    kind: str
    namespace: str | None = None
    name: str
    what: str
    by: str | None = None


class ChangeList(Entity):
    """Newest first."""

    changes: tuple[Change, ...]
    total: int
    by_change: dict[ChangeKind, int]
    since: Timestamp
    until: Timestamp
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


class Difference(Entity):
    """One thing in which clusters differ. ``values`` by cluster; None where a cluster lacks it.

    ``odd`` are the clusters that stand alone against the rest.
    """

    area: str
    item: str
    values: dict[str, str | None]
    odd: tuple[str, ...] = ()


class Comparison(Entity):
    """Most telling first. ``same`` counts what was compared and agrees, by area."""

    clusters: tuple[str, ...]
    differences: tuple[Difference, ...]
    same: dict[str, int]
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp

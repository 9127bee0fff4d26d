"""Kubernetes objects as they are shown: rows of a kind, one object, its events, its log."""

from typing import Any

from pydantic import Field

from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp

ObjectCell = str | int | float | bool | None


class ObjectRow(Entity):
    """One object in kubectl's columns. ``owner`` is who made it, the last of ``owners``."""

    cluster_name: str
    namespace: str | None = None
    name: str
    cells: dict[str, ObjectCell] = Field(default_factory=dict)
    owners: tuple[str, ...] = ()
    created_at: Timestamp | None = None


class ResourceList(Entity):
    """The objects of one kind, one page of them. ``by_status`` counts all that matched.

    ``wide_columns`` are those that kubectl shows with ``-o wide`` only.
    """

    kind: str
    plural: str
    api_version: str
    namespaced: bool
    columns: tuple[str, ...]
    wide_columns: tuple[str, ...] = ()
    items: tuple[ObjectRow, ...]
    total: int
    start: int = 0
    by_status: dict[str, int] = Field(default_factory=dict)
    by_cluster: dict[str, int] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


class Condition(Entity):
    """``is_good`` is None where the type does not tell which value is the good one."""

    type: str
    status: str
    reason: str | None = None
    message: str | None = None
    since: Timestamp | None = None
    is_good: bool | None = None


class ContainerState(Entity):
    """A container, init containers included; ``last_*`` tell of the run before this one."""

    name: str
    is_init: bool = False
    state: str
    reason: str | None = None
    message: str | None = None
    since: Timestamp | None = None
    exit_code: int | None = None
    ready: bool = False
    restarts: int = 0
    last_reason: str | None = None
    last_exit_code: int | None = None
    last_message: str | None = None
    last_ended_at: Timestamp | None = None
    image: str | None = None


class FoldedEvent(Entity):
    """Events that say the same of objects of one kind; ``objects`` names some of ``object_count``.

    ``message`` is that of the newest; ``count`` sums what the API server counted.
    """

    cluster_names: tuple[str, ...]
    type: str
    reason: str
    kind: str
    objects: tuple[str, ...]
    object_count: int
    message: str
    count: int
    first_at: Timestamp | None = None
    last_at: Timestamp | None = None
    source: str | None = None


class EventList(Entity):
    """Warnings first, newest first within; ``total`` counts the events before they were folded."""

    events: tuple[FoldedEvent, ...]
    total: int
    warnings: int
    since: Timestamp
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


class ResourceDetail(Entity):
    """One object. ``object`` is it without what nobody reads and without secret values."""

    cluster_name: str
    kind: str
    api_version: str
    namespace: str | None = None
    name: str
    owners: tuple[str, ...] = ()
    created_at: Timestamp | None = None
    deleted_at: Timestamp | None = None
    status: str | None = None
    conditions: tuple[Condition, ...] = ()
    containers: tuple[ContainerState, ...] = ()
    events: tuple[FoldedEvent, ...] = ()
    object: dict[str, Any]
    notes: tuple[str, ...] = ()
    simulated: bool = False
    as_of: Timestamp


class LogLine(Entity):
    """``count`` lines alike, one after the other; ``at`` is when the first was written."""

    at: str | None = None
    message: str
    count: int = 1
    is_error: bool = False


class PodLog(Entity):
    """A container's log, oldest line first. ``why`` says how the container was chosen."""

    cluster_name: str
    namespace: str
    pod: str
    container: str | None = None
    containers: tuple[str, ...] = ()
    previous: bool = False
    why: str | None = None
    lines: tuple[LogLine, ...] = ()
    read: int = 0
    truncated: bool = False
    errors: int = 0
    notes: tuple[str, ...] = ()
    simulated: bool = False
    as_of: Timestamp

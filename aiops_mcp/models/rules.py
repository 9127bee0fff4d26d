"""Rules and scrape targets of the fleet, and what is wrong with them."""

from enum import StrEnum
from uuid import UUID

from aiops_mcp.models.entity import Entity, Timestamp


class FleetRule(Entity):
    """One rule of one cluster's Prometheus; ``duration_seconds`` is its ``for``."""

    cluster_id: UUID
    cluster_name: str
    group: str
    file: str
    kind: str
    name: str
    query: str
    duration_seconds: float
    labels: dict[str, str]
    annotations: dict[str, str]
    health: str
    last_error: str
    state: str | None = None


class FleetTarget(Entity):
    """One scrape target of one cluster; ``health`` is up, down or unknown."""

    cluster_id: UUID
    cluster_name: str
    job: str
    instance: str
    scrape_url: str
    health: str
    last_error: str
    last_scrape: str
    labels: dict[str, str]


class RuleFault(StrEnum):
    """What may be wrong, what matters most first."""

    BROKEN = "BROKEN"
    TARGETS_DOWN = "TARGETS_DOWN"
    ALWAYS_FIRING = "ALWAYS_FIRING"
    FLAPPING = "FLAPPING"
    DIFFERS = "DIFFERS"
    MISSING = "MISSING"
    SILENCED_FOR_EVER = "SILENCED_FOR_EVER"
    SILENCE_ENDING = "SILENCE_ENDING"
    NEVER_FIRED = "NEVER_FIRED"


class RuleFinding(Entity):
    """One fault: of a rule, a job or a silence (``subject``), in these clusters."""

    fault: RuleFault
    subject: str
    clusters: tuple[str, ...]
    detail: str
    since: Timestamp | None = None

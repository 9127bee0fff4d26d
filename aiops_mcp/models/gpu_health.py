"""How GPUs are: verdicts with reasons, what was seen over time, and who holds a card.

Data only. ``None`` means that nothing tells it; never 0.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.gpu import GpuHolder
from aiops_mcp.models.xid import XidClass


class Verdict(StrEnum):
    """UNKNOWN: nothing tells of it. DEGRADED: works, and wants a look. FAILING: act now."""

    HEALTHY = "HEALTHY"
    UNKNOWN = "UNKNOWN"
    DEGRADED = "DEGRADED"
    FAILING = "FAILING"


WORST_LAST = tuple(Verdict)


def worst(verdicts: "tuple[Verdict, ...] | list[Verdict]") -> Verdict:
    """The gravest of them; HEALTHY without any."""
    return max(verdicts, key=WORST_LAST.index, default=Verdict.HEALTHY)


class GpuReason(Entity):
    """Why a verdict: the rule, what was found against which threshold, and what to do.

    ``verdict`` is what this alone would make of the card; HEALTHY is worth knowing, no more.
    """

    rule: str
    verdict: Verdict
    what: str
    evidence: str
    threshold: str | None = None
    action: str
    source: str


class XidSource(StrEnum):
    DCGM = "DCGM"
    KERNEL_LOG = "KERNEL_LOG"
    EVENT = "EVENT"


class XidSighting(Entity):
    """An XID that happened, or was first seen, at ``at``.

    ``until`` is set where the moment is only known to lie between the two; ``count`` is how often
    where a counter told.
    """

    code: int
    at: Timestamp
    node_name: str
    sources: tuple[XidSource, ...]
    uuid: str | None = None
    pci_bus_id: str | None = None
    pod: str | None = None
    process: str | None = None
    count: int | None = None
    detail: str = ""


class XidFinding(Entity):
    """XIDs of one card within seconds: the one that leads, decoded, and those that follow it."""

    code: int
    meaning: str
    xid_class: XidClass | None
    action: str
    at: Timestamp
    last_at: Timestamp
    node_name: str
    uuid: str | None
    gpu_index: int | None = None
    with_codes: tuple[int, ...] = ()
    times: int = 1
    sources: tuple[XidSource, ...]
    pods: tuple[str, ...] = ()
    detail: str = ""


class CardHistory(Entity):
    """What DCGM's metrics tell of one card over a window; increases are over that window.

    Shares are of the time, 0 to 1; ``reason_shares`` of the samples in which a clock event was on.
    """

    uuid: str
    node_name: str
    gpu_index: int | None = None
    window_seconds: float
    first_sample: Timestamp
    last_sample: Timestamp
    increases: dict[str, float] = Field(default_factory=dict)
    resets: tuple[str, ...] = ()
    throttled: dict[str, float] = Field(default_factory=dict)
    reason_shares: dict[str, float] = Field(default_factory=dict)
    engine_percent: float | None = None
    engine_max_percent: float | None = None
    sm_clock_mhz: float | None = None
    power_watts: float | None = None
    temperature_celsius: float | None = None
    held_xid: int | None = None
    """A code in the gauge since before the window: it says nothing of when."""


class Attribution(Entity):
    """Who holds a card: pods and what owns them, or why that cannot be told."""

    pods: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    model_servers: tuple[str, ...] = ()
    not_attributable: str | None = None


class CardHealth(Entity):
    index: int
    uuid: str | None
    name: str | None
    verdict: Verdict
    reasons: tuple[GpuReason, ...] = ()
    xids: tuple[XidFinding, ...] = ()
    held_by: Attribution = Attribution()
    throttled: dict[str, float] = Field(default_factory=dict)


class NodeHealth(Entity):
    """A node's verdict is the gravest of its own reasons and its cards'."""

    cluster_id: UUID
    cluster_name: str
    node_name: str
    verdict: Verdict
    reasons: tuple[GpuReason, ...] = ()
    cards: tuple[CardHealth, ...] = ()
    cards_gone: int = 0
    rack: str | None = None
    driver_version: str | None = None
    xids: tuple[XidFinding, ...] = ()
    """Those of cards that are gone, or that no card could be found for."""


class GpuHealth(Entity):
    """``fleet_reasons`` concern no single node: a rack's heat, drivers that differ."""

    nodes: tuple[NodeHealth, ...]
    fleet_reasons: tuple[GpuReason, ...] = ()
    counts: dict[Verdict, int]
    notes: tuple[str, ...] = ()
    window_seconds: float
    coverage: Coverage
    as_of: Timestamp


class WasteKind(StrEnum):
    IDLE = "IDLE"
    """A pod holds it and computes nothing."""
    MEMORY_HELD = "MEMORY_HELD"
    """As IDLE, and its memory is held: a notebook left open."""
    UNALLOCATED = "UNALLOCATED"
    FRAGMENTED = "FRAGMENTED"
    MIG_UNUSED = "MIG_UNUSED"


class GpuWaste(Entity):
    """One thing that wastes cards; ``gpus`` in whole cards, slices by their share of a card.

    ``gpu_hours`` is what it wasted so far (``at_least``: it began before one looked back).
    """

    kind: WasteKind
    cluster_name: str
    node_name: str | None = None
    gpus: float
    gpu_hours: float | None = None
    at_least: bool = False
    since: datetime | None = None
    pod: str | None = None
    owner: str | None = None
    what: str
    action: str


class WasteReport(Entity):
    found: tuple[GpuWaste, ...]
    total_gpus: int
    allocated_gpus: float
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


class ModelServer(Entity):
    """A vLLM server as its metrics tell; seconds, shares 0 to 1, tokens and requests a second."""

    cluster_name: str
    namespace: str | None = None
    pod: str | None = None
    instance: str | None = None
    model: str
    verdict: Verdict
    reasons: tuple[GpuReason, ...] = ()
    running: float | None = None
    waiting: float | None = None
    kv_cache_used: float | None = None
    ttft_p95: float | None = None
    inter_token_p95: float | None = None
    queue_p95: float | None = None
    preemptions_per_second: float | None = None
    prompt_tokens_per_second: float | None = None
    generation_tokens_per_second: float | None = None
    prefix_hit_share: float | None = None
    aborted_share: float | None = None
    requests_per_second: float | None = None
    gpus: tuple[str, ...] = ()
    """``node/index`` of the cards that it runs on."""


class ModelServers(Entity):
    servers: tuple[ModelServer, ...]
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


__all__ = [
    "WORST_LAST",
    "Attribution",
    "CardHealth",
    "CardHistory",
    "GpuHealth",
    "GpuHolder",
    "GpuReason",
    "GpuWaste",
    "ModelServer",
    "ModelServers",
    "NodeHealth",
    "Verdict",
    "WasteKind",
    "WasteReport",
    "XidFinding",
    "XidSighting",
    "XidSource",
    "worst",
]

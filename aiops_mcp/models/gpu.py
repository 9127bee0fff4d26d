"""GPUs as a node reports them. ``None`` means the card or its source does not say; never 0."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.entity import Entity, Timestamp


class GpuProcessType(StrEnum):
    COMPUTE = "COMPUTE"
    GRAPHICS = "GRAPHICS"
    MIXED = "MIXED"


class GpuSource(StrEnum):
    """Where GPU data came from: nvidia-smi run on the node, or DCGM metrics in Prometheus."""

    NVIDIA_SMI = "NVIDIA_SMI"
    DCGM = "DCGM"


class PodRef(Entity):
    """The pod that holds a GPU or a part of it."""

    namespace: str
    pod: str
    container: str | None = None


class GpuProcess(Entity):
    """A process on a card; under MIG ``gpu_instance_id`` says on which slice it runs."""

    pid: int
    process_name: str
    used_memory_mb: float | None = None
    type: GpuProcessType = GpuProcessType.COMPUTE
    gpu_instance_id: int | None = None
    compute_instance_id: int | None = None
    pod: PodRef | None = None


class MigInstance(Entity):
    """One Multi-Instance GPU slice of a card; ``index`` is its MIG device number on that card."""

    index: int | None = None
    gpu_instance_id: int | None = None
    compute_instance_id: int | None = None
    uuid: str | None = None
    profile: str | None = None
    memory_total_mb: float | None = None
    memory_used_mb: float | None = None
    utilization_percent: float | None = None
    pod: PodRef | None = None


class EccCounts(Entity):
    corrected_volatile: int | None = None
    uncorrected_volatile: int | None = None
    uncorrected_aggregate: int | None = None


class RowRemapping(Entity):
    correctable: int | None = None
    uncorrectable: int | None = None
    pending: bool | None = None
    failure: bool | None = None


class RetiredPages(Entity):
    """Memory pages taken out of use, on cards older than row remapping (V100, T4 and before)."""

    single_bit: int | None = None
    double_bit: int | None = None
    pending: bool | None = None


class NvlinkState(Entity):
    active_links: int | None = None
    inactive_links: int | None = None
    crc_errors: int | None = None
    replay_errors: int | None = None
    recovery_errors: int | None = None


class GpuHolder(Entity):
    """A pod on a GPU node that asks for GPUs: how many of which resource, and who owns it.

    ``claims`` are its DRA resource claims; what they were given stands in the claims, not here.
    """

    namespace: str
    pod: str
    containers: tuple[str, ...] = ()
    resources: dict[str, int] = Field(default_factory=dict)
    claims: tuple[str, ...] = ()
    owner_kind: str | None = None
    owner_name: str | None = None
    phase: str | None = None

    @property
    def owner(self) -> str:
        """``training/StatefulSet/finetune``; the pod itself where nothing owns it."""
        if self.owner_name:
            return f"{self.namespace}/{self.owner_kind}/{self.owner_name}"
        return f"{self.namespace}/Pod/{self.pod}"


class GpuNodeFacts(Entity):
    """What Kubernetes says of a GPU node. Resources are those that count GPUs or MIG slices.

    ``sharing`` is time-slicing or mps where several pods may have one card; ``card_count`` is what
    GPU feature discovery counted when it last looked.
    """

    ready: bool
    capacity: dict[str, int] = Field(default_factory=dict)
    allocatable: dict[str, int] = Field(default_factory=dict)
    card_count: int | None = None
    sharing: str | None = None
    rack: str | None = None
    holders: tuple[GpuHolder, ...] = ()
    holders_known: bool = False


class GPU(Entity):
    """One card. Units stand in the names (``_mb`` is MiB); ``xid_errors`` are codes, newest last.

    ``uuid`` and ``name`` are null only for a card that no longer answers.
    """

    index: int
    uuid: str | None = None
    name: str | None = None
    driver_version: str | None = None
    cuda_version: str | None = None
    pci_bus_id: str | None = None
    memory_total_mb: float | None = None
    memory_used_mb: float | None = None
    memory_free_mb: float | None = None
    utilization_gpu_percent: float | None = None
    utilization_memory_percent: float | None = None
    temperature_celsius: float | None = None
    temperature_memory_celsius: float | None = None
    temperature_limit_margin_celsius: float | None = None
    power_draw_watts: float | None = None
    power_limit_watts: float | None = None
    fan_speed_percent: float | None = None
    performance_state: str | None = None
    clock_sm_mhz: float | None = None
    clock_sm_max_mhz: float | None = None
    throttle_reasons: tuple[str, ...] = ()
    ecc_enabled: bool | None = None
    ecc: EccCounts | None = None
    row_remapping: RowRemapping | None = None
    retired_pages: RetiredPages | None = None
    xid_errors: tuple[int, ...] = ()
    nvlink: NvlinkState | None = None
    pcie_link_gen: int | None = None
    pcie_link_gen_max: int | None = None
    pcie_link_width: int | None = None
    pcie_link_width_max: int | None = None
    recovery_action: str | None = None
    fabric_state: str | None = None
    mig_enabled: bool | None = None
    mig_instances: tuple[MigInstance, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    pod: PodRef | None = None


class GPUNode(Entity):
    """A node with GPUs. ``source`` says which of nvidia-smi or DCGM answered."""

    cluster_id: UUID
    cluster_name: str
    node_name: str
    gpus: tuple[GPU, ...]
    source: GpuSource
    last_updated: Timestamp
    warnings: tuple[str, ...] = Field(default=())
    facts: GpuNodeFacts | None = None

"""Network functions: workloads, clock synchronisation (PTP), packet ports (DPDK), SR-IOV.

Units stand in the names. ``None`` means that the source does not say; never 0.
"""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.cluster import CnfType
from aiops_mcp.models.entity import Entity, Timestamp


class CnfPod(Entity):
    """One pod of a network function; ``reason`` says why it is not ready."""

    name: str
    node: str | None = None
    ready: bool
    reason: str | None = None
    restarts: int = 0


class CnfKpi(Entity):
    """One figure of a network function; ``trouble`` says what is wrong with it, if anything is.

    ``earlier`` is the same figure over the window before, for what rises and falls.
    """

    name: str
    value: float
    unit: str
    earlier: float | None = None
    trouble: str | None = None


class CnfWorkload(Entity):
    """A workload that is a network function. ``nodes`` are those its pods run on.

    ``hints`` are the signs by which it was taken for one: no single sign is proof.
    """

    cluster_id: UUID
    cluster_name: str
    type: CnfType
    namespace: str
    name: str
    kind: str
    replicas_wanted: int
    replicas_ready: int
    nodes: tuple[str, ...] = ()
    image: str | None = None
    pods: tuple[CnfPod, ...] = ()
    hints: tuple[str, ...] = ()
    kpis: tuple[CnfKpi, ...] = ()
    troubles: tuple[str, ...] = ()


class ClockState(StrEnum):
    """As openshift_ptp_clock_state counts them: 0, 1, 2."""

    FREERUN = "FREERUN"
    LOCKED = "LOCKED"
    HOLDOVER = "HOLDOVER"


class PtpStatus(Entity):
    """One clock of one node: a process (ptp4l, phc2sys, ts2phc, dpll …) on one interface.

    ``offset_ns`` is judged by ``min_offset_ns`` and ``max_offset_ns``, the thresholds of its
    profile (else the operator's defaults, ±100). ``since`` is when the state began, as far back as
    was looked; ``since_is_earlier`` says that it began before that. ``unlocked_seconds`` counts
    from the loss of lock, through holdover and free run; ``holdover_left_seconds`` is what remains
    of the profile's holdover timeout, only while in holdover. ``trend_ns_per_minute`` is the drift
    of the offset over the last minutes. ``pps`` says whether the pulse per second is there.
    """

    cluster_id: UUID
    cluster_name: str
    node: str
    process: str
    interface: str
    clock_state: ClockState | None = None
    since: Timestamp | None = None
    since_is_earlier: bool = False
    unlocked_seconds: float | None = None
    holdover_timeout_seconds: float | None = None
    holdover_left_seconds: float | None = None
    offset_ns: float | None = None
    worst_offset_ns: float | None = None
    min_offset_ns: float
    max_offset_ns: float
    trend_ns_per_minute: float | None = None
    delay_ns: float | None = None
    clock_class: int | None = None
    port_roles: dict[str, str] = Field(default_factory=dict)
    process_up: bool | None = None
    process_restarts: int | None = None
    gnss: str | None = None
    pps: bool | None = None
    dpll_phase: str | None = None
    dpll_frequency: str | None = None
    troubles: tuple[str, ...] = ()
    next_step: str | None = None


class DpdkPort(Entity):
    """One port of a pod: totals since its start, and rates per second over the last minutes.

    ``imissed`` are packets lost because the receive queue was full, ``rx_nombuf`` because the
    buffer pool was empty (DPDK's rte_eth_stats).
    """

    port: str
    rx_packets: float | None = None
    tx_packets: float | None = None
    imissed: float | None = None
    rx_nombuf: float | None = None
    rx_errors: float | None = None
    tx_errors: float | None = None
    rx_packets_per_second: float | None = None
    tx_packets_per_second: float | None = None
    imissed_per_second: float | None = None
    rx_nombuf_per_second: float | None = None
    rx_errors_per_second: float | None = None
    tx_errors_per_second: float | None = None
    drop_percent: float | None = None
    drops_earlier_per_second: float | None = None
    dropping_since: Timestamp | None = None


class DpdkStats(Entity):
    """The packet ports of one pod. ``busy_percent`` is of its polling cores' cycles."""

    cluster_id: UUID
    cluster_name: str
    namespace: str
    pod_name: str
    node: str | None = None
    ports: tuple[DpdkPort, ...]
    busy_percent: float | None = None
    cpu_throttled_percent: float | None = None
    troubles: tuple[str, ...] = ()
    next_step: str | None = None


class SriovStatus(Entity):
    """One physical interface of a node and its virtual functions (VFs).

    ``vfs_total`` are those made, ``vfs_possible`` what the hardware could, ``vfs_allocated`` those
    that pods hold; null where the holders cannot be told by interface. Drops are per second, over
    all VFs.
    """

    cluster_id: UUID
    cluster_name: str
    node: str
    interface: str
    pci_address: str | None = None
    driver: str | None = None
    link_up: bool | None = None
    link_speed_mbps: int | None = None
    mtu: int | None = None
    vfs_total: int
    vfs_possible: int | None = None
    vfs_allocated: int | None = None
    rx_dropped_per_second: float | None = None
    tx_dropped_per_second: float | None = None
    sync_status: str | None = None
    sync_error: str | None = None
    drain_state: str | None = None
    holders: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()


class SriovPool(Entity):
    """A resource (``openshift.io/NAME``) of a node: VFs that pods can ask for."""

    cluster_id: UUID
    cluster_name: str
    node: str
    resource: str
    allocatable: int
    requested: int

"""GPU nodes from DCGM exporter's metrics, as Prometheus gives them. Pure: series in, nodes out.

Processes are not in DCGM's metrics; the pod that holds a card or a MIG slice is, and XIDs are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiops_mcp.backends.dcgm_fields import METRIC_NAMES, PER_INSTANCE, dcgm_query, is_blank
from aiops_mcp.backends.gpu_codes import clock_events, recovery_action
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.gpu import (
    GPU,
    EccCounts,
    GPUNode,
    GpuSource,
    MigInstance,
    NvlinkState,
    PodRef,
    RetiredPages,
    RowRemapping,
)
from aiops_mcp.models.metrics import Series

__all__ = ["dcgm_query", "gpus_from_dcgm"]

_Labels = Mapping[str, str]


@dataclass
class _Slice:
    """A MIG slice while its series come in."""

    labels: _Labels
    values: dict[str, float] = field(default_factory=dict[str, float])
    pods: set[PodRef] = field(default_factory=set[PodRef])


@dataclass
class _Card(_Slice):
    slices: dict[str, _Slice] = field(default_factory=dict[str, _Slice])
    xids: list[int] = field(default_factory=list[int])


def gpus_from_dcgm(
    series: Iterable[Series], cluster: Cluster, *, now: datetime
) -> tuple[GPUNode, ...]:
    """Nodes with their cards from the answer to ``dcgm_query()``, by node name.

    Of a range the newest sample of each series counts; ``last_updated`` is the newest of a node's
    samples, ``now`` where they carry none. Series of other metrics are left out.
    """
    nodes: dict[str, dict[str, _Card]] = defaultdict(dict)
    newest: dict[str, float] = {}
    for one in series:
        name = METRIC_NAMES.get(one.metric.get("__name__", ""))
        value = _newest_value(one)
        if name is None or value is None:
            continue
        node = node_name_of(one.metric)
        newest[node] = max(newest.get(node, 0.0), one.values[-1][0])
        card = nodes[node].setdefault(_card_key(one.metric), _Card(one.metric))
        _take(card, name, value, one.metric)
    return tuple(
        GPUNode(
            cluster_id=cluster.id,
            cluster_name=cluster.name,
            node_name=node,
            gpus=tuple(sorted(map(_gpu, cards.values()), key=lambda gpu: gpu.index)),
            source=GpuSource.DCGM,
            last_updated=datetime.fromtimestamp(newest[node], UTC) if newest[node] else now,
        )
        for node, cards in sorted(nodes.items())
    )


def _newest_value(series: Series) -> float | None:
    if not series.values:
        return None
    try:
        value = float(series.values[-1][1])
    except ValueError:
        return None
    return None if is_blank(value) else value


def node_name_of(labels: _Labels) -> str:
    """The node; an exporter without NODE_NAME writes its own pod's name as host name."""
    host = labels.get("Hostname") or labels.get("hostname") or ""
    own_name = host in (labels.get("pod"), labels.get("exported_pod")) or "dcgm-exporter" in host
    others = ("node", "kubernetes_node", "nodename", "exported_node")
    known = next((labels[name] for name in others if labels.get(name)), "")
    if host and not own_name:
        return host
    return known or host or labels.get("instance", "unknown").rsplit(":", 1)[0]


def _card_key(labels: _Labels) -> str:
    return labels.get("UUID") or labels.get("pci_bus_id") or labels.get("gpu", "")


def _take(card: _Card, name: str, value: float, labels: _Labels) -> None:
    instance_id = labels.get("GPU_I_ID", "")
    owner: _Slice = card
    if instance_id:
        owner = card.slices.setdefault(instance_id, _Slice(labels))
    pod = holder_of(labels)
    if pod is not None:
        owner.pods.add(pod)
    if name == "XID_COUNT":
        if value > 0 and labels.get("xid", "").isdecimal():
            card.xids.append(int(labels["xid"]))
    else:
        target = owner if name in PER_INSTANCE else card
        target.values.setdefault(name, value)


def holder_of(labels: _Labels) -> PodRef | None:
    """The workload: in ``exported_pod`` without honorLabels, where ``pod`` is the exporter."""
    prefix = "exported_" if labels.get("exported_pod") else ""
    pod = labels.get(f"{prefix}pod", "")
    container = labels.get(f"{prefix}container") or None
    is_exporter = not prefix and ("dcgm" in pod or "dcgm" in (container or ""))
    if not pod or is_exporter:
        return None
    return PodRef(namespace=labels.get(f"{prefix}namespace", ""), pod=pod, container=container)


def _gpu(card: _Card) -> GPU:
    labels, values = card.labels, card.values
    mig_mode = values.get("MIG_MODE")
    partitioned = bool(card.slices) or mig_mode == 1
    used, free, total = _memory(values)
    busy = values.get("GPU_UTIL", _percent(values.get("GR_ENGINE_ACTIVE")))
    index = labels.get("gpu", "")
    return GPU(
        index=int(index) if index.isdecimal() else 0,
        uuid=labels.get("UUID") or None,
        name=labels.get("modelName") or None,
        driver_version=labels.get("DCGM_FI_DRIVER_VERSION") or None,
        pci_bus_id=labels.get("pci_bus_id") or None,
        memory_total_mb=total,
        memory_used_mb=used,
        memory_free_mb=free,
        # NVIDIA defines neither for a card that is cut into slices
        utilization_gpu_percent=None if partitioned else busy,
        utilization_memory_percent=None if partitioned else values.get("MEM_COPY_UTIL"),
        temperature_celsius=values.get("GPU_TEMP"),
        temperature_memory_celsius=values.get("MEMORY_TEMP"),
        temperature_limit_margin_celsius=values.get("GPU_TEMP_LIMIT"),
        power_draw_watts=values.get("POWER_USAGE"),
        power_limit_watts=values.get("ENFORCED_POWER_LIMIT", values.get("POWER_MGMT_LIMIT")),
        fan_speed_percent=values.get("FAN_SPEED"),
        performance_state=f"P{values['PSTATE']:.0f}" if "PSTATE" in values else None,
        clock_sm_mhz=values.get("SM_CLOCK"),
        clock_sm_max_mhz=values.get("MAX_SM_CLOCK"),
        throttle_reasons=clock_events(int(values.get("CLOCKS_EVENT_REASONS", 0))),
        ecc=_ecc(values),
        row_remapping=_row_remapping(values),
        retired_pages=_retired_pages(values),
        xid_errors=_xids(card),
        nvlink=_nvlink(values),
        pcie_link_gen=_whole(values.get("PCIE_LINK_GEN")),
        pcie_link_gen_max=_whole(values.get("PCIE_MAX_LINK_GEN")),
        pcie_link_width=_whole(values.get("PCIE_LINK_WIDTH")),
        pcie_link_width_max=_whole(values.get("PCIE_MAX_LINK_WIDTH")),
        recovery_action=_recovery_action(values),
        mig_enabled=True if partitioned else (mig_mode == 1 if mig_mode is not None else None),
        mig_instances=tuple(
            _mig_instance(instance_id, part) for instance_id, part in sorted(card.slices.items())
        ),
        pod=_only(card.pods),
    )


def _mig_instance(instance_id: str, part: _Slice) -> MigInstance:
    used, _, total = _memory(part.values)
    return MigInstance(
        gpu_instance_id=int(instance_id) if instance_id.isdecimal() else None,
        profile=part.labels.get("GPU_I_PROFILE") or None,
        memory_total_mb=total,
        memory_used_mb=used,
        utilization_percent=_percent(part.values.get("GR_ENGINE_ACTIVE")),
        pod=_only(part.pods),
    )


def _memory(values: Mapping[str, float]) -> tuple[float | None, float | None, float | None]:
    used, free = values.get("FB_USED"), values.get("FB_FREE")
    total = values.get("FB_TOTAL")
    if total is None and used is not None and free is not None:
        total = used + free + values.get("FB_RESERVED", 0.0)
    return used, free, total


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio * 100, 4)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _flag(value: float | None) -> bool | None:
    return None if value is None else value > 0


def _only(pods: set[PodRef]) -> PodRef | None:
    """The pod, unless several share the card."""
    return next(iter(pods)) if len(pods) == 1 else None


def _xids(card: _Card) -> tuple[int, ...]:
    """Codes once each; the gauge holds the last one, so it stands last."""
    last = int(card.values.get("XID_ERRORS", 0))
    codes = [code for code in dict.fromkeys(card.xids) if code != last]
    return (*codes, last) if last > 0 else tuple(codes)


def _ecc(values: Mapping[str, float]) -> EccCounts | None:
    counts = EccCounts(
        corrected_volatile=_whole(values.get("ECC_SBE_VOL_TOTAL")),
        uncorrected_volatile=_whole(values.get("ECC_DBE_VOL_TOTAL")),
        uncorrected_aggregate=_whole(values.get("ECC_DBE_AGG_TOTAL")),
    )
    return None if counts == EccCounts() else counts


def _row_remapping(values: Mapping[str, float]) -> RowRemapping | None:
    rows = RowRemapping(
        correctable=_whole(values.get("CORRECTABLE_REMAPPED_ROWS")),
        uncorrectable=_whole(values.get("UNCORRECTABLE_REMAPPED_ROWS")),
        pending=_flag(values.get("ROW_REMAP_PENDING")),
        failure=_flag(values.get("ROW_REMAP_FAILURE")),
    )
    return None if rows == RowRemapping() else rows


def _retired_pages(values: Mapping[str, float]) -> RetiredPages | None:
    pages = RetiredPages(
        single_bit=_whole(values.get("RETIRED_SBE")),
        double_bit=_whole(values.get("RETIRED_DBE")),
        pending=_flag(values.get("RETIRED_PENDING")),
    )
    return None if pages == RetiredPages() else pages


def _nvlink(values: Mapping[str, float]) -> NvlinkState | None:
    flit = values.get("NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL")
    data = values.get("NVLINK_CRC_DATA_ERROR_COUNT_TOTAL")
    crc = None if flit is None and data is None else (flit or 0) + (data or 0)
    state = NvlinkState(
        crc_errors=_whole(crc),
        replay_errors=_whole(values.get("NVLINK_REPLAY_ERROR_COUNT_TOTAL")),
        recovery_errors=_whole(values.get("NVLINK_RECOVERY_ERROR_COUNT_TOTAL")),
    )
    return None if state == NvlinkState() else state


def _recovery_action(values: Mapping[str, float]) -> str | None:
    action = _whole(values.get("GET_GPU_RECOVERY_ACTION"))
    return None if action is None else recovery_action(str(action))

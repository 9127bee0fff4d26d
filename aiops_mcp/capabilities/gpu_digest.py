"""GPU answers made small: a row a node or card, unknown values as gaps, the odd ones first.

Pure functions on the models; no I/O, no clock.
"""

from collections.abc import Sequence
from datetime import datetime

from aiops_mcp.capabilities.digesting import coverage_line, more_line, significant
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.gpu import GPU, GPUNode

NORMAL_THROTTLES = frozenset({"idle", "gpu_idle", "sw_power_cap", "applications_clocks_setting"})
"""Clock reasons that say nothing is wrong: idle, the power limit doing its work, a set clock."""


def troubles(gpu: GPU) -> tuple[str, ...]:
    """What about a card wants a look, in a few words each; empty when nothing is reported."""
    found: list[str] = []
    if gpu.xid_errors:
        # DCGM keeps the last code for ever: when it was, get_gpu_health tells
        found.append("last XID " + ",".join(str(code) for code in gpu.xid_errors[-3:]))
    if gpu.recovery_action and gpu.recovery_action.lower() != "none":
        found.append(f"recovery: {gpu.recovery_action}")
    if gpu.ecc and gpu.ecc.uncorrected_volatile:
        found.append(f"{gpu.ecc.uncorrected_volatile} uncorrected ECC")
    if gpu.row_remapping and gpu.row_remapping.failure:
        found.append("row remap failed")
    if gpu.row_remapping and gpu.row_remapping.pending:
        found.append("row remap pending")
    slowed = [reason for reason in gpu.throttle_reasons if reason.lower() not in NORMAL_THROTTLES]
    if slowed:
        found.append("throttled: " + ",".join(slowed))
    if (
        gpu.pcie_link_width is not None
        and gpu.pcie_link_width_max is not None
        and gpu.pcie_link_width < gpu.pcie_link_width_max
    ):
        found.append(f"PCIe x{gpu.pcie_link_width} of x{gpu.pcie_link_width_max}")
    return tuple(found)


def digest_gpu_nodes(
    nodes: Sequence[GPUNode],
    coverage: Coverage,
    as_of: datetime,
    *,
    limit: int,
    start: int,
    call: str,
    detailed: bool,
) -> Digest:
    """A row a node (a row a card when detailed), those with trouble first, then the hottest."""
    ordered = sorted(nodes, key=lambda node: (-_trouble_count(node), -(_hottest(node) or 0.0)))
    if detailed:
        cards = [(node, gpu) for node in ordered for gpu in node.gpus]
        picked_cards = cards[start : start + limit]
        columns, rows, count = (
            _CARD_COLUMNS,
            [_card_row(*card) for card in picked_cards],
            len(cards),
        )
    else:
        picked = ordered[start : start + limit]
        columns, rows, count = _NODE_COLUMNS, [_node_row(node) for node in picked], len(ordered)
    return Digest(
        headline=_headline(nodes),
        columns=columns,
        rows=tuple(rows),
        coverage=coverage_line(coverage),
        as_of=as_of,
        notes=_warnings(nodes),
        more=more_line(
            total=count,
            start=start,
            shown=len(rows),
            what="cards" if detailed else "nodes",
            call=call,
        ),
    )


_NODE_COLUMNS = (
    "cluster",
    "node",
    "cards",
    "model",
    "util_%",
    "memory_%",
    "max_temp_C",
    "power_W",
    "trouble",
    "source",
)
_CARD_COLUMNS = (
    "cluster",
    "node",
    "gpu",
    "uuid",
    "util_%",
    "memory_used_mb",
    "memory_total_mb",
    "temp_C",
    "power_W",
    "mig",
    "pod",
    "trouble",
)


def _node_row(node: GPUNode) -> tuple[Cell, ...]:
    gpus = node.gpus
    return (
        node.cluster_name,
        node.node_name,
        len(gpus),
        ", ".join(dict.fromkeys(gpu.name for gpu in gpus if gpu.name)) or None,
        mean([gpu.utilization_gpu_percent for gpu in gpus]),
        memory_share(gpus),
        _hottest(node),
        total([gpu.power_draw_watts for gpu in gpus]),
        _node_trouble(node),
        node.source.value,
    )


def _node_trouble(node: GPUNode) -> str | None:
    """What its cards report; that something is wrong with the node itself, the notes tell."""
    found = [f"gpu {gpu.index}: {text}" for gpu in node.gpus for text in troubles(gpu)]
    return "; ".join([*found, *(["warnings"] if node.warnings else [])]) or None


def _card_row(node: GPUNode, gpu: GPU) -> tuple[Cell, ...]:
    return (
        node.cluster_name,
        node.node_name,
        gpu.index,
        gpu.uuid,
        gpu.utilization_gpu_percent,
        gpu.memory_used_mb,
        gpu.memory_total_mb,
        gpu.temperature_celsius,
        _rounded(gpu.power_draw_watts),
        len(gpu.mig_instances) if gpu.mig_enabled else None,
        f"{gpu.pod.namespace}/{gpu.pod.pod}" if gpu.pod else None,
        "; ".join(troubles(gpu)) or None,
    )


def _headline(nodes: Sequence[GPUNode]) -> str:
    cards = [gpu for node in nodes for gpu in node.gpus]
    if not nodes:
        return "No GPU nodes in the clusters that answered."
    odd = sum(bool(troubles(gpu)) for gpu in cards)
    warned = sum(bool(node.warnings) for node in nodes)
    clusters = len({node.cluster_name for node in nodes})
    parts = [f"{odd} with trouble"] if odd else []
    parts += [f"{warned} nodes with warnings"] if warned else []
    wrong = ", ".join(parts) or "none reports trouble"
    return f"{len(cards)} GPUs in {len(nodes)} nodes of {clusters} clusters; {wrong}."


def _warnings(nodes: Sequence[GPUNode]) -> tuple[str, ...]:
    found = [
        f"{node.cluster_name}/{node.node_name}: {warning}"
        for node in nodes
        for warning in node.warnings
    ]
    return tuple(found[:5]) + ((f"{len(found) - 5} more warnings",) if len(found) > 5 else ())


def digest_gpu_processes(
    nodes: Sequence[GPUNode],
    coverage: Coverage,
    as_of: datetime,
    *,
    limit: int,
    start: int,
    call: str,
) -> Digest:
    """A row a process, the largest memory first."""
    found = [
        (process.used_memory_mb or 0.0, node, gpu, process)
        for node in nodes
        for gpu in node.gpus
        for process in gpu.processes
    ]
    found.sort(key=lambda item: -item[0])
    picked = found[start : start + limit]
    return Digest(
        headline=f"{len(found)} processes on GPUs of {len(nodes)} nodes."
        if found
        else "No GPU processes reported; DCGM has none, and in containers a driver may hide them.",
        columns=("cluster", "node", "gpu", "pid", "process", "memory_mb", "type", "pod"),
        rows=tuple(
            (
                node.cluster_name,
                node.node_name,
                gpu.index,
                process.pid,
                process.process_name,
                process.used_memory_mb,
                process.type.value,
                f"{gpu.pod.namespace}/{gpu.pod.pod}" if gpu.pod else None,
            )
            for _, node, gpu, process in picked
        ),
        coverage=coverage_line(coverage),
        as_of=as_of,
        notes=_warnings(nodes),
        more=more_line(
            total=len(found), start=start, shown=len(picked), what="processes", call=call
        ),
    )


def _trouble_count(node: GPUNode) -> int:
    return sum(len(troubles(gpu)) for gpu in node.gpus) + len(node.warnings)


def _hottest(node: GPUNode) -> float | None:
    known = [gpu.temperature_celsius for gpu in node.gpus if gpu.temperature_celsius is not None]
    return max(known) if known else None


def mean(values: Sequence[float | None]) -> float | None:
    """Of what is known; ``None`` when nothing is."""
    known = [value for value in values if value is not None]
    return significant(sum(known) / len(known)) if known else None


def total(values: Sequence[float | None]) -> float | None:
    """Of what is known; ``None`` when nothing is."""
    known = [value for value in values if value is not None]
    return significant(sum(known)) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else significant(value)


def memory_share(gpus: Sequence[GPU]) -> float | None:
    """Used over total of the cards that report both, in percent."""
    known = [
        (gpu.memory_used_mb, gpu.memory_total_mb)
        for gpu in gpus
        if gpu.memory_used_mb is not None and gpu.memory_total_mb
    ]
    total = sum(size for _, size in known)
    return significant(100 * sum(used for used, _ in known) / total) if total else None

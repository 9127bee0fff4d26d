"""What a pod's DPDK ports receive, send and lose, from whichever exporter tells of them. Pure.

There is no standard naming: the DPDK project's own exporter, telegraf's input and home-made ones
are known by their endings. Counters are rte_eth_stats' (DPDK ethdev).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from aiops_mcp.analysis.counters import Points, growing_since, points_of, rate
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.cnf import DpdkPort, DpdkStats
from aiops_mcp.models.metrics import Series
from aiops_mcp.promql.quoting import quote

LOOK_BACK_SECONDS = 1800.0
STEP_SECONDS = 30.0
RATE_SECONDS = 300.0
BUSY_PERCENT = 90.0
THROTTLED_PERCENT = 1.0
THROTTLED = "container_cpu_cfs_throttled_periods_total"
PERIODS = "container_cpu_cfs_periods_total"

_ENDINGS = {
    "rx_packets": ("rx_packets", "rx_good_packets", "ipackets"),
    "tx_packets": ("tx_packets", "tx_good_packets", "opackets"),
    "imissed": ("imissed", "rx_missed", "rx_missed_errors"),
    "rx_nombuf": ("rx_nombuf", "rx_mbuf_allocation_errors"),
    "rx_errors": ("rx_errors", "ierrors"),
    "tx_errors": ("tx_errors", "oerrors"),
    "cycles_total": ("cpu_total_cycles", "lcore_total_cycles"),
    "cycles_busy": ("cpu_busy_cycles", "lcore_busy_cycles"),
}
_PORT_LABELS = ("port", "port_id", "device", "interface")
_BY_ENDING = {ending: field for field, endings in _ENDINGS.items() for ending in endings}
_PATTERN = f"dpdk_(.+_)?({'|'.join(_BY_ENDING)})(_total)?"
_NAME = re.compile(_PATTERN)
_LOSSES = ("imissed", "rx_nombuf", "rx_errors")
_COUNTERS = ("rx_packets", "tx_packets", *_LOSSES, "tx_errors")


LOSS_QUERY = (
    f'{{__name__=~"dpdk_(.+_)?({"|".join(_ENDINGS["imissed"] + _ENDINGS["rx_nombuf"])})(_total)?"}}'
)
"""Every counter of packets that could not be received."""


def pods_query() -> str:
    """Every series that tells of received packets: one a port, with the pod that has it."""
    return f'{{__name__=~"dpdk_(.+_)?({"|".join(_ENDINGS["rx_packets"])})(_total)?"}}'


def pod_query(pod: str) -> str:
    """Everything of one pod: its DPDK counters, and how its processor time is cut."""
    name = quote(pod)
    counters = f'__name__=~"{_PATTERN}"'
    return (
        f"{{{counters},pod={name}}} or {{{counters},exported_pod={name}}} "
        f'or {{__name__=~"{THROTTLED}|{PERIODS}",pod={name}}}'
    )


def pod_of(labels: Mapping[str, str]) -> tuple[str, str]:
    """Namespace and pod; without honorLabels the workload's stand in ``exported_…``."""
    prefix = "exported_" if labels.get("exported_pod") else ""
    return labels.get(f"{prefix}namespace", ""), labels.get(f"{prefix}pod", "")


def pods_with_ports(series: Iterable[Series]) -> tuple[str, ...]:
    """The names of pods in the answer to ``pods_query()``."""
    return tuple(sorted({pod for one in series if (pod := pod_of(one.metric)[1])}))


def dpdk_stats(series: Iterable[Series], cluster: Cluster, pod: str) -> DpdkStats | None:
    """One pod's ports from the range answer to ``pod_query(pod)``; null where it has none."""
    ports: dict[str, dict[str, Points]] = defaultdict(dict)
    whole: dict[str, list[Points]] = defaultdict(list)
    namespace, node = "", None
    for one in series:
        points = points_of(one.values)
        name = one.metric.get("__name__", "")
        if not points:
            continue
        if name in (THROTTLED, PERIODS):
            whole[name].append(points)
            continue
        field = field_of(name)
        if field is None:
            continue
        namespace = pod_of(one.metric)[0] or namespace
        node = one.metric.get("node") or node
        if field.startswith("cycles"):
            whole[field].append(points)
        else:
            ports[_port(one.metric)][field] = points
    if not ports:
        return None
    stats = DpdkStats(
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        namespace=namespace,
        pod_name=pod,
        node=node,
        ports=tuple(_dpdk_port(port, told) for port, told in sorted(ports.items())),
        busy_percent=_share(whole["cycles_busy"], whole["cycles_total"]),
        cpu_throttled_percent=_share(whole[THROTTLED], whole[PERIODS]),
    )
    found, step = _judge(stats)
    return stats.model_copy(update={"troubles": found, "next_step": step})


def field_of(name: str) -> str | None:
    """Which of rte_eth_stats' counters a metric is, by its name; null for any other metric."""
    matched = _NAME.fullmatch(name)
    return _BY_ENDING[matched[2]] if matched else None


def _port(labels: Mapping[str, str]) -> str:
    return next((labels[name] for name in _PORT_LABELS if labels.get(name)), "0")


def _dpdk_port(port: str, told: Mapping[str, Points]) -> DpdkPort:
    newest = max(points[-1][0] for points in told.values())
    recent = newest - RATE_SECONDS
    totals = {field: told[field][-1][1] for field in _COUNTERS if field in told}
    rates = {
        f"{field}_per_second": value
        for field in _COUNTERS
        if (value := rate(told.get(field, ()), since=recent)) is not None
    }
    lost = [rates.get(f"{field}_per_second", 0.0) for field in _LOSSES]
    before = [rate(told.get(field, ()), until=recent) for field in _LOSSES]
    known = [value for value in before if value is not None]
    began = [
        moment for field in _LOSSES if (moment := growing_since(told.get(field, ()))) is not None
    ]
    offered = rates.get("rx_packets_per_second", 0.0) + sum(lost)
    return DpdkPort(
        port=port,
        **totals,
        **rates,
        drop_percent=round(100 * sum(lost) / offered, 3) if offered else None,
        drops_earlier_per_second=sum(known) if known else None,
        dropping_since=datetime.fromtimestamp(min(began), UTC) if began else None,
    )


def _share(parts: Iterable[Points], wholes: Iterable[Points]) -> float | None:
    """How much of one counter's growth the other's is, in percent over the last minutes."""

    def grown(many: Iterable[Points]) -> float | None:
        rates = [rate(points, since=points[-1][0] - RATE_SECONDS) for points in many]
        known = [value for value in rates if value is not None]
        return sum(known) if known else None

    part, whole = grown(parts), grown(wholes)
    return round(100 * part / whole, 1) if part is not None and whole else None


def _judge(stats: DpdkStats) -> tuple[tuple[str, ...], str | None]:
    """What is lost, and what to do first about it."""
    found: list[str] = []
    for port in stats.ports:
        for name in (*_LOSSES, "tx_errors"):
            value = getattr(port, f"{name}_per_second")
            if value:
                found.append(f"port {port.port}: {name} {value:,.0f}/s")
    throttled = stats.cpu_throttled_percent or 0.0
    is_cut = throttled > THROTTLED_PERCENT
    is_busy = (stats.busy_percent or 0.0) > BUSY_PERCENT
    if is_cut:
        found.append(f"CPU throttled in {throttled:g} % of periods: cores are not isolated")
    if is_busy:
        found.append(f"polling cores {stats.busy_percent:g} % busy")
    if any(port.rx_nombuf_per_second for port in stats.ports):
        return tuple(found), "buffer pool empty: look for a leak, enlarge the pool or hugepages"
    if any(port.imissed_per_second for port in stats.ports):
        if is_cut:
            return tuple(found), (
                "restore CPU isolation (Guaranteed QoS, cpu-quota.crio.io, performance profile)"
            )
        return tuple(found), "receive queue overrun: more queues or cores, check CPU isolation"
    return tuple(found), None

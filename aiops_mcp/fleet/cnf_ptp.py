"""How well a cluster's clocks are synchronised, from the PTP operator's metrics. Pure.

Names and codes are those of openshift/linuxptp-daemon's metrics; thresholds are the profile's own
where it tells them, else the operator's defaults. ITU-T G.8271 leaves 1.5 us to a TDD cell.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiops_mcp.analysis.counters import increase, points_of, slope, steady_since
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.cnf import ClockState, PtpStatus
from aiops_mcp.models.metrics import Series

PREFIX = "openshift_ptp_"
LOOK_BACK_SECONDS = 3600.0
STEP_SECONDS = 30.0
DEFAULT_OFFSET_NS = 100.0
AIR_INTERFACE_NS = 1500.0
DRIFT_SECONDS = 600.0

_NAMES = (
    "offset_ns", "max_offset_ns", "delay_ns", "clock_state", "clock_class", "interface_role",
    "process_status", "process_restart_count", "threshold", "gnss_status", "frequency_status",
    "phase_status", "pps_status",
)  # fmt: skip
QUERY = f'{{__name__=~"{PREFIX}({"|".join(_NAMES)})"}}'

_STATES = {0: ClockState.FREERUN, 1: ClockState.LOCKED, 2: ClockState.HOLDOVER}
_ROLES = {0: "PASSIVE", 1: "SLAVE", 2: "MASTER", 3: "FAULTY", 4: "UNKNOWN", 5: "LISTENING"}
_GNSS = {0: "no fix", 1: "dead reckoning", 2: "2D", 3: "3D", 4: "GPS+DR", 5: "time only"}
_DPLL = {-1: "unknown", 0: "invalid", 1: "freerun", 2: "locked", 3: "locked, holdover acquired",
         4: "holdover"}  # fmt: skip
_HOST_CLOCK = "phc2sys"
_LOCKED_CLASSES = frozenset({6, 7, 135, 255})
"""Locked to a primary reference, in holdover within its specification, or slave-only (G.8275.1)."""

Points = tuple[tuple[float, float], ...]


@dataclass
class _Node:
    """What a node's series say, by process, interface or both."""

    clocks: dict[tuple[str, str], dict[str, Points]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], dict[str, Points]](dict)
    )
    processes: dict[str, dict[str, Points]] = field(
        default_factory=lambda: defaultdict[str, dict[str, Points]](dict)
    )
    roles: dict[str, str] = field(default_factory=dict[str, str])
    thresholds: dict[str, float] = field(default_factory=dict[str, float])
    hardware: dict[str, float] = field(default_factory=dict[str, float])


def ptp_statuses(series: Iterable[Series], cluster: Cluster) -> tuple[PtpStatus, ...]:
    """Every clock of the cluster from the range answer to ``QUERY``, by node and process.

    Metrics that belong to no clock (a node without offset and state) give no status.
    """
    nodes: dict[str, _Node] = defaultdict(_Node)
    for one in series:
        name = one.metric.get("__name__", "").removeprefix(PREFIX)
        points = points_of(one.values)
        node = one.metric.get("node") or one.metric.get("instance", "")
        if points and node:
            _take(nodes[node], name, one.metric, points)
    return tuple(
        _status(cluster, name, node, process, interface, told)
        for name, node in sorted(nodes.items())
        for (process, interface), told in sorted(node.clocks.items())
    )


def _take(node: _Node, name: str, labels: Mapping[str, str], points: Points) -> None:
    process = labels.get("process", "")
    interface = labels.get("iface", "")
    newest = points[-1][1]
    match name:
        case "offset_ns" | "max_offset_ns" | "delay_ns" | "clock_state":
            node.clocks[process, interface][name] = points
        case "clock_class" | "process_status" | "process_restart_count":
            node.processes[process][name] = points
        case "interface_role":
            node.roles[interface] = _ROLES.get(int(newest), "UNKNOWN")
        case "threshold":
            node.thresholds[labels.get("threshold", "")] = newest
        case "gnss_status" | "pps_status" | "frequency_status" | "phase_status":
            node.hardware[name] = newest
        case _:
            pass


def _status(
    cluster: Cluster,
    name: str,
    node: _Node,
    process: str,
    interface: str,
    told: Mapping[str, Points],
) -> PtpStatus:
    states = told.get("clock_state", ())
    offsets = told.get("offset_ns", ())
    of_process = node.processes.get(process, {})
    began = steady_since(states)
    restarts = increase(of_process.get("process_restart_count", ()))
    recent = [point for point in offsets if point[0] >= offsets[-1][0] - DRIFT_SECONDS]
    drift = slope(recent)
    timeout = node.thresholds.get("HoldOverTimeout")
    status = PtpStatus(
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        node=name,
        process=process,
        interface=interface,
        clock_state=_STATES.get(int(states[-1][1])) if states else None,
        since=datetime.fromtimestamp(began, UTC) if began is not None else None,
        since_is_earlier=began is not None and began <= states[0][0],
        unlocked_seconds=_unlocked(states),
        holdover_timeout_seconds=timeout,
        holdover_left_seconds=_holdover_left(states, timeout),
        offset_ns=_newest(offsets),
        worst_offset_ns=max((value for _, value in offsets), key=abs, default=None),
        min_offset_ns=node.thresholds.get("MinOffsetThreshold", -DEFAULT_OFFSET_NS),
        max_offset_ns=node.thresholds.get("MaxOffsetThreshold", DEFAULT_OFFSET_NS),
        trend_ns_per_minute=None if drift is None else round(drift * 60, 2),
        delay_ns=_newest(told.get("delay_ns", ())),
        clock_class=_whole(_newest(of_process.get("clock_class", ()))),
        port_roles={} if process == _HOST_CLOCK else node.roles,
        process_up=_flag(_newest(of_process.get("process_status", ()))),
        process_restarts=_whole(restarts),
        gnss=_code(_GNSS, node.hardware.get("gnss_status")),
        pps=_flag(node.hardware.get("pps_status")),
        dpll_phase=_code(_DPLL, node.hardware.get("phase_status")),
        dpll_frequency=_code(_DPLL, node.hardware.get("frequency_status")),
    )
    found = _troubles(status)
    return status.model_copy(
        update={"troubles": found, "next_step": _next_step(status) if found else None}
    )


def _unlocked(states: Points) -> float | None:
    """Seconds since the last moment at which the clock was locked, null while it is."""
    if not states or states[-1][1] == 1:
        return None
    locked = [moment for moment, state in states if state == 1]
    return states[-1][0] - (locked[-1] if locked else states[0][0])


def _holdover_left(states: Points, timeout: float | None) -> float | None:
    """Seconds until the holdover is given up, null unless the clock is in it."""
    away = _unlocked(states)
    if (
        away is None
        or timeout is None
        or _STATES.get(int(states[-1][1])) is not ClockState.HOLDOVER
    ):
        return None
    return max(0.0, timeout - away)


def _troubles(status: PtpStatus) -> tuple[str, ...]:
    found: list[str] = []
    if status.clock_state not in (None, ClockState.LOCKED):
        left = status.holdover_left_seconds
        found.append(
            status.clock_state.value + ("" if left is None else f", {left:g} s of it left")
        )
    offset = status.offset_ns
    if offset is not None and not status.min_offset_ns <= offset <= status.max_offset_ns:
        limit = status.max_offset_ns if offset > 0 else status.min_offset_ns
        found.append(f"offset {offset:g} ns beyond {limit:g}")
        if abs(offset) > AIR_INTERFACE_NS:
            found.append("beyond the 1.5 us of the air interface")
    if status.clock_class is not None and status.clock_class not in _LOCKED_CLASSES:
        found.append(f"clock class {status.clock_class}")
    found += [
        f"port {port} {role}"
        for port, role in sorted(status.port_roles.items())
        if role in ("FAULTY", "LISTENING")
    ]
    slaves = sorted(port for port, role in status.port_roles.items() if role == "SLAVE")
    if len(slaves) > 1:
        found.append(f"{len(slaves)} ports SLAVE at once: {', '.join(slaves)}")
    if status.process_up is False:
        found.append(f"{status.process} is down")
    if status.process_restarts:
        found.append(f"{status.process} restarted {status.process_restarts} x")
    if status.gnss in ("no fix", "dead reckoning"):
        found.append(f"GNSS {status.gnss}")
    if status.pps is False:
        found.append("no pulse per second")
    return tuple(found)


def _next_step(status: PtpStatus) -> str:
    """What to look at first, by what usually breaks in this way."""
    if status.process_up is False or status.process_restarts:
        return f"read the log of linuxptp-daemon on {status.node}"
    if status.gnss in ("no fix", "dead reckoning"):
        return "check the antenna and its view of the sky"
    if status.process == _HOST_CLOCK:
        return "if ptp4l is well: host CPU, or chrony running beside phc2sys"
    if "LISTENING" in status.port_roles.values() or status.clock_state is ClockState.FREERUN:
        return "no master heard: link, VLAN and multicast, then the grandmaster and its GNSS"
    if "FAULTY" in status.port_roles.values():
        return "check cable and port of the switch"
    return "check the network path to the grandmaster (delay, congestion, asymmetry)"


def _newest(points: Sequence[tuple[float, float]]) -> float | None:
    return points[-1][1] if points else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _flag(value: float | None) -> bool | None:
    return None if value is None else value > 0


def _code(names: Mapping[int, str], value: float | None) -> str | None:
    return None if value is None else names.get(int(value), f"code {value:g}")

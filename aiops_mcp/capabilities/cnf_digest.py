"""Network functions made small: what is wrong first, in the words of the field.

Pure functions on the models; no I/O, no clock.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from aiops_mcp.capabilities.digesting import coverage_line, more_line, significant
from aiops_mcp.models.cnf import CnfWorkload, DpdkPort, DpdkStats, PtpStatus, SriovPool, SriovStatus
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Cell, Digest

_SHOWN_TROUBLES = 3
_WELL_SHOWN = 3


def digest_workloads(
    workloads: Sequence[CnfWorkload],
    coverage: Coverage,
    as_of: datetime,
    *,
    notes: Sequence[str],
    limit: int,
    start: int,
    call: str,
) -> Digest:
    """A row a workload; ``workloads`` have those with trouble first."""
    shown = workloads[start : start + limit]
    troubled = sum(bool(work.troubles) for work in workloads)
    types = Counter(work.type.value for work in workloads)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(types.items()))
    if workloads:
        headline = f"{len(workloads)} network functions ({kinds}); {troubled} with trouble."
    else:
        headline = "No network functions were found by names, annotations, ports or resources."
    return Digest(
        headline=headline,
        columns=("cluster", "type", "workload", "ready", "nodes", "trouble"),
        rows=tuple(_workload_row(work) for work in shown),
        coverage=coverage_line(coverage),
        as_of=as_of,
        notes=tuple(notes),
        more=more_line(
            total=len(workloads), start=start, shown=len(shown), what="workloads", call=call
        ),
    )


def _workload_row(work: CnfWorkload) -> tuple[Cell, ...]:
    return (
        work.cluster_name,
        work.type.value,
        f"{work.namespace}/{work.name}",
        f"{work.replicas_ready}/{work.replicas_wanted}",
        _some(work.nodes, 2),
        _some(work.troubles, _SHOWN_TROUBLES) or None,
    )


def digest_ptp(
    statuses: Sequence[PtpStatus],
    coverage: Coverage,
    as_of: datetime,
    *,
    limit: int,
    start: int,
    call: str,
) -> Digest:
    """A row a clock: those with trouble, and the largest offsets of the others."""
    troubled = [status for status in statuses if status.troubles]
    if not statuses:
        headline = "No cluster that answered has PTP metrics (openshift_ptp_…)."
    elif troubled:
        headline = (
            f"{len(troubled)} of {len(statuses)} clocks have trouble: {_ptp_words(troubled[0])}."
        )
    else:
        headline = (
            f"All {len(statuses)} clocks are locked and within their limits; "
            f"largest offset {significant(abs(statuses[0].offset_ns or 0.0))} ns."
        )
    # The rest is well: a few of it tell as much as all, until one asks for more.
    most = limit if start else min(limit, len(troubled) + _WELL_SHOWN)
    shown = statuses[start : start + most]
    steps = dict.fromkeys(
        f"{one.cluster_name}/{one.node} {one.process}: {one.next_step}"
        for one in troubled
        if one.next_step
    )
    return Digest(
        headline=headline,
        columns=(
            "cluster",
            "node",
            "process",
            "iface",
            "state",
            "for",
            "offset_ns",
            "limit_ns",
            "ns_per_min",
            "trouble",
        ),
        rows=tuple(_ptp_row(one, as_of) for one in shown),
        coverage=coverage_line(coverage),
        as_of=as_of,
        notes=tuple(list(steps)[:5]),
        more=more_line(
            total=len(statuses), start=start, shown=len(shown), what="clocks", call=call
        ),
    )


def _ptp_words(status: PtpStatus) -> str:
    troubles = _some(status.troubles, _SHOWN_TROUBLES)
    away = status.unlocked_seconds
    lost = f", lock lost {_duration(away)} ago" if away is not None else ""
    return f"{status.cluster_name}/{status.node} {status.process} {troubles}{lost}"


def _ptp_row(status: PtpStatus, as_of: datetime) -> tuple[Cell, ...]:
    held = (as_of - status.since).total_seconds() if status.since else None
    age = None if held is None else f"{'>' if status.since_is_earlier else ''}{_duration(held)}"
    trend = status.trend_ns_per_minute
    return (
        status.cluster_name,
        status.node,
        status.process,
        status.interface,
        status.clock_state.value if status.clock_state else None,
        age,
        _number(status.offset_ns),
        f"{status.min_offset_ns:g}..{status.max_offset_ns:g}",
        _number(trend) if trend is not None and abs(trend) >= 1 else None,
        _some(status.troubles, _SHOWN_TROUBLES) or None,
    )


def digest_dpdk(stats: DpdkStats, as_of: datetime, *, simulated: bool) -> Digest:
    """A row a port; the headline says what is lost, the notes why and what to do."""
    where = f"{stats.cluster_name} {stats.namespace}/{stats.pod_name}"
    dropping = [port for port in stats.ports if port.drop_percent]
    if dropping:
        worst = max(dropping, key=lambda port: port.drop_percent or 0.0)
        since = f" since {worst.dropping_since:%H:%M:%S}" if worst.dropping_since else ""
        headline = f"{where} drops {worst.drop_percent:g} % of port {worst.port}'s packets{since}."
    else:
        headline = f"{where}: {len(stats.ports)} ports, nothing is dropped."
    notes = list(stats.troubles)
    if stats.busy_percent is not None:
        notes.append(f"polling cores {stats.busy_percent:g} % busy with packets")
    if stats.next_step:
        notes.append(f"next: {stats.next_step}")
    return Digest(
        headline=headline,
        columns=(
            "port",
            "rx/s",
            "tx/s",
            "imissed/s",
            "rx_nombuf/s",
            "rx_errors/s",
            "tx_errors/s",
            "drop_%",
            "drops/s_before",
        ),
        rows=tuple(_port_row(port) for port in stats.ports),
        coverage="simulated fleet" if simulated else None,
        as_of=as_of,
        notes=tuple(notes),
    )


def _port_row(port: DpdkPort) -> tuple[Cell, ...]:
    return (
        port.port,
        _number(port.rx_packets_per_second),
        _number(port.tx_packets_per_second),
        _number(port.imissed_per_second),
        _number(port.rx_nombuf_per_second),
        _number(port.rx_errors_per_second),
        _number(port.tx_errors_per_second),
        port.drop_percent,
        _number(port.drops_earlier_per_second),
    )


def digest_sriov(
    interfaces: Sequence[SriovStatus],
    pools: Sequence[SriovPool],
    coverage: Coverage,
    as_of: datetime,
    *,
    notes: Sequence[str],
    limit: int,
    start: int,
    call: str,
) -> Digest:
    """A row an interface; pools that are used up or asked for beyond what there is, as notes."""
    shown = interfaces[start : start + limit]
    troubled = sum(bool(one.troubles) for one in interfaces)
    made = sum(one.vfs_total for one in interfaces)
    taken = sum(one.vfs_allocated or 0 for one in interfaces)
    if interfaces:
        headline = (
            f"{len(interfaces)} SR-IOV interfaces with {made} virtual functions, "
            f"{taken} taken; {troubled} with trouble."
        )
    else:
        headline = "No cluster that answered has the SR-IOV network operator."
    full = [pool for pool in pools if pool.requested >= pool.allocatable]
    return Digest(
        headline=headline,
        columns=("cluster", "node", "iface", "link", "vfs", "taken", "drops/s", "sync", "trouble"),
        rows=tuple(_sriov_row(one) for one in shown),
        coverage=coverage_line(coverage),
        as_of=as_of,
        notes=(
            *(
                f"{pool.cluster_name}/{pool.node}: {pool.requested} of {pool.allocatable} "
                f"{pool.resource} asked for"
                for pool in full[:5]
            ),
            *notes,
        ),
        more=more_line(
            total=len(interfaces), start=start, shown=len(shown), what="interfaces", call=call
        ),
    )


def _sriov_row(one: SriovStatus) -> tuple[Cell, ...]:
    drops = [one.rx_dropped_per_second, one.tx_dropped_per_second]
    known = [value for value in drops if value is not None]
    link = {True: "up", False: "down", None: None}[one.link_up]
    return (
        one.cluster_name,
        one.node,
        one.interface,
        link,
        one.vfs_total,
        one.vfs_allocated,
        _number(sum(known)) if known else None,
        one.sync_status,
        _some(one.troubles, _SHOWN_TROUBLES) or None,
    )


def _some(texts: Sequence[str], most: int) -> str:
    rest = len(texts) - most
    return "; ".join(texts[:most]) + (f" +{rest} more" if rest > 0 else "")


def _number(value: float | None) -> float | int | None:
    return None if value is None else significant(value)


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"

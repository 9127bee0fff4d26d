"""What one cluster can tell of its GPUs beside their state now: histories, XIDs, model servers.

Each source is asked on its own, and one that fails is a note: what it would have told is then
unknown, and the answer says so.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiops_mcp.analysis.gpuhealth_history import card_history, held_xid, xid_edges
from aiops_mcp.backends.dcgm_timeline import history_query, timelines, xid_query
from aiops_mcp.backends.gpu_codes import CLOCK_EVENT_BITS
from aiops_mcp.backends.vllm_metrics import HOLDERS, servers
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.access import Access, BackendMissing
from aiops_mcp.fleet.gpu_kernel_log import kernel_xids
from aiops_mcp.models.gpu_health import CardHistory, XidSighting, XidSource
from aiops_mcp.models.xid import xid_event

HISTORY = timedelta(hours=1)
XID_HISTORY = timedelta(hours=6)
STEP = 60.0
RECENT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Evidence:
    """``dcgm_nodes`` is null where DCGM told nothing at all; ``servers`` names models by pod."""

    histories: Mapping[str, CardHistory]
    sightings: tuple[XidSighting, ...]
    dcgm_nodes: frozenset[str] | None
    servers: Mapping[str, str]
    notes: tuple[str, ...] = ()


async def gather_evidence(access: Access, now: datetime) -> Evidence:
    """Ask all sources of a cluster at once; a missing one is a note, never an error."""
    metrics, events, lines = await asyncio.gather(
        _tried(_from_metrics(access, now)),
        _tried(_from_events(access)),
        _tried(kernel_xids(access, now - XID_HISTORY, now)),
    )
    name = access.cluster.name
    found = metrics.value or Evidence({}, (), None, {})
    notes = [*found.notes]
    if metrics.failure is not None:
        notes.append(
            f"{name}: no history, so XIDs by DCGM and trends are unknown: {metrics.failure}"
        )
    if events.failure is not None:
        notes.append(f"{name}: Kubernetes events unknown: {events.failure}")
    if lines.failure is not None:
        notes.append(f"{name}: kernel log unknown: {lines.failure}")
    sightings = (*found.sightings, *(events.value or ()), *(lines.value or ()))
    return Evidence(found.histories, sightings, found.dcgm_nodes, found.servers, tuple(notes))


@dataclass(frozen=True, slots=True)
class _Tried:
    value: Any = None
    failure: str | None = None


async def _tried(work: Awaitable[Any]) -> _Tried:
    try:
        return _Tried(await work)
    except BackendMissing as missing:
        return _Tried(failure=f"it has no {missing.backend}")
    except AiopsError as failure:
        return _Tried(failure=failure.message)


async def _from_metrics(access: Access, now: datetime) -> Evidence:
    prometheus = await access.prometheus()
    history, xids, serving = await asyncio.gather(
        prometheus.query_range(history_query(), start=now - HISTORY, end=now, step=STEP),
        prometheus.query_range(xid_query(), start=now - XID_HISTORY, end=now, step=STEP),
        prometheus.query(HOLDERS),
    )
    by_uuid = {one.uuid: one for one in timelines(xids.series)}
    held = {uuid: held_xid(one) for uuid, one in by_uuid.items()}
    lines = timelines(history.series)
    told = [card_history(one, CLOCK_EVENT_BITS, held.get(one.uuid)) for one in lines]
    histories = {one.uuid: one for one in told if one is not None}
    recent = {one.node_name for one in histories.values() if now - one.last_sample <= RECENT}
    # who held a card is known from the metrics that carry the pod, which both answers do
    edges = tuple(edge for one in by_uuid.values() for edge in xid_edges(one))
    return Evidence(
        histories,
        edges,
        frozenset(recent) if histories else None,
        {
            f"{one.namespace}/{one.pod}": one.model
            for one in servers(serving.series)
            if one.namespace and one.pod
        },
    )


async def _from_events(access: Access) -> tuple[XidSighting, ...]:
    kubernetes = await access.kubernetes()
    events = await kubernetes.list("events", field_selector="involvedObject.kind=Node")
    return xids_of_events(events)


def xids_of_events(events: Iterable[Mapping[str, Any]]) -> tuple[XidSighting, ...]:
    """XIDs that node events tell (``XidCriticalError`` and the like), at first and at last."""
    found: list[XidSighting] = []
    for event in events:
        read = xid_event(str(event.get("message") or ""))
        involved: Mapping[str, Any] = event.get("involvedObject") or {}
        node = involved.get("name")
        if read is None or not node:
            continue
        found += [
            XidSighting(
                code=read.code,
                at=moment,
                node_name=str(node),
                sources=(XidSource.EVENT,),
                pci_bus_id=read.pci_bus_id,
                process=read.process_name,
                detail=read.detail,
            )
            for moment in _moments(event)
        ]
    return tuple(found)


def _moments(event: Mapping[str, Any]) -> Sequence[datetime]:
    series: Mapping[str, Any] = event.get("series") or {}
    first = _moment(event.get("firstTimestamp")) or _moment(event.get("eventTime"))
    last = _moment(series.get("lastObservedTime")) or _moment(event.get("lastTimestamp")) or first
    return tuple(dict.fromkeys(one for one in (first or last, last) if one is not None))


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

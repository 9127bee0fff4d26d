"""XIDs from the nodes' kernel logs, where a cluster's Loki keeps them.

Which labels a journal has depends on who ships it, so the labels that there are decide how it is
selected. A cluster whose Loki keeps no journal tells nothing, and that is no failure.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from aiops_mcp.backends.loki import LokiClient
from aiops_mcp.errors import BackendRefused
from aiops_mcp.fleet.access import Access, BackendMissing
from aiops_mcp.models.gpu_health import XidSighting, XidSource
from aiops_mcp.models.xid import xid_event

MOST = 1000
"""Lines read; a card that writes more tells nothing new with them."""

_SELECTORS: tuple[tuple[str, str], ...] = (
    ("log_type", '{log_type="infrastructure"}'),
    ("transport", '{transport="kernel"}'),
    ("job", '{job=~".*(journal|kern|syslog).*"}'),
    ("unit", '{unit=~"kernel.*"}'),
    ("systemd_unit", '{systemd_unit=~"kernel.*"}'),
    ("syslog_identifier", '{syslog_identifier="kernel"}'),
)
"""By the label that must be there: OpenShift's collector, Alloy and Promtail, Vector."""

_NODE_LABELS = (
    "node",
    "node_name",
    "k8s_node_name",
    "kubernetes_host",
    "hostname",
    "nodename",
    "host",
    "instance",
)


def kernel_query(labels: Collection[str]) -> str | None:
    """The LogQL for XID lines, by the labels that a Loki has."""
    selector = next((one for label, one in _SELECTORS if label in labels), None)
    return None if selector is None else f'{selector} |= "NVRM: Xid"'


async def kernel_xids(access: Access, start: datetime, end: datetime) -> tuple[XidSighting, ...]:
    """The XIDs in the kernel logs between two moments; none where there is no such log.

    Raises:
        AiopsError: Loki is there and does not answer.
    """
    try:
        loki = await access.loki()
    except BackendMissing:
        return ()
    tenants = loki.tenancy.chosen(None)
    tenant = next((one for one in tenants if one == "infrastructure"), tenants[0])
    span = (int(start.timestamp() * 1e9), int(end.timestamp() * 1e9))
    return await _read(loki, tenant, span)


async def _read(
    loki: LokiClient, tenant: str | None, span: tuple[int, int]
) -> tuple[XidSighting, ...]:
    try:
        names = await loki.labels(start=span[0], end=span[1], tenant=tenant)
        query = kernel_query(names)
        if query is None:
            return ()
        answer = await loki.query_range(
            query, start=span[0], end=span[1], limit=MOST, tenant=tenant
        )
    except BackendRefused as refused:
        if refused.http_status in (403, 404):
            return ()  # a tenant that may not be read, or that is not there
        raise
    found = [
        sighting
        for stream in answer.streams
        for line in stream.lines
        if (sighting := sighting_of(line.text, line.ns, stream.labels)) is not None
    ]
    return tuple(found)


def sighting_of(line: str, ns: int, labels: Mapping[str, str]) -> XidSighting | None:
    """The XID in a line; ``None`` where there is none, or no label names the node."""
    read = xid_event(line)
    node = next((labels[name] for name in _NODE_LABELS if labels.get(name)), None)
    if read is None or node is None:
        return None
    return XidSighting(
        code=read.code,
        at=datetime.fromtimestamp(ns / 1e9, UTC),
        node_name=node.rsplit(":", 1)[0],
        sources=(XidSource.KERNEL_LOG,),
        pci_bus_id=read.pci_bus_id,
        process=read.process_name,
        detail=read.detail,
    )

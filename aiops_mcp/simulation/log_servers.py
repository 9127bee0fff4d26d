"""Which log store each cluster of a fleet has, and the books that all of them read from.

A cluster with a ``loki`` service has a plain Loki, one with ``logging-loki-gateway-http`` a
LokiStack's gateway; the others have pod logs alone.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from starlette.types import ASGIApp

from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.logs import LogBook
from aiops_mcp.simulation.logs.visits import Visit
from aiops_mcp.simulation.loki import ClusterStreams, gateway_app, loki_app
from aiops_mcp.simulation.spans import Kind, Span, Status
from aiops_mcp.simulation.traces import TraceBook
from aiops_mcp.simulation.world import World

LogStore = Literal["loki", "lokistack"]
LOKI_SERVICE = "loki"
GATEWAY_SERVICE = "logging-loki-gateway-http"
_STORES: dict[str, LogStore] = {LOKI_SERVICE: "loki", GATEWAY_SERVICE: "lokistack"}


def log_store(world: World, name: str) -> LogStore | None:
    """Which log store a cluster has; ``None``: pod logs alone."""
    services = {work.service or "" for work in world.clusters[name].inventory.workloads}
    return next((kind for service, kind in _STORES.items() if service in services), None)


def log_path(world: World, name: str) -> str:
    """What follows the host in the URL of a cluster's log store."""
    return "/api/logs/v1/application" if log_store(world, name) == "lokistack" else ""


class LogServers:
    """Log books and log stores of a world's clusters, made when they are first needed."""

    def __init__(self, world: World, traces: Callable[[], TraceBook], poll: float) -> None:
        self._world = world
        self._traces = traces
        self._poll = poll
        self._books: dict[str, LogBook] = {}

    def book(self, name: str) -> LogBook:
        """Every line that is written in a cluster."""
        if name not in self._books:
            cluster = self._world.clusters[name]
            self._books[name] = LogBook(cluster, partial(self._visits, name))
        return self._books[name]

    def app(self, name: str, *, trusted: bool = False) -> ASGIApp:
        """A cluster's log store; ``trusted``: behind the API server, which has asked who it is.

        Raises:
            LookupError: the cluster has none.
        """
        world, book = self._world, self.book(name)
        match log_store(world, name):
            case "loki":
                streams = ClusterStreams(world.clusters[name], book)
                return loki_app(streams, world.now, poll=self._poll)
            case "lokistack":
                roles = {token_of(world.seed, name, role): role for role in ("admin", "viewer")}
                return gateway_app(
                    world.clusters[name],
                    book,
                    world.now,
                    roles.get,
                    trusted=trusted,
                    poll=self._poll,
                )
            case None:
                raise LookupError(f"{name} has no log store")

    def _visits(self, name: str, start: float, end: float) -> Iterator[Visit]:
        for part in self._traces().under_way(name, start, end):
            for span in part.spans:
                if span.kind is Kind.SERVER and start <= span.end_ns / 1e9 < end:
                    yield _visit(part.trace_id, span, part.spans)


def _visit(trace_id: str, span: Span, spans: tuple[Span, ...]) -> Visit:
    peer = error = ""
    status = int(span.attributes.get("http.response.status_code", 200))
    if span.status is Status.ERROR:
        failed = next((one for one in spans if _is_failed_call(one, span)), None)
        peer = str(failed.attributes.get("peer.service", "")) if failed else ""
        error = (failed.message if failed else "") or span.message
        if failed and failed.events:
            error = str(failed.events[0].attributes.get("exception.message", error))
    return Visit(
        pod=str(span.process.resource.get("k8s.pod.name", "")),
        ns=span.end_ns,
        seconds=span.duration_ns / 1e9,
        trace_id=trace_id,
        span_id=span.span_id,
        method=str(span.attributes.get("http.request.method", "GET")),
        path=str(span.attributes.get("url.path", "/")),
        status=status,
        peer=peer,
        error=error,
    )


def _is_failed_call(one: Span, of: Span) -> bool:
    failed = one.kind is Kind.CLIENT and one.status is Status.ERROR
    return failed and one.parent_id == of.span_id

"""The simulated fleet on loopback sockets, for ``kubectl``, ``promtool``, Grafana and others.

Three ports a cluster: API server (TLS, as ``kubectl`` sends no token without), Prometheus and
Alertmanager (plain); after all of these one for each cluster's Loki, then for each one's Tempo or
Jaeger. A cluster that is away refuses connections; one that goes away meanwhile resets them.
"""

import asyncio
import base64
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import uvicorn
import yaml
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aiops_mcp.errors import InputError
from aiops_mcp.simulation.certificate import serving_certificate
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.log_servers import log_path, log_store
from aiops_mcp.simulation.trace_servers import trace_path, trace_url

BACKENDS = ("api", "prometheus", "alertmanager")
_PATHS = {"loki": log_path, "tempo": trace_path}
_BACKLOG = 256


@dataclass(frozen=True, slots=True)
class RunningFleet:
    """What serves: URLs by cluster and backend, a kubeconfig with one context per cluster."""

    urls: Mapping[str, Mapping[str, str]]
    kubeconfig: str
    authority_pem: str
    _servers: Sequence[uvicorn.Server]
    _tasks: Sequence["asyncio.Task[None]"]
    _unheard: Sequence[socket.socket]

    @property
    def description(self) -> dict[str, Any]:
        """The URLs as plain data, to print as JSON."""
        return {"clusters": {name: dict(urls) for name, urls in self.urls.items()}}

    async def wait(self) -> None:
        """Until it is stopped."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """Close every socket and open connection."""
        for server in self._servers:
            server.should_exit = server.force_exit = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self._unheard:
            one.close()


async def serve_fleet(
    fleet: SimulatedFleet, port_base: int = 0, host: str = "127.0.0.1"
) -> RunningFleet:
    """Serve every backend from ``port_base`` on (0: any free ports).

    Raises:
        InputError: a port is taken.
    """
    places: dict[int, tuple[str, str]] = {}
    sockets: dict[str, list[socket.socket]] = {"https": [], "http": [], "away": []}
    urls: dict[str, dict[str, str]] = {}
    wanted = [(name, backend) for name in fleet.world.names for backend in BACKENDS]
    wanted += [(name, "loki") for name in fleet.world.names if log_store(fleet.world, name)]
    wanted += [(name, "tempo") for name in fleet.world.names if trace_url(fleet.world, name)]
    try:
        for offset, (name, backend) in enumerate(wanted):
            bound = bound_socket(host, port_base + offset if port_base else 0)
            scheme = "https" if backend == "api" else "http"
            # A bound socket on which nobody listens refuses connections, as an absent site does.
            kind = "away" if fleet.world.clusters[name].spec.away else scheme
            sockets[kind].append(bound)
            port = bound.getsockname()[1]
            places[port] = (name, backend)
            path = _PATHS[backend](fleet.world, name) if backend in _PATHS else ""
            urls.setdefault(name, {})[backend] = f"{scheme}://{host}:{port}{path}"
            if backend == "api":
                fleet.world.clusters[name].api_address = urls[name][backend]
    except InputError:
        _close(sockets)
        raise
    certificate = serving_certificate(host)
    servers: list[uvicorn.Server] = []
    tasks: list[asyncio.Task[None]] = []
    for scheme in ("https", "http"):
        server = _server(fleet, places, certificate.context if scheme == "https" else None)
        servers.append(server)
        tasks.append(asyncio.create_task(_run(server, sockets[scheme])))
    while not all(server.started for server in servers):  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.01)
    kubeconfig = _kubeconfig(fleet, urls, certificate.authority_pem)
    return RunningFleet(
        urls, kubeconfig, certificate.authority_pem, servers, tasks, tuple(sockets["away"])
    )


def _close(sockets: Mapping[str, Sequence[socket.socket]]) -> None:
    for bound in sockets.values():
        for one in bound:
            one.close()


async def _run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
    # serve() would take the process's signals; they belong to whoever started us.
    await server._serve(sockets)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - see above


def _server(
    fleet: SimulatedFleet, places: Mapping[int, tuple[str, str]], tls: ssl.SSLContext | None
) -> uvicorn.Server:
    config = uvicorn.Config(
        _dispatcher(fleet, places),
        http=_guarded(fleet, places),
        lifespan="off",
        log_level="warning",
        access_log=False,
        backlog=_BACKLOG,
    )
    config.load()
    config.ssl = tls
    return uvicorn.Server(config)


def bound_socket(host: str, port: int) -> socket.socket:
    """A bound TCP socket; port 0 takes a free one.

    Raises:
        InputError: the port is taken.
    """
    # Named TCP, or asyncio leaves Nagle's algorithm on: 40 ms more an answer.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise InputError(
            f"Port {port} on {host} cannot be used: {error.strerror}.",
            "Choose another --port-base; three ports per cluster are taken from there on.",
        ) from error
    return bound


def _dispatcher(fleet: SimulatedFleet, places: Mapping[int, tuple[str, str]]) -> Any:
    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        name, backend = places[scope["server"][1]]
        await fleet.app(name, backend)(scope, receive, send)

    return dispatch


def _guarded(
    fleet: SimulatedFleet, places: Mapping[int, tuple[str, str]]
) -> type[HttpToolsProtocol]:
    """A protocol that hangs up while the cluster behind its port is away."""

    class GuardedProtocol(HttpToolsProtocol):
        def data_received(self, data: bytes) -> None:
            name, _ = places[self.transport.get_extra_info("sockname")[1]]
            if fleet.world.clusters[name].reachable(fleet.world.now()):
                super().data_received(data)
            else:
                self.transport.abort()

    return GuardedProtocol


def _kubeconfig(
    fleet: SimulatedFleet, urls: Mapping[str, Mapping[str, str]], authority: str
) -> str:
    names = list(urls)
    trusted = base64.b64encode(authority.encode()).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": names[0],
        "clusters": [
            {
                "name": name,
                "cluster": {"server": urls[name]["api"], "certificate-authority-data": trusted},
            }
            for name in names
        ],
        "users": [
            {"name": f"{name}-admin", "user": {"token": token_of(fleet.world.seed, name)}}
            for name in names
        ],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": f"{name}-admin"}} for name in names
        ],
    }
    return yaml.safe_dump(content, sort_keys=False)

"""Which program keeps a simulated cluster's traces, and where it answers."""

from starlette.types import ASGIApp

from aiops_mcp.simulation.jaeger import jaeger_app
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.tempo import tempo_app
from aiops_mcp.simulation.tempo_gateway import TENANT, TempoGateway
from aiops_mcp.simulation.traces import TraceBook
from aiops_mcp.simulation.world import World

TEMPO_SERVICE, GATEWAY_SERVICE, JAEGER_SERVICE = "tempo", "tempo-shop-gateway", "jaeger-query"


def trace_path(world: World, name: str) -> str:
    """What follows the host in the URL of a cluster's trace store."""
    gateway = world.clusters[name].spec.trace_store == "tempostack"
    return f"/api/traces/v1/{TENANT}/tempo" if gateway else ""


def trace_url(world: World, name: str) -> str | None:
    """Where a cluster's traces are asked for; ``None``: nothing keeps any."""
    if world.clusters[name].spec.trace_store is None:
        return None
    return f"https://tempo.{name}.sim.invalid{trace_path(world, name)}"


def trace_app(world: World, book: TraceBook, name: str, *, trusted: bool = False) -> ASGIApp:
    """What answers there; a ``trusted`` gateway has had its callers' tokens checked already."""
    kind = world.clusters[name].spec.trace_store
    if kind == "jaeger":
        return jaeger_app(book, name, world.now)
    tempo = tempo_app(book, name, world.now)
    if kind != "tempostack":
        return tempo
    token = token_of(world.seed, name)
    return TempoGateway(tempo, jaeger_app(book, name, world.now), None if trusted else token)

"""How the server itself is: alive, ready, each thing it stands on, and its metrics.

Knows its dependencies only as probes that ``app.py`` passes in.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aiops_mcp.errors import AiopsError
from aiops_mcp.models.principal import Principal
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.guard import guard_json
from aiops_mcp.surfaces.page import gated_page, open_page
from aiops_mcp.surfaces.problem import to_json

_log = logging.getLogger(__name__)

HEALTHY, DEGRADED, UNHEALTHY = "healthy", "degraded", "unhealthy"


@dataclass(frozen=True, slots=True)
class Probe:
    """A thing the server stands on. ``check`` raises where it does not work.

    Without a ``required`` one the server is not ready; without another it is degraded.
    """

    name: str
    check: Callable[[], Awaitable[object]]
    required: bool = True
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found; ``error`` is empty where all is well."""

    probe: Probe
    latency_ms: float
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        found = {
            "status": UNHEALTHY if self.error else HEALTHY,
            "latency_ms": round(self.latency_ms, 2),
            "required": self.probe.required,
        }
        return {**found, "error": self.error} if self.error else found


@dataclass
class Health:
    """Runs the probes together, at most once in ``keep`` seconds however often it is asked."""

    probes: Sequence[Probe]
    clock: Callable[[], float] = time.monotonic
    keep: float = 1.0
    _found: tuple[Finding, ...] = ()
    _at: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def findings(self) -> tuple[Finding, ...]:
        async with self._lock:
            if self._at is None or self.clock() - self._at >= self.keep:
                self._found = tuple(
                    await asyncio.gather(*(self._find(probe) for probe in self.probes))
                )
                self._at = self.clock()
            return self._found

    async def _find(self, probe: Probe) -> Finding:
        started, error = self.clock(), ""
        try:
            async with asyncio.timeout(probe.timeout):
                await probe.check()
        except TimeoutError:
            error = f"no answer within {probe.timeout:g} s"
        except AiopsError as failure:
            error = str(failure)
        except Exception as failure:  # noqa: BLE001  # a surface's edge: health must answer
            _log.exception("the probe %s failed in a way not foreseen", probe.name)
            error = f"failed ({type(failure).__name__})"  # its text may hold a password
        return Finding(probe, (self.clock() - started) * 1000, error)


def overall(findings: Sequence[Finding]) -> str:
    """Unhealthy where a required dependency fails, degraded where another does."""
    failed = [finding.probe for finding in findings if finding.error]
    if any(probe.required for probe in failed):
        return UNHEALTHY
    return DEGRADED if failed else HEALTHY


def health_routes(
    health: Health, gate: Gate, metrics: GatewayMetrics, *, version: str
) -> list[Route]:
    """``/health`` and ``/ready`` for everybody, ``/health/detailed`` and ``/metrics`` by token."""
    started = health.clock()

    async def alive(_request: Request) -> Response:
        return _json({"status": HEALTHY, "version": version})

    async def ready(_request: Request) -> Response:
        status = overall(await health.findings())
        is_ready = status != UNHEALTHY
        return _json({"ready": is_ready, "status": status}, 200 if is_ready else 503)

    async def detailed(_request: Request, _principal: Principal) -> Response:
        findings = await health.findings()
        status = overall(findings)
        body = {
            "status": status,
            "version": version,
            "uptime_seconds": round(health.clock() - started, 1),
            "dependencies": {finding.probe.name: finding.as_json() for finding in findings},
        }
        return _json(guard_json(body), 503 if status == UNHEALTHY else 200)

    async def own_metrics(_request: Request, _principal: Principal) -> Response:
        return Response(metrics.text(), headers={"content-type": metrics.content_type})

    return [
        open_page("/health", alive),
        open_page("/ready", ready),
        gated_page("/health/detailed", gate, detailed),
        gated_page("/metrics", gate, own_metrics),
    ]


def _json(body: Any, status: int = 200) -> Response:
    return Response(
        to_json(body),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )

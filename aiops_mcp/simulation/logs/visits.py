"""Requests as the services that answer them log them: one line each, and one for a failed call."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from aiops_mcp.simulation.logs.drawing import filled
from aiops_mcp.simulation.logs.lines import Line
from aiops_mcp.simulation.logs.styles import Style
from aiops_mcp.simulation.noise import key_of


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that a pod answered: when (``ns``, by its clock), and how long it took.

    ``peer`` is the service whose failure made it fail, with the ``error``; empty when none.
    """

    pod: str
    ns: int
    seconds: float
    trace_id: str
    span_id: str
    method: str
    path: str
    status: int
    peer: str = ""
    error: str = ""


Visits = Callable[[float, float], Iterable[Visit]]
"""The visits answered between two moments (unix seconds)."""

_SERVER_FAULT = 500
_CALLER_FAULT = 400


def visit_lines(visit: Visit, style: Style, known: Mapping[str, str]) -> Iterator[Line]:
    """What the pod writes about a visit, a failure's several lines first."""
    failed = visit.status >= _SERVER_FAULT
    level = "error" if failed else "warning" if visit.status >= _CALLER_FAULT else "info"
    draw = key_of(visit.trace_id, visit.span_id)
    facts = dict(known) | {
        "level": level,
        "LEVEL": {"warning": "WARN"}.get(level, level.upper()),
        "method": visit.method,
        "path": visit.path,
        "status": visit.status,
        "ms": f"{visit.seconds * 1000:.1f}",
        "seconds": f"{visit.seconds:.3f}",
        "bytes": 200 + draw % 9000,
        "client": f"10.{draw % 20 + 128}.{draw // 20 % 8}.{draw // 160 % 240 + 10}",
        "trace": visit.trace_id,
        "span": visit.span_id,
        "peer": visit.peer,
        "error": visit.error,
    }
    at = visit.ns // 1000 * 1000
    moment = visit.ns / 1e9
    if visit.peer and style.failure:
        told = filled(style.failure, moment, draw, facts).split("\n")
        for place, text in enumerate(told):
            yield Line(at - (len(told) - place) * 1000, text, "error", "stderr")
    yield Line(at, filled(style.request, moment, draw, facts), level, style.stream)

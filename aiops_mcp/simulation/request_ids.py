"""Which requests enter a simulated cluster, when, and the ids of their traces.

A request enters at each front door once in ``INTERVAL`` seconds, at a moment drawn by the seed.
Functions of their arguments and nothing else, so that logs and traces name the same ids without
asking each other. It must not know what a request does.
"""

import math
from collections.abc import Iterator, Sequence

from aiops_mcp.simulation.noise import key_of
from aiops_mcp.simulation.topology import WorkloadSpec

INTERVAL = 4.0
"""Seconds between two traced requests at one front door; the others leave no trace."""

_ODD = 0x9E3779B97F4A7C15
_INVERSE = pow(_ODD, -1, 2**64)
_MASK = 2**64 - 1


def _key(seed: int, cluster: str, service: str) -> int:
    return key_of("traces", seed, cluster, service)


def trace_id_of(seed: int, cluster: str, service: str, number: int) -> str:
    """The trace id, 32 hexadecimal digits, of a front door's request."""
    key = _key(seed, cluster, service)
    low = (number * _ODD + key) & _MASK
    return f"{key_of('trace', key, number):016x}{low:016x}"


def number_of(seed: int, cluster: str, service: str, trace_id: str) -> int | None:
    """Which request of a front door has a trace id; ``None``: it is none of its."""
    key = _key(seed, cluster, service)
    number = ((int(trace_id[16:], 16) - key) * _INVERSE) & _MASK
    number = number - 2**64 if number >= 2**63 else number
    return number if trace_id_of(seed, cluster, service, number) == trace_id else None


def started_at(seed: int, cluster: str, service: str, number: int) -> float:
    """When a request enters (unix seconds, whole microseconds)."""
    share = key_of("enters", seed, cluster, service, number) / 2.0**64
    return round((number + share) * INTERVAL, 6)


def requests_between(
    seed: int, cluster: str, service: str, start: float, end: float
) -> Iterator[tuple[int, float]]:
    """Number and moment of each request that enters from ``start`` until before ``end``."""
    for number in range(math.floor(start / INTERVAL), math.ceil(end / INTERVAL)):
        moment = started_at(seed, cluster, service, number)
        if start <= moment < end:
            yield number, moment


def front_doors(workloads: Sequence[WorkloadSpec]) -> list[WorkloadSpec]:
    """The services of a cluster that are called from outside: those that no other one calls."""
    called = {callee for work in workloads if work.http for callee in work.http.calls}
    return [work for work in workloads if work.http and work.name not in called]

"""Which requests enter a simulated cluster, when, and the ids of their traces.

A request enters at each front door once in ``INTERVAL`` seconds, at a moment drawn by the seed.
Functions of their arguments and nothing else, so that logs and traces name the same ids without
asking each other. It must not know what a request does.
"""

import math
from collections.abc import Iterator

from aiops_mcp.simulation.noise import key_of
from aiops_mcp.simulation.topology import WorkloadSpec

INTERVAL = 2.0
"""Seconds between two traced requests at one front door; the others leave no trace."""


def trace_id_of(seed: int, cluster: str, service: str, number: int) -> str:
    """The trace id, 32 hexadecimal digits, of a front door's request."""
    high = key_of("trace", seed, cluster, service, number) | 1
    return f"{high:016x}{key_of('trace/low', high, number):016x}"


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


def front_doors(workloads: tuple[WorkloadSpec, ...] | list[WorkloadSpec]) -> list[WorkloadSpec]:
    """The services of a cluster that are called from outside: those that no other one calls."""
    called = {callee for work in workloads if work.http for callee in work.http.calls}
    return [work for work in workloads if work.http and work.name not in called]

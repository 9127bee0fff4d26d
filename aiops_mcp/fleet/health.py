"""From what a check found to a cluster's status: score, state, connectivity. Pure, no clock.

The score is 100 less 50 (API server), 20 (Prometheus), 15 (Tempo) and 15 (Loki) for each part that
fails; what is not configured costs nothing. A cluster whose API server cannot be reached is
OFFLINE, one with a failing part DEGRADED, else ONLINE.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType

from aiops_mcp.models.cluster import ClusterState, ClusterStatus, Connectivity

WEIGHTS: Mapping[str, int] = MappingProxyType(
    {"API server": 50, "Prometheus": 20, "Tempo": 15, "Loki": 15}
)
API_SERVER, PROMETHEUS, TEMPO, LOKI = WEIGHTS

LAST_CHECKS = 10
FLAPS = 3
"""So many changes within the last checks, and the connection is called intermittent."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of a cluster: whether it answers, whether it is well, and what is wrong.

    ``reachable`` is false where nothing answered at all; a refusal is an answer. ``timed_out``
    says that nothing was heard in the time there was, which more time might change.
    """

    healthy: bool
    reachable: bool = True
    error: str | None = None
    latency_ms: float | None = None
    timed_out: bool = False


@dataclass(slots=True)
class Reachability:
    """Whether the last checks reached a cluster, newest last."""

    checks: deque[bool] = field(default_factory=lambda: deque[bool](maxlen=LAST_CHECKS))

    def saw(self, reached: bool) -> Connectivity:
        """Take in one check and say what the connection is like now."""
        self.checks.append(reached)
        seen = list(self.checks)
        changes = sum(1 for one, other in pairwise(seen) if one is not other)
        if changes >= FLAPS:
            return Connectivity.INTERMITTENT
        return Connectivity.CONNECTED if reached else Connectivity.DISCONNECTED


def status_of(
    findings: Mapping[str, Finding], connectivity: Connectivity, checked_at: datetime
) -> ClusterStatus:
    """The status that the findings add up to; a part without a finding is not configured."""
    api = findings[API_SERVER]
    failing = [name for name, finding in findings.items() if not finding.healthy]
    if not api.reachable:
        state = ClusterState.OFFLINE
    else:
        state = ClusterState.DEGRADED if failing else ClusterState.ONLINE
    errors = [f"{name}: {findings[name].error or 'not healthy'}" for name in failing]
    return ClusterStatus(
        state=state,
        health_score=100 - sum(WEIGHTS[name] for name in failing),
        connectivity=connectivity,
        api_server_healthy=api.healthy,
        prometheus_healthy=_health(findings, PROMETHEUS),
        tempo_healthy=_health(findings, TEMPO),
        loki_healthy=_health(findings, LOKI),
        last_error="; ".join(errors) or None,
        checked_at=checked_at,
    )


def _health(findings: Mapping[str, Finding], name: str) -> bool | None:
    return findings[name].healthy if name in findings else None

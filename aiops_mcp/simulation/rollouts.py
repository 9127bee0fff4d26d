"""How many pods a workload wants and has, over time, and whether its rollout makes progress."""

from typing import Any

from aiops_mcp.simulation.cluster import SimulatedCluster
from aiops_mcp.simulation.steps import Steps, changes, constant
from aiops_mcp.simulation.topology import WorkloadSpec

PROGRESS_DEADLINE = 600.0
"""How long a rollout may make no progress (seconds), Kubernetes' default."""


class WorkloadCounts:
    """How many pods a workload wants and has, over time."""

    def __init__(self, cluster: SimulatedCluster, work: WorkloadSpec) -> None:
        self._pods = cluster.inventory.pods_of(work.path)
        self._revisions = [one for one in cluster.inventory.revisions if one.work is work]
        self._wanted = len(self._pods) if work.kind == "DaemonSet" else work.replicas

    def states(self) -> dict[str, Steps[Any]]:
        """Named counts: wanted, existing, ready, missing, updated."""
        moments = sorted(
            {
                time
                for pod in self._pods
                for steps in (pod.history.ready, pod.history.running)
                for time in (*steps.times, pod.history.created, pod.history.deleted)
                if abs(time) < 1e18
            }
        )
        checks = [moments[0] - 1.0, *moments] if moments else [0.0]
        existing = [self._count(moment, ready=False) for moment in checks]
        ready = [self._count(moment, ready=True) for moment in checks]
        updated = [self._updated(moment) for moment in checks]
        times = tuple(moments)
        missing = tuple(float(max(0, self._wanted - one)) for one in ready)
        return {
            "wanted": constant(float(self._wanted)),
            "existing": Steps(times, tuple(map(float, existing))),
            "ready": Steps(times, tuple(map(float, ready))),
            "missing": Steps(times, missing),
            "updated": Steps(times, tuple(map(float, updated))),
            "progressing": self._progressing(),
        }

    def _progressing(self) -> Steps[bool]:
        """Whether the newest rollout makes progress; a stuck one is given ten minutes."""
        later: list[tuple[float, bool]] = []
        for one in self._revisions:
            if one.replicas.times and one.stalls:
                later += [(one.created + PROGRESS_DEADLINE, False), (one.replicas.times[-1], True)]
        return changes(True, later)

    def _count(self, moment: float, *, ready: bool) -> int:
        return sum(
            pod.history.exists(moment)
            and pod.history.phase.at(moment) != "Failed"
            and (pod.history.ready.at(moment) or not ready)
            for pod in self._pods
        )

    def _updated(self, moment: float) -> int:
        known = [one for one in self._revisions if one.created <= moment]
        if not known:
            return self._count(moment, ready=False)
        newest = max(known, key=lambda revision: revision.created)
        return sum(
            pod.history.exists(moment) and pod.template_hash == newest.template_hash
            for pod in self._pods
        )

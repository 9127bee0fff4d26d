"""What is not well in the whole fleet: every kind that can tell, judged page by page, put together.

Which trouble explains which other is told too: pods on a node that is away, replicas that lack
because their pods crash. How one object is judged is in ``unhealthy_*``.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.object_fields import Json, controller_of, text
from aiops_mcp.fleet.object_reading import ObjectReader, open_reader, refusal_notes
from aiops_mcp.fleet.unhealthy_platform import (
    judge_api_service,
    judge_certificate,
    judge_cluster_version,
    judge_machine_pool,
    judge_managed_cluster,
    judge_node,
    judge_operator,
    judge_signing_request,
)
from aiops_mcp.fleet.unhealthy_pods import judge_pod
from aiops_mcp.fleet.unhealthy_reasons import with_reasons
from aiops_mcp.fleet.unhealthy_workloads import (
    Judge,
    judge_autoscaler,
    judge_claim,
    judge_daemon_set,
    judge_deployment,
    judge_disruption_budget,
    judge_job,
    judge_stateful_set,
    judge_volume,
)
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.findings import Finding, UnhealthyList
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

NAMESPACED: Mapping[str, Judge] = {
    "deployments.apps": judge_deployment,
    "statefulsets.apps": judge_stateful_set,
    "daemonsets.apps": judge_daemon_set,
    "jobs.batch": judge_job,
    "persistentvolumeclaims": judge_claim,
    "horizontalpodautoscalers.autoscaling": judge_autoscaler,
    "poddisruptionbudgets.policy": judge_disruption_budget,
    "certificates.cert-manager.io": judge_certificate,
}
CLUSTER_WIDE: Mapping[str, Judge] = {
    "nodes": judge_node,
    "persistentvolumes": judge_volume,
    "certificatesigningrequests.certificates.k8s.io": judge_signing_request,
    "apiservices.apiregistration.k8s.io": judge_api_service,
    "clusterversions.config.openshift.io": judge_cluster_version,
    "clusteroperators.config.openshift.io": judge_operator,
    "machineconfigpools.machineconfiguration.openshift.io": judge_machine_pool,
    "managedclusters.cluster.open-cluster-management.io": judge_managed_cluster,
}
_RANK = {AlertSeverity.CRITICAL: 0, AlertSeverity.WARNING: 1, AlertSeverity.INFO: 2}
_NODE_CAUSES = frozenset({"NotReady", "NodeStatusUnknown"})
_BY_ITS_NODE = frozenset({"NotReady", "Terminating", "Unknown"})
"""What a pod shows when its node is away."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One cluster's findings, how many objects were judged, and what could not be read."""

    findings: tuple[Finding, ...]
    looked_at: Mapping[str, int]
    notes: tuple[str, ...]


async def read_unhealthy(
    fleet: Fleet,
    selection: Sequence[str],
    principal: Principal,
    *,
    namespace: str | None,
    seconds: float,
    ttl: float,
    clock: Callable[[], datetime],
    progress: Progress = no_progress,
) -> UnhealthyList:
    """All that is not well, worst first. Raises when no cluster answered."""

    async def ask(access: Access) -> _Seen:
        reader = await open_reader(access, fleet.cache, seconds=seconds)
        return await _look(reader, namespace, clock())

    answer = await fleet.ask(
        selection,
        ask,
        principal=principal,
        backend="kubernetes",
        deadline=seconds,
        cache=CacheRule(("unhealthy", namespace), ttl, _size),
        progress=progress,
    )
    answer.raise_if_nobody_answered()
    seen = [(one.cluster.name, one.value) for one in answer.succeeded() if one.value]
    findings = sorted((each for _, one in seen for each in one.findings), key=urgency)
    looked_at: Counter[str] = Counter()
    for _, one in seen:
        looked_at.update(one.looked_at)
    return UnhealthyList(
        findings=tuple(findings),
        total=len(findings),
        by_severity=dict(Counter(each.severity for each in findings)),
        by_cause=dict(Counter(each.cause for each in findings).most_common()),
        looked_at=dict(looked_at),
        notes=refusal_notes((name, one.notes) for name, one in seen),
        coverage=answer.coverage(),
        as_of=answer.asked_at,
    )


def urgency(one: Finding) -> tuple[int, bool, str, str, str]:
    """Worst first; what another explains after what explains it."""
    place = f"{one.namespace or ''}/{one.name}"
    return (
        _RANK[one.severity],
        one.explained_by is not None,
        one.cluster_name,
        one.workload or "",
        place,
    )


@dataclass(slots=True)
class _Look:
    """What one cluster's objects gave so far."""

    reader: ObjectReader
    now: datetime
    looked_at: Counter[str] = field(default_factory=Counter[str])
    deployments: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    jobs: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    async def kind(self, qualified: str, judge: Judge, namespace: str | None) -> list[Finding]:
        kind = self.reader.has(qualified)
        label = kind.kind if kind else qualified

        def one(thing: Json) -> Iterable[Finding]:
            self.looked_at[label] += 1
            self._remember(qualified, thing)
            return judge(self.reader.cluster_name, thing, self.now)

        return await self.reader.each(qualified, one, namespace=namespace)

    def _remember(self, qualified: str, thing: Json) -> None:
        place = (text(thing, "metadata", "namespace"), text(thing, "metadata", "name"))
        if qualified == "deployments.apps":
            self.deployments.add(place)
        elif qualified == "jobs.batch" and (above := controller_of(thing)):
            self.jobs[place] = "/".join(above)

    async def pods(self, namespace: str | None) -> list[Finding]:
        def one(pod: Json) -> Iterable[Finding]:
            self.looked_at["Pod"] += 1
            judged = judge_pod(self.reader.cluster_name, pod, self.now, _owner(pod))
            return () if judged is None else (judged,)

        return await self.reader.each("pods", one, namespace=namespace)

    def workload(self, pod: Finding) -> str | None:
        """The top of a pod's owner chain, where what was read tells it."""
        owner, place = pod.workload or "", pod.namespace or ""
        kind, _, name = owner.partition("/")
        if kind == "ReplicaSet":
            above = name.rpartition("-")[0]
            return f"Deployment/{above}" if (place, above) in self.deployments else owner
        if kind == "Job":
            return self.jobs.get((place, name), owner)
        return pod.workload


async def _look(reader: ObjectReader, namespace: str | None, now: datetime) -> _Seen:
    look = _Look(reader, now)
    judges = dict(NAMESPACED) if namespace else {**NAMESPACED, **CLUSTER_WIDE}
    pods, *others = await asyncio.gather(
        look.pods(namespace),
        *(look.kind(qualified, judge, namespace) for qualified, judge in judges.items()),
    )
    reader.raise_if_nothing_read()
    named = [pod.model_copy(update={"workload": look.workload(pod)}) for pod in pods]
    findings = explained([*named, *(one for found in others for one in found)])
    findings = await with_reasons(reader, findings, namespace)
    notes = tuple(refusal.text for refusal in reader.refusals)
    return _Seen(tuple(findings), look.looked_at, notes)


def _owner(pod: Json) -> str | None:
    above = controller_of(pod)
    return "/".join(above) if above else None


def explained(findings: Sequence[Finding]) -> list[Finding]:
    """One cluster's findings, each with the one that explains it where there is one."""
    away = {one.name for one in findings if one.kind == "Node" and one.cause in _NODE_CAUSES}
    degraded = [one.name for one in findings if one.kind == "ClusterOperator"]
    pods = [_by_node(one, away) for one in findings if one.kind == "Pod"]
    by_workload: dict[tuple[str | None, str], list[Finding]] = {}
    for pod in pods:
        if pod.workload:
            by_workload.setdefault((pod.namespace, pod.workload), []).append(pod)
    others = [_by_others(one, by_workload, away, degraded) for one in findings if one.kind != "Pod"]
    return [*pods, *others]


def _by_node(pod: Finding, away: set[str]) -> Finding:
    if pod.node in away and pod.cause in _BY_ITS_NODE:
        return pod.model_copy(update={"explained_by": f"Node/{pod.node}"})
    return pod


def _by_others(
    one: Finding,
    by_workload: Mapping[tuple[str | None, str], Sequence[Finding]],
    away: set[str],
    degraded: Sequence[str],
) -> Finding:
    reason: str | None = None
    if one.kind == "MachineConfigPool" and away and one.cause == "MachinesUnavailable":
        reason = f"Node/{min(away)}"
    elif one.kind == "ClusterVersion" and degraded and one.cause == "Failing":
        reason = f"ClusterOperator/{degraded[0]}"
    elif one.workload and (pods := by_workload.get((one.namespace, one.workload))):
        # Its own pods say more than a node that took only some of them along.
        by_itself = next((f"Pod/{pod.name}" for pod in pods if pod.explained_by is None), None)
        reason = by_itself or min(pod.explained_by or "" for pod in pods)
    return one.model_copy(update={"explained_by": reason}) if reason else one


def _size(seen: _Seen) -> int:
    return 1024 + 1500 * len(seen.findings)

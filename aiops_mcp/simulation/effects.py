"""Lays incidents over clusters: each effect writes its truths into the clusters it strikes.

Metrics, objects and nvidia-smi output are drawn from those truths later, so one effect shows
everywhere alike. It must not know any incident by name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import singledispatchmethod

from aiops_mcp.errors import InputError
from aiops_mcp.simulation.cluster import (
    CONDITIONS,
    Bend,
    CallFault,
    Condition,
    ConfigChange,
    EventStream,
    JournalStream,
    LogStream,
    PendingClaim,
    SimulatedCluster,
)
from aiops_mcp.simulation.history import (
    Crash,
    crash_looping,
    evicted,
    failed,
    healthy,
    never_ready,
    never_starting,
    out_of_touch,
)
from aiops_mcp.simulation.incident import StartedIncident
from aiops_mcp.simulation.incident_effects import (
    BendMetric,
    CallFaults,
    ChangeConfig,
    Cordon,
    CrashLoop,
    Effect,
    Evict,
    FailJob,
    HangClaim,
    JournalLines,
    KubeEvent,
    LogLines,
    LoseGpu,
    NodeCondition,
    OperatorCondition,
    Place,
    Rollout,
    Unreachable,
)
from aiops_mcp.simulation.inventory import Builder, Pod, Revision, suffix
from aiops_mcp.simulation.pod_effects import (
    crash_events,
    fill_memory,
    pod_event,
    roll_over,
    says_one,
    swap,
    warning,
)
from aiops_mcp.simulation.signals import Curve
from aiops_mcp.simulation.steps import changes

BuilderOf = Callable[[SimulatedCluster], Builder]


@dataclass(frozen=True, slots=True)
class _Span:
    onset: float
    start: float
    end: float


class EffectWriter:
    """Applies started incidents to the clusters of a world under construction."""

    def __init__(self, clusters: Mapping[str, SimulatedCluster], builder_of: BuilderOf) -> None:
        self._clusters = clusters
        self._builder_of = builder_of

    def apply(self, started: StartedIncident) -> None:
        """Write every effect of an incident.

        Raises:
            InputError: it names a cluster, node or workload that does not exist.
        """
        for effect in started.incident.effects:
            start = started.onset + effect.after
            end = started.end if effect.lasts is None else min(started.end, start + effect.lasts)
            span = _Span(started.onset, start, end)
            for cluster in self._struck(effect, started):
                self._write(effect, cluster, span)

    def _struck(self, effect: Effect, started: StartedIncident) -> list[SimulatedCluster]:
        place: Place = effect.where or started.incident.where
        if place.everywhere:
            return list(self._clusters.values())
        for name in place.clusters:
            if name not in self._clusters:
                raise _unknown("cluster", name, started.incident.name, self._clusters)
        regions = {cluster.spec.region for cluster in self._clusters.values()}
        for region in place.regions:
            if region not in regions:
                raise _unknown("region", region, started.incident.name, dict.fromkeys(regions))
        return [
            cluster
            for cluster in self._clusters.values()
            if cluster.name in place.clusters or cluster.spec.region in place.regions
        ]

    @singledispatchmethod
    def _write(self, effect: Effect, cluster: SimulatedCluster, span: _Span) -> None:
        raise TypeError(
            f"no writer for {type(effect).__name__} in {cluster.name} from {span.start}"
        )

    @_write.register
    def _(self, effect: BendMetric, cluster: SimulatedCluster, span: _Span) -> None:
        bending, amount = effect.bending(span.onset)
        curve = Curve(span.start, span.end, effect.shape, bending, amount, effect.period)
        labels = tuple((name, re.compile(pattern)) for name, pattern in effect.labels.items())
        cluster.bends.append(Bend(re.compile(effect.metric), labels, curve))

    @_write.register
    def _(self, effect: CrashLoop, cluster: SimulatedCluster, span: _Span) -> None:
        crash = Crash(effect.run, effect.reason, effect.exit_code, effect.message)
        for pod in _pods(cluster, effect.workload)[effect.first :][: effect.pods]:
            history = crash_looping(pod.history, span.start, span.end, crash)
            struck = replace(pod, history=history)
            swap(cluster, pod, struck)
            crash_events(cluster, struck, (span.start, span.end), effect.reason)
            if effect.fills_memory:
                fill_memory(cluster, struck, (span.start, span.end), effect.run)

    @_write.register
    def _(self, effect: Rollout, cluster: SimulatedCluster, span: _Span) -> None:
        old = _pods(cluster, effect.workload)[0]
        template = suffix(9, effect.workload, effect.image, span.onset)
        builder = self._builder_of(cluster)
        names = [
            revision.number for revision in cluster.inventory.revisions if revision.work is old.work
        ]
        fine = effect.state == "healthy"
        steps = changes(0, [(span.start, effect.pods), *(() if fine else ((span.end, 0),))])
        new = Revision(
            old.work,
            f"{old.work.name}-{template}",
            template,
            max(names) + 1,
            effect.image,
            span.start,
            steps,
            cause=effect.cause,
            stalls=not fine,
        )
        if fine:
            roll_over(cluster, builder, new)
            return
        cluster.inventory.revisions.append(new)
        for place in range(effect.pods):
            history = healthy(span.start, span.end)
            if effect.state == "crash_loop":
                crash = Crash(effect.run, effect.reason, effect.exit_code, effect.message)
                history = crash_looping(history, span.start + 2.0, span.end, crash)
            elif effect.state == "image_pull":
                reason = "ImagePullBackOff"
                history = never_starting(span.start, span.end, reason, effect.message)
            else:
                history = never_ready(span.start, span.end, effect.message)
            pod = builder.pod(
                old.work, place, old.node, history, image=effect.image, template_hash=template
            )
            cluster.inventory.pods.append(pod)
            crash_events(cluster, pod, (span.start, span.end), effect.reason)

    @_write.register
    def _(self, effect: NodeCondition, cluster: SimulatedCluster, span: _Span) -> None:
        node = _node(cluster, effect.node)
        told = Condition(effect.status, effect.reason, effect.message)
        fine = Condition(*CONDITIONS[effect.condition])
        known = cluster.condition(node, effect.condition)
        before = list(zip(known.times, known.values[1:], strict=True))
        cluster.conditions[node, effect.condition] = changes(
            known.values[0], [*before, (span.start, told), (span.end, fine)]
        )
        if effect.silent:
            cluster.silent_nodes.setdefault(node, []).append((span.start - 40.0, span.end))
        if effect.condition == "Ready" and effect.status != "True":
            for pod in [pod for pod in cluster.inventory.pods if pod.node.name == node]:
                swap(
                    cluster,
                    pod,
                    replace(pod, history=out_of_touch(pod.history, span.start, span.end)),
                )

    @_write.register
    def _(self, effect: Evict, cluster: SimulatedCluster, span: _Span) -> None:
        node = _node(cluster, effect.node)
        builder = self._builder_of(cluster)
        movable = [
            pod
            for pod in cluster.inventory.pods
            if pod.node.name == node and pod.work.kind == "Deployment"
        ]
        others = [
            other
            for other in cluster.inventory.nodes
            if other.name != node and "worker" in other.schedulable_roles
        ]
        for place, pod in enumerate(movable[: effect.pods]):
            moment = span.start + 20.0 * place
            swap(cluster, pod, replace(pod, history=evicted(pod.history, moment, effect.message)))
            cluster.events.append(
                pod_event(pod, "Warning", "Evicted", effect.message, moment, span.end)
            )
            if others:
                new = healthy(moment + 3.0)
                target = others[place % len(others)]
                cluster.inventory.pods.append(
                    builder.pod(pod.work, 100 + place, target, new, template_hash=pod.template_hash)
                )

    @_write.register
    def _(self, effect: Cordon, cluster: SimulatedCluster, span: _Span) -> None:
        node = _node(cluster, effect.node)
        cluster.cordoned.setdefault(node, []).append((span.start, span.end))
        cluster.bends.append(
            says_one("kube_node_spec_unschedulable", {"node": node}, (span.start, span.end))
        )

    @_write.register
    def _(self, effect: FailJob, cluster: SimulatedCluster, span: _Span) -> None:
        last = _pods(cluster, effect.workload)[-1]
        history = failed(span.start, effect.run, effect.exit_code, effect.message)
        pod = self._builder_of(cluster).pod(last.work, int(span.start // 60), last.node, history)
        cluster.inventory.pods.append(pod)
        ended = _Span(span.onset, span.start + effect.run + 2.0, span.end)
        told = (ended.start, ended.end)
        failing = {"job_name": pod.owner_name}
        cluster.bends.append(says_one("kube_job_status_failed", failing, told))
        about = ("Job", pod.namespace, pod.owner_name)
        why = "Job has reached the specified backoff limit"
        event = warning(about, "BackoffLimitExceeded", why, told, source="job-controller")
        cluster.events.append(event)

    @_write.register
    def _(self, effect: HangClaim, cluster: SimulatedCluster, span: _Span) -> None:
        namespace, _, name = effect.claim.partition("/")
        size, kind = effect.size_gib, effect.storage_class
        claim = PendingClaim(namespace, name, size, kind, span.start, span.end)
        cluster.pending_claims.append(claim)
        about = ("PersistentVolumeClaim", namespace, name)
        told = (span.start, span.end)
        source = "persistentvolume-controller"
        event = warning(about, "ProvisioningFailed", effect.message, told, 60.0, source=source)
        cluster.events.append(event)

    @_write.register
    def _(self, effect: LoseGpu, cluster: SimulatedCluster, span: _Span) -> None:
        node = _node(cluster, effect.node)
        cards = cluster.inventory.node(node).gpus
        if effect.gpu >= len(cards):
            raise InputError(f"Node {node} has no GPU {effect.gpu}.", f"It has {len(cards)}.")
        cluster.lost_gpus[cards[effect.gpu].uuid] = (span.start, span.end)

    @_write.register
    def _(self, effect: OperatorCondition, cluster: SimulatedCluster, span: _Span) -> None:
        known = cluster.operator(effect.name, effect.condition)
        told = Condition(effect.status, effect.reason, effect.message)
        cluster.operators[effect.name, effect.condition] = changes(
            known.values[0], [(span.start, told), (span.end, known.values[0])]
        )

    @_write.register
    def _(self, effect: KubeEvent, cluster: SimulatedCluster, span: _Span) -> None:
        name = effect.name
        if effect.kind == "Pod":
            name = _pods(cluster, f"{effect.namespace}/{effect.name}")[0].name
        elif effect.kind == "Node":
            name = _node(cluster, effect.name)
        cluster.events.append(
            EventStream(
                kind=effect.kind,
                namespace=effect.namespace,
                name=name,
                type=effect.type,
                reason=effect.reason,
                message=effect.message,
                start=span.start,
                end=span.end,
                every=effect.every,
                source=effect.source,
            )
        )

    @_write.register
    def _(self, effect: LogLines, cluster: SimulatedCluster, span: _Span) -> None:
        _pods(cluster, effect.workload)
        cluster.logs.append(
            LogStream(
                workload=effect.workload,
                lines=effect.texts,
                start=span.start,
                end=span.end,
                every=effect.every,
                level=effect.level,
                stream=effect.stream,
                fills=effect.fills,
                node=_node(cluster, effect.node) if effect.node else "",
            )
        )

    @_write.register
    def _(self, effect: JournalLines, cluster: SimulatedCluster, span: _Span) -> None:
        cluster.journals.append(
            JournalStream(
                node=_node(cluster, effect.node),
                unit=effect.unit,
                lines=effect.lines,
                start=span.start,
                end=span.end,
                every=effect.every,
                level=effect.level,
            )
        )

    @_write.register
    def _(self, effect: ChangeConfig, cluster: SimulatedCluster, span: _Span) -> None:
        namespace, _, name = effect.config.partition("/")
        data = tuple(effect.data.items())
        change = ConfigChange(namespace, name, data, effect.manager, span.start, span.end)
        cluster.config_changes.append(change)

    @_write.register
    def _(self, effect: CallFaults, cluster: SimulatedCluster, span: _Span) -> None:
        work = _pods(cluster, effect.workload)[0].work
        fault = CallFault(
            service=work.name,
            callee=effect.callee,
            exception=effect.exception,
            message=effect.message,
            repeat=effect.repeat,
            statement=effect.statement,
            start=span.start,
            end=span.end,
        )
        cluster.call_faults.append(fault)

    @_write.register
    def _(self, effect: Unreachable, cluster: SimulatedCluster, span: _Span) -> None:
        del effect
        cluster.away.append((span.start, span.end))


def _unknown(kind: str, name: str, incident: str, known: Mapping[str, object]) -> InputError:
    near = get_close_matches(name, known, n=3) or sorted(known)
    return InputError(
        f"Incident {incident} names the {kind} {name!r}, which does not exist.",
        f"There are: {', '.join(near)}.",
    )


def _pods(cluster: SimulatedCluster, workload: str) -> list[Pod]:
    pods = cluster.inventory.pods_of(workload)
    if not pods:
        known = dict.fromkeys(work.path for work in cluster.inventory.workloads)
        raise _unknown("workload", workload, f"in {cluster.name}", known)
    return pods


def _node(cluster: SimulatedCluster, name: str) -> str:
    known = dict.fromkeys(node.name for node in cluster.inventory.nodes)
    if name not in known:
        raise _unknown("node", name, f"in {cluster.name}", known)
    return name

"""One cluster's services as requests meet them: their pods, whom they call, and how that goes.

How likely a request fails and how much longer it takes follows from the cluster's truths; this
shares it out over routes and callees. It must not know spans.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from aiops_mcp.simulation.cluster import CallFault, SimulatedCluster, Window
from aiops_mcp.simulation.inventory import Pod
from aiops_mcp.simulation.service_truths import ServiceTruths, TruthTable
from aiops_mcp.simulation.spans import AttributeValue, Process
from aiops_mcp.simulation.steps import Steps
from aiops_mcp.simulation.topology import DatabaseSpec, HttpSpec, RouteSpec

REMOTE_SECONDS = 0.045
"""One way between two clusters."""

_LEAST_OWN = 0.15
_BLAMED = 0.3
"""Of what a service fails more than usual, callees must explain this share to be blamed for it."""
_PLANS = 6000


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be made: ``peer`` is the callee as the caller's metrics name it."""

    peer: str
    callee: str
    cluster: str
    remote: bool = False


@dataclass(frozen=True, slots=True)
class Variant:
    """A kind of request to a service: its route, whether it goes abroad too, and whom it calls."""

    route: RouteSpec
    number: int
    share: float
    remote: bool
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a service's requests go at a moment, by variant: chance to fail, seconds more than usual.

    Of each call, by peer: ``weights`` is how likely it fails, ``answers`` how likely its callee
    answers with an error, ``waits`` how many seconds are lost on the way.
    """

    fails: tuple[float, ...]
    extra: tuple[float, ...]
    weights: Mapping[str, float]
    answers: Mapping[str, float]
    waits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Host:
    pod: Pod
    alive: Steps[bool]
    silent: tuple[Window, ...]
    process: Process

    def runs(self, moment: float) -> bool:
        cut_off = any(start <= moment < end for start, end in self.silent)
        return self.alive.at(moment) and not cut_off

    @property
    def changes(self) -> set[float]:
        ends = {end for window in self.silent for end in window}
        return {*self.alive.times, *self.pod.history.ready.times, *ends}


class ClusterServices:
    """The services of one cluster; ``others`` are all clusters' by name, this one's too."""

    def __init__(
        self,
        cluster: SimulatedCluster,
        truths: ServiceTruths,
        others: Mapping[str, "ClusterServices"],
    ) -> None:
        self.cluster = cluster
        self.truths = truths
        self._others = others
        self.works = {
            work.name: work
            for work in cluster.inventory.workloads
            if work.http is not None or work.database is not None
        }
        self._variants: dict[str, tuple[Variant, ...]] = {}
        self._plans: OrderedDict[tuple[str, float, int], Plan] = OrderedDict()
        self._own: dict[str, float] = {}

    def processes(self, service: str, moment: float) -> Sequence[Process]:
        """Who may answer: the ready pods, or those that run where none is ready."""
        steps = self._answering.get(service)
        return steps.at(moment) if steps else ()

    @cached_property
    def _answering(self) -> dict[str, Steps[tuple[Process, ...]]]:
        hosts: dict[str, list[_Host]] = {name: [] for name in self.works}
        for pod in self.cluster.inventory.pods:
            if pod.work.name in hosts:
                process = Process(self.cluster.name, pod.work.name, resource_of(self.cluster, pod))
                silent = tuple(self.cluster.silent(pod.node.name))
                hosts[pod.work.name].append(_Host(pod, pod.history.alive, silent, process))
        return {name: _answering(several) for name, several in hosts.items()}

    def http(self, service: str) -> HttpSpec:
        """What a service answers."""
        http = self.works[service].http
        if http is None:
            raise LookupError(f"{service} answers no HTTP")
        return http

    def database(self, service: str) -> DatabaseSpec | None:
        """The database that a service is, if it is one."""
        work = self.works.get(service)
        return work.database if work else None

    def fault(self, service: str, callee: str | None, moment: float) -> CallFault | None:
        """What an incident says about failing requests of a service, or its calls of another."""
        for fault in self.cluster.call_faults:
            meant = fault.callee == callee or (fault.callee == "*" and callee is not None)
            if fault.service == service and meant and fault.start <= moment < fault.end:
                return fault
        return None

    # --- who calls whom -------------------------------------------------------------------

    def variants(self, service: str) -> tuple[Variant, ...]:
        """The kinds of requests that a service answers; their shares add up to one."""
        if service not in self._variants:
            self._variants[service] = tuple(self._kinds(service))
        return self._variants[service]

    def _kinds(self, service: str) -> Sequence[Variant]:
        routes = self.http(service).routes
        abroad = [one for one in self.cluster.spec.remote_calls if one.caller == service]
        total = sum(route.share for route in routes)
        found: list[Variant] = []
        for number, route in enumerate(routes):
            share = route.share / total
            local = tuple(Call(name, name, self.cluster.name) for name in route.calls)
            for remote in abroad[:1]:
                call = Call(remote.peer, remote.callee, remote.cluster, remote=True)
                kept = tuple(one for one in local if one.callee != remote.instead_of)
                calls = (*kept, call)
                found.append(Variant(route, number, share * remote.share, remote=True, calls=calls))
                share *= 1 - remote.share
            found.append(Variant(route, number, share, remote=False, calls=local))
        return found

    # --- how long it takes ----------------------------------------------------------------

    def usual_seconds(self, service: str) -> float:
        """The median of a request to a service, or of a statement, while all is well."""
        return self.works[service].usual_ms / 1000.0

    def own_seconds(self, service: str) -> float:
        """What of that the service itself needs."""
        if service not in self._own:
            usual = self.usual_seconds(service)
            waits = sum(one.share * self._waiting(one) for one in self.variants(service))
            self._own[service] = max(_LEAST_OWN * usual, usual - waits)
        return self._own[service]

    def _waiting(self, variant: Variant) -> float:
        times = [
            self._others[call.cluster].usual_seconds(call.callee)
            + (2 * REMOTE_SECONDS if call.remote else 0.0)
            for call in variant.calls
        ]
        return max(times, default=0.0) if variant.route.parallel else sum(times)

    # --- how it goes ----------------------------------------------------------------------

    def plan(self, service: str, moment: float) -> Plan:
        """How requests to a service go at a moment."""
        table = self.truths.table(moment)
        cell = table.cell(moment)
        key = (service, table.start, cell)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._made(service, moment, table, cell)
            while len(self._plans) > _PLANS:
                self._plans.popitem(last=False)
        return plan

    def _made(self, service: str, moment: float, table: TruthTable, cell: int) -> Plan:
        variants = self.variants(service)
        calls = {call.peer: call for one in variants for call in one.calls}
        answers = {
            peer: self._others[call.cluster].error_ratio(call.callee, moment)
            for peer, call in calls.items()
        }
        weights = {
            peer: max(answers[peer], self._breaks(service, call, moment, table, cell))
            for peer, call in calls.items()
        }
        delays = {
            peer: self._others[call.cluster].delay(call.callee, moment)
            for peer, call in calls.items()
        }
        waits = {
            peer: self._wait(service, call, table, cell, delays[peer])
            for peer, call in calls.items()
        }
        later = {peer: delays[peer] + waits[peer] for peer in calls}
        for peer, call in calls.items():
            fault = self.fault(service, peer, moment)
            once = self._others[call.cluster].usual_seconds(call.callee) + later[peer]
            later[peer] += once * (fault.repeat - 1) if fault else 0.0
        usual = self.usual_seconds(service)
        medians = table.medians.get(service)
        slower = (medians[cell] / usual - 1.0) if medians and usual else 0.0
        extra = tuple(
            max(0.0, slower * (self.own_seconds(service) + self._waiting(one)) - _total(one, later))
            for one in variants
        )
        errors = table.errors.get(service)
        fails = self._shared_out(service, errors[cell] if errors else 0.0, weights)
        return Plan(fails, extra, weights, answers, waits)

    def _shared_out(
        self, service: str, errors: float, weights: Mapping[str, float]
    ) -> tuple[float, ...]:
        """A service's error ratio over its variants: those whose callees fail carry the most."""
        variants = self.variants(service)
        usual = min(errors, self.http(service).errors * 1.5)
        more = errors - usual
        carried = [sum(weights[call.peer] for call in one.calls) for one in variants]
        mean = sum(one.share * weight for one, weight in zip(variants, carried, strict=True))
        if mean < _BLAMED * more:
            return tuple(errors for _ in variants)
        return tuple(min(1.0, usual + more * (one / mean if mean else 1.0)) for one in carried)

    def _breaks(
        self, service: str, call: Call, moment: float, table: TruthTable, cell: int
    ) -> float:
        """How likely a call fails, as its caller measures it."""
        there = self._others[call.cluster]
        if call.remote and not there.cluster.reachable(moment):
            return 1.0
        if not there.processes(call.callee, moment):
            return 1.0
        sent = table.failed.get((service, call.peer))
        return sent[cell] if sent else 0.0

    def error_ratio(self, service: str, moment: float) -> float:
        """The share of requests that a service answers with an error."""
        table = self.truths.table(moment)
        errors = table.errors.get(service)
        return errors[table.cell(moment)] if errors else 0.0

    def delay(self, service: str, moment: float) -> float:
        """By how many seconds a service answers later than usual."""
        table = self.truths.table(moment)
        medians = table.medians.get(service)
        usual = self.usual_seconds(service)
        return max(0.0, medians[table.cell(moment)] - usual) if medians else 0.0

    def _wait(self, service: str, call: Call, table: TruthTable, cell: int, delay: float) -> float:
        """By how many seconds a call takes longer than what its callee explains."""
        there = self._others[call.cluster]
        waited = table.waited.get((service, call.peer))
        usual = there.usual_seconds(call.callee) + (2 * REMOTE_SECONDS if call.remote else 0.0)
        return max(0.0, waited[cell] - usual - delay) if waited else 0.0


def _answering(hosts: Sequence[_Host]) -> Steps[tuple[Process, ...]]:
    times = sorted({moment for host in hosts for moment in host.changes})
    found: list[tuple[Process, ...]] = []
    for moment in [times[0] - 1.0, *times] if times else [0.0]:
        running = [host for host in hosts if host.runs(moment)]
        ready = [host for host in running if host.pod.history.ready.at(moment)]
        found.append(tuple(host.process for host in ready or running))
    return Steps(tuple(times), tuple(found))


def _total(variant: Variant, later: Mapping[str, float]) -> float:
    times = [later[call.peer] for call in variant.calls]
    return max(times, default=0.0) if variant.route.parallel else sum(times)


def resource_of(cluster: SimulatedCluster, pod: Pod) -> dict[str, AttributeValue]:
    """The resource attributes of what runs in a pod, by OpenTelemetry's conventions."""
    work = pod.work
    owner = {"Deployment": "deployment", "StatefulSet": "statefulset"}.get(work.kind, "daemonset")
    return {
        "service.name": work.name,
        "service.namespace": work.namespace,
        "service.version": pod.image.rsplit(":", 1)[-1],
        "service.instance.id": pod.name,
        "k8s.cluster.name": cluster.name,
        "k8s.namespace.name": pod.namespace,
        f"k8s.{owner}.name": work.name,
        "k8s.pod.name": pod.name,
        "k8s.pod.uid": pod.uid,
        "k8s.container.name": work.container_name,
        "k8s.node.name": pod.node.name,
        "cloud.region": cluster.spec.region,
        "deployment.environment.name": cluster.spec.environment.value.lower(),
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "go",
    }

"""Symptoms out of what each source tells: alerts, objects, GPUs, model servers, clocks, clusters.

Pure. Each becomes one shape with the component it is of; which belong together is in
``triage_problems``.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aiops_mcp.fleet.components import (
    Component,
    ComponentKind,
    component_of_alert,
    component_of_finding,
    explainer_of,
    workload_of_pod,
)
from aiops_mcp.models.alerts import SILENT_SWITCH, Alert, AlertSeverity
from aiops_mcp.models.cluster import Cluster, ClusterState, ClusterType
from aiops_mcp.models.cnf import CnfWorkload, PtpStatus
from aiops_mcp.models.findings import Finding
from aiops_mcp.models.gpu_health import GpuReason, ModelServer, NodeHealth, Verdict
from aiops_mcp.models.triage import Symptom, SymptomSource, Trouble

_VERDICTS: Final = {
    Verdict.FAILING: AlertSeverity.CRITICAL,
    Verdict.DEGRADED: AlertSeverity.WARNING,
}
_NODE_AWAY: Final = frozenset({"NotReady", "NodeStatusUnknown"})
_OF_KIND: Final = {
    ComponentKind.CLUSTER: Trouble.CLUSTER_AWAY,
    ComponentKind.NODE: Trouble.NODE,
    ComponentKind.CONTROL_PLANE: Trouble.CONTROL_PLANE,
    ComponentKind.OPERATOR: Trouble.OPERATOR,
    ComponentKind.VOLUME: Trouble.STORAGE,
    ComponentKind.CERTIFICATE: Trouble.CERTIFICATE,
    ComponentKind.TARGET: Trouble.TARGET,
}
_ALERT_WORDS: Final = (
    ("gpu", Trouble.GPU),
    ("nodenot", Trouble.NODE),
    ("ptp", Trouble.CLOCK),
    ("clock", Trouble.CLOCK),
    ("crashloop", Trouble.PODS_FAIL),
    ("oomkill", Trouble.PODS_FAIL),
    ("containerwaiting", Trouble.PODS_FAIL),
    ("podnotready", Trouble.PODS_FAIL),
    ("packet", Trouble.PACKETS),
    ("vllm", Trouble.OVERLOAD),
    ("mismatch", Trouble.REPLICAS),
    ("rolloutstuck", Trouble.REPLICAS),
    ("kubejob", Trouble.JOB),
    ("targetdown", Trouble.TARGET),
    ("latency", Trouble.LATENCY),
    ("slow", Trouble.LATENCY),
    ("error", Trouble.ERRORS),
)
"""Parts of usual names of alerts; the first that fits stands."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A symptom with its component, and the one whose trouble explains it where that is told."""

    symptom: Symptom
    component: Component
    explained_by: Component | None = None


def of_alerts(alerts: Iterable[Alert], clusters: Collection[str]) -> Iterator[Sighting]:
    """One of each alert; ``clusters`` are the known names."""
    for alert in alerts:
        found = component_of_alert(alert, clusters)
        component = found or Component(alert.cluster_name, ComponentKind.OTHER, alert.alertname)
        labels = alert.labels
        yield _sighting(
            component,
            SymptomSource.ALERT,
            _trouble_of_alert(alert, component),
            alert.severity,
            what=alert.alertname,
            detail=alert.annotations.get("summary") or alert.annotations.get("description"),
            part=labels.get("gpu") or labels.get("pod") or labels.get("service"),
            cluster_name=alert.cluster_name,
            since=alert.starts_at,
        )


def _trouble_of_alert(alert: Alert, component: Component) -> Trouble:
    if alert.alertname == SILENT_SWITCH:
        return Trouble.ALERTING_SILENT
    name = alert.alertname.lower()
    # What is of the control plane, a node or a volume is its trouble, whatever the alert's words.
    telling = component.kind in (ComponentKind.WORKLOAD, ComponentKind.OTHER, ComponentKind.NODE)
    if telling:
        for word, trouble in _ALERT_WORDS:
            if word in name:
                return trouble
    return _OF_KIND.get(component.kind, Trouble.OTHER)


def of_findings(findings: Iterable[Finding], clusters: Collection[str]) -> Iterator[Sighting]:
    for one in findings:
        component = component_of_finding(one, clusters)
        runs_on = (one.node,) if one.node else ()
        detail = "; ".join(
            part for part in (one.last_exit and f"last exit {one.last_exit}", one.detail) if part
        )
        yield _sighting(
            component,
            SymptomSource.OBJECT,
            _trouble_of_finding(one, component),
            one.severity,
            what=one.cause,
            detail=detail or None,
            part=one.name if one.kind == "Pod" else one.kind,
            cluster_name=one.cluster_name,
            since=one.since,
            runs_on=runs_on,
            explained_by=explainer_of(one),
        )


def _trouble_of_finding(one: Finding, component: Component) -> Trouble:
    if one.kind == "Node" and one.cause in _NODE_AWAY:
        return Trouble.NODE_AWAY
    if one.kind == "Pod":
        return Trouble.PODS_FAIL
    if one.kind == "Job":
        return Trouble.JOB
    if one.kind in ("ClusterVersion", "MachineConfigPool", "APIService"):
        return Trouble.OPERATOR
    if component.kind is ComponentKind.WORKLOAD:
        return Trouble.REPLICAS
    return _OF_KIND.get(component.kind, Trouble.OTHER)


def of_gpus(nodes: Iterable[NodeHealth]) -> Iterator[Sighting]:
    """One of each node and reason, its cards together."""
    for node in nodes:
        component = Component(node.cluster_name, ComponentKind.NODE, node.node_name)
        seen: dict[tuple[str, str], list[int]] = {}
        reasons: dict[tuple[str, str], GpuReason] = {}
        for card in node.cards:
            for reason in card.reasons:
                key = (reason.rule, reason.what)
                seen.setdefault(key, []).append(card.index)
                reasons.setdefault(key, reason)
        for reason in node.reasons:
            key = (reason.rule, reason.what)
            seen[key], reasons[key] = [], reason
        for key, reason in reasons.items():
            if severity := _VERDICTS.get(reason.verdict):
                yield _sighting(
                    component,
                    SymptomSource.GPU,
                    Trouble.GPU,
                    severity,
                    what=reason.what,
                    detail=reason.evidence,
                    part=",".join(map(str, seen[key])) or None,
                    cluster_name=node.cluster_name,
                    since=max((xid.at for xid in node.xids), default=None),
                )


def of_model_servers(servers: Iterable[ModelServer]) -> Iterator[Sighting]:
    for server in servers:
        name = workload_of_pod(server.pod or server.instance or server.model)
        place = f"{server.namespace}/{name}" if server.namespace else name
        component = Component(server.cluster_name, ComponentKind.WORKLOAD, place)
        bad = [reason for reason in server.reasons if reason.verdict in _VERDICTS]
        through = any(reason.rule == "gpu" for reason in bad)
        for reason in bad:
            yield _sighting(
                component,
                SymptomSource.MODEL_SERVER,
                Trouble.OVERLOAD,
                _VERDICTS[reason.verdict],
                what=reason.what,
                detail=reason.evidence,
                part=server.pod,
                cluster_name=server.cluster_name,
                runs_on=tuple({gpu.rpartition("/")[0] for gpu in server.gpus}) if through else (),
            )


def of_clocks(clocks: Iterable[PtpStatus]) -> Iterator[Sighting]:
    for clock in clocks:
        if clock.troubles:
            component = Component(clock.cluster_name, ComponentKind.NODE, clock.node)
            yield _sighting(
                component,
                SymptomSource.NETWORK_FUNCTION,
                Trouble.CLOCK,
                AlertSeverity.WARNING,
                what=f"{clock.process} on {clock.interface}",
                detail="; ".join(clock.troubles),
                part=clock.interface,
                cluster_name=clock.cluster_name,
                since=clock.since,
            )


def of_network_functions(workloads: Iterable[CnfWorkload]) -> Iterator[Sighting]:
    for one in workloads:
        if one.troubles:
            place = f"{one.namespace}/{one.name}"
            yield _sighting(
                Component(one.cluster_name, ComponentKind.WORKLOAD, place),
                SymptomSource.NETWORK_FUNCTION,
                Trouble.PACKETS if "packets" in one.troubles[0] else Trouble.OTHER,
                AlertSeverity.WARNING,
                what=one.type.value,
                detail="; ".join(one.troubles),
                cluster_name=one.cluster_name,
            )


def of_clusters(clusters: Sequence[Cluster], silent_now: Collection[str]) -> Iterator[Sighting]:
    """Clusters that are away, those that answer nothing just now, and those without a backend.

    A far edge that is away is worth knowing, and no trouble by itself.
    """
    for cluster in clusters:
        away = cluster.status.state is ClusterState.OFFLINE or cluster.name in silent_now
        lacking = _lacking(cluster)
        if not away and not (cluster.status.state is ClusterState.DEGRADED and lacking):
            continue
        is_far = cluster.cluster_type is ClusterType.FAR_EDGE
        severity = AlertSeverity.CRITICAL if away else AlertSeverity.WARNING
        yield _sighting(
            Component(cluster.name, ComponentKind.CLUSTER, cluster.name),
            SymptomSource.CLUSTER,
            Trouble.CLUSTER_AWAY if away else Trouble.BACKEND,
            AlertSeverity.INFO if is_far and away else severity,
            what="no answer" if away else f"{' and '.join(lacking)} away",
            cluster_name=cluster.name,
            since=cluster.last_seen_at if away else None,
        )


def _lacking(cluster: Cluster) -> list[str]:
    status = cluster.status
    told = (
        ("Prometheus", status.prometheus_healthy),
        ("Tempo", status.tempo_healthy),
        ("Loki", status.loki_healthy),
    )
    return [name for name, healthy in told if healthy is False]


def _sighting(
    component: Component,
    source: SymptomSource,
    trouble: Trouble,
    severity: AlertSeverity,
    *,
    explained_by: Component | None = None,
    **told: object,
) -> Sighting:
    symptom = Symptom.model_validate(
        {
            "source": source,
            "trouble": trouble,
            "severity": severity,
            "component_kind": component.kind.value,
            "component": component.name,
            **told,
        }
    )
    return Sighting(symptom, component, explained_by)

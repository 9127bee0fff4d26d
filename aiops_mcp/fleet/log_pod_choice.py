"""Which pods a LogQL selector means, where a cluster has no Loki. Pure.

Labels go by the names that collectors give them: Promtail's and Alloy's (namespace, pod), ViaQ's
(kubernetes_namespace_name) and OpenTelemetry's (k8s_namespace_name). A selector's label that no
pod has is the empty one, as in Loki.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiops_mcp.fleet.log_filters import label_matches, needs_loki
from aiops_mcp.logql import Matcher, Selector

_ALIASES = {
    "namespace": "namespace",
    "namespace_name": "namespace",
    "kubernetes_namespace": "namespace",
    "exported_namespace": "namespace",
    "pod": "pod",
    "pod_name": "pod",
    "kubernetes_pod": "pod",
    "exported_pod": "pod",
    "container": "container",
    "container_name": "container",
    "node": "node",
    "node_name": "node",
    "nodename": "node",
    "host": "node",
    "hostname": "node",
    "kubernetes_host": "node",
    "app": "app",
    "app_name": "app",
    "service": "app",
    "service_name": "app",
    "name": "app",
    "component": "app",
    "app_kubernetes_io_name": "app",
    "workload": "workload",
    "deployment": "workload",
    "deployment_name": "workload",
    "statefulset": "workload",
    "statefulset_name": "workload",
    "daemonset": "workload",
    "daemonset_name": "workload",
    "job_name": "workload",
    "controller": "workload",
    "job": "job",
    "log_type": "log_type",
    "openshift_log_type": "log_type",
    "cluster": "cluster",
    "cluster_name": "cluster",
}
_PREFIX = re.compile(r"^(?:kubernetes|k8s)_")
_LABELS_PREFIX = re.compile(r"^(?:kubernetes_labels|kubernetes_pod_label|pod_label|label)_")
_LEVELS = frozenset({"level", "detected_level", "severity"})
_UNKNOWABLE = frozenset({"filename", "stream", "logstream"})
_APP_LABELS = ("app.kubernetes.io/name", "app", "k8s-app", "app.kubernetes.io/component", "name")
_HASH = re.compile(r"-[0-9a-z]{5,10}$")
_PLATFORM = ("openshift", "kube-")
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class PodLog:
    """One container whose log may be read; ``died_at`` is when its run before this one ended."""

    namespace: str
    pod: str
    container: str
    stream: Mapping[str, str]
    names: Mapping[str, frozenset[str]]
    restarts: int = 0
    is_ready: bool = True
    started: bool = True
    died_at: datetime | None = None


def level_matchers(selector: Selector) -> tuple[Matcher, ...]:
    """Matchers on a level, which only the lines themselves can answer."""
    return tuple(one for one in selector.matchers if one.name in _LEVELS)


def only_namespace(selector: Selector) -> str | None:
    """The one namespace that a selector names, if it does."""
    for one in selector.matchers:
        if canonical(one.name) == "namespace" and one.op == "=" and one.value:
            return one.value
    return None


def pod_logs_of(
    pods: Iterable[Mapping[str, Any]], selector: Selector, cluster: str
) -> list[PodLog]:
    """The containers that a selector means, those with trouble first, then by name.

    Raises:
        LokiNotAvailable: it asks for a label that the Kubernetes API does not know.
    """
    for one in selector.matchers:
        if one.name in _UNKNOWABLE and not one.matches_empty:
            raise needs_loki(cluster, f"the label {one.name}")
    asked = [one for one in selector.matchers if one.name not in _LEVELS]
    found = [log for pod in pods for log in _containers(pod, cluster) if _fits(log, asked)]
    return sorted(found, key=lambda log: (log.is_ready, -log.restarts, log.namespace, log.pod))


def _fits(log: PodLog, matchers: Sequence[Matcher]) -> bool:
    return all(label_matches(one, _values(log, one.name)) for one in matchers)


def _values(log: PodLog, name: str) -> frozenset[str]:
    known = log.names.get(canonical(name))
    if known is not None:
        return known
    return log.names.get(f"label:{_LABELS_PREFIX.sub('', name)}", frozenset())


def canonical(name: str) -> str:
    """Which of a pod's facts a label is meant to be, whatever its collector calls it."""
    if _LABELS_PREFIX.match(name):
        return name
    return _ALIASES.get(_PREFIX.sub("", name), name)


def _containers(pod: Mapping[str, Any], cluster: str) -> list[PodLog]:
    metadata: Mapping[str, Any] = pod.get("metadata") or {}
    spec: Mapping[str, Any] = pod.get("spec") or {}
    status: Mapping[str, Any] = pod.get("status") or {}
    statuses = {
        str(one.get("name")): one
        for kind in ("containerStatuses", "initContainerStatuses")
        for one in status.get(kind) or ()
    }
    found: list[PodLog] = []
    for container in spec.get("containers") or ():
        name = str(container.get("name") or "")
        found.append(_pod_log(metadata, spec, name, statuses.get(name) or {}, cluster))
    return found


def _pod_log(
    metadata: Mapping[str, Any],
    spec: Mapping[str, Any],
    container: str,
    state: Mapping[str, Any],
    cluster: str,
) -> PodLog:
    namespace, pod = str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
    labels: Mapping[str, str] = metadata.get("labels") or {}
    workload = _workload(metadata)
    apps = [str(labels[key]) for key in _APP_LABELS if key in labels]
    app = apps[0] if apps else workload
    node = str(spec.get("nodeName") or "")
    kind = "infrastructure" if namespace.startswith(_PLATFORM) or namespace == "default" else ""
    names = {
        "namespace": frozenset({namespace}),
        "pod": frozenset({pod}),
        "container": frozenset({container}),
        "node": frozenset({node}),
        "app": frozenset({*apps, workload, container}),
        "workload": frozenset({workload}),
        "job": frozenset({f"{namespace}/{app}", app}),
        "log_type": frozenset({kind or "application"}),
        "cluster": frozenset({cluster}),
        **{
            f"label:{_NOT_IN_NAME.sub('_', key)}": frozenset({str(value)})
            for key, value in labels.items()
        },
    }
    stream = {
        "namespace": namespace,
        "pod": pod,
        "container": container,
        **({"app": app} if app else {}),
        **({"node": node} if node else {}),
    }
    return PodLog(
        namespace,
        pod,
        container,
        stream,
        names,
        restarts=int(state.get("restartCount") or 0),
        is_ready=bool(state.get("ready", True)),
        started=_has_run(state),
        died_at=_died_at(state),
    )


def _workload(metadata: Mapping[str, Any]) -> str:
    """The owner's name; of a ReplicaSet its Deployment's, by the way these are named."""
    owners = metadata.get("ownerReferences") or ()
    if not owners:
        return str(metadata.get("name") or "")
    owner = owners[0]
    name = str(owner.get("name") or "")
    return _HASH.sub("", name) if owner.get("kind") == "ReplicaSet" else name


def _has_run(state: Mapping[str, Any]) -> bool:
    """Whether there is a log at all: not for a container that has never started."""
    if not state:
        return True
    current: Mapping[str, Any] = state.get("state") or {}
    return "waiting" not in current or bool(state.get("lastState"))


def _died_at(state: Mapping[str, Any]) -> datetime | None:
    last: Mapping[str, Any] = state.get("lastState") or {}
    ended: Mapping[str, Any] = last.get("terminated") or {}
    try:
        return datetime.fromisoformat(str(ended.get("finishedAt")))
    except ValueError:
        return None

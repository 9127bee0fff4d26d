"""Which of a cluster's services is its Prometheus, Alertmanager, Loki and Tempo. Pure.

Takes Kubernetes Service objects and answers URLs through the API server's service proxy, where the
cluster's own credentials apply. Names, labels and ports are those of OpenShift's monitoring, the
Prometheus operator and the charts of Prometheus, Thanos, Loki and Tempo; higher scores are the more
complete view (Thanos over one Prometheus, a gateway over a single store).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiops_mcp.backends.credentials import service_proxy_url
from aiops_mcp.models.cluster import ClusterEndpoints

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """A service of this kind: by ``name``, a part of the name, or ``app.kubernetes.io/name``.

    ``ports`` are tried in order, by number or name; ``path`` is appended to the URL.
    """

    backend: str
    score: int
    ports: tuple[int | str, ...]
    name: str | None = None
    namespace: str | None = None
    suffix: str | None = None
    label: str | None = None
    component: str | None = None
    path: str = ""

    def fits(self, namespace: str, name: str, labels: Mapping[str, str]) -> bool:
        return (
            (self.name is None or name == self.name)
            and (self.namespace is None or namespace == self.namespace)
            and (self.suffix is None or name.endswith(self.suffix))
            and (self.label is None or labels.get("app.kubernetes.io/name") == self.label)
            and (self.component is None or _component(labels) == self.component)
        )


_QUERY = (9090, "http", "web", "http-web", 10902)
_RULES = (
    Rule("thanos", 100, (9091,), name="thanos-querier", namespace="openshift-monitoring"),
    Rule("prometheus", 90, (9091,), name="prometheus-k8s", namespace="openshift-monitoring"),
    Rule("thanos", 80, ("http", 9090, 10902), label="thanos-query-frontend"),
    Rule("thanos", 75, ("http", 9090, 10902), label="thanos-query"),
    Rule("thanos", 75, ("http", 9090, 10902), label="thanos", component="query"),
    Rule("prometheus", 60, _QUERY, name="prometheus-k8s"),
    Rule("prometheus", 55, _QUERY, suffix="kube-prometheus-stack-prometheus"),
    Rule("prometheus", 50, (*_QUERY, 80), label="prometheus", component="server"),
    Rule("prometheus", 45, _QUERY, label="prometheus"),
    Rule("prometheus", 40, _QUERY, name="prometheus-operated"),
    Rule("prometheus", 30, (*_QUERY, 80), name="prometheus-server"),
    Rule("prometheus", 30, _QUERY, name="prometheus"),
    Rule("alertmanager", 100, (9094,), name="alertmanager-main", namespace="openshift-monitoring"),
    Rule("alertmanager", 60, (9093, "web", "http"), name="alertmanager-main"),
    Rule("alertmanager", 55, (9093, "web", "http", "http-web"), label="alertmanager"),
    Rule("alertmanager", 50, (9093, "http-web"), suffix="kube-prometheus-stack-alertmanager"),
    Rule("alertmanager", 40, (9093, "web"), name="alertmanager-operated"),
    Rule("alertmanager", 30, (9093, "http"), name="alertmanager"),
    Rule(
        "loki",
        100,
        (8080, "public"),
        label="lokistack",
        component="lokistack-gateway",
        path="/api/logs/v1/application",
    ),
    Rule("loki", 80, (80, "http-metrics", "http"), label="loki", component="gateway"),
    Rule("loki", 70, (3100, "http-metrics"), label="loki", component="query-frontend"),
    Rule("loki", 60, (3100, "http-metrics"), label="loki", component="single-binary"),
    Rule("loki", 50, (3100, "http-metrics"), label="loki", component="read"),
    Rule("loki", 40, (3100, "http-metrics"), name="loki"),
    Rule("tempo", 80, (3200, "http"), label="tempo", component="query-frontend"),
    Rule("tempo", 60, (3200, "tempo-prom-metrics", "http"), label="tempo"),
    Rule("tempo", 50, (3200, "http"), name="tempo"),
)
_OTHER_COMPONENTS = frozenset(
    {"pushgateway", "node-exporter", "metrics", "exporter", "operator", "store", "compact", "ruler"}
)


@dataclass(frozen=True, slots=True)
class FoundServices:
    """URLs of what was found, and what there is without a URL of its own."""

    endpoints: ClusterEndpoints
    has_thanos: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    score: int
    backend: str
    url: str


def find_services(services: Iterable[Object], api_server_url: str) -> FoundServices:
    """The best service for each backend, as service-proxy URLs."""
    best: dict[str, _Candidate] = {}
    has_thanos = False
    for service in services:
        for rule in _RULES:
            candidate = _candidate(service, rule, api_server_url)
            if candidate is None:
                continue
            has_thanos = has_thanos or rule.backend == "thanos"
            kind = "prometheus" if rule.backend == "thanos" else rule.backend
            if kind not in best or candidate.score > best[kind].score:
                best[kind] = candidate
    urls = {f"{kind}_url": candidate.url for kind, candidate in best.items()}
    return FoundServices(ClusterEndpoints(**urls), has_thanos)


def _candidate(service: Object, rule: Rule, api_server_url: str) -> _Candidate | None:
    metadata: Object = service.get("metadata") or {}
    spec: Object = service.get("spec") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
    if _component(labels) in _OTHER_COMPONENTS or not rule.fits(namespace, name, labels):
        return None
    port = _port(spec.get("ports") or (), rule.ports)
    if port is None:
        return None
    # A headless service has no address of its own; prefer one that has.
    score = rule.score - (5 if spec.get("clusterIP") == "None" else 0)
    scheme = "https" if _is_tls(port, namespace) else "http"
    url = service_proxy_url(api_server_url, namespace, name, int(port["port"]), scheme=scheme)
    return _Candidate(score, rule.backend, url + rule.path)


def _component(labels: Mapping[str, str]) -> str:
    return labels.get("app.kubernetes.io/component") or labels.get("component") or ""


def _port(ports: Iterable[Object], wanted: tuple[int | str, ...]) -> Object | None:
    known = list(ports)
    for want in wanted:
        for port in known:
            if want in (port.get("port"), port.get("name")):
                return port
    return None


def _is_tls(port: Object, namespace: str) -> bool:
    text = f"{port.get('name', '')} {port.get('appProtocol', '')} {port.get('targetPort', '')}"
    # OpenShift's monitoring and logging put a TLS proxy before every port they publish.
    openshift = namespace in ("openshift-monitoring", "openshift-logging", "openshift-operators")
    return openshift or "https" in text or port.get("port") in (443, 8443)

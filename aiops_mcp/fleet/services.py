"""Which of a cluster's services is its Prometheus, Alertmanager, Loki, and Tempo or Jaeger. Pure.

Takes Kubernetes Service objects and answers URLs through the API server's service proxy, where the
cluster's own credentials apply. Names, labels and ports are those of OpenShift's monitoring, of the
operators of Prometheus, Tempo and Jaeger, and of the charts of Prometheus, Thanos, Loki, Tempo and
Jaeger; higher scores are the more complete view (Thanos over one Prometheus, a gateway over a
single store).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiops_mcp.backends.credentials import service_proxy_url
from aiops_mcp.models.cluster import ClusterEndpoints

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """A service of this kind: by ``name``, a part of the name, or ``app.kubernetes.io/name``.

    ``ports`` are tried in order, by number or name; ``path`` is appended to the URL. Where it names
    a ``{tenant}``, the service counts only when its tenant is known.
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
_JAEGER = (16686, "http-query", "query-http", "https-query", "query")
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
    # A TempoStack with a gateway lets nobody else to its query-frontend.
    Rule(
        "tempo",
        100,
        (8080, "public"),
        label="tempo",
        component="gateway",
        path="/api/traces/v1/{tenant}/tempo",
    ),
    Rule("tempo", 80, (3200, "http"), label="tempo", component="query-frontend"),
    Rule("tempo", 60, (3200, "tempo-prom-metrics", "http"), label="tempo"),
    Rule("tempo", 50, (3200, "http"), name="tempo"),
    Rule("tempo", 45, _JAEGER, component="service-query"),
    Rule("tempo", 44, _JAEGER, label="jaeger", component="query"),
    Rule("tempo", 43, _JAEGER, label="jaeger"),
    Rule("tempo", 42, _JAEGER, suffix="jaeger-query"),
    Rule("tempo", 40, _JAEGER, name="jaeger"),
)
_OTHER_COMPONENTS = frozenset(
    {"pushgateway", "node-exporter", "metrics", "exporter", "operator", "store", "compact", "ruler"}
)
_SERVING_CERT = "service.beta.openshift.io/serving-cert-secret-name"

Instance = tuple[str, str]
"""Namespace and name of what an operator was told to run."""

NO_TENANTS: Mapping[Instance, str] = {}


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


def needs_tenant(services: Iterable[Object]) -> bool:
    """Whether one of them can only be used with the name of a tenant."""
    tenanted = [rule for rule in _RULES if "{tenant}" in rule.path]
    return any(rule.fits(*_identity(service)) for service in services for rule in tenanted)


def first_tenants(stacks: Iterable[Object]) -> dict[Instance, str]:
    """The first tenant of each TempoStack or TempoMonolithic that has any."""
    found: dict[Instance, str] = {}
    for stack in stacks:
        metadata: Object = stack.get("metadata") or {}
        spec: Object = stack.get("spec") or {}
        tenants: Object = spec.get("tenants") or spec.get("multitenancy") or {}
        for tenant in tenants.get("authentication") or ():
            if name := tenant.get("tenantName"):
                found[metadata.get("namespace", ""), metadata.get("name", "")] = str(name)
                break
    return found


def find_services(
    services: Iterable[Object],
    api_server_url: str,
    tenants: Mapping[Instance, str] = NO_TENANTS,
) -> FoundServices:
    """The best service for each backend, as service-proxy URLs; ``tenants`` as `first_tenants`."""
    best: dict[str, _Candidate] = {}
    has_thanos = False
    for service in services:
        for rule in _RULES:
            candidate = _candidate(service, rule, api_server_url, tenants)
            if candidate is None:
                continue
            has_thanos = has_thanos or rule.backend == "thanos"
            kind = "prometheus" if rule.backend == "thanos" else rule.backend
            if kind not in best or candidate.score > best[kind].score:
                best[kind] = candidate
    urls = {f"{kind}_url": candidate.url for kind, candidate in best.items()}
    return FoundServices(ClusterEndpoints(**urls), has_thanos)


def _identity(service: Object) -> tuple[str, str, Mapping[str, str]]:
    metadata: Object = service.get("metadata") or {}
    return metadata.get("namespace", ""), metadata.get("name", ""), metadata.get("labels") or {}


def _candidate(
    service: Object, rule: Rule, api_server_url: str, tenants: Mapping[Instance, str]
) -> _Candidate | None:
    spec: Object = service.get("spec") or {}
    namespace, name, labels = _identity(service)
    if _component(labels) in _OTHER_COMPONENTS or not rule.fits(namespace, name, labels):
        return None
    port = _port(spec.get("ports") or (), rule.ports)
    if port is None:
        return None
    # A headless service has no address of its own; prefer one that has.
    score = rule.score - (5 if spec.get("clusterIP") == "None" else 0)
    scheme = "https" if _is_tls(port, namespace) or _has_serving_cert(service) else "http"
    url = service_proxy_url(api_server_url, namespace, name, int(port["port"]), scheme=scheme)
    path = rule.path
    if "{tenant}" in path:
        tenant = tenants.get((namespace, labels.get("app.kubernetes.io/instance", "")))
        if tenant is None:
            return None
        path = path.replace("{tenant}", quote(tenant, safe=""))
    return _Candidate(score, rule.backend, url + path)


def _has_serving_cert(service: Object) -> bool:
    """OpenShift was asked for a certificate to serve with."""
    metadata: Object = service.get("metadata") or {}
    return _SERVING_CERT in (metadata.get("annotations") or {})


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

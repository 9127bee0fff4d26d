"""Services, what stands behind them, and ConfigMaps."""

from aiops_mcp.models.cluster import Platform
from aiops_mcp.simulation.inventory import Pod
from aiops_mcp.simulation.kubernetes.nodes import namespace_names
from aiops_mcp.simulation.kubernetes.view import Json, View, metadata
from aiops_mcp.simulation.topology import WorkloadSpec

_AGE = 30 * 86400.0


def service_objects(view: View) -> list[Json]:
    """Every Service, the API server's own first."""
    born = view.anchor - 60 * 86400
    port: Json = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}
    about = metadata(view, "Service", "kubernetes", born, namespace="default")
    found = [_service(about, port, "10.96.0.1")]
    for number, work in enumerate(view.cluster.inventory.workloads):
        if not (work.service and work.port):
            continue
        labels = {"app": work.name, "app.kubernetes.io/name": work.name} | work.labels
        about = metadata(
            view, "Service", work.service, born, namespace=work.namespace, labels=labels
        )
        port = {
            "name": _port_name(work),
            "port": work.port,
            "protocol": "TCP",
            "targetPort": work.port,
        }
        service = _service(about, port, f"10.96.{number // 250 + 1}.{number % 250 + 2}")
        service["spec"]["selector"] = {"app": work.name}
        found.append(service)
    return found


def _port_name(work: WorkloadSpec) -> str:
    return {9100: "metrics", 9400: "gpu-metrics", 8443: "https-main"}.get(work.port or 0, "web")


def _service(about: Json, port: Json, address: str) -> Json:
    spec = {
        "type": "ClusterIP",
        "clusterIP": address,
        "clusterIPs": [address],
        "ports": [port],
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": about,
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def _backing(view: View, work: WorkloadSpec) -> list[Pod]:
    return [
        pod
        for pod in view.cluster.pods_at(view.moment)
        if pod.work.path == work.path and pod.history.phase.at(view.moment) == "Running"
    ]


def endpoint_slice_objects(view: View) -> list[Json]:
    """Every EndpointSlice."""
    found: list[Json] = []
    for work in view.cluster.inventory.workloads:
        if not (work.service and work.port):
            continue
        endpoints = [
            {
                "addresses": [pod.address],
                "conditions": {"ready": pod.history.ready.at(view.moment)},
                "nodeName": pod.node.name,
                "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name},
            }
            for pod in _backing(view, work)
        ]
        labels = {"kubernetes.io/service-name": work.service}
        found.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": metadata(
                    view,
                    "EndpointSlice",
                    f"{work.service}-x7k2m",
                    view.anchor - _AGE,
                    namespace=work.namespace,
                    labels=labels,
                ),
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": [{"name": _port_name(work), "port": work.port, "protocol": "TCP"}],
            }
        )
    return found


def endpoints_objects(view: View) -> list[Json]:
    """Every Endpoints object."""
    found: list[Json] = []
    for work in view.cluster.inventory.workloads:
        if not (work.service and work.port):
            continue
        backing = _backing(view, work)
        subset: Json = {"ports": [{"name": _port_name(work), "port": work.port}]}
        for field, wanted in (("addresses", True), ("notReadyAddresses", False)):
            chosen = [pod for pod in backing if pod.history.ready.at(view.moment) is wanted]
            if chosen:
                subset[field] = [{"ip": pod.address, "nodeName": pod.node.name} for pod in chosen]
        found.append(
            {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": metadata(
                    view, "Endpoints", work.service, view.anchor - _AGE, namespace=work.namespace
                ),
                "subsets": [subset] if backing else [],
            }
        )
    return found


def config_map_objects(view: View) -> list[Json]:
    """The ConfigMap that every namespace has, MicroShift's version, each service's settings."""
    born = view.anchor - 60 * 86400
    found = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(view, "ConfigMap", "kube-root-ca.crt", born, namespace=name),
            "data": {"ca.crt": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"},
        }
        for name in namespace_names(view)
    ]
    spec = view.cluster.spec
    if spec.platform is Platform.MICROSHIFT:
        major, minor, _ = spec.version.split(".")
        at = metadata(view, "ConfigMap", "microshift-version", born, namespace="kube-public")
        data = {"major": major, "minor": minor, "version": spec.version}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": at, "data": data})
    for work in view.cluster.inventory.workloads:
        if work.http:
            data = {"LOG_LEVEL": "info", "UPSTREAMS": ",".join(work.http.calls)}
            found.append(_settings(view, work.namespace, f"{work.name}-config", data, born))
    return found


def _settings(view: View, namespace: str, name: str, data: dict[str, str], born: float) -> Json:
    """A ConfigMap with what was changed in it by now."""
    written = [("argocd-controller", born)]
    for change in view.cluster.config_changes:
        if (change.namespace, change.name) != (namespace, name):
            continue
        if change.start <= view.moment:
            written.append((change.manager, change.start))
        if change.start <= view.moment < change.end:
            data |= dict(change.data)
        elif change.end <= view.moment:
            written.append((change.manager, change.end))
    at = metadata(
        view,
        "ConfigMap",
        name,
        born,
        namespace=namespace,
        changed=max(moment for _, moment in written),
        managed=written,
    )
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": at, "data": data}

import pytest

from aiops_mcp.errors import BackendRefused, ClusterUnreachable, DiscoveryFailed
from aiops_mcp.fleet.cnf_hints import cnf_type, cnf_types, score
from aiops_mcp.fleet.discovery import discover
from aiops_mcp.fleet.services import find_services
from aiops_mcp.models.cluster import ClusterEndpoints, CnfType, Platform

API = "https://api.x.example:6443"
PROXY = f"{API}/api/v1/namespaces"


def service(namespace, name, *ports, labels=None, headless=False):
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": labels or {}},
        "spec": {
            "clusterIP": "None" if headless else "10.0.0.1",
            "ports": [{"port": number, "name": port_name} for number, port_name in ports],
        },
    }


def app(name, component=None):
    labels = {"app.kubernetes.io/name": name}
    return labels | ({"app.kubernetes.io/component": component} if component else {})


OPENSHIFT = [
    service("openshift-monitoring", "prometheus-k8s", (9091, "web"), labels=app("prometheus")),
    service("openshift-monitoring", "thanos-querier", (9091, "web"), (9092, "tenancy")),
    service("openshift-monitoring", "alertmanager-main", (9094, "web"), (9092, "tenancy")),
    service("openshift-monitoring", "alertmanager-operated", (9093, "web"), headless=True),
    service("openshift-monitoring", "node-exporter", (9100, "https"), labels=app("node-exporter")),
]
LOKISTACK = service(
    "openshift-logging",
    "logging-loki-gateway-http",
    (8080, "public"),
    labels=app("lokistack", "lokistack-gateway"),
)


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        (
            OPENSHIFT,
            {
                "prometheus_url": "openshift-monitoring/services/https:thanos-querier:9091/proxy",
                "alertmanager_url": "openshift-monitoring/services/https:alertmanager-main:9094/proxy",
            },
        ),
        (
            OPENSHIFT[:1],
            {"prometheus_url": "openshift-monitoring/services/https:prometheus-k8s:9091/proxy"},
        ),
        (
            [LOKISTACK],
            {
                "loki_url": "openshift-logging/services/https:logging-loki-gateway-http:8080/proxy"
                "/api/logs/v1/application"
            },
        ),
        (
            [
                service("mon", "prometheus-operated", (9090, "web"), headless=True),
                service("mon", "my-kube-prometheus-stack-prometheus", (9090, "http-web")),
                service("mon", "my-kube-prometheus-stack-alertmanager", (9093, "http-web")),
                service("mon", "alertmanager-operated", (9093, "web"), headless=True),
            ],
            {
                "prometheus_url": "mon/services/my-kube-prometheus-stack-prometheus:9090/proxy",
                "alertmanager_url": "mon/services/my-kube-prometheus-stack-alertmanager:9093/proxy",
            },
        ),
        (
            [
                service("m", "prom-server", (80, "http"), labels=app("prometheus", "server")),
                service(
                    "m", "prom-pushgateway", (9091, "http"), labels=app("prometheus", "pushgateway")
                ),
            ],
            {"prometheus_url": "m/services/prom-server:80/proxy"},
        ),
        (
            [
                service("monitoring", "prometheus-k8s", (9090, "web"), labels=app("prometheus")),
                service(
                    "monitoring", "alertmanager-main", (9093, "web"), labels=app("alertmanager")
                ),
                service("monitoring", "thanos-query", (9090, "http"), labels=app("thanos-query")),
            ],
            {
                "prometheus_url": "monitoring/services/thanos-query:9090/proxy",
                "alertmanager_url": "monitoring/services/alertmanager-main:9093/proxy",
            },
        ),
        (
            [
                service("o", "loki", (3100, "http-metrics"), labels=app("loki", "single-binary")),
                service("o", "loki-gateway", (80, "http-metrics"), labels=app("loki", "gateway")),
                service("o", "tempo", (3200, "http"), labels=app("tempo")),
            ],
            {
                "loki_url": "o/services/loki-gateway:80/proxy",
                "tempo_url": "o/services/tempo:3200/proxy",
            },
        ),
        (
            [
                service("x", "a-governing", (9090, "web"), labels=app("prometheus"), headless=True),
                service("x", "b-plain", (9090, "web"), labels=app("prometheus")),
            ],
            {"prometheus_url": "x/services/b-plain:9090/proxy"},
        ),
        ([service("x", "prometheus", (1234, "grpc"))], {}),
        ([service("x", "other", (9090, "http"))], {}),
        ([], {}),
    ],
)
def test_services_become_proxy_urls(services, expected):
    for order in (services, services[::-1]):
        found = find_services(order, API)
        urls = {k: v for k, v in found.endpoints.model_dump().items() if v is not None}
        assert urls == {kind: f"{PROXY}/{path}" for kind, path in expected.items()}
        names = {one["metadata"]["name"] for one in services}
        assert found.has_thanos is bool(names & {"thanos-querier", "thanos-query"})


def pod(name, namespace="default", **more):
    metadata = {"name": name, "namespace": namespace}
    metadata |= {key: more.pop(key) for key in ("annotations", "labels") if key in more}
    container = {"resources": {"requests": dict.fromkeys(more.pop("requests", ()), "1")}}
    container["ports"] = more.pop("ports", [])
    status = {"qosClass": more.pop("qos", "Burstable")}
    return {"metadata": metadata, "spec": {"containers": [container], **more}, "status": status}


NETWORKS = {"k8s.v1.cni.cncf.io/networks": "sriov-fronthaul"}


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (pod("du-7f9c", annotations=NETWORKS), CnfType.VDU),
        (pod("vdu-0", requests=["hugepages-1Gi"]), CnfType.VDU),
        (pod("vcu-up-0", annotations=NETWORKS), CnfType.VCU),
        (pod("oai-cu-cp-0", "oai"), CnfType.VCU),
        (pod("upf-1", "open5gs"), CnfType.UPF),
        (pod("open5gs-amf-6d", "open5gs"), CnfType.AMF),
        (pod("free5gc-smf-x", "free5gc"), CnfType.SMF),
        (pod("open5gs-nrf-x", "open5gs"), CnfType.OTHER),
        (
            pod("gtp", ports=[{"containerPort": 2152, "protocol": "UDP"}], annotations=NETWORKS),
            CnfType.UPF,
        ),
        (
            pod("core", ports=[{"containerPort": 38412, "protocol": "SCTP"}], qos="Guaranteed"),
            CnfType.AMF,
        ),
        (
            pod(
                "fast",
                annotations={**NETWORKS, "irq-load-balancing.crio.io": "disable"},
                runtimeClassName="performance-ran",
            ),
            CnfType.OTHER,
        ),
        (pod("upf-1"), None),
        (pod("products-db", requests=["hugepages-2Mi"], qos="Guaranteed"), None),
        (pod("edu-portal", annotations=NETWORKS), None),
        (pod("dns", ports=[{"containerPort": 2152, "protocol": "TCP"}], qos="Guaranteed"), None),
        ({"metadata": {}}, None),
    ],
)
def test_network_functions_by_several_hints(one, kind):
    assert cnf_type(one) is kind


def test_kinds_are_told_once_in_the_contracts_order():
    pods = [pod("upf-1", "open5gs"), pod("vdu-0", "oai"), pod("upf-2", "open5gs"), pod("web")]
    assert cnf_types(pods) == (CnfType.VDU, CnfType.UPF)


def test_every_hint_counts_once():
    one = pod(
        "du-0",
        "oai",
        annotations={**NETWORKS, "cpu-quota.crio.io": "disable"},
        requests=["hugepages-1Gi", "hugepages-2Mi", "openshift.io/vf"],
        qos="Guaranteed",
        runtimeClassName="performance-x",
        ports=[{"containerPort": 8805, "protocol": "UDP"}],
    )
    assert score(one) == 12


class Api:
    def __init__(self, groups=(), objects=None, lists=None):
        self.groups = groups
        self.objects = objects or {}
        self.lists = lists or {}
        self.refused = set()
        self.error = BackendRefused("forbidden", http_status=403)

    async def list(self, path):
        self.refuse(path)
        return self.lists.get(path, [])

    async def get(self, path):
        self.refuse(path)
        if path == "/apis":
            return {"groups": [{"name": name} for name in self.groups]}
        if path not in self.objects:
            raise BackendRefused("not found", http_status=404)
        return self.objects[path]

    async def version(self):
        self.refuse("version")
        return {"gitVersion": "v1.31.4"}

    def refuse(self, what):
        if what in self.refused:
            raise self.error


CLUSTER_VERSION = "/apis/config.openshift.io/v1/clusterversions/version"
MICROSHIFT = "/api/v1/namespaces/kube-public/configmaps/microshift-version"


@pytest.mark.parametrize(
    ("groups", "objects", "platform", "version"),
    [
        ([], {}, Platform.KUBERNETES, "v1.31.4"),
        (
            ["config.openshift.io", "route.openshift.io"],
            {
                CLUSTER_VERSION: {
                    "status": {
                        "desired": {"version": "4.19.2"},
                        "history": [
                            {"state": "Partial", "version": "4.19.2"},
                            {"state": "Completed", "version": "4.18.9"},
                        ],
                    }
                }
            },
            Platform.OPENSHIFT,
            "4.18.9",
        ),
        (
            ["config.openshift.io"],
            {CLUSTER_VERSION: {"status": {"desired": {"version": "4.19.2"}}}},
            Platform.OPENSHIFT,
            "4.19.2",
        ),
        (["config.openshift.io"], {}, Platform.OPENSHIFT, "v1.31.4"),
        (
            ["route.openshift.io"],
            {MICROSHIFT: {"data": {"version": "4.19.0"}}},
            Platform.MICROSHIFT,
            "4.19.0",
        ),
        (["security.openshift.io"], {}, Platform.MICROSHIFT, "v1.31.4"),
    ],
)
async def test_platform_and_version(fakes, groups, objects, platform, version):
    found = await discover(Api(groups, objects), fakes.cluster("aaa"))
    assert (found.platform, found.platform_version) == (platform, version)


async def test_a_registered_microshift_stays_one_without_its_optional_groups(fakes):
    home = fakes.cluster("aaa", platform=Platform.MICROSHIFT)
    assert (await discover(Api(), home)).platform is Platform.MICROSHIFT
    shown = Api(["config.openshift.io"])
    assert (await discover(shown, home)).platform is Platform.OPENSHIFT


def node(name, count=None, product=None, **capacity):
    labels = {"nvidia.com/gpu.present": "true"} if count or product else {}
    labels |= {"nvidia.com/gpu.count": str(count)} if count else {}
    labels |= {"nvidia.com/gpu.product": product} if product else {}
    return {"metadata": {"name": name, "labels": labels}, "status": {"capacity": capacity}}


async def test_everything_there_is(fakes):
    lists = {
        "nodes": [
            node("cpu-1"),
            node("gpu-1", 4, "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"),
            node("gpu-2", 2, "NVIDIA-L40S-SHARED"),
            node("gpu-3", None, "NVIDIA-L40S", **{"nvidia.com/gpu": "1"}),
        ],
        "services": [*OPENSHIFT, LOKISTACK],
        "pods": [pod("upf-1", "open5gs"), pod("web")],
    }
    api = Api(["config.openshift.io", "networking.istio.io"], lists=lists)
    cluster = fakes.cluster("aaa", endpoints=ClusterEndpoints(tempo_url="https://tempo"))
    found = await discover(api, cluster)
    assert found.capabilities.model_dump() == {
        "has_gpu_nodes": True,
        "gpu_count": 7,
        "gpu_types": ("NVIDIA-H100-80GB-HBM3", "NVIDIA-L40S"),
        "has_prometheus": True,
        "has_thanos": True,
        "has_tempo": True,
        "has_loki": True,
        "has_service_mesh": True,
        "has_cnf_workloads": True,
        "cnf_types": (CnfType.UPF,),
    }
    assert found.endpoints.prometheus_url is not None
    assert found.endpoints.prometheus_url.startswith(cluster.api_server_url)
    assert found.endpoints.tempo_url is None
    assert found.left_out == ()


async def test_an_empty_cluster_has_nothing(fakes):
    found = await discover(Api(), fakes.cluster("aaa", endpoints=ClusterEndpoints()))
    assert not any(found.capabilities.model_dump().values())
    assert found.endpoints == ClusterEndpoints()


async def test_what_may_not_be_listed_is_left_out_and_named(fakes):
    api = Api(lists={"nodes": [node("gpu-1", 4, "L4")]})
    api.refused = {"pods", "/apis"}
    found = await discover(api, fakes.cluster("aaa"))
    assert found.capabilities.gpu_count == 4
    assert found.left_out == ("pods: forbidden", "API groups: forbidden")


async def test_a_cluster_that_shows_nothing_is_an_error(fakes):
    api = Api()
    api.refused = {"nodes", "services", "pods", "/apis", "version"}
    with pytest.raises(DiscoveryFailed, match="aaa answers, but lets nothing"):
        await discover(api, fakes.cluster("aaa"))
    api.error = ClusterUnreachable("gone")
    with pytest.raises(ClusterUnreachable):
        await discover(api, fakes.cluster("aaa"))

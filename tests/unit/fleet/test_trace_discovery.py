"""Where a cluster keeps its traces: Tempo, a TempoStack with its gateway and tenants, Jaeger."""

import pytest

from aiops_mcp.errors import BackendRefused
from aiops_mcp.fleet.discovery import discover
from aiops_mcp.fleet.services import find_services, first_tenants, needs_tenant

API = "https://api.x.example:6443"
PROXY = f"{API}/api/v1/namespaces"
PART_OF = "app.kubernetes.io/"


def service(namespace, name, port, port_name, app, component=None, instance=None, cert=False):
    labels = {f"{PART_OF}name": app}
    labels |= {f"{PART_OF}component": component} if component else {}
    labels |= {f"{PART_OF}instance": instance} if instance else {}
    annotation = {"service.beta.openshift.io/serving-cert-secret-name": "s"} if cert else {}
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": labels,
            "annotations": annotation,
        },
        "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": port, "name": port_name}]},
    }


FRONTEND = service(
    "obs", "tempo-one-query-frontend", 3200, "http", "tempo", "query-frontend", "one"
)
GATEWAY = service("obs", "tempo-one-gateway", 8080, "public", "tempo", "gateway", "one", cert=True)
STACK = {
    "metadata": {"namespace": "obs", "name": "one"},
    "spec": {"tenants": {"mode": "openshift", "authentication": [{"tenantName": "prod"}]}},
}
MONOLITH = {
    "metadata": {"namespace": "obs", "name": "two"},
    "spec": {"multitenancy": {"authentication": [{}, {"tenantName": "dev"}]}},
}


def tempo_url(*services, tenants=()):
    found = find_services(services, API, first_tenants(tenants)).endpoints.tempo_url
    return found and found.removeprefix(f"{PROXY}/")


def test_a_gateway_with_its_tenant_over_what_it_guards():
    assert needs_tenant([FRONTEND, GATEWAY])
    assert not needs_tenant([FRONTEND])
    expected = "obs/services/https:tempo-one-gateway:8080/proxy/api/traces/v1/prod/tempo"
    assert tempo_url(FRONTEND, GATEWAY, tenants=[STACK]) == expected
    frontend = "obs/services/tempo-one-query-frontend:3200/proxy"
    assert tempo_url(FRONTEND, GATEWAY) == frontend
    assert tempo_url(FRONTEND, GATEWAY, tenants=[MONOLITH]) == frontend
    assert tempo_url(GATEWAY) is None


def test_the_first_tenant_of_each():
    odd = {"metadata": {"namespace": "obs", "name": "no"}, "spec": {"tenants": None}}
    assert first_tenants([STACK, MONOLITH, odd, {}]) == {
        ("obs", "one"): "prod",
        ("obs", "two"): "dev",
    }


@pytest.mark.parametrize(
    "jaeger",
    [
        service("t", "prod-query", 16686, "http-query", "prod-query", "service-query"),
        service("t", "jaeger-query", 80, "http-query", "jaeger", "query"),
        service("t", "jaeger", 16686, "query", "jaeger"),
        service("t", "my-jaeger-query", 16686, "x", "something"),
    ],
)
def test_jaeger(jaeger):
    name, port = jaeger["metadata"]["name"], jaeger["spec"]["ports"][0]["port"]
    assert tempo_url(jaeger) == f"t/services/{name}:{port}/proxy"
    assert tempo_url(jaeger, FRONTEND) == "obs/services/tempo-one-query-frontend:3200/proxy"


def test_parts_that_answer_no_questions():
    collector = service("t", "jaeger-collector", 4317, "otlp-grpc", "jaeger", "collector")
    assert tempo_url(collector) is None


class Api:
    def __init__(self, *, allowed):
        self.allowed, self.asked = allowed, []

    async def list(self, path):
        return [FRONTEND, GATEWAY] if path == "services" else []

    async def get(self, path):
        self.asked.append(path)
        if path.endswith("/tempostacks") and self.allowed:
            return {"items": [STACK]}
        if path == "/apis":
            return {"groups": []}
        raise BackendRefused("no", http_status=403)

    async def version(self):
        return {"gitVersion": "v1.33.1"}


@pytest.mark.parametrize("allowed", [True, False])
async def test_tenants_are_read_from_the_cluster(fakes, allowed):
    api = Api(allowed=allowed)
    found = await discover(api, fakes.cluster("xxx"))
    assert found.endpoints.tempo_url is not None
    assert found.endpoints.tempo_url.endswith("/prod/tempo") is allowed
    assert "/apis/tempo.grafana.com/v1alpha1/tempomonolithics" in api.asked

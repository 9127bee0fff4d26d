"""The LokiStack gateway: tenants, rights, what it does not let through; and Loki's place."""

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from aiops_mcp.fleet.services import find_services
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.log_servers import log_store

CLUSTER = "prod-frankfurt"
BASE = "/api/logs/v1"


@pytest.fixture(scope="module")
def fleet(make_fleet):
    return make_fleet()


@pytest.fixture(scope="module")
def gateway(fleet):
    return TestClient(fleet.app(CLUSTER, "loki"), follow_redirects=False)


def ask(gateway, tenant, path, role="admin", token=None, **params):
    bearer = token or token_of(1, CLUSTER, role)
    headers = {"authorization": f"Bearer {bearer}"}
    return gateway.get(f"{BASE}/{tenant}/loki/api/v1{path}", params=params, headers=headers)


def test_each_tenant_has_its_own_lines_under_viaqs_labels(gateway):
    names = ask(gateway, "application", "/labels").json()["data"]
    assert names == [
        "kubernetes_container_name",
        "kubernetes_host",
        "kubernetes_namespace_name",
        "kubernetes_pod_name",
        "level",
        "log_type",
        "openshift_log_type",
    ]
    path = "/label/kubernetes_namespace_name/values"
    own = ask(gateway, "application", path).json()["data"]
    assert "shop" in own
    assert not any(name.startswith(("kube-", "openshift-")) for name in own)
    infrastructure = ask(gateway, "infrastructure", path).json()["data"]
    assert "kube-system" in infrastructure
    assert "shop" not in infrastructure
    assert ask(gateway, "audit", "/labels").json() == {"status": "success"}
    levels = ask(gateway, "application", "/label/level/values").json()["data"]
    assert "info" in levels
    journal = '{log_type="infrastructure", kubernetes_host="prod-frankfurt-worker-0"} |= "kubelet"'
    answer = ask(gateway, "infrastructure", "/query_range", query=journal, limit=5)
    assert len(answer.json()["data"]["result"]) >= 1


@pytest.mark.parametrize("path", ["/index/stats", "/format_query", "/status/buildinfo", "/push"])
def test_what_a_gateway_does_not_let_through(gateway, path):
    assert ask(gateway, "application", path, query='{log_type="application"}').status_code == 404


@pytest.mark.parametrize(
    ("tenant", "token", "status", "error"),
    [
        ("application", "wrong", 401, "invalid bearer token"),
        ("nobody", None, 401, "unknown tenant"),
    ],
)
def test_who_is_not_known_is_told_in_json(gateway, tenant, token, status, error):
    answer = ask(gateway, tenant, "/labels", token=token)
    assert answer.status_code == status
    assert answer.json() == {
        "status": "error",
        "errorType": "observatorium-api",
        "error": error,
    }


def test_without_a_token_one_is_sent_to_log_in(gateway):
    answer = gateway.get(f"{BASE}/application/loki/api/v1/labels")
    assert answer.status_code == 302
    assert answer.headers["location"] == "/openshift/application/login"


@pytest.mark.parametrize(
    ("tenant", "path", "params", "status"),
    [
        ("application", "/query_range", {"query": '{kubernetes_namespace_name="shop"}'}, 200),
        (
            "application",
            "/query",
            {"query": 'sum(rate({kubernetes_namespace_name="shop"}[5m]))'},
            200,
        ),
        ("application", "/series", {"match[]": '{kubernetes_namespace_name="shop"}'}, 200),
        ("application", "/query_range", {"query": '{log_type="application"}'}, 403),
        ("application", "/query_range", {"query": '{kubernetes_namespace_name=~".+"}'}, 403),
        (
            "application",
            "/query",
            {
                "query": 'sum(rate({kubernetes_namespace_name="shop"}[5m])) / '
                'sum(rate({log_type="application"}[5m]))'
            },
            403,
        ),
        ("application", "/labels", {}, 403),
        ("infrastructure", "/query_range", {"query": '{kubernetes_namespace_name="shop"}'}, 403),
        ("application", "/query_range", {"query": "{a"}, 400),
    ],
)  # fmt: skip
def test_a_viewer_may_ask_for_one_namespace_at_a_time(gateway, tenant, path, params, status):
    assert ask(gateway, tenant, path, "viewer", **params).status_code == status


def test_other_paths_and_readiness(gateway):
    assert gateway.get("/ready").status_code == 200
    assert gateway.get("/loki/api/v1/labels").status_code == 404


def test_which_clusters_have_which_log_store(fleet):
    stores = {name: log_store(fleet.world, name) for name in fleet.world.names}
    assert {name for name, store in stores.items() if store == "loki"} == {
        "fleet-hub",
        "prod-virginia",
        "dev-dublin",
    }
    assert {name for name, store in stores.items() if store == "lokistack"} == {
        "prod-frankfurt",
        "stage-singapore",
        "ml-frankfurt",
    }
    assert stores["ml-oregon"] is None
    for new, _ in fleet.registrations():
        assert bool(new.endpoints.loki_url) == bool(stores[new.name])
    assert fleet.transport("https://loki.ml-oregon.sim.invalid/ready") is None
    with pytest.raises(LookupError, match="ml-oregon"):
        fleet.logs.app("ml-oregon")


@pytest.mark.parametrize(
    ("cluster", "path"),
    [
        ("prod-virginia", "/services/loki:3100/proxy"),
        (CLUSTER, "/services/https:logging-loki-gateway-http:8080/proxy/api/logs/v1/application"),
    ],
)
def test_discovery_finds_it_and_the_api_servers_proxy_reaches_it(fleet, cluster, path):
    api = TestClient(fleet.app(cluster, "api"), base_url="https://api.invalid")
    headers = {"authorization": f"Bearer {token_of(1, cluster)}"}
    services = api.get("/api/v1/services", headers=headers).json()["items"]
    url = find_services(services, "https://api.invalid").endpoints.loki_url
    assert url is not None
    assert url.endswith(path)
    answer = api.get(f"{url}/loki/api/v1/labels", headers=headers)
    assert answer.json()["status"] == "success"
    assert api.get(f"{url}/loki/api/v1/labels").status_code == 401


GATEWAY = "openshift-logging/services/https:logging-loki-gateway-http:8080"


@pytest.mark.parametrize(
    ("cluster", "service", "query"),
    [
        ("prod-virginia", "observability/services/loki:3100/proxy", '{app="coredns"}'),
        (
            CLUSTER,
            f"{GATEWAY}/proxy/api/logs/v1/application",
            '{kubernetes_namespace_name="shop"}',
        ),
    ],
)
def test_a_tail_goes_through_the_api_servers_proxy(fleet, cluster, service, query):
    path = f"/api/v1/namespaces/{service}/loki/api/v1/tail"
    headers = {"authorization": f"Bearer {token_of(1, cluster)}"}
    with (
        TestClient(fleet.app(cluster, "api")) as api,
        api.websocket_connect(path, params={"query": query}, headers=headers) as socket,
    ):
        assert socket.receive_json()["streams"]


def test_a_tail_needs_the_same_rights(fleet):
    path = f"{BASE}/application/loki/api/v1/tail"
    viewer = {"authorization": f"Bearer {token_of(1, CLUSTER, 'viewer')}"}
    gateway = TestClient(fleet.app(CLUSTER, "loki"))
    for headers, status in (({}, 302), (viewer, 403)):
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            gateway.websocket_connect(
                path, params={"query": '{log_type="application"}'}, headers=headers
            ),
        ):
            pass
        assert refused.value.status_code == status

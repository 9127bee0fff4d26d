"""Which identity goes to which URL."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
import yaml

from aiops_mcp.backends.credentials import backend_target, kubernetes_target, service_proxy_url
from aiops_mcp.errors import InvalidCredentials
from aiops_mcp.models.cluster import AuthType, Cluster, ClusterCredentials

NOW = datetime(2026, 1, 1, tzinfo=UTC)
API = "https://api.edge:6443"
ROUTE = "https://thanos.apps.edge"
INSIDE = service_proxy_url(API, "monitoring", "prometheus", 9090)


def cluster(url=API):
    return Cluster(
        id=UUID(int=1), name="edge-1", api_server_url=url, created_at=NOW, updated_at=NOW
    )


def stored(auth_type=AuthType.SERVICE_ACCOUNT, **fields):
    return ClusterCredentials(auth_type=auth_type, created_at=NOW, **fields)


def kubeconfig(**user):
    return yaml.safe_dump(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [
                {"name": "c", "cluster": {"server": "https://old:6443", "tls-server-name": "k"}}
            ],
            "users": [{"name": "u", "user": user or {"token": "kube-t"}}],
        }
    )


async def test_a_service_account():
    found = await kubernetes_target(cluster(), stored(token="t", ca_bundle="CA"))
    assert (found.base_url, found.bearer(), found.tls.ca_bundle) == (API, "t", "CA")
    assert (found.name, found.cluster) == ("kubernetes", "edge-1")


async def test_our_own_pod(tmp_path):
    (tmp_path / "token").write_text("pod-t")
    (tmp_path / "ca.crt").write_text("POD-CA")
    own = cluster("https://kubernetes.default.svc")
    found = await kubernetes_target(own, stored(), service_account=tmp_path)
    assert (found.bearer(), found.tls.ca_bundle) == ("pod-t", "POD-CA")


async def test_our_own_pods_token_goes_nowhere_else(tmp_path):
    (tmp_path / "token").write_text("pod-t")
    (tmp_path / "ca.crt").write_text("POD-CA")
    with pytest.raises(InvalidCredentials, match="hold no token"):
        await kubernetes_target(cluster(), stored(), service_account=tmp_path)


async def test_not_in_a_pod(tmp_path):
    own = cluster("https://kubernetes.default.svc")
    with pytest.raises(InvalidCredentials, match="runs in no pod"):
        await kubernetes_target(own, stored(), service_account=tmp_path)


async def test_a_kubeconfig_is_used_at_the_registered_url():
    credentials = stored(AuthType.KUBECONFIG, kubeconfig=kubeconfig(), ca_bundle="CA")
    found = await kubernetes_target(cluster(), credentials)
    assert (found.base_url, found.bearer()) == (API, "kube-t")
    assert (found.tls.ca_bundle, found.tls.server_name) == ("CA", "k")


async def test_a_kubeconfig_that_is_not_there():
    with pytest.raises(InvalidCredentials, match="no kubeconfig"):
        await kubernetes_target(cluster(), stored(AuthType.KUBECONFIG))


async def test_local_is_passed_on():
    exec_section = {"command": "x", "apiVersion": "v1"}
    credentials = stored(AuthType.KUBECONFIG, kubeconfig=kubeconfig(exec=exec_section))
    for call in (
        kubernetes_target(cluster(), credentials, local=False),
        backend_target(cluster(), credentials, "prometheus", INSIDE, local=False),
        backend_target(cluster(), credentials, "prometheus", ROUTE, local=False),
    ):
        with pytest.raises(InvalidCredentials, match="exec"):
            await call


async def test_oidc():
    settings = {"issuer_url": "https://idp", "client_id": "c"}
    found = await kubernetes_target(cluster(), stored(AuthType.OIDC, oidc=settings))
    assert type(found.bearer).__name__ == "OidcBearer"
    with pytest.raises(InvalidCredentials, match="issuer_url"):
        await kubernetes_target(cluster(), stored(AuthType.OIDC))


async def test_without_credentials():
    assert (await kubernetes_target(cluster(), None)).bearer is None
    found = await backend_target(cluster(), None, "prometheus", "http://p:9090")
    assert (found.base_url, found.bearer) == ("http://p:9090", None)


async def test_behind_the_api_server_the_clusters_identity_is_used_whole():
    credentials = stored(
        AuthType.KUBECONFIG, kubeconfig=kubeconfig(), prometheus_token="prom-t", ca_bundle="CA"
    )
    found = await backend_target(cluster(), credentials, "prometheus", INSIDE)
    assert (found.base_url, found.name) == (INSIDE, "prometheus")
    assert (found.bearer(), found.tls.server_name, found.tls.ca_bundle) == ("kube-t", "k", "CA")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.edge/api/v1/namespaces/a/services/b/proxy",  # another port
        "http://api.edge:6443/api/v1/namespaces/a/services/b/proxy",
        "https://api.edge:6443.evil.example/api/v1/namespaces/a/services/b/proxy",
        "https://api.edge:6443/prometheus",
    ],
)
async def test_what_only_looks_like_the_api_server_is_not(url):
    credentials = stored(token="kube-t", prometheus_token="prom-t")
    assert (await backend_target(cluster(), credentials, "prometheus", url)).bearer() == "prom-t"


@pytest.mark.parametrize(
    ("backend", "token"),
    [
        ("prometheus", "prom-t"),
        ("alertmanager", "prom-t"),
        ("loki", "loki-t"),
        ("tempo", "tempo-t"),
        ("other", "kube-t"),
    ],
)
async def test_each_backend_has_its_own_token(backend, token):
    credentials = stored(
        token="kube-t", prometheus_token="prom-t", loki_token="loki-t", tempo_token="tempo-t"
    )
    assert (await backend_target(cluster(), credentials, backend, ROUTE)).bearer() == token


async def test_the_clusters_token_travels_over_tls_only():
    credentials = stored(token="kube-t")
    assert (await backend_target(cluster(), credentials, "prometheus", ROUTE)).bearer() == "kube-t"
    plain = await backend_target(cluster(), credentials, "prometheus", "http://prom:9090")
    assert plain.bearer is None


async def test_a_kubeconfigs_certificates_stay_with_the_api_server():
    credentials = stored(
        AuthType.KUBECONFIG,
        kubeconfig=kubeconfig(**{"client-certificate-data": "QUJD", "client-key-data": "QUJD"}),
        insecure_skip_tls_verify=True,
    )
    assert (await kubernetes_target(cluster(), credentials)).tls.client_cert == "ABC"
    found = await backend_target(cluster(), credentials, "prometheus", ROUTE)
    assert (found.tls.client_cert, found.tls.ca_bundle, found.tls.insecure) == (None, None, True)


def test_urls_of_services_inside():
    assert f"{API}/api/v1/namespaces/monitoring/services/prometheus:9090/proxy" == INSIDE
    assert service_proxy_url(f"{API}/", "m", "thanos-querier", "web", scheme="https").endswith(
        "/services/https:thanos-querier:web/proxy"
    )

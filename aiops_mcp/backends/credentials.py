"""From stored credentials to a target: where to call a cluster's backend, and as whom.

The only place that decides which token goes to which URL.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from aiops_mcp.backends import kubeconfig
from aiops_mcp.backends.oidc import OidcBearer
from aiops_mcp.backends.tls import TlsSettings
from aiops_mcp.backends.tokens import SERVICE_ACCOUNT, FileToken, fixed_token
from aiops_mcp.backends.wire import Bearer, Target
from aiops_mcp.errors import InvalidCredentials
from aiops_mcp.models.cluster import AuthType, Cluster, ClusterCredentials

KUBERNETES = "kubernetes"
_OWN_API = frozenset(
    {
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "kubernetes.default",
        "kubernetes",
    }
)


async def kubernetes_target(
    cluster: Cluster,
    credentials: ClusterCredentials | None,
    *,
    local: bool = True,
    service_account: Path = SERVICE_ACCOUNT,
) -> Target:
    """How to reach the cluster's API server, at the URL it is registered with.

    SERVICE_ACCOUNT without a token means the one of our own pod, whose files are read anew; it is
    sent to the API server of our own cluster only.
    ``local`` is as in `kubeconfig.target`.

    Raises:
        InvalidCredentials: they are incomplete or cannot be used.
    """
    url = cluster.api_server_url
    if credentials is None:
        return Target(url, KUBERNETES, cluster.name)
    if credentials.auth_type is AuthType.KUBECONFIG:
        return await _from_kubeconfig(cluster, credentials, local=local)
    if _means_own_pod(credentials) and urlsplit(url).hostname not in _OWN_API:
        raise InvalidCredentials(
            "The stored credentials hold no token.",
            "Store a token. Only https://kubernetes.default.svc is called with our pod's own.",
        )
    bearer, ca_bundle = _bearer(credentials, service_account)
    tls = TlsSettings(ca_bundle=ca_bundle, insecure=credentials.insecure_skip_tls_verify)
    return Target(url, KUBERNETES, cluster.name, bearer=bearer, tls=tls)


async def backend_target(
    cluster: Cluster,
    credentials: ClusterCredentials | None,
    backend: str,
    url: str,
    *,
    local: bool = True,
    service_account: Path = SERVICE_ACCOUNT,
) -> Target:
    """How to reach a backend (``prometheus``, ``alertmanager``, ``loki``, ``tempo``) at ``url``.

    Behind the API server's own proxy the cluster's credentials are used as they are. Elsewhere the
    backend's own token, else the cluster's token over TLS only; never its client certificate. The
    CA bundle of the credentials is trusted there, else the system's CAs: a kubeconfig's CA is that
    of the API server alone.
    """
    if _is_behind(cluster, url):
        place = await kubernetes_target(
            cluster, credentials, local=local, service_account=service_account
        )
        return replace(place, base_url=url, name=backend)
    if credentials is None:
        return Target(url, backend, cluster.name)
    bearer = _own_bearer(credentials, backend)
    if bearer is None and url.startswith("https://"):
        place = await kubernetes_target(
            cluster, credentials, local=local, service_account=service_account
        )
        bearer = place.bearer
    tls = TlsSettings(
        ca_bundle=credentials.ca_bundle, insecure=credentials.insecure_skip_tls_verify
    )
    return Target(url, backend, cluster.name, bearer=bearer, tls=tls)


def service_proxy_url(
    api_server_url: str, namespace: str, service: str, port: int | str, *, scheme: str = "http"
) -> str:
    """The URL at which the API server passes calls on to a service inside the cluster."""
    named = f"{scheme}:{service}:{port}" if scheme == "https" else f"{service}:{port}"
    return f"{api_server_url.rstrip('/')}/api/v1/namespaces/{namespace}/services/{named}/proxy"


def _is_behind(cluster: Cluster, url: str) -> bool:
    """Whether the URL is one of the API server itself: same scheme, host and port."""
    ours, theirs = _place(cluster.api_server_url), _place(url)
    if ours is None or theirs is None or ours[:3] != theirs[:3]:
        return False
    return theirs[3].startswith(f"{ours[3].rstrip('/')}/api/v1/namespaces/")


def _place(url: str) -> tuple[str, str | None, int, str] | None:
    """Scheme, host, port and path; None for what is no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port, parts.path


async def _from_kubeconfig(
    cluster: Cluster, credentials: ClusterCredentials, *, local: bool
) -> Target:
    if credentials.kubeconfig is None:
        raise InvalidCredentials(
            "The stored credentials hold no kubeconfig.", "Store new credentials."
        )
    found = await kubeconfig.target(
        credentials.kubeconfig.get_secret_value(), cluster=cluster.name, local=local
    )
    tls = replace(
        found.tls,
        ca_bundle=credentials.ca_bundle or found.tls.ca_bundle,
        insecure=credentials.insecure_skip_tls_verify or found.tls.insecure,
    )
    return replace(found, base_url=cluster.api_server_url, tls=tls)


def _bearer(credentials: ClusterCredentials, service_account: Path) -> tuple[Bearer, str | None]:
    if credentials.auth_type is AuthType.OIDC:
        settings = _plain(credentials.oidc or {})
        return OidcBearer(settings, ca_bundle=credentials.ca_bundle), credentials.ca_bundle
    if credentials.token is not None:
        return fixed_token(credentials.token.get_secret_value()), credentials.ca_bundle
    return FileToken(service_account / "token"), credentials.ca_bundle or _own_ca(service_account)


def _means_own_pod(credentials: ClusterCredentials) -> bool:
    return credentials.auth_type is AuthType.SERVICE_ACCOUNT and credentials.token is None


def _own_ca(service_account: Path) -> str:
    path = service_account / "ca.crt"
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCredentials(
            "The credentials hold no token, and this process runs in no pod with one.",
            "Store a token, or a kubeconfig.",
        ) from error


def _own_bearer(credentials: ClusterCredentials, backend: str) -> Bearer | None:
    own: SecretStr | None = {
        "prometheus": credentials.prometheus_token,
        "alertmanager": credentials.prometheus_token,
        "loki": credentials.loki_token,
        "tempo": credentials.tempo_token,
    }.get(backend)
    return None if own is None else fixed_token(own.get_secret_value())


def _plain(settings: Mapping[str, SecretStr]) -> dict[str, str]:
    return {key: value.get_secret_value() for key, value in settings.items()}

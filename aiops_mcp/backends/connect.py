"""Builds the clients of a cluster's backends from its record and its credentials.

A simulated fleet passes ``transport_for``: what it answers for a URL takes the network's place,
and everything above the transport stays the same.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2

from aiops_mcp.backends.alertmanager import AlertmanagerClient
from aiops_mcp.backends.credentials import backend_target, kubernetes_target
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.korrel8r import Korrel8rClient
from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.backends.kubernetes_secrets import KubernetesSecrets
from aiops_mcp.backends.loki import LokiClient
from aiops_mcp.backends.loki_tenants import tenancy
from aiops_mcp.backends.prometheus import PrometheusClient
from aiops_mcp.backends.tempo import with_tenant
from aiops_mcp.backends.tls import TlsSettings
from aiops_mcp.backends.tokens import SERVICE_ACCOUNT, FileToken
from aiops_mcp.backends.traces import TraceClient, trace_client
from aiops_mcp.backends.wire import Target
from aiops_mcp.errors import BackendRefused, InputError
from aiops_mcp.models.cluster import Cluster, ClusterCredentials
from aiops_mcp.settings import Settings

TransportFor = Callable[[str], httpx2.AsyncBaseTransport | None]
"""The transport that answers for a URL in process, or None where the network does."""


class NetworkConnect:
    """Clients as ``fleet.access.Connect`` asks for them, bounded as the settings say."""

    def __init__(self, settings: Settings, transport_for: TransportFor | None = None) -> None:
        self._settings = settings
        self._transport_for = transport_for

    async def prometheus(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> PrometheusClient:
        target = await backend_target(cluster, credentials, "prometheus", url)
        return PrometheusClient(self._http(target))

    async def alertmanager(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> AlertmanagerClient:
        target = await backend_target(cluster, credentials, "alertmanager", url)
        return AlertmanagerClient(self._http(target))

    async def kubernetes(
        self, cluster: Cluster, credentials: ClusterCredentials | None
    ) -> KubernetesClient:
        return KubernetesClient(self._http(await kubernetes_target(cluster, credentials)))

    async def loki(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> LokiClient:
        target = await backend_target(cluster, credentials, "loki", url)
        tenants = tenancy(url, self._settings.loki_tenant)
        target = replace(target, base_url=tenants.base_url)
        by_tenant = {
            name: self._http(replace(target, headers={**target.headers, **headers}))
            for name in tenants.known
            if (headers := tenants.headers(name))
        }
        return LokiClient(self._http(target), tenants, by_tenant)

    async def traces(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> TraceClient:
        target = await backend_target(cluster, credentials, "tempo", url)
        return await trace_client(self._http(with_tenant(target, url)))

    async def korrel8r(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> Korrel8rClient:
        target = await backend_target(cluster, credentials, "korrel8r", url)
        return Korrel8rClient(self._http(target))

    async def readiness(
        self, cluster: Cluster, credentials: ClusterCredentials | None, backend: str, url: str
    ) -> "ReadinessClient":
        return ReadinessClient(self._http(await backend_target(cluster, credentials, backend, url)))

    def _http(self, target: Target) -> HttpClient:
        transport = self._transport_for(target.base_url) if self._transport_for else None
        return HttpClient(
            target,
            transport=transport,
            timeout=self._settings.query_timeout,
            max_bytes=self._settings.max_response_bytes,
            retries=self._settings.retries,
        )


class ReadinessClient:
    """Looks whether Loki or Tempo is there, and asks nothing else of it."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def healthy(self) -> None:
        """Return when the backend answers.

        A gateway in front may know no ``/ready`` or want another token; it answers all the same.

        Raises:
            BackendError: nothing answers, or what answers fails itself.
        """
        try:
            await self._http.request("GET", "/ready")
        except BackendRefused as refusal:
            if refusal.http_status >= 500:
                raise

    async def aclose(self) -> None:
        await self._http.aclose()


def own_secrets(
    namespace: str | None,
    *,
    service_account: Path = SERVICE_ACCOUNT,
    api_server_url: str = "https://kubernetes.default.svc",
) -> KubernetesSecrets:
    """The Secrets of the cluster this process runs in; ``namespace`` defaults to our pod's.

    Raises:
        InputError: this process runs in no pod with a service account.
    """
    try:
        own = namespace or (service_account / "namespace").read_text("ascii").strip()
        ca_bundle = (service_account / "ca.crt").read_text("ascii")
    except OSError as error:
        raise InputError(
            "AIOPS_VAULT=kubernetes needs a pod with a service account, and there is none here.",
            "Leave AIOPS_VAULT at database outside a cluster.",
        ) from error
    target = Target(
        api_server_url,
        "kubernetes",
        "our own",
        bearer=FileToken(service_account / "token"),
        tls=TlsSettings(ca_bundle=ca_bundle),
    )
    return KubernetesSecrets(KubernetesClient(HttpClient(target)), own)

"""Clusters: what they are, how they are, what they can do. Credentials never leave the vault."""

from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr

from aiops_mcp.models.entity import Entity, Timestamp


class ClusterType(StrEnum):
    HUB = "HUB"
    SPOKE = "SPOKE"
    EDGE = "EDGE"
    FAR_EDGE = "FAR_EDGE"


class Platform(StrEnum):
    OPENSHIFT = "OPENSHIFT"
    KUBERNETES = "KUBERNETES"
    MICROSHIFT = "MICROSHIFT"


class Environment(StrEnum):
    PRODUCTION = "PRODUCTION"
    STAGING = "STAGING"
    DEVELOPMENT = "DEVELOPMENT"
    LAB = "LAB"


class ClusterState(StrEnum):
    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    DEGRADED = "DEGRADED"
    UNKNOWN = "UNKNOWN"
    PROVISIONING = "PROVISIONING"


class Connectivity(StrEnum):
    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"
    INTERMITTENT = "INTERMITTENT"


class CnfType(StrEnum):
    VDU = "VDU"
    VCU = "VCU"
    UPF = "UPF"
    AMF = "AMF"
    SMF = "SMF"
    OTHER = "OTHER"


class AuthType(StrEnum):
    KUBECONFIG = "KUBECONFIG"
    SERVICE_ACCOUNT = "SERVICE_ACCOUNT"
    OIDC = "OIDC"


CLUSTER_NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"
SIMULATED_LABEL = "aiops.io/simulated"
"""Label (value ``true``) on every cluster of the simulated fleet; shown wherever it appears."""

ClusterName = Annotated[str, Field(pattern=CLUSTER_NAME_PATTERN)]


def _https_or_loopback(url: str) -> str:
    parts = _parts(url)
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise ValueError("use https://; http:// is accepted on loopback only")
    if parts.username is not None:
        raise ValueError("no name or password in this URL; store them as credentials")
    return url.rstrip("/")


def _http_url(url: str) -> str:
    _parts(url)
    return url.rstrip("/")


def _parts(url: str) -> SplitResult:
    if not url.startswith(("https://", "http://")):
        raise ValueError("a URL starts with https:// or http://")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname or port == 0 or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("a URL has the form https://host:port")
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


ApiServerUrl = Annotated[str, Field(max_length=2048), AfterValidator(_https_or_loopback)]
BackendUrl = Annotated[str, Field(max_length=2048), AfterValidator(_http_url)]


class ClusterEndpoints(Entity):
    """Where a cluster's backends answer; an absent one is discovered or does not exist."""

    prometheus_url: BackendUrl | None = None
    alertmanager_url: BackendUrl | None = None
    loki_url: BackendUrl | None = None
    tempo_url: BackendUrl | None = None
    korrel8r_url: BackendUrl | None = None


class ClusterCapabilities(Entity):
    """What discovery found in a cluster."""

    has_gpu_nodes: bool = False
    gpu_count: int = 0
    gpu_types: tuple[str, ...] = ()
    has_prometheus: bool = False
    has_thanos: bool = False
    has_tempo: bool = False
    has_loki: bool = False
    has_service_mesh: bool = False
    has_cnf_workloads: bool = False
    cnf_types: tuple[CnfType, ...] = ()


class ClusterStatus(Entity):
    """A cluster's health as last checked; ``*_healthy`` is null where nothing is configured."""

    state: ClusterState = ClusterState.UNKNOWN
    health_score: int = Field(default=0, ge=0, le=100)
    connectivity: Connectivity = Connectivity.DISCONNECTED
    api_server_healthy: bool | None = None
    prometheus_healthy: bool | None = None
    tempo_healthy: bool | None = None
    loki_healthy: bool | None = None
    last_error: str | None = None
    checked_at: Timestamp | None = None


class Cluster(Entity):
    """A registered cluster."""

    id: UUID
    name: ClusterName
    display_name: str = Field(default="", max_length=128)
    api_server_url: ApiServerUrl
    cluster_type: ClusterType = ClusterType.SPOKE
    platform: Platform = Platform.OPENSHIFT
    platform_version: str | None = None
    region: str | None = None
    environment: Environment = Environment.DEVELOPMENT
    labels: dict[str, str] = Field(default_factory=dict)
    endpoints: ClusterEndpoints = ClusterEndpoints()
    status: ClusterStatus = ClusterStatus()
    capabilities: ClusterCapabilities = ClusterCapabilities()
    created_at: Timestamp
    updated_at: Timestamp
    last_seen_at: Timestamp | None = None

    @property
    def is_simulated(self) -> bool:
        return self.labels.get(SIMULATED_LABEL) == "true"


class ClusterCredentials(Entity):
    """How to reach a cluster. Lives in the vault and in clients, in no answer, log or event.

    ``kubeconfig`` is YAML text with exactly one usable context (its current one);
    ``token`` a bearer token. ``ca_bundle`` is PEM. ``insecure_skip_tls_verify`` is for labs.
    """

    auth_type: AuthType
    kubeconfig: SecretStr | None = None
    token: SecretStr | None = None
    oidc: dict[str, SecretStr] | None = None
    prometheus_token: SecretStr | None = None
    tempo_token: SecretStr | None = None
    loki_token: SecretStr | None = None
    ca_bundle: str | None = None
    insecure_skip_tls_verify: bool = False
    created_at: Timestamp
    expires_at: Timestamp | None = None


class CredentialsInfo(Entity):
    """What may be said about stored credentials: their kind and dates, never their content."""

    auth_type: AuthType
    created_at: Timestamp
    expires_at: Timestamp | None = None
    expires_soon: bool = False


class HealthCheck(Entity):
    """One entry of a cluster's health history (kept 7 days)."""

    cluster_id: UUID
    checked_at: Timestamp
    state: ClusterState
    health_score: int
    latency_ms: float | None = None
    reason: str | None = None

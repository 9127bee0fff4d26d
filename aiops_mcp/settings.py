"""All settings, read once from the environment (``AIOPS_*``) or a ``.env`` file.

The one module that reads the environment. Settings travel as arguments from ``app.py``; nobody
imports an instance. Defaults are those of the contract.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.anomaly import Sensitivity
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.settings_agent import AgentSettings

_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def _default_home() -> Path:
    return Path.home() / ".local" / "share" / "aiops"


class Settings(AgentSettings):
    """Every setting with its default; times are seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="AIOPS_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    # where things are kept
    home: Path = Field(
        default_factory=_default_home, description="Directory of the database and the key file"
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="sqlite+aiosqlite:///… or postgresql+asyncpg://…; default: SQLite in home",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="redis://… or rediss://…, where several processes share events and limits; "
        "default: each process keeps its own",
    )
    events_kept: int = Field(
        default=5_000, ge=1, description="Events kept for those who come back and missed some"
    )
    alert_history_days: int = Field(default=90, ge=1, description="Alerts are kept so long")
    audit_days: int = Field(default=90, ge=1, description="Records of calls are kept so long")
    vault: str = Field(
        default="database",
        pattern="^(database|kubernetes)$",
        description="Credentials encrypted in the database, or as Secrets of this cluster",
    )
    vault_keys: SecretStr | None = Field(
        default=None,
        description="Comma-separated Fernet keys, newest first; default: a 0600 file in home",
    )
    vault_namespace: str | None = Field(
        default=None, description="Namespace of the credential Secrets; default: our own"
    )

    # who may ask
    host: str = Field(default="127.0.0.1", description="Address the HTTP server binds")
    port: int = Field(default=8080, ge=0, le=65535, description="Port of the HTTP server")
    api_tokens: SecretStr | None = Field(
        default=None,
        description="Comma-separated role=token pairs (admin, operator, viewer)",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Extra Host headers accepted, comma-separated"
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Extra browser origins accepted, comma-separated"
    )
    allow_write: bool = Field(default=False, description="Offer the operations that change things")
    mcp_sessions: bool = Field(
        default=True,
        description="Keep sessions of clients of 2025 MCP revisions, so that they get "
        "notifications over HTTP; false for replicas without sticky routing",
    )
    toolsets: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Capabilities offered as tools, comma-separated; empty: all"
    )

    # how the fleet is asked
    concurrency: int = Field(default=256, ge=1, description="Clusters asked at the same time")
    query_timeout: float = Field(default=30.0, gt=0, le=300, description="Of one metric query")
    max_response_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1024, description="Largest answer read from a backend"
    )
    max_points: int = Field(
        default=5_000_000, ge=1, description="Series x steps x clusters a query may ask for"
    )
    breaker_failures: int = Field(default=5, ge=1, description="Failures that open a breaker")
    breaker_reset: float = Field(default=30.0, gt=0, description="Time a breaker stays open")
    breaker_probes: int = Field(default=3, ge=1, description="Probes let through when half open")
    retries: int = Field(default=3, ge=0, description="Repeats of a call that is safe to repeat")

    # logs
    loki_tenant: str | None = Field(
        default=None, description="X-Scope-OrgID of each Loki whose URL names no ?tenant="
    )
    log_max_range: float = Field(
        default=7 * 86400.0, gt=0, description="Longest range of one log query"
    )
    log_broad_range: float = Field(
        default=3600.0,
        gt=0,
        description="Longest range of a log query that names no namespace, pod or application",
    )
    log_max_bytes: int = Field(
        default=50_000_000_000,
        ge=1,
        description="Bytes of logs that a query may cover, as the indexes estimate it",
    )
    log_max_pods: int = Field(
        default=20, ge=1, description="Pods read of a cluster without Loki, for one query"
    )
    log_pod_bytes: int = Field(
        default=4_000_000, ge=1024, description="Most read of one container's log"
    )
    log_tail_queue: int = Field(
        default=2000, ge=1, description="Lines a slow reader of a live tail may fall behind"
    )

    # alerts
    alert_severities: dict[str, AlertSeverity] = Field(
        default={}, description='More words of severity labels, such as {"sev0": "CRITICAL"}'
    )
    alert_replica_labels: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(
            "prometheus_replica",
            "receive_replica",
            "thanos_ruler_replica",
            "replica",
            "__replica__",
            "cluster",
            "cluster_id",
            "cluster_name",
            "clusterID",
        ),
        description="Labels that differ only by who tells of an alert, comma-separated",
    )
    dead_mans_switches: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("Watchdog",), description="Alerts that ought to fire always, comma-separated"
    )
    dead_mans_switch_grace: float = Field(
        default=300.0, ge=0, description="Such an alert may be missing so long"
    )
    alert_unheard_after: float = Field(
        default=86400.0,
        gt=0,
        description="An alert told by webhook alone is over when nobody repeats it for so long",
    )
    silence_max_hours: float = Field(default=168.0, gt=0, description="Longest silence we make")
    rule_always_firing_days: int = Field(
        default=7, ge=1, description="A rule that fires so long without end wants a look"
    )
    rule_never_fired_days: int = Field(
        default=30, ge=1, description="A rule that has not fired for so long wants a look"
    )
    webhook_queue: int = Field(
        default=200, ge=1, description="Webhook messages that may wait to be worked on"
    )
    public_url: str | None = Field(
        default=None,
        description="Where clusters reach this server, for the webhook receiver to copy",
    )

    # reports
    report_days: int = Field(default=90, ge=1, description="Reports are kept so long")
    report_store: str | None = Field(
        default=None,
        description="s3://bucket/prefix?endpoint=https://host&region=…, where reports are kept; "
        "default: files in home",
    )
    report_store_key_id: SecretStr | None = Field(
        default=None, description="Access key of that bucket; default: AWS's own variables and role"
    )
    report_store_secret: SecretStr | None = Field(
        default=None, description="Secret key of that bucket"
    )
    report_schedule: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Reports to make by themselves, one a line, times in UTC: "
        "0 6 * * mon EXECUTIVE_SUMMARY;format=PDF;clusters=type=EDGE,hub-1;window=7d;title=Weekly",
    )
    report_fonts: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="TrueType files for further scripts in PDF, comma-separated; default: those "
        "of the system that are known",
    )

    # health and discovery
    check_every: dict[ClusterType, float] = Field(
        default={
            ClusterType.HUB: 15.0,
            ClusterType.SPOKE: 30.0,
            ClusterType.EDGE: 60.0,
            ClusterType.FAR_EDGE: 120.0,
        },
        description="Time between health checks by cluster type",
    )
    check_timeout: dict[ClusterType, float] = Field(
        default={
            ClusterType.HUB: 5.0,
            ClusterType.SPOKE: 10.0,
            ClusterType.EDGE: 15.0,
            ClusterType.FAR_EDGE: 30.0,
        },
        description="Deadline of a call by cluster type",
    )
    discovery_every: float = Field(default=86400.0, gt=0, description="Time between discoveries")
    health_history_days: int = Field(default=7, ge=1, description="Health checks are kept so long")
    credentials_warn_days: int = Field(default=7, ge=0, description="Warn so early of expiry")
    gpu_poll_every: float = Field(
        default=30.0, gt=0, description="Time between looks at the GPUs, for GPU_UPDATE"
    )
    gpu_thresholds: dict[str, float] = Field(
        default={}, description="GPU health thresholds to use instead of the default ones, by name"
    )
    model_server_thresholds: dict[str, float] = Field(
        default={},
        description="Model server thresholds to use instead of the default ones, by name",
    )
    alert_poll_every: float = Field(default=15.0, gt=0, description="Time between alert polls")
    watch: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Expressions that give METRIC_UPDATE events, one a line: "
        "name=PromQL;threshold=>90 or name=PromQL;change=20%",
    )
    watch_every: float = Field(
        default=30.0, gt=0, description="Time between looks at the watched expressions"
    )
    anomaly_watch: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="What is watched for ANOMALY_DETECTED, one a line: all, an area (services, "
        "nodes, gpu …), a vital sign, or name=PromQL;least=0.1;limit=0.9;bad=up; default: nothing",
    )
    anomaly_watch_every: float = Field(
        default=60.0, ge=10, description="Time between looks at what is watched for anomalies"
    )
    anomaly_watch_history: float = Field(
        default=21_600.0,
        ge=7_200,
        le=604_800,
        description="So much before the first look is read, to know what is usual",
    )
    anomaly_watch_sensitivity: Sensitivity = Field(
        default=Sensitivity.MEDIUM, description="LOW, MEDIUM, HIGH or EXTREME: the last finds most"
    )
    anomaly_watch_series: int = Field(
        default=2_000, ge=1, description="Series that one process watches for anomalies at most"
    )
    trace_poll_every: float = Field(
        default=20.0, gt=0, description="Time between looks for traces that failed"
    )

    # what is kept in the cache
    ttl_instant_query: float = Field(default=30.0, ge=0, description="Instant queries")
    ttl_range_query_short: float = Field(default=60.0, ge=0, description="Ranges under 1 h")
    ttl_range_query_long: float = Field(default=300.0, ge=0, description="Ranges over 1 h")
    ttl_labels: float = Field(default=300.0, ge=0, description="Label names and values, metadata")
    ttl_gpu: float = Field(default=5.0, ge=0, description="GPU telemetry")
    ttl_alerts: float = Field(default=10.0, ge=0, description="Active alerts")
    ttl_objects: float = Field(default=10.0, ge=0, description="Lists of Kubernetes objects")
    ttl_alert_state: float = Field(
        default=86400.0, ge=0, description="Alerts that were seen to resolve"
    )
    ttl_trace_search: float = Field(default=15.0, ge=0, description="Searches for traces")
    ttl_traces: float = Field(default=600.0, ge=0, description="Traces that are complete")
    cache_bytes: int = Field(
        default=128 * 1024 * 1024, ge=0, description="Most memory the answer cache may hold"
    )
    last_seen_hours: float = Field(
        default=24.0,
        ge=0,
        description="A last-seen answer of an absent far-edge cluster stands so long",
    )

    # limits of the HTTP surface
    max_body_bytes: int = Field(default=10_000_000, ge=1, description="Largest request body")
    request_timeout: float = Field(default=120.0, gt=0, description="Of one request")
    rate_all_per_second: int = Field(default=1000, ge=0, description="All clients; 0: no limit")
    rate_all_burst: int = Field(default=100, ge=1, description="Burst of all clients")
    rate_user_per_minute: int = Field(default=300, ge=0, description="One user; 0: no limit")
    rate_user_burst: int = Field(default=50, ge=1, description="Burst of one user")
    rate_query_per_minute: int = Field(default=60, ge=0, description="/metrics/query of one user")
    rate_query_burst: int = Field(default=10, ge=1, description="Burst of /metrics/query")
    rate_chat_per_minute: int = Field(default=30, ge=0, description="Chat messages of one user")
    rate_chat_burst: int = Field(default=5, ge=1, description="Burst of chat messages")
    rate_reports_per_minute: int = Field(default=10, ge=0, description="New reports of one user")
    rate_reports_burst: int = Field(default=2, ge=1, description="Burst of new reports")

    # the simulated fleet
    demo: bool = Field(default=False, description="Register and serve the simulated fleet")
    demo_seed: int = Field(default=1, description="Seed of the simulated fleet")
    demo_incidents: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Incidents of the simulated fleet, comma-separated NAME or NAME@TIME",
    )

    demo_incidents_folder: Path | None = Field(
        default=None, description="Folder with more incident files (YAML)"
    )

    otlp_endpoint: str | None = Field(
        default=None,
        description="Collector that gets our traces by OTLP over HTTP, such as "
        "http://127.0.0.1:4318; default: none are recorded",
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR, to stderr")
    log_format: str = Field(default="text", pattern="^(text|json)$", description="text or json")

    @field_validator(
        "allowed_hosts",
        "allowed_origins",
        "toolsets",
        "alert_replica_labels",
        "dead_mans_switches",
        "demo_incidents",
        "report_fonts",
        mode="before",
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("watch", "anomaly_watch", "report_schedule", mode="before")
    @classmethod
    def _split_lines(cls, value: object) -> object:
        """One a line: an expression may hold commas."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.splitlines() if part.strip())
        return value

    def resolved_database_url(self) -> str:
        """The database to use: the one set, else a SQLite file in ``home``."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.home / 'aiops.sqlite'}"

    @property
    def investigates_from(self) -> AlertSeverity:
        """From which severity on alerts are investigated; the demo shows it with what it has."""
        if self.demo and "investigate_severity" not in self.model_fields_set:
            return AlertSeverity.WARNING
        return self.investigate_severity


def default_kubeconfig() -> Path:
    """Where kubectl would look: the first file of ``KUBECONFIG``, else ``~/.kube/config``."""
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path.home() / ".kube" / "config"


def with_variables(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """The text with ``${NAME}``, ``${env:NAME}`` and ``${NAME:-default}`` replaced.

    Raises:
        KeyError: a variable is not set and has no default.
    """

    def value(found: re.Match[str]) -> str:
        name, default = found.groups()
        return environ[name] if default is None else environ.get(name) or default

    return _VARIABLE.sub(value, text)

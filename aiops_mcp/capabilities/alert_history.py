"""What fired in the past, and the secrets by which clusters tell what fires."""

from typing import Annotated

from pydantic import AliasChoices, Field

from aiops_mcp.capabilities.alerts import alerts
from aiops_mcp.capabilities.alerts_digest import place_of
from aiops_mcp.capabilities.clusters import OneCluster, clusters
from aiops_mcp.capabilities.digesting import PageNumber, PageSize
from aiops_mcp.context import Context
from aiops_mcp.errors import CredentialsNotFound, InputError
from aiops_mcp.models.alerts import Alert, AlertSeverity, span_text
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Page
from aiops_mcp.models.moment import When, resolve_moment
from aiops_mcp.operation import Clusters, Effect, Input


class HistoryQuery(Input):
    clusters: Clusters = ()
    alertname: Annotated[str | None, Field(description="Exact name", max_length=512)] = None
    severity: Annotated[AlertSeverity | None, Field(description="Only these")] = None
    start_time: When = Field(default="-7d", validation_alias=AliasChoices("start_time", "from"))
    end_time: When = Field(default="now", validation_alias=AliasChoices("end_time", "to"))
    page: PageNumber = 1
    page_size: PageSize = 20


class AlertHistoryPage(Page[Alert]):
    """Occurrences, the newest to begin first; one still firing has no ``ends_at``."""


def _digest(request: HistoryQuery, answer: AlertHistoryPage) -> Digest:
    rows = tuple(
        (
            f"{alert.starts_at:%m-%dT%H:%MZ}",
            span_text(alert.ends_at - alert.starts_at) if alert.ends_at else "still fires",
            alert.severity.value,
            alert.alertname,
            alert.cluster_name,
            place_of(alert.labels) or None,
        )
        for alert in answer.items
    )
    left = answer.total - answer.page * answer.page_size
    return Digest(
        headline=f"{answer.total} alerts fired between {request.start_time} and "
        f"{request.end_time}, the newest first.",
        columns=("began", "lasted", "severity", "alert", "cluster", "where"),
        rows=rows,
        more=f"{left} more: page={answer.page + 1}" if left > 0 else None,
    )


@alerts.operation(
    "get_alert_history",
    route="GET /alerts/history",
    needs="metrics:read",
    tool=False,
    digest=_digest,
)
async def get_alert_history(context: Context, request: HistoryQuery) -> AlertHistoryPage:
    """What fired between two moments, ended or not, as this server was told of it."""
    now = context.clock()
    try:
        since = resolve_moment(request.start_time, now)
        until = resolve_moment(request.end_time, now)
    except ValueError as error:
        raise InputError(str(error)) from error
    if until < since:
        raise InputError("The time range ends before it begins.", "Exchange its two moments.")
    chosen = await context.fleet.choose(request.clusters, context.principal)
    found, total = await context.alerts.history.between(
        chosen.all,
        since,
        until,
        limit=request.page_size,
        offset=(request.page - 1) * request.page_size,
        alertname=request.alertname,
        severity=request.severity,
    )
    return AlertHistoryPage(
        items=found,
        total=total,
        page=request.page,
        page_size=request.page_size,
        total_pages=-(-total // request.page_size),
    )


class WebhookSecret(Entity):
    """A cluster's new secret, shown this once, and what to put into its Alertmanager."""

    cluster_name: str
    secret: str
    receiver: str


def _digest_secret(_: Input, answer: WebhookSecret) -> Digest:
    return Digest(
        headline=f"{answer.cluster_name} has a new webhook secret; it is shown only now.",
        notes=tuple(answer.receiver.splitlines()),
    )


_RECEIVER = """receivers:
- name: aiops
  webhook_configs:
  - url: {url}/api/v1/alerts/webhook/{cluster}
    send_resolved: true
    http_config:
      authorization:
        credentials: {secret}
"""


@clusters.operation(
    "make_webhook_secret",
    route="POST /clusters/{cluster}/webhook-secret",
    needs="clusters:write",
    effect=Effect.WRITE,
    tool=False,
    digest=_digest_secret,
    status=201,
)
async def make_webhook_secret(context: Context, request: OneCluster) -> WebhookSecret:
    """Make a cluster's webhook secret, in place of the one it has; shown once."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    secret = await context.alerts.secrets.make(cluster)
    url = (context.settings.public_url or "https://THIS-SERVER").rstrip("/")
    return WebhookSecret(
        cluster_name=cluster.name,
        secret=secret,
        receiver=_RECEIVER.format(url=url, cluster=cluster.name, secret=secret),
    )


class RemovedWebhookSecret(Entity):
    cluster_name: str
    removed: bool


def _digest_removed(_: Input, answer: RemovedWebhookSecret) -> Digest:
    return Digest(headline=f"No webhooks of {answer.cluster_name} are taken any more.")


@clusters.operation(
    "remove_webhook_secret",
    route="DELETE /clusters/{cluster}/webhook-secret",
    needs="clusters:write",
    effect=Effect.DESTROY,
    tool=False,
    digest=_digest_removed,
)
async def remove_webhook_secret(context: Context, request: OneCluster) -> RemovedWebhookSecret:
    """Take no webhooks of a cluster any more."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    if not await context.alerts.secrets.remove(cluster):
        raise CredentialsNotFound(
            f"{cluster.name} has no webhook secret.", "Nothing is to be removed."
        )
    return RemovedWebhookSecret(cluster_name=cluster.name, removed=True)

"""Ends alerts of clusters that tell by webhook alone and are not heard of any more.

An Alertmanager repeats what fires (``repeat_interval``). What it does not repeat for a day has
ended, and the message that said so was lost; or the cluster has fallen silent, and then its
dead-man's switch, if it has told of one, says so.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from aiops_mcp.fleet.alert_history import AlertHistory
from aiops_mcp.fleet.alert_looks import silent_switch
from aiops_mcp.fleet.alert_occurrences import Gone
from aiops_mcp.fleet.alerts import AlertSource, source_of
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.webhook_secrets import WebhookSecrets
from aiops_mcp.models.alerts import SILENT_SWITCH, Alert
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.settings import Settings

UNHEARD = Principal(subject="fleet.alert_unheard", role=Role.ADMIN)


async def end_unheard(
    history: AlertHistory,
    secrets: WebhookSecrets,
    fleet: Fleet,
    settings: Settings,
    now: datetime,
) -> int:
    """How many alerts were ended; may be done by several replicas at once.

    Raises:
        StorageFailed: the database is away.
    """
    senders = await secrets.clusters()
    if not senders:
        return 0
    clusters = [
        each
        for each in (await fleet.choose((), UNHEARD)).all
        if source_of(each, senders) is AlertSource.WEBHOOK
    ]
    before = now - timedelta(seconds=settings.alert_unheard_after)
    ended = 0
    for cluster, unheard in await history.unheard(clusters, before):
        gone, silent = _judged(cluster, unheard, settings.dead_mans_switches)
        await history.saw(cluster, silent, gone)
        ended += len(gone)
    return ended


def _judged(
    cluster: Cluster, unheard: Sequence[tuple[Alert, datetime]], switches: Sequence[str]
) -> tuple[list[Gone], list[Alert]]:
    """What has ended, when it was last heard of, and our alert where that was a switch."""
    told = [(alert, at) for alert, at in unheard if alert.alertname != SILENT_SWITCH]
    gone = [Gone(alert.fingerprint, at) for alert, at in told]
    heard = [at for alert, at in told if alert.alertname in switches]
    return gone, [silent_switch(cluster, max(heard), switches)] if heard else []

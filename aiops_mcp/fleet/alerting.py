"""The parts that alerts stand on, put together: history, secrets, watcher, intake, questions."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.alert_history import AlertHistory
from aiops_mcp.fleet.alert_intake import AlertIntake
from aiops_mcp.fleet.alert_watcher import AlertWatcher
from aiops_mcp.fleet.alerts import FleetAlerts
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.registry import Registry
from aiops_mcp.fleet.shards import Shards
from aiops_mcp.fleet.webhook_secrets import WebhookSecrets
from aiops_mcp.settings import Settings
from aiops_mcp.storage.alert_history import AlertHistoryTable
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.webhook_secrets import WebhookSecretTable


def fleet_alerts(
    database: Database,
    registry: Registry,
    fleet: Fleet,
    bus: EventBus,
    settings: Settings,
    clock: Callable[[], datetime],
    shards: Shards,
) -> FleetAlerts:
    """Alerts of the fleet; ``shards`` say which clusters this replica polls."""
    history = AlertHistory(
        AlertHistoryTable(database),
        bus,
        clock,
        keep=timedelta(days=settings.alert_history_days),
    )
    secrets = WebhookSecrets(WebhookSecretTable(database), clock, time.monotonic)
    watcher = AlertWatcher(registry, fleet, history, settings, clock=clock, shards=shards)
    intake = AlertIntake(
        registry,
        secrets,
        history,
        queue_size=settings.webhook_queue,
        severities=settings.alert_severities,
        clock=clock,
        switches=settings.dead_mans_switches,
        look_at=watcher.look_at,
    )
    return FleetAlerts(
        fleet,
        settings,
        clock,
        history=history,
        secrets=secrets,
        watcher=watcher,
        intake=intake,
    )

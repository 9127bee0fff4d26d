"""Watches the fleet's alerts and tells when one fires or resolves.

The comparison of two looks is pure; the loop around it only waits, asks and publishes. A cluster
that did not answer says nothing: its alerts neither fire nor resolve by its silence.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from aiops_mcp.errors import AiopsError
from aiops_mcp.events.bus import EventBus
from aiops_mcp.models.alerts import Alert, AlertState
from aiops_mcp.models.events import Event, EventType

_log = logging.getLogger(__name__)

Key = tuple[UUID, str, datetime]
"""One occurrence: the cluster, the fingerprint, and when it began."""


class AlertLook(Protocol):
    """Looks at the alerts once: those that fire, and the clusters that answered."""

    async def __call__(self) -> tuple[Sequence[Alert], Collection[UUID]]: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What fired at the last look, by cluster; a cluster never looked at is not in it."""

    by_cluster: Mapping[UUID, Mapping[Key, Alert]] = field(
        default_factory=dict[UUID, Mapping[Key, Alert]]
    )


@dataclass(frozen=True, slots=True)
class Difference:
    seen: Seen
    fired: tuple[Alert, ...]
    resolved: tuple[Alert, ...]


def compare(seen: Seen, alerts: Sequence[Alert], answered: Collection[UUID]) -> Difference:
    """What changed since ``seen``; the first look at a cluster is where it starts from."""
    now: dict[UUID, dict[Key, Alert]] = {cluster: {} for cluster in answered}
    for alert in alerts:
        if alert.state is AlertState.FIRING and alert.cluster_id in now:
            key = (alert.cluster_id, alert.fingerprint, alert.starts_at)
            now[alert.cluster_id][key] = alert
    fired: list[Alert] = []
    resolved: list[Alert] = []
    for cluster, current in now.items():
        before = seen.by_cluster.get(cluster)
        if before is None:
            continue
        fired += [alert for key, alert in current.items() if key not in before]
        resolved += [alert for key, alert in before.items() if key not in current]
    return Difference(Seen({**seen.by_cluster, **now}), tuple(fired), tuple(resolved))


class AlertWatcher:
    """Looks every ``every`` seconds while ``run`` runs, and publishes what changed.

    ``remember`` is told of each alert that resolved, and when that was seen.
    """

    def __init__(
        self,
        look: AlertLook,
        bus: EventBus,
        clock: Callable[[], datetime],
        *,
        every: float,
        remember: Callable[[Alert, datetime], None] | None = None,
    ) -> None:
        self._look = look
        self._bus = bus
        self._clock = clock
        self._every = every
        self._remember = remember
        self._seen = Seen()

    async def run(self) -> None:
        """Watch until cancelled. A look that fails is logged, and the next one comes in time."""
        while True:
            try:
                await self.look_once()
            except AiopsError as error:
                _log.warning("the alerts could not be looked at: %s", error)
            await asyncio.sleep(self._every)

    async def look_once(self) -> Difference:
        """Look now and publish ALERT_FIRED and ALERT_RESOLVED for what changed."""
        alerts, answered = await self._look()
        difference = compare(self._seen, alerts, answered)
        self._seen = difference.seen
        for alert in difference.fired:
            await self._bus.publish(self._event(EventType.ALERT_FIRED, alert))
        for alert in difference.resolved:
            event = self._event(EventType.ALERT_RESOLVED, alert)
            if self._remember is not None:
                self._remember(alert, event.timestamp)
            await self._bus.publish(event)
        return difference

    def _event(self, kind: EventType, alert: Alert) -> Event:
        now = self._clock()
        payload: dict[str, object] = {
            "fingerprint": alert.fingerprint,
            "alertname": alert.alertname,
            "severity": alert.severity.value,
            "labels": alert.labels,
            "starts_at": alert.starts_at.isoformat(),
        }
        if kind is EventType.ALERT_RESOLVED:
            payload["duration_seconds"] = max(0.0, (now - alert.starts_at).total_seconds())
        return Event(
            event_id=uuid4(),
            event_type=kind,
            source="fleet.alert_watcher",
            cluster_id=alert.cluster_id,
            cluster_name=alert.cluster_name,
            timestamp=now,
            payload=payload,
        )

"""Alerts that have ended, for as long as one may ask for them.

An Alertmanager forgets an alert that resolves, so what the alert watcher saw end is kept here: by
this process, from its start on.
"""

from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

from aiops_mcp.models.alerts import Alert, AlertState

MOST = 10_000
"""So many are kept at most; the oldest go first."""


class ResolvedAlerts:
    """Ended alerts of the last ``keep`` seconds."""

    def __init__(self, clock: Callable[[], datetime], *, keep: float, most: int = MOST) -> None:
        self._clock = clock
        self._keep = timedelta(seconds=keep)
        self._kept: deque[Alert] = deque(maxlen=most)

    def remember(self, alert: Alert, ended_at: datetime) -> None:
        """Keep an alert that fired until ``ended_at``."""
        self._forget_old()
        ended = alert.model_copy(update={"state": AlertState.RESOLVED, "ends_at": ended_at})
        self._kept.append(ended)

    def of(self, clusters: Collection[UUID]) -> tuple[Alert, ...]:
        """Those of these clusters, the last to end first."""
        self._forget_old()
        return tuple(alert for alert in reversed(self._kept) if alert.cluster_id in clusters)

    def _forget_old(self) -> None:
        since = self._clock() - self._keep
        while self._kept and self._kept[0].ends_at is not None and self._kept[0].ends_at <= since:
            self._kept.popleft()

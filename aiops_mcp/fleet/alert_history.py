"""What fired when, in which cluster: the one record that polls and webhooks of all replicas share.

Whoever first tells that an alert began or ended changes the record, and only who changes it
publishes the event: so each occurrence is told once, by whichever source and replica.
"""

import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.alert_occurrences import (
    SLACK,
    Changes,
    Gone,
    alert_of,
    changes,
    events_of,
)
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertStatistics
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.storage.alert_history import (
    AlertHistoryTable,
    HistoryFilter,
    NameCount,
    OccurrenceRecord,
)

STATISTICS_DAYS = 7
FLAPS_AFTER = 5
"""So many occurrences within a day are called flapping."""

MOST_COUNTED = 1000
FRESH = timedelta(minutes=5)
"""What began so shortly before a cluster's first look is news; the rest was there before us."""


class AlertHistory:
    """``clock`` is the wall clock; what is older than ``keep`` is pruned."""

    def __init__(
        self,
        table: AlertHistoryTable,
        bus: EventBus,
        clock: Callable[[], datetime],
        *,
        keep: timedelta,
    ) -> None:
        self._table = table
        self._bus = bus
        self._clock = clock
        self._keep = keep

    async def saw(
        self,
        cluster: Cluster,
        sightings: Sequence[Alert],
        gone: Sequence[Gone] = (),
        *,
        first_look: bool = False,
    ) -> Changes:
        """Record what a source tells of a cluster's alerts, and publish what is news.

        ``first_look``: nothing is known of the cluster yet, so only what began just now is news.

        Raises:
            StorageFailed: nothing was recorded, nothing published.
        """
        if not sightings and not gone:
            return Changes()
        now = self._clock()
        fingerprints = list({each.fingerprint for each in (*sightings, *gone)})
        oldest = min((alert.starts_at for alert in sightings), default=now) - SLACK
        found = Changes()
        async with self._table.deciding(cluster.id) as deciding:
            if deciding is not None:
                known = await deciding.known(fingerprints, oldest)
                found = changes(cluster, known, sightings, gone, now=now)
                await deciding.begin(found.begun)
                await deciding.end(found.ended)
        for event in events_of(_news(found, now) if first_look else found, now):
            await self._bus.publish(event)
        return found

    async def fires_on(
        self, cluster: Cluster, alerts: Sequence[Alert], *, ended_until: datetime | None = None
    ) -> None:
        """Open the last occurrence of alerts again that fire although their end was recorded.

        One half of a pair may lose its Prometheus and give an alert up that the other still has.
        ``ended_until``: only what had ended by then.
        """
        now = self._clock()
        fired: list[Alert] = []
        async with self._table.deciding(cluster.id) as deciding:
            if deciding is None:
                return
            oldest = min(alert.starts_at for alert in alerts) - SLACK
            last: dict[str, OccurrenceRecord] = {}
            for record in await deciding.known([alert.fingerprint for alert in alerts], oldest):
                before = last.get(record.fingerprint)
                if before is None or before.starts_at < record.starts_at:
                    last[record.fingerprint] = record
            keys: list[tuple[str, datetime]] = []
            for alert in alerts:
                record = last.get(alert.fingerprint)
                if record is None or record.ends_at is None:
                    continue
                if ended_until is None or record.ends_at <= ended_until:
                    keys.append((record.fingerprint, record.starts_at))
                    fired.append(alert.model_copy(update={"starts_at": record.starts_at}))
            await deciding.reopen(keys, now)
        for event in events_of(Changes(fired=tuple(fired)), now):
            await self._bus.publish(event)

    async def open_alerts(
        self,
        clusters: Sequence[Cluster],
        *,
        began_since: datetime | None = None,
        alertname: str | None = None,
    ) -> tuple[Alert, ...]:
        """What fires as far as anybody told, whoever did."""
        by_id = {cluster.id: cluster for cluster in clusters}
        found = await self._table.open_of(
            by_id.keys(), began_since=began_since, alertname=alertname
        )
        return _alerts(found, by_id)

    async def is_known(self, cluster: Cluster) -> bool:
        return await self._table.is_known(cluster.id)

    async def touch(self, cluster: Cluster, fingerprints: Sequence[str]) -> None:
        """Note that these still fire."""
        await self._table.touch(cluster.id, fingerprints, self._clock())

    async def unheard(
        self, clusters: Sequence[Cluster], since: datetime
    ) -> Sequence[tuple[Cluster, Sequence[tuple[Alert, datetime]]]]:
        """What fires and was not told of since then, with when it last was, by cluster."""
        by_id = {cluster.id: cluster for cluster in clusters}
        found: dict[UUID, list[tuple[Alert, datetime]]] = {}
        for record in await self._table.open_of(by_id.keys()):
            if record.last_seen_at < since:
                told = alert_of(record, by_id[record.cluster_id]), record.last_seen_at
                found.setdefault(record.cluster_id, []).append(told)
        return [(by_id[cluster_id], told) for cluster_id, told in found.items()]

    async def between(
        self,
        clusters: Sequence[Cluster],
        since: datetime,
        until: datetime,
        *,
        limit: int,
        offset: int = 0,
        alertname: str | None = None,
        severity: AlertSeverity | None = None,
        fingerprint: str | None = None,
        only_ended: bool = False,
    ) -> tuple[tuple[Alert, ...], int]:
        """What fired at any time between, the newest to begin first; and how many in all."""
        by_id = {cluster.id: cluster for cluster in clusters}
        wanted = HistoryFilter(
            cluster_ids=by_id.keys(),
            since=since,
            until=until,
            alertname=alertname,
            severity=None if severity is None else severity.value,
            fingerprint=fingerprint,
            only_ended=only_ended,
        )
        found, total = await self._table.page(wanted, limit=limit, offset=offset)
        return _alerts(found, by_id), total

    async def statistics(
        self, clusters: Sequence[Cluster], fingerprint: str, *, days: int = STATISTICS_DAYS
    ) -> AlertStatistics:
        """How an alert has behaved lately."""
        now = self._clock()
        since = now - timedelta(days=days)
        found, _ = await self.between(
            clusters, since, now, limit=MOST_COUNTED, fingerprint=fingerprint
        )
        return behaviour([alert for alert in found if alert.starts_at >= since], days=days)

    async def counts(self, clusters: Sequence[Cluster], since: datetime) -> tuple[NameCount, ...]:
        """How often each kind of alert began since then, a cluster."""
        return await self._table.counts([cluster.id for cluster in clusters], since)

    async def last_of(
        self, clusters: Sequence[Cluster], alertnames: Collection[str]
    ) -> Mapping[UUID, datetime]:
        """When an alert of these names was last known to fire, by cluster."""
        return await self._table.last_of([cluster.id for cluster in clusters], alertnames)

    async def begins_at(self, clusters: Sequence[Cluster]) -> datetime | None:
        """How far back the history reaches; None: there is none."""
        return await self._table.begins_at([cluster.id for cluster in clusters])

    async def prune(self) -> int:
        """Forget what is too old; returns how many occurrences."""
        return await self._table.prune(self._clock() - self._keep)


def behaviour(occurrences: Sequence[Alert], *, days: int) -> AlertStatistics:
    """Count, usual length and flapping of one alert's occurrences. Pure."""
    lengths = [
        (alert.ends_at - alert.starts_at).total_seconds()
        for alert in occurrences
        if alert.ends_at is not None
    ]
    starts = sorted(alert.starts_at for alert in occurrences)
    return AlertStatistics(
        days=days,
        fired=len(occurrences),
        clusters=len({alert.cluster_id for alert in occurrences}),
        usual_seconds=statistics.median(lengths) if lengths else None,
        first_at=starts[0] if starts else None,
        last_at=starts[-1] if starts else None,
        flapping=any(_flaps(_starts_in(occurrences, cluster)) for cluster in _places(occurrences)),
    )


def _places(occurrences: Sequence[Alert]) -> set[UUID]:
    return {alert.cluster_id for alert in occurrences}


def _starts_in(occurrences: Sequence[Alert], cluster_id: UUID) -> list[datetime]:
    return sorted(alert.starts_at for alert in occurrences if alert.cluster_id == cluster_id)


def _flaps(starts: Sequence[datetime]) -> bool:
    last = FLAPS_AFTER - 1
    return any(
        starts[at + last] - starts[at] <= timedelta(days=1) for at in range(len(starts) - last)
    )


def _news(found: Changes, now: datetime) -> Changes:
    fresh = tuple(alert for alert in found.fired if now - alert.starts_at <= FRESH)
    return Changes(fired=fresh, resolved=found.resolved)


def _alerts(
    records: Sequence[OccurrenceRecord], by_id: Mapping[UUID, Cluster]
) -> tuple[Alert, ...]:
    return tuple(alert_of(record, by_id[record.cluster_id]) for record in records)

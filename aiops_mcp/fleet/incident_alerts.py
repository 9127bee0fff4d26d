"""What fires, as the investigator sees it.

The history tells what and since when, the clusters whether it is silenced. The history is one for
all replicas, so what a replica missed while it was away is found again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiops_mcp.errors import BackendError
from aiops_mcp.fleet.alerts import FleetAlerts
from aiops_mcp.fleet.incident_joining import Together, incident_alert, is_same
from aiops_mcp.fleet.incidents import SYSTEM, ListedClusters
from aiops_mcp.models.alerts import Alert, AlertSeverity
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.incident import IncidentAlert
from aiops_mcp.settings import Settings

MOST_ENDS = 50
"""Ended occurrences of one alert that are looked through for one."""


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires, as it came and as an incident holds it."""

    alert: Alert
    told: IncidentAlert
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How alerts stand now; of clusters that did not ``answer`` nobody knows.

    ``suppressed`` and ``loud`` hold clusters' names and fingerprints.
    """

    answered: frozenset[str]
    loud: frozenset[tuple[str, str]]
    suppressed: frozenset[tuple[str, str]]
    together: Together

    def is_over(self, told: IncidentAlert) -> bool:
        key = (told.cluster_name, told.fingerprint)
        return (
            told.cluster_name in self.answered
            and key not in self.loud
            and key not in self.suppressed
        )

    def is_suppressed(self, told: IncidentAlert) -> bool:
        return (told.cluster_name, told.fingerprint) in self.suppressed


class FiringAlerts:
    """The fleet's alerts for the investigator, as the system sees them."""

    def __init__(self, alerts: FleetAlerts, clusters: ListedClusters, settings: Settings) -> None:
        self._alerts = alerts
        self._clusters = clusters
        self._settings = settings

    async def firing(self, since: datetime) -> tuple[Firing, ...]:
        """What fires, began since then and is worth a look, the earliest first.

        INFO is not, nor are the alerts that ought to fire always.
        """
        clusters = await self._by_name()
        found = await self._alerts.history.open_alerts(list(clusters.values()), began_since=since)
        kept = [one for one in found if self._counts(one)]
        return tuple(
            Firing(one, incident_alert(one, clusters), clusters[one.cluster_name].is_simulated)
            for one in sorted(kept, key=lambda one: (one.starts_at, one.id))
        )

    def _counts(self, alert: Alert) -> bool:
        is_switch = alert.alertname in self._settings.dead_mans_switches
        return alert.severity is not AlertSeverity.INFO and not is_switch

    async def ended(self, alerts: Sequence[IncidentAlert], now: datetime) -> dict[int, datetime]:
        """When those of the alerts (by their places) ended that do not fire any more."""
        by_name = await self._by_name()
        named = {one.cluster_name for one in alerts}
        clusters = [by_name[name] for name in named if name in by_name]
        still: dict[tuple[str, str], list[IncidentAlert]] = {}
        for each in await self._alerts.history.open_alerts(clusters):
            told = incident_alert(each, by_name)
            still.setdefault((told.cluster_name, told.fingerprint), []).append(told)
        ends: dict[int, datetime] = {}
        for place, one in enumerate(alerts):
            alike = still.get((one.cluster_name, one.fingerprint), ())
            if any(is_same(one, other) for other in alike):
                continue
            ends[place] = await self._end_of(one, by_name, now)
        return ends

    async def _end_of(
        self, alert: IncidentAlert, by_name: Mapping[str, Cluster], now: datetime
    ) -> datetime:
        """As the history has it; now, where it does not (the cluster was removed)."""
        cluster = by_name.get(alert.cluster_name)
        if cluster is None:
            return now
        past, _ = await self._alerts.history.between(
            [cluster],
            alert.starts_at - timedelta(minutes=5),
            now,
            limit=MOST_ENDS,
            fingerprint=alert.fingerprint,
            only_ended=True,
        )
        same = [one for one in past if is_same(incident_alert(one, by_name), alert)]
        return max((one.ends_at for one in same if one.ends_at is not None), default=now)

    async def standing(self, names: Collection[str]) -> Standing:
        """How the alerts of these clusters stand now, asked of the clusters."""
        by_name = await self._by_name()
        asked = sorted(name for name in names if name in by_name)
        alerts: tuple[Alert, ...] = ()
        answered: frozenset[str] = frozenset()
        if asked:
            try:
                answer = await self._alerts.alerts(selection=asked, principal=SYSTEM)
            except BackendError:
                pass  # nobody answers: what the history says stands
            else:
                alerts = answer.alerts
                stale = {one.cluster_name for one in answer.coverage.stale}
                answered = frozenset(answer.sources) - stale
        loud = [one for one in alerts if not one.is_suppressed and self._counts(one)]
        together = Together.of(
            loud, known=by_name, regions={name: one.region for name, one in by_name.items()}
        )
        return Standing(
            answered,
            frozenset((one.cluster_name, one.fingerprint) for one in loud),
            frozenset((one.cluster_name, one.fingerprint) for one in alerts if one.is_suppressed),
            together,
        )

    async def _by_name(self) -> dict[str, Cluster]:
        return {one.name: one for one in await self._clusters.list(SYSTEM)}

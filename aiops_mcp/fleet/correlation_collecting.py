"""Everything that a correlation needs of the chosen clusters, asked at once.

A source that fails or is late is named and left out. Log lines are asked afterwards, of where
something else was seen. Joins nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.alert_merge import without_replicas
from aiops_mcp.fleet.alerts import FleetAlerts
from aiops_mcp.fleet.change_workloads import Window
from aiops_mcp.fleet.changes import ChangeSearch
from aiops_mcp.fleet.correlation_series import ClusterSeen, read_cluster
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.log_folding import NAMESPACE
from aiops_mcp.fleet.log_patterns import PatternSearch, find_patterns
from aiops_mcp.fleet.logs import FleetLogs
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.fleet.object_event_list import EventSearch
from aiops_mcp.fleet.objects import FleetObjects
from aiops_mcp.fleet.patience import in_time
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.fleet.series_grid import Span
from aiops_mcp.fleet.vital_signs import signs_of
from aiops_mcp.models.alerts import Alert, AlertState
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.findings import Change
from aiops_mcp.models.log_patterns import LogPattern
from aiops_mcp.models.objects import FoldedEvent
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress
from aiops_mcp.settings import Settings

SOURCE_SECONDS: Final = 60.0
LOG_SECONDS: Final = 30.0
LOG_LINES: Final = 6_000
MOST_NAMESPACES: Final = 6
MOST_LOG_CLUSTERS: Final = 4
EVENTS_KEPT: Final = timedelta(hours=1)
"""API servers forget events after an hour."""
_FAULTS: Final = "(?i)(error|warn|fail|fatal|panic|exception|timed? ?out|refused|denied|unable)"


@dataclass(frozen=True, slots=True)
class Sources:
    """The services that are asked."""

    fleet: Fleet
    metrics: FleetMetrics
    alerts: FleetAlerts
    objects: FleetObjects
    logs: FleetLogs
    settings: Settings
    clock: Callable[[], datetime]


@dataclass(slots=True)
class Collected:
    """What was had; ``notes`` say what was not, and why."""

    seen: tuple[ClusterSeen, ...] = ()
    alerts: tuple[Alert, ...] = ()
    changes: tuple[Change, ...] = ()
    events: tuple[FoldedEvent, ...] = ()
    patterns: tuple[LogPattern, ...] = ()
    looked_at: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    coverages: list[Coverage] = field(default_factory=list[Coverage])
    first_error: AiopsError | None = None


class Collecting:
    """Asks every source of the chosen clusters between ``since`` and the end of ``span``."""

    def __init__(
        self,
        sources: Sources,
        chosen: Selection,
        principal: Principal,
        span: Span,
        since: datetime,
        until: datetime,
    ) -> None:
        self._from = sources
        self._chosen = chosen
        self._names = tuple(cluster.name for cluster in chosen.asked)
        self._principal = principal
        self._span = span
        self._since = since
        self._until = until
        self._steps = 1
        self.got = Collected()

    async def all(self, progress: Progress) -> None:
        parts: dict[str, Callable[[], Awaitable[Coverage]]] = {
            "series": self._series,
            "alerts": self._alerts,
            "changes": self._changes,
        }
        if self._from.clock() - self._since <= EVENTS_KEPT + timedelta(minutes=15):
            parts["events"] = self._events
        else:
            self.got.notes.append("events: API servers keep them for an hour, and this is older")
        done, self._steps = 0, len(parts) + 1

        async def one(name: str, part: Callable[[], Awaitable[Coverage]]) -> None:
            nonlocal done
            await self._tried(name, part, SOURCE_SECONDS)
            done += 1
            await progress(done, self._steps, f"{name} read")

        if self._names:
            await asyncio.gather(*(one(name, part) for name, part in parts.items()))

    async def _tried(
        self, name: str, part: Callable[[], Awaitable[Coverage]], seconds: float
    ) -> None:
        try:
            coverage = await in_time(name, seconds, part())
        except AiopsError as error:
            self.got.notes.append(f"{name}: not known, {error.message}")
            self.got.first_error = self.got.first_error or error
            return
        self.got.looked_at.append(name)
        self.got.coverages.append(coverage)
        missing = sorted(failure.cluster_name for failure in coverage.failures)
        if missing:
            self.got.notes.append(f"no {name} from {', '.join(missing)}")

    async def _series(self) -> Coverage:
        clusters = frozenset(cluster.name for cluster in self._chosen.all)
        signs = tuple(sign for sign in signs_of(evidence=True) if not sign.by_limit_only)

        async def ask(access: Access) -> ClusterSeen:
            return await read_cluster(
                access,
                self._from.fleet.cache,
                signs,
                self._span,
                clusters=clusters,
                ttl=self._from.settings.ttl_labels,
            )

        answer = await self._from.fleet.ask_chosen(
            self._chosen, ask, backend="prometheus", deadline=SOURCE_SECONDS
        )
        answer.raise_if_nobody_answered()
        self.got.seen = tuple(one.value for one in answer.succeeded() if one.value is not None)
        self.got.notes += [note for one in self.got.seen for note in one.notes]
        return answer.coverage()

    async def _alerts(self) -> Coverage:
        found = await self._from.alerts.alerts(
            selection=self._names, principal=self._principal, state=AlertState.RESOLVED
        )
        told = without_replicas(found.alerts, self._from.settings.alert_replica_labels)
        switches = self._from.settings.dead_mans_switches
        self.got.alerts = tuple(one for one in told if one.alertname not in switches)
        return found.coverage

    async def _changes(self) -> Coverage:
        found = await self._from.objects.changes(
            ChangeSearch(Window(self._since, self._until), clusters=self._names),
            principal=self._principal,
        )
        self.got.changes = found.changes
        self.got.notes += found.notes
        return found.coverage

    async def _events(self) -> Coverage:
        found = await self._from.objects.events(
            EventSearch(self._since, clusters=self._names, warnings_only=True),
            principal=self._principal,
        )
        self.got.events = found.events
        self.got.notes += found.notes
        return found.coverage

    async def logs(self, places: Counter[tuple[str, str]], progress: Progress) -> None:
        """Grave lines of the namespaces in which most was seen; ``places`` are with clusters."""
        spaces = Counter[str]()
        clusters = Counter[str]()
        for (cluster, space), count in places.items():
            if NAMESPACE.fullmatch(space):  # else a label's words would become a part of the query
                spaces[space] += count
                clusters[cluster] += count
        names = [name for name, _ in spaces.most_common(MOST_NAMESPACES)]
        if not names:
            self.got.notes.append("log patterns: nothing was seen in any namespace to look into")
            return
        chosen = tuple(name for name, _ in clusters.most_common(MOST_LOG_CLUSTERS))
        if len(clusters) > len(chosen) or len(spaces) > len(names):
            self.got.notes.append(
                f"log lines of {', '.join(names)} in {', '.join(chosen)} only, where most was seen"
            )

        async def part() -> Coverage:
            seconds = (self._until - self._since).total_seconds()
            search = PatternSearch(
                f'{{namespace=~"{"|".join(names)}"}} |~ "{_FAULTS}"',
                self._until,
                seconds,
                seconds,
                chosen,
                LOG_LINES,
            )
            found = await find_patterns(self._from.logs, search, principal=self._principal)
            self.got.patterns = found.patterns
            self.got.notes += [f"log patterns: {note}" for note in found.notes[:3]]
            return found.coverage

        await self._tried("log patterns", part, LOG_SECONDS)
        await progress(self._steps, self._steps, "log patterns read")

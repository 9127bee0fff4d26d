"""What is wrong in the fleet now: every source asked at once, and joined into problems.

A source that fails or is late is left out and named. The joining is pure and in
``triage_problems``; services come in as arguments, so it knows no operation.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from aiops_mcp.errors import AiopsError, ClusterUnreachable, NotFound
from aiops_mcp.fleet.alert_merge import without_replicas
from aiops_mcp.fleet.alerts import FleetAlerts
from aiops_mcp.fleet.change_workloads import Window
from aiops_mcp.fleet.changes import ChangeSearch
from aiops_mcp.fleet.cnf import FleetCnf
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.gpu_health import FleetGpuHealth
from aiops_mcp.fleet.objects import FleetObjects
from aiops_mcp.fleet.patience import in_time
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.fleet.triage_problems import CHANGED_BEFORE, TOGETHER, problems_of
from aiops_mcp.fleet.triage_symptoms import (
    Sighting,
    of_alerts,
    of_clocks,
    of_clusters,
    of_findings,
    of_gpus,
    of_model_servers,
    of_network_functions,
)
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage
from aiops_mcp.models.findings import Change
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.triage import FleetProblem, Triage
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings

SOURCE_SECONDS = 25.0
"""What a source may take: who asks what is wrong does not wait a minute for it."""
LOOKS_BACK = timedelta(hours=6)
"""Changes are read so far back; a problem that is older has none beside it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sources:
    """The services that are asked."""

    fleet: Fleet
    alerts: FleetAlerts
    objects: FleetObjects
    gpu_health: FleetGpuHealth
    cnf: FleetCnf
    settings: Settings
    clock: Callable[[], datetime]


@dataclass(slots=True)
class Seen:
    """What every source told; ``errors`` are of those that did not, ``coverages`` of the rest."""

    sightings: list[Sighting] = field(default_factory=list[Sighting])
    changes: tuple[Change, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter[str])
    coverages: dict[str, Coverage] = field(default_factory=dict[str, Coverage])
    errors: dict[str, AiopsError] = field(default_factory=dict[str, AiopsError])
    notes: list[str] = field(default_factory=list[str])


async def triage_fleet(
    sources: Sources,
    *,
    selection: Sequence[str] = (),
    principal: Principal,
    progress: Progress = no_progress,
) -> Triage:
    """The problems of the chosen clusters, worst first.

    Raises:
        ClusterNotFound, InputError: the selection names nobody.
        AiopsError: no source was answered by anybody.
    """
    chosen = await sources.fleet.choose(selection, principal)
    now = sources.clock()
    look = _Look(sources, chosen, principal, now)
    await look.all(progress)
    seen = look.seen
    if chosen.asked and not seen.coverages:
        # That nobody can be reached is an answer here: clusters that are away are problems.
        other = [one for one in seen.errors.values() if not isinstance(one, ClusterUnreachable)]
        if other:
            raise other[0]
    coverage = look.coverage()
    silent = {failure.cluster_name for failure in coverage.failures}
    clusters = list(of_clusters(chosen.all, silent))
    found = problems_of(
        [*clusters, *seen.sightings],
        seen.changes,
        regions={cluster.name: cluster.region for cluster in chosen.all},
    )
    return Triage(
        problems=tuple(found),
        total=len(found),
        by_severity=dict(Counter(one.severity for one in found)),
        away=look.away(clusters, found),
        left_out=dict(seen.left_out),
        looked_at=tuple(sorted(seen.coverages)),
        notes=tuple(look.notes()),
        coverage=coverage,
        as_of=now,
    )


async def see(
    sources: Sources, chosen: Selection, principal: Principal, *, progress: Progress = no_progress
) -> Seen:
    """The symptoms of the chosen clusters, not joined; a source that fails is in its errors."""
    look = _Look(sources, chosen, principal, sources.clock())
    await look.all(progress)
    return look.seen


class _Look:
    """One look at the chosen clusters."""

    def __init__(
        self, sources: Sources, chosen: Selection, principal: Principal, now: datetime
    ) -> None:
        self._from = sources
        self._chosen = chosen
        self._principal = principal
        self._now = now
        self._names = tuple(cluster.name for cluster in chosen.asked)
        self._known = frozenset(cluster.name for cluster in chosen.all)
        self.seen = Seen()

    async def all(self, progress: Progress) -> None:
        """Ask every source at once."""
        if not self._names:
            return
        parts: dict[str, Callable[[], Awaitable[Coverage]]] = {
            "alerts": self._alerts,
            "objects": self._objects,
            "changes": self._changes,
        }
        if self._having("has_gpu_nodes"):
            parts["GPUs"] = self._gpus
            parts["model servers"] = self._model_servers
        if self._having("has_cnf_workloads"):
            parts["network functions"] = self._network_functions
            parts["clocks"] = self._clocks
        done = 0

        async def one(name: str, part: Callable[[], Awaitable[Coverage]]) -> None:
            nonlocal done
            try:
                self.seen.coverages[name] = await in_time(name, SOURCE_SECONDS, part())
            except NotFound:
                pass  # there is nothing of the kind
            except AiopsError as error:
                self.seen.errors[name] = error
            done += 1
            await progress(done, len(parts), f"{done} of {len(parts)} sources")

        await asyncio.gather(*(one(name, part) for name, part in parts.items()))

    def _having(self, ability: str) -> tuple[str, ...]:
        """Chosen clusters in which discovery found it."""
        return tuple(
            cluster.name for cluster in self._chosen.asked if getattr(cluster.capabilities, ability)
        )

    async def _alerts(self) -> Coverage:
        found = await self._from.alerts.alerts(selection=self._names, principal=self._principal)
        told = without_replicas(found.alerts, self._from.settings.alert_replica_labels)
        loud = [alert for alert in told if self._is_loud(alert)]
        self.seen.sightings += of_alerts(loud, self._known)
        return found.coverage

    def _is_loud(self, alert: Alert) -> bool:
        if alert.alertname in self._from.settings.dead_mans_switches:
            return False
        if alert.state is not AlertState.FIRING:
            return False
        if alert.is_suppressed:
            self.seen.left_out["silenced or inhibited alerts"] += 1
            return False
        return True

    async def _objects(self) -> Coverage:
        found = await self._from.objects.unhealthy(self._names, principal=self._principal)
        every = await self._from.fleet.choose((), self._principal)
        far = {
            cluster.name for cluster in every.all if cluster.cluster_type is ClusterType.FAR_EDGE
        }
        kept = [
            one
            for one in found.findings
            # of a far edge the hub knows no more than the registry does
            if not (one.kind == "ManagedCluster" and one.name in far)
        ]
        self.seen.sightings += of_findings(kept, self._known)
        return found.coverage

    async def _changes(self) -> Coverage:
        window = Window(self._now - LOOKS_BACK - CHANGED_BEFORE - TOGETHER, self._now)
        search = ChangeSearch(window, clusters=self._names)
        found = await self._from.objects.changes(search, principal=self._principal)
        self.seen.changes = found.changes
        return found.coverage

    async def _gpus(self) -> Coverage:
        found = await self._from.gpu_health.health(
            selection=self._having("has_gpu_nodes"), principal=self._principal
        )
        self.seen.sightings += of_gpus(found.nodes)
        return found.coverage

    async def _model_servers(self) -> Coverage:
        found = await self._from.gpu_health.model_servers(
            selection=self._having("has_gpu_nodes"), principal=self._principal
        )
        self.seen.sightings += of_model_servers(found.servers)
        return found.coverage

    async def _network_functions(self) -> Coverage:
        found = await self._from.cnf.workloads(
            selection=self._having("has_cnf_workloads"), principal=self._principal
        )
        self.seen.sightings += of_network_functions(found.found)
        return found.coverage

    async def _clocks(self) -> Coverage:
        found = await self._from.cnf.ptp(
            selection=self._having("has_cnf_workloads"), principal=self._principal
        )
        self.seen.sightings += of_clocks(found.found)
        return found.coverage

    # --- who answered -----------------------------------------------------------------------

    def coverage(self) -> Coverage:
        """A cluster answered when it did so for one source."""
        told = [
            self.seen.coverages[name]
            for name in ("alerts", "objects", "changes")
            if name in self.seen.coverages
        ]
        failures: dict[str, ClusterFailure] = {}
        for name in self._names:
            own = [each for one in told for each in one.failures if each.cluster_name == name]
            if told and len(own) == len(told):
                failures[name] = own[0]
        if not told:
            failures = {name: _late(name) for name in self._names}
        return Coverage(
            queried=len(self._names),
            succeeded=len(self._names) - len(failures),
            failures=tuple(failures.values()),
            stale=tuple({one.cluster_name: one for each in told for one in each.stale}.values()),
            offline=tuple(cluster.name for cluster in self._chosen.offline),
            simulated=any(cluster.is_simulated for cluster in self._chosen.all),
        )

    def notes(self) -> list[str]:
        """What of single clusters, and which whole sources, could not be had."""
        notes = [f"{name}: not known, {error.message}" for name, error in self.seen.errors.items()]
        gone = {failure.cluster_name for failure in self.coverage().failures}
        for name, coverage in sorted(self.seen.coverages.items()):
            missing = [
                each.cluster_name for each in coverage.failures if each.cluster_name not in gone
            ]
            if missing:
                notes.append(f"no {name} from {', '.join(sorted(missing))}")
        return notes

    def away(self, clusters: Sequence[Sighting], found: Sequence[FleetProblem]) -> tuple[str, ...]:
        """Far edges that are away and in no problem."""
        told = {name for one in found for name in one.clusters}
        return tuple(
            one.component.cluster
            for one in clusters
            if one.symptom.severity is AlertSeverity.INFO and one.component.cluster not in told
        )


def _late(name: str) -> ClusterFailure:
    return ClusterFailure(
        cluster_name=name, status=AnswerStatus.TIMEOUT, code="QUERY_TIMEOUT", error="no answer"
    )

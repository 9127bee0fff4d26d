"""Everything that a root-cause question needs of one cluster, asked at once.

A source that fails or is late is named and left out; the question fails only when nothing at all
could be had. Bounded by the contract: an hour before, and a baseline beyond it. Judges nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from aiops_mcp.errors import AiopsError, ClusterUnreachable
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.change_workloads import Window
from aiops_mcp.fleet.changes import ChangeSearch
from aiops_mcp.fleet.components import component_of_alert
from aiops_mcp.fleet.logs import FleetLogs
from aiops_mcp.fleet.patience import in_time
from aiops_mcp.fleet.rca_names import Names
from aiops_mcp.fleet.rca_signals import Measured, MeasuredCluster, read_measured
from aiops_mcp.fleet.rca_topology import Topology, read_topology
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.fleet.series_grid import Span
from aiops_mcp.fleet.traces import FleetTraces
from aiops_mcp.fleet.triage import Seen, Sources, see
from aiops_mcp.fleet.vital_signs import vital_signs
from aiops_mcp.models.alerts import Alert, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.findings import Change
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.rootcause import RcaTrigger, TriggerKind
from aiops_mcp.operation import Progress

BASELINE_SECONDS: Final = 5 * 3600.0
"""Read beyond the window, to know what is normal."""
STEP_SECONDS: Final = 60.0
NOW_SECONDS: Final = 600.0
"""Objects tell only of now: an end longer ago is past for them."""
COLLECT_SECONDS: Final = 60.0
STEPS: Final = 5
"""Of progress: what is collected here, and logs and traces after it."""
CHANGED_BEFORE: Final = timedelta(hours=1)
GOES_ON: Final = timedelta(hours=6)
"""An alert that fires for no longer is looked at until now; of an older one, how it began."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RcaSources:
    """The services that are asked."""

    triage: Sources
    logs: FleetLogs
    traces: FleetTraces


@dataclass(frozen=True, slots=True)
class Question:
    """One cluster, until when and how far back; ``noticed`` and ``component`` where they are known.

    ``anomaly`` is the id of one that was found before.
    """

    cluster: Cluster
    end: datetime
    window: timedelta
    trigger: RcaTrigger
    noticed: datetime | None = None
    component: str | None = None
    anomaly: str | None = None
    most: int = 5


def question_of_alert(
    alert: Alert, cluster: Cluster, known: Collection[str], *, start: datetime, end: datetime
) -> Question:
    """What caused an alert of a cluster; ``known`` are the names of all clusters."""
    of = component_of_alert(alert, known)
    return Question(
        cluster=cluster,
        end=end,
        window=end - start,
        trigger=RcaTrigger(
            kind=TriggerKind.ALERT, id=alert.fingerprint, name=alert.alertname, at=alert.starts_at
        ),
        noticed=alert.starts_at,
        component=of.name if of is not None and of.cluster == cluster.name else None,
    )


def question_of_firing(
    alert: Alert, cluster: Cluster, known: Collection[str], *, now: datetime, window: timedelta
) -> Question:
    """As `question_of_alert`: until now while it fires, and of an older one how it began."""
    goes_on = alert.state is not AlertState.RESOLVED and now - alert.starts_at <= GOES_ON
    end = now if goes_on else min(now, alert.starts_at + window)
    start = min(end - window, alert.starts_at - window / 2)
    return question_of_alert(alert, cluster, known, start=start, end=end)


@dataclass(slots=True)
class Collected:
    """What was had so far; ``missing`` says what was not, and why."""

    measured: tuple[Measured, ...] = ()
    series: int = 0
    topology: Topology = field(default_factory=lambda: Topology((), Names()))
    seen: Seen = field(default_factory=Seen)
    changes: tuple[Change, ...] | None = None
    looked_at: list[str] = field(default_factory=list[str])
    missing: list[str] = field(default_factory=list[str])
    fleet: tuple[Cluster, ...] = ()
    first_error: AiopsError | None = None


class Collecting:
    """Asks every source of one cluster at once."""

    def __init__(self, sources: Sources, question: Question, principal: Principal) -> None:
        self._from = sources
        self._question = question
        self._principal = principal
        self.got = Collected()

    async def all(self, progress: Progress) -> None:
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "series": self._series,
            "topology": self._topology,
            "symptoms": self._symptoms,
            "changes": self._changes,
        }
        done = 0

        async def one(name: str, part: Callable[[], Awaitable[None]]) -> None:
            nonlocal done
            try:
                await in_time(name, COLLECT_SECONDS, part())
            except AiopsError as error:
                self.got.missing.append(f"{name}: {error.message}")
                self.got.first_error = error
            done += 1
            await progress(done, STEPS, f"{name} read")

        await asyncio.gather(*(one(name, part) for name, part in parts.items()))

    async def _ask(self, ask: Callable[[Access], Awaitable[T]]) -> T:
        """Raises AiopsError where the cluster's Prometheus does not answer, or it has none."""
        answer = await self._from.fleet.ask_chosen(
            Selection((self._question.cluster,)),
            ask,
            backend="prometheus",
            deadline=COLLECT_SECONDS,
        )
        answer.raise_if_nobody_answered()
        one = answer.answers[0]
        if one.value is None:
            raise ClusterUnreachable(f"{one.cluster.name}: {one.skipped or 'no answer'}.")
        return one.value

    async def _series(self) -> None:
        question = self._question
        end = question.end.timestamp() // STEP_SECONDS * STEP_SECONDS
        begin = end - question.window.total_seconds() - BASELINE_SECONDS
        span = Span(begin, end, STEP_SECONDS)

        async def ask(access: Access) -> MeasuredCluster:
            return await read_measured(
                access,
                self._from.fleet.cache,
                vital_signs(),
                span,
                ttl=self._from.settings.ttl_labels,
            )

        read = await self._ask(ask)
        self.got.measured, self.got.series = read.found, read.series
        self.got.missing += read.notes
        self.got.looked_at.append("series")

    async def _topology(self) -> None:
        question = self._question
        self.got.fleet = (await self._from.fleet.choose((), self._principal)).all
        names = Names(clusters=frozenset(one.name for one in self.got.fleet))

        async def ask(access: Access) -> Topology:
            client = await access.prometheus()
            return await read_topology(client, names, question.end.timestamp())

        self.got.topology = await self._ask(ask)
        self.got.missing += self.got.topology.missing
        self.got.looked_at.append("topology")

    async def _symptoms(self) -> None:
        question, now = self._question, self._from.clock()
        if now - question.end > timedelta(seconds=NOW_SECONDS):
            self.got.missing.append("alerts and objects tell of now, and this is of the past")
            return
        seen = await see(self._from, Selection((question.cluster,)), self._principal)
        seen.coverages.pop("changes", None)
        seen.errors.pop("changes", None)
        self.got.seen = seen
        for name, coverage in seen.coverages.items():
            failed = coverage.failures[0].error if coverage.failures else None
            if failed is None and coverage.succeeded:
                self.got.looked_at.append(name)
            elif failed is not None:
                self.got.missing.append(f"{name}: {failed}")
        for name, error in seen.errors.items():
            self.got.missing.append(f"{name}: {error.message}")
            self.got.first_error = error

    async def _changes(self) -> None:
        question = self._question
        since = question.end - question.window - CHANGED_BEFORE
        found = await self._from.objects.changes(
            ChangeSearch(Window(since, question.end), clusters=(question.cluster.name,)),
            principal=self._principal,
        )
        if not found.coverage.succeeded:
            raise ClusterUnreachable(f"{question.cluster.name} does not answer.")
        self.got.changes = found.changes
        self.got.missing += found.notes
        self.got.looked_at.append("changes")

"""Alerting rules and scrape targets of the whole fleet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.backends.prometheus_answers import RuleGroup, ScrapeTarget
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.rules import FleetRule, FleetTarget
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    rules: tuple[FleetRule, ...]
    coverage: Coverage
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    targets: tuple[FleetTarget, ...]
    coverage: Coverage
    asked_at: datetime


class FleetRules:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

    async def rules(
        self,
        selection: Sequence[str],
        principal: Principal,
        progress: Progress = no_progress,
    ) -> RuleAnswer:
        """All rules of the chosen clusters. Raises when no cluster answered."""

        async def ask(access: Access) -> tuple[FleetRule, ...]:
            groups = await (await access.prometheus()).rules()
            return _rules(access.cluster, groups)

        answer = await self._fleet.ask(
            selection,
            ask,
            principal=principal,
            backend="prometheus",
            cache=CacheRule(("rules",), self._settings.ttl_labels, _size),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        found = tuple(rule for one in answer.succeeded() for rule in one.value or ())
        return RuleAnswer(found, answer.coverage(), answer.asked_at)

    async def targets(
        self,
        selection: Sequence[str],
        principal: Principal,
        progress: Progress = no_progress,
    ) -> TargetAnswer:
        """All active targets of the chosen clusters. Raises when no cluster answered."""

        async def ask(access: Access) -> tuple[FleetTarget, ...]:
            targets = await (await access.prometheus()).targets()
            return tuple(_target(access.cluster, target) for target in targets)

        answer = await self._fleet.ask(
            selection,
            ask,
            principal=principal,
            backend="prometheus",
            cache=CacheRule(("targets",), self._settings.ttl_instant_query, _size),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        found = tuple(target for one in answer.succeeded() for target in one.value or ())
        return TargetAnswer(found, answer.coverage(), answer.asked_at)


def _rules(cluster: Cluster, groups: Sequence[RuleGroup]) -> tuple[FleetRule, ...]:
    return tuple(
        FleetRule(
            cluster_id=cluster.id,
            cluster_name=cluster.name,
            group=group.name,
            file=group.file,
            kind=rule.kind,
            name=rule.name,
            query=rule.query,
            duration_seconds=rule.duration,
            labels=dict(rule.labels),
            annotations=dict(rule.annotations),
            health=rule.health,
            last_error=rule.last_error,
            state=rule.state,
        )
        for group in groups
        for rule in group.rules
    )


def _target(cluster: Cluster, target: ScrapeTarget) -> FleetTarget:
    return FleetTarget(
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        job=target.labels.get("job") or target.scrape_pool,
        instance=target.labels.get("instance", ""),
        scrape_url=target.scrape_url,
        health=target.health,
        last_error=target.last_error,
        last_scrape=target.last_scrape,
        labels=dict(target.labels),
    )


def _size(found: Sequence[object]) -> int:
    return 512 + 2000 * len(found)

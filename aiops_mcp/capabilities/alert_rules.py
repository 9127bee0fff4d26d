"""Alerting rules over the fleet: which there are, and which are worth a look."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from aiops_mcp.capabilities.alerts import alerts
from aiops_mcp.capabilities.digesting import (
    Cursor,
    Limit,
    PageNumber,
    PageSize,
    call_of,
    coverage_line,
    cursor_start,
)
from aiops_mcp.capabilities.digesting import more_line as line_of_more
from aiops_mcp.capabilities.metrics import metrics
from aiops_mcp.context import Context
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet import rule_hygiene as hygiene
from aiops_mcp.models.alerts import SILENT_SWITCH
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Page, Timestamp
from aiops_mcp.models.rules import FleetRule, FleetTarget, RuleFault, RuleFinding
from aiops_mcp.operation import Clusters, Input

ItemT = TypeVar("ItemT")


class RuleQuery(Input):
    clusters: Clusters = ()
    name: Annotated[str | None, Field(description="Part of the name", max_length=256)] = None
    kind: Annotated[Literal["alerting", "recording"] | None, Field(description="Only these")] = None
    state: Annotated[
        Literal["firing", "pending", "inactive"] | None, Field(description="Only these")
    ] = None
    health: Annotated[Literal["ok", "err", "unknown"] | None, Field(description="Only these")] = (
        None
    )
    page: PageNumber = 1
    page_size: PageSize = 20


class RulePage(Page[FleetRule]):
    coverage: Coverage


def _digest_rules(_: RuleQuery, answer: RulePage) -> Digest:
    return Digest(
        headline=f"{answer.total} rules, page {answer.page} of {answer.total_pages}.",
        columns=("cluster", "group", "rule", "kind", "state", "health", "for_s", "query"),
        rows=tuple(
            (
                rule.cluster_name,
                rule.group,
                rule.name,
                rule.kind,
                rule.state,
                rule.health,
                rule.duration_seconds,
                rule.query[:120],
            )
            for rule in answer.items
        ),
        coverage=coverage_line(answer.coverage),
    )


@alerts.operation(
    "list_alert_rules",
    route="GET /alerts/rules",
    needs="metrics:read",
    tool=False,
    digest=_digest_rules,
)
async def list_alert_rules(context: Context, request: RuleQuery) -> RulePage:
    """The alerting and recording rules of the fleet's Prometheus servers."""
    found = await context.rules.rules(request.clusters, context.principal, context.call.progress)
    part = (request.name or "").lower()
    matching = [
        rule
        for rule in found.rules
        if part in rule.name.lower()
        and request.kind in (None, rule.kind)
        and request.state in (None, rule.state)
        and request.health in (None, rule.health)
    ]
    return RulePage(**_paged(matching, request.page, request.page_size), coverage=found.coverage)


class TargetQuery(Input):
    clusters: Clusters = ()
    job: Annotated[str | None, Field(description="Exact name", max_length=256)] = None
    health: Annotated[Literal["up", "down", "unknown"] | None, Field(description="Only these")] = (
        None
    )
    page: PageNumber = 1
    page_size: PageSize = 20


class TargetPage(Page[FleetTarget]):
    """Targets, those that are down first; ``by_health`` counts all of the clusters chosen."""

    by_health: dict[str, int]
    coverage: Coverage


def _digest_targets(_: TargetQuery, answer: TargetPage) -> Digest:
    counts = ", ".join(f"{count} {health}" for health, count in sorted(answer.by_health.items()))
    return Digest(
        headline=f"Targets: {counts or 'none'}; {answer.total} match.",
        columns=("cluster", "job", "instance", "health", "error"),
        rows=tuple(
            (each.cluster_name, each.job, each.instance, each.health, each.last_error[:120] or None)
            for each in answer.items
        ),
        coverage=coverage_line(answer.coverage),
    )


@metrics.operation(
    "list_targets",
    route="GET /metrics/targets",
    needs="metrics:read",
    tool=False,
    digest=_digest_targets,
)
async def list_targets(context: Context, request: TargetQuery) -> TargetPage:
    """What the fleet's Prometheus servers scrape, and what they cannot."""
    found = await context.rules.targets(request.clusters, context.principal, context.call.progress)
    matching = [
        target
        for target in found.targets
        if request.job in (None, target.job) and request.health in (None, target.health)
    ]
    matching.sort(key=lambda target: target.health != "down")
    return TargetPage(
        **_paged(matching, request.page, request.page_size),
        by_health=dict(Counter(target.health for target in found.targets)),
        coverage=found.coverage,
    )


def _paged(items: Sequence[ItemT], page: int, page_size: int) -> dict[str, Any]:
    first = (page - 1) * page_size
    return {
        "items": tuple(items[first : first + page_size]),
        "total": len(items),
        "page": page,
        "page_size": page_size,
        "total_pages": -(-len(items) // page_size),
    }


class RuleCheck(Input):
    clusters: Clusters = ()
    limit: Limit = 20
    cursor: Cursor | None = None


class RuleReport(Entity):
    """Findings, what matters most first; ``notes`` say what could not be judged."""

    findings: tuple[RuleFinding, ...]
    by_fault: dict[RuleFault, int]
    rules: int
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


def _digest_check(request: RuleCheck, answer: RuleReport) -> Digest:
    start = cursor_start(request.cursor)
    picked = answer.findings[start : start + request.limit]
    counts = ", ".join(
        f"{count} {fault.value.lower().replace('_', ' ')}"
        for fault, count in answer.by_fault.items()
    )
    return Digest(
        headline=f"{answer.rules} rules looked at: {counts or 'nothing to complain of'}.",
        columns=("fault", "what", "clusters", "detail"),
        rows=tuple(
            (each.fault.value, each.subject, _some(each.clusters), each.detail) for each in picked
        ),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=answer.notes,
        more=line_of_more(
            total=len(answer.findings),
            start=start,
            shown=len(picked),
            what="findings",
            call=call_of("check_alert_rules", request),
        ),
    )


def _some(names: Sequence[str]) -> str:
    return ",".join(names[:3]) + (f"+{len(names) - 3}" if len(names) > 3 else "")


@alerts.operation(
    "check_alert_rules", route="GET /alerts/rules/check", needs="metrics:read", digest=_digest_check
)
async def check_alert_rules(context: Context, request: RuleCheck) -> RuleReport:
    """Which alerting rules, targets and silences of the fleet want a look.

    Broken, always firing, flapping, never fired, differing; targets down; silences about to end.
    """
    principal, settings = context.principal, context.settings
    rules, targets, firing = await asyncio.gather(
        context.rules.rules(request.clusters, principal, context.call.progress),
        context.rules.targets(request.clusters, principal),
        context.alerts.alerts(selection=request.clusters, principal=principal),
    )
    now = context.clock()
    expected = {*settings.dead_mans_switches, SILENT_SWITCH}
    findings = [
        *hygiene.broken(rules.rules),
        *hygiene.targets_down(targets.targets),
        *hygiene.always_firing(
            firing.alerts, now, days=settings.rule_always_firing_days, expected=expected
        ),
        *hygiene.differing(rules.rules),
    ]
    notes: list[str] = []
    try:
        muted = await context.alerts.silences.silences(request.clusters, principal)
        findings += hygiene.silences_at_fault(muted.silences, now)
    except AiopsError as error:
        notes.append(f"silences could not be looked at: {error.message}")
    past, said = await _from_history(context, request, rules.rules)
    ranked = hygiene.ordered([*findings, *past])
    return RuleReport(
        findings=ranked,
        by_fault=dict(Counter(each.fault for each in ranked)),
        rules=len(rules.rules),
        notes=(*notes, *said),
        coverage=rules.coverage,
        as_of=rules.asked_at,
    )


async def _from_history(
    context: Context, request: RuleCheck, rules: Sequence[FleetRule]
) -> tuple[list[RuleFinding], list[str]]:
    """What only the past tells: rules that flap, and rules that have never fired."""
    history, days = context.alerts.history, context.settings.rule_never_fired_days
    chosen = (await context.fleet.choose(request.clusters, context.principal)).all
    names = {cluster.id: cluster.name for cluster in chosen}
    now = context.clock()
    week = await history.counts(chosen, now - timedelta(days=7))
    findings = hygiene.flapping(
        (names[count.cluster_id], count.alertname, count.count) for count in week
    )
    begins = await history.begins_at(chosen)
    if begins is None or begins > now - timedelta(days=days):
        reaches = "is empty" if begins is None else f"begins {begins:%Y-%m-%d}"
        note = f"which rules never fire is not known: the history {reaches}, {days} days are needed"
        return findings, [note]
    fired = {each.alertname for each in await history.counts(chosen, now - timedelta(days=days))}
    still = {alert.alertname for alert in await history.open_alerts(chosen)}
    return [*findings, *hygiene.never_fired(rules, fired | still, days=days)], []

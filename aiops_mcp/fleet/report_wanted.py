"""What a report is to tell, by what was asked for: its clusters, its period, its subject."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aiops_mcp.errors import AlertNotFound, InputError
from aiops_mcp.fleet.report_gathering import ReportSources, Wanted
from aiops_mcp.models.alerts import Alert
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.reports import ReportType, TimeRange

DEFAULT_WINDOWS: Final = {
    ReportType.EXECUTIVE_SUMMARY: timedelta(days=7),
    ReportType.DETAILED_ANALYSIS: timedelta(days=1),
    ReportType.INCIDENT_REPORT: timedelta(hours=6),
    ReportType.CAPACITY_PLAN: timedelta(days=7),
}
LONGEST: Final = timedelta(days=92)
SHORTEST: Final = timedelta(minutes=5)
BEFORE_ALERT: Final = timedelta(hours=1)
AFTER_ALERT: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for; what is None is chosen by the type, or by the alert."""

    report_type: ReportType
    clusters: Sequence[str] = ()
    start: datetime | None = None
    end: datetime | None = None
    alert: str | None = None
    horizon: timedelta = timedelta(days=30)


async def wanted_of(sources: ReportSources, asked: Asked, principal: Principal) -> Wanted:
    """What to gather.

    Raises:
        ClusterNotFound, InputError: the selection names nobody, or the times cannot be.
        AlertNotFound: no such alert fires or fired where the caller may look.
    """
    now = sources.clock()
    if asked.alert is None:
        chosen = await sources.fleet.choose(asked.clusters, principal)
        return Wanted(
            asked.report_type,
            chosen,
            _period(asked, now),
            horizon=asked.horizon.total_seconds(),
        )
    if asked.report_type is not ReportType.INCIDENT_REPORT:
        raise InputError(
            "Only an incident report is of an alert.",
            "Use report_type INCIDENT_REPORT, or leave alert away.",
            details={"field": "alert"},
        )
    alert, others = await _alert(sources, asked.alert, principal)
    names = asked.clusters or tuple(dict.fromkeys(one.cluster_name for one in (alert, *others)))
    chosen = await sources.fleet.choose(names, principal)
    period = TimeRange(
        start=asked.start or alert.starts_at - BEFORE_ALERT,
        end=asked.end or min((alert.ends_at or now) + AFTER_ALERT, now),
    )
    _check(period, now)
    where = f"{alert.alertname} in {alert.cluster_name}"
    return Wanted(asked.report_type, chosen, period, subject=where, alert=alert)


async def _alert(
    sources: ReportSources, fingerprint: str, principal: Principal
) -> tuple[Alert, Sequence[Alert]]:
    """The newest occurrence of an alert, and the others that fire at the same time."""
    answer, _ = await sources.alerts.occurrences(fingerprint, principal)
    own = [one for one in answer.alerts if one.fingerprint == fingerprint]
    if not own:
        raise AlertNotFound(
            f"No alert {fingerprint!r} fires or fired.", "List them with `aiops alerts`."
        )
    newest = max(own, key=lambda one: one.starts_at)
    return newest, [one for one in answer.alerts if one.ends_at is None]


def _period(asked: Asked, now: datetime) -> TimeRange:
    end = asked.end or now
    period = TimeRange(start=asked.start or end - DEFAULT_WINDOWS[asked.report_type], end=end)
    _check(period, now)
    return period


def _check(period: TimeRange, now: datetime) -> None:
    if period.end > now + timedelta(minutes=5):
        raise InputError(
            "The period of a report ends in the future.",
            "Leave end_time away to report until now.",
            details={"field": "end_time"},
        )
    length = period.end - period.start
    if not SHORTEST <= length <= LONGEST:
        raise InputError(
            f"A report tells of {SHORTEST.seconds // 60} minutes to {LONGEST.days} days.",
            "Choose start_time and end_time so.",
            details={"field": "start_time"},
        )

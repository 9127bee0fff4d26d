"""The probable causes of what an incident report is of: which clusters are asked, and about what.

Of an alert its own cluster, of a window of time the clusters with the gravest alerts in it.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aiops_mcp.errors import AiopsError
from aiops_mcp.models.alerts import Alert, AlertSeverity
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.reports import TimeRange
from aiops_mcp.models.rootcause import RCAResult

if TYPE_CHECKING:
    from aiops_mcp.fleet.rca_collecting import Question, RcaSources

MOST_CLUSTERS = 3
LONGEST = timedelta(hours=6)
BEFORE = timedelta(minutes=30)
"""What is looked at before an alert began, at least."""
_ORDER = tuple(AlertSeverity)


def worst_alerts(alerts: Sequence[Alert], clusters: Sequence[Cluster]) -> dict[str, Alert]:
    """The gravest alert, and of those the first, of each of the clusters with the gravest."""
    names = {cluster.name for cluster in clusters}
    ranked = sorted(
        (one for one in alerts if one.cluster_name in names and not one.is_suppressed),
        key=lambda one: (_ORDER.index(one.severity), one.starts_at, one.fingerprint),
    )
    worst: dict[str, Alert] = {}
    for alert in ranked:
        if alert.severity is not AlertSeverity.INFO:
            worst.setdefault(alert.cluster_name, alert)
    return dict(list(worst.items())[:MOST_CLUSTERS])


def question_of(
    alert: Alert, cluster: Cluster, known: Sequence[str], period: TimeRange, now: datetime
) -> "Question":
    """What is asked about an alert within the period of a report."""
    from aiops_mcp.fleet.rca_collecting import question_of_alert

    end = min(now, period.end, alert.starts_at + LONGEST)
    start = min(max(period.start, end - LONGEST), alert.starts_at - BEFORE)
    return question_of_alert(alert, cluster, known, start=start, end=end)


async def find_causes(
    sources: "RcaSources", questions: Sequence["Question"], principal: Principal
) -> tuple[tuple[RCAResult, ...], dict[str, str]]:
    """The answers, and of the clusters that gave none why."""
    # numpy and the ranking are loaded only where somebody wants them.
    from aiops_mcp.fleet.rca import find_root_cause

    failed: dict[str, str] = {}

    async def find(question: "Question") -> RCAResult | None:
        try:
            return await find_root_cause(sources, question, principal=principal)
        except AiopsError as error:
            failed[question.cluster.name] = error.message
            return None

    found = await asyncio.gather(*(find(question) for question in questions))
    return tuple(one for one in found if one is not None), failed

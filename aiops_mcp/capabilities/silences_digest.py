"""Silences made small: what is muted where and until when; what a change did. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import coverage_line
from aiops_mcp.models.alerts import span_text
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.silences import ENDS_SOON, FleetSilence

if TYPE_CHECKING:
    from aiops_mcp.capabilities.silences import SilenceChanges

MOST_ROWS = 30


def digest_silences(
    silences: Sequence[FleetSilence], coverage: Coverage, as_of: datetime
) -> Digest:
    """One row a silence; those made alike in several clusters are one."""
    groups: dict[tuple[object, ...], list[FleetSilence]] = {}
    for silence in silences:
        key = (silence.matchers, silence.comment, silence.created_by, silence.ends_at)
        groups.setdefault(key, []).append(silence)
    soon = sum(silence.ends_at - as_of <= ENDS_SOON for silence in silences)
    ever = sum(silence.is_for_ever for silence in silences)
    rows = [_row(group, as_of) for group in groups.values()]
    left = len(rows) - MOST_ROWS
    return Digest(
        headline=f"{len(silences)} silences; {soon} end within a day, "
        f"{ever} last for 30 days or more.",
        columns=("matchers", "clusters", "state", "ends_in", "by", "comment", "ids"),
        rows=tuple(rows[:MOST_ROWS]),
        coverage=coverage_line(coverage),
        as_of=as_of,
        more=f"{left} more silences: choose clusters" if left > 0 else None,
    )


def _row(group: Sequence[FleetSilence], now: datetime) -> tuple[Cell, ...]:
    first = group[0]
    names = list(dict.fromkeys(silence.cluster_name for silence in group))
    rest = f"+{len(names) - 3}" if len(names) > 3 else ""
    ids = [silence.id for silence in group]
    return (
        " ".join(matcher.text for matcher in first.matchers),
        ",".join(names[:3]) + rest,
        first.state.value,
        span_text(first.ends_at - now),
        first.created_by or None,
        first.comment[:80] or None,
        ",".join(ids[:3]) + (f"+{len(ids) - 3}" if len(ids) > 3 else ""),
    )


def digest_changes(answer: "SilenceChanges") -> Digest:
    """What was done, or would be: the alerts that it mutes now, by kind."""
    if not answer.applied:
        kinds = Counter((alert.alertname, alert.cluster_name) for alert in answer.alerts)
        rows = tuple((name, cluster, count) for (name, cluster), count in kinds.most_common(20))
        muted = f" It would mute {len(answer.alerts)} alerts that fire now." if rows else ""
        none = "" if rows or answer.ends_at is None else " Nothing that it would mute fires now."
        return Digest(
            headline=f"Would {answer.what}.{muted}{none}",
            columns=("alert", "cluster", "count") if rows else (),
            rows=rows,
            coverage=coverage_line(answer.coverage),
            as_of=answer.as_of,
        )
    failed = [outcome for outcome in answer.outcomes if outcome.done == "FAILED"]
    done = len(answer.outcomes) - len(failed)
    return Digest(
        headline=f"Done in {done} of {len(answer.outcomes)} cases: {answer.what}.",
        columns=("cluster", "done", "silence", "error"),
        rows=tuple(
            (one.cluster_name, one.done, one.silence_id, one.error)
            for one in (*failed, *(o for o in answer.outcomes if o.done != "FAILED"))
        ),
        as_of=answer.as_of,
    )

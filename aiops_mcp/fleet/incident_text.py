"""An incident in words: its title, its explanation, the entries of its timeline. Pure.

Made of templates alone. What a cluster wrote stands in code spans, so that it is nobody's markup.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from aiops_mcp.fleet.triage_next import call
from aiops_mcp.models.alerts import span_text
from aiops_mcp.models.findings import Change
from aiops_mcp.models.incident import Incident, IncidentAlert, TimelineEntry
from aiops_mcp.models.rootcause import RCAResult, RcaSignal, RootCause
from aiops_mcp.models.triage import FleetProblem

MOST_TITLE: Final = 300
MOST_OTHERS: Final = 4
MOST_ANOMALIES: Final = 10
RCA: Final = "rca"
FAILED: Final = "The investigation failed: "


# --- title and explanation ---------------------------------------------------------------------


def title_of(alerts: Sequence[IncidentAlert], found: RCAResult | None, cluster: str) -> str:
    """Such as ``shop/db on prod-1: connections used up``; before a cause is known, its alert."""
    if found is not None and found.causes:
        first = found.causes[0]
        what = first.what or (alerts[0].alertname if alerts else "")
        title = f"{first.component} on {found.cluster_name}" + (f": {what}" if what else "")
    elif alerts:
        of = f" of {alerts[0].component}" if alerts[0].component else ""
        title = f"{alerts[0].alertname}{of} on {alerts[0].cluster_name}"
    else:
        title = f"Nothing found on {cluster}"
    return title if len(title) <= MOST_TITLE else title[: MOST_TITLE - 1] + "…"


def explanation_of(
    incident: Incident, problem: FleetProblem | None = None, changes: Sequence[Change] = ()
) -> str:
    """The whole as Markdown: what fires, what probably caused it, why, and what to do."""
    lines = list(_alerts(incident.alerts))
    found = incident.rca
    if found is None:
        lines += ["", "It has not been investigated yet."]
    elif not found.causes:
        lines += ["", f"No cause was found on {found.cluster_name}: {found.reason_if_empty}."]
    else:
        lines += _causes(found)
    if problem is not None and problem.also:
        named = ", ".join(map(_code, problem.also[:8]))
        lines += _section("Touched as well", [f"{named}, as triage joins it"])
    lines += _section("Changed shortly before", map(_change_line, changes))
    if found is not None:
        lines += _section("What to do", found.remediation_steps)
        next_calls = dict.fromkeys(one.next_call for one in found.causes[:2] if one.next_call)
        lines += _section("What to ask next", map(_code, next_calls))
        lines += _section("Not known", found.missing)
        lines += ["", "Made of triage and the ranking of root causes, without a language model."]
    return "\n".join(lines).strip() + "\n"


def with_alerts_told(incident: Incident) -> Incident:
    """With its explanation beginning with the alerts that it has now; a model's stays."""
    if incident.answer is not None or not incident.alerts:
        return incident
    _, _, rest = incident.explanation.partition("\n")
    first = next(_alerts(incident.alerts))
    return incident.model_copy(update={"explanation": f"{first}\n{rest}"})


def _alerts(alerts: Sequence[IncidentAlert]) -> Iterator[str]:
    if not alerts:
        return
    first = alerts[0]
    of = f" of {_code(first.component)}" if first.component else ""
    more = f", and {len(alerts) - 1} more of the same trouble" if len(alerts) > 1 else ""
    yield (
        f"{_code(first.alertname)}{of} fires on {first.cluster_name} "
        f"since {_time(first.starts_at)} ({first.severity.value}){more}."
    )


def _causes(found: RCAResult) -> Iterator[str]:
    first = found.causes[0]
    since = f", since {_time(first.since)}" if first.since else ""
    what = f": {_code(first.what)}" if first.what else ""
    yield ""
    yield (
        f"Most likely cause: **{_code(first.component)}** on {found.cluster_name} "
        f"(score {first.score:.2f}){since}{what}."
    )
    yield from _section("For it", map(_code, first.evidence_for))
    yield from _section("Against it", map(_code, first.evidence_against))
    yield from _section("Less likely", map(_other, found.causes[1 : 1 + MOST_OTHERS]))


def _other(one: RootCause) -> str:
    what = f": {_code(one.what)}" if one.what else ""
    return f"{_code(one.component)} (score {one.score:.2f}){what}"


def _change_line(one: Change) -> str:
    by = f" by {_code(one.by)}" if one.by else ""
    return f"{_time(one.at)} {_code(_place(one))} on {one.cluster_name}: {_code(one.what)}{by}"


def _place(one: Change) -> str:
    name = f"{one.namespace}/{one.name}" if one.namespace else one.name
    return f"{one.kind} {name}"


def _section(heading: str, items: Iterable[str]) -> Iterator[str]:
    told = list(items)
    if told:
        yield ""
        yield f"## {heading}"
        yield ""
        yield from (f"- {one}" for one in told)


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


# --- the timeline --------------------------------------------------------------------------------


def fired(alert: IncidentAlert, why: str = "") -> TimelineEntry:
    of = f" of {alert.component}" if alert.component else ""
    joined = f"; it belongs here: {why}" if why else ""
    return TimelineEntry(
        timestamp=alert.starts_at,
        source="alert",
        what=f"{alert.alertname}{of} fires ({alert.severity.value}){joined}",
        evidence=f"fingerprint {alert.fingerprint}",
        cluster_name=alert.cluster_name,
    )


def ended(alert: IncidentAlert, at: datetime) -> TimelineEntry:
    of = f" of {alert.component}" if alert.component else ""
    return TimelineEntry(
        timestamp=at,
        source="alert",
        what=f"{alert.alertname}{of} ended after {span_text(at - alert.starts_at)}",
        evidence=f"fingerprint {alert.fingerprint}",
        cluster_name=alert.cluster_name,
    )


def said(at: datetime, what: str, source: str = RCA) -> TimelineEntry:
    """What was done to the incident itself."""
    return TimelineEntry(timestamp=at, source=source, what=what)


def of_changes(changes: Iterable[Change]) -> Iterator[TimelineEntry]:
    for one in changes:
        yield TimelineEntry(
            timestamp=one.at,
            source="change",
            what=f"{_place(one)}: {one.what}" + (f" (by {one.by})" if one.by else ""),
            evidence=call("get_changes", clusters=[one.cluster_name], namespace=one.namespace),
            cluster_name=one.cluster_name,
        )


def of_rca(found: RCAResult) -> Iterator[TimelineEntry]:
    """What moved and when, when it began, and what was found."""
    where = found.cluster_name
    yield from (_anomaly(one, found) for one in _moved(found)[:MOST_ANOMALIES])
    if found.onset is not None and found.causes:
        yield TimelineEntry(
            timestamp=found.onset,
            source=RCA,
            what="The trouble began, as far as series and objects tell",
            evidence=_asked(found),
            cluster_name=where,
        )
    if found.causes:
        first = found.causes[0]
        told = f"Root cause: {first.component} (score {first.score:.2f})"
        told += f": {first.what}" if first.what else ""
    else:
        told = f"No root cause found: {found.reason_if_empty}"
    yield TimelineEntry(
        timestamp=found.as_of, source=RCA, what=told, evidence=_asked(found), cluster_name=where
    )


def _moved(found: RCAResult) -> list[RcaSignal]:
    """Series that moved, of the causes that were told."""
    told = {one.component for one in found.causes}
    return [
        one
        for one in found.signals
        if one.kind == "metric" and one.since is not None and one.component in told
    ]


def _anomaly(one: RcaSignal, found: RCAResult) -> TimelineEntry:
    moved = ""
    if one.before is not None and one.after is not None and one.before != one.after:
        unit = f" {one.unit}" if one.unit else ""
        moved = f" went from {one.before:.4g} to {one.after:.4g}{unit}"
    assert one.since is not None  # noqa: S101 - only those that have a beginning are asked for
    return TimelineEntry(
        timestamp=one.since,
        source="anomaly",
        what=f"{one.component}: {one.name}{moved or ' is otherwise than usual'}",
        evidence=call("detect_anomalies", clusters=[found.cluster_name]),
        cluster_name=found.cluster_name,
    )


def _asked(found: RCAResult) -> str:
    trigger = found.trigger
    alert = trigger.id if trigger.kind.value == "ALERT" else None
    component = None if alert else trigger.component
    return call("analyze_root_cause", cluster=found.cluster_name, alert=alert, component=component)


def merged(
    timeline: Iterable[TimelineEntry], more: Iterable[TimelineEntry]
) -> tuple[TimelineEntry, ...]:
    """Both in the order of time, what is the same once."""
    every = {(one.timestamp, one.source, one.what, one.cluster_name): one for one in timeline}
    for one in more:
        every.setdefault((one.timestamp, one.source, one.what, one.cluster_name), one)
    return tuple(sorted(every.values(), key=lambda one: one.timestamp))

"""Which sightings of an alert are one occurrence, and what a new sighting changes. Pure.

An alert is heard of several times: by polls, by webhooks, from both halves of a highly available
pair. Their starts differ by seconds, messages come late or twice. Sightings whose times overlap
are one occurrence; it fires once and resolves once, whoever told of it first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from aiops_mcp.backends.alertmanager_alerts import occurrence_id
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.redaction import clean_json
from aiops_mcp.storage.alert_history import End, OccurrenceRecord

SLACK = timedelta(minutes=2)
"""Starts of one occurrence may differ by so much between two who tell of it."""

TELL_LATE = timedelta(hours=1)
"""An end heard of so much later is recorded, and no news any more."""

LONGEST_NAME = 512


@dataclass(frozen=True, slots=True)
class Gone:
    """An alert that a source does not tell of any more, last missed at ``at``."""

    fingerprint: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """What sightings change: rows to add (open or whole), ends to set, and what is news.

    ``late`` are alerts said to fire whose occurrence is recorded as ended.
    """

    begun: tuple[OccurrenceRecord, ...] = ()
    ended: tuple[End, ...] = ()
    fired: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    late: tuple[Alert, ...] = ()


def changes(
    cluster: Cluster,
    known: Iterable[OccurrenceRecord],
    sightings: Iterable[Alert],
    gone: Iterable[Gone] = (),
    *,
    now: datetime,
) -> Changes:
    """What these sightings of one cluster's alerts change.

    A sighting in state RESOLVED tells of an end at its ``ends_at``; one in FIRING of firing.
    """
    settling = _Settling(cluster, known, now)
    for each in gone:
        settling.goes(each)
    for alert in sorted(sightings, key=lambda each: each.starts_at):
        if alert.state is AlertState.RESOLVED:
            settling.ends(alert, alert.ends_at or now)
        elif alert.state is AlertState.FIRING:
            settling.fires(alert)
    return settling.result()


class _Settling:
    def __init__(self, cluster: Cluster, known: Iterable[OccurrenceRecord], now: datetime) -> None:
        self._cluster = cluster
        self._now = now
        self._by_fingerprint: dict[str, list[OccurrenceRecord]] = {}
        for record in known:
            self._by_fingerprint.setdefault(record.fingerprint, []).append(record)
        self._begun: dict[tuple[str, datetime], OccurrenceRecord] = {}
        self._ended: dict[tuple[str, datetime], End] = {}
        self._fired: list[Alert] = []
        self._resolved: list[Alert] = []
        self._late: list[Alert] = []

    def fires(self, alert: Alert) -> None:
        own = self._by_fingerprint.setdefault(alert.fingerprint, [])
        same = next((each for each in own if _is_same_firing(each, alert.starts_at)), None)
        if same is not None:
            if same.ends_at is not None:
                self._late.append(alert)
            return
        for each in [each for each in own if each.ends_at is None]:
            # It began anew, and nobody told us that it had ended before.
            self._end(each, alert.starts_at)
        record = record_of(alert, seen_at=self._now)
        own.append(record)
        self._begun[record.fingerprint, record.starts_at] = record
        self._fired.append(alert)

    def ends(self, alert: Alert, at: datetime) -> None:
        at = max(at, alert.starts_at)
        own = self._by_fingerprint.setdefault(alert.fingerprint, [])
        same = [each for each in own if _overlaps(each, alert.starts_at, at)]
        for each in same:
            if each.ends_at is None:
                self._end(each, at)
        if same:
            return
        record = replace(record_of(alert, seen_at=at), ends_at=at)
        own.append(record)
        self._begun[record.fingerprint, record.starts_at] = record
        if self._now - at <= TELL_LATE:
            self._resolved.append(alert.model_copy(update={"ends_at": at}))

    def goes(self, gone: Gone) -> None:
        for each in self._by_fingerprint.get(gone.fingerprint, [])[:]:
            if each.ends_at is None:
                self._end(each, gone.at)

    def _end(self, record: OccurrenceRecord, at: datetime) -> None:
        at = max(at, record.starts_at)
        key = (record.fingerprint, record.starts_at)
        closed = replace(record, ends_at=at, last_seen_at=at)
        own = self._by_fingerprint[record.fingerprint]
        own[own.index(record)] = closed
        if key in self._begun:  # it began and ended within these sightings
            self._begun[key] = closed
        else:
            self._ended[key] = End(*key, at)
        self._resolved.append(alert_of(closed, self._cluster))

    def result(self) -> Changes:
        return Changes(
            begun=tuple(self._begun.values()),
            ended=tuple(self._ended.values()),
            fired=tuple(self._fired),
            resolved=tuple(self._resolved),
            late=tuple(self._late),
        )


def _is_same_firing(record: OccurrenceRecord, starts_at: datetime) -> bool:
    """Whether an alert that fires since ``starts_at`` is this occurrence."""
    if record.starts_at == starts_at:
        return True
    if record.ends_at is None:
        return starts_at <= record.last_seen_at + SLACK
    return record.starts_at - SLACK <= starts_at <= record.ends_at


def _overlaps(record: OccurrenceRecord, starts_at: datetime, ends_at: datetime) -> bool:
    if record.starts_at == starts_at:
        return True
    return record.starts_at <= ends_at and (record.ends_at is None or starts_at <= record.ends_at)


def record_of(alert: Alert, *, seen_at: datetime) -> OccurrenceRecord:
    """A row for an alert that fires. PostgreSQL takes no NUL in a text."""
    return OccurrenceRecord(
        cluster_id=alert.cluster_id,
        fingerprint=alert.fingerprint,
        starts_at=alert.starts_at,
        ends_at=None,
        last_seen_at=max(seen_at, alert.starts_at),
        alertname=_text(alert.alertname)[:LONGEST_NAME],
        severity=alert.severity.value,
        labels=_told(alert.labels),
        annotations=_told(alert.annotations),
        generator_url=None if alert.generator_url is None else _text(alert.generator_url),
    )


def alert_of(record: OccurrenceRecord, cluster: Cluster) -> Alert:
    """The alert of a row."""
    return Alert(
        id=occurrence_id(cluster, record.fingerprint, record.starts_at),
        fingerprint=record.fingerprint,
        cluster_id=record.cluster_id,
        cluster_name=cluster.name,
        alertname=record.alertname,
        severity=AlertSeverity(record.severity),
        state=AlertState.FIRING if record.ends_at is None else AlertState.RESOLVED,
        labels=record.labels,
        annotations=record.annotations,
        starts_at=record.starts_at,
        ends_at=record.ends_at,
        generator_url=record.generator_url,
    )


def _text(text: str) -> str:
    return text.replace("\x00", "")


def _told(texts: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations as they may be kept: a secret in one is not written to the disk."""
    return {_text(name): _text(value) for name, value in clean_json(texts).items()}


def alert_event(kind: EventType, alert: Alert, at: datetime) -> Event:
    """ALERT_FIRED or ALERT_RESOLVED, by contract.md §4."""
    payload: dict[str, object] = {
        "fingerprint": alert.fingerprint,
        "alertname": alert.alertname,
        "severity": alert.severity.value,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "starts_at": alert.starts_at.isoformat(),
        "suppressed": alert.is_suppressed,
    }
    if kind is EventType.ALERT_RESOLVED:
        ended = alert.ends_at or at
        payload["ends_at"] = ended.isoformat()
        payload["duration_seconds"] = max(0.0, (ended - alert.starts_at).total_seconds())
    return Event(
        event_id=uuid4(),
        event_type=kind,
        source="fleet.alert_history",
        cluster_id=alert.cluster_id,
        cluster_name=alert.cluster_name,
        timestamp=at,
        payload=payload,
    )


def events_of(found: Changes, now: datetime) -> Sequence[Event]:
    """The news, in the order in which it happened."""
    made = [
        (alert.starts_at, alert_event(EventType.ALERT_FIRED, alert, now)) for alert in found.fired
    ]
    made += [
        (alert.ends_at or now, alert_event(EventType.ALERT_RESOLVED, alert, now))
        for alert in found.resolved
    ]
    return [event for _, event in sorted(made, key=lambda pair: pair[0])]

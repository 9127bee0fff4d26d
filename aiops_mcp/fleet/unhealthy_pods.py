"""What is wrong with a pod, in Kubernetes' own words. Pure.

A crash loop has the phase Running: what counts are the states of the containers. Rules:
kubernetes.io "Debug pods"; kubectl's printers for the names of causes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.fleet.object_fields import (
    Json,
    changed_at,
    conditions,
    created_at,
    entries,
    field,
    moment,
    name_of,
    namespace_of,
    number,
    one_line,
    section,
    text,
)
from aiops_mcp.models.ages import age_of, short_age
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.findings import Finding

NOT_READY_AFTER = 300.0
CREATING_AFTER = 180.0
UNSCHEDULED_AFTER = 30.0
TERMINATING_AFTER = 120.0
"""Past the grace period, which ``deletionTimestamp`` includes already."""

RECENT = 3600.0
LEFT_OVER = 86400.0
_CRITICAL_AFTER = 900.0

_STARTING = frozenset({"ContainerCreating", "PodInitializing", ""})


@dataclass(frozen=True, slots=True)
class Judged:
    """What is wrong; ``restarts`` and ``last_exit`` are of the container that it is about."""

    cause: str
    severity: AlertSeverity
    detail: str | None = None
    since: datetime | None = None
    restarts: int | None = None
    last_exit: str | None = None


def judge_pod(cluster_name: str, pod: Json, now: datetime, workload: str | None) -> Finding | None:
    """The worst that is wrong with a pod; None for a pod that is well."""
    judged = _judged(pod, now)
    if judged is None:
        return None
    return Finding(
        cluster_name=cluster_name,
        kind="Pod",
        namespace=namespace_of(pod),
        name=name_of(pod),
        severity=judged.severity,
        cause=judged.cause,
        detail=judged.detail,
        since=judged.since,
        workload=workload,
        node=text(pod, "spec", "nodeName") or None,
        restarts=judged.restarts,
        last_exit=judged.last_exit,
    )


def _judged(pod: Json, now: datetime) -> Judged | None:
    deleted = moment(pod, "metadata", "deletionTimestamp")
    if deleted is not None:
        return _terminating(pod, deleted, now)
    phase = text(pod, "status", "phase")
    if phase == "Succeeded":
        return None
    if phase == "Failed":
        return _failed(pod, now)
    if phase == "Unknown":
        return Judged("Unknown", AlertSeverity.CRITICAL, "the node does not tell of it")
    return (
        _container_trouble(pod, now)
        or _unscheduled(pod, now)
        or _restarted_lately(pod, now)
        or _not_ready(pod, now)
    )


def _terminating(pod: Json, deleted: datetime, now: datetime) -> Judged | None:
    overdue = (now - deleted).total_seconds()
    if overdue < TERMINATING_AFTER:
        return None
    finalizers = field(pod, "metadata", "finalizers")
    held = f", finalizers {', '.join(map(str, finalizers))}" if finalizers else ""
    detail = f"deleted, and {short_age(overdue)} past its grace period{held}"
    return Judged("Terminating", AlertSeverity.WARNING, detail, deleted)


def _failed(pod: Json, now: datetime) -> Judged:
    reason, message = text(pod, "status", "reason"), text(pod, "status", "message")
    ended = [_ended(status) for status in _statuses(pod)]
    last = max((one for one in ended if one), default=None)
    since = (
        last or changed_at(conditions(pod).get("Ready", {})) or moment(pod, "status", "startTime")
    )
    exits = [
        _exit_text(section(status, "state", "terminated"))
        for status in _statuses(pod)
        if number(status, "state", "terminated", "exitCode")
    ]
    cause = reason or next(
        (
            text(status, "state", "terminated", "reason")
            for status in _statuses(pod)
            if number(status, "state", "terminated", "exitCode")
        ),
        "Failed",
    )
    is_old = since is not None and (now - since).total_seconds() > LEFT_OVER
    severity = AlertSeverity.INFO if is_old else AlertSeverity.WARNING
    return Judged(
        cause or "Failed",
        severity,
        one_line(message) or None,
        since,
        last_exit=exits[0] if exits else None,
    )


def _ended(status: Json) -> datetime | None:
    return moment(status, "state", "terminated", "finishedAt")


def _statuses(pod: Json) -> Iterator[Json]:
    yield from entries(pod, "status", "initContainerStatuses")
    yield from entries(pod, "status", "containerStatuses")
    yield from entries(pod, "status", "ephemeralContainerStatuses")


def _container_trouble(pod: Json, now: datetime) -> Judged | None:
    many = len(entries(pod, "spec", "containers")) > 1
    for status in entries(pod, "status", "initContainerStatuses"):
        if judged := _waiting_or_dead(pod, status, now, "Init:", named=True):
            return judged
    for status in entries(pod, "status", "containerStatuses"):
        if judged := _waiting_or_dead(pod, status, now, "", named=many):
            return judged
    return None


def _waiting_or_dead(
    pod: Json, status: Json, now: datetime, prefix: str, *, named: bool
) -> Judged | None:
    container = f"container {text(status, 'name')}" if named else ""
    waiting = field(status, "state", "waiting")
    if isinstance(waiting, dict):
        reason = text(status, "state", "waiting", "reason")
        if reason in _STARTING:
            return _slow_start(pod, reason, now)
        return _waiting(pod, status, f"{prefix}{reason}", container)
    terminated = section(status, "state", "terminated")
    if number(terminated, "exitCode"):
        return Judged(
            f"{prefix}{text(terminated, 'reason') or 'Error'}",
            AlertSeverity.WARNING,
            _joined(container, one_line(text(terminated, "message"), 120)),
            _ended(status),
            number(status, "restartCount"),
            _exit_text(terminated),
        )
    return None


def _waiting(pod: Json, status: Json, cause: str, container: str) -> Judged:
    last = section(status, "lastState", "terminated")
    if last:
        said = one_line(text(last, "message"), 120)
        detail = _joined(container, said)
        return Judged(
            cause,
            AlertSeverity.CRITICAL,
            detail,
            _not_ready_since(pod) or created_at(pod),
            number(status, "restartCount"),
            _exit_text(last),
        )
    message = one_line(text(status, "state", "waiting", "message"))
    return Judged(
        cause,
        AlertSeverity.CRITICAL,
        _joined(container, message),
        _not_ready_since(pod) or created_at(pod),
        number(status, "restartCount"),
    )


def _slow_start(pod: Json, reason: str, now: datetime) -> Judged | None:
    since = moment(pod, "status", "startTime") or created_at(pod)
    if since is None or (now - since).total_seconds() < CREATING_AFTER:
        return None
    detail = "its containers do not start: volumes, network or image"
    return Judged(reason or "ContainerCreating", AlertSeverity.WARNING, detail, since)


def _unscheduled(pod: Json, now: datetime) -> Judged | None:
    scheduled = conditions(pod).get("PodScheduled", {})
    if text(scheduled, "status") != "False":
        return None
    since = changed_at(scheduled) or created_at(pod)
    waits = (now - since).total_seconds() if since else 0.0
    if waits < UNSCHEDULED_AFTER:
        return None
    severity = AlertSeverity.CRITICAL if waits > _CRITICAL_AFTER else AlertSeverity.WARNING
    cause = text(scheduled, "reason") or "Unschedulable"
    return Judged(cause, severity, one_line(text(scheduled, "message"), 200) or None, since)


def _restarted_lately(pod: Json, now: datetime) -> Judged | None:
    for status in _statuses(pod):
        last = section(status, "lastState", "terminated")
        ended = moment(last, "finishedAt")
        if not last or ended is None or (now - ended).total_seconds() > RECENT:
            continue
        if not number(last, "exitCode") and text(last, "reason") != "OOMKilled":
            continue
        return Judged(
            text(last, "reason") or "Error",
            AlertSeverity.WARNING,
            _joined(f"restarted {age_of(ended, now)} ago", one_line(text(last, "message"), 120)),
            ended,
            number(status, "restartCount"),
            _exit_text(last),
        )
    return None


def _not_ready(pod: Json, now: datetime) -> Judged | None:
    ready = conditions(pod).get("Ready", {})
    if text(ready, "status") in {"", "True"} or text(ready, "reason") == "PodCompleted":
        if text(pod, "status", "phase") == "Pending":
            return _pending(pod, now)
        return None
    since = changed_at(ready) or created_at(pod)
    if since is not None and (now - since).total_seconds() < NOT_READY_AFTER:
        return None
    return Judged("NotReady", AlertSeverity.WARNING, _why_not_ready(pod, ready), since)


def _pending(pod: Json, now: datetime) -> Judged | None:
    since = created_at(pod)
    if since is None or (now - since).total_seconds() < CREATING_AFTER:
        return None
    return Judged("Pending", AlertSeverity.WARNING, "not started on a node yet", since)


def _why_not_ready(pod: Json, ready: Json) -> str | None:
    """The readiness gate or the containers that are not ready, as the condition says it."""
    if message := one_line(text(ready, "message")):
        return message
    unready = [
        text(status, "name")
        for status in entries(pod, "status", "containerStatuses")
        if field(status, "ready") is False
    ]
    return f"not ready: {', '.join(unready)}" if unready else text(ready, "reason") or None


def _not_ready_since(pod: Json) -> datetime | None:
    ready = conditions(pod).get("Ready", {})
    return changed_at(ready) if text(ready, "status") == "False" else None


def _exit_text(terminated: Json) -> str:
    """``OOMKilled 137``: reason and exit code, or the signal."""
    reason = text(terminated, "reason") or "Error"
    signal = number(terminated, "signal")
    return f"{reason} signal {signal}" if signal else f"{reason} {number(terminated, 'exitCode')}"


def _joined(*parts: str) -> str | None:
    return "; ".join(part for part in parts if part) or None

"""What is wrong with workloads, jobs, volumes, autoscalers and disruption budgets. Pure.

Each judge takes one object and gives what is wrong with it, nothing where it is well.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from aiops_mcp.fleet.object_fields import (
    Json,
    changed_at,
    conditions,
    controller_of,
    created_at,
    field,
    name_of,
    namespace_of,
    number,
    one_line,
    text,
)
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.findings import Finding

Judge = Callable[[str, Json, datetime], Iterator[Finding]]

PENDING_CLAIM_AFTER = 120.0
LEFT_OVER = 86400.0


def finding(
    cluster_name: str,
    kind: str,
    thing: Json,
    severity: AlertSeverity,
    cause: str,
    detail: str | None = None,
    since: datetime | None = None,
) -> Finding:
    """A finding about an object, which is its own workload where it is one."""
    name = name_of(thing)
    is_workload = kind in {"Deployment", "StatefulSet", "DaemonSet", "Job"}
    above = controller_of(thing) if kind == "Job" else None
    return Finding(
        cluster_name=cluster_name,
        kind=kind,
        namespace=namespace_of(thing),
        name=name,
        severity=severity,
        cause=cause,
        detail=detail or None,
        since=since,
        workload="/".join(above) if above else f"{kind}/{name}" if is_workload else None,
    )


def judge_deployment(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    wanted = number(thing, "spec", "replicas", default=1)
    available = number(thing, "status", "availableReplicas")
    told = conditions(thing)
    progressing = told.get("Progressing", {})
    failure = told.get("ReplicaFailure", {})
    have = f"{available}/{wanted} available"
    if text(failure, "status") == "True":  # quota, admission: no pod exists to tell of it
        detail = f"{have}; {one_line(text(failure, 'message'))}"
        cause = text(failure, "reason") or "ReplicaFailure"
        yield finding(
            cluster_name, "Deployment", thing, _lack(available), cause, detail, changed_at(failure)
        )
    elif text(progressing, "status") == "False":
        detail = f"{have}; {one_line(text(progressing, 'message'))}"
        yield finding(
            cluster_name,
            "Deployment",
            thing,
            AlertSeverity.CRITICAL,
            text(progressing, "reason") or "NotProgressing",
            detail,
            changed_at(progressing),
        )
    elif available < wanted:
        reached = told.get("Available", {})
        # While enough are there the condition is true, and has been for long.
        since = changed_at(reached) if text(reached, "status") == "False" else None
        severity = _lack(available)
        yield finding(
            cluster_name, "Deployment", thing, severity, "ReplicasUnavailable", have, since
        )


def judge_stateful_set(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    wanted = number(thing, "spec", "replicas", default=1)
    ready = number(thing, "status", "readyReplicas")
    if ready < wanted:
        detail = f"{ready}/{wanted} ready"
        yield finding(
            cluster_name, "StatefulSet", thing, _lack(ready), "ReplicasUnavailable", detail
        )


def judge_daemon_set(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    wanted = number(thing, "status", "desiredNumberScheduled")
    ready = number(thing, "status", "numberReady")
    stray = number(thing, "status", "numberMisscheduled")
    if ready < wanted:
        detail = f"{ready}/{wanted} ready"
        yield finding(cluster_name, "DaemonSet", thing, _lack(ready), "ReplicasUnavailable", detail)
    elif stray:
        detail = f"{stray} pods on nodes where they should not run"
        yield finding(cluster_name, "DaemonSet", thing, AlertSeverity.INFO, "Misscheduled", detail)


def _lack(have: int) -> AlertSeverity:
    return AlertSeverity.WARNING if have else AlertSeverity.CRITICAL


def judge_job(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    failed = conditions(thing).get("Failed", {})
    if text(failed, "status") != "True":
        return
    since = changed_at(failed)
    is_old = since is not None and (now - since).total_seconds() > LEFT_OVER
    yield finding(
        cluster_name,
        "Job",
        thing,
        AlertSeverity.INFO if is_old else AlertSeverity.WARNING,
        text(failed, "reason") or "Failed",
        one_line(text(failed, "message")),
        since,
    )


def judge_claim(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    kind = "PersistentVolumeClaim"
    phase, since = text(thing, "status", "phase"), created_at(thing)
    storage_class = text(thing, "spec", "storageClassName") or "the default one"
    if phase == "Lost":
        detail = f"its volume {text(thing, 'spec', 'volumeName')} is gone"
        yield finding(cluster_name, kind, thing, AlertSeverity.CRITICAL, "Lost", detail)
    elif phase == "Pending" and since and (now - since).total_seconds() > PENDING_CLAIM_AFTER:
        detail = f"no volume yet, storage class {storage_class}"
        yield finding(cluster_name, kind, thing, AlertSeverity.WARNING, "Pending", detail, since)
    elif (resize := conditions(thing).get("FileSystemResizePending")) is not None:
        yield finding(
            cluster_name,
            kind,
            thing,
            AlertSeverity.INFO,
            "FileSystemResizePending",
            one_line(text(resize, "message")),
            changed_at(resize),
        )


def judge_volume(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    if text(thing, "status", "phase") == "Failed":
        detail = one_line(text(thing, "status", "message"))
        yield finding(
            cluster_name, "PersistentVolume", thing, AlertSeverity.WARNING, "Failed", detail
        )


def judge_autoscaler(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    kind = "HorizontalPodAutoscaler"
    told = conditions(thing)
    for name in ("ScalingActive", "AbleToScale"):
        one = told.get(name, {})
        # An autoscaler of a workload that was scaled to zero by hand is off, not broken.
        if text(one, "status") == "False" and text(one, "reason") != "ScalingDisabled":
            yield finding(
                cluster_name,
                kind,
                thing,
                AlertSeverity.WARNING,
                text(one, "reason") or name,
                one_line(text(one, "message")),
                changed_at(one),
            )
            return
    most, least = number(thing, "spec", "maxReplicas"), number(thing, "spec", "minReplicas")
    current, wanted = (
        number(thing, "status", "currentReplicas"),
        number(thing, "status", "desiredReplicas"),
    )
    limited = told.get("ScalingLimited", {})
    if (
        most
        and most != least
        and max(current, wanted) >= most
        and (text(limited, "status") == "True" and text(limited, "reason") == "TooManyReplicas")
    ):
        detail = f"at its maximum of {most} replicas and wants more"
        yield finding(
            cluster_name,
            kind,
            thing,
            AlertSeverity.WARNING,
            "MaxedOut",
            detail,
            changed_at(limited),
        )


def judge_disruption_budget(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    if number(thing, "status", "expectedPods") == 0 or field(thing, "status") is None:
        return
    if number(thing, "status", "disruptionsAllowed") > 0:
        return
    healthy = number(thing, "status", "currentHealthy")
    needed = number(thing, "status", "desiredHealthy")
    if healthy < needed:
        severity, cause = AlertSeverity.WARNING, "InsufficientPods"
    else:
        severity, cause = AlertSeverity.INFO, "BlocksDrains"
    detail = f"{healthy} healthy, {needed} needed: no pod may be evicted"
    yield finding(cluster_name, "PodDisruptionBudget", thing, severity, cause, detail)

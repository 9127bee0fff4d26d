"""What is wrong with nodes, certificates and the platform's own objects. Pure.

OpenShift's objects: openshift/api config/v1 and machineconfiguration/v1; cert-manager.io/v1.
"""

from collections.abc import Iterator
from datetime import datetime

from aiops_mcp.fleet.object_fields import (
    Json,
    changed_at,
    conditions,
    created_at,
    entries,
    field,
    is_good_when_true,
    moment,
    number,
    one_line,
    text,
)
from aiops_mcp.fleet.unhealthy_workloads import finding
from aiops_mcp.models.ages import short_age
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.findings import Finding

EXPIRING = 7 * 86400.0
CSR_AFTER = 600.0
PROGRESSING_AFTER = 3600.0

_CRITICAL, _WARNING, _INFO = AlertSeverity.CRITICAL, AlertSeverity.WARNING, AlertSeverity.INFO


def judge_node(cluster_name: str, node: Json, now: datetime) -> Iterator[Finding]:
    del now
    told = conditions(node)
    ready = told.get("Ready", {})
    if text(ready, "status") != "True":
        yield finding(
            cluster_name,
            "Node",
            node,
            _CRITICAL,
            "NotReady" if text(ready, "status") == "False" else "NodeStatusUnknown",
            one_line(text(ready, "message")) or text(ready, "reason"),
            changed_at(ready),
        )
        return  # of a node that does not answer, nothing else is known
    for kind, one in told.items():
        if text(one, "status") == ("False" if is_good_when_true("Node", kind) else "True"):
            yield finding(
                cluster_name,
                "Node",
                node,
                _WARNING,
                kind,
                one_line(text(one, "message")) or text(one, "reason"),
                changed_at(one),
            )
    if field(node, "spec", "unschedulable") is True:
        yield finding(
            cluster_name, "Node", node, _INFO, "SchedulingDisabled", "cordoned: takes no new pods"
        )


def judge_certificate(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    kind = "Certificate"
    ready = conditions(thing).get("Ready", {})
    ends, renewal = moment(thing, "status", "notAfter"), moment(thing, "status", "renewalTime")
    if ends is not None and ends <= now:
        detail = f"expired {short_age((now - ends).total_seconds())} ago"
        yield finding(cluster_name, kind, thing, _CRITICAL, "Expired", detail, ends)
    elif ends is not None and (ends - now).total_seconds() < EXPIRING:
        late = "; its renewal is overdue" if renewal is not None and renewal < now else ""
        detail = f"expires in {short_age((ends - now).total_seconds())}{late}"
        soon = (ends - now).total_seconds() < 86400
        severity = _CRITICAL if soon else _WARNING
        yield finding(cluster_name, kind, thing, severity, "Expiring", detail, renewal)
    elif text(ready, "status") in {"False", "Unknown"}:
        yield finding(
            cluster_name,
            kind,
            thing,
            _WARNING,
            text(ready, "reason") or "NotReady",
            one_line(text(ready, "message")),
            changed_at(ready),
        )


def judge_signing_request(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    since = created_at(thing)
    if entries(thing, "status", "conditions") or since is None:
        return
    if (now - since).total_seconds() < CSR_AFTER:
        return
    signer = text(thing, "spec", "signerName").removeprefix("kubernetes.io/")
    detail = f"nobody approved it; {signer} for {text(thing, 'spec', 'username')}"
    yield finding(
        cluster_name, "CertificateSigningRequest", thing, _WARNING, "Pending", detail, since
    )


def judge_operator(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    told = conditions(thing)
    for kind, bad, severity in (
        ("Available", "False", _CRITICAL),
        ("Degraded", "True", _CRITICAL),
    ):
        one = told.get(kind, {})
        if text(one, "status") == bad:
            cause = "Degraded" if kind == "Degraded" else "NotAvailable"
            yield finding(
                cluster_name,
                "ClusterOperator",
                thing,
                severity,
                cause,
                _why(one),
                changed_at(one),
            )
            return
    progressing = told.get("Progressing", {})
    since = changed_at(progressing)
    if (
        text(progressing, "status") == "True"
        and since is not None
        and (now - since).total_seconds() > PROGRESSING_AFTER
    ):
        yield finding(
            cluster_name,
            "ClusterOperator",
            thing,
            _WARNING,
            "Progressing",
            _why(progressing),
            since,
        )


def judge_cluster_version(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    told = conditions(thing)
    for kind, bad in (("Failing", "True"), ("Available", "False"), ("ReleaseAccepted", "False")):
        one = told.get(kind, {})
        if text(one, "status") == bad:
            cause = kind if bad == "True" else f"Not{kind}"
            yield finding(
                cluster_name, "ClusterVersion", thing, _CRITICAL, cause, _why(one), changed_at(one)
            )


def judge_machine_pool(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    told = conditions(thing)
    counts = (
        f"{number(thing, 'status', 'readyMachineCount')}/"
        f"{number(thing, 'status', 'machineCount')} machines ready"
    )
    for kind in ("Degraded", "NodeDegraded", "RenderDegraded"):
        one = told.get(kind, {})
        if text(one, "status") == "True":
            detail = "; ".join(part for part in (counts, _why(one)) if part)
            yield finding(
                cluster_name, "MachineConfigPool", thing, _CRITICAL, kind, detail, changed_at(one)
            )
            return
    if unavailable := number(thing, "status", "unavailableMachineCount"):
        updating = text(told.get("Updating", {}), "status") == "True"
        detail = f"{unavailable} unavailable, {counts}" + ("; updating" if updating else "")
        severity = _INFO if updating else _WARNING
        yield finding(
            cluster_name, "MachineConfigPool", thing, severity, "MachinesUnavailable", detail
        )
    elif field(thing, "spec", "paused") is True:
        detail = "paused: gets no configuration, and no new kubelet CA"
        yield finding(cluster_name, "MachineConfigPool", thing, _INFO, "Paused", detail)


def judge_managed_cluster(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    available = conditions(thing).get("ManagedClusterConditionAvailable", {})
    if text(available, "status") not in {"True", ""}:
        yield finding(
            cluster_name,
            "ManagedCluster",
            thing,
            _CRITICAL,
            text(available, "reason") or "NotAvailable",
            one_line(text(available, "message")),
            changed_at(available),
        )


def judge_api_service(cluster_name: str, thing: Json, now: datetime) -> Iterator[Finding]:
    del now
    available = conditions(thing).get("Available", {})
    if text(available, "status") == "False":
        yield finding(
            cluster_name,
            "APIService",
            thing,
            _WARNING,
            text(available, "reason") or "NotAvailable",
            one_line(text(available, "message")),
            changed_at(available),
        )


def _why(condition: Json) -> str:
    reason, message = text(condition, "reason"), one_line(text(condition, "message"))
    return f"{reason}: {message}" if reason and message else reason or message

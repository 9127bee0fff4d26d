"""Changes of nodes and of the platform: joined, cordoned, rebooted, upgraded, degraded. Pure."""

from collections.abc import Iterator
from datetime import datetime

from aiops_mcp.fleet.change_workloads import Window
from aiops_mcp.fleet.object_events import happening
from aiops_mcp.fleet.object_fields import (
    Json,
    changed_at,
    conditions,
    created_at,
    entries,
    field,
    moment,
    name_of,
    one_line,
    section,
    text,
)
from aiops_mcp.models.findings import Change, ChangeKind

_NODE_EVENTS = {
    "Rebooted": "rebooted",
    "RemovingNode": "removed",
    "DeletingNode": "deleted",
    "NodeNotSchedulable": "cordoned",
    "NodeSchedulable": "uncordoned",
    "RegisteredNode": "registered",
    "NodeNotReady": "became not ready",
    "NodeReady": "became ready",
}
_OPERATOR_EVENTS = frozenset({"OperatorStatusChanged", "OperatorVersionChanged"})
_WATCHED = {
    "ClusterOperator": ("Available", "Degraded", "Progressing"),
    "MachineConfigPool": ("Updated", "Updating", "Degraded", "NodeDegraded", "RenderDegraded"),
    "ManagedCluster": ("ManagedClusterConditionAvailable",),
}


def node_changes(cluster_name: str, node: Json, window: Window) -> Iterator[Change]:
    """A node that joined, changed its readiness, or was cordoned."""

    def change(at: datetime | None, what: str, by: str | None = None) -> Iterator[Change]:
        if at is not None and window.holds(at):
            yield Change(
                at=at,
                cluster_name=cluster_name,
                change=ChangeKind.NODE,
                kind="Node",
                name=name_of(node),
                what=what,
                by=by,
            )

    born = created_at(node)
    version = text(node, "status", "nodeInfo", "kubeletVersion")
    yield from change(born, f"joined, kubelet {version}")
    for kind, one in conditions(node).items():
        at = changed_at(one)
        if born is not None and at is not None and (at - born).total_seconds() < 600:
            continue  # what a node is born with
        why = one_line(text(one, "message"), 80) or text(one, "reason")
        status = text(one, "status")
        if kind == "Ready":
            state = "ready" if status == "True" else "not ready" if status == "False" else "unknown"
            yield from change(at, f"became {state}: {why}")
        elif status != "Unknown":  # which only says that the node is silent
            yield from change(at, f"{kind} became {status}: {why}")
    if field(node, "spec", "unschedulable") is True:
        at, by = _cordoned(node)
        yield from change(at, "cordoned", by)


def _cordoned(node: Json) -> tuple[datetime | None, str | None]:
    for one in entries(node, "metadata", "managedFields"):
        if "f:unschedulable" in section(one, "fieldsV1", "f:spec"):
            return moment(one, "time"), text(one, "manager") or None
    return None, None


def condition_changes(
    cluster_name: str, kind: str, thing: Json, window: Window
) -> Iterator[Change]:
    """Conditions of an operator, pool or managed cluster that turned in the window."""
    for name in _WATCHED[kind]:
        one = conditions(thing).get(name, {})
        at = changed_at(one)
        if at is None or not window.holds(at):
            continue
        reason = ": ".join(
            part for part in (text(one, "reason"), one_line(text(one, "message"), 100)) if part
        )
        yield Change(
            at=at,
            cluster_name=cluster_name,
            change=ChangeKind.OPERATOR,
            kind=kind,
            name=name_of(thing),
            what=f"{name} became {text(one, 'status')}" + (f", {reason}" if reason else ""),
        )


def upgrades(cluster_name: str, thing: Json, window: Window) -> Iterator[Change]:
    """What the history of an OpenShift ClusterVersion tells."""
    history = entries(thing, "status", "history")
    for place, one in enumerate(history):
        before = text(history[place + 1], "version") if place + 1 < len(history) else ""
        way = f"{before} -> {text(one, 'version')}" if before else text(one, "version")
        for steps, what in (("startedTime", "upgrade begun"), ("completionTime", "upgrade done")):
            at = moment(one, steps)
            if at is not None and window.holds(at):
                yield Change(
                    at=at,
                    cluster_name=cluster_name,
                    change=ChangeKind.UPGRADE,
                    kind="ClusterVersion",
                    name=name_of(thing),
                    what=f"{what}: {way}",
                )


def event_changes(cluster_name: str, event: Json, window: Window) -> Iterator[Change]:
    """Events that tell of a change which objects no longer show."""
    one = happening(event)
    if one.last is None or not window.holds(one.last):
        return
    said = one_line(one.message, 100)
    if one.kind == "Node" and one.reason in _NODE_EVENTS:
        change, what = ChangeKind.NODE, _NODE_EVENTS[one.reason]
    elif one.reason in _OPERATOR_EVENTS:
        change, what = ChangeKind.OPERATOR, said
    elif one.reason in {"ScalingReplicaSet", "SuccessfulRescale"}:
        change, what = ChangeKind.SCALING, said
    elif _tells_of_deletion(one.reason, one.kind):
        change, what = ChangeKind.DELETION, said
    else:
        return
    yield Change(
        at=one.last,
        cluster_name=cluster_name,
        change=change,
        kind=one.kind,
        namespace=one.namespace,
        name=one.name,
        what=what,
        by=one.source,
    )


def _tells_of_deletion(reason: str, kind: str) -> bool:
    # Controllers delete pods all day long.
    is_routine = reason == "SuccessfulDelete" and kind in {"ReplicaSet", "CronJob", "DaemonSet"}
    return "Delet" in reason and not is_routine and not reason.startswith("FailedDelet")


def without_repeats(changes: list[Change]) -> list[Change]:
    """Changes of which objects tell as well as events are kept once, as the object tells them."""
    rolled = {
        (one.kind, one.namespace, one.name) for one in changes if one.change is ChangeKind.ROLLOUT
    }
    nodes = {one.name for one in changes if one.what.startswith("became ") and ":" in one.what}
    kept: list[Change] = []
    for one in changes:
        place = (one.kind, one.namespace, one.name)
        if (
            one.change is ChangeKind.SCALING
            and place in rolled
            and one.by == "deployment-controller"
        ):
            continue
        if one.what in {"became not ready", "became ready"} and one.name in nodes:
            continue
        kept.append(one)
    return kept

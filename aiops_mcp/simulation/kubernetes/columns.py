"""The columns that ``kubectl get`` shows, as the API server computes them.

Source: kubernetes ``pkg/printers/internalversion/printers.go`` and the printer columns of CRDs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiops_mcp.simulation.kubernetes.view import Json, field_of, section

Cell = Callable[[Json, float], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``priority`` 1 shows with ``-o wide`` only."""

    name: str
    cell: Cell
    priority: int = 0
    type: str = "string"


def moment_of(text: str) -> float:
    """Unix seconds of an RFC 3339 time."""
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def human_age(seconds: float) -> str:
    """An age as kubectl writes it, such as ``5d3h`` or ``2m10s``."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    return f"{days}d" if days < 730 else f"{days // 365}y"


def path(*steps: str, default: Any = "") -> Cell:
    """A cell that is simply a field of the object."""

    def cell(thing: Json, _now: float) -> Any:
        value = field_of(thing, *steps)
        return default if value is None else value

    return cell


def age(thing: Json, now: float) -> str:
    """How old the object is."""
    return human_age(now - moment_of(thing["metadata"]["creationTimestamp"]))


def with_condition(kind: str, field: str = "status", default: str = "") -> Cell:
    """A field of one of the object's conditions."""

    def cell(thing: Json, _now: float) -> str:
        for one in thing.get("status", {}).get("conditions", []):
            if one["type"] == kind:
                return one.get(field, default)
        return default

    return cell


NAME = Column("Name", path("metadata", "name"))
AGE = Column("Age", age)


def _statuses(pod: Json) -> list[Json]:
    return pod["status"].get("containerStatuses", [])


def _pod_ready(pod: Json, _now: float) -> str:
    ready = sum(one["ready"] for one in _statuses(pod))
    return f"{ready}/{len(pod['spec']['containers'])}"


def pod_status(pod: Json, _now: float = 0.0) -> str:
    """The STATUS of a pod: a reason where there is one, else its phase."""
    if reason := pod["status"].get("reason"):
        return reason
    for one in _statuses(pod):
        state = one["state"]
        if "waiting" in state and state["waiting"].get("reason"):
            return state["waiting"]["reason"]
        if "terminated" in state:
            return state["terminated"]["reason"]
    return pod["status"]["phase"]


def _pod_restarts(pod: Json, now: float) -> str:
    count = sum(one["restartCount"] for one in _statuses(pod))
    ends = [
        moment_of(one["lastState"]["terminated"]["finishedAt"])
        for one in _statuses(pod)
        if "terminated" in one["lastState"]
    ]
    return f"{count} ({human_age(now - max(ends))} ago)" if count and ends else str(count)


def _node_status(node: Json, _now: float) -> str:
    status = with_condition("Ready")(node, 0)
    text = "Ready" if status == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if node["spec"].get("unschedulable") else text


def _node_roles(node: Json, _now: float) -> str:
    prefix = "node-role.kubernetes.io/"
    roles = [
        label.removeprefix(prefix)
        for label in node["metadata"]["labels"]
        if label.startswith(prefix)
    ]
    return ",".join(sorted(roles)) or "<none>"


def _node_address(node: Json, _now: float) -> str:
    return node["status"]["addresses"][0]["address"]


def _node_info(field: str) -> Cell:
    return path("status", "nodeInfo", field)


def _containers(field: str) -> Cell:
    def cell(thing: Json, _now: float) -> str:
        template = thing["spec"]["template"]
        return ",".join(one[field] for one in template["spec"]["containers"])

    return cell


def _selector(thing: Json, _now: float) -> str:
    labels = section(thing, "spec", "selector", "matchLabels") or section(thing, "spec", "selector")
    return ",".join(f"{name}={value}" for name, value in labels.items()) or "<none>"


def _ports(service: Json, _now: float) -> str:
    return ",".join(f"{one['port']}/{one['protocol']}" for one in service["spec"]["ports"])


def _of_replicas(ready: str) -> Cell:
    def cell(thing: Json, _now: float) -> str:
        return f"{thing['status'].get(ready, 0)}/{thing['spec']['replicas']}"

    return cell


def _addresses(thing: Json, _now: float) -> str:
    found = [
        f"{address['ip']}:{subset['ports'][0]['port']}"
        for subset in thing["subsets"]
        for address in subset.get("addresses", [])
    ]
    return (
        ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "") or "<none>"
    )


def _slice_addresses(thing: Json, _now: float) -> str:
    return ",".join(one["addresses"][0] for one in thing["endpoints"]) or "<none>"


def _event_age(event: Json, now: float) -> str:
    last = human_age(now - moment_of(event["lastTimestamp"]))
    if event["count"] > 1:
        first = human_age(now - moment_of(event["firstTimestamp"]))
        return f"{last} (x{event['count']} over {first})"
    return last


def _event_object(event: Json, _now: float) -> str:
    about = event["involvedObject"]
    return f"{about['kind'].lower()}/{about['name']}"


def _job_status(job: Json, _now: float) -> str:
    return "Complete" if job["status"].get("succeeded") else "Running"


def _job_duration(job: Json, now: float) -> str:
    end = job["status"].get("completionTime")
    return human_age((moment_of(end) if end else now) - moment_of(job["status"]["startTime"]))


def _data_count(thing: Json, _now: float) -> int:
    return len(thing.get("data") or {})


def _operator_since(thing: Json, now: float) -> str:
    times = [moment_of(one["lastTransitionTime"]) for one in thing["status"]["conditions"]]
    return human_age(now - max(times))


WORKLOAD_WIDE = (
    Column("Containers", _containers("name"), 1),
    Column("Images", _containers("image"), 1),
    Column("Selector", _selector, 1),
)

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "pods": (
        NAME,
        Column("Ready", _pod_ready),
        Column("Status", pod_status),
        Column("Restarts", _pod_restarts),
        AGE,
        Column("IP", path("status", "podIP", default="<none>"), 1),
        Column("Node", path("spec", "nodeName", default="<none>"), 1),
        Column("Nominated Node", path("status", "nominatedNodeName", default="<none>"), 1),
        Column("Readiness Gates", path("spec", "readinessGates", default="<none>"), 1),
    ),
    "nodes": (
        NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        Column("Version", _node_info("kubeletVersion")),
        Column("Internal-IP", _node_address, 1),
        Column("External-IP", path("status", "externalIP", default="<none>"), 1),
        Column("OS-Image", _node_info("osImage"), 1),
        Column("Kernel-Version", _node_info("kernelVersion"), 1),
        Column("Container-Runtime", _node_info("containerRuntimeVersion"), 1),
    ),
    "namespaces": (NAME, Column("Status", path("status", "phase")), AGE),
    "services": (
        NAME,
        Column("Type", path("spec", "type")),
        Column("Cluster-IP", path("spec", "clusterIP")),
        Column("External-IP", path("status", "externalIP", default="<none>")),
        Column("Port(s)", _ports),
        AGE,
        Column("Selector", _selector, 1),
    ),
    "endpoints": (NAME, Column("Endpoints", _addresses), AGE),
    "endpointslices": (
        NAME,
        Column("AddressType", path("addressType")),
        Column("Ports", lambda thing, _: str(thing["ports"][0]["port"])),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    "deployments": (
        NAME,
        Column("Ready", _of_replicas("readyReplicas")),
        Column("Up-to-date", path("status", "updatedReplicas", default=0), 0, "integer"),
        Column("Available", path("status", "availableReplicas", default=0), 0, "integer"),
        AGE,
        *WORKLOAD_WIDE,
    ),
    "replicasets": (
        NAME,
        Column("Desired", path("spec", "replicas"), 0, "integer"),
        Column("Current", path("status", "replicas"), 0, "integer"),
        Column("Ready", path("status", "readyReplicas", default=0), 0, "integer"),
        AGE,
        *WORKLOAD_WIDE,
    ),
    "statefulsets": (NAME, Column("Ready", _of_replicas("readyReplicas")), AGE, *WORKLOAD_WIDE[:2]),
    "daemonsets": (
        NAME,
        Column("Desired", path("status", "desiredNumberScheduled"), 0, "integer"),
        Column("Current", path("status", "currentNumberScheduled"), 0, "integer"),
        Column("Ready", path("status", "numberReady"), 0, "integer"),
        Column("Up-to-date", path("status", "updatedNumberScheduled"), 0, "integer"),
        Column("Available", path("status", "numberAvailable"), 0, "integer"),
        Column("Node Selector", path("spec", "template", "nodeSelector", default="<none>")),
        AGE,
        *WORKLOAD_WIDE,
    ),
    "jobs": (
        NAME,
        Column("Status", _job_status),
        Column("Completions", lambda job, _: f"{job['status'].get('succeeded', 0)}/1"),
        Column("Duration", _job_duration),
        AGE,
    ),
    "cronjobs": (
        NAME,
        Column("Schedule", path("spec", "schedule")),
        Column("Suspend", lambda thing, _: str(thing["spec"]["suspend"])),
        Column("Active", lambda thing, _: len(thing["status"].get("active", [])), 0, "integer"),
        Column(
            "Last Schedule",
            lambda thing, now: human_age(now - moment_of(thing["status"]["lastScheduleTime"])),
        ),
        AGE,
    ),
    "events": (
        Column("Last Seen", _event_age),
        Column("Type", path("type")),
        Column("Reason", path("reason")),
        Column("Object", _event_object),
        Column("Message", path("message")),
    ),
    "configmaps": (NAME, Column("Data", _data_count, 0, "integer"), AGE),
    "secrets": (NAME, Column("Type", path("type")), Column("Data", _data_count, 0, "integer"), AGE),
    "persistentvolumeclaims": (
        NAME,
        Column("Status", path("status", "phase")),
        Column("Volume", path("spec", "volumeName")),
        Column("Capacity", path("status", "capacity", "storage")),
        Column("Access Modes", lambda _thing, _: "RWO"),
        Column("StorageClass", path("spec", "storageClassName")),
        AGE,
    ),
    "leases": (NAME, Column("Holder", path("spec", "holderIdentity")), AGE),
    "customresourcedefinitions": (
        NAME,
        Column("Created At", path("metadata", "creationTimestamp")),
    ),
    "clusterversions": (
        NAME,
        Column("Version", path("status", "desired", "version")),
        Column("Available", with_condition("Available")),
        Column("Progressing", with_condition("Progressing")),
        Column("Since", age),
        Column("Status", with_condition("Progressing", "message")),
    ),
    "clusteroperators": (
        NAME,
        Column("Version", lambda thing, _: thing["status"]["versions"][0]["version"]),
        Column("Available", with_condition("Available")),
        Column("Progressing", with_condition("Progressing")),
        Column("Degraded", with_condition("Degraded")),
        Column("Since", _operator_since),
        Column("Message", with_condition("Degraded", "message")),
    ),
    "machineconfigpools": (
        NAME,
        Column("Config", path("status", "configuration", "name")),
        Column("Updated", with_condition("Updated")),
        Column("Updating", with_condition("Updating")),
        Column("Degraded", with_condition("Degraded")),
        Column("MachineCount", path("status", "machineCount"), 0, "integer"),
        Column("ReadyMachineCount", path("status", "readyMachineCount"), 0, "integer"),
        AGE,
    ),
    "routes": (
        NAME,
        Column("Host/Port", path("spec", "host")),
        Column("Services", path("spec", "to", "name")),
        Column("Termination", path("spec", "tls", "termination")),
    ),
    "managedclusters": (
        NAME,
        Column("Hub Accepted", lambda thing, _: str(thing["spec"]["hubAcceptsClient"]).lower()),
        Column(
            "Managed Cluster URLs",
            lambda thing, _: thing["spec"]["managedClusterClientConfigs"][0]["url"],
        ),
        Column("Joined", with_condition("ManagedClusterJoined")),
        Column("Available", with_condition("ManagedClusterConditionAvailable")),
        AGE,
    ),
    "certificates": (
        NAME,
        Column("Ready", with_condition("Ready")),
        Column("Secret", path("spec", "secretName")),
        AGE,
        Column("Status", with_condition("Ready", "message"), 1),
    ),
    "sriovnetworknodestates": (NAME, Column("Sync Status", path("status", "syncStatus")), AGE),
    "clusterpolicies": (NAME, Column("Status", path("status", "state")), AGE),
}


def table(plural: str, things: list[Json], now: float, about: Json) -> Json:
    """A ``meta.k8s.io/v1`` Table of objects; ``about`` is the list's metadata."""
    columns = COLUMNS.get(plural, (NAME, AGE))
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": about,
        "columnDefinitions": [
            {
                "name": column.name,
                "type": column.type,
                "format": "name" if column.name == "Name" else "",
                "description": column.name,
                "priority": column.priority,
            }
            for column in columns
        ],
        "rows": [
            {
                "cells": [column.cell(thing, now) for column in columns],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": thing["metadata"],
                },
            }
            for thing in things
        ],
    }

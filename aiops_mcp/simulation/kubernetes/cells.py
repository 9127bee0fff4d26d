"""What stands in the cells of a table: statuses, counts, ages, as the API server computes them.

Source: kubernetes ``pkg/printers/internalversion/printers.go`` and the printer columns of CRDs.
"""

from collections.abc import Callable
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
    if hours < 3:
        return _two(minutes, "m", whole % 60 if minutes < 10 else 0, "s")
    if hours < 48:
        return _two(hours, "h", minutes % 60 if hours < 8 else 0, "m")
    if days < 730:
        return _two(days, "d", hours % 24 if days < 8 else 0, "h")
    return f"{days // 365}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


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


def pod_ready(pod: Json, _now: float) -> str:
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


def pod_restarts(pod: Json, now: float) -> str:
    count = sum(one["restartCount"] for one in _statuses(pod))
    ends = [
        moment_of(one["lastState"]["terminated"]["finishedAt"])
        for one in _statuses(pod)
        if "terminated" in one["lastState"]
    ]
    return f"{count} ({human_age(now - max(ends))} ago)" if count and ends else str(count)


def node_status(node: Json, _now: float) -> str:
    status = with_condition("Ready")(node, 0)
    text = "Ready" if status == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if node["spec"].get("unschedulable") else text


def node_roles(node: Json, _now: float) -> str:
    prefix = "node-role.kubernetes.io/"
    roles = [
        label.removeprefix(prefix)
        for label in node["metadata"]["labels"]
        if label.startswith(prefix)
    ]
    return ",".join(sorted(roles)) or "<none>"


def node_address(node: Json, _now: float) -> str:
    return node["status"]["addresses"][0]["address"]


def node_info(field: str) -> Cell:
    return path("status", "nodeInfo", field)


def container_field(field: str) -> Cell:
    def cell(thing: Json, _now: float) -> str:
        template = thing["spec"]["template"]
        return ",".join(one[field] for one in template["spec"]["containers"])

    return cell


def selector_text(thing: Json, _now: float) -> str:
    labels = section(thing, "spec", "selector", "matchLabels") or section(thing, "spec", "selector")
    return ",".join(f"{name}={value}" for name, value in labels.items()) or "<none>"


def port_list(service: Json, _now: float) -> str:
    return ",".join(f"{one['port']}/{one['protocol']}" for one in service["spec"]["ports"])


def of_replicas(ready: str) -> Cell:
    def cell(thing: Json, _now: float) -> str:
        return f"{thing['status'].get(ready, 0)}/{thing['spec']['replicas']}"

    return cell


def address_list(thing: Json, _now: float) -> str:
    found = [
        f"{address['ip']}:{subset['ports'][0]['port']}"
        for subset in thing["subsets"]
        for address in subset.get("addresses", [])
    ]
    return (
        ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "") or "<none>"
    )


def slice_addresses(thing: Json, _now: float) -> str:
    return ",".join(one["addresses"][0] for one in thing["endpoints"]) or "<none>"


def event_age(event: Json, now: float) -> str:
    last = human_age(now - moment_of(event["lastTimestamp"]))
    if event["count"] > 1:
        first = human_age(now - moment_of(event["firstTimestamp"]))
        return f"{last} (x{event['count']} over {first})"
    return last


def event_object(event: Json, _now: float) -> str:
    about = event["involvedObject"]
    return f"{about['kind'].lower()}/{about['name']}"


def job_status(job: Json, _now: float) -> str:
    return "Complete" if job["status"].get("succeeded") else "Running"


def job_duration(job: Json, now: float) -> str:
    end = job["status"].get("completionTime")
    return human_age((moment_of(end) if end else now) - moment_of(job["status"]["startTime"]))


def data_count(thing: Json, _now: float) -> int:
    return len(thing.get("data") or {})


def operator_since(thing: Json, now: float) -> str:
    times = [moment_of(one["lastTransitionTime"]) for one in thing["status"]["conditions"]]
    return human_age(now - max(times))

"""Reads fields of Kubernetes objects that may be missing, null, or of another type. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from aiops_mcp.fleet.object_rows import owner_of
from aiops_mcp.models.ages import parsed_time

Json = Mapping[str, Any]


def field(thing: Json, *steps: str) -> Any:
    """What stands at a path; None where the path ends early."""
    value: Any = thing
    for step in steps:
        value = cast("Json", value).get(step) if isinstance(value, Mapping) else None
    return value


def section(thing: Json, *steps: str) -> Json:
    """The object at a path; empty where there is none."""
    found = field(thing, *steps)
    return cast("Json", found) if isinstance(found, Mapping) else {}


def entries(thing: Json, *steps: str) -> list[Json]:
    """The objects of the list at a path; empty where there is none."""
    found = field(thing, *steps)
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        return []
    items = cast("Sequence[object]", found)
    return [cast("Json", item) for item in items if isinstance(item, Mapping)]


def text(thing: Json, *steps: str) -> str:
    """The text at a path; empty where there is none."""
    found = field(thing, *steps)
    return found if isinstance(found, str) else "" if found is None else str(found)


def number(thing: Json, *steps: str, default: int = 0) -> int:
    found = field(thing, *steps)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def whole(value: Any) -> int | None:
    """A whole number, however it is written; None where it is none."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def moment(thing: Json, *steps: str) -> datetime | None:
    return parsed_time(field(thing, *steps))


def conditions(thing: Json) -> dict[str, Json]:
    """The object's conditions by type."""
    return {text(one, "type"): one for one in entries(thing, "status", "conditions")}


_BAD_WHEN_TRUE = (
    *("Pressure", "Unavailable", "Degraded", "Failing", "Failed", "Failure", "Stalled"),
    *("Progressing", "Updating", "Reconciling", "Suspended", "ScalingLimited", "Unschedulable"),
)


def is_good_when_true(kind: str, condition: str) -> bool:
    """Whether a condition of this type says, when it is True, that all is well.

    Of a node only what ends in Ready or Healthy does; what else is reported of it (by the kubelet,
    by node-problem-detector) is a problem.
    """
    if kind == "Node":
        return condition.endswith(("Ready", "Healthy"))
    if (kind, condition) == ("Deployment", "Progressing"):
        return True  # one that does not progress is stuck; an operator that does is busy
    return not condition.endswith(_BAD_WHEN_TRUE)


def changed_at(condition: Json) -> datetime | None:
    """When a condition took the status it has."""
    return moment(condition, "lastTransitionTime") or moment(condition, "lastUpdateTime")


def name_of(thing: Json) -> str:
    return text(thing, "metadata", "name")


def namespace_of(thing: Json) -> str | None:
    return text(thing, "metadata", "namespace") or None


def created_at(thing: Json) -> datetime | None:
    return moment(thing, "metadata", "creationTimestamp")


def controller_of(thing: Json) -> tuple[str, str] | None:
    """Kind and name of who made it."""
    return owner_of(section(thing, "metadata"))


def one_line(message: str, most: int = 160) -> str:
    """The message as one line of bounded length."""
    line = " ".join(message.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"

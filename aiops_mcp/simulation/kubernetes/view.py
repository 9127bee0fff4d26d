"""What objects are rendered from: one cluster at one moment, and the shapes all objects share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from aiops_mcp.simulation.cluster import SimulatedCluster
from aiops_mcp.simulation.inventory import uid_of
from aiops_mcp.simulation.store import WorldStore

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """A cluster at ``moment`` (unix seconds); ``anchor`` is the midnight ages count from."""

    cluster: SimulatedCluster
    store: WorldStore
    anchor: float
    moment: float

    @property
    def seed(self) -> int:
        return self.cluster.seed


def field_of(thing: Any, *steps: str) -> Any:
    """What stands at a path in an object; ``None`` where the path ends early."""
    for step in steps:
        thing = cast("Json", thing).get(step) if isinstance(thing, dict) else None
    return thing


def section(thing: Json, *steps: str) -> Json:
    """The object at a path; empty where there is none."""
    found = field_of(thing, *steps)
    return cast("Json", found) if isinstance(found, dict) else {}


def stamp(moment: float) -> str:
    """RFC 3339 in whole seconds, as Kubernetes writes times."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def metadata(
    view: View,
    kind: str,
    name: str,
    created: float,
    *,
    namespace: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    uid: str = "",
    changed: float | None = None,
    managed: Sequence[tuple[str, float]] = (),
) -> Json:
    """An object's metadata; its resourceVersion is the moment of its last change in ms.

    ``managed`` says who wrote fields of it, and when.
    """
    known: Json = {
        "name": name,
        "uid": uid or uid_of(view.seed, view.cluster.name, kind, namespace, name),
        "resourceVersion": str(int((created if changed is None else changed) * 1000)),
        "creationTimestamp": stamp(created),
    }
    if namespace:
        known["namespace"] = namespace
    if labels:
        known["labels"] = dict(labels)
    if annotations:
        known["annotations"] = dict(annotations)
    if managed:
        known["managedFields"] = [
            {
                "manager": manager,
                "operation": "Update",
                "time": stamp(moment),
                "fieldsType": "FieldsV1",
                "fieldsV1": {},
            }
            for manager, moment in managed
        ]
    return known


def condition(kind: str, status: str, since: float, reason: str = "", message: str = "") -> Json:
    """A condition as most objects carry it."""
    told: Json = {"type": kind, "status": status, "lastTransitionTime": stamp(since)}
    if reason:
        told["reason"] = reason
    if message:
        told["message"] = message
    return told


def quantity(size: float) -> str:
    """Bytes as a Kubernetes quantity."""
    kib = int(size // 1024)
    return f"{kib // 1024}Mi" if kib % 1024 == 0 else f"{kib}Ki"


def cores(amount: float) -> str:
    """CPU as a Kubernetes quantity."""
    return str(int(amount)) if amount == int(amount) else f"{round(amount * 1000)}m"

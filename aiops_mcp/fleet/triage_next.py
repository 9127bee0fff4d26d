"""The call that tells more of a symptom, as it is to be made. Pure.

Without blanks: what has several words is taken for prose that a cluster wrote. A name that could
not stand in such a call (it comes from a cluster) is left out of it.
"""

import re
from collections.abc import Mapping

from aiops_mcp.fleet.components import ComponentKind
from aiops_mcp.fleet.triage_symptoms import Sighting
from aiops_mcp.models.triage import SymptomSource, Trouble

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,252}")
"""Names that Kubernetes and Prometheus allow."""

_OBJECT_KINDS: Mapping[ComponentKind, str] = {
    ComponentKind.NODE: "node",
    ComponentKind.VOLUME: "persistentvolumeclaim",
    ComponentKind.CERTIFICATE: "certificate",
    ComponentKind.OPERATOR: "clusteroperator",
}


def call(tool: str, **arguments: str | bool | list[str] | None) -> str:
    """``tool(name="value",…)``; what is None or cannot stand there is left out."""
    told = (f"{name}={text}" for name, value in arguments.items() if (text := _literal(value)))
    return f"{tool}({','.join(told)})"


def _literal(value: str | bool | list[str] | None) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        inside = ",".join(f'"{one}"' for one in value if _SAFE.fullmatch(one))
        return f"[{inside}]" if inside else ""
    return f'"{value}"' if value and _SAFE.fullmatch(value) else ""


def next_call(head: Sighting) -> str:
    """What to ask after a problem whose root this probably is."""
    return (
        _of_trouble(head)
        or _of_object(head)
        or call("list_unhealthy", clusters=[head.component.cluster])
    )


def _of_trouble(head: Sighting) -> str | None:
    """Where there is a tool for this kind of trouble."""
    trouble, cluster = head.symptom.trouble, head.component.cluster
    if head.component.kind is ComponentKind.CLUSTER:
        return call("get_cluster_status", cluster=cluster)
    tools = {
        Trouble.GPU: "get_gpu_health",
        Trouble.CLOCK: "get_ptp_status",
        Trouble.OVERLOAD: "get_model_servers",
    }
    return call(tools[trouble], clusters=[cluster]) if trouble in tools else None


def _of_object(head: Sighting) -> str | None:
    """Its own log, its object, or the question why."""
    symptom, component = head.symptom, head.component
    cluster = component.cluster
    space, _, name = component.name.rpartition("/")
    if symptom.trouble is Trouble.PODS_FAIL and symptom.source is SymptomSource.OBJECT:
        return call(
            "get_pod_logs", cluster=cluster, pod=symptom.part, namespace=space, previous=True
        )
    if (kind := _OBJECT_KINDS.get(component.kind)) is not None:
        return call("get_resource", cluster=cluster, kind=kind, name=name, namespace=space)
    if component.kind is ComponentKind.WORKLOAD:
        return call("analyze_root_cause", cluster=cluster, component=component.name)
    if symptom.source is SymptomSource.ALERT:
        return call("analyze_root_cause", cluster=cluster, alert=symptom.what)
    return None

"""Kubernetes events, from the cluster's event streams; kept an hour, as API servers do."""

from aiops_mcp.simulation.cluster import EventStream
from aiops_mcp.simulation.kubernetes.view import Json, View, metadata, stamp
from aiops_mcp.simulation.noise import key_of

KEPT = 3600.0


def event_objects(view: View) -> list[Json]:
    """The events of the last hour: incidents' streams, and pods that were started."""
    streams = list(view.cluster.events)
    for pod in view.cluster.inventory.pods:
        if 0 <= view.moment - pod.history.created < KEPT:
            message = f"Successfully assigned {pod.namespace}/{pod.name} to {pod.node.name}"
            born = pod.history.created
            streams.append(
                EventStream(
                    "Pod",
                    pod.namespace,
                    pod.name,
                    "Normal",
                    "Scheduled",
                    message,
                    born,
                    born + 1,
                    86400.0,
                    "default-scheduler",
                )
            )
    found = [_event(view, stream) for stream in streams]
    return [event for event in found if event is not None]


def _event(view: View, stream: EventStream) -> Json | None:
    if view.moment < stream.start:
        return None
    until = min(view.moment, stream.end)
    count = int((until - stream.start) // stream.every) + 1
    last = stream.start + (count - 1) * stream.every
    if view.moment - last > KEPT:
        return None
    about: Json = {"kind": stream.kind, "name": stream.name, "apiVersion": "v1"}
    about["uid"] = _uid(view, stream)
    if stream.namespace:
        about["namespace"] = stream.namespace
    mark = key_of(stream.name, stream.reason, stream.message, stream.start) & 0xFFFFFFFFFFFF
    namespace = stream.namespace or "default"
    name = f"{stream.name}.{mark:012x}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata(view, "Event", name, stream.start, namespace=namespace, changed=last),
        "involvedObject": about,
        "reason": stream.reason,
        "message": stream.message,
        "type": stream.type,
        "count": count,
        "firstTimestamp": stamp(stream.start),
        "lastTimestamp": stamp(last),
        "eventTime": None,
        "source": {"component": stream.source},
        "reportingComponent": stream.source,
        "reportingInstance": "",
    }


def _uid(view: View, stream: EventStream) -> str:
    if stream.kind == "Node":
        # The kubelet names a node by its name, not by its uid, in events.
        return stream.name
    for pod in view.cluster.inventory.pods:
        if stream.kind == "Pod" and (pod.namespace, pod.name) == (stream.namespace, stream.name):
            return pod.uid
    return str(metadata(view, stream.kind, stream.name, 0, namespace=stream.namespace)["uid"])

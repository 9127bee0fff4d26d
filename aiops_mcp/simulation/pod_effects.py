"""What effects do to pods: their replacement, their crashes, and what the kubelet says of them."""

import re
from collections.abc import Mapping
from dataclasses import replace

from aiops_mcp.simulation.cluster import Bend, EventStream, SimulatedCluster, Window
from aiops_mcp.simulation.history import healthy
from aiops_mcp.simulation.inventory import Builder, Pod, Revision
from aiops_mcp.simulation.signals import Bending, Curve, Shape
from aiops_mcp.simulation.steps import changes
from aiops_mcp.simulation.topology import MIB


def swap(cluster: SimulatedCluster, old: Pod, new: Pod) -> None:
    pods = cluster.inventory.pods
    pods[pods.index(old)] = new


def pod_event(
    pod: Pod, kind: str, reason: str, message: str, start: float, end: float, every: float = 86400.0
) -> EventStream:
    return EventStream("Pod", pod.namespace, pod.name, kind, reason, message, start, end, every)


def warning(
    about: tuple[str, str, str],
    reason: str,
    message: str,
    span: Window,
    every: float = 86400.0,
    *,
    source: str,
) -> EventStream:
    """A warning about an object, given by its kind, namespace and name."""
    kind, namespace, name = about
    start, end = span
    return EventStream(kind, namespace, name, "Warning", reason, message, start, end, every, source)


def crash_events(cluster: SimulatedCluster, pod: Pod, span: Window, reason: str) -> None:
    """What the kubelet says about a pod in trouble."""
    name = pod.work.container_name
    message = (
        f"Back-off restarting failed container {name} in pod {pod.name}_{pod.namespace}({pod.uid})"
    )
    told = [("Warning", "BackOff", message, 60.0)]
    if pod.history.waiting.at(span[1] - 1.0) == "ImagePullBackOff":
        told = [
            (
                "Warning",
                "Failed",
                f'Failed to pull image "{pod.image}": {pod.history.message}',
                150.0,
            ),
            ("Normal", "BackOff", f'Back-off pulling image "{pod.image}"', 30.0),
        ]
    elif not pod.history.restarts.times:
        message = f"Readiness probe failed: {pod.history.message or reason}"
        told = [("Warning", "Unhealthy", message, 10.0)]
    for kind, why, text, every in told:
        cluster.events.append(pod_event(pod, kind, why, text, span[0], span[1], every))


def fill_memory(cluster: SimulatedCluster, pod: Pod, span: Window, run: float) -> None:
    """In each life the container's memory climbs to its limit, where the kernel ends it."""
    limit = (pod.work.memory_limit or pod.work.memory * 2) * MIB
    curve = Curve(
        span[0],
        span[1],
        Shape.SAWTOOTH,
        Bending.SET,
        limit,
        run,
        pod.history.starts[1:] or (span[0],),
    )
    labels = (
        ("namespace", re.compile(re.escape(pod.namespace))),
        ("pod", re.compile(re.escape(pod.name))),
    )
    names = re.compile("container_memory_(working_set_bytes|rss|usage_bytes)")
    cluster.bends.append(Bend(names, labels, curve))


def roll_over(cluster: SimulatedCluster, builder: Builder, new: Revision) -> None:
    """One pod after another is replaced by one of the new revision."""
    inventory, work = cluster.inventory, new.work
    old = [pod for pod in inventory.pods_of(work.path) if pod.history.exists(new.created)]
    for place, pod in enumerate(old):
        born = new.created + 15.0 * place
        swap(cluster, pod, replace(pod, history=replace(pod.history, deleted=born + 10.0)))
        fresh = builder.pod(
            work,
            place,
            pod.node,
            healthy(born),
            image=new.image,
            template_hash=new.template_hash,
        )
        inventory.pods.append(fresh)
    births = [(new.created + 15.0 * place, place + 1) for place in range(len(old))]
    ends = [(moment + 10.0, len(old) - count) for moment, count in births]
    for place, one in enumerate(inventory.revisions):
        if one.work is work and one.replicas.at(new.created) > 0:
            inventory.revisions[place] = replace(
                one, replicas=changes(len(old), ends), stalls=False
            )
    inventory.revisions.append(replace(new, replicas=changes(0, births)))
    for moment, count in births:
        message = f"Scaled up replica set {new.name} to {count} from {count - 1}"
        cluster.events.append(
            EventStream(
                kind="Deployment",
                namespace=work.namespace,
                name=work.name,
                type="Normal",
                reason="ScalingReplicaSet",
                message=message,
                start=moment,
                end=moment + 1.0,
                every=86400.0,
                source="deployment-controller",
            )
        )


def says_one(metric: str, labels: Mapping[str, str], span: Window) -> Bend:
    """A metric says 1 while an effect lasts."""
    patterns = tuple((name, re.compile(re.escape(value))) for name, value in labels.items())
    return Bend(
        re.compile(metric),
        patterns,
        Curve(span[0], span[1], Shape.STEP, Bending.SET, 1.0),
    )

"""What GPUs are wasted: held and idle, free, scattered, cut into slices that nobody asks for. Pure.

A model server holds memory by design: whether it is waste, its requests say. What cannot be
attributed is not called waste; it is counted apart.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.analysis.gpuhealth_holders import held_by
from aiops_mcp.models.gpu import GPU, GPUNode, GpuNodeFacts
from aiops_mcp.models.gpu_health import Attribution, GpuWaste, WasteKind
from aiops_mcp.models.gpu_timeline import CardTimeline, Points

GPU_RESOURCE = "nvidia.com/gpu"
_SLICE = "nvidia.com/mig-"
_SLICES_OF_A_CARD = 7.0


@dataclass(frozen=True, slots=True)
class Use:
    """What a cluster's cards did, by UUID, and which of its pods answer requests.

    ``busy`` holds percent over time; ``serving`` is by pod whether its server had any request.
    """

    busy: Mapping[str, CardTimeline] = field(default_factory=dict[str, CardTimeline])
    serving: Mapping[str, bool] = field(default_factory=dict[str, bool])


@dataclass(frozen=True, slots=True)
class Idle:
    """Since when; ``at_least`` where it was idle before one looked back."""

    since: float
    at_least: bool


def idle_since(points: Points, idle_percent: float, *, held_from: float = 0.0) -> Idle | None:
    """Since when a card has done nothing; ``None`` where it has done something lately.

    ``held_from`` is when its pod was first seen: before, its idleness is not the pod's.
    """
    began: float | None = None
    place = len(points)
    while place and points[place - 1][1] < idle_percent and points[place - 1][0] >= held_from:
        place -= 1
        began = points[place][0]
    return None if began is None else Idle(began, place == 0)


def wasted(
    nodes: Sequence[GPUNode], use: Mapping[str, Use], limits: Thresholds, now: datetime
) -> tuple[GpuWaste, ...]:
    """Everything that is wasted, the most GPU-hours first."""
    nothing = Use()
    found: list[GpuWaste] = []
    for node in nodes:
        known = use.get(node.cluster_name, nothing)
        found += _held_idle(node, known, limits, now)
        found += _free(node, known, limits, now)
        found += _slices_unused(node)
    found += _fragmented(nodes)
    return tuple(sorted(found, key=lambda one: (-(one.gpu_hours or 0.0), -one.gpus)))


def allocated(nodes: Sequence[GPUNode]) -> float:
    """Whole cards that pods have been given; slices, and times of a shared card, by their share."""
    return sum(
        amount * _share_of(resource) * _shared_part(node, resource)
        for node in nodes
        for resource, amount in (_asked(node.facts) if node.facts else {}).items()
    )


def _shared_part(node: GPUNode, resource: str) -> float:
    facts = node.facts
    if facts is None or not facts.sharing or resource.startswith(_SLICE):
        return 1.0
    cards = sum(not gpu.mig_enabled for gpu in node.gpus)
    return cards / facts.capacity[resource] if facts.capacity.get(resource) else 1.0


def _held_idle(node: GPUNode, use: Use, limits: Thresholds, now: datetime) -> Iterable[GpuWaste]:
    for gpu in node.gpus:
        held = held_by(node, gpu)
        if not held.pods:
            continue
        if gpu.mig_enabled:
            yield from _idle_slices(node, gpu, use, limits, now)
            continue
        timeline = use.busy.get(gpu.uuid or "")
        idle = _idle_of(timeline, held.pods[0], limits) if timeline else None
        if idle is None or now.timestamp() - idle.since < limits.idle_minutes * 60:
            continue
        if any(use.serving.get(pod) for pod in held.pods):
            continue
        yield _idle_card(
            node, gpu, held, idle, any(pod in use.serving for pod in held.pods), limits, now
        )


def _idle_of(timeline: CardTimeline, pod: str, limits: Thresholds) -> Idle | None:
    points = next(iter(timeline.fields.values()), ())
    first = next((start for name, start, _ in timeline.pods if name == pod), 0.0)
    # the first sample of a window of time still holds what was before the pod
    return idle_since(points, limits.idle_percent, held_from=first)


def _idle_card(
    node: GPUNode,
    gpu: GPU,
    held: Attribution,
    idle: Idle,
    is_server: bool,
    limits: Thresholds,
    now: datetime,
) -> GpuWaste:
    used, total = gpu.memory_used_mb, gpu.memory_total_mb
    share = 100 * used / total if used is not None and total else 0.0
    holds = share >= limits.memory_held_percent and not is_server
    what = f"GPU {gpu.index} computes nothing"
    if is_server:
        what = f"GPU {gpu.index}: its model server has had no request"
    elif holds:
        what = f"GPU {gpu.index}: {share:.0f} % of its memory held, nothing computed"
    return GpuWaste(
        kind=WasteKind.MEMORY_HELD if holds else WasteKind.IDLE,
        cluster_name=node.cluster_name,
        node_name=node.node_name,
        gpus=1.0,
        gpu_hours=_hours(idle, now),
        at_least=idle.at_least,
        since=datetime.fromtimestamp(idle.since, UTC),
        pod=held.pods[0],
        owner=held.owners[0] if held.owners else None,
        what=what,
        action="scale to zero or fewer replicas" if is_server else "ask its owner; stop the pod",
    )


def _hours(idle: Idle, now: datetime, gpus: float = 1.0) -> float:
    return round(max(0.0, now.timestamp() - idle.since) / 3600.0 * gpus, 1)


def _idle_slices(
    node: GPUNode, gpu: GPU, use: Use, limits: Thresholds, now: datetime
) -> Iterable[GpuWaste]:
    timeline = use.busy.get(gpu.uuid or "")
    for mig in gpu.mig_instances:
        points = timeline.slices.get(str(mig.gpu_instance_id), ()) if timeline else ()
        idle = idle_since(points, limits.idle_percent)
        if mig.pod is None or idle is None:
            continue
        if now.timestamp() - idle.since < limits.idle_minutes * 60:
            continue
        pod = f"{mig.pod.namespace}/{mig.pod.pod}"
        share = _share_of(f"{_SLICE}{mig.profile or ''}")
        owners = (
            {f"{h.namespace}/{h.pod}": h.owner for h in node.facts.holders} if node.facts else {}
        )
        yield GpuWaste(
            kind=WasteKind.IDLE,
            cluster_name=node.cluster_name,
            node_name=node.node_name,
            gpus=share,
            gpu_hours=_hours(idle, now, share),
            at_least=idle.at_least,
            since=datetime.fromtimestamp(idle.since, UTC),
            pod=pod,
            owner=owners.get(pod),
            what=f"GPU {gpu.index}, slice {mig.profile or mig.gpu_instance_id} computes nothing",
            action="ask its owner; stop the pod",
        )


def _free(node: GPUNode, use: Use, limits: Thresholds, now: datetime) -> Iterable[GpuWaste]:
    """Cards that no pod asks for, a row a node."""
    free = _free_cards(node.facts)
    if free <= 0:
        return
    unheld = [gpu for gpu in node.gpus if not held_by(node, gpu).pods and not gpu.mig_enabled]
    idles = [
        idle
        for gpu in unheld
        if (timeline := use.busy.get(gpu.uuid or ""))
        and (idle := _idle_of(timeline, "", limits)) is not None
    ]
    known = idles[:free]
    yield GpuWaste(
        kind=WasteKind.UNALLOCATED,
        cluster_name=node.cluster_name,
        node_name=node.node_name,
        gpus=float(free),
        gpu_hours=round(sum(_hours(idle, now) for idle in known), 1) if known else None,
        at_least=any(idle.at_least for idle in known) or len(known) < free,
        since=datetime.fromtimestamp(min(idle.since for idle in known), UTC) if known else None,
        what=f"{free} of {node.facts.capacity.get(GPU_RESOURCE, free) if node.facts else free} "
        "GPUs, no pod asks for them",
        action="give them work, or take the node away",
    )


def _asked(facts: GpuNodeFacts) -> dict[str, int]:
    asked: dict[str, int] = defaultdict(int)
    for holder in facts.holders:
        for resource, amount in holder.resources.items():
            asked[resource] += amount
    return dict(asked)


def _free_cards(facts: GpuNodeFacts | None) -> int:
    """Whole cards that could be given; shared ones and those given by DRA cannot be counted so."""
    if facts is None or not facts.holders_known or facts.sharing:
        return 0
    if any(holder.claims for holder in facts.holders):
        return 0
    usable = facts.allocatable.get(GPU_RESOURCE, 0)
    return max(0, usable - _asked(facts).get(GPU_RESOURCE, 0)) if facts.ready else 0


def _share_of(resource: str) -> float:
    """The part of a card: ``3g.20gb`` is three of seven."""
    if not resource.startswith(_SLICE):
        return 1.0
    count = resource.removeprefix(_SLICE).partition("g")[0]
    return int(count) / _SLICES_OF_A_CARD if count.isdecimal() else 0.0


def _slices_unused(node: GPUNode) -> Iterable[GpuWaste]:
    facts = node.facts
    if facts is None or not facts.holders_known:
        return
    asked = _asked(facts)
    unused = {
        resource.removeprefix(_SLICE): count - asked.get(resource, 0)
        for resource, count in facts.allocatable.items()
        if resource.startswith(_SLICE) and count > asked.get(resource, 0)
    }
    if unused:
        share = sum(_share_of(_SLICE + profile) * count for profile, count in unused.items())
        told = ", ".join(f"{count} x {profile}" for profile, count in unused.items())
        yield GpuWaste(
            kind=WasteKind.MIG_UNUSED,
            cluster_name=node.cluster_name,
            node_name=node.node_name,
            gpus=round(share, 2),
            what=f"MIG slices that no pod asks for: {told}",
            action="cut the card by what is asked for, or not at all",
        )


def _fragmented(nodes: Sequence[GPUNode]) -> Iterable[GpuWaste]:
    """Free cards that together would be a whole node's, and lie on several."""
    by_cluster: dict[str, list[tuple[GPUNode, int, int]]] = defaultdict(list)
    for node in nodes:
        size = node.facts.capacity.get(GPU_RESOURCE, 0) if node.facts else 0
        by_cluster[node.cluster_name].append((node, _free_cards(node.facts), size))
    for cluster, members in by_cluster.items():
        whole = max((size for _, _, size in members), default=0)
        free = sum(count for _, count, _ in members)
        most = max((count for _, count, _ in members), default=0)
        places = sum(count > 0 for _, count, _ in members)
        if whole > 1 and free >= whole > most:
            yield GpuWaste(
                kind=WasteKind.FRAGMENTED,
                cluster_name=cluster,
                gpus=float(free),
                what=f"{free} free GPUs lie on {places} nodes, at most {most} together: "
                f"a job of {whole} does not fit",
                action="pack small jobs onto few nodes (bin packing), move some",
            )

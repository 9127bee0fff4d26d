"""All nodes judged together: what only shows beside others, and what each card runs. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.analysis.gpuhealth_judge import ClusterEvidence, driver_skew, judge_node
from aiops_mcp.analysis.gpuhealth_peers import HotRack, Peer, hot_racks, rack_reason, stragglers
from aiops_mcp.models.gpu import GPUNode
from aiops_mcp.models.gpu_health import (
    WORST_LAST,
    CardHealth,
    GpuReason,
    NodeHealth,
    Verdict,
    worst,
)

_HEAT = frozenset({"hw-thermal", "thermal", "too-hot", "hot", "hot-memory"})


@dataclass(frozen=True, slots=True)
class Judged:
    """Nodes, the gravest first, and what concerns no single one."""

    nodes: tuple[NodeHealth, ...]
    fleet_reasons: tuple[GpuReason, ...]
    counts: dict[Verdict, int]


def judge_fleet(
    nodes: Sequence[GPUNode],
    evidence: Mapping[str, ClusterEvidence],
    servers: Mapping[tuple[str, str], str],
    limits: Thresholds,
    now: datetime,
) -> Judged:
    """Every node and card with its verdict; ``counts`` are of cards.

    ``evidence`` is by cluster name; ``servers`` names the model by cluster and pod.
    """
    nothing = ClusterEvidence()
    alone = [
        judge_node(node, evidence.get(node.cluster_name, nothing), limits, now) for node in nodes
    ]
    peers = list(_peers(nodes, alone, evidence))
    slow = stragglers(peers, limits)
    racks = hot_racks(peers)
    judged = [_with_peers(node, slow, racks, servers) for node in alone]
    judged.sort(
        key=lambda node: (
            -WORST_LAST.index(node.verdict),
            -sum(card.verdict is node.verdict for card in node.cards),
            node.cluster_name,
            node.node_name,
        )
    )
    counts = Counter(card.verdict for node in judged for card in node.cards)
    return Judged(
        tuple(judged),
        (*map(rack_reason, racks), *driver_skew(nodes)),
        {verdict: counts[verdict] for verdict in reversed(WORST_LAST)},
    )


def _peers(
    nodes: Sequence[GPUNode], judged: Sequence[NodeHealth], evidence: Mapping[str, ClusterEvidence]
) -> Iterable[Peer]:
    for node, health in zip(nodes, judged, strict=True):
        known = evidence.get(node.cluster_name)
        cards = {card.uuid: card for card in health.cards}
        for gpu in node.gpus:
            history = known.histories.get(gpu.uuid or "") if known else None
            card = cards.get(gpu.uuid)
            if history is None or card is None or gpu.mig_enabled:
                continue
            owners = card.held_by.owners
            yield Peer(
                cluster=node.cluster_name,
                node=node.node_name,
                index=gpu.index,
                uuid=gpu.uuid or "",
                model=gpu.name or "",
                owner=owners[0] if len(owners) == 1 else None,
                rack=health.rack,
                history=history,
                temperature_celsius=gpu.temperature_celsius,
                is_hot=any(reason.rule in _HEAT for reason in card.reasons),
            )


def _with_peers(
    node: NodeHealth,
    slow: Mapping[str, GpuReason],
    racks: Sequence[HotRack],
    servers: Mapping[tuple[str, str], str],
) -> NodeHealth:
    cards = tuple(_card_with_peers(node, card, slow, servers) for card in node.cards)
    reasons = list(node.reasons)
    for rack in racks:
        if rack.cluster == node.cluster_name and node.node_name in rack.nodes:
            others = [name for name in rack.nodes if name != node.node_name]
            reasons.insert(0, _shared_heat(rack, others))
    verdicts = [each.verdict for each in (*reasons, *cards)]
    return node.model_copy(
        update={"cards": cards, "reasons": tuple(reasons), "verdict": worst(verdicts)}
    )


def _shared_heat(rack: HotRack, others: Sequence[str]) -> GpuReason:
    where = f"rack {rack.rack}" if rack.rack else "the nodes"
    return GpuReason(
        rule="rack-heat",
        verdict=Verdict.FAILING,
        what=f"{where} is hot, not this node alone",
        evidence=f"{rack.hot} of {rack.cards} GPUs; also {', '.join(others)}",
        threshold="most cards of two nodes",
        action="restore the rack's cooling; move work to other nodes meanwhile",
        source="ours",
    )


def _card_with_peers(
    node: NodeHealth,
    card: CardHealth,
    slow: Mapping[str, GpuReason],
    servers: Mapping[tuple[str, str], str],
) -> CardHealth:
    models = tuple(
        dict.fromkeys(
            servers[node.cluster_name, pod]
            for pod in card.held_by.pods
            if (node.cluster_name, pod) in servers
        )
    )
    held = card.held_by.model_copy(update={"model_servers": models})
    reasons = card.reasons
    straggler = slow.get(card.uuid or "")
    if straggler is not None:
        place = sum(reason.verdict is Verdict.FAILING for reason in reasons)
        reasons = (*reasons[:place], straggler, *reasons[place:])
    verdict = worst([card.verdict, *(reason.verdict for reason in reasons)])
    return card.model_copy(update={"held_by": held, "reasons": reasons, "verdict": verdict})

"""What changed about cards between two looks, and whether it is worth telling. Pure.

Told: a verdict that changed, a new XID, a card that is gone or back, and a load or temperature
that moved by more than a threshold since it was last told. A cluster that did not answer says
nothing, and a first look is where one starts from. XIDs of the gauge are edges (analysis/
gpuhealth_history); between two looks the gauge's last value is compared, so a repeat of the same
code is not seen.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.analysis.gpuhealth_judge import ClusterEvidence, judge_node
from aiops_mcp.analysis.gpuhealth_xids import CardName, findings
from aiops_mcp.models.gpu import GPU, GPUNode
from aiops_mcp.models.gpu_health import CardHealth, Verdict, XidSighting, XidSource
from aiops_mcp.models.xid import xid

GONE_AFTER = 2
"""Looks in a row in which a card is missing: one scrape may fail."""


@dataclass(frozen=True, slots=True)
class Moves:
    """By how much a reading must have moved since it was last told: percent, and Celsius."""

    utilization: float = 50.0
    temperature: float = 15.0


@dataclass(frozen=True, slots=True)
class CardSeen:
    """A card at the last look. ``told_*`` are the readings that were last told."""

    node: GPUNode
    gpu: GPU
    verdict: Verdict
    xid: int
    told_utilization: float | None
    told_temperature: float | None
    missing: int = 0


@dataclass(frozen=True, slots=True)
class GpuChange:
    """One change, as the event's payload tells it."""

    cluster_id: UUID
    cluster_name: str
    payload: dict[str, object]


@dataclass(frozen=True, slots=True)
class Seen:
    """Cards by cluster and UUID, and the XIDs seen of late."""

    cards: Mapping[UUID, Mapping[str, CardSeen]] = field(
        default_factory=dict[UUID, Mapping[str, CardSeen]]
    )
    xids: Mapping[UUID, tuple[XidSighting, ...]] = field(
        default_factory=dict[UUID, tuple[XidSighting, ...]]
    )


def only_of(seen: Seen, ours: Callable[[UUID], bool]) -> Seen:
    """Without the clusters of other replicas: what those told need not be told again."""
    return Seen(
        {cluster: cards for cluster, cards in seen.cards.items() if ours(cluster)},
        {cluster: xids for cluster, xids in seen.xids.items() if ours(cluster)},
    )


def compare(
    seen: Seen,
    nodes: Sequence[GPUNode],
    answered: Collection[UUID],
    now: datetime,
    limits: Thresholds,
    moves: Moves,
) -> tuple[Seen, tuple[GpuChange, ...]]:
    """The new state and what to tell of it."""
    by_cluster: dict[UUID, list[GPUNode]] = {cluster: [] for cluster in answered}
    for node in nodes:
        if node.cluster_id in by_cluster:
            by_cluster[node.cluster_id].append(node)
    cards, xids = dict(seen.cards), dict(seen.xids)
    changes: list[GpuChange] = []
    for cluster, mine in by_cluster.items():
        before = cards.get(cluster)
        recent = _recent(xids.get(cluster, ()), now, limits)
        recent += tuple(_new_xids(before or {}, mine, now))
        xids[cluster] = recent
        current = _looked(mine, recent, limits, now, before or {})
        if before is not None:
            cards[cluster], told = _differences(before, current, recent, moves, now)
            changes += told
        else:
            cards[cluster] = {uuid: card for uuid, (card, _) in current.items()}
    return Seen(cards, xids), tuple(changes)


def _recent(
    sightings: Iterable[XidSighting], now: datetime, limits: Thresholds
) -> tuple[XidSighting, ...]:
    since = now - timedelta(hours=limits.xid_fresh_hours)
    return tuple(one for one in sightings if one.at >= since)


def _new_xids(
    before: Mapping[str, CardSeen], nodes: Sequence[GPUNode], now: datetime
) -> Iterable[XidSighting]:
    for node in nodes:
        for gpu in node.gpus:
            known = before.get(gpu.uuid or "")
            code = gpu.xid_errors[-1] if gpu.xid_errors else 0
            if known is not None and code not in (0, known.xid):
                pod = f"{gpu.pod.namespace}/{gpu.pod.pod}" if gpu.pod else None
                yield XidSighting(
                    code=code,
                    at=now,
                    node_name=node.node_name,
                    sources=(XidSource.DCGM,),
                    uuid=gpu.uuid,
                    pod=pod,
                )


def _looked(
    nodes: Sequence[GPUNode],
    recent: Sequence[XidSighting],
    limits: Thresholds,
    now: datetime,
    before: Mapping[str, CardSeen],
) -> dict[str, tuple[CardSeen, CardHealth]]:
    names = [CardName(n.node_name, g.index, g.uuid, g.pci_bus_id) for n in nodes for g in n.gpus]
    evidence = ClusterEvidence(xids=findings(recent, names) if recent else ())
    looked: dict[str, tuple[CardSeen, CardHealth]] = {}
    for node in nodes:
        health = {card.uuid: card for card in judge_node(node, evidence, limits, now).cards}
        for gpu in node.gpus:
            if gpu.uuid is None:
                continue
            known = before.get(gpu.uuid)
            card = health[gpu.uuid]
            looked[gpu.uuid] = (
                CardSeen(
                    node=node,
                    gpu=gpu,
                    verdict=card.verdict,
                    xid=gpu.xid_errors[-1] if gpu.xid_errors else 0,
                    told_utilization=_first(
                        known and known.told_utilization, gpu.utilization_gpu_percent
                    ),
                    told_temperature=_first(
                        known and known.told_temperature, gpu.temperature_celsius
                    ),
                ),
                card,
            )
    return looked


def _first(told: float | None, value: float | None) -> float | None:
    return value if told is None else told


def _differences(
    before: Mapping[str, CardSeen],
    current: Mapping[str, tuple[CardSeen, CardHealth]],
    recent: Sequence[XidSighting],
    moves: Moves,
    now: datetime,
) -> tuple[dict[str, CardSeen], list[GpuChange]]:
    cards: dict[str, CardSeen] = {}
    changes: list[GpuChange] = []
    for uuid, (card, health) in current.items():
        known = before.get(uuid)
        codes = [one.code for one in recent if one.uuid == uuid and one.at == now]
        what = _kinds(known, card, codes, moves)
        if what:
            changes.append(_change(card, known, what, health, codes))
        cards[uuid] = _told(card) if what else card
    for uuid, known in before.items():
        if uuid in current:
            continue
        gone = replace(known, missing=known.missing + 1)
        cards[uuid] = gone
        if gone.missing == GONE_AFTER:
            changes.append(_change(gone, known, ["CARD_GONE"], None, []))
    return cards, changes


def _told(card: CardSeen) -> CardSeen:
    gpu = card.gpu
    return replace(
        card,
        told_utilization=gpu.utilization_gpu_percent,
        told_temperature=gpu.temperature_celsius,
    )


def _kinds(known: CardSeen | None, card: CardSeen, codes: Sequence[int], moves: Moves) -> list[str]:
    if known is None:
        return ["CARD_FOUND"]
    found = ["CARD_BACK"] if known.missing >= GONE_AFTER else []
    found += ["XID"] if codes else []
    found += ["VERDICT"] if known.verdict is not card.verdict else []
    gpu = card.gpu
    if _moved(known.told_utilization, gpu.utilization_gpu_percent, moves.utilization):
        found.append("UTILIZATION")
    if _moved(known.told_temperature, gpu.temperature_celsius, moves.temperature):
        found.append("TEMPERATURE")
    return found


def _moved(told: float | None, value: float | None, threshold: float) -> bool:
    return told is not None and value is not None and abs(value - told) >= threshold


def _change(
    card: CardSeen,
    known: CardSeen | None,
    kinds: Sequence[str],
    health: CardHealth | None,
    codes: Sequence[int],
) -> GpuChange:
    gpu, node = card.gpu, card.node
    verdict = health.verdict if health else Verdict.UNKNOWN
    payload: dict[str, object] = {
        "changes": list(kinds),
        "node_name": node.node_name,
        "gpu_index": gpu.index,
        "uuid": gpu.uuid,
        "name": gpu.name,
        "verdict": verdict.value,
        "previous_verdict": known.verdict.value if known else None,
        "reasons": [f"{one.what}: {one.evidence}" for one in health.reasons[:3]] if health else [],
        "action": health.reasons[0].action if health and health.reasons else None,
        "utilization_gpu_percent": gpu.utilization_gpu_percent,
        "temperature_celsius": gpu.temperature_celsius,
        "pod": f"{gpu.pod.namespace}/{gpu.pod.pod}" if gpu.pod else None,
    }
    if codes:
        payload["xids"] = [_decoded(code) for code in codes]
    return GpuChange(node.cluster_id, node.cluster_name, payload)


def _decoded(code: int) -> dict[str, object]:
    known = xid(code)
    return {
        "code": code,
        "meaning": known.meaning if known else None,
        "class": known.xid_class.value if known else None,
        "action": known.action if known else None,
    }

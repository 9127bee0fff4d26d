"""From single XIDs to what happened: which leads, what it means, and where its cause lies. Pure.

Rules: of several within seconds the earliest that is no cleanup leads; one card with many
applications points at the card, one application over many cards at the application; 79 or 119 over
a node at its power, PCIe or driver. Source: NVIDIA's XID catalog; see models/xid.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiops_mcp.models.gpu_health import XidFinding, XidSighting
from aiops_mcp.models.xid import XidClass, leading_xid, xid

TOGETHER = timedelta(seconds=30)
"""XIDs so close after one another on one card are one happening."""

SAME = timedelta(seconds=150)
"""One XID told by two sources: DCGM sees it up to a scrape and a step of the range later."""

NODE_WIDE = frozenset({79, 119})


@dataclass(frozen=True, slots=True)
class CardName:
    """A card as sightings may name it."""

    node_name: str
    index: int
    uuid: str | None
    pci_bus_id: str | None


def joined(sightings: Iterable[XidSighting], cards: Sequence[CardName]) -> tuple[XidSighting, ...]:
    """One sighting for each XID that happened, its card named where it is known, oldest first.

    The kernel log names the bus, DCGM the UUID; the earlier of two that tell the same stands.
    """
    named = sorted((_named(one, cards) for one in sightings), key=lambda one: one.at)
    kept: dict[tuple[str, int], list[XidSighting]] = defaultdict(list)
    for one in named:
        alike = kept[one.node_name, one.code]
        twin = _twin(alike, one)
        if twin is None:
            alike.append(one)
        else:
            alike[twin] = _merged(alike[twin], one)
    return tuple(sorted((one for alike in kept.values() for one in alike), key=lambda one: one.at))


def _twin(alike: Sequence[XidSighting], one: XidSighting) -> int | None:
    """The place of the one that tells the same, among the latest."""
    for place in range(len(alike) - 1, -1, -1):
        if one.at - alike[place].at > SAME:
            return None
        if _same(alike[place], one):
            return place
    return None


def _named(sighting: XidSighting, cards: Sequence[CardName]) -> XidSighting:
    if sighting.uuid is not None:
        return sighting
    for card in cards:
        if card.node_name == sighting.node_name and _same_bus(card.pci_bus_id, sighting.pci_bus_id):
            return sighting.model_copy(update={"uuid": card.uuid})
    return sighting


def _same_bus(one: str | None, other: str | None) -> bool:
    """Messages write the domain in 4 digits, queries in 8, and the function is often left out."""
    if not one or not other:
        return False
    left, right = (bus.lower().lstrip("0").partition(".")[0] for bus in (one, other))
    return left == right


def _same(known: XidSighting, other: XidSighting) -> bool:
    if set(known.sources) & set(other.sources):
        # one source tells each once; an event is also told by each later one of the same object
        return (
            known.sources == other.sources
            and known.at == other.at
            and (known.uuid, known.pci_bus_id) == (other.uuid, other.pci_bus_id)
        )
    if known.uuid is not None and other.uuid is not None and known.uuid != other.uuid:
        return False
    return abs(other.at - known.at) <= SAME


def _merged(known: XidSighting, other: XidSighting) -> XidSighting:
    return known.model_copy(
        update={
            "sources": tuple(dict.fromkeys((*known.sources, *other.sources))),
            "uuid": known.uuid or other.uuid,
            "pci_bus_id": known.pci_bus_id or other.pci_bus_id,
            "pod": known.pod or other.pod,
            "process": known.process or other.process,
            "count": known.count or other.count,
            "detail": known.detail or other.detail,
        }
    )


def findings(sightings: Sequence[XidSighting], cards: Sequence[CardName]) -> tuple[XidFinding, ...]:
    """What happened on each card, the latest first; the same code again is counted."""
    by_card: dict[tuple[str, str], list[XidSighting]] = defaultdict(list)
    for one in joined(sightings, cards):
        by_card[one.node_name, one.uuid or one.pci_bus_id or ""].append(one)
    indices = {card.uuid: card.index for card in cards if card.uuid}
    found: list[XidFinding] = []
    for seen in by_card.values():
        repeated: dict[int, XidFinding] = {}
        for happening in _happenings(seen):
            finding = _finding(happening, indices)
            known = repeated.get(finding.code)
            repeated[finding.code] = finding if known is None else _again(known, finding)
        found += repeated.values()
    return tuple(sorted(found, key=lambda one: one.last_at, reverse=True))


def _happenings(sightings: Sequence[XidSighting]) -> list[list[XidSighting]]:
    groups: list[list[XidSighting]] = []
    for one in sightings:
        if groups and one.at - groups[-1][-1].at <= TOGETHER:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _finding(happening: Sequence[XidSighting], indices: dict[str, int]) -> XidFinding:
    codes = tuple(one.code for one in happening)
    code = leading_xid(codes) or codes[0]
    leader = next(one for one in happening if one.code == code)
    known = xid(code)
    return XidFinding(
        code=code,
        meaning=known.meaning if known else "not in the catalog",
        xid_class=known.xid_class if known else None,
        action=known.action if known else "look it up in NVIDIA's XID catalog; ask support",
        at=leader.at,
        last_at=leader.at,
        node_name=leader.node_name,
        uuid=leader.uuid,
        gpu_index=indices.get(leader.uuid) if leader.uuid else None,
        with_codes=tuple(dict.fromkeys(each for each in codes if each != code)),
        times=leader.count or 1,
        sources=leader.sources,
        pods=tuple(dict.fromkeys(one.pod for one in happening if one.pod)),
        detail=leader.detail,
    )


def _again(known: XidFinding, later: XidFinding) -> XidFinding:
    return known.model_copy(
        update={
            "last_at": later.last_at,
            "times": known.times + later.times,
            "with_codes": tuple(dict.fromkeys((*known.with_codes, *later.with_codes))),
            "sources": tuple(dict.fromkeys((*known.sources, *later.sources))),
            "pods": tuple(dict.fromkeys((*known.pods, *later.pods))),
        }
    )


def cause_lies(finding: XidFinding, others: Sequence[XidFinding], owner_of: dict[str, str]) -> str:
    """Where an application's or a card's XID comes from, as far as the others tell; else empty.

    ``owner_of`` gives what owns a pod. ``others`` are the findings of the same cluster.
    """
    if finding.xid_class is not XidClass.APPLICATION:
        return ""
    mine = {owner_of.get(pod, pod) for pod in finding.pods}
    if len(mine) > 1:
        return f"{len(mine)} applications met it on this one card: the card"
    cards = {
        other.uuid
        for other in others
        if other.code == finding.code
        and mine
        and mine & {owner_of.get(pod, pod) for pod in other.pods}
    }
    return (
        f"{next(iter(mine))} met it on {len(cards)} cards: the application"
        if len(cards) > 1
        else ""
    )


def over_the_node(found: Sequence[XidFinding], since: datetime) -> dict[str, tuple[int, int]]:
    """Nodes on which 79 or 119 struck several cards: ``node → (code, cards)``."""
    struck: dict[tuple[str, int], set[str | None]] = defaultdict(set)
    for one in found:
        if one.code in NODE_WIDE and one.last_at >= since:
            struck[one.node_name, one.code].add(one.uuid)
    return {node: (code, len(cards)) for (node, code), cards in struck.items() if len(cards) > 1}

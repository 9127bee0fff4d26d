"""Health, waste and model servers made small: the verdict first, the worst first, what to do.

Pure functions on the models; no I/O, no clock.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiops_mcp.capabilities.digesting import coverage_line, fitting, more_line, significant
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.gpu_health import (
    WORST_LAST,
    CardHealth,
    GpuHealth,
    GpuReason,
    GpuWaste,
    ModelServer,
    ModelServers,
    NodeHealth,
    Verdict,
    WasteReport,
)

SHOWN_NOTES = 3
ROOM = 120
"""Bytes that a row may take on average: ten rows and the rest stay under 500 tokens."""


@dataclass(frozen=True, slots=True)
class Paging:
    """What was asked for: rows at most, after how many, and the call as made."""

    limit: int
    start: int
    call: str


@dataclass(frozen=True, slots=True)
class _Finding:
    """One reason, and all cards of a node that it holds for."""

    node: NodeHealth
    reason: GpuReason
    cards: tuple[CardHealth, ...]


def digest_gpu_health(answer: GpuHealth, paging: Paging) -> Digest:
    """A row a node and reason, cards that share it in one; what all share is said above."""
    found = sorted(
        (one for node in answer.nodes for one in _findings(node)),
        key=lambda one: -WORST_LAST.index(one.reason.verdict),
    )
    shown = _fitting([_row(one) for one in found], paging)
    return Digest(
        headline=_headline(answer),
        columns=("verdict", "node", "gpus", "what", "evidence", "do", "held_by") if shown else (),
        rows=shown,
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=(
            # a rack's heat stands in its nodes' rows
            *(
                f"{one.what}: {one.evidence}. Do: {one.action}"
                for one in answer.fleet_reasons
                if one.rule != "rack-heat"
            ),
            *_first(answer.notes),
        ),
        more=more_line(
            total=len(found),
            start=paging.start,
            shown=len(shown),
            what="findings",
            call=paging.call,
        ),
    )


def _fitting(rows: Sequence[tuple[Cell, ...]], paging: Paging) -> tuple[tuple[Cell, ...], ...]:
    """The asked part of the rows, fewer where they are long; ``more`` brings the rest."""
    asked = rows[paging.start : paging.start + paging.limit]
    return tuple(asked[: fitting(asked, room=ROOM * paging.limit, least=1)])


def _headline(answer: GpuHealth) -> str:
    total = sum(answer.counts.values())
    if not answer.nodes:
        return "No GPU nodes in the clusters that answered."
    bad = [node for node in answer.nodes if node.verdict is not Verdict.HEALTHY]
    if not bad:
        return f"All {total} GPUs of {len(answer.nodes)} nodes are HEALTHY."
    worst = answer.nodes[0]
    told = ", ".join(
        f"{count} {verdict.value}" for verdict, count in answer.counts.items() if count
    )
    gone = sum(node.cards_gone for node in answer.nodes)
    if gone:
        total, told = total + gone, f"{gone} gone, {told}"
    return (
        f"{worst.verdict.value}: {len(bad)} of {len(answer.nodes)} GPU nodes want attention, "
        f"first {worst.cluster_name}/{worst.node_name}. Of {total} GPUs {told}."
    )


def _findings(node: NodeHealth) -> Iterable[_Finding]:
    for reason in node.reasons:
        if reason.verdict is not Verdict.HEALTHY:
            yield _Finding(node, reason, ())
    heat = any(reason.rule == "rack-heat" for reason in node.reasons)
    grouped: dict[str, list[tuple[CardHealth, GpuReason]]] = defaultdict(list)
    for card in node.cards:
        bad = [reason for reason in card.reasons if reason.verdict is not Verdict.HEALTHY]
        for reason in bad if not heat else _one_heat(bad):
            key = reason.what if reason.rule == "xid" else reason.rule
            grouped[key].append((card, reason))
    for members in grouped.values():
        yield _Finding(node, members[0][1], tuple(card for card, _ in members))


_HEAT = ("hw-thermal", "thermal", "hot", "hot-memory")


def _one_heat(reasons: Sequence[GpuReason]) -> list[GpuReason]:
    """Where a rack is hot, one reason for heat a card is enough."""
    heat = [reason for reason in reasons if reason.rule in _HEAT]
    return [*(reason for reason in reasons if reason.rule not in _HEAT), *heat[:1]]


def _row(found: _Finding) -> tuple[Cell, ...]:
    node, reason, cards = found.node, found.reason, found.cards
    return (
        reason.verdict.value,
        f"{node.cluster_name}/{node.node_name}",
        _ranges([card.index for card in cards]) or None,
        reason.what,
        reason.evidence,
        reason.action,
        _held(cards),
    )


def _ranges(indices: Sequence[int]) -> str:
    """``0-3,5``."""
    parts: list[list[int]] = []
    for index in sorted(indices):
        if parts and index == parts[-1][1] + 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def _held(cards: Sequence[CardHealth]) -> str | None:
    holders = dict.fromkeys(
        name for card in cards for name in card.held_by.owners or card.held_by.pods
    )
    models = dict.fromkeys(name for card in cards for name in card.held_by.model_servers)
    unknown = any(card.held_by.not_attributable for card in cards)
    names = [*holders][:2] + [f"serves {model}" for model in [*models][:1]]
    if len(holders) > 2:
        names.append(f"{len(holders) - 2} more")
    if unknown:
        names.append("not attributable")
    return ", ".join(names) or None


def _first(notes: Sequence[str]) -> tuple[str, ...]:
    left = len(notes) - SHOWN_NOTES
    return (*notes[:SHOWN_NOTES], *([f"{left} more notes"] if left > 0 else []))


def digest_gpu_waste(answer: WasteReport, paging: Paging) -> Digest:
    """A row a waste, the most GPU-hours first; a job's cards in one."""
    folded = _folded(answer.found)
    shown = _fitting(folded, paging)
    return Digest(
        headline=_waste_headline(answer),
        columns=("kind", "where", "gpus", "gpu_hours", "what", "held_by", "do") if shown else (),
        rows=shown,
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=_first(answer.notes),
        more=more_line(
            total=len(folded), start=paging.start, shown=len(shown), what="rows", call=paging.call
        ),
    )


def _waste_headline(answer: WasteReport) -> str:
    if not answer.total_gpus:
        return "No GPUs in the clusters that answered."
    by_kind: dict[str, float] = defaultdict(float)
    hours = 0.0
    for one in answer.found:
        if one.kind.value != "FRAGMENTED":
            by_kind[one.kind.value] += one.gpus
            hours += one.gpu_hours or 0.0
    if not answer.found:
        return f"Nothing is wasted of {answer.total_gpus} GPUs."
    told = ", ".join(f"{significant(gpus)} {kind}" for kind, gpus in by_kind.items())
    return (
        f"{told or 'Free GPUs are scattered'} of {answer.total_gpus} GPUs "
        f"({significant(answer.allocated_gpus)} allocated); "
        f"{significant(hours)} GPU-hours wasted in the last 24 h."
    )


def _folded(found: Sequence[GpuWaste]) -> list[tuple[Cell, ...]]:
    groups: dict[tuple[object, ...], list[GpuWaste]] = defaultdict(list)
    for one in found:
        groups[one.kind, one.cluster_name, one.owner or one.pod].append(one)
    rows: list[tuple[Cell, ...]] = []
    for members in groups.values():
        first = members[0]
        hours = [one.gpu_hours for one in members if one.gpu_hours is not None]
        at_least = any(one.at_least for one in members)
        nodes = [*dict.fromkeys(one.node_name for one in members if one.node_name)]
        where = "/".join([first.cluster_name, *(nodes if len(nodes) == 1 else [])])
        rows.append(
            (
                first.kind.value,
                where + (f", {len(nodes)} nodes" if len(nodes) > 1 else ""),
                significant(sum(one.gpus for one in members)),
                f"{'>=' if at_least else ''}{significant(sum(hours))}" if hours else None,
                _what(members),
                first.owner or first.pod,
                first.action,
            )
        )
    return rows


def digest_model_servers(answer: ModelServers, paging: Paging) -> Digest:
    """A row a server, the gravest first."""
    shown = _fitting([_server_row(one) for one in answer.servers], paging)
    bad = [one for one in answer.servers if one.verdict is not Verdict.HEALTHY]
    headline = f"All {len(answer.servers)} model servers are HEALTHY."
    if not answer.servers:
        headline = "No vLLM server in the clusters that answered."
    elif bad:
        told = "; ".join(f"{one.what}: {one.evidence}" for one in bad[0].reasons[:2])
        headline = (
            f"{bad[0].verdict.value}: {len(bad)} of {len(answer.servers)} model servers "
            f"want attention, first {bad[0].pod or bad[0].instance}: {told}."
        )
    return Digest(
        headline=headline,
        columns=_SERVER_COLUMNS if shown else (),
        rows=shown,
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=_first(answer.notes),
        more=more_line(
            total=len(answer.servers),
            start=paging.start,
            shown=len(shown),
            what="servers",
            call=paging.call,
        ),
    )


def _what(members: Sequence[GpuWaste]) -> str:
    first = members[0]
    if len(members) == 1:
        return first.what
    return f"{first.node_name}: {first.what}; {len(members) - 1} more like it"


_SERVER_COLUMNS = (
    "verdict",
    "server",
    "model",
    "running",
    "waiting",
    "kv_cache_%",
    "ttft_p95_s",
    "token_p95_s",
    "preempt_per_s",
    "tokens_per_s",
    "why",
    "do",
)


def _server_row(one: ModelServer) -> tuple[Cell, ...]:
    bad = [reason for reason in one.reasons if reason.verdict is not Verdict.HEALTHY]
    return (
        one.verdict.value,
        f"{one.cluster_name}/{one.pod or one.instance}",
        one.model,
        one.running,
        one.waiting,
        _rounded(one.kv_cache_used, 100),
        _rounded(one.ttft_p95),
        _rounded(one.inter_token_p95),
        _rounded(one.preemptions_per_second),
        _rounded(one.generation_tokens_per_second),
        "; ".join(reason.what for reason in bad[:3]) or None,
        bad[0].action if bad else None,
    )


def _rounded(value: float | None, scale: float = 1.0) -> float | None:
    return None if value is None else significant(value * scale)

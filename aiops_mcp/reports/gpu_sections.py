"""Sections on GPUs: which are failing and why, and what is wasted. Pure."""

from collections import defaultdict

from aiops_mcp.models.gpu_health import GpuWaste, NodeHealth, Verdict
from aiops_mcp.models.reports import (
    Align,
    BarChart,
    Bars,
    Block,
    Column,
    Fact,
    Facts,
    Section,
    Table,
    Tone,
)
from aiops_mcp.reports.commands import command, evidence
from aiops_mcp.reports.gathered import Gathered
from aiops_mcp.reports.wording import capital, count, moment, number, percent

_WORST = tuple(reversed(Verdict))
_WASTE_WORDS = {
    "IDLE": "held and idle",
    "MEMORY_HELD": "memory held, idle",
    "UNALLOCATED": "free",
    "FRAGMENTED": "fragmented",
    "MIG_UNUSED": "MIG slices unused",
}


def gpu_section(gathered: Gathered, *, most: int) -> Section | None:
    """Cards that are failing or degraded; None where there are none or nobody told."""
    told = gathered.gpu_health
    if told is None or not told.nodes:
        return None
    failing, degraded = told.counts.get(Verdict.FAILING, 0), told.counts.get(Verdict.DEGRADED, 0)
    total = sum(told.counts.values())
    rows = [row for node in told.nodes for row in _rows(node)]
    rows.sort(key=lambda row: _WORST.index(Verdict(str(row[0]))))
    table = Table(
        title="Cards that want a look, worst first",
        columns=(
            Column(title="Verdict", toned=True),
            Column(title="Cluster"),
            Column(title="Card"),
            Column(title="Why", wide=True),
            Column(title="What to do"),
            Column(title="Held by"),
        ),
        rows=tuple(rows[:most]),
        left_out=max(0, len(rows) - most),
        empty="Every card is well.",
    )
    gone = sum(node.cards_gone for node in told.nodes)
    unknown = told.counts.get(Verdict.UNKNOWN, 0)
    finding = f"{failing or 'None'} of {count(total, 'GPU')} failing, {degraded or 'none'} degraded"
    finding += f", of {unknown} nothing is known" if unknown else ""
    finding += f"; {count(gone, 'card')} gone from the bus." if gone else "."
    asks = command("gpu", "health", clusters=gathered.names)
    return Section(
        title="GPUs",
        finding=finding,
        tone=Tone.CRITICAL if failing or gone else Tone.WARNING if degraded else Tone.OK,
        blocks=(
            table,
            evidence("XID, ECC, row remaps, NVLink, heat, clocks", asks, told.coverage),
        ),
    )


def _rows(node: NodeHealth) -> list[tuple[str | None, ...]]:
    rows: list[tuple[str | None, ...]] = []
    bad = (Verdict.FAILING, Verdict.DEGRADED)
    for reason in node.reasons:
        if reason.verdict in bad:
            what = f"{reason.what} ({reason.evidence})"
            rows.append(
                (reason.verdict.value, node.cluster_name, node.node_name, what, reason.action, None)
            )
    for card in node.cards:
        if card.verdict not in bad:
            continue
        reasons = [one for one in card.reasons if one.verdict in bad]
        xids = [f"XID {one.code} {one.meaning} at {moment(one.at)}" for one in card.xids[:2]]
        what = "; ".join([*(f"{one.what} ({one.evidence})" for one in reasons[:2]), *xids])
        holders = card.held_by.owners or card.held_by.pods
        rows.append(
            (
                card.verdict.value,
                node.cluster_name,
                f"{node.node_name}/{card.index}",
                what,
                reasons[0].action if reasons else None,
                ", ".join(holders[:2]) or None,
            )
        )
    return rows


def waste_section(gathered: Gathered, *, most: int) -> Section | None:
    """What is wasted of GPUs; None where there are none or nobody told."""
    told = gathered.gpu_waste
    if told is None or not told.total_gpus:
        return None
    by_kind: dict[str, float] = defaultdict(float)
    for one in told.found:
        by_kind[one.kind.value] += one.gpus
    ranked = sorted(by_kind.items(), key=lambda item: -item[1])
    hours = sum(one.gpu_hours or 0 for one in told.found)
    wasted = sum(by_kind.values())
    blocks: list[Block] = [
        Facts(
            facts=(
                Fact(label="GPUs", value=number(told.total_gpus)),
                Fact(
                    label="Allocated",
                    value=number(told.allocated_gpus),
                    note=percent(told.allocated_gpus / told.total_gpus),
                ),
                Fact(
                    label="Not used",
                    value=number(round(wasted, 1)),
                    note=percent(wasted / told.total_gpus),
                    tone=Tone.WARNING if wasted else Tone.OK,
                ),
                Fact(label="Wasted so far", value=number(round(hours)), note="GPU-hours at least"),
            )
        )
    ]
    if ranked:
        blocks.append(
            BarChart(
                title="GPUs not used, by reason",
                finding=f"Most are {_WASTE_WORDS[ranked[0][0]]}.",
                labels=tuple(_WASTE_WORDS[kind] for kind, _ in ranked),
                parts=(Bars(name="GPUs", values=tuple(round(each, 2) for _, each in ranked)),),
                across=True,
            )
        )
    blocks.append(_waste_table(told.found, most))
    asks = command("gpu", "waste", clusters=gathered.names)
    blocks.append(evidence("Engine activity, allocations and MIG slices", asks, told.coverage))
    finding = (
        f"{number(round(wasted, 1))} of {number(told.total_gpus)} GPUs are paid for and not used."
        if wasted
        else "All GPUs are used."
    )
    return Section(
        title="GPUs that could be used",
        finding=capital(finding),
        tone=Tone.WARNING if wasted else Tone.OK,
        blocks=tuple(blocks),
    )


def _waste_table(found: tuple[GpuWaste, ...], most: int) -> Table:
    ranked = sorted(found, key=lambda one: (-(one.gpu_hours or 0), -one.gpus, one.cluster_name))
    return Table(
        title="Where, most GPU-hours first",
        columns=(
            Column(title="GPU-hours", align=Align.RIGHT),
            Column(title="GPUs", align=Align.RIGHT),
            Column(title="Cluster"),
            Column(title="Node"),
            Column(title="Whose"),
            Column(title="What", wide=True),
            Column(title="What to do"),
        ),
        rows=tuple(
            (
                None
                if one.gpu_hours is None
                else f"{'≥ ' if one.at_least else ''}{number(round(one.gpu_hours, 1))}",
                number(round(one.gpus, 2)),
                one.cluster_name,
                one.node_name,
                one.owner or one.pod,
                one.what,
                one.action,
            )
            for one in ranked[:most]
        ),
        left_out=max(0, len(ranked) - most),
        empty="Nothing is wasted.",
    )

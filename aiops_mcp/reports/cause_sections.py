"""The section on what probably caused an incident, with what speaks for and against it. Pure."""

from aiops_mcp.models.reports import Align, Block, Column, Paragraph, Section, Table, Tone
from aiops_mcp.models.rootcause import RCAResult, RootCause
from aiops_mcp.reports.commands import command, evidence
from aiops_mcp.reports.gathered import Gathered
from aiops_mcp.reports.wording import moment

MOST_CAUSES = 4
_MOST_SENTENCES = 4


def causes_section(gathered: Gathered) -> Section | None:
    """Likely causes, cluster by cluster; None where nobody asked or nothing was found to ask."""
    if not gathered.causes:
        return None
    blocks = [block for result in gathered.causes for block in _blocks(result)]
    found = [(one.cluster_name, one.causes[0]) for one in gathered.causes if one.causes]
    if found:
        said = "; ".join(f"in {cluster} {named(first)}" for cluster, first in found)
        finding, tone = f"Most likely the cause: {said}.", Tone.WARNING
    else:
        finding, tone = "No cause stands out; the reasons are below.", Tone.PLAIN
    return Section(title="Likely causes", finding=finding, tone=tone, blocks=tuple(blocks))


def named(cause: RootCause) -> str:
    """``shop/catalogue-db (slow below)``: the component, and the pattern that fits it."""
    return f"{cause.component} ({cause.what})" if cause.what else cause.component


def _blocks(result: RCAResult) -> list[Block]:
    trigger = result.trigger
    about = f"{trigger.name} in {result.cluster_name}" if trigger.name else result.cluster_name
    asks = command("rca", alert=trigger.id, cluster=result.cluster_name)
    claim = f"{about}: {result.series_judged:,} series; {', '.join(result.looked_at)}"
    blocks: list[Block] = []
    if not result.causes:
        blocks.append(Paragraph(text=f"{about}: {result.reason_if_empty}", tone=Tone.MUTED))
    else:
        blocks.append(_table(result, about))
        blocks += [_reasons(cause) for cause in result.causes[:2]]
    return [*blocks, evidence(claim, asks, result.coverage)]


def _table(result: RCAResult, about: str) -> Table:
    shown = result.causes[:MOST_CAUSES]
    return Table(
        title=f"Causes of {about}, likeliest first",
        columns=(
            Column(title="Score", align=Align.RIGHT),
            Column(title="Component"),
            Column(title="Kind"),
            Column(title="Since"),
            Column(title="Pattern"),
            Column(title="What to do", wide=True),
        ),
        rows=tuple(
            (
                f"{cause.score:.2f}",
                cause.component,
                cause.component_kind or None,
                moment(cause.since) or None,
                cause.what or None,
                "; ".join(cause.remediation[:2]) or None,
            )
            for cause in shown
        ),
        left_out=len(result.causes) - len(shown),
    )


def _reasons(cause: RootCause) -> Table:
    sides = (
        ("for", cause.evidence_for),
        ("against", cause.evidence_against),
        ("not known", cause.missing),
    )
    return Table(
        title=f"What speaks for and against {cause.component}",
        columns=(Column(title="Speaks"), Column(title="What", wide=True)),
        rows=tuple((side, said) for side, all_said in sides for said in all_said[:_MOST_SENTENCES]),
        left_out=sum(max(0, len(all_said) - _MOST_SENTENCES) for _, all_said in sides),
    )

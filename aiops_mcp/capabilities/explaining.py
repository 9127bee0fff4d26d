"""A trouble explained in words, by templates: what a model is not needed for."""

from aiops_mcp.capabilities.analysis import analysis
from aiops_mcp.capabilities.rootcause import RootCauseQuery, analyze_root_cause
from aiops_mcp.context import Context
from aiops_mcp.models.explanation import Explanation


class ExplainQuery(RootCauseQuery):
    """Takes the same as a root-cause question."""


@analysis.operation("explain", route="POST /analysis/explain", needs="metrics:read", tool=False)
async def explain(context: Context, request: ExplainQuery) -> Explanation:
    """The root cause as a text for people, in Markdown, made of templates without a model."""
    from aiops_mcp.fleet.rca_explained import text_of, title_of

    found = await analyze_root_cause(context, request)
    return Explanation(
        title=title_of(found),
        text=text_of(found),
        rca=found,
        coverage=found.coverage,
        as_of=found.as_of,
    )

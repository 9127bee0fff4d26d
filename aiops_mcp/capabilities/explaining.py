"""A trouble explained in words: by templates, or by a model where one is set and asked for."""

import asyncio
from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.analysis import analysis
from aiops_mcp.capabilities.rootcause import RootCauseQuery, analyze_root_cause
from aiops_mcp.context import Context
from aiops_mcp.models.explanation import Explanation, Prose
from aiops_mcp.models.rootcause import RCAResult

MODEL_SHARE = 0.6
"""Of the time that a request has: the facts come first, and templates need none."""


class ExplainQuery(RootCauseQuery):
    """Takes the same as a root-cause question, and who is to write."""

    model: Annotated[bool, Field(description="Let a model write it, where one is set")] = False


@analysis.operation("explain", route="POST /analysis/explain", needs="metrics:read", tool=False)
async def explain(context: Context, request: ExplainQuery) -> Explanation:
    """The root cause as a text for people, in Markdown, of templates or written by a model."""
    from aiops_mcp.fleet.rca_explained import text_of, title_of

    found = await analyze_root_cause(context, request)
    prose = await _written(context, found) if request.model else Prose()
    return Explanation(
        title=title_of(found),
        text=prose.text or text_of(found),
        rca=found,
        model=prose.model if prose.text else None,
        notes=prose.notes,
        coverage=found.coverage,
        as_of=found.as_of,
    )


async def _written(context: Context, found: RCAResult) -> Prose:
    """What a model makes of it; nothing, and why, where none is set or it does not come in time."""
    if context.explainer is None:
        return Prose(notes=("No model is set, so this is made of templates.",))
    seconds = context.settings.request_timeout * MODEL_SHARE
    try:
        async with asyncio.timeout(seconds):
            return await context.explainer(found, context.principal)
    except TimeoutError:
        late = f"The model did not answer within {seconds:.0f} s, so this is made of templates."
        return Prose(notes=(late,))

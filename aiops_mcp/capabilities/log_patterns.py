"""Kinds of log lines over a window, and what is new, gone or suddenly frequent among them."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.analysis import Window
from aiops_mcp.capabilities.digesting import Cursor, Limit
from aiops_mcp.capabilities.log_patterns_digest import digest_patterns
from aiops_mcp.capabilities.logs import LogQL, logs
from aiops_mcp.capabilities.metrics import requested_moment
from aiops_mcp.context import Context
from aiops_mcp.models.entity import Duration, duration_seconds
from aiops_mcp.models.log_patterns import LogPatternAnswer
from aiops_mcp.models.moment import When
from aiops_mcp.operation import Clusters, Input


class LogPatternQuery(Input):
    query: LogQL
    clusters: Clusters = ()
    window: Window = "1h"
    end_time: When = "now"
    baseline: Annotated[
        Duration | None, Field(description="Time before to compare with; default as long")
    ] = None
    limit: Limit = 10
    cursor: Cursor | None = None


@logs.operation(
    "get_log_patterns", route="POST /logs/patterns", needs="metrics:read", digest=digest_patterns
)
async def get_log_patterns(context: Context, request: LogPatternQuery) -> LogPatternAnswer:
    """Kinds of log lines against the time before: new, more, rare, vanished; errors first.

    Also sessions and traces whose lines come in an unusual order.
    """
    # numpy takes a tenth of a second to import, which a server that only lists tools can spare.
    from aiops_mcp.fleet.log_patterns import PatternSearch, find_patterns

    now = context.clock()
    window = float(duration_seconds(request.window))
    until = requested_moment(request.end_time, now, "end_time") or now
    search = PatternSearch(
        request.query,
        min(until, now),
        window,
        window if request.baseline is None else float(duration_seconds(request.baseline)),
        request.clusters,
    )
    return await find_patterns(
        context.logs, search, principal=context.principal, progress=context.call.progress
    )

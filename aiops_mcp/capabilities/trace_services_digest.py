"""Names of services and operations, and calls between services, made small. Pure."""

from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import significant
from aiops_mcp.capabilities.traces_digest import cut_text, some_names, traces_coverage
from aiops_mcp.models.digest import Digest

if TYPE_CHECKING:
    from aiops_mcp.capabilities.trace_services import ServiceGraph, TracedNameList

MOST_EDGES = 25
MOST_NAMES = 100


def digest_names(answer: "TracedNameList") -> Digest:
    """Names with their clusters."""
    rows = tuple(
        (cut_text(one.name), some_names(one.clusters)) for one in answer.items[:MOST_NAMES]
    )
    left = answer.total - len(rows)
    return Digest(
        headline=f"{answer.total} names." if answer.total else "None are traced.",
        columns=("name", "clusters") if rows else (),
        rows=rows,
        coverage=traces_coverage(answer.coverage),
        notes=(f"of {some_names(answer.sampled)} as the newest traces show",)
        if answer.sampled
        else (),
        more=f"{left} more: ask fewer clusters" if left else None,
    )


def digest_graph(answer: "ServiceGraph") -> Digest:
    """Calls between services, failing ones first."""
    rows = tuple(
        (
            cut_text(f"{call.caller} -> {call.callee}"),
            call.calls,
            f"{call.error_rate:.1%}" if call.errors else 0,
            significant(call.p50_ms),
            significant(call.p95_ms),
            some_names(call.clusters, 3),
        )
        for call in answer.calls[:MOST_EDGES]
    )
    services = {name for call in answer.calls for name in (call.caller, call.callee)}
    left = len(answer.calls) - len(rows)
    return Digest(
        headline=f"{len(services)} services, {len(answer.calls)} kinds of call, "
        f"by {answer.traces} traces.",
        columns=("call", "calls", "failed", "p50 ms", "p95 ms", "clusters") if rows else (),
        rows=rows,
        coverage=traces_coverage(answer.coverage),
        as_of=answer.as_of,
        more=f"{left} more: narrow by service_name" if left else None,
    )

"""What of stores of traces a caller may see who is confined to some clusters. Pure.

A store may hold spans of several clusters: what ran where the caller may not look does not exist
for it, not as a span, not as a root, and not as the reason why something was found.
"""

from collections.abc import Collection, Iterable, Sequence

from aiops_mcp.analysis.traces_assembly import cluster_of
from aiops_mcp.analysis.traces_groups import UnitedHit
from aiops_mcp.backends.jaeger_answers import hit_of, matches
from aiops_mcp.fleet.trace_found import FleetTrace
from aiops_mcp.models.spans import SpanRecord, TraceSearch


def visible_spans(
    spans: Sequence[SpanRecord], store: str, hidden: Collection[str]
) -> Sequence[SpanRecord]:
    """The spans of a store that ran in no hidden cluster."""
    if not hidden:
        return spans
    return [span for span in spans if cluster_of(span, store) not in hidden]


def seen_hit(found: FleetTrace, search: TraceSearch) -> UnitedHit | None:
    """A trace that a search found as its visible part shows it; None where that does not fit.

    Whether a part fits TraceQL is not known here, so that only whole traces do.
    """
    spans = found.trace.spans
    if not found.is_whole and (search.traceql is not None or not matches(spans, search)):
        return None
    return UnitedHit(hit_of(spans), found.home.name, tuple(found.stores))


def names_seen(traces: Iterable[FleetTrace], service: str | None) -> dict[str, list[str]]:
    """Services by the clusters that they ran in; with a service, its operations."""
    found: dict[str, set[str]] = {}
    for one in traces:
        for span, cluster in zip(one.trace.spans, one.trace.clusters, strict=True):
            if service is None or span.service == service:
                name = span.service if service is None else span.name
                found.setdefault(name, set()).add(cluster)
    return {name: sorted(clusters) for name, clusters in found.items()}

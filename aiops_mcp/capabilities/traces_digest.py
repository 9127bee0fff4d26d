"""Traces made small: what a search found, by root operation. Pure."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import coverage_line, significant
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.traces import (
    TraceGroup,
    TraceHit,
)

if TYPE_CHECKING:
    from aiops_mcp.capabilities.traces import TraceList

MOST_GROUPS = 8
FEW = 4
"""So few traces are shown one by one."""

MOST_NAME = 80
MOST_NAMED = 4


def shown_ms(milliseconds: float) -> str:
    """``0.4 ms``, ``350 ms``, ``1.84 s``, ``3.2 min``."""
    if milliseconds < 1000:
        return f"{significant(round(milliseconds, 2 if milliseconds < 10 else 0)):g} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds / 60:.3g} min"


def cut_text(text: str, most: int = MOST_NAME) -> str:
    """On one line, at most ``most`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def operation_text(service: str | None, operation: str | None) -> str:
    """``checkout: POST /order``, fit for a cell."""
    if service is None and operation is None:
        return "(root elsewhere)"
    return cut_text(f"{service or '?'}: {operation or '?'}")


def some_names(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """``a,b,c,+2``."""
    return ",".join(names[:most]) + (f",+{len(names) - most}" if len(names) > most else "")


def traces_coverage(coverage: Coverage) -> str:
    """Who answered; those that keep no traces are counted, for that is how they are."""
    none = len(coverage.skipped)
    short = (f"{none} that keep no traces",) if none else ()
    return coverage_line(coverage.model_copy(update={"skipped": short}))


def digest_traces(answer: "TraceList", *, detailed: bool, limit: int) -> Digest:
    """By root operation; one by one where there are few, or where asked for in detail."""
    one_by_one = detailed or answer.found <= FEW
    columns, rows = (
        _hit_rows(answer.traces) if one_by_one else _group_rows(answer.groups, cut=bool(answer.cut))
    )
    notes: list[str] = []
    if answer.cut:
        notes.append(
            f"{some_names(answer.cut)} may have more: times are of the first ones found; narrow by "
            "operation_name, min_duration_ms or a shorter time"
        )
    if not answer.found:
        notes += _why_nothing(answer)
    return Digest(
        headline=_search_headline(answer),
        columns=columns if rows else (),
        rows=rows,
        coverage=traces_coverage(answer.coverage),
        as_of=answer.as_of,
        query=answer.query if answer.query != "{ }" else None,
        notes=tuple(notes),
        more=_more(answer, limit, one_by_one=one_by_one),
    )


def _more(answer: "TraceList", limit: int, *, one_by_one: bool) -> str | None:
    if one_by_one:
        left = answer.found - len(answer.traces)
        return (
            f"{left} older: a larger limit than {limit}, or an earlier end_time" if left else None
        )
    left = len(answer.groups) - MOST_GROUPS
    if left > 0:
        what = "root operations" if left > 1 else "root operation"
        return f"{left} more {what}: narrow by service_name or operation_name"
    return None


def _search_headline(answer: "TraceList") -> str:
    span = _length(answer.end_time - answer.start_time)
    if not answer.found:
        return f"No trace fits in {span} to {answer.end_time:%m-%dT%H:%MZ}."
    known = sum(each.errors_known for each in answer.groups)
    errors = sum(each.errors for each in answer.groups)
    failed = f", {errors} failed" if known else ""
    kinds = len(answer.groups)
    clusters = len({name for each in answer.groups for name in each.clusters})
    slowest = max(answer.groups, key=lambda each: each.slowest_ms)
    count = f"{'at least ' if answer.cut else ''}{answer.found}"
    return (
        f"{count} traces of {kinds} root operation{'s' if kinds > 1 else ''} in {clusters} "
        f"cluster{'s' if clusters > 1 else ''} in {span}{failed}; "
        f"slowest {shown_ms(slowest.slowest_ms)}."
    )


def _length(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes >= size:
            return f"{significant(round(minutes / size, 1)):g} {unit}"
    return f"{minutes} min"


def _why_nothing(answer: "TraceList") -> Iterable[str]:
    if answer.similar_services:
        yield f"services with a similar name: {', '.join(map(cut_text, answer.similar_services))}"
    yield "names are exact (* is any text); only sampled requests are traced; try an earlier start"


def _group_rows(
    groups: Sequence[TraceGroup], *, cut: bool
) -> tuple[tuple[str, ...], tuple[tuple[Cell, ...], ...]]:
    """One row a root operation. An id is long: a second one only where it tells something else."""
    columns = ("root operation", "traces", "failed", "p50 ms", "p95 ms", "clusters", "slowest ms",
               "slowest", "failing")  # fmt: skip
    rows = [
        (
            operation_text(each.root_service, each.root_operation),
            each.count,
            _failed(each, cut=cut),
            significant(each.p50_ms),
            significant(each.p95_ms),
            some_names(each.clusters, 3),
            significant(each.slowest_ms),
            each.slowest_id,
            None if each.failing_id == each.slowest_id else each.failing_id,
        )
        for each in groups[:MOST_GROUPS]
    ]
    return columns, tuple(rows)


def _failed(group: TraceGroup, *, cut: bool) -> Cell:
    if not group.errors_known:
        return None
    if not group.errors:
        return 0
    # Of what was not read nobody knows how much there is, so that there is no share of it.
    share = "" if cut else f" ({group.errors / group.errors_known:.0%})"
    also = ", slowest too" if group.failing_id == group.slowest_id else ""
    return f"{group.errors}{share}{also}"


def _hit_rows(hits: Sequence[TraceHit]) -> tuple[tuple[str, ...], tuple[tuple[Cell, ...], ...]]:
    columns = ("start", "root operation", "ms", "failed", "spans", "clusters", "trace_id")
    rows = [
        (
            f"{hit.start_time:%m-%dT%H:%M:%SZ}",
            operation_text(hit.root_service, hit.root_operation),
            significant(hit.duration_ms),
            hit.has_errors,
            hit.span_count,
            some_names(hit.clusters),
            hit.trace_id,
        )
        for hit in hits
    ]
    return columns, tuple(rows)

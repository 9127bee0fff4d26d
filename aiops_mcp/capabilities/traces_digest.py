"""Traces made small: what a search found by root operation, and why one trace was slow or failed.

Pure. Names and messages were written by clusters: in sentences they stand `fenced`.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import coverage_line, significant
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Cell, Digest, fenced
from aiops_mcp.models.traces import (
    CallShape,
    Difference,
    DifferenceKind,
    NotableSpan,
    Repetition,
    TraceGroup,
    TraceHit,
)

if TYPE_CHECKING:
    from aiops_mcp.capabilities.traces import TraceList, WholeTrace

MOST_GROUPS = 8
FEW = 4
"""So few traces are shown one by one."""

MOST_STEPS = 7
LEAST_SHARE = 0.01
MOST_NAME = 80
MOST_MESSAGE = 160
MOST_NAMED = 4
WORTH_A_FACTOR = 1.5


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


def _named(service: str | None, operation: str | None) -> str:
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


# --- a search -------------------------------------------------------------------------------


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
            _named(each.root_service, each.root_operation),
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
            _named(hit.root_service, hit.root_operation),
            significant(hit.duration_ms),
            hit.has_errors,
            hit.span_count,
            some_names(hit.clusters),
            hit.trace_id,
        )
        for hit in hits
    ]
    return columns, tuple(rows)


# --- one trace ------------------------------------------------------------------------------


def digest_trace(answer: "WholeTrace") -> Digest:
    """The critical path as the table, what explains it in the headline and the notes."""
    summary = answer.summary
    many = len(summary.clusters) > 1
    steps = [step for step in summary.critical_path if step.share >= LEAST_SHARE]
    steps = sorted(steps, key=lambda step: -step.share)[:MOST_STEPS]
    kept = [step for step in summary.critical_path if step in steps]
    columns = ("critical path", *(("cluster",) if many else ()), "calls", "self ms", "%", "failed")
    rows = tuple(
        (
            _named(step.service_name, step.operation_name),
            *((step.cluster_name,) if many else ()),
            step.count,
            significant(step.self_ms),
            round(100 * step.share),
            step.errors or None,
        )
        for step in kept
    )
    return Digest(
        headline=_trace_headline(answer),
        columns=columns,
        rows=rows,
        coverage=traces_coverage(answer.coverage),
        as_of=answer.as_of,
        notes=tuple(_notes(answer)),
    )


def _trace_headline(answer: "WholeTrace") -> str:
    name = fenced(_named(answer.root_service, answer.root_operation))
    comparison = answer.comparison
    took = f"{name} took {shown_ms(answer.duration_ms)} at {answer.start_time:%m-%dT%H:%M:%SZ}"
    if comparison is not None:
        took += f", {_against(answer.duration_ms, comparison.normal_ms)}"
    parts = [took]
    failing = answer.summary.failing
    if failing:
        parts.append(f"failed at {_reason(failing[0])}")
    top = max(answer.summary.critical_path, key=lambda step: step.share, default=None)
    if top is not None:
        where = fenced(_named(top.service_name, top.operation_name))
        calls = f" ({top.count} calls)" if top.count > 1 else ""
        parts.append(f"most of its time went into {where}{calls}, {top.share:.0%}")
    return "; ".join(parts) + "."


def _against(took: float, normal: float) -> str:
    if normal <= 0:
        return "normal is 0 ms"
    factor = took / normal
    if factor >= WORTH_A_FACTOR:
        return f"{factor:.3g}x the normal {shown_ms(normal)}"
    if factor <= 1 / WORTH_A_FACTOR:
        return f"less than the normal {shown_ms(normal)}"
    return f"as usual ({shown_ms(normal)})"


def _reason(span: NotableSpan) -> str:
    where = fenced(_named(span.service_name, span.operation_name))
    times = f" x{span.count}" if span.count > 1 else ""
    said = f": {fenced(cut_text(span.message, MOST_MESSAGE))}" if span.message else ""
    return f"{where}{times}{said}"


def _notes(answer: "WholeTrace") -> Iterable[str]:
    summary = answer.summary
    yield from _failures(summary.failing)
    for each in summary.repeated[:3]:
        yield _repetition(each)
    comparison = answer.comparison
    if comparison is not None:
        told = [text for each in comparison.differences if (text := _difference(each))][:4]
        plural = "s" if comparison.compared > 1 else ""
        against = f"{comparison.compared} normal trace{plural} of {comparison.until:%m-%dT%H:%MZ}"
        yield f"against {against}: {'; '.join(told) if told else 'nothing differs much'}"
    yield _extent(answer)
    yield from _doubts(answer)


def _failures(failing: Sequence[NotableSpan]) -> Iterable[str]:
    """Beside the first one, which stands in the headline."""
    origins = [span for span in failing[1:] if not span.passed_on]
    if origins:
        yield f"also failed: {'; '.join(_reason(span) for span in origins[:3])}"
    passing = [_named(span.service_name, span.operation_name) for span in failing if span.passed_on]
    names = list(dict.fromkeys(passing))
    if names and not failing[0].passed_on:
        rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
        yield f"the failure was passed on by {fenced(', '.join(names[:4]))}{rest}"


def _repetition(each: Repetition) -> str:
    caller = fenced(_named(each.parent_service, each.parent_operation))
    called = fenced(_named(each.service_name, each.operation_name))
    how = "in parallel" if each.shape is CallShape.PARALLEL else "one after the other"
    return f"{caller} calls {called} {each.count}x {how}, {each.share:.0%} of the time"


def _difference(each: Difference) -> str | None:
    """In words; None where a failure is all there is, which was told already."""
    name = fenced(_named(each.service_name, each.operation_name))
    here, normal = shown_ms(each.self_ms), shown_ms(each.normal_self_ms)
    match each.kind:
        case DifferenceKind.FAILS_HERE if not each.normal_count:
            return f"{name} only here ({here})"
        case DifferenceKind.FAILS_HERE:
            is_slower = each.self_ms >= max(WORTH_A_FACTOR * each.normal_self_ms, 1.0)
            return f"{name} {here} not {normal}" if is_slower else None
        case DifferenceKind.ONLY_HERE:
            calls = f"{each.count} calls, " if each.count > 1 else ""
            return f"{name} only here ({calls}{here})"
        case DifferenceKind.MISSING_HERE:
            return f"{name} missing here"
        case DifferenceKind.MORE_CALLS:
            return f"{name} {each.count} calls not {each.normal_count:g}, {here} not {normal}"
        case DifferenceKind.SLOWER:
            return f"{name} {here} not {normal}"


def _extent(answer: "WholeTrace") -> str:
    clusters = answer.summary.clusters
    places = f"{len(clusters)} clusters ({some_names(clusters)})"
    if len(clusters) < 2:
        places = "".join(clusters)
    kind = "service" if answer.service_count == 1 else "services"
    failed = answer.summary.failing_count
    return f"{answer.span_count} spans of {answer.service_count} {kind} in {places}" + (
        f", {failed} failed" if failed else ""
    )


def _doubts(answer: "WholeTrace") -> Iterable[str]:
    """What is not sure about the picture."""
    summary = answer.summary
    if summary.skews:
        told = ", ".join(f"{one.cluster_name} {one.offset_ms:+.0f} ms" for one in summary.skews[:4])
        yield f"clocks were corrected so that calls lie within their callers: {told}"
    if summary.missing_parents:
        yield (
            f"{summary.missing_parents} spans name a parent that nobody has: "
            f"{summary.roots} roots, {shown_ms(summary.untraced_ms)} in no span"
        )
    elif summary.roots > 1:
        yield f"{summary.roots} roots, {shown_ms(summary.untraced_ms)} in no span"
    if summary.cycles:
        yield f"{summary.cycles} rings of parents were cut"
    if summary.outlive_root:
        yield f"{summary.outlive_root} spans end after the root: work that nobody waited for"
    if answer.partial:
        yield f"incomplete: {fenced('; '.join(cut_text(each, 120) for each in answer.partial))}"
    if answer.broken:
        yield f"{answer.broken} spans could not be read"

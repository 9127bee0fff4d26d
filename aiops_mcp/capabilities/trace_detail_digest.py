"""One trace made small: why it was slow or failed, sentence by sentence.

Pure. Names and messages were written by clusters: in sentences they stand `fenced`.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import significant
from aiops_mcp.capabilities.traces_digest import (
    cut_text,
    operation_text,
    shown_ms,
    some_names,
    traces_coverage,
)
from aiops_mcp.models.digest import Digest, fenced
from aiops_mcp.models.traces import (
    CallShape,
    Difference,
    DifferenceKind,
    NotableSpan,
    Repetition,
)

if TYPE_CHECKING:
    from aiops_mcp.capabilities.trace_detail import WholeTrace

MOST_STEPS = 7
LEAST_SHARE = 0.01
MOST_MESSAGE = 160
WORTH_A_FACTOR = 1.5


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
            operation_text(step.service_name, step.operation_name),
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
    name = fenced(operation_text(answer.root_service, answer.root_operation))
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
        where = fenced(operation_text(top.service_name, top.operation_name))
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
    where = fenced(operation_text(span.service_name, span.operation_name))
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
    passing = [
        operation_text(span.service_name, span.operation_name) for span in failing if span.passed_on
    ]
    names = list(dict.fromkeys(passing))
    if names and not failing[0].passed_on:
        rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
        yield f"the failure was passed on by {fenced(', '.join(names[:4]))}{rest}"


def _repetition(each: Repetition) -> str:
    caller = fenced(operation_text(each.parent_service, each.parent_operation))
    called = fenced(operation_text(each.service_name, each.operation_name))
    how = "in parallel" if each.shape is CallShape.PARALLEL else "one after the other"
    return f"{caller} calls {called} {each.count}x {how}, {each.share:.0%} of the time"


def _difference(each: Difference) -> str | None:
    """In words; None where a failure is all there is, which was told already."""
    name = fenced(operation_text(each.service_name, each.operation_name))
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

"""Which spans of a trace a TraceQL query selects.

Conditions become closures once, so that hours of traces can be looked through. Attributes that a
span does not have compare as false with everything but ``nil``.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from statistics import fmean

from aiops_mcp.simulation.spans import Kind, Span, SpanSet, Status
from aiops_mcp.simulation.traceql_tree import (
    Aggregate,
    Attribute,
    Binary,
    Field,
    Intrinsic,
    Literally,
    Narrow,
    Query,
    Related,
    Spans,
    Unary,
    Value,
)


class TraceView:
    """One trace as conditions see it."""

    def __init__(self, spans: SpanSet) -> None:
        self.trace_id = spans.trace_id
        self.spans = spans.spans
        self.root = spans.root
        self._whole = spans

    @cached_property
    def duration(self) -> int:
        return self._whole.end_ns - self._whole.start_ns

    @cached_property
    def start_ns(self) -> int:
        return self._whole.start_ns

    @cached_property
    def by_id(self) -> Mapping[str, Span]:
        return {span.span_id: span for span in self.spans}

    @cached_property
    def children(self) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for span in self.spans:
            counts[span.parent_id] = counts.get(span.parent_id, 0) + 1
        return counts

    def parent(self, span: Span) -> Span | None:
        return self.by_id.get(span.parent_id) if span.parent_id else None

    def ancestors(self, span: Span) -> Iterable[Span]:
        seen = {span.span_id}
        above = self.parent(span)
        while above is not None and above.span_id not in seen:
            yield above
            seen.add(above.span_id)
            above = self.parent(above)


Read = Callable[[Span, TraceView], Value]

_INTRINSICS: Mapping[str, Read] = {
    "name": lambda span, _: span.name,
    "status": lambda span, _: span.status,
    "statusMessage": lambda span, _: span.message,
    "duration": lambda span, _: span.end_ns - span.start_ns,
    "kind": lambda span, _: span.kind,
    "span:id": lambda span, _: span.span_id,
    "span:parentID": lambda span, _: span.parent_id,
    "childCount": lambda span, trace: trace.children.get(span.span_id, 0),
    "rootName": lambda _, trace: trace.root.name if trace.root else None,
    "rootServiceName": lambda _, trace: trace.root.process.service if trace.root else None,
    "traceDuration": lambda _, trace: trace.duration,
    "trace:id": lambda _, trace: trace.trace_id,
    "event:name": lambda span, _: span.events[0].name if span.events else None,
}
_ORDERED: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPUTED: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": lambda one, other: one / other,
    "%": lambda one, other: one % other,
    "^": lambda one, other: float(one**other),
}
_COMPARED = {**_ORDERED, "=": operator.eq, "!=": operator.ne}


Pick = Callable[[TraceView], list[Span]]


class Matcher:
    """A query made ready to be put to many traces."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self._pick = _picker(query.spans)
        self._stages: list[Callable[[list[Span], TraceView], list[Span]]] = []
        for stage in query.stages:
            if isinstance(stage, Narrow):
                self._stages.append(_narrowing(_picker(stage.spans)))
            elif isinstance(stage, Aggregate):
                self._stages.append(_aggregating(stage))

    def select(self, trace: TraceView) -> list[Span]:
        """The spans of a trace that a query selects, in the trace's order; empty: no hit."""
        found = self._pick(trace)
        for stage in self._stages:
            if not found:
                break
            found = stage(found, trace)
        return found


def reader(field: Field) -> Read:
    """What gives the value of a field of a span."""
    match field:
        case Literally(value):
            return lambda _span, _trace: value
        case Intrinsic(name):
            return _INTRINSICS[name]
        case Attribute():
            return _attribute(field)
        case Unary(op, operand):
            return _unary(op, reader(operand))
        case Binary():
            return _binary(field)


def _attribute(field: Attribute) -> Read:
    name = field.name
    match field.scope:
        case "span":
            return lambda span, _: span.attributes.get(name)
        case "resource":
            return lambda span, _: span.process.resource.get(name)
        case "event":
            return lambda span, _: next(
                (event.attributes[name] for event in span.events if name in event.attributes), None
            )
        case "parent":
            return lambda span, trace: (
                above.attributes.get(name, above.process.resource.get(name))
                if (above := trace.parent(span))
                else None
            )
        case "any":
            return lambda span, _: span.attributes.get(name, span.process.resource.get(name))


def _unary(op: str, operand: Read) -> Read:
    if op == "!":
        return lambda span, trace: operand(span, trace) is False

    def negative(span: Span, trace: TraceView) -> Value:
        value = _number(operand(span, trace))
        return None if value is None else -value

    return negative


def _binary(field: Binary) -> Read:
    left, right, op = reader(field.left), reader(field.right), field.op
    known = field.right.value if isinstance(field.right, Literally) else False
    if op == "&&":
        return lambda span, trace: left(span, trace) is True and right(span, trace) is True
    if op == "||":
        return lambda span, trace: left(span, trace) is True or right(span, trace) is True
    if op in _ORDERED:
        return _ordered(left, right, _ORDERED[op])
    return _computed(left, right, op) if op in _COMPUTED else _equality(left, right, op, known)


def _equality(left: Read, right: Read, op: str, known: Value) -> Read:
    wanted = not op.startswith("!")
    if op in ("=~", "!~"):
        return _matching(left, re.compile(str(known)), wanted=wanted)
    if known is None:
        return lambda span, trace: (left(span, trace) is None) is wanted
    return _equal(left, right, wanted=wanted)


def _matching(read: Read, pattern: re.Pattern[str], *, wanted: bool) -> Read:
    def matches(span: Span, trace: TraceView) -> Value:
        value = read(span, trace)
        return isinstance(value, str) and (pattern.fullmatch(value) is not None) is wanted

    return matches


def _equal(left: Read, right: Read, *, wanted: bool) -> Read:
    def equal(span: Span, trace: TraceView) -> Value:
        one, other = left(span, trace), right(span, trace)
        if one is None or other is None or _type(one) is not _type(other):
            return False
        return (one == other) is wanted

    return equal


def _ordered(left: Read, right: Read, compare: Callable[[float, float], bool]) -> Read:
    def ordered(span: Span, trace: TraceView) -> Value:
        one, other = left(span, trace), right(span, trace)
        if isinstance(one, int | float) and isinstance(other, int | float):
            return compare(one, other)
        return False

    return ordered


def _computed(left: Read, right: Read, op: str) -> Read:
    def computed(span: Span, trace: TraceView) -> Value:
        one, other = _number(left(span, trace)), _number(right(span, trace))
        try:
            return None if one is None or other is None else _COMPUTED[op](one, other)
        except (ArithmeticError, TypeError):
            return None

    return computed


def _type(value: Value) -> type:
    if isinstance(value, Status | Kind | bool):
        return type(value)
    return float if isinstance(value, int | float) else str


def _number(value: Value) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


# --- sets of spans ----------------------------------------------------------------------------


def _picker(spans: Spans) -> Pick:
    if isinstance(spans, Related):
        return _united(spans) if spans.op in ("&&", "||") else _relating(spans)
    if spans.condition is None:
        return lambda trace: list(trace.spans)
    holds = reader(spans.condition)
    return lambda trace: [span for span in trace.spans if holds(span, trace) is True]


def _united(spans: Related) -> Pick:
    one, other, needs_both = _picker(spans.left), _picker(spans.right), spans.op == "&&"

    def pick(trace: TraceView) -> list[Span]:
        left = one(trace)
        if needs_both and not left:
            return []
        right = other(trace)
        if needs_both and not right:
            return []
        either = {id(span) for span in (*left, *right)}
        return [span for span in trace.spans if id(span) in either]

    return pick


def _relating(spans: Related) -> Pick:
    one, other, negated = _picker(spans.left), _picker(spans.right), spans.op.startswith("!")
    related = _RELATED[spans.op.removeprefix("!")]

    def pick(trace: TraceView) -> list[Span]:
        left = one(trace)
        if not left and not negated:
            return []
        ids = {span.span_id for span in left}
        return [span for span in other(trace) if related(span, ids, left, trace) is not negated]

    return pick


def _narrowing(pick: Pick) -> Callable[[list[Span], TraceView], list[Span]]:
    def narrow(spans: list[Span], trace: TraceView) -> list[Span]:
        kept = {id(span) for span in pick(trace)}
        return [span for span in spans if id(span) in kept]

    return narrow


def _aggregating(stage: Aggregate) -> Callable[[list[Span], TraceView], list[Span]]:
    read = reader(stage.of or Intrinsic("duration"))

    def keep(spans: list[Span], trace: TraceView) -> list[Span]:
        return spans if _holds(stage, read, spans, trace) else []

    return keep


_Relates = Callable[[Span, set[str], Sequence[Span], TraceView], bool]
_RELATED: Mapping[str, _Relates] = {
    ">": lambda span, ids, _left, _trace: span.parent_id in ids,
    ">>": lambda span, ids, _left, trace: any(
        above.span_id in ids for above in trace.ancestors(span)
    ),
    "<": lambda span, _ids, left, _trace: any(one.parent_id == span.span_id for one in left),
    "<<": lambda span, _ids, left, trace: any(
        above.span_id == span.span_id for one in left for above in trace.ancestors(one)
    ),
    "~": lambda span, _ids, left, _trace: any(
        one.parent_id == span.parent_id and one is not span for one in left if one.parent_id
    ),
}


def _holds(stage: Aggregate, read: Read, spans: Sequence[Span], trace: TraceView) -> bool:
    if stage.function == "count":
        value = float(len(spans))
    else:
        numbers = [one for span in spans if (one := _number(read(span, trace))) is not None]
        if not numbers:
            return False
        reduce = {"avg": fmean, "min": min, "max": max, "sum": sum}[stage.function]
        value = float(reduce(numbers))
    return bool(_COMPARED[stage.op](value, stage.value))

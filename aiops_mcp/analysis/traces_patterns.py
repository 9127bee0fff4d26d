"""Calls that repeat within a trace: N+1 queries, retries, fan-out. Pure."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiops_mcp.analysis.traces_assembly import AssembledTrace
from aiops_mcp.analysis.traces_path import covered
from aiops_mcp.models.spans import SpanRecord

MIN_REPEATS: Final = 5
"""Fewer calls of one operation by one span are nothing special."""

PARALLEL_FROM: Final = 1.5
"""As many calls run at a time, on average, when one calls them parallel."""

MOST_NAME = 120
_STATEMENTS = ("db.query.text", "db.statement")
_GENERIC = frozenset({"query", "execute", "select", "insert", "update", "delete", "db.query"})
_VARYING = re.compile(
    r"'(?:[^']|'')*'"  # what stands in quotes
    r"|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b"  # UUIDs
    r"|\b(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{12,}\b"  # long hex
    r"|(?<![\w.])\d+(?:\.\d+)?(?![\w.])"  # numbers standing alone
)


@dataclass(frozen=True, slots=True)
class Repeated:
    """``parent`` called the ``indices``; ``busy_ns`` of the trace's time at least one ran."""

    parent: int
    service: str
    name: str
    indices: tuple[int, ...]
    busy_ns: int
    total_ns: int

    @property
    def is_parallel(self) -> bool:
        return self.busy_ns > 0 and self.total_ns / self.busy_ns >= PARALLEL_FROM


def call_name(span: SpanRecord) -> str:
    """What a span does, without what differs from call to call: ``SELECT … WHERE id = ?``.

    Where the name says only that there was a query, the query stands for it.
    """
    name = span.name
    if name.lower() in _GENERIC:
        name = next((str(span.attributes[k]) for k in _STATEMENTS if span.attributes.get(k)), name)
    # Most names hold nothing that varies, which a look for a digit or a quote tells at once.
    if any(char.isdigit() or char == "'" for char in name):
        name = _VARYING.sub("?", name)
    name = " ".join(name.split())
    return name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 1]}…"


def call_names(spans: Sequence[SpanRecord]) -> list[str]:
    """`call_name` of each."""
    known: dict[str, str] = {}
    names: list[str] = []
    for span in spans:
        if span.name.lower() in _GENERIC:
            names.append(call_name(span))
            continue
        name = known.get(span.name)
        if name is None:
            name = known[span.name] = call_name(span)
        names.append(name)
    return names


def repetitions(trace: AssembledTrace, names: Sequence[str]) -> list[Repeated]:
    """Operations that one span calls at least `MIN_REPEATS` times, those that took longest first.

    ``names`` are those of `call_names`, by span.
    """
    found: list[Repeated] = []
    for parent, below in enumerate(trace.children):
        if len(below) < MIN_REPEATS:
            continue
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for each in below:
            groups[trace.spans[each].service, names[each]].append(each)
        found += [
            _repeated(trace, parent, service, name, indices)
            for (service, name), indices in groups.items()
            if len(indices) >= MIN_REPEATS
        ]
    return sorted(found, key=lambda each: -each.busy_ns)


def _repeated(
    trace: AssembledTrace, parent: int, service: str, name: str, indices: list[int]
) -> Repeated:
    intervals = [(trace.starts[each], trace.end(each)) for each in indices]
    busy = covered(intervals, intervals[0][0], max(stop for _, stop in intervals))
    total = sum(trace.spans[each].duration_ns for each in indices)
    return Repeated(parent, service, name, tuple(indices), busy, total)

"""Lines of one session, trace or request as sequences, and those unlike normal ones. Pure.

Sequences of the time before are the normal ones. What began before the time that was read, or may
not have ended, is cut off and not judged. A pod's lines have no end, so they are no sequence. Knows
neither how lines were read nor who asks.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiops_mcp.analysis.logpatterns_template import Template
from aiops_mcp.analysis.logsequences import SequenceModel
from aiops_mcp.models.log_patterns import LogSequence
from aiops_mcp.models.logs import LogEntry
from aiops_mcp.models.nanoseconds import SECOND, to_datetime

FEWEST: Final = 20
"""Of fewer normal sequences none is said to be unusual."""
MOST_KEYS: Final = 5_000
MOST_EVENTS: Final = 200
"""Of one sequence; what follows is left out."""
MOST_TOLD: Final = 10
MOST_WHY: Final = 3
EDGE_SECONDS: Final = 30.0
"""What begins or ends so near to the edge of the time that was read may be cut off."""
NAME_LENGTH: Final = 70
UNUSUAL: Final = 0.6
"""Half as far again as the limit: beyond the limit itself is one in as many as were learnt from."""

_FIELDS: Final = {
    "session": ("session_id", "sessionid", "session", "sid"),
    "trace": ("trace_id", "traceid", "traceID", "trace"),
    "request": ("request_id", "requestid", "req_id", "correlation_id"),
}
_IN_TEXT: Final = {
    what: re.compile(
        rf"\b(?:{what}[_-]?id)[\"']?\s*[=:]\s*[\"']?([0-9A-Za-z][0-9A-Za-z-]{{5,63}})",
        re.IGNORECASE | re.ASCII,
    )
    for what in _FIELDS
}
_SEARCHED: Final = 4_000
"""Characters of a line in which a key is looked for."""


@dataclass(slots=True)
class _Sequence:
    of: str
    cluster: str
    part: int
    began: int
    ended: int
    events: list[Template] = field(default_factory=list[Template])


def key_of(entry: LogEntry) -> tuple[str, str] | None:
    """What a line belongs to and its name: of session, trace and request the first it has."""
    told = {**entry.stream, **entry.metadata}
    for what, names in _FIELDS.items():
        for name in names:
            if value := told.get(name):
                return what, value
        if found := _IN_TEXT[what].search(entry.message, 0, _SEARCHED):
            return what, found[1]
    return None


class SequenceBook:
    """Collects lines in the order of their time; memory is bounded by keys times events."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], _Sequence] = {}
        self.left_out = 0

    def add(self, entry: LogEntry, template: Template, part: int) -> None:
        found = key_of(entry)
        if found is None:
            return
        of, name = found
        key = (of, name, entry.cluster_name)
        sequence = self._open.get(key)
        if sequence is None:
            if len(self._open) >= MOST_KEYS:
                self.left_out += 1
                return
            began = entry.timestamp
            sequence = _Sequence(of, entry.cluster_name, part, began, began)
            self._open[key] = sequence
        sequence.ended = entry.timestamp
        if len(sequence.events) < MOST_EVENTS:
            sequence.events.append(template)

    def unusual(
        self, baseline_parts: int, cut: Iterable[int], *, since: int, until: int
    ) -> tuple[list[LogSequence], int]:
        """Those of the later parts that differ, the most unusual first, and how many were judged.

        ``cut`` are parts of which not all lines were read: sequences in them are incomplete.
        """
        unread = frozenset(cut)
        first, last = since + int(EDGE_SECONDS * SECOND), until - int(EDGE_SECONDS * SECOND)
        by_kind: dict[str, list[tuple[str, _Sequence]]] = {}
        for key, one in self._open.items():
            if one.part not in unread and one.began >= first and one.ended <= last:
                by_kind.setdefault(one.of, []).append((key[1], one))
        found: list[LogSequence] = []
        judged = 0
        for every in by_kind.values():
            normal = [one for _, one in every if one.part < baseline_parts]
            later = [(name, one) for name, one in every if one.part >= baseline_parts]
            if len(normal) >= FEWEST and later:
                judged += len(later)
                found += _unusual(normal, later)
        found.sort(key=lambda each: (-each.score, each.began, each.key))
        return found[:MOST_TOLD], judged


def _unusual(
    normal: Sequence[_Sequence], later: Sequence[tuple[str, _Sequence]]
) -> list[LogSequence]:
    model = SequenceModel([_events(one) for one in normal])
    found: list[LogSequence] = []
    for name, one in later:
        verdict = model.judge(_events(one))
        if verdict.score >= UNUSUAL:
            found.append(
                LogSequence(
                    key=name,
                    of=one.of,
                    cluster_name=one.cluster,
                    began=to_datetime(one.began),
                    lines=len(one.events),
                    score=round(verdict.score, 4),
                    why=tuple(each.text for each in verdict.novelties[:MOST_WHY]),
                )
            )
    return found


def _events(one: _Sequence) -> tuple[str, ...]:
    return tuple(event.now().text[:NAME_LENGTH] for event in one.events)

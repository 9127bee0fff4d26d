"""Kinds of log lines of the fleet over a window, against the window before.

Both windows are read in parts (`log_parts`) and folded as they come (`log_folding`). Clusters that
answered for some parts only are told but not compared: what they lack says nothing. Knows no
operation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiops_mcp.analysis.logbaseline import (
    ChangeKind,
    Counts,
    PatternChange,
    compare,
    rare_patterns,
)
from aiops_mcp.analysis.loglevels import LogLevel
from aiops_mcp.fleet.log_folding import LineFolder, Pattern
from aiops_mcp.fleet.log_parts import Part, PartsRead, parts_of, read_parts
from aiops_mcp.fleet.log_sequences import SequenceBook, key_of
from aiops_mcp.fleet.logs import FleetLogs, LogRange
from aiops_mcp.models.log_patterns import LogPattern, LogPatternAnswer, PatternVerdict
from aiops_mcp.models.logs import LogEntry
from aiops_mcp.models.nanoseconds import SECOND, to_datetime, to_ns
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

PARTS: Final = 6
"""Of a window: enough to see when something began, few enough to ask one after the other."""
MOST_PATTERNS: Final = 500
LEAST_COVERED: Final = 0.999
EXAMPLE_LENGTH: Final = 1_000
FALSE_SHARE: Final = 0.05
"""One in twenty told changes may be chance: who looks for a cause reads a few too many gladly."""

_VERDICTS: Final[Mapping[ChangeKind, PatternVerdict]] = {
    ChangeKind.NEW: PatternVerdict.NEW,
    ChangeKind.MORE: PatternVerdict.MORE,
    ChangeKind.VANISHED: PatternVerdict.VANISHED,
    ChangeKind.LESS: PatternVerdict.LESS,
}
_ORDER: Final = [*PatternVerdict, None]


@dataclass(frozen=True, slots=True)
class PatternSearch:
    """``until`` ends the window of ``seconds``; the baseline of ``baseline`` seconds is before."""

    query: str
    until: datetime
    seconds: float
    baseline: float
    clusters: tuple[str, ...] = ()
    most_lines: int = 12_000


async def find_patterns(
    logs: FleetLogs,
    search: PatternSearch,
    *,
    principal: Principal,
    progress: Progress = no_progress,
) -> LogPatternAnswer:
    """The kinds of lines and how they changed.

    Raises:
        As `FleetLogs.query`: what both windows together cover must be allowed.
    """
    end = to_ns(search.until)
    middle = end - int(search.seconds * SECOND)
    start = middle - int(search.baseline * SECOND)
    await logs.check(
        search.query, selection=search.clusters, principal=principal, within=LogRange(start, end)
    )
    parts = [*parts_of(start, middle, PARTS), *parts_of(middle, end, PARTS)]
    folder, book = LineFolder(), SequenceBook()

    def take(entry: LogEntry, place: int) -> None:
        book.add(entry, folder.add(entry, place), place)

    read = await read_parts(
        logs,
        search.query,
        parts,
        take,
        selection=search.clusters,
        principal=principal,
        most_lines=search.most_lines,
        progress=progress,
    )
    found = _Folded(folder.patterns(), parts, read)
    cut = [place for place, part in enumerate(parts) if not _is_whole(part, read, place)]
    sequences, judged = book.unusual(PARTS, cut, since=start, until=end)
    patterns = found.told()
    return LogPatternAnswer(
        query=search.query,
        since=to_datetime(middle),
        until=search.until,
        baseline_since=to_datetime(start),
        lines=sum(read.lines[PARTS:]),
        baseline_lines=sum(read.lines[:PARTS]),
        window_seconds=search.seconds,
        read_seconds=round(sum(read.covered[PARTS:]), 3),
        baseline_read_seconds=round(sum(read.covered[:PARTS]), 3),
        part_seconds=parts[-1].seconds,
        patterns=tuple(patterns[:MOST_PATTERNS]),
        sequences=tuple(sequences),
        sequences_judged=judged,
        notes=tuple(_notes(read, len(patterns), book.left_out)),
        coverage=read.coverage,
        as_of=search.until,
    )


def _is_whole(part: Part, read: PartsRead, place: int) -> bool:
    return read.covered[place] >= LEAST_COVERED * part.seconds


class _Folded:
    """Kinds of lines with their counts in the parts, those of the baseline first."""

    def __init__(self, patterns: Sequence[Pattern], parts: Sequence[Part], read: PartsRead) -> None:
        self._patterns = {str(place): pattern for place, pattern in enumerate(patterns)}
        self._parts = parts
        self._read = read

    def told(self) -> list[LogPattern]:
        """Graver ones first; of those the changed ones, then the frequent ones."""
        baseline, current = self._counts(0), self._counts(PARTS)
        comparable = baseline.seconds > 0 and current.seconds > 0 and any(self._read.lines[:PARTS])
        told = compare(baseline, current, false_share=FALSE_SHARE) if comparable else []
        changes = {one.pattern: one for one in told}
        grave = [key for key, pattern in self._patterns.items() if pattern.level >= LogLevel.ERROR]
        totals = {key: current.total(key) for key in self._patterns}
        rare = {one.pattern for one in rare_patterns(totals, grave)}
        patterns = [self._told(key, changes.get(key), key in rare, baseline, current)
                for key in self._patterns]  # fmt: skip
        return sorted(patterns, key=_urgency)

    def _counts(self, first: int) -> Counts:
        """Steps are as long as what was read of a part on average, so that rates compare."""
        seconds = sum(self._read.covered[first : first + PARTS])
        of: dict[str, list[int]] = {}
        for key, pattern in self._patterns.items():
            for (cluster, part), count in pattern.parts.items():
                if first <= part < first + PARTS and cluster not in self._read.unsteady:
                    of.setdefault(key, [0] * PARTS)[part - first] += count
        return Counts(float(first), seconds / PARTS, PARTS, of)

    def _told(
        self,
        key: str,
        change: PatternChange | None,
        is_rare: bool,
        baseline: Counts,
        current: Counts,
    ) -> LogPattern:
        pattern = self._patterns[key]
        counts = [0] * (2 * PARTS)
        for (_, part), count in pattern.parts.items():
            counts[part] += count
        verdict = _VERDICTS[change.kind] if change is not None else None
        if verdict is None and is_rare:
            verdict = PatternVerdict.RARE
        share = current.seconds / baseline.seconds if baseline.seconds else 0.0
        found = key_of(pattern.example)
        return LogPattern(
            id=pattern.template.id,
            template=pattern.template.text[:EXAMPLE_LENGTH],
            level=pattern.level.name,
            count=sum(counts[PARTS:]),
            counts=tuple(counts[PARTS:]),
            baseline=sum(counts[:PARTS]),
            expected=round(sum(counts[:PARTS]) * share, 2),
            verdict=verdict,
            probability=change.probability if change is not None else None,
            began=self._began(change, pattern, current) if change is not None else None,
            clusters=dict(pattern.clusters),
            places=dict(pattern.places),
            first=to_datetime(pattern.first),
            last=to_datetime(pattern.last),
            example=pattern.example.message[:EXAMPLE_LENGTH],
            example_cluster=pattern.example.cluster_name,
            trace_id=found[1] if found is not None and found[0] == "trace" else None,
        )

    def _began(self, change: PatternChange, pattern: Pattern, current: Counts) -> datetime:
        """The begin of the part where the change shows, or the first line if that came later."""
        if change.kind is ChangeKind.VANISHED:
            return to_datetime(pattern.last)
        place = round((change.began - current.begin) / current.step)
        start = self._parts[min(PARTS + place, 2 * PARTS - 1)].start
        return to_datetime(max(start, pattern.first))


def _urgency(one: LogPattern) -> tuple[int, int, int, str]:
    level = LogLevel[one.level]
    grave = -level if level >= LogLevel.WARNING else 0
    return grave, _ORDER.index(one.verdict), -max(one.count, one.baseline), one.id


def _notes(read: PartsRead, patterns: int, sequences_left_out: int) -> list[str]:
    notes = list(read.warnings)
    if read.unsteady:
        names = ", ".join(sorted(read.unsteady))
        notes.append(f"answered for a part of the time only, so not compared: {names}")
    if read.folded:
        notes.append(f"{read.folded} exact duplicates folded")
    if patterns > MOST_PATTERNS:
        notes.append(f"{patterns - MOST_PATTERNS} more patterns are not told")
    if sequences_left_out:
        notes.append(f"{sequences_left_out} lines of more sessions than are held were not judged")
    return notes

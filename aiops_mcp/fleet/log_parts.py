"""Reads lines of a long time in parts, so that none of it has more weight than another.

Of each part the newest lines are read, up to a share of all; how much of it they cover is told.
Lines are handed on and let go of. Knows nothing of patterns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.fleet.logs import MAX_LIMIT, FleetLogs, LogRange
from aiops_mcp.models.coverage import ClusterFailure, Coverage
from aiops_mcp.models.logs import LogAnswer, LogDirection, LogEntry
from aiops_mcp.models.nanoseconds import SECOND
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress


@dataclass(frozen=True, slots=True)
class Part:
    """From ``start`` until before ``end``, nanoseconds."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / SECOND


def parts_of(start: int, end: int, count: int) -> list[Part]:
    """Equal parts of a time, in its order."""
    edges = [start + (end - start) * place // count for place in range(count + 1)]
    return [Part(begin, until) for begin, until in pairwise(edges)]


def _nobody() -> Coverage:
    return Coverage(queried=0, succeeded=0)


@dataclass(slots=True)
class PartsRead:
    """What was read: ``covered`` seconds of each part, ``lines`` of each.

    ``unsteady`` are clusters that answered for some parts and not for others: what they lack says
    nothing. ``folded`` lines were copies.
    """

    covered: list[float]
    lines: list[int]
    unsteady: set[str] = field(default_factory=set[str])
    warnings: dict[str, None] = field(default_factory=dict[str, None])
    folded: int = 0
    coverage: Coverage = field(default_factory=_nobody)


async def read_parts(
    logs: FleetLogs,
    query: str,
    parts: Sequence[Part],
    take: Callable[[LogEntry, int], object],
    *,
    selection: Sequence[str],
    principal: Principal,
    most_lines: int,
    progress: Progress,
) -> PartsRead:
    """Read the parts one after the other and hand each line to ``take`` with its part's place.

    Raises:
        AiopsError: as `FleetLogs.query` where the question cannot be, or no part was answered.
    """
    read = PartsRead([0.0] * len(parts), [0] * len(parts))
    told: list[Coverage] = []
    error: AiopsError | None = None
    limit = max(1, min(MAX_LIMIT, most_lines // len(parts)))
    for place, part in enumerate(parts):
        await progress(place, len(parts), f"{place} of {len(parts)} parts of the time")
        within = LogRange(part.start, part.end, limit=limit, direction=LogDirection.BACKWARD)
        try:
            answer = await logs.query(
                query, selection=selection, principal=principal, within=within
            )
        except InputError:
            raise  # what is wrong with the question is so for each part
        except AiopsError as failed:
            error = failed
            read.warnings[f"a part of the time could not be read: {failed.message}"] = None
            continue
        _take(answer, part, place, read, take)
        told.append(answer.coverage)
    if not told and error is not None:
        raise error
    read.coverage = joined(told)
    return read


def _take(
    answer: LogAnswer,
    part: Part,
    place: int,
    read: PartsRead,
    take: Callable[[LogEntry, int], object],
) -> None:
    # Oldest first, so that what belongs together is taken in its order.
    for entry in reversed(answer.entries):
        take(entry, place)
    cut = answer.truncated and answer.entries
    begin = answer.entries[-1].timestamp if cut else part.start
    read.covered[place] = max(0.0, (part.end - begin) / SECOND)
    read.lines[place] = len(answer.entries)
    read.folded += answer.duplicates_folded
    read.unsteady |= {failure.cluster_name for failure in answer.coverage.failures}
    for text in answer.warnings:
        if text != "PARTIAL_RESULTS":
            read.warnings[text] = None


def joined(told: Sequence[Coverage]) -> Coverage:
    """One coverage of several questions: who failed one failed."""
    if not told:
        return _nobody()
    failures: dict[str, ClusterFailure] = {}
    for one in told:
        for failure in one.failures:
            failures.setdefault(failure.cluster_name, failure)
    widest = max(told, key=lambda one: one.queried)
    return widest.model_copy(
        update={
            "failures": tuple(failures.values()),
            "succeeded": max(0, widest.queried - len(failures)),
        }
    )

"""Kinds of log lines over a window, and how they differ from a window before."""

from enum import StrEnum

from pydantic import Field

from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp


class PatternVerdict(StrEnum):
    """How a kind of line differs from the baseline. RARE: an error that hardly ever comes."""

    NEW = "new"
    MORE = "more"
    RARE = "rare"
    VANISHED = "vanished"
    LESS = "less"


class LogPattern(Entity):
    """One kind of line.

    ``id`` depends on ``template`` alone and is the same in each call. ``counts`` are lines in each
    part of the window, ``baseline`` those read of the window before, ``expected`` what these
    foretell for ``count``. ``began`` is where a change first shows.
    """

    id: str
    template: str
    level: str
    count: int
    counts: tuple[int, ...] = ()
    baseline: int = 0
    expected: float = 0.0
    verdict: PatternVerdict | None = None
    probability: float | None = None
    began: Timestamp | None = None
    clusters: dict[str, int] = Field(default_factory=dict)
    places: dict[str, int] = Field(default_factory=dict)
    first: Timestamp
    last: Timestamp
    example: str
    example_cluster: str
    trace_id: str | None = None


class LogSequence(Entity):
    """Lines of one session, trace or request in an order or number that normal ones do not have."""

    key: str
    of: str
    cluster_name: str
    began: Timestamp
    lines: int
    score: float
    why: tuple[str, ...]


class LogPatternAnswer(Entity):
    """Graver patterns first, of equal ones those that changed.

    ``read_seconds`` of ``window_seconds`` were read (and likewise of the baseline): the rest had
    more lines than may be read. ``sequences_judged`` counts those that were compared.
    """

    query: str
    since: Timestamp
    until: Timestamp
    baseline_since: Timestamp
    lines: int
    baseline_lines: int
    window_seconds: float
    read_seconds: float
    baseline_read_seconds: float
    part_seconds: float
    patterns: tuple[LogPattern, ...] = ()
    sequences: tuple[LogSequence, ...] = ()
    sequences_judged: int = 0
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp

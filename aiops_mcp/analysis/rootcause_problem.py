"""The nouns of a root-cause question and its answer. Knows no metric, no cluster and no clock.

A **problem** is what was measured (signals), who depends on whom (edges), what else was seen
(evidence of logs, calls, changes, alerts, events) and when something was noticed. A **ranking** is
the answer: causes, likeliest first, each with what speaks for it, against it, and what is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class SignalKind(StrEnum):
    """What a signal says, and with it which direction is bad.

    Latency, errors and saturation (queues, throttling, pressure) are bad when they rise, success (a
    share of what succeeded, an availability) when it falls; the others in either direction.
    ``WAITING`` is how a caller's own calls fare (their time, the share that fails), so it speaks of
    those it calls, and is bad when it rises;
    ``MEMORY`` is the resource whose growth costs others (collecting, paging); traffic is work that
    flows: requests, bytes, system calls.
    """

    LATENCY = "latency"
    WAITING = "waiting"
    ERRORS = "errors"
    SUCCESS = "success"
    TRAFFIC = "traffic"
    SATURATION = "saturation"
    RESOURCE = "resource"
    MEMORY = "memory"
    OTHER = "other"


class Relation(StrEnum):
    """How the source of an edge depends on its target."""

    CALLS = "calls"
    RUNS_ON = "runs_on"
    OWNS = "owns"
    USES = "uses"


class EvidenceKind(StrEnum):
    """Where an observation that is no metric comes from."""

    LOG = "log"
    CALL = "call"
    TRACE = "trace"
    CHANGE = "change"
    ALERT = "alert"
    EVENT = "event"


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """One series of one component: Unix seconds and values, in any order, NaN where empty.

    Several series of one metric (replicas) may carry the same component: the most deviating speaks.
    ``callee`` names whom the calls go to, where a waiting signal tells them apart. What is bad when
    it falls, and is no share of successes, is given negated.
    """

    component: str
    metric: str
    kind: SignalKind
    times: Vector
    values: Vector
    callee: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """``source`` depends on ``target``: it calls it, runs on it, owns it or uses it."""

    source: str
    target: str
    relation: Relation = Relation.CALLS


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something seen at one component that is no metric.

    ``strength`` counts in robust deviations, like a signal's: 0 is nothing, 3 could be chance, 10
    is clear. ``began`` in Unix seconds where it is known. ``name`` says what was seen in a word
    that rules can match ("OOMKilled", "new template"); ``text`` says it to a reader.
    """

    component: str
    kind: EvidenceKind
    strength: float
    began: float | None = None
    text: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is to be explained.

    ``signals`` reach from well before ``when`` (their normal) to the end of what is looked at.
    ``when`` is when it was noticed, in Unix seconds; it may be late. ``target`` is the component
    and the metric whose objective is violated, where that is known. ``looked_at`` names the kinds
    of evidence that were sought, so that none of a kind can mean that there is none.
    """

    signals: Sequence[Signal]
    when: float
    edges: Sequence[Edge] = ()
    evidence: Sequence[Evidence] = ()
    target: tuple[str, str] | None = None
    looked_at: frozenset[EvidenceKind] = frozenset()


class Clue(StrEnum):
    """What one item of a cause's evidence says."""

    DEVIATES = "deviates"
    GONE = "its series ended"
    EARLY = "began first"
    LATE = "began later than others"
    OLD = "was so before"
    TOO_LATE = "a change after it began"
    UPSTREAM = "the target depends on it"
    UNRELATED = "the target does not depend on it"
    UNEXPLAINED = "its own dependencies are well"
    EXPLAINED = "explained by a dependency"
    KEPT_WAITING = "its callers wait and their other callees are not slow"
    ASKED_LESS = "its callees get less to do and it does not"
    MOVES_WITH_TARGET = "moves with the target"
    LOG = "log"
    CALL = "call"
    TRACE = "trace"
    CHANGE = "change"
    ALERT = "alert"
    EVENT = "event"
    NO_METRICS = "no metrics"
    NO_LOGS = "logs were not looked at"
    NO_CALLS = "calls and traces were not looked at"
    NO_CHANGES = "changes were not looked at"
    NO_EDGES = "no dependencies known"
    SHORT_BASELINE = "too little before to know what is normal"


@dataclass(frozen=True, slots=True)
class ClueItem:
    """One item: what it says, about which metric or component, how much, and in words if any.

    ``amount`` is in robust deviations (signed where a metric deviates), seconds (early, late, too
    late), edges
    (upstream) or a correlation (moves with the target), as ``clue`` says.
    """

    clue: Clue
    about: str = ""
    amount: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """One component that may have caused it, with the metric that says so most ("" for none).

    ``score`` orders causes of one ranking; ``began`` is in Unix seconds.
    """

    component: str
    metric: str
    score: float
    began: float | None
    evidence_for: tuple[ClueItem, ...] = ()
    evidence_against: tuple[ClueItem, ...] = ()
    missing: tuple[ClueItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """Causes, likeliest first; ``reason_if_empty`` says why there is none.

    ``onset`` is when the likeliest began as the data tell it, in Unix seconds.
    """

    causes: tuple[Cause, ...]
    reason_if_empty: str = ""
    onset: float | None = None

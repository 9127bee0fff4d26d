"""Sequences of events that differ from normal ones: a request, a task, a block of storage. Pure.

What is new in a sequence is what counts: Landauer, Skopik and Wurzenberger ("A Critical Review of
Common Log Data Sets Used for Evaluation of Sequence-based Anomaly Detection Techniques", FSE 2024)
find that unseen events, unseen pairs and unseen count vectors do as well as recurrent networks.
Here each novelty weighs as much as it surprises: a new follower by the Good-Turing estimate of how
often that event has new ones (Gale and Sampson, "Good-Turing frequency estimation without tears",
1995), another count by how often normal sequences differ from one another in that event. What sum
is too much is found by cross-validation over the normal sequences. Knows nothing of lines.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BEGIN: Final = "begin"
END: Final = "end"
_FOLDS: Final = 5
_MOST_VECTORS: Final = 1000
_CELLS: Final = 4_000_000
_Event = tuple[str, str]
_Edge: Final = "edge"
_Seen: Final = "seen"


@dataclass(frozen=True, slots=True)
class Novelty:
    """One thing that is new in a sequence, and its surprise in nats."""

    surprise: float
    text: str


@dataclass(frozen=True, slots=True)
class SequenceVerdict:
    """``score``: 0 where nothing is new, 0.5 at the limit, towards 1 beyond."""

    score: float
    surprise: float
    novelties: tuple[Novelty, ...]

    @property
    def is_anomalous(self) -> bool:
        return self.score >= 0.5


class SequenceModel:
    """What normal sequences are like. ``false_share``: of normal ones to be called anomalous."""

    def __init__(self, normal: Iterable[Sequence[str]], *, false_share: float = 0.002) -> None:
        """Learn from normal sequences.

        Raises:
            ValueError: there is none.
        """
        # In one order, whatever they came in: ties are broken and folds are cut alike.
        sequences = sorted(tuple(each) for each in normal)
        if not sequences:
            raise ValueError("no normal sequence to learn from")
        self._novelty = _NoveltyModel(sequences)
        self.limit = _limit(sequences, false_share)

    def judge(self, sequence: Sequence[str]) -> SequenceVerdict:
        """How far a sequence is from normal ones, and by what, the most surprising first."""
        found = sorted(self._novelty.novelties(sequence), key=lambda each: -each.surprise)
        surprise = math.fsum(each.surprise for each in found)
        return SequenceVerdict(surprise / (surprise + self.limit), surprise, tuple(found))


class _NoveltyModel:
    def __init__(self, sequences: Sequence[Sequence[str]]) -> None:
        self._sequences = len(sequences)
        self._followers: dict[_Event, Counter[_Event]] = {}
        vectors: Counter[frozenset[tuple[str, int]]] = Counter()
        for sequence in sequences:
            for event, follower in _pairs(sequence):
                self._followers.setdefault(event, Counter())[follower] += 1
            vectors[frozenset(Counter(sequence).items())] += 1
        self._events = sorted({event for sequence in sequences for event in sequence})
        self._place = {event: place for place, event in enumerate(self._events)}
        kept = vectors.most_common(_MOST_VECTORS)
        self._vectors = np.array([self._vector(dict(vector)) for vector, _ in kept])
        once = np.array([count == 1 for _, count in kept])
        self._weights = self._weights_of(once)

    def novelties(self, sequence: Sequence[str]) -> list[Novelty]:
        return [*self._new_pairs(sequence), *self._other_counts(Counter(sequence))]

    def _new_pairs(self, sequence: Sequence[str]) -> Iterable[Novelty]:
        for event, follower in sorted(set(_pairs(sequence))):
            followers = self._followers.get(event)
            if followers is None:
                continue  # The event itself is new: its predecessor and its count tell so.
            if follower not in followers:
                once = sum(count == 1 for count in followers.values())
                surprise = math.log((followers.total() + 1) / (once + 1))
                yield Novelty(
                    surprise, f"{follower[1]} after {event[1]}, 0 of {followers.total()} times"
                )

    def _other_counts(self, counts: Counter[str]) -> Iterable[Novelty]:
        for event in sorted(counts.keys() - self._place.keys()):
            yield Novelty(
                math.log(self._sequences + 1) * (1 + math.log(counts[event])), f"{event} never seen"
            )
        mine = self._vector(counts)
        gaps = np.abs(self._vectors - mine)
        nearest = int(np.argmin(_cost(gaps, self._weights)))
        for place in np.flatnonzero(gaps[nearest]):
            cost = float(_cost(gaps[nearest, place : place + 1], self._weights[place : place + 1]))
            usual = int(self._vectors[nearest, place])
            yield Novelty(cost, f"{self._events[place]} {int(mine[place])} times, not {usual}")

    def _vector(self, counts: dict[str, int]) -> NDArray[np.float64]:
        return np.array([float(counts.get(event, 0)) for event in self._events])

    def _weights_of(self, once: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Nats for a count that differs, by how many sequences stand apart through that event.

        Each vector that came once is compared with the nearest other.
        """
        apart = np.zeros(len(self._events))
        if len(self._vectors) > 1:
            even = np.ones(len(self._events))
            chunk = max(1, _CELLS // self._vectors.size)
            lone = np.flatnonzero(once)
            for begin in range(0, len(lone), chunk):
                rows = lone[begin : begin + chunk]
                gaps = np.abs(self._vectors[rows, None, :] - self._vectors[None, :, :])
                costs = gaps @ even
                costs[np.arange(len(rows)), rows] = np.inf
                apart += (gaps[np.arange(len(rows)), costs.argmin(axis=1)] > 0).sum(axis=0)
        # Where each sequence stands apart, one more still surprises a little.
        return np.log((self._sequences + 2) / (apart + 1))


def _cost(gaps: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(gaps > 0, 1 + np.log(np.maximum(gaps, 1)), 0.0) @ weights


def _pairs(sequence: Sequence[str]) -> Iterable[tuple[_Event, _Event]]:
    previous = (_Edge, BEGIN)
    for each in sequence:
        event = (_Seen, each)
        yield previous, event
        previous = event
    yield previous, (_Edge, END)


def _limit(sequences: Sequence[Sequence[str]], false_share: float) -> float:
    """The surprise that this share of normal sequences reaches when they were not learnt from."""
    surprises: list[float] = []
    for fold in range(_FOLDS):
        rest = [each for place, each in enumerate(sequences) if place % _FOLDS != fold]
        if not rest:
            continue
        model = _NoveltyModel(rest)
        known: dict[tuple[str, ...], float] = {}
        for sequence in sequences[fold::_FOLDS]:
            key = tuple(sequence)
            if key not in known:
                known[key] = math.fsum(each.surprise for each in model.novelties(sequence))
            surprises.append(known[key])
    surprises.sort(reverse=True)
    allowed = int(false_share * len(surprises))
    # With few sequences no share is known: then one new thing of everyday kind is not enough.
    least = math.log(len(sequences) + 1)
    return max(least, surprises[allowed] if allowed < len(surprises) else 0.0)

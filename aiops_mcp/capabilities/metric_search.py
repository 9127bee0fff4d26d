"""Finding a metric by what it is about: words against names, types and help texts.

Pure. The score is BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework") over
the parts of the name, which count most, and of the help text; a small table of the field's
abbreviations makes ``temperature`` find ``..._TEMP`` and ``disk`` find ``filesystem``.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiops_mcp.models.metrics import MetricMetadata

NAME_WEIGHT: Final = 4.0
"""A word in the name says more than one in the help text."""
RELATED_WEIGHT: Final = 0.5
"""A related word (temp for temperature) counts half: the word itself must win."""
PREFIX_WEIGHT: Final = 0.5
"""So does the beginning of a longer word (net for network)."""
SATURATION: Final = 1.2
LENGTH_SHARE: Final = 0.5
WORTH_SHOWING: Final = 0.5
"""Hits under this share of the best score are not worth a reader's time."""

_RELATED: Final[tuple[frozenset[str], ...]] = tuple(
    frozenset(words.split())
    for words in (
        "temperature temp celsius thermal heat hot",
        "gpu dcgm nvidia cuda",
        "memory mem ram framebuffer fb",
        "cpu processor core cores",
        "disk filesystem fs storage volume",
        "network net nic interface",
        "usage used utilization utilisation util busy",
        "error errors failed failures errs",
        "request requests req http",
        "latency duration response time seconds",
        "restart restarts restarted crash",
        "node host machine",
        "pod pods container containers",
        "certificate cert certificates tls expiration expiry",
        "power watt watts energy",
        "clock frequency mhz sync",
        "ptp offset",
        "free available avail",
        "throttle throttled throttling violation cfs",
        "limit limits quota",
        "queue waiting pending backlog",
        "drop drops dropped missed",
        "load load1 load5 load15",
        "alert alerts",
        "total count number",
        "api apiserver",
    )
)
_WORD = re.compile(r"[A-Z]{2,}(?=[A-Z][a-z]|[^A-Za-z]|$)|[A-Z]?[a-z]+[0-9]*|[A-Z]+|[0-9]+")
_FILLER_WORDS: Final = (
    "a an and are at by for from has have how in is it metric metrics name names of on or per show "
    "that the there to what which with"
)
_FILLER: Final = frozenset(_FILLER_WORDS.split(" "))


@dataclass(frozen=True, slots=True)
class MetricHit:
    """A metric that fits; ``clusters`` counts those that have it."""

    metadata: MetricMetadata
    clusters: int
    score: float


@dataclass(frozen=True, slots=True)
class _Document:
    metadata: MetricMetadata
    weights: Mapping[str, float]
    length: float


def words_of(text: str) -> list[str]:
    """Lower-case words: ``DCGM_FI_DEV_GPU_TEMP`` and ``camelCase`` are taken apart."""
    return [word.lower() for word in _WORD.findall(text)]


def search_metrics(
    metrics: Mapping[str, tuple[MetricMetadata, int]], search: str
) -> tuple[MetricHit, ...]:
    """The metrics that fit the words, best first; all of them by name for an empty search.

    ``metrics`` maps a name to its metadata and the number of clusters that have it.
    """
    wanted = [word for word in words_of(search) if word not in _FILLER] or words_of(search)
    if not wanted:
        return tuple(MetricHit(data, count, 0.0) for _, (data, count) in sorted(metrics.items()))
    exact = metrics.get(search.strip())
    documents = [_document(data) for data, _ in metrics.values()]
    scored = _scores(documents, wanted)
    best = max(scored, default=0.0)
    if best <= 0:
        return ()
    hits = [
        MetricHit(document.metadata, metrics[document.metadata.name][1], score)
        for document, score in zip(documents, scored, strict=True)
        if score >= WORTH_SHOWING * best
    ]
    return tuple(
        sorted(
            hits,
            key=lambda hit: (
                exact is not None and hit.metadata.name != exact[0].name,
                -hit.score,
                len(hit.metadata.name),
                hit.metadata.name,
            ),
        )
    )


def _document(metadata: MetricMetadata) -> _Document:
    weights = dict.fromkeys(words_of(metadata.name), NAME_WEIGHT)
    for word in set(words_of(metadata.help)) | set(words_of(metadata.unit)):
        weights[word] = weights.get(word, 0.0) + 1.0
    return _Document(metadata, weights, float(sum(weights.values())))


def _scores(documents: Sequence[_Document], wanted: Sequence[str]) -> list[float]:
    average = sum(document.length for document in documents) / max(len(documents), 1)
    frequencies = [_term_frequencies(documents, word) for word in wanted]
    totals: list[float] = []
    for index, document in enumerate(documents):
        total = 0.0
        for column in frequencies:
            frequency = column[index]
            if frequency <= 0:
                continue
            rare = sum(value > 0 for value in column)
            weight = math.log(1 + (len(documents) - rare + 0.5) / (rare + 0.5))
            length = 1 - LENGTH_SHARE + LENGTH_SHARE * document.length / average
            total += weight * frequency * (SATURATION + 1) / (frequency + SATURATION * length)
        matched = sum(column[index] > 0 for column in frequencies) / len(wanted)
        totals.append(total * matched)
    return totals


def _term_frequencies(documents: Iterable[_Document], word: str) -> list[float]:
    related = {other for group in _RELATED if word in group for other in group} - {word}
    return [_frequency(document, word, related) for document in documents]


def _frequency(document: _Document, word: str, related: Iterable[str]) -> float:
    found = document.weights.get(word, 0.0)
    for other in related:
        found = max(found, RELATED_WEIGHT * document.weights.get(other, 0.0))
    if found == 0 and len(word) >= 3:
        for own, weight in document.weights.items():
            if own.startswith(word) or (len(own) >= 4 and word.startswith(own)):
                found = max(found, PREFIX_WEIGHT * weight)
    return found

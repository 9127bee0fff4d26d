"""What one cluster's Prometheus told, as the cache and the last-seen store keep it. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from aiops_mcp.fleet.last_seen import LastSeen
from aiops_mcp.models.metrics import ResultType, Series

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Told:
    """One query's result in one cluster."""

    result_type: ResultType
    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        """A store of Thanos did not answer. Remarks of the query engine are no such thing."""
        return any(not warning.startswith("PromQL ") for warning in self.warnings)


Results = tuple[Told, ...]
"""One cluster's results, one a query of the plan."""


def size_of(results: Results) -> int:
    """About how many bytes the results take in memory; the labels are those of the first series."""
    total = 512
    for told in results:
        if told.series:
            labels = len(told.series[0].metric)
            points = len(told.series)
            if told.result_type is ResultType.MATRIX:
                points = sum([len(series.values) for series in told.series])
            total += (400 + 120 * labels) * len(told.series) + 130 * points
    return total


def question_key(*parts: object) -> str:
    """A short name for a question, to keep its answers under."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]


def last_seen_codec(key: str) -> LastSeen[Results]:
    """How results are kept for a far-edge cluster's absence."""
    return LastSeen(f"metrics:{key}", _encode, _decode)


def _encode(results: Sequence[Told]) -> bytes:
    body = [
        {
            "type": told.result_type.value,
            "series": [[series.metric, series.values] for series in told.series],
            "warnings": told.warnings,
        }
        for told in results
    ]
    return orjson.dumps({"version": _VERSION, "results": body})


def _decode(blob: bytes) -> Results:
    body: Any = orjson.loads(blob)
    if not isinstance(body, dict) or cast("dict[str, Any]", body).get("version") != _VERSION:
        raise ValueError("kept by another version")
    return tuple(_told(result) for result in cast("dict[str, Any]", body)["results"])


def _told(result: dict[str, Any]) -> Told:
    return Told(
        ResultType(result["type"]),
        tuple(
            Series.model_construct(
                metric=metric, values=tuple((moment, text) for moment, text in values)
            )
            for metric, values in result["series"]
        ),
        tuple(result["warnings"]),
    )

"""What Loki answers, read into values. Pure: parsed JSON in, values out.

Wire format: Grafana Loki's HTTP API reference and ``pkg/loghttp``. A line is ``[ns, text]`` or
``[ns, text, metadata]``; with the encoding flag ``categorize-labels`` the metadata is
``{structuredMetadata, parsed}``, else a flat object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from aiops_mcp.backends.prometheus_answers import MalformedAnswer
from aiops_mcp.backends.wire import Answer, Refusal, plain_refusal
from aiops_mcp.models.metrics import ResultType, Series


class LogLine(NamedTuple):
    """One line; ``ns`` is nanoseconds since 1970."""

    ns: int
    text: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LogStream:
    """Lines that share their labels, in the order in which they came."""

    labels: Mapping[str, str]
    lines: Sequence[LogLine]


@dataclass(frozen=True, slots=True)
class LokiAnswer:
    """``streams`` of a log query, or ``series`` of a metric one (``result_type`` is then set)."""

    streams: tuple[LogStream, ...] = ()
    series: tuple[Series, ...] = ()
    result_type: ResultType | None = None
    warnings: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        return sum(len(stream.lines) for stream in self.streams)


@dataclass(frozen=True, slots=True)
class TailFrame:
    """What a tail brings at once; ``dropped`` counts lines that Loki itself left out."""

    streams: tuple[LogStream, ...]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class IndexStats:
    """What a selector covers, as the index knows it; only ``bytes`` is always known."""

    bytes: int
    streams: int | None = None
    entries: int | None = None


_NO_METADATA: Mapping[str, str] = {}
_TOO_HEAVY = frozenset({429, 499, 503, 504})
_HEAVY_WORDS = ("context deadline exceeded", "timeout", "timed out", "too many outstanding")


def loki_refusal(answer: Answer) -> Refusal:
    """The reason: Loki writes plain text, a gateway JSON. Repeating a heavy query makes it worse.

    503 alone is a proxy without a Loki behind it; with a word of time it is a query that was
    given up.
    """
    said = plain_refusal(answer)
    lowered = said.reason.lower()
    heavy = answer.status in {429, 499, 504} or (
        answer.status in _TOO_HEAVY and any(word in lowered for word in _HEAVY_WORDS)
    )
    return Refusal(said.reason, heavy, said.details)


def parse_answer(body: Any) -> LokiAnswer:
    """The answer of ``query`` or ``query_range``.

    Raises:
        MalformedAnswer: JSON of another shape.
    """
    data = _data(body)
    try:
        kind: str = data["resultType"]
        result: Any = [] if data["result"] is None else data["result"]  # Go's empty slice
        warnings = tuple(str(text) for text in body.get("warnings") or ())
        if kind == "streams":
            return LokiAnswer(streams=_streams(result), warnings=warnings)
        series = _READERS[kind](result)
        return LokiAnswer(series=series, result_type=_TYPES[kind], warnings=warnings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedAnswer("not the answer of a LogQL query") from error


def parse_names(body: Any) -> tuple[str, ...]:
    """Label names or values; Loki leaves ``data`` out when there is none."""
    return tuple(str(name) for name in _list(body))


def parse_series(body: Any) -> tuple[dict[str, str], ...]:
    found = _list(body)
    if not all(isinstance(one, dict) for one in found):
        raise MalformedAnswer("not a list of label sets")
    return tuple(found)


def parse_stats(body: Any) -> IndexStats:
    """``/index/stats``: an object without an envelope."""
    try:
        found = _mapping(body)
        return IndexStats(int(found["bytes"]), int(found["streams"]), int(found["entries"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedAnswer("not index statistics") from error


def parse_volume(body: Any) -> IndexStats:
    """``/index/volume``: a vector of bytes by series; a gateway allows only this one."""
    answer = parse_answer(body)
    try:
        return IndexStats(sum(int(float(one.values[-1][1])) for one in answer.series))
    except (ValueError, IndexError) as error:
        raise MalformedAnswer("not volumes") from error


def parse_frame(body: Any) -> TailFrame:
    """One frame of ``/tail``."""
    try:
        frame = _mapping(body)
        dropped: Any = frame.get("dropped_entries") or ()
        return TailFrame(_streams(frame.get("streams") or ()), len(dropped))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedAnswer("not a frame of a tail") from error


def _streams(result: Any) -> tuple[LogStream, ...]:
    return tuple(
        LogStream(
            {str(key): str(value) for key, value in one["stream"].items()},
            [_line(value) for value in one["values"]],
        )
        for one in result
    )


def _line(value: Sequence[Any]) -> LogLine:
    if len(value) < 3 or not value[2]:
        return LogLine(int(value[0]), str(value[1]), _NO_METADATA)
    return LogLine(int(value[0]), str(value[1]), _metadata(value[2]))


def _metadata(found: Mapping[str, Any]) -> Mapping[str, str]:
    """Structured metadata and parsed labels as one; values are text whatever they were."""
    flat: dict[str, str] = {}
    for key, value in found.items():
        if key in {"structuredMetadata", "parsed"} and isinstance(value, Mapping):
            inner = cast("Mapping[str, Any]", value)
            flat.update({name: str(text) for name, text in inner.items()})
        else:
            flat[key] = str(value)
    return flat


def _vector(result: list[dict[str, Any]]) -> tuple[Series, ...]:
    return tuple(_series(one["metric"], [one["value"]]) for one in result)


def _matrix(result: list[dict[str, Any]]) -> tuple[Series, ...]:
    return tuple(_series(one["metric"], one["values"]) for one in result if one["values"])


def _scalar(result: list[Any]) -> tuple[Series, ...]:
    return (_series({}, [result]),)


def _series(metric: Mapping[str, Any], values: Sequence[Sequence[Any]]) -> Series:
    return Series(
        metric={str(key): str(value) for key, value in metric.items()},
        values=tuple((float(moment), str(value)) for moment, value in values),
    )


_READERS = {"vector": _vector, "matrix": _matrix, "scalar": _scalar}
_TYPES = {
    "vector": ResultType.VECTOR,
    "matrix": ResultType.MATRIX,
    "scalar": ResultType.SCALAR,
}


def _data(body: Any) -> dict[str, Any]:
    found = _mapping(body)
    data = found.get("data")
    if found.get("status") != "success" or not isinstance(data, dict):
        raise MalformedAnswer("no status: success with data")
    return cast("dict[str, Any]", data)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedAnswer("not an object")
    return cast("dict[str, Any]", value)


def _list(body: Any) -> list[Any]:
    data = _mapping(body).get("data")
    if data is None:
        return []
    if not isinstance(data, list):
        raise MalformedAnswer("not a list")
    return cast("list[Any]", data)

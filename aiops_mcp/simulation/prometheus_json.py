"""Answers of the Prometheus HTTP API as JSON bytes, numbers formatted in bulk."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from aiops_mcp.simulation.promql import Answer, Labels, RawMatrix, Scalar, Text, Vector
from aiops_mcp.simulation.promql.numerals import plain, plain_many, seconds, seconds_many

_TRUNCATED = "results truncated due to limit"


def success(
    data: Any, *, warnings: Sequence[str] = (), infos: Sequence[str] = (), raw: bool = False
) -> bytes:
    """The envelope of a good answer; ``raw`` data are JSON bytes already."""
    body = data if raw else orjson.dumps(data)
    tail = b""
    if warnings:
        tail += b',"warnings":' + orjson.dumps(list(warnings))
    if infos:
        tail += b',"infos":' + orjson.dumps(list(infos))
    return b'{"status":"success","data":' + body + tail + b"}"


def failure(error_type: str, message: str) -> bytes:
    return orjson.dumps({"status": "error", "errorType": error_type, "error": message})


def instant(answer: Answer, limit: int | None) -> bytes:
    """The whole body for an instant query."""
    value, stamp = answer.value, seconds(int(answer.times[0])).encode()
    warnings = list(answer.warnings)
    match value:
        case Scalar():
            data = _data(b"scalar", _point(stamp, plain(float(value.values[0])).encode()))
        case Text():
            data = _data(b"string", b"[" + stamp + b"," + orjson.dumps(value.value) + b"]")
        case Vector():
            rows = range(_cut(len(value.labels), limit, warnings))
            numbers = plain_many(value.values[:, 0])
            items = [
                b'{"metric":' + _metric(value.labels[row]) + b',"value":'
                + _point(stamp, numbers[row]) + b"}"
                for row in rows
            ]  # fmt: skip
            data = _data(b"vector", _array(items))
        case RawMatrix():
            chosen = sorted(value.series, key=lambda series: series.labels)
            chosen = chosen[: _cut(len(chosen), limit, warnings)]
            items = [
                _series(one.labels, _template(seconds_many(one.timestamps)), plain_many(one.values))
                for one in chosen
            ]
            data = _data(b"matrix", _array(items))
    return success(data, warnings=warnings, infos=answer.infos, raw=True)


def matrix(answer: Answer, limit: int | None) -> bytes:
    """The whole body for a range query."""
    value = answer.value
    warnings = list(answer.warnings)
    stamps = seconds_many(answer.times)
    every = _template(stamps)
    items: list[bytes] = []
    if isinstance(value, Scalar):
        items = [_series((), every, plain_many(value.values))]
    elif isinstance(value, Vector):
        order = sorted(range(len(value.labels)), key=value.labels.__getitem__)
        for row in order[: _cut(len(order), limit, warnings)]:
            present, values = value.present[row], value.values[row]
            if present.all():
                items.append(_series(value.labels[row], every, plain_many(values)))
                continue
            times = [stamps[step] for step in np.flatnonzero(present).tolist()]
            items.append(_series(value.labels[row], _template(times), plain_many(values[present])))
    data = _data(b"matrix", _array(items))
    return success(data, warnings=warnings, infos=answer.infos, raw=True)


def _cut(count: int, limit: int | None, warnings: list[str]) -> int:
    if limit is None or count <= limit:
        return count
    warnings.append(_TRUNCATED)
    return limit


def limited(items: list[Any], limit: int | None) -> tuple[list[Any], list[str]]:
    """The first items, and the warning when some were left off."""
    warnings: list[str] = []
    return items[: _cut(len(items), limit, warnings)], warnings


def _metric(labels: Labels) -> bytes:
    return orjson.dumps(dict(labels))


def _point(stamp: bytes, number: bytes) -> bytes:
    return b"[" + stamp + b',"' + number + b'"]'


def _template(stamps: Sequence[bytes]) -> bytes:
    """The points of a series with a place for each number: one formatting fills a whole row."""
    return b",".join(b"[" + stamp + b',"%b"]' for stamp in stamps)


def _series(labels: Labels, template: bytes, numbers: Sequence[bytes]) -> bytes:
    points = template % tuple(numbers)
    return b'{"metric":' + _metric(labels) + b',"values":[' + points + b"]}"


def _array(items: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _data(kind: bytes, result: bytes) -> bytes:
    return b'{"resultType":"' + kind + b'","result":' + result + b"}"

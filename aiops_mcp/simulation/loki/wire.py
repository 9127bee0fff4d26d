"""Loki's JSON: streams, matrices, vectors, statistics."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aiops_mcp.simulation.loki.engine import Totals
from aiops_mcp.simulation.loki.rows import Row
from aiops_mcp.simulation.loki.series import Series, Times

Json = dict[str, Any]


def success(data: Any) -> Json:
    return {"status": "success", "data": data}


def streams_json(rows: Sequence[Row], *, categorized: bool) -> list[Json]:
    """Rows as streams; ``categorized`` keeps metadata and parsed labels with each line."""
    found: dict[tuple[tuple[str, str], ...], Json] = {}
    for row in rows:
        stamp = str(row.ns)
        value: list[Any] = [stamp, row.line]
        if categorized:
            own, metadata, parsed = row.categories()
            labels: Mapping[str, str] = own
            more: Json = {"structuredMetadata": metadata} if metadata else {}
            value.append(more | ({"parsed": parsed} if parsed else {}))
        else:
            labels = row.labels
        key = tuple(sorted(labels.items()))
        found.setdefault(key, {"stream": dict(key), "values": []})["values"].append(value)
    return list(found.values())


def matrix_json(series: Sequence[Series] | float, steps: Times) -> list[Json]:
    """Series as a matrix, times in seconds."""
    stamps = [_seconds(int(step)) for step in steps]
    if not isinstance(series, Sequence):
        return [{"metric": {}, "values": [[stamp, _number(series)] for stamp in stamps]}]
    return [
        {
            "metric": dict(one.labels),
            "values": [
                [stamps[place], _number(float(one.values[place]))]
                for place in np.flatnonzero(~np.isnan(one.values))
            ],
        }
        for one in series
    ]


def vector_json(series: Sequence[Series], step: int) -> list[Json]:
    """Series at one moment as a vector."""
    stamp = _seconds(step)
    return [
        {"metric": dict(one.labels), "value": [stamp, _number(float(one.values[0]))]}
        for one in series
        if not math.isnan(float(one.values[0]))
    ]


def scalar_json(value: float, step: int) -> list[Any]:
    return [_seconds(step), _number(value)]


def _seconds(nanoseconds: int) -> float | int:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return seconds if rest == 0 else round(nanoseconds / 1e9, 3)


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def stats_json(totals: Totals, seconds: float, returned: int) -> Json:
    """The statistics that every answer carries."""
    rate = 1 / max(seconds, 1e-6)
    store = {
        "totalChunksRef": totals.streams,
        "totalChunksDownloaded": totals.streams,
        "chunksDownloadTime": 0,
        "chunk": {
            "headChunkBytes": 0,
            "headChunkLines": 0,
            "decompressedBytes": totals.bytes,
            "decompressedLines": totals.lines,
            "compressedBytes": totals.bytes // 8,
            "totalDuplicates": 0,
        },
    }
    summary = {
        "bytesProcessedPerSecond": int(totals.bytes * rate),
        "linesProcessedPerSecond": int(totals.lines * rate),
        "totalBytesProcessed": totals.bytes,
        "totalLinesProcessed": totals.lines,
        "execTime": round(seconds, 6),
        "queueTime": 0,
        "subqueries": 0,
        "totalEntriesReturned": returned,
        "splits": 1,
        "shards": 1,
        "totalPostFilterLines": returned,
        "totalStructuredMetadataBytesProcessed": 0,
    }
    return {
        "summary": summary,
        "querier": {"store": store},
        "ingester": {
            "totalReached": 0,
            "totalChunksMatched": 0,
            "totalBatches": 0,
            "totalLinesSent": 0,
            "store": {},
        },
        "cache": {},
    }

"""Load a folder of recorded samples: OpenMetrics text, and series with staleness markers.

``dataset.om`` (plain, .xz or .gz): one sample a line with its time in seconds, ``# TYPE``,
``# HELP`` and ``# UNIT`` lines for metadata. ``stale.json`` (optional):
``{"series": [{"labels": {...}, "samples": [[ms, value or null], ...]}]}``, null a marker.
"""

import gzip
import json
import lzma
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aiops_mcp.errors import InputError
from aiops_mcp.promql.tree import METRIC_NAME
from aiops_mcp.simulation.promql.matching import Labels, labels_from
from aiops_mcp.simulation.promql.store import ArrayStore, MetricMetadata, Samples

_LABEL = re.compile(r'([^=,{\s]+)="((?:[^"\\]|\\.)*)",?')
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n"}
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


def load(directory: Path) -> ArrayStore:
    """The data set of a folder.

    Raises:
        InputError: when the folder holds no data set, or a line cannot be read.
    """
    names = ("dataset.om", "dataset.om.xz", "dataset.om.gz")
    path = next((directory / name for name in names if (directory / name).is_file()), None)
    if path is None:
        raise InputError(
            f"There is no data set in {directory}.", f"Put one of {', '.join(names)} there."
        )
    series, metadata = read_openmetrics(_read(path).splitlines())
    stale = directory / "stale.json"
    if stale.is_file():
        series = [*series, *read_json(json.loads(stale.read_text("utf-8")))]
    return ArrayStore(series, metadata)


def _read(path: Path) -> str:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes()).decode("utf-8")
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode("utf-8")
    return path.read_text("utf-8")


def read_openmetrics(
    lines: Iterable[str],
) -> tuple[list[Samples], dict[str, MetricMetadata]]:
    """Series and metadata of OpenMetrics text in which every sample has a time.

    Raises:
        InputError: at a line that cannot be read.
    """
    rows: dict[str, tuple[list[str], list[str]]] = {}
    described: dict[str, dict[str, str]] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            words = line.split(" ", 3)
            if len(words) == 4 and words[1] in ("TYPE", "HELP", "UNIT"):
                described.setdefault(words[2], {})[words[1].lower()] = words[3]
            continue
        if not line:
            continue
        parts = line.partition(" # ")[0].rsplit(" ", 2)
        if len(parts) != 3:
            raise InputError(f"Line {number} has no value and time: {line[:80]!r}.")
        times, values = rows.setdefault(parts[0], ([], []))
        values.append(parts[1])
        times.append(parts[2])
    try:
        series = [_samples(key, times, values) for key, (times, values) in rows.items()]
    except ValueError as error:
        raise InputError(f"A sample cannot be read: {error}.") from error
    return series, _metadata(described)


def _samples(key: str, times: list[str], values: list[str]) -> Samples:
    stamps = np.rint(np.array(times, dtype=np.float64) * 1000).astype(np.int64)
    order = np.argsort(stamps, kind="stable")
    return Samples(_labels(key), stamps[order], np.array(values, dtype=np.float64)[order])


def _labels(key: str) -> Labels:
    name, _, rest = key.partition("{")
    labels = {
        found[1]: _ESCAPED.sub(lambda m: _ESCAPES.get(m[1], m[1]), found[2])
        for found in _LABEL.finditer(rest)
    }
    return labels_from({**labels, METRIC_NAME: name})


def _metadata(described: Mapping[str, Mapping[str, str]]) -> dict[str, MetricMetadata]:
    return {
        name: MetricMetadata(
            known.get("type", "unknown"), known.get("help", ""), known.get("unit", "")
        )
        for name, known in described.items()
    }


def read_json(document: Mapping[str, Any]) -> Iterator[Samples]:
    """Series whose samples are pairs of milliseconds and value, null for a staleness marker."""
    for one in document["series"]:
        times = np.array([time for time, _ in one["samples"]], dtype=np.int64)
        stale = np.array([value is None for _, value in one["samples"]], dtype=np.bool_)
        values = [np.nan if value is None else float(value) for _, value in one["samples"]]
        yield Samples(labels_from(one["labels"]), times, np.array(values), stale)

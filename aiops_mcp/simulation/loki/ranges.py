"""Range aggregations: samples taken from lines, and what windows of them amount to.

A window is open at its start and closed at its end, as in Loki.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aiops_mcp.logql import tree
from aiops_mcp.logql.quantities import parse_bytes, parse_duration
from aiops_mcp.simulation.loki.filters import as_number, label_step
from aiops_mcp.simulation.loki.pipeline import rows_of
from aiops_mcp.simulation.loki.rows import DETAILS, ERROR, Row
from aiops_mcp.simulation.loki.series import (
    Floats,
    Key,
    QueryRefused,
    Series,
    Times,
    grouped,
    key_from,
    shown,
)
from aiops_mcp.simulation.loki.streams import Stream

_SECOND = 1e9
Select = Callable[[tree.Selector, int, int], Sequence[Stream]]
"""Finds the streams of a selector from a nanosecond until before another."""


@dataclass(frozen=True, slots=True)
class _Samples:
    times: Times
    values: Floats


def range_series(aggregation: tree.RangeAggregation, steps: Times, select: Select) -> list[Series]:
    """A range aggregation at every step (nanoseconds).

    Raises:
        QueryRefused: a line with an error label is left.
        InvalidLogql: a template cannot be read.
    """
    first = int(steps[0]) - aggregation.offset - aggregation.range + 1
    last = int(steps[-1]) - aggregation.offset + 1
    streams = select(aggregation.query.selector, first, last)
    by_key: dict[Key, tuple[list[int], list[float]]] = {}
    for key, ns, value in _samples(aggregation, streams):
        times, values = by_key.setdefault(key, ([], []))
        times.append(ns)
        values.append(value)
    ends = steps - aggregation.offset
    if aggregation.op == "absent_over_time":
        return _absent(aggregation, by_key, ends)
    found: list[Series] = []
    for key, (times, values) in by_key.items():
        amounts = _amounts(aggregation, _sorted(times, values), ends)
        if not np.isnan(amounts).all():
            found.append(Series(key, amounts))
    return found


def _sorted(times: list[int], values: list[float]) -> _Samples:
    at, amount = np.array(times, dtype=np.int64), np.array(values, dtype=float)
    order = np.argsort(at, kind="stable")
    return _Samples(at[order], amount[order])


# --- samples from lines -----------------------------------------------------------------------


def _samples(
    aggregation: tree.RangeAggregation, streams: Sequence[Stream]
) -> Iterator[tuple[Key, int, float]]:
    counts_bytes = aggregation.op.startswith("bytes_")
    if not aggregation.query.stages and aggregation.unwrap is None and not aggregation.grouping:
        yield from _plain(streams, counts_bytes=counts_bytes)
        return
    unwrap = _unwrapper(aggregation.unwrap) if aggregation.unwrap else None
    keys: dict[Key, Key] = {}
    for row in rows_of(streams, aggregation.query.stages):
        value = float(len(row.line.encode())) if counts_bytes else 1.0
        if unwrap is not None:
            unwrapped = unwrap(row)
            if unwrapped is None:
                continue
            value = unwrapped
        _refuse_errors(row)
        yield _key_of(row, aggregation.grouping, keys), row.ns, value


def _plain(streams: Iterable[Stream], *, counts_bytes: bool) -> Iterator[tuple[Key, int, float]]:
    for stream in streams:
        keys: dict[int, Key] = {}
        for entry in stream.entries:
            key = keys.get(id(entry.metadata))
            if key is None:
                key = keys[id(entry.metadata)] = key_from({**stream.labels, **entry.metadata})
            yield key, entry.ns, float(len(entry.line.encode())) if counts_bytes else 1.0


def _key_of(row: Row, grouping: tree.Grouping | None, known: dict[Key, Key]) -> Key:
    if grouping is None:
        return key_from(row.labels)
    key = tuple(row.labels.items())
    found = known.get(key)
    if found is None:
        found = known[key] = grouped(row.labels, grouping.labels, without=grouping.without)
    return found


def _refuse_errors(row: Row) -> None:
    error = row.labels.get(ERROR)
    if error:
        rest = {k: v for k, v in row.labels.items() if k not in (ERROR, DETAILS)}
        raise QueryRefused(
            f"pipeline error: '{error}' for series: '{shown(key_from(rest))}'.\n"
            f'Use a label filter to intentionally skip this error. (e.g | __error__!="{error}").\n'
            'To skip all potential errors you can match empty errors.(e.g __error__="")\n'
            "The label filter can also be specified after unwrap. "
            f'(e.g | unwrap latency | __error__!="{error}" )\n'
        )


_CONVERSIONS: Mapping[str, Callable[[str], float | None]] = {
    "": as_number,
    "duration": lambda text: None if (ns := parse_duration(text)) is None else ns / _SECOND,
    "bytes": parse_bytes,
}


def _unwrapper(unwrap: tree.Unwrap) -> Callable[[Row], float | None]:
    """The sample of a row; None where it has no such label, or a filter drops it."""
    convert = _CONVERSIONS[unwrap.conversion.removesuffix("_seconds")]
    tests = [label_step(one) for one in unwrap.tests]

    def take(row: Row) -> float | None:
        text = row.labels.get(unwrap.label)
        if text is None:
            return None
        value = convert(text)
        if value is None:
            row.fail("SampleExtractionErr", f'cannot convert "{text}"')
        else:
            row.drop(unwrap.label)
        if not all(test(row) for test in tests):
            return None
        return 0.0 if value is None else value

    return take


# --- windows ----------------------------------------------------------------------------------


def _amounts(aggregation: tree.RangeAggregation, samples: _Samples, ends: Times) -> Floats:
    low = np.searchsorted(samples.times, ends - aggregation.range, side="right")
    high = np.searchsorted(samples.times, ends, side="right")
    seconds = aggregation.range / _SECOND
    full = high > low
    sums = np.concatenate([[0.0], np.cumsum(samples.values)])
    match aggregation.op:
        case "count_over_time" | "sum_over_time" | "bytes_over_time":
            amounts = sums[high] - sums[low]
        case "rate" | "bytes_rate":
            amounts = (sums[high] - sums[low]) / seconds
        case "avg_over_time":
            amounts = (sums[high] - sums[low]) / np.maximum(high - low, 1)
        case _:
            amounts = np.full(len(ends), np.nan)
            for place in np.flatnonzero(full):
                begin, end = int(low[place]), int(high[place])
                amounts[place] = _window(aggregation, samples, begin, end, int(ends[place]))
    return np.where(full, amounts, np.nan)


_OF_WINDOW: Mapping[str, Callable[[Floats], float]] = {
    "min_over_time": lambda values: float(values.min()),
    "max_over_time": lambda values: float(values.max()),
    "first_over_time": lambda values: float(values[0]),
    "last_over_time": lambda values: float(values[-1]),
    "stddev_over_time": lambda values: float(values.std()),
    "stdvar_over_time": lambda values: float(values.var()),
}


def _window(
    aggregation: tree.RangeAggregation, samples: _Samples, begin: int, end: int, until: int
) -> float:
    values = samples.values[begin:end]
    reduce = _OF_WINDOW.get(aggregation.op)
    if reduce is not None:
        return reduce(values)
    if aggregation.op == "quantile_over_time":
        return quantile(values, aggregation.parameter or 0.0)
    return _counter_rate(samples.times[begin:end], values, until - aggregation.range, until)


def quantile(values: Floats, share: float) -> float:
    """The quantile with linear interpolation; infinite outside of 0 to 1."""
    if share < 0:
        return -np.inf
    if share > 1:
        return np.inf
    return float(np.quantile(values, share))


def _counter_rate(times: Times, values: Floats, start: int, end: int) -> float:
    """Prometheus's extrapolated rate: resets counted in, stretched to the window's ends."""
    if len(values) < 2:
        return float("nan")
    increase = float(values[-1] - values[0] + values[:-1][np.diff(values) < 0].sum())
    sampled = (int(times[-1]) - int(times[0])) / _SECOND
    average = sampled / (len(values) - 1)
    before = (int(times[0]) - start) / _SECOND
    after = (end - int(times[-1])) / _SECOND
    if increase > 0 and values[0] >= 0:
        before = min(before, sampled * float(values[0]) / increase)
    stretched = sampled
    stretched += before if before < average * 1.1 else average / 2
    stretched += after if after < average * 1.1 else average / 2
    return increase * (stretched / sampled) / ((end - start) / _SECOND)


def _absent(
    aggregation: tree.RangeAggregation,
    by_key: Mapping[Key, tuple[list[int], list[float]]],
    ends: Times,
) -> list[Series]:
    times = np.sort(np.array([ns for at, _ in by_key.values() for ns in at], dtype=np.int64))
    low = np.searchsorted(times, ends - aggregation.range, side="right")
    high = np.searchsorted(times, ends, side="right")
    amounts = np.where(high > low, np.nan, 1.0)
    if np.isnan(amounts).all():
        return []
    equal = {one.name: one.value for one in aggregation.query.selector.matchers if one.op == "="}
    return [Series(key_from(equal), amounts)]

"""Metrics from spans, as Tempo's ``/api/metrics`` works them out.

Source: grafana/tempo ``docs/sources/tempo/traceql/metrics-queries``.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from aiops_mcp.simulation.otlp_json import any_value
from aiops_mcp.simulation.spans import AttributeValue, SpanSet
from aiops_mcp.simulation.tempo_params import Refused
from aiops_mcp.simulation.traceql_match import Matcher, TraceView, reader
from aiops_mcp.simulation.traceql_tree import Attribute, Intrinsic, Metric, Query

Json = dict[str, Any]
Key = tuple[tuple[str, AttributeValue], ...]

LONGEST_RANGE = 24 * 3600
MOST_POINTS = 11_000


def series(
    query: Query, traces: Iterable[SpanSet], start: float, end: float, step: float
) -> list[Json]:
    """The series of a metrics query, a sample for each step.

    Raises:
        Refused: it is none, or asks for what is not known.
    """
    metric = query.metric
    if metric is None:
        raise Refused("invalid TraceQL query: this is not a metrics query")
    count = math.ceil((end - start) / step)
    if count > MOST_POINTS:
        raise Refused(f"step of {step:g}s is too small: {count} points are more than {MOST_POINTS}")
    cells = _gathered(query, metric, traces, (start, end, step), count)
    found: list[Json] = []
    for key, values in sorted(cells.items(), key=lambda one: str(one[0])):
        for extra, samples in _samples(metric, values, step):
            labels = {**dict(key), **extra}
            found.append(_series(labels, samples, start, step))
    return found


def _gathered(
    query: Query,
    metric: Metric,
    traces: Iterable[SpanSet],
    time: tuple[float, float, float],
    count: int,
) -> dict[Key, list[list[float]]]:
    start, end, step = time
    matcher = Matcher(query)
    value_of = reader(metric.of or Intrinsic("duration"))
    names = [(_label(field), reader(field)) for field in metric.by]
    is_duration = metric.of is None or metric.of in (
        Intrinsic("duration"),
        Intrinsic("traceDuration"),
    )
    found: dict[Key, list[list[float]]] = {}
    for spans in traces:
        view = TraceView(spans)
        for span in matcher.select(view):
            begun = span.start_ns / 1e9
            value = value_of(span, view)
            if not start <= begun < end or not isinstance(value, int | float):
                continue
            key = tuple(
                (name, "nil" if (one := read(span, view)) is None else one) for name, read in names
            )
            cell = min(int((begun - start) / step), count - 1)
            rows = found.setdefault(key, [[] for _ in range(count)])
            rows[cell].append(value / 1e9 if is_duration else float(value))
    return found


def _samples(
    metric: Metric, cells: Sequence[Sequence[float]], step: float
) -> list[tuple[dict[str, AttributeValue], list[float | None]]]:
    match metric.function:
        case "rate":
            return [({}, [len(one) / step for one in cells])]
        case "count_over_time":
            return [({}, [float(len(one)) for one in cells])]
        case "quantile_over_time":
            if not metric.parameters:
                raise Refused("invalid TraceQL query: quantile_over_time needs a quantile")
            return [
                ({"p": quantile}, [_quantile(one, quantile) for one in cells])
                for quantile in metric.parameters
            ]
        case "histogram_over_time":
            bounds = sorted({_bound(value) for one in cells for value in one})
            return [
                (
                    {"__bucket": bound},
                    [float(sum(_bound(v) == bound for v in one)) for one in cells],
                )
                for bound in bounds
            ]
        case name:
            reduce = {"min": min, "max": max, "avg": fmean, "sum": sum}[name.split("_")[0]]
            return [({}, [float(reduce(one)) if one else None for one in cells])]


def _bound(value: float) -> float:
    """The power of two that a value lies under."""
    return 2.0 ** math.ceil(math.log2(value)) if value > 0 else 0.0


def _quantile(values: Sequence[float], share: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    place = min(max(share, 0.0), 1.0) * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _label(field: Attribute | Intrinsic) -> str:
    if isinstance(field, Intrinsic):
        return field.name
    return f".{field.name}" if field.scope == "any" else f"{field.scope}.{field.name}"


def _series(
    labels: Mapping[str, AttributeValue], samples: Sequence[float | None], start: float, step: float
) -> Json:
    inner = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return {
        "labels": [{"key": name, "value": any_value(value)} for name, value in labels.items()],
        "samples": [
            {"timestampMs": str(round((start + (place + 1) * step) * 1000)), "value": value}
            for place, value in enumerate(samples)
            if value is not None
        ],
        "promLabels": f"{{{inner}}}",
    }

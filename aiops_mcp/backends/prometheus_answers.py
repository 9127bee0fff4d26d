"""What Prometheus answers, read into values. Pure: bytes or parsed JSON in, values out.

Wire format: prometheus/prometheus ``docs/querying/api.md``, 2.x and 3.x; also Thanos and
VictoriaMetrics.
"""

import gc
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from pydantic import BaseModel

from aiops_mcp.backends.wire import Answer, Refusal, excerpt, plain_refusal
from aiops_mcp.models.metrics import MetricMetadata, ResultType, Series

LARGE = 1024 * 1024
"""Bytes of an answer from which on reading it is worth a thread."""

_FIELDS = {"metric", "values"}
_new = Series.__new__
_set_values, _set_fields, _set_extra, _set_private = (
    cast("Callable[[Series, Any], None]", vars(BaseModel)[slot].__set__)
    for slot in (
        "__dict__",
        "__pydantic_fields_set__",
        "__pydantic_extra__",
        "__pydantic_private__",
    )
)
_RESULT_TYPES = {
    "vector": ResultType.VECTOR,
    "matrix": ResultType.MATRIX,
    "scalar": ResultType.SCALAR,
    "string": ResultType.STRING,
}
_LEFT_OUT = (
    "{} series of native histograms left out; "
    "use histogram_quantile(), histogram_count() or histogram_sum()."
)
_TOO_HEAVY = frozenset({"timeout", "canceled"})


class MalformedAnswer(ValueError):
    """JSON, but not Prometheus's; never leaves the client."""


@dataclass(frozen=True, slots=True)
class PrometheusAnswer:
    """A query's result.

    ``warnings`` say that something is missing (Thanos: a partial answer), ``infos`` that the
    query may not mean what it says. Every series has at least one float sample; a native
    histogram is left out, and a warning says so.
    """

    result_type: ResultType
    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """An alerting or recording rule; ``duration`` (its ``for``) is in seconds."""

    kind: str
    name: str
    query: str
    labels: Mapping[str, str]
    health: str
    last_error: str
    state: str | None = None
    duration: float = 0.0
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules evaluated together every ``interval`` seconds."""

    name: str
    file: str
    interval: float
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """Something that is scraped; ``health`` is up, down or unknown."""

    labels: Mapping[str, str]
    scrape_pool: str
    scrape_url: str
    health: str
    last_error: str
    last_scrape: str


@dataclass(frozen=True, slots=True)
class RuleAlert:
    """An alert as the rule engine sees it; ``state`` is pending or firing."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: str
    active_at: str | None
    value: str


def prometheus_refusal(answer: Answer) -> Refusal:
    """The reason in Prometheus's error shape, else any."""
    try:
        body: Any = orjson.loads(answer.body)
        kind, text = body["errorType"], body["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return plain_refusal(answer)
    # 503 "timeout" and 499/503 "canceled" mean that the query was too heavy, not that it is away.
    return Refusal(f"{kind}: {excerpt(str(text))}", kind in _TOO_HEAVY, {"error_type": str(kind)})


def parse_query(body: bytes) -> PrometheusAnswer:
    """The answer of ``/query`` or ``/query_range``.

    Raises:
        orjson.JSONDecodeError: not JSON.
        MalformedAnswer: JSON of another shape.
    """
    with _collector_paused() if len(body) > LARGE else nullcontext():
        return _parse_query(body)


def _parse_query(body: bytes) -> PrometheusAnswer:
    answer: Any = orjson.loads(body)
    try:
        data = _data(answer)
        result_type = _RESULT_TYPES[data["resultType"]]
        result: Any = [] if data["result"] is None else data["result"]  # Go's empty slice
        series, left_out = _READERS[result_type](result)
        warnings = _texts(answer, "warnings")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedAnswer("not the answer of a query") from error
    if left_out:
        warnings = (*warnings, _LEFT_OUT.format(left_out))
    return PrometheusAnswer(result_type, series, warnings, _texts(answer, "infos"))


@contextmanager
def _collector_paused() -> Generator[None]:
    """No garbage collection while a large answer is read.

    It would go over the half-made answer again and again and find nothing: 0.7 instead of 0.2
    seconds for 30 MB.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _vector(result: list[dict[str, Any]]) -> tuple[tuple[Series, ...], int]:
    found: list[Series] = []
    for item in result:
        sample = item.get("value")
        if sample is not None:
            time, value = sample
            found.append(_series(item["metric"], ((time, value),)))
        elif "histogram" not in item:
            raise MalformedAnswer("a vector element without a value")
    return tuple(found), len(result) - len(found)


def _matrix(result: list[dict[str, Any]]) -> tuple[tuple[Series, ...], int]:
    found: list[Series] = []
    for item in result:
        samples = item.get("values")
        if samples:
            found.append(_series(item["metric"], tuple(map(tuple, samples))))
        elif samples is None and "histograms" not in item:
            raise MalformedAnswer("a series without values")
    return tuple(found), sum("histograms" in item for item in result)


def _scalar(result: list[Any]) -> tuple[tuple[Series, ...], int]:
    time, value = result
    return (_series({}, ((time, value),)),), 0


_READERS = {
    ResultType.VECTOR: _vector,
    ResultType.MATRIX: _matrix,
    ResultType.SCALAR: _scalar,
    ResultType.STRING: _scalar,
}


def _series(metric: dict[str, str], values: tuple[tuple[float, str], ...]) -> Series:
    """A `Series` without validation: the JSON types are those of the wire format.

    This is what ``model_construct`` does, without its loop over the fields: 0.3 instead of
    1.3 microseconds, and an answer may hold a hundred thousand series.
    """
    series = _new(Series)
    _set_values(series, {"metric": metric, "values": values})
    _set_fields(series, _FIELDS)
    _set_extra(series, None)
    _set_private(series, None)
    return series


def parse_names(answer: Any) -> tuple[str, ...]:
    """Label names or values."""
    data = _checked(answer)
    if data is None:  # VictoriaMetrics and Loki leave an empty list out
        return ()
    if not isinstance(data, list) or not all(isinstance(name, str) for name in _items(data)):
        raise MalformedAnswer("not a list of names")
    return tuple(_items(data))


def parse_label_sets(answer: Any) -> tuple[dict[str, str], ...]:
    data = _checked(answer)
    if data is None:
        return ()
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in _items(data)):
        raise MalformedAnswer("not a list of label sets")
    return tuple(_items(data))


def parse_metadata(answer: Any) -> dict[str, MetricMetadata]:
    """Per metric what most of its targets say (they may differ): the first entry."""
    try:
        return {
            name: MetricMetadata(
                name=name,
                type=entries[0].get("type") or "unknown",
                help=entries[0].get("help") or "",
                unit=entries[0].get("unit") or "",
            )
            for name, entries in _data(answer).items()
            if entries
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedAnswer("not metadata") from error


def parse_rules(answer: Any) -> tuple[RuleGroup, ...]:
    try:
        return tuple(
            RuleGroup(
                name=group["name"],
                file=group.get("file") or "",
                interval=float(group.get("interval") or 0.0),
                rules=tuple(_rule(rule) for rule in group.get("rules") or ()),
            )
            for group in _data(answer).get("groups") or ()
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedAnswer("not rules") from error


def _rule(rule: dict[str, Any]) -> Rule:
    return Rule(
        kind=rule["type"],
        name=rule["name"],
        query=rule["query"],
        labels=rule.get("labels") or {},
        health=rule.get("health") or "unknown",
        last_error=rule.get("lastError") or "",
        state=rule.get("state"),
        duration=float(rule.get("duration") or 0.0),
        annotations=rule.get("annotations") or {},
    )


def parse_targets(answer: Any) -> tuple[ScrapeTarget, ...]:
    try:
        return tuple(
            ScrapeTarget(
                labels=target["labels"],
                scrape_pool=target.get("scrapePool") or "",
                scrape_url=target["scrapeUrl"],
                health=target.get("health") or "unknown",
                last_error=target.get("lastError") or "",
                last_scrape=target.get("lastScrape") or "",
            )
            for target in _data(answer).get("activeTargets") or ()
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedAnswer("not targets") from error


def parse_rule_alerts(answer: Any) -> tuple[RuleAlert, ...]:
    try:
        return tuple(
            RuleAlert(
                labels=alert["labels"],
                annotations=alert.get("annotations") or {},
                state=alert["state"],
                active_at=alert.get("activeAt"),
                value=str(alert.get("value", "")),
            )
            for alert in _data(answer).get("alerts") or ()
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedAnswer("not alerts") from error


def parse_object(answer: Any) -> dict[str, Any]:
    """The data of an answer whose shape is not ours to know (build info, TSDB statistics)."""
    return _data(answer)


def _checked(answer: Any) -> Any:
    if not isinstance(answer, dict) or _mapping(answer).get("status") != "success":
        raise MalformedAnswer("no status: success")
    return _mapping(answer).get("data")


def _data(answer: Any) -> dict[str, Any]:
    data = _checked(answer)
    if not isinstance(data, dict):
        raise MalformedAnswer("no data")
    return _mapping(data)


def _mapping(value: Any) -> dict[str, Any]:
    return value


def _items(value: Any) -> list[Any]:
    return value


def _texts(answer: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found: Iterable[Any] = answer.get(key) or ()
    return tuple(str(text) for text in found)

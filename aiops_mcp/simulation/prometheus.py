"""The Prometheus HTTP API at wire level, over any series store.

Source: prometheus/prometheus ``docs/querying/api.md`` and ``web/api/v1/api.go`` (3.14). What the
evaluator cannot do is refused in Prometheus's own error shape. It must not know which world the
samples come from: store, clock, rules, alerts and targets are passed in.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.promql import parse, parse_selector, to_text, tree
from aiops_mcp.promql.parse import prettify
from aiops_mcp.simulation import prometheus_json as wire
from aiops_mcp.simulation.prometheus_params import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    BadParameter,
    Params,
    RangeParams,
    unescape_label,
)
from aiops_mcp.simulation.prometheus_status import Status
from aiops_mcp.simulation.promql import Engine, Labels, QueryFailed, SeriesStore
from aiops_mcp.simulation.promql.store import NamedStore

Json: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = Callable[[Params, Request], bytes]

_HTTP_STATUS = {"bad_data": 400, "execution": 422, "timeout": 503}
_DEFAULT_TIMEOUT_S = 120.0
_QUERYING = ["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Providers:
    """What a Prometheus knows besides samples, in the shapes of its own API.

    ``rules`` gives rule groups, ``alerts`` active alerts, ``targets`` an object with
    ``activeTargets``, ``droppedTargets`` and ``droppedTargetCounts``.
    """

    rules: Callable[[], Sequence[Json]] = field(default=tuple[Json, ...])
    alerts: Callable[[], Sequence[Json]] = field(default=tuple[Json, ...])
    targets: Callable[[], Json] = field(default=dict[str, Any])


def prometheus_app(
    store: SeriesStore,
    *,
    now: Callable[[], float],
    providers: Providers | None = None,
    engine: Engine | None = None,
    version: str = "3.14.0",
) -> Starlette:
    """An ASGI application that answers as a Prometheus 3.x server does.

    ``now`` gives Unix seconds and stands wherever a query leaves its time out; ``engine`` is
    given where other limits than Prometheus's defaults are wanted.
    """
    engine = engine or Engine(store)
    api = _Api(store, engine, now)
    status = Status(store, engine, now, version, providers or Providers())
    routes = [
        Route(f"/api/v1/{path}", _endpoint(answer), methods=methods)
        for path, answer, methods in [
            ("query", api.query, _QUERYING),
            ("query_range", api.query_range, _QUERYING),
            ("query_exemplars", api.query_exemplars, _QUERYING),
            ("format_query", api.format_query, _QUERYING),
            ("series", api.series, _QUERYING),
            ("labels", api.labels, _QUERYING),
            ("label/{name}/values", api.label_values, ["GET"]),
            *((path, answer, ["GET"]) for path, answer in status.routes().items()),
        ]
    ]
    for path, text in (("ready", "Ready"), ("healthy", "Healthy")):
        routes.append(Route(f"/-/{path}", _constant(f"Prometheus Server is {text}.\n")))
    return Starlette(routes=routes)


def _constant(text: str) -> Callable[[Request], Response]:
    def endpoint(_: Request) -> Response:
        return PlainTextResponse(text)

    return endpoint


def _endpoint(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """One place where an answer or its failure becomes a response."""

    async def endpoint(request: Request) -> Response:
        params = await Params.of(request)
        try:
            # Evaluation is bound by the processor; the event loop must stay free.
            body, status = await run_in_threadpool(answer, params, request), 200
        except BadParameter as error:
            body, status = wire.failure("bad_data", str(error)), 400
        except InvalidPromql as error:
            body, status = wire.failure("bad_data", error.message), 400
        except QueryFailed as error:
            body, status = wire.failure(error.kind, str(error)), _HTTP_STATUS[error.kind]
        return Response(body, status, media_type="application/json")

    return endpoint


@dataclass(frozen=True, slots=True)
class _Api:
    store: SeriesStore
    engine: Engine
    now: Callable[[], float]

    def query(self, params: Params, _: Request) -> bytes:
        limit = params.limit()
        at = params.time("time", round(self.now() * 1000))
        timeout, lookback = _timeout(params), _lookback(params)
        node = _expression(params)
        answer = self.engine.instant(node, at, lookback_ms=lookback, timeout_s=timeout)
        return wire.instant(answer, limit)

    def query_range(self, params: Params, _: Request) -> bytes:
        limit = params.limit()
        span = RangeParams.of(params)
        timeout, lookback = _timeout(params), _lookback(params)
        answer = self.engine.range(
            _expression(params),
            span.start_ms,
            span.end_ms,
            span.step_ms,
            lookback_ms=lookback,
            timeout_s=timeout,
        )
        return wire.matrix(answer, limit)

    def query_exemplars(self, params: Params, _: Request) -> bytes:
        start, end = params.time("start", MIN_TIME_MS), params.time("end", MAX_TIME_MS)
        if end < start:
            raise BadParameter("end timestamp must not be before start timestamp")
        _expression(params)
        return wire.success([])

    def format_query(self, params: Params, _: Request) -> bytes:
        return wire.success(prettify(to_text(_expression(params))))

    def series(self, params: Params, _: Request) -> bytes:
        limit = params.limit()
        if not params.all("match[]"):
            raise BadParameter("no match[] parameter provided")
        found = self._matching(params, 'invalid parameter "match[]": ')
        items, warnings = wire.limited([dict(labels) for labels in sorted(found)], limit)
        return wire.success(items, warnings=warnings)

    def labels(self, params: Params, _: Request) -> bytes:
        limit = params.limit()
        names = {name for labels in self._matching(params, "") for name, _ in labels}
        items, warnings = wire.limited(sorted(names), limit)
        return wire.success(items, warnings=warnings)

    def label_values(self, params: Params, request: Request) -> bytes:
        limit = params.limit()
        name = unescape_label(request.path_params["name"])
        narrowed = any(params.get(each) for each in ("match[]", "start", "end"))
        if name == tree.METRIC_NAME and not narrowed and isinstance(self.store, NamedStore):
            values = set(self.store.names())
        else:
            values = {v for labels in self._matching(params, "") for n, v in labels if n == name}
        items, warnings = wire.limited(sorted(values), limit)
        return wire.success(items, warnings=warnings)

    def _matching(self, params: Params, prefix: str) -> set[Labels]:
        start, end = params.time("start", MIN_TIME_MS), params.time("end", MAX_TIME_MS)
        if end < start:
            raise BadParameter(
                'invalid parameter "end": end timestamp must not be before start timestamp'
            )
        texts = params.all("match[]")
        if not texts:
            return set(self.store.series((), start, end))
        found: set[Labels] = set()
        for selector in _selectors(texts, prefix):
            found.update(self.store.series(selector.all_matchers, start, end))
        return found


def _selectors(texts: Iterable[str], prefix: str) -> list[tree.Selector]:
    try:
        return [parse_selector(text) for text in texts]
    except InvalidPromql as error:
        raise BadParameter(prefix + error.message) from error


def _expression(params: Params) -> tree.Node:
    try:
        return parse(params.get("query"))
    except InvalidPromql as error:
        raise BadParameter(f'invalid parameter "query": {error.message}') from error


def _timeout(params: Params) -> float:
    asked = params.duration("timeout")
    return _DEFAULT_TIMEOUT_S if asked is None else min(asked / 1000, _DEFAULT_TIMEOUT_S)


def _lookback(params: Params) -> int | None:
    asked = params.duration("lookback_delta")
    return asked if asked is None or asked > 0 else None

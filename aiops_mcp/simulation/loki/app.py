"""The HTTP API of a plain Loki.

Source: grafana/loki's HTTP API reference and ``pkg/querier``. Errors are plain text, as there.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from aiops_mcp.errors import InvalidLogql
from aiops_mcp.logql import LogQuery, Matcher, Selector, parse, parse_selector, to_text
from aiops_mcp.simulation.loki.engine import Engine, LogWindow
from aiops_mcp.simulation.loki.fields import detected, fields_json, patterns_json
from aiops_mcp.simulation.loki.params import HOUR, SECOND, Params
from aiops_mcp.simulation.loki.pushing import take_in
from aiops_mcp.simulation.loki.series import QueryRefused
from aiops_mcp.simulation.loki.streams import ClusterStreams
from aiops_mcp.simulation.loki.tail import FLAGS, Tails, asks_for_categories
from aiops_mcp.simulation.loki.volumes import size_of, volumes
from aiops_mcp.simulation.loki.wire import (
    Json,
    matrix_json,
    scalar_json,
    stats_json,
    streams_json,
    success,
    vector_json,
)

API = "/loki/api/v1"
_ASKED = ["GET", "POST"]
_SAMPLE_LINES = 1000
Clock = Callable[[], float]
Answer = Callable[[Params, Request], Any]


def loki_app(streams: ClusterStreams, now: Clock, *, poll: float = 1.0) -> Starlette:
    """A Loki over streams; ``now`` gives unix seconds, ``poll`` is how often a tail looks."""
    server = LokiServer(streams, now, poll)

    async def ready(_request: Request) -> Response:
        return PlainTextResponse("ready\n")

    return Starlette(routes=[Route("/ready", ready), *server.routes(API)])


class LokiServer:
    """The endpoints of one tenant."""

    def __init__(self, streams: ClusterStreams, now: Clock, poll: float) -> None:
        self._streams = streams
        self._clock = now
        self._tails = Tails(streams, self._now, poll)

    def _now(self) -> int:
        return round(self._clock() * 1_000_000) * 1000

    def routes(self, prefix: str, only: frozenset[str] | None = None) -> list[BaseRoute]:
        """The routes below a prefix; ``only`` names the first path segments that are open."""
        answers: Mapping[str, Answer] = {
            "/query": self.query,
            "/query_range": self.query_range,
            "/labels": self.labels,
            "/label": self.labels,
            "/label/{name}/values": self.values,
            "/series": self.series,
            "/index/stats": self.index_stats,
            "/index/volume": self.index_volume,
            "/index/volume_range": self.index_volume_range,
            "/patterns": self.patterns,
            "/detected_fields": self.detected_fields,
            "/detected_field/{name}/values": self.detected_values,
            "/detected_labels": self.detected_labels,
            "/status/buildinfo": self.buildinfo,
            "/format_query": self.format_query,
        }
        found: list[BaseRoute] = [
            Route(prefix + path, self._endpoint(answer), methods=_ASKED)
            for path, answer in answers.items()
            if only is None or path in only
        ]
        found.append(WebSocketRoute(f"{prefix}/tail", self._tails.serve))
        if only is None:
            found.append(Route(f"{prefix}/push", self.push, methods=["POST"]))
        return found

    def _endpoint(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                params = await Params.of(request, self._now())
                content = await run_in_threadpool(answer, params, request)
            except InvalidLogql as error:
                return refusal(error.message)
            except QueryRefused as error:
                return refusal(str(error))
            return Response(orjson.dumps(content), media_type="application/json")

        return endpoint

    async def push(self, request: Request) -> Response:
        """Keep lines; 204 without a body."""
        try:
            encoding = request.headers.get("content-encoding", "")
            take_in(await request.body(), encoding, self._streams.pushed, self._now())
        except QueryRefused as error:
            return refusal(str(error))
        return Response(status_code=204)

    # --- queries ------------------------------------------------------------------------------

    def query_range(self, params: Params, request: Request) -> Json:
        """Lines, or a matrix of numbers."""
        began = time.perf_counter()
        query = parse(params.get("query"))
        engine = Engine(self._streams)
        data: Json
        if isinstance(query, LogQuery):
            window = params.log_window()
            window = LogWindow(
                window.start,
                min(window.end, self._now() + 1),
                window.limit,
                window.forward,
                window.interval,
            )
            rows = engine.lines(query, window)
            categorized = asks_for_categories(request.headers.get(FLAGS, ""))
            data = {"resultType": "streams", "result": streams_json(rows, categorized=categorized)}
            if categorized:
                data["encodingFlags"] = ["categorize-labels"]
            returned = len(rows)
        else:
            start, end, step = params.steps()
            steps = np.arange(start, end + 1, step, dtype=np.int64)
            found = engine.numbers(query, steps)
            data = {"resultType": "matrix", "result": matrix_json(found, steps)}
            returned = len(data["result"])
        data["stats"] = stats_json(engine.totals, time.perf_counter() - began, returned)
        return success(data)

    def query(self, params: Params, _request: Request) -> Json:
        """Numbers at one moment."""
        began = time.perf_counter()
        query = parse(params.get("query"))
        if isinstance(query, LogQuery):
            raise QueryRefused(
                "log queries are not supported as an instant query type, please change your query "
                "to a range query type"
            )
        moment = params.time("time", params.now)
        _ = params.entries(), params.forward
        engine = Engine(self._streams)
        found = engine.numbers(query, np.array([moment], dtype=np.int64))
        data: Json
        if isinstance(found, list):
            data, returned = (
                {"resultType": "vector", "result": vector_json(found, moment)},
                len(found),
            )
        else:
            data, returned = {"resultType": "scalar", "result": scalar_json(found, moment)}, 1
        data["stats"] = stats_json(engine.totals, time.perf_counter() - began, returned)
        return success(data)

    def format_query(self, params: Params, _request: Request) -> Json:
        """The query as it is read."""
        return success(to_text(parse(params.get("query"))))

    # --- labels and series --------------------------------------------------------------------

    def _matchers(self, params: Params) -> tuple[Matcher, ...]:
        text = params.get("query").strip()
        return parse_selector(text).matchers if text else ()

    def _label_sets(self, params: Params, matchers: tuple[Matcher, ...]) -> list[dict[str, str]]:
        start, end = params.window(6 * HOUR)
        end = min(end, self._now() + 1)
        # Who writes at all writes every few minutes: the window's last hour tells the streams.
        recent = self._streams.select(matchers, max(start, end - HOUR), end)
        return [dict(stream.labels) for stream in recent]

    def labels(self, params: Params, _request: Request) -> Json:
        """Names of labels; without any, ``data`` is missing, as in Loki."""
        found = self._label_sets(params, self._matchers(params))
        return _listed({name for labels in found for name in labels})

    def values(self, params: Params, request: Request) -> Json:
        """Values of one label."""
        name = request.path_params["name"]
        found = self._label_sets(params, self._matchers(params))
        return _listed({labels[name] for labels in found if name in labels})

    def series(self, params: Params, _request: Request) -> Json:
        """Label sets of the streams that any selector fits."""
        selectors = [parse_selector(one).matchers for one in params.all("match[]", "match")]
        found: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        for matchers in selectors or [()]:
            for labels in self._label_sets(params, matchers):
                found[tuple(sorted(labels.items()))] = labels
        return success(list(found.values()))

    def detected_labels(self, params: Params, _request: Request) -> Json:
        """Labels with how many values they have."""
        found = self._label_sets(params, self._matchers(params))
        names = sorted({name for labels in found for name in labels})
        return {
            "detectedLabels": [
                {"label": name, "cardinality": len({one[name] for one in found if name in one})}
                for name in names
            ]
        }

    # --- sizes --------------------------------------------------------------------------------

    def index_stats(self, params: Params, _request: Request) -> Json:
        """How much a selector covers; this answer has no envelope."""
        start, end = params.window()
        matchers = self._selective(params)
        size = size_of(self._streams, matchers, start, end, self._now())
        return {
            "streams": size.streams,
            "chunks": size.chunks,
            "entries": size.entries,
            "bytes": size.bytes,
        }

    def _selective(self, params: Params) -> tuple[Matcher, ...]:
        query = parse(params.get("query"))
        if not isinstance(query, LogQuery) or query.stages:
            raise QueryRefused("only label matchers are supported")
        return query.selector.matchers

    def _names(self, params: Params) -> list[str]:
        return [one for one in params.get("targetLabels").split(",") if one]

    def index_volume(self, params: Params, _request: Request) -> Json:
        """Bytes by labels, as a vector."""
        start, end = params.window()
        steps = np.array([start, end], dtype=np.int64)
        names = self._names(params)
        found = volumes(self._streams, self._selective(params), steps, names, self._now())
        vector = vector_json(found[: params.limit()], end)
        return success({"resultType": "vector", "result": vector})

    def index_volume_range(self, params: Params, _request: Request) -> Json:
        """Bytes by labels and step, as a matrix."""
        start, end, step = params.steps()
        steps = np.unique(np.append(np.arange(start, end, step, dtype=np.int64), end))
        names = self._names(params)
        found = volumes(self._streams, self._selective(params), steps, names, self._now())
        matrix = matrix_json(found[: params.limit()], steps[:-1])
        return success({"resultType": "matrix", "result": matrix})

    # --- what lines have in common ------------------------------------------------------------

    def patterns(self, params: Params, _request: Request) -> Json:
        """Patterns of a selector's lines with counts by step."""
        start, end, step = params.steps()
        query = LogQuery(Selector(self._selective(params)))
        window = LogWindow(start, min(end, self._now() + 1), 100_000, forward=True)
        rows = Engine(self._streams).lines(query, window)
        return success(patterns_json(rows, max(step, 10 * SECOND)))

    def _sample(self, params: Params) -> list[Any]:
        query = parse(params.get("query"))
        if not isinstance(query, LogQuery):
            raise QueryRefused("only log selectors are supported")
        start, end = params.window()
        lines = params.get("line_limit")
        wanted = int(lines) if lines.isdecimal() and len(lines) < 6 else _SAMPLE_LINES
        window = LogWindow(start, min(end, self._now() + 1), min(wanted, 5000))
        return Engine(self._streams).lines(query, window)

    def detected_fields(self, params: Params, _request: Request) -> Json:
        """Fields that the parsers find in a sample of lines."""
        return fields_json(self._sample(params), params.limit(1000))

    def detected_values(self, params: Params, request: Request) -> Json:
        """Values of one such field."""
        found = detected(self._sample(params)).get(request.path_params["name"])
        limit = params.limit(1000)
        return {"values": sorted(found[0])[:limit] if found else [], "limit": limit}

    def buildinfo(self, _params: Params, _request: Request) -> Json:
        """Which Loki this pretends to be."""
        return {
            "version": "3.4.2",
            "revision": "4fa045d5",
            "branch": "HEAD",
            "buildUser": "simulation",
            "buildDate": "2025-02-13T19:06:07Z",
            "goVersion": "go1.23.6",
        }


def _listed(names: set[str]) -> Json:
    return success(sorted(names)) if names else {"status": "success"}


def refusal(text: str, status: int = 400) -> Response:
    """An error as Loki gives it."""
    return PlainTextResponse(f"{text}\n", status)

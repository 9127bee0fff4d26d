"""Tempo's HTTP API at wire level, over the traces of a simulated cluster.

Source: grafana/tempo ``docs/sources/tempo/api_docs``, ``pkg/api/http.go``. Errors are a line of
text.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from aiops_mcp.simulation.otlp_json import Dialect, resource_spans
from aiops_mcp.simulation.spans import SpanSet
from aiops_mcp.simulation.tempo_metrics import LONGEST_RANGE, series
from aiops_mcp.simulation.tempo_params import Refused, search_of, times_of, traceql
from aiops_mcp.simulation.tempo_search import (
    SCOPES,
    field_named,
    found_traces,
    tag_names,
    tag_values,
    typed,
)
from aiops_mcp.simulation.traceql_tokens import nanoseconds
from aiops_mcp.simulation.traces import TraceBook

Json = dict[str, Any]
Answer = Callable[[Request], Awaitable[Response]]

_BUILD = {
    "version": "2.7.1",
    "revision": "simulated",
    "branch": "HEAD",
    "buildUser": "",
    "buildDate": "2025-02-20T12:00:00Z",
    "goVersion": "go1.23.5",
}
_DIGITS = frozenset("0123456789abcdefABCDEF")
_METRICS_TIME = 3600.0
_STEPS = 60


def tempo_app(
    book: TraceBook, cluster: str, now: Callable[[], float], *, most_spans: int = 5_000
) -> Starlette:
    """An ASGI application that answers as Tempo 2.7 does; larger traces are refused with 422."""
    api = _Api(book, cluster, now, most_spans)
    paths: dict[str, Answer] = {
        "/api/search": api.search,
        "/api/traces/{id}": api.trace,
        "/api/v2/traces/{id}": api.trace_v2,
        "/api/search/tags": api.tags,
        "/api/v2/search/tags": api.tags_v2,
        "/api/search/tag/{name}/values": api.values,
        "/api/v2/search/tag/{name}/values": api.values_v2,
        "/api/metrics/query_range": api.metrics_range,
        "/api/metrics/query": api.metrics_instant,
    }
    routes = [Route(path, _refusing(answer), methods=["GET"]) for path, answer in paths.items()]
    routes += [
        Route("/ready", _said("ready\n")),
        Route("/api/echo", _said("echo")),
        Route("/api/status/buildinfo", _build),
    ]
    return Starlette(routes=routes, exception_handlers={404: _no_page})


async def _build(_: Request) -> Response:
    return JSONResponse(_BUILD)


async def _no_page(_: Request, _error: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", 404)


def _said(text: str) -> Answer:
    async def answer(_: Request) -> Response:
        return PlainTextResponse(text)

    return answer


def _refusing(answer: Answer) -> Answer:
    async def guarded(request: Request) -> Response:
        try:
            return await answer(request)
        except Refused as refusal:
            return PlainTextResponse(refusal.text, refusal.status)

    return guarded


class _Api:
    def __init__(
        self, book: TraceBook, cluster: str, now: Callable[[], float], most_spans: int
    ) -> None:
        self._book = book
        self._cluster = cluster
        self._now = now
        self._most_spans = most_spans

    def _between(self, start: float, end: float) -> Iterator[SpanSet]:
        return self._book.between(self._cluster, start, end)

    async def search(self, request: Request) -> Response:
        search = search_of(request.query_params, self._now())

        def look() -> Json:
            return found_traces(search, self._between(search.start, search.end))

        return JSONResponse(await run_in_threadpool(look))

    # --- one trace ------------------------------------------------------------------------

    async def trace(self, request: Request) -> Response:
        spans = await self._found(request)
        if spans is None:
            return Response(status_code=404)
        return JSONResponse(
            {"batches": resource_spans(spans.spans, Dialect.PROTOBUF, spans.trace_id)}
        )

    async def trace_v2(self, request: Request) -> Response:
        spans = await self._found(request)
        if spans is None:
            return Response(status_code=404)
        blocks = resource_spans(spans.spans, Dialect.PROTOBUF, spans.trace_id)
        return JSONResponse({"trace": {"resourceSpans": blocks}, "status": "COMPLETE"})

    async def _found(self, request: Request) -> SpanSet | None:
        trace_id = request.path_params["id"]
        for place, char in enumerate(trace_id):
            if char not in _DIGITS:
                raise Refused(
                    "trace IDs can only contain hex characters: "
                    f"invalid character '{char}' at position {place + 1}"
                )
        if len(trace_id) > 32:
            raise Refused("trace IDs can't be larger than 128 bits")
        whole = trace_id.lower().rjust(32, "0")
        spans = await run_in_threadpool(self._book.trace, self._cluster, whole)
        if spans is not None and len(spans.spans) > self._most_spans:
            size = self._most_spans * 1000
            raise Refused(f"TRACE_TOO_LARGE: max size of trace ({size}) exceeded", 422)
        return spans

    # --- tags -----------------------------------------------------------------------------

    async def tags(self, request: Request) -> Response:
        names = await self._names(request)
        found = {name for scope, some in names.items() if scope != "intrinsic" for name in some}
        return JSONResponse({"tagNames": sorted(found)})

    async def tags_v2(self, request: Request) -> Response:
        names = await self._names(request)
        scopes = [{"name": scope, "tags": found} for scope, found in names.items() if found]
        return JSONResponse({"scopes": scopes})

    async def _names(self, request: Request) -> dict[str, list[str]]:
        scope = request.query_params.get("scope", "")
        if scope not in ("", "none", *SCOPES):
            raise Refused(f"invalid scope: {scope}")
        start, end = times_of(request.query_params, self._now())
        names = await run_in_threadpool(lambda: tag_names(self._between(start, end)))
        return names if scope in ("", "none") else {scope: names[scope]}

    async def values(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = await self._values(request, f".{name}")
        return JSONResponse({"tagValues": [str(value) for value in found]})

    async def values_v2(self, request: Request) -> Response:
        name = request.path_params["name"]
        found, field = await self._values(request, name), field_named(name)
        return JSONResponse({"tagValues": [typed(field, value) for value in found]})

    async def _values(self, request: Request, name: str) -> list[Any]:
        field = field_named(name)
        text = request.query_params.get("q", "")
        query = traceql(text) if text else None
        start, end = times_of(request.query_params, self._now())
        return await run_in_threadpool(lambda: tag_values(field, query, self._between(start, end)))

    # --- metrics --------------------------------------------------------------------------

    async def metrics_range(self, request: Request) -> Response:
        found, _ = await self._series(request, instant=False)
        return JSONResponse({"series": found, "metrics": {"completedJobs": 1, "totalJobs": 1}})

    async def metrics_instant(self, request: Request) -> Response:
        found, _ = await self._series(request, instant=True)
        for one in found:
            samples = one.pop("samples")
            one["value"] = samples[-1]["value"] if samples else 0.0
        return JSONResponse({"series": found, "metrics": {"completedJobs": 1, "totalJobs": 1}})

    async def _series(self, request: Request, *, instant: bool) -> tuple[list[Json], float]:
        query = request.query_params
        asked = traceql(query.get("q") or query.get("query", ""))
        now = self._now()
        start, end = times_of(query, now, _seconds(query.get("since", "")) or _METRICS_TIME)
        if end - start > LONGEST_RANGE:
            raise Refused(
                f"metrics query time range exceeds the maximum allowed duration of 24h0m0s: "
                f"{end - start:g}s"
            )
        step = end - start if instant else _seconds(query.get("step", "")) or (end - start) / _STEPS
        found = await run_in_threadpool(
            lambda: series(asked, self._between(start, end), start, end, step)
        )
        return found, step


def _seconds(text: str) -> float:
    """A duration such as ``1m``, or plain seconds; 0 where none is given."""
    if not text:
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = nanoseconds(text) / 1e9
    if not 0 < value < 1e9:
        raise Refused(f'invalid step: time: invalid duration "{text}"')
    return value

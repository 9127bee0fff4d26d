"""Jaeger's query service at wire level, API v3 and v1, over the traces of a simulated cluster.

Source: jaegertracing/jaeger ``cmd/jaeger/internal/extension/jaegerquery``; jaeger-idl
``swagger/api_v3``. Answers as 2.20 does, the last release in which v1 searches.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from aiops_mcp.simulation.jaeger_search import (
    BadSearch,
    Search,
    dependencies,
    found,
    search_v1,
    search_v3,
)
from aiops_mcp.simulation.jaeger_v1 import trace_v1
from aiops_mcp.simulation.otlp_json import Dialect, resource_spans
from aiops_mcp.simulation.spans import SpanSet
from aiops_mcp.simulation.traces import TraceBook

Json = dict[str, Any]
Answer = Callable[[Request], Awaitable[Response]]

_KNOWN = 6 * 3600.0
_RECENT = 1800.0
"""How far back services and operations are looked for (seconds): they hardly change."""

_ID = re.compile(r"[0-9a-fA-F]{1,32}")


def jaeger_app(book: TraceBook, cluster: str, now: Callable[[], float]) -> Starlette:
    """An ASGI application that answers as Jaeger's query service on port 16686 does."""
    api = _Api(book, cluster, now)
    paths: dict[str, tuple[Answer, Callable[[int, str], Json]]] = {
        "/api/v3/services": (api.services_v3, _fault_v3),
        "/api/v3/operations": (api.operations_v3, _fault_v3),
        "/api/v3/traces": (api.search_v3, _fault_v3),
        "/api/v3/traces/{id}": (api.trace_v3, _fault_v3),
        "/api/services": (api.services_v1, _fault_v1),
        "/api/services/{service:path}/operations": (api.operations_v1, _fault_v1),
        "/api/traces": (api.search_v1, _fault_v1),
        "/api/traces/{id}": (api.trace_v1, _fault_v1),
        "/api/dependencies": (api.dependencies, _fault_v1),
    }
    routes = [
        Route(path, _refusing(answer, fault), methods=["GET"])
        for path, (answer, fault) in paths.items()
    ]
    metrics = [Route(f"/api/metrics/{name}", _no_metrics) for name in ("latencies", "calls")]
    page = Route("/{path:path}", _page, methods=["GET"])
    return Starlette(routes=[*routes, *metrics, page])


async def _no_metrics(_: Request) -> Response:
    return JSONResponse(_fault_v1(501, "metrics querying is currently disabled"), 501)


async def _page(request: Request) -> Response:
    """Its web page, which stands at every path that is none of the API's."""
    if request.url.path.startswith("/api/"):
        return Response("404 page not found\n", 404, media_type="text/plain")
    return HTMLResponse("<!doctype html><title>Jaeger UI</title>")


def _fault_v3(status: int, message: str) -> Json:
    return {"error": {"httpCode": status, "message": message}}


def _fault_v1(status: int, message: str) -> Json:
    return {
        "data": None,
        "total": 0,
        "limit": 0,
        "offset": 0,
        "errors": [{"code": status, "msg": message}],
    }


def _refusing(answer: Answer, fault: Callable[[int, str], Json]) -> Answer:
    async def guarded(request: Request) -> Response:
        try:
            return await answer(request)
        except BadSearch as error:
            return JSONResponse(fault(error.status, str(error)), error.status)

    return guarded


def _told(data: list[Any]) -> Response:
    content = {"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None}
    return Response(orjson.dumps(content), media_type="application/json")


class _Api:
    def __init__(self, book: TraceBook, cluster: str, now: Callable[[], float]) -> None:
        self._book = book
        self._cluster = cluster
        self._now = now

    def _between(self, start: float, end: float) -> Iterator[SpanSet]:
        return self._book.between(self._cluster, start, end)

    # --- names ----------------------------------------------------------------------------

    async def _services(self) -> list[str]:
        def look() -> set[str]:
            now = self._now()
            traces = self._between(now - _RECENT, now)
            return {span.process.service for trace in traces for span in trace.spans}

        return sorted(await run_in_threadpool(look))

    async def _operations(self, service: str, kind: str) -> list[tuple[str, str]]:
        def look() -> set[tuple[str, str]]:
            now = self._now()
            return {
                (span.name, span.kind.value)
                for trace in self._between(now - _RECENT, now)
                for span in trace.spans
                if span.process.service == service and kind in ("", span.kind.value)
            }

        return sorted(await run_in_threadpool(look))

    async def services_v3(self, _: Request) -> Response:
        return JSONResponse({"services": await self._services()})

    async def services_v1(self, _: Request) -> Response:
        return _told(await self._services())

    async def operations_v3(self, request: Request) -> Response:
        query = request.query_params
        service, kind = query.get("service", ""), query.get("span_kind", "")
        if not service:
            raise BadSearch("malformed parameter service: service name is required")
        found_ones = await self._operations(service, kind.lower())
        told = [{"name": name, "spanKind": kind} for name, kind in found_ones]
        return JSONResponse({"operations": told})

    async def operations_v1(self, request: Request) -> Response:
        names = await self._operations(request.path_params["service"], "")
        return _told(sorted({name for name, _ in names}))

    # --- traces ---------------------------------------------------------------------------

    async def search_v3(self, request: Request) -> Response:
        traces = await self._search(search_v3(request.query_params))
        if not traces:
            raise BadSearch("No traces found", 404)
        blocks = [
            block
            for trace in traces
            for block in resource_spans(trace.spans, Dialect.OTLP, trace.trace_id)
        ]
        return JSONResponse({"result": {"resourceSpans": blocks}})

    async def search_v1(self, request: Request) -> Response:
        traces = await self._search(search_v1(request.query_params, self._now()))
        return _told([trace_v1(trace) for trace in traces])

    async def _search(self, search: Search) -> list[SpanSet]:
        return await run_in_threadpool(
            lambda: found(search, self._between(search.start, search.end))
        )

    async def trace_v3(self, request: Request) -> Response:
        trace = await self._trace(request)
        blocks = resource_spans(trace.spans, Dialect.OTLP, trace.trace_id)
        return JSONResponse({"result": {"resourceSpans": blocks}})

    async def trace_v1(self, request: Request) -> Response:
        return _told([trace_v1(await self._trace(request))])

    async def _trace(self, request: Request) -> SpanSet:
        text = request.path_params["id"]
        if not _ID.fullmatch(text):
            raise BadSearch(f"malformed parameter trace_id: cannot parse {text!r} as trace ID")
        whole = text.lower().rjust(32, "0")
        spans = await run_in_threadpool(self._book.trace, self._cluster, whole)
        if spans is None:
            raise BadSearch("trace not found", 404)
        return spans

    async def dependencies(self, request: Request) -> Response:
        query: Mapping[str, str] = request.query_params
        try:
            end = int(query["endTs"]) / 1000
            back = int(query.get("lookback", "86400000")) / 1000
        except (KeyError, ValueError) as error:
            raise BadSearch("unable to parse param 'endTs': invalid syntax") from error
        start = max(end - back, end - _KNOWN)
        return _told(await run_in_threadpool(lambda: dependencies(self._between(start, end))))

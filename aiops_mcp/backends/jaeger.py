"""Client of Jaeger's query service: API v3 (OTLP), and v1 where there is no v3. Reads only.

Source: jaegertracing/jaeger ``cmd/jaeger/internal/extension/jaegerquery``; jaeger-idl
``swagger/api_v3``. A search answers whole traces and wants a service: without one, or with a
wildcard, the services are asked one by one.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

import orjson

from aiops_mcp.backends import faults
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.jaeger_answers import fits, hit_of, matches, parse_v1, parse_v3
from aiops_mcp.backends.otlp import read_aside
from aiops_mcp.backends.traceql import status_of
from aiops_mcp.backends.wire import Answer
from aiops_mcp.errors import BackendRefused
from aiops_mcp.models.spans import SearchHits, SpanRecord, TraceSearch, TraceSpans

MOST_SERVICES = 200
"""So many services are asked for traces where none is named."""

_AT_ONCE = 8


class JaegerClient:
    """Every method raises the errors of `HttpClient.request`; ``version`` is 3 or 1."""

    def __init__(self, http: HttpClient, *, version: int) -> None:
        self.http = http
        self.version = version

    async def search(self, search: TraceSearch) -> SearchHits:
        """The newest hits.

        Raises:
            BackendRefused: TraceQL, which Jaeger does not know.
        """
        if search.traceql is not None:
            raise BackendRefused(
                f"{self.http.target}: Jaeger knows no TraceQL.",
                "Look by service, operation, duration and tags there.",
                http_status=400,
                details=faults.details_of(self.http.target),
            )
        services = await self._chosen(search.service)
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(service: str) -> SearchHits:
            async with places:
                return await self._hits_of(service, search)

        tasks = [asyncio.create_task(one(name)) for name in services[:MOST_SERVICES]]
        try:
            told = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        found = {hit.trace_id: hit for part in told for hit in part.hits}
        newest = sorted(found.values(), key=lambda hit: -hit.start_ns)
        return SearchHits(
            tuple(newest[: search.limit]),
            more=len(services) > MOST_SERVICES or any(part.more for part in told),
        )

    async def _chosen(self, service: str | None) -> Sequence[str]:
        if service and "*" not in service:
            return [service]
        names = await self.services()
        return [name for name in names if fits(service, name)] if service else names

    async def _hits_of(self, service: str, search: TraceSearch) -> SearchHits:
        """Of whole traces only what is told of a hit is kept."""
        params = _v3_params if self.version == 3 else _v1_params
        path = "/api/v3/traces" if self.version == 3 else "/api/traces"
        try:
            answer = await self.http.request("GET", path, params(service, search))
        except BackendRefused as refusal:
            if refusal.http_status == 404 and self.version == 3:
                return SearchHits(())  # v3 says so where nothing was found
            raise
        return await read_aside(answer, lambda: self._hits(answer, search))

    def _hits(self, answer: Answer, search: TraceSearch) -> SearchHits:
        traces: dict[str, list[SpanRecord]] = {}
        for span in self._spans(answer)[0]:
            traces.setdefault(span.trace_id, []).append(span)
        hits = tuple(hit_of(spans) for spans in traces.values() if matches(spans, search))
        return SearchHits(hits, more=len(traces) >= search.limit)

    async def trace(self, trace_id: str) -> TraceSpans | None:
        """All spans of a trace, or None where there is none."""
        path = "/api/v3/traces" if self.version == 3 else "/api/traces"
        try:
            answer = await self.http.request("GET", f"{path}/{trace_id}")
        except BackendRefused as refusal:
            if refusal.http_status == 404:
                return None
            raise
        spans, broken = await read_aside(answer, lambda: self._spans(answer))
        return TraceSpans(tuple(spans), "", broken) if spans or broken else None

    async def services(self) -> tuple[str, ...]:
        """All services, sorted."""
        if self.version == 3:
            return _names(
                self._object(await self.http.request("GET", "/api/v3/services")), "services"
            )
        return _names(self._object(await self.http.request("GET", "/api/services")), "data")

    async def operations(self, service: str) -> tuple[str, ...]:
        """Names of the service's spans, sorted."""
        if self.version == 3:
            answer = await self.http.request("GET", "/api/v3/operations", [("service", service)])
            return _names(self._object(answer), "operations")
        path = f"/api/services/{quote(service, safe='')}/operations"
        return _names(self._object(await self.http.request("GET", path)), "data")

    async def clusters(self) -> frozenset[str] | None:
        """None: Jaeger lists no values of attributes."""
        return None

    async def healthy(self) -> None:
        """Returns when it answers questions; its readiness stands on another port."""
        await self.services()

    async def aclose(self) -> None:
        await self.http.aclose()

    def _spans(self, answer: Answer) -> tuple[list[SpanRecord], int]:
        if self.version == 1:
            return parse_v1(self._object(answer))
        try:
            return parse_v3([orjson.loads(answer.body)])
        except orjson.JSONDecodeError:
            pass
        try:  # a stream of objects, as grpc-gateway writes one
            return parse_v3([orjson.loads(line) for line in answer.body.splitlines() if line])
        except orjson.JSONDecodeError:
            self.http.parsed(answer)  # raises what came instead
            raise

    def _object(self, answer: Answer) -> dict[str, Any]:
        payload = self.http.parsed(answer)
        if not isinstance(payload, dict):
            raise faults.foreign(
                self.http.target,
                "JSON that is not Jaeger's",
                "Check that the URL is that of Jaeger's query service (without /api).",
            )
        return cast("dict[str, Any]", payload)


def _exact(search: TraceSearch) -> dict[str, str]:
    """The tags that Jaeger can compare itself; the others are looked at in what it answers."""
    tags: dict[str, str] = {}
    for key, value in search.tags:
        status = status_of(key, value)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if status == "error":
            tags["error"] = "true"
        elif status is None and key != "kind" and "*" not in text:
            tags[key.removeprefix("resource.").removeprefix("span.")] = text
    return tags


def _operation(search: TraceSearch) -> str | None:
    return search.operation if search.operation and "*" not in search.operation else None


def _v3_params(service: str, search: TraceSearch) -> list[tuple[str, str]]:
    params = [
        ("query.serviceName", service),
        ("query.startTimeMin", _rfc3339_nano(search.start)),
        ("query.startTimeMax", _rfc3339_nano(search.end)),
        ("query.searchDepth", str(search.limit)),
    ]
    if operation := _operation(search):
        params.append(("query.operationName", operation))
    if search.min_duration_ms is not None:
        params.append(("query.durationMin", _duration(search.min_duration_ms)))
    if search.max_duration_ms is not None:
        params.append(("query.durationMax", _duration(search.max_duration_ms)))
    if tags := _exact(search):
        params.append(("query.attributes", orjson.dumps(tags).decode()))
    return params


def _v1_params(service: str, search: TraceSearch) -> list[tuple[str, str]]:
    params = [
        ("service", service),
        ("start", str(_micros(search.start))),
        ("end", str(_micros(search.end))),
        ("limit", str(search.limit)),
    ]
    if operation := _operation(search):
        params.append(("operation", operation))
    if search.min_duration_ms is not None:
        params.append(("minDuration", _duration(search.min_duration_ms)))
    if search.max_duration_ms is not None:
        params.append(("maxDuration", _duration(search.max_duration_ms)))
    if tags := _exact(search):
        params.append(("tags", orjson.dumps(tags).decode()))
    return params


def _rfc3339_nano(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06}000Z"


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _duration(milliseconds: float) -> str:
    """As Go reads durations, which takes no exponent."""
    return f"{round(milliseconds * 1000)}us"


def _names(payload: dict[str, Any], key: str) -> tuple[str, ...]:
    """Names from a list of strings, or of objects with a ``name``."""
    values = payload.get(key)
    found: set[str] = set()
    for value in cast("Iterable[Any]", values) if isinstance(values, list) else ():
        text = cast("dict[str, Any]", value).get("name") if isinstance(value, dict) else value
        if isinstance(text, str) and text:
            found.add(text)
    return tuple(sorted(found))

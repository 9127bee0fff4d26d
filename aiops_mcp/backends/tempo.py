"""Client of Grafana Tempo's HTTP API, plain or behind a TempoStack gateway. Reads only.

Source: grafana/tempo ``docs/sources/tempo/api_docs``, ``pkg/tempopb``; observatorium/api for the
gateway, which lets only some calls pass where query RBAC is on: trace by id, search, and the
services.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from math import ceil, floor
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from aiops_mcp.backends import faults, traceql
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.otlp import (
    parse_resource_spans,
    read_aside,
)
from aiops_mcp.backends.tempo_answers import parse_hits, parse_span_names, parse_tag_values
from aiops_mcp.backends.wire import Answer, Refusal, Target, plain_refusal
from aiops_mcp.errors import BackendMisbehaved, BackendRefused, InputError
from aiops_mcp.models.spans import (
    CLUSTER_KEYS,
    FoundTrace,
    SearchHits,
    TraceSearch,
    TraceSpans,
)

TENANT_HEADER = "X-Scope-OrgID"
_GATEWAY = re.compile(r"/api/traces/v1/[^/]+(/tempo)?/?$")
_NOT_PASSED = frozenset({403, 404, 405, 501})
_SERVICE = "resource.service.name"
_SPANS_FOR_NAMES = 20


def gateway_prefix(base_url: str) -> str | None:
    """What is to stand before Tempo's paths at a TempoStack gateway; None where it is none."""
    found = _GATEWAY.search(urlsplit(base_url).path)
    if found is None:
        return None
    return "" if found[1] else "/tempo"


def with_tenant(target: Target, url: str) -> Target:
    """The target with the tenant that a plain Tempo's URL names: ``?tenant=a`` or ``?tenant=a|b``.

    Tempo itself takes several tenants at once. A gateway has its tenant in the path.
    """
    tenant = parse_qs(urlsplit(url).query).get("tenant", [""])[0]
    if not tenant:
        return target
    return replace(target, headers={**target.headers, TENANT_HEADER: tenant})


def tempo_refusal(answer: Answer) -> Refusal:
    """Tempo answers text. What is too large will be so the next time too."""
    refusal = plain_refusal(answer)
    if answer.status in (413, 422):
        reason = f"the trace is larger than Tempo hands out ({refusal.reason or 'no reason given'})"
        return Refusal(reason, details={"too_large": True})
    return refusal


class TempoClient:
    """Every method raises the errors of `HttpClient.request`.

    ``prefix`` stands before every path. What the server turns out not to know is not asked again.
    """

    def __init__(self, http: HttpClient, prefix: str = "") -> None:
        self.http = http
        self._prefix = prefix
        self._has_v2 = True
        self._v2_answered = False

    async def search(self, search: TraceSearch) -> SearchHits:
        """Hits in no particular order.

        Where this Tempo does not say which traces failed, it is asked for those beside.

        Raises:
            BackendRefused: also a query that Tempo cannot read, with its reason.
        """
        query = traceql.query_of(search)
        if len(query.encode("utf-8", "replace")) > traceql.MOST_BYTES:
            raise InputError(
                "The TraceQL query is longer than 128 KiB.", "Look for fewer things at once."
            )
        wanted = max(search.limit, search.sample)
        hits = await self._search(query, search, wanted)
        if traceql.wants_errors(search):
            hits = tuple(hit._replace(has_errors=True) for hit in hits)
        elif search.traceql is None and any(hit.has_errors is None for hit in hits):
            hits = await self._with_errors(hits, query, search, wanted)
        return SearchHits(hits, more=len(hits) >= wanted)

    async def _with_errors(
        self, hits: tuple[FoundTrace, ...], query: str, search: TraceSearch, wanted: int
    ) -> tuple[FoundTrace, ...]:
        asked = wanted + 1
        try:
            failing = await self._search(f"{query} && {traceql.ERRORS}", search, asked)
        except BackendRefused:
            return hits
        ids = {hit.trace_id for hit in failing}
        otherwise = False if len(failing) < asked else None
        return tuple(
            hit._replace(has_errors=True if hit.trace_id in ids else otherwise) for hit in hits
        )

    async def _search(
        self, query: str, search: TraceSearch, limit: int, spans: int = 1
    ) -> tuple[FoundTrace, ...]:
        return parse_hits(self._object(await self._search_answer(query, search, limit, spans)))

    async def _search_answer(
        self, query: str, search: TraceSearch, limit: int, spans: int
    ) -> Answer:
        params = [
            ("q", query),
            ("limit", str(limit)),
            ("spss", str(spans)),
            ("start", str(floor(search.start.timestamp()))),
            ("end", str(ceil(search.end.timestamp()))),
        ]
        return await self._get("/api/search", params)

    async def trace(self, trace_id: str) -> TraceSpans | None:
        """All spans of a trace, or None where there is none.

        Raises:
            BackendRefused: also a trace that is larger than Tempo hands out.
        """
        if self._has_v2:
            try:
                answer = await self._get(f"/api/v2/traces/{trace_id}")
            except BackendRefused as refusal:
                if refusal.http_status not in _NOT_PASSED:
                    raise
                if self._v2_answered and refusal.http_status == 404:
                    return None
            else:
                self._v2_answered = True
                return await read_aside(answer, lambda: self._v2_trace(answer))
        return await self._v1_trace(trace_id)

    def _v2_trace(self, answer: Answer) -> TraceSpans | None:
        payload = self._object(answer)
        trace = payload.get("trace")
        if not isinstance(trace, dict):
            return None
        blocks = cast("dict[str, Any]", trace)
        found, broken = parse_resource_spans(blocks.get("resourceSpans") or blocks.get("batches"))
        partial = ""
        if payload.get("status") == "PARTIAL":
            partial = str(payload.get("message") or "Tempo has only a part of it")
        return TraceSpans(tuple(found), partial, broken) if found or broken else None

    async def _v1_trace(self, trace_id: str) -> TraceSpans | None:
        try:
            answer = await self._get(f"/api/traces/{trace_id}")
        except BackendRefused as refusal:
            if refusal.http_status == 404:
                return None
            raise
        # Only now is it known that v2 was missing, and not the trace.
        self._has_v2 = self._v2_answered
        return await read_aside(answer, lambda: self._v1_read(answer))

    def _v1_read(self, answer: Answer) -> TraceSpans | None:
        payload = self._object(answer)
        found, broken = parse_resource_spans(payload.get("batches") or payload.get("resourceSpans"))
        return TraceSpans(tuple(found), "", broken) if found or broken else None

    async def services(self) -> tuple[str, ...]:
        """The values of ``service.name``, sorted."""
        try:
            answer = await self._get(f"/api/v2/search/tag/{_SERVICE}/values")
        except BackendRefused as refusal:
            if refusal.http_status not in _NOT_PASSED:
                raise
            answer = await self._get("/api/search/tag/service.name/values")
        return parse_tag_values(self._object(answer))

    async def operations(self, service: str) -> tuple[str, ...]:
        """Names of the service's spans, sorted.

        A gateway with query RBAC lets no names of spans be listed: there they are those of the
        spans that a search finds.
        """
        query = f"{{ {_SERVICE} = {traceql.string(service)} }}"
        try:
            answer = await self._get("/api/v2/search/tag/name/values", [("q", query)])
        except BackendRefused as refusal:
            if refusal.http_status not in _NOT_PASSED:
                raise
            selected = ("q", f"{query} | select(name)")
            answer = await self._get(
                "/api/search", [selected, ("limit", "100"), ("spss", str(_SPANS_FOR_NAMES))]
            )
            return parse_span_names(self._object(answer))
        return parse_tag_values(self._object(answer))

    async def clusters(self) -> frozenset[str] | None:
        """The clusters that its spans say they ran in; None where it may not be asked."""
        found: set[str] = set()
        for key in CLUSTER_KEYS:
            try:
                answer = await self._get(f"/api/v2/search/tag/resource.{key}/values")
            except BackendRefused as refusal:
                if refusal.http_status not in _NOT_PASSED:
                    raise
                return None
            found.update(parse_tag_values(self._object(answer)))
        return frozenset(found)

    async def healthy(self) -> None:
        """Returns when it answers questions; a gateway has no ``/ready``."""
        if gateway_prefix(self.http.target.base_url) is None:
            try:
                await self.http.request("GET", "/ready")
            except (BackendRefused, BackendMisbehaved):
                pass
            else:
                return
        await self._get("/api/search", [("q", "{ }"), ("limit", "1")])

    async def aclose(self) -> None:
        await self.http.aclose()

    async def _get(self, path: str, params: Iterable[tuple[str, str]] = ()) -> Answer:
        return await self.http.request(
            "GET", f"{self._prefix}{path}", params, read_error=tempo_refusal
        )

    def _object(self, answer: Answer) -> dict[str, Any]:
        payload = self.http.parsed(answer)
        if not isinstance(payload, dict):
            raise faults.foreign(
                self.http.target,
                "JSON that is not Tempo's",
                "Check that the URL is that of a Tempo API (without /api).",
            )
        return cast("dict[str, Any]", payload)

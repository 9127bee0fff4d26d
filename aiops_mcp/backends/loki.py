"""Loki's HTTP API, plain or behind an OpenShift LokiStack gateway.

Reads only. Times are nanoseconds since 1970 and always sent as such. What the JSON means is in
`loki_answers`, what a refusal means in `loki_faults`; cost and the fleet are not known here.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.loki_answers import (
    IndexStats,
    LokiAnswer,
    TailFrame,
    loki_refusal,
    parse_answer,
    parse_names,
    parse_series,
    parse_stats,
    parse_volume,
)
from aiops_mcp.backends.loki_faults import explained
from aiops_mcp.backends.loki_tenants import Tenancy
from aiops_mcp.backends.prometheus_answers import LARGE, MalformedAnswer
from aiops_mcp.backends.wire import Answer
from aiops_mcp.errors import BackendMisbehaved, BackendRefused
from aiops_mcp.models.logs import LogDirection

MAX_LINES = 5000
"""Loki's usual limit of lines an answer (``max_entries_limit_per_query``)."""

_API = "/loki/api/v1"
_LONGEST_GET = 6000  # characters of a query string that every server takes
_NOT_OFFERED = frozenset({403, 404, 405, 501})
_T = TypeVar("_T")
Pairs = list[tuple[str, str]]


class LokiClient:
    """One cluster's Loki. ``by_tenant`` are clients that carry a plain Loki's tenant header.

    Every method raises the errors of `HttpClient.request`; InvalidLogql and QueryTooExpensive
    where Loki says so. ``tenant`` is one of ``tenancy.chosen``. Source of the wire format: Grafana
    Loki's HTTP API reference; observatorium/api and the Loki operator for a gateway.
    """

    def __init__(
        self,
        http: HttpClient,
        tenancy: Tenancy | None = None,
        by_tenant: Mapping[str, HttpClient] | None = None,
    ) -> None:
        self.http = http
        self.tenancy = tenancy or Tenancy(http.target.base_url)
        self._by_tenant = dict(by_tenant or {})

    async def query_range(
        self,
        query: str,
        *,
        start: int,
        end: int,
        limit: int = 100,
        direction: LogDirection = LogDirection.BACKWARD,
        step: float | None = None,
        tenant: str | None = None,
        timeout: float | None = None,
    ) -> LokiAnswer:
        """Lines from ``start`` until before ``end``, or a metric's range at ``step`` seconds."""
        params = [
            ("query", query),
            ("start", str(start)),
            ("end", str(end)),
            ("limit", str(limit)),
            ("direction", direction.value.lower()),
            *([("step", f"{step:g}")] if step is not None else []),
        ]
        return await self._query("/query_range", params, query, tenant, timeout)

    async def query(
        self,
        query: str,
        *,
        time: int,
        limit: int = 100,
        tenant: str | None = None,
        timeout: float | None = None,
    ) -> LokiAnswer:
        """A metric query at one moment; Loki refuses log queries here."""
        params = [("query", query), ("time", str(time)), ("limit", str(limit))]
        return await self._query("/query", params, query, tenant, timeout)

    async def labels(
        self,
        *,
        start: int | None = None,
        end: int | None = None,
        query: str | None = None,
        tenant: str | None = None,
    ) -> tuple[str, ...]:
        """Label names of the streams that ``query`` (a selector) fits; by default of all."""
        params = _window(start, end, query)
        return self._read(parse_names, await self._ask("/labels", params, query or "", tenant))

    async def label_values(
        self,
        name: str,
        *,
        start: int | None = None,
        end: int | None = None,
        query: str | None = None,
        tenant: str | None = None,
    ) -> tuple[str, ...]:
        path = f"/label/{quote(name, safe='')}/values"
        params = _window(start, end, query)
        return self._read(parse_names, await self._ask(path, params, query or "", tenant))

    async def series(
        self,
        match: Sequence[str],
        *,
        start: int | None = None,
        end: int | None = None,
        tenant: str | None = None,
    ) -> tuple[dict[str, str], ...]:
        """Label sets of the streams that any of the selectors fits."""
        params = [*(("match[]", each) for each in match), *_window(start, end, None)]
        answer = await self._ask("/series", params, " ".join(match), tenant)
        return self._read(parse_series, answer)

    async def index_stats(
        self, selector: str, *, start: int, end: int, tenant: str | None = None
    ) -> IndexStats | None:
        """What a selector covers, without reading it; None where this Loki does not tell.

        A gateway passes no ``/index/stats``: there the volumes are added up.
        """
        params = _window(start, end, selector)
        try:
            if self.tenancy.is_gateway:
                answer = await self._ask("/index/volume", params, selector, tenant)
                return self._read(parse_volume, answer)
            return self._read(
                parse_stats, await self._ask("/index/stats", params, selector, tenant)
            )
        except BackendRefused as error:
            if error.http_status in _NOT_OFFERED:
                return None
            raise

    def tail(
        self,
        query: str,
        *,
        start: int | None = None,
        limit: int = 100,
        delay_for: int = 0,
        tenant: str | None = None,
    ) -> AsyncGenerator[TailFrame]:
        """New lines as they come, at first up to ``limit`` since ``start``; see `loki_tail`."""
        # WebSockets cost 30 ms to import, and most processes never follow a log.
        from aiops_mcp.backends.loki_tail import Put, follow, listen

        http = self._http(tenant)
        path = f"{self.tenancy.path(tenant)}{_API}/tail"

        async def connect(since: int | None, put: Put) -> None:
            params = [
                ("query", query),
                ("limit", str(limit)),
                ("delay_for", str(delay_for)),
                *([("start", str(since))] if since is not None else []),
            ]
            try:
                await listen(http, path, params, put, timeout=http.timeout)
            except BackendRefused as error:
                raise explained(error, query, is_gateway=self.tenancy.is_gateway) from error

        return follow(connect, start)

    async def buildinfo(self) -> dict[str, Any]:
        """``version``, ``revision``, …; a gateway does not pass it."""
        tenant = self.tenancy.chosen(None)[0]
        return self._read(dict, await self._ask("/status/buildinfo", [], "", tenant))

    async def healthy(self) -> None:
        """Returns when Loki answers, else raises why not.

        A gateway has its own health outside of the API, so there the label names decide.
        """
        if self.tenancy.is_gateway:
            await self.labels(tenant=self.tenancy.chosen(None)[0])
            return
        try:
            await self.http.request("GET", "/ready", accept="*/*", read_error=loki_refusal)
        except (BackendRefused, BackendMisbehaved):
            # Behind a proxy that passes the API alone.
            await self.labels(tenant=self.tenancy.chosen(None)[0])

    async def aclose(self) -> None:
        for http in (self.http, *self._by_tenant.values()):
            await http.aclose()

    async def _query(
        self, path: str, params: Pairs, query: str, tenant: str | None, timeout: float | None
    ) -> LokiAnswer:
        answer = await self._ask(path, params, query, tenant, timeout)
        if len(answer.body) < LARGE:
            return self._read(parse_answer, answer)
        return await asyncio.to_thread(self._read, parse_answer, answer)

    async def _ask(
        self,
        path: str,
        params: Pairs,
        query: str,
        tenant: str | None,
        timeout: float | None = None,
    ) -> Answer:
        """GET, which a reader behind a Kubernetes proxy may; POST where a URL would be too long."""
        http = self._http(tenant)
        where = f"{self.tenancy.path(tenant)}{_API}{path}"
        try:
            if len(urlencode(params)) < _LONGEST_GET:
                return await http.request(
                    "GET", where, params, timeout=timeout, read_error=loki_refusal
                )
            return await http.post_form(where, params, timeout=timeout, read_error=loki_refusal)
        except BackendRefused as error:
            raise explained(error, query, is_gateway=self.tenancy.is_gateway) from error

    def _http(self, tenant: str | None) -> HttpClient:
        return self._by_tenant.get(tenant or "", self.http)

    def _read(self, read: Callable[[Any], _T], answer: Answer) -> _T:
        try:
            return read(self.http.parsed(answer))
        except (MalformedAnswer, TypeError, ValueError) as error:
            target = self.http.target
            raise BackendMisbehaved(
                f"{target}: JSON that is not Loki's ({len(answer.body)} bytes).",
                "Check that the URL is Loki's own (without /loki/api/v1).",
                details={"backend": target.name, "cluster": target.cluster},
            ) from error


def _window(start: int | None, end: int | None, query: str | None) -> Pairs:
    pairs = (("start", start), ("end", end), ("query", query))
    return [(key, str(value)) for key, value in pairs if value is not None]

"""What a store of traces answers, whichever it is: Tempo, a TempoStack gateway, or Jaeger.

Which one it is, is found out at the first call and remembered; building a client asks nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, cast

import orjson

from aiops_mcp.backends import faults
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.jaeger import JaegerClient
from aiops_mcp.backends.tempo import TempoClient, gateway_prefix
from aiops_mcp.errors import BackendMisbehaved, BackendRefused, BackendUnauthorized
from aiops_mcp.models.spans import SearchHits, TraceSearch, TraceSpans

_T = TypeVar("_T")
_OTHER_PROGRAM = frozenset({404, 405, 501})


class TraceStore(Protocol):
    """One store of traces; every method raises the errors of `HttpClient.request`."""

    async def search(self, search: TraceSearch) -> SearchHits: ...

    async def trace(self, trace_id: str) -> TraceSpans | None: ...

    async def services(self) -> tuple[str, ...]: ...

    async def operations(self, service: str) -> tuple[str, ...]: ...

    async def clusters(self) -> frozenset[str] | None: ...

    async def healthy(self) -> None: ...


class TraceClient(TraceStore, Protocol):
    """One cluster's store of traces."""

    async def aclose(self) -> None: ...


async def trace_client(http: HttpClient) -> TraceClient:
    """The client for what answers there; nobody is asked before its first use."""
    return ProbingClient(http)


class ProbingClient:
    """Finds out what answers, and passes calls on to its client.

    When that one's paths are gone (another program, another version) it looks again next time.
    """

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._store: TraceStore | None = None
        self._looking = asyncio.Lock()

    async def search(self, search: TraceSearch) -> SearchHits:
        """Hits in no particular order. Asks for a few more than wanted only where that is cheap."""
        return await self._call(lambda store: store.search(search))

    async def trace(self, trace_id: str) -> TraceSpans | None:
        """All spans of a trace, or None where the store does not know it."""
        return await self._call(lambda store: store.trace(trace_id))

    async def services(self) -> tuple[str, ...]:
        return await self._call(lambda store: store.services())

    async def operations(self, service: str) -> tuple[str, ...]:
        """Names of the service's spans."""
        return await self._call(lambda store: store.operations(service))

    async def clusters(self) -> frozenset[str] | None:
        """The clusters that its spans say they ran in; None where it cannot tell."""
        return await self._call(lambda store: store.clusters())

    async def healthy(self) -> None:
        """Returns when the store answers; else raises why not."""
        await self._call(lambda store: store.healthy())

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _call(self, ask: Callable[[TraceStore], Awaitable[_T]]) -> _T:
        if self._store is None:
            async with self._looking:
                if self._store is None:
                    self._store = await probe(self._http)
        try:
            return await ask(self._store)
        except BackendUnauthorized:
            raise
        except BackendRefused as refusal:
            if refusal.http_status in _OTHER_PROGRAM:
                self._store = None
            raise
        except BackendMisbehaved:
            self._store = None
            raise


async def probe(http: HttpClient) -> TraceStore:
    """Which store answers.

    Raises:
        BackendUnauthorized: it wants another token. BackendMisbehaved: it is none that we know.
    """
    prefix = gateway_prefix(http.target.base_url)
    if prefix is not None:
        return TempoClient(http, prefix)
    refusals: list[BackendRefused] = []
    if await _text(http, "/api/echo", refusals) == b"echo":
        return TempoClient(http)
    if "services" in await _object(http, "/api/v3/services", refusals):
        return JaegerClient(http, version=3)
    # Protobuf leaves an empty list out.
    if {"traces", "metrics"} & (await _object(http, "/api/search?limit=1", refusals)).keys():
        return TempoClient(http)
    if "data" in await _object(http, "/api/services", refusals):
        return JaegerClient(http, version=1)
    for refusal in refusals:
        if isinstance(refusal, BackendUnauthorized) or refusal.http_status >= 500:
            raise refusal
    target = http.target
    raise BackendMisbehaved(
        f"{target}: neither Tempo nor Jaeger answers there.",
        "Use the URL of Tempo (port 3200), of a TempoStack gateway with its tenant "
        "(…/api/traces/v1/TENANT/tempo), or of Jaeger's query service (port 16686).",
        details=faults.details_of(target),
    )


async def _text(http: HttpClient, path: str, refusals: list[BackendRefused]) -> bytes:
    """What is said at a path; empty where nothing is."""
    try:
        return (await http.request("GET", path)).body.strip()[: 16 * 1024 * 1024]
    except BackendRefused as refusal:
        refusals.append(refusal)
    except BackendMisbehaved:
        pass  # a redirect: another program
    return b""


async def _object(http: HttpClient, path: str, refusals: list[BackendRefused]) -> dict[str, Any]:
    """The JSON object at a path; empty where there is none, as behind Jaeger's web page."""
    try:
        found: Any = orjson.loads(await _text(http, path, refusals) or b"null")
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

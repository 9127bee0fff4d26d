"""What a store of traces answers, whichever it is: Tempo, a TempoStack gateway, or Jaeger."""

from typing import Protocol

from aiops_mcp.backends.http import HttpClient


class TraceClient(Protocol):
    """One cluster's store of traces."""

    async def aclose(self) -> None: ...


class _Unknown:
    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def aclose(self) -> None:
        await self._http.aclose()


async def trace_client(http: HttpClient) -> TraceClient:
    """The client that fits what answers there."""
    return _Unknown(http)

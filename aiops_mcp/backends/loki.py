"""Loki's HTTP API, plain or behind an OpenShift LokiStack gateway."""

from aiops_mcp.backends.http import HttpClient


class LokiClient:
    """One cluster's Loki. Source of the wire format: Grafana Loki's HTTP API reference."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def aclose(self) -> None:
        await self._http.aclose()

"""Kubernetes objects of the whole fleet, reading only."""

from collections.abc import Callable, Sequence
from datetime import datetime

from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.object_search import Search, search_objects
from aiops_mcp.fleet.unhealthy import read_unhealthy
from aiops_mcp.models.findings import UnhealthyList
from aiops_mcp.models.objects import ResourceList
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings


class FleetObjects:
    """``clock`` is the wall clock. Every method raises when no cluster answered."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

    async def find(
        self, search: Search, *, principal: Principal, progress: Progress = no_progress
    ) -> ResourceList:
        """Objects of one kind, one page of them. Errors as in `search_objects`."""
        return await search_objects(
            self._fleet,
            search,
            principal,
            seconds=self._settings.query_timeout,
            ttl=self._settings.ttl_objects,
            progress=progress,
        )

    async def unhealthy(
        self,
        selection: Sequence[str] = (),
        *,
        principal: Principal,
        namespace: str | None = None,
        progress: Progress = no_progress,
    ) -> UnhealthyList:
        """All that is not well, worst first."""
        return await read_unhealthy(
            self._fleet,
            selection,
            principal,
            namespace=namespace,
            seconds=self._settings.query_timeout,
            ttl=self._settings.ttl_objects,
            clock=self._clock,
            progress=progress,
        )

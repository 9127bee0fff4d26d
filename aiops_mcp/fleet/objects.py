"""Kubernetes objects of the whole fleet, reading only."""

from collections.abc import Callable, Sequence
from datetime import datetime

from aiops_mcp.fleet.changes import ChangeSearch, read_changes
from aiops_mcp.fleet.compare import compare_clusters
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.object_detail import read_object
from aiops_mcp.fleet.object_event_list import EventSearch, read_events
from aiops_mcp.fleet.object_logs import LogSearch, read_pod_log
from aiops_mcp.fleet.object_search import Search, search_objects
from aiops_mcp.fleet.unhealthy import read_unhealthy
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.findings import ChangeList, Comparison, UnhealthyList
from aiops_mcp.models.objects import EventList, PodLog, ResourceDetail, ResourceList
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

    async def get(
        self, cluster: Cluster, kind: str, name: str, namespace: str | None = None
    ) -> ResourceDetail:
        """One object. Errors as in `read_object`."""
        return await read_object(
            self._fleet,
            cluster,
            kind,
            name,
            namespace,
            seconds=self._settings.query_timeout,
            clock=self._clock,
        )

    async def events(
        self, search: EventSearch, *, principal: Principal, progress: Progress = no_progress
    ) -> EventList:
        """Events folded by what they say. Errors as in `read_events`."""
        return await read_events(
            self._fleet,
            search,
            principal,
            seconds=self._settings.query_timeout,
            ttl=self._settings.ttl_objects,
            progress=progress,
        )

    async def pod_log(self, cluster: Cluster, search: LogSearch) -> PodLog:
        """The end of a container's log. Errors as in `read_pod_log`."""
        return await read_pod_log(
            self._fleet,
            cluster,
            search,
            seconds=self._settings.query_timeout,
            clock=self._clock,
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

    async def changes(
        self, search: ChangeSearch, *, principal: Principal, progress: Progress = no_progress
    ) -> ChangeList:
        """What changed in a window of time, newest first."""
        return await read_changes(
            self._fleet,
            search,
            principal,
            seconds=self._settings.query_timeout,
            ttl=self._settings.ttl_objects,
            progress=progress,
        )

    async def compare(
        self,
        selection: Sequence[str],
        *,
        principal: Principal,
        progress: Progress = no_progress,
    ) -> Comparison:
        """In what clusters differ, most telling first."""
        return await compare_clusters(
            self._fleet,
            selection,
            principal,
            seconds=self._settings.query_timeout,
            ttl=self._settings.ttl_objects,
            progress=progress,
        )

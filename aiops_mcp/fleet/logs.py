"""Logs of the whole fleet: Loki where a cluster has one, pod logs where it has none."""

from collections.abc import Callable
from datetime import datetime

from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.settings import Settings


class FleetLogs:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

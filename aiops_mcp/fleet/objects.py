"""Kubernetes objects of the whole fleet, reading only."""

from collections.abc import Callable
from datetime import datetime

from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.settings import Settings


class FleetObjects:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

"""How the fleet's GPUs are, why, and what to do: evidence joined from all that tells of a card."""

from collections.abc import Callable
from datetime import datetime

from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.gpu import FleetGpu
from aiops_mcp.settings import Settings


class FleetGpuHealth:
    """``clock`` is the wall clock."""

    def __init__(
        self, fleet: Fleet, gpu: FleetGpu, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        self._fleet = fleet
        self._gpu = gpu
        self._settings = settings
        self._clock = clock

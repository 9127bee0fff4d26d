"""The parts that reports stand on, put together, and what makes those of the schedule."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from aiops_mcp import __version__
from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.report_fonts import fonts_for
from aiops_mcp.fleet.report_gathering import ReportSources
from aiops_mcp.fleet.report_schedule import Scheduled
from aiops_mcp.fleet.report_wanted import Asked, wanted_of
from aiops_mcp.fleet.reports import FleetReports, Making
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.settings import Settings
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.report_bucket import open_bucket
from aiops_mcp.storage.report_files import Blobs, FileBlobs
from aiops_mcp.storage.reports import ReportTable

SCHEDULE = Principal(subject="schedule", role=Role.ADMIN)
"""Who makes scheduled reports: the settings are the administrator's."""


def fleet_reports(
    database: Database,
    bus: EventBus,
    settings: Settings,
    clock: Callable[[], datetime],
    *,
    clean: Callable[[Any], Any],
) -> FleetReports:
    """Reports of this server; ``clean`` takes secrets out of JSON.

    Raises:
        InputError: AIOPS_REPORT_STORE is no URL that can be used.
    """
    making = Making(
        clean=clean,
        keep=timedelta(days=settings.report_days),
        version=__version__,
        fonts=fonts_for(settings.report_fonts),
    )
    return FleetReports(ReportTable(database), _blobs(settings), bus, clock, making)


def _blobs(settings: Settings) -> Blobs:
    if settings.report_store is None:
        return FileBlobs(settings.home / "reports")
    key_id, secret = settings.report_store_key_id, settings.report_store_secret
    return open_bucket(
        settings.report_store,
        key_id=key_id.get_secret_value() if key_id else None,
        secret=secret.get_secret_value() if secret else None,
    )


class ScheduledReports:
    """Makes the reports of the schedule, of the whole fleet or of the clusters that it names."""

    def __init__(self, reports: FleetReports, sources: ReportSources) -> None:
        self._reports = reports
        self._sources = sources

    async def is_made(self, slot: str) -> bool:
        return await self._reports.is_made(slot)

    async def make(self, scheduled: Scheduled, turn: datetime, slot: str) -> None:
        """Make one. Raises as `wanted_of` and `FleetReports.create`."""
        start = turn - scheduled.window if scheduled.window else None
        asked = Asked(scheduled.report_type, scheduled.clusters, start, turn)
        wanted = await wanted_of(self._sources, asked, SCHEDULE)
        await self._reports.create(
            self._sources,
            wanted,
            scheduled.format,
            principal=SCHEDULE,
            title=scheduled.title,
            slot=slot,
        )

"""Reports that are made by themselves: what a line of the setting says, and when its turn is.

Among replicas one makes them (`ours`); a turn has one report, whoever makes it, for its name is
unique where reports are kept. A turn that was missed is made up for within an hour.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Protocol

from cronsim import CronSim, CronSimError

from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.models.entity import duration_seconds
from aiops_mcp.models.reports import ReportFormat, ReportType

_log = logging.getLogger(__name__)

LOOK_EVERY = 20.0
MAKE_UP_WITHIN = timedelta(hours=1)
TRY_AGAIN_AFTER = timedelta(minutes=5)
_OPTIONS = ("format", "clusters", "window", "title")
_FORM = "0 6 * * mon EXECUTIVE_SUMMARY;format=PDF;clusters=type=EDGE,hub-1;window=7d;title=Weekly"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One line of the schedule. ``cron`` has five fields and counts in UTC."""

    cron: str
    report_type: ReportType
    format: ReportFormat = ReportFormat.HTML
    clusters: tuple[str, ...] = ()
    window: timedelta | None = None
    title: str | None = None

    def last_turn(self, now: datetime) -> datetime:
        """When its turn last was, at most ``now``."""
        return next(CronSim(self.cron, now + timedelta(microseconds=1), reverse=True))

    def slot(self, turn: datetime) -> str:
        """The name of one turn, the same in every replica."""
        hashed = blake2b(repr(self).encode(), digest_size=12).hexdigest()
        return f"{hashed}@{turn:%Y-%m-%dT%H:%MZ}"


class Maker(Protocol):
    """Makes a scheduled report."""

    async def is_made(self, slot: str) -> bool: ...

    async def make(self, scheduled: Scheduled, turn: datetime, slot: str) -> None: ...


def read_scheduled(line: str) -> Scheduled:
    """What a line of the setting says.

    Raises:
        InputError: it cannot be read; the hint shows one that can.
    """
    try:
        return _read(line)
    except (ValueError, CronSimError) as error:
        raise InputError(
            f"AIOPS_REPORT_SCHEDULE: {line!r} cannot be read: {error}.", f"Write {_FORM}."
        ) from error


def _read(line: str) -> Scheduled:
    head, *options = (part.strip() for part in line.split(";"))
    *cron, kind = head.split() or [""]
    told: dict[str, str] = {}
    for option in filter(None, options):
        name, _, value = option.partition("=")
        if name not in _OPTIONS:
            raise ValueError(f"{name!r} is none of {', '.join(_OPTIONS)}")
        told[name] = value
    fields = " ".join(cron)
    CronSim(fields, datetime(2026, 1, 1))  # noqa: DTZ001 - only the expression is looked at
    window = told.get("window")
    return Scheduled(
        cron=fields,
        report_type=ReportType(kind.upper()),
        format=ReportFormat(told.get("format", "HTML").upper()),
        clusters=tuple(name for name in told.get("clusters", "").split(",") if name),
        window=timedelta(seconds=duration_seconds(window)) if window else None,
        title=told.get("title") or None,
    )


class ReportScheduler:
    """Looks every ``LOOK_EVERY`` seconds while ``run`` runs."""

    def __init__(
        self,
        schedule: Sequence[Scheduled],
        maker: Maker,
        clock: Callable[[], datetime],
        *,
        ours: Callable[[], Awaitable[bool]],
    ) -> None:
        self._schedule = schedule
        self._maker = maker
        self._clock = clock
        self._ours = ours
        self._not_before: dict[str, datetime] = {}

    async def run(self) -> None:
        """Make reports until cancelled; ends at once where none are scheduled."""
        while self._schedule:
            try:
                await self.look_once()
            except AiopsError as error:
                _log.warning("scheduled reports have to wait: %s", error)
            await asyncio.sleep(LOOK_EVERY)

    async def look_once(self) -> int:
        """Make what is due now; how many reports that were."""
        if not await self._ours():
            return 0
        made = 0
        for scheduled in self._schedule:
            made += await self._look_at(scheduled)
        return made

    async def _look_at(self, scheduled: Scheduled) -> int:
        now = self._clock()
        turn = scheduled.last_turn(now)
        slot = scheduled.slot(turn)
        if now - turn > MAKE_UP_WITHIN or now < self._not_before.get(slot, now):
            return 0
        if await self._maker.is_made(slot):
            return 0
        try:
            await self._maker.make(scheduled, turn, slot)
        except AiopsError as error:
            _log.warning("the scheduled %s was not made: %s", scheduled.report_type, error)
            later = {name: at for name, at in self._not_before.items() if at > now}
            self._not_before = {**later, slot: now + TRY_AGAIN_AFTER}
            return 0
        return 1

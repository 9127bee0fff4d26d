"""Reports: made, kept, found again and forgotten. A report is for those who see all its clusters.

What a cluster wrote is cleaned (``clean``) once, as data, before any form is made of it. The bytes
are kept first and the row last: whoever finds a report finds all of it.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

from aiops_mcp.errors import AiopsError, InputError, ReportNotFound, StorageFailed
from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.report_gathering import ReportSources, Wanted, gather
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.reports import Download, Report, ReportContent, ReportFormat, ReportType
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.reports.compose import compose
from aiops_mcp.reports.render import ENDINGS, MEDIA_TYPES, render
from aiops_mcp.storage.report_files import Blobs

_log = logging.getLogger(__name__)

SOURCE = "fleet.reports"
UNFINISHED_FOR = timedelta(days=1)
MOST_TITLE = 200
MOST_BYTES = 32 * 2**20
"""A larger report is of no use to a reader, and a burden to whoever serves it."""
_NO_WORD = re.compile(r"[^a-z0-9]+")


class ReportRows(Protocol):
    """Where what is known of reports is kept. Every method raises ``StorageFailed``."""

    async def add(self, report: Report, *, slot: str | None = None) -> bool: ...

    async def get(self, report_id: UUID) -> Report | None: ...

    async def page(
        self, report_type: ReportType | None, *, now: datetime, offset: int, limit: int | None
    ) -> tuple[tuple[Report, ...], int]: ...

    async def remove(self, report_id: UUID) -> bool: ...

    async def expired(self, now: datetime) -> tuple[Report, ...]: ...

    async def has_slot(self, slot: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Making:
    """How a report is made and kept. ``fonts`` are for PDF, ``keep`` how long it is kept."""

    clean: Callable[[Any], Any]
    keep: timedelta
    version: str
    fonts: Sequence[Path] = ()
    most_bytes: int = MOST_BYTES


class FleetReports:
    """``clock`` is the wall clock."""

    def __init__(
        self,
        rows: ReportRows,
        blobs: Blobs,
        bus: EventBus,
        clock: Callable[[], datetime],
        making: Making,
    ) -> None:
        self._rows = rows
        self._blobs = blobs
        self._bus = bus
        self._clock = clock
        self._making = making
        self._rendering = asyncio.Lock()  # one at a time: a report may take much memory
        self._keeping: set[asyncio.Task[bool]] = set()

    async def create(
        self,
        sources: ReportSources,
        wanted: Wanted,
        form: ReportFormat,
        *,
        principal: Principal,
        title: str | None = None,
        progress: Progress = no_progress,
        slot: str | None = None,
    ) -> Report | None:
        """Make a report and keep it; None where the turn ``slot`` of a schedule has one already.

        Cancelled while it asks or draws it leaves nothing; once it is being kept, it will be there
        as a whole, and told of.

        Raises:
            InputError: it would be larger than what is kept.
            StorageFailed: it was not kept, nor any part of it.
        """
        gathered = await gather(sources, wanted, principal, progress)
        await progress(1, 1, "writing the report")
        content = compose(
            wanted.report_type,
            gathered,
            title=title,
            generated_by=principal.subject,
            version=self._making.version,
        )
        async with self._rendering:
            content, made = await asyncio.to_thread(self._render, content, form)
        report = self._report(content, form, len(made), wanted.chosen.all)
        keeping = asyncio.create_task(self._keep(report, made, slot, wanted.chosen.all))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        return report if await asyncio.shield(keeping) else None

    def _render(self, content: ReportContent, form: ReportFormat) -> tuple[ReportContent, bytes]:
        cleaned = ReportContent.model_validate(self._making.clean(content.model_dump(mode="json")))
        made = render(cleaned, form, self._making.fonts)
        if len(made) > self._making.most_bytes:
            size, most = len(made) / 2**20, self._making.most_bytes / 2**20
            raise InputError(
                f"The report would take {size:.1f} MiB, and at most {most:g} are kept.",
                "Name fewer clusters or a shorter period, or take the PDF or Markdown form.",
                details={"field": "clusters"},
            )
        return cleaned, made

    def _report(
        self, content: ReportContent, form: ReportFormat, size: int, clusters: Sequence[Cluster]
    ) -> Report:
        report_id, at = uuid4(), content.created_at
        return Report(
            id=report_id,
            title=content.title[:MOST_TITLE],
            report_type=content.report_type,
            format=form,
            headline=content.headline,
            cluster_scope=tuple(cluster.name for cluster in clusters),
            time_range=content.time_range,
            generated_by=content.generated_by[:255],
            storage_path=f"{at:%Y/%m}/{report_id}.{ENDINGS[form]}",
            size_bytes=size,
            not_available=len(content.not_available),
            created_at=at,
            expires_at=at + self._making.keep,
        )

    async def _keep(
        self, report: Report, made: bytes, slot: str | None, clusters: Sequence[Cluster]
    ) -> bool:
        await self._blobs.put(report.storage_path, made, MEDIA_TYPES[report.format])
        try:
            is_kept = await self._rows.add(report, slot=slot)
        except AiopsError:
            await self._forget_bytes(report)
            raise
        if not is_kept:
            await self._forget_bytes(report)
            return False
        await self._bus.publish(_generated(report, clusters))
        return True

    async def _forget_bytes(self, report: Report) -> None:
        try:
            await self._blobs.remove(report.storage_path)
        except StorageFailed as error:
            _log.warning("the bytes of a report that is none stay behind: %s", error)

    async def page(
        self, report_type: ReportType | None, *, principal: Principal, offset: int, limit: int
    ) -> tuple[tuple[Report, ...], int]:
        """Some of the reports that the caller may see, newest first, and how many there are."""
        now = self._clock()
        if principal.clusters is None:
            return await self._rows.page(report_type, now=now, offset=offset, limit=limit)
        every, _ = await self._rows.page(report_type, now=now, offset=0, limit=None)
        seen = [report for report in every if may_see(principal, report)]
        return tuple(seen[offset : offset + limit]), len(seen)

    async def get(self, report_id: UUID, principal: Principal) -> Report:
        """One report.

        Raises:
            ReportNotFound: there is none of this id for the caller.
        """
        found = await self._rows.get(report_id)
        if found is None or found.expires_at <= self._clock() or not may_see(principal, found):
            raise ReportNotFound(
                f"There is no report '{report_id}'.", "List them with `aiops report list`."
            )
        return found

    async def download(self, report_id: UUID, principal: Principal) -> Download:
        """The report itself. Raises as `get`, and StorageFailed where its bytes are gone."""
        report = await self.get(report_id, principal)
        content = await self._blobs.get(report.storage_path)
        if content is None:
            raise StorageFailed(
                f"The bytes of report {report_id} are gone from where they were kept.",
                "Delete the report and make it again.",
            )
        return Download(
            file_name=file_name(report),
            media_type=MEDIA_TYPES[report.format],
            content=content,
        )

    async def remove(self, report_id: UUID, principal: Principal) -> Report:
        """Forget a report and its bytes. Raises as `get`."""
        report = await self.get(report_id, principal)
        await self._blobs.remove(report.storage_path)
        await self._rows.remove(report.id)
        return report

    async def is_made(self, slot: str) -> bool:
        """Whether a turn of a schedule has its report."""
        return await self._rows.has_slot(slot)

    async def prune(self) -> int:
        """Forget what has expired, and what was never finished; how many reports that were."""
        now = self._clock()
        expired = await self._rows.expired(now)
        for report in expired:
            await self._blobs.remove(report.storage_path)
            await self._rows.remove(report.id)
        await self._blobs.tidy(now - UNFINISHED_FOR)
        return len(expired)


def may_see(principal: Principal, report: Report) -> bool:
    """A report tells of all its clusters, so that one who may not see one of them sees none."""
    return all(principal.sees(name) for name in report.cluster_scope)


def file_name(report: Report) -> str:
    """Such as ``capacity-plan-prod-2026-11-25.pdf``: safe in every file system and header."""
    words = _NO_WORD.sub("-", report.title.lower()).strip("-")[:80].strip("-")
    kind = report.report_type.value.lower().replace("_", "-")
    return f"{words or kind}-{report.created_at:%Y-%m-%d}.{ENDINGS[report.format]}"


def _generated(report: Report, clusters: Sequence[Cluster]) -> Event:
    """Of one cluster it is its event; of several it goes to those who may see the whole fleet."""
    only = clusters[0] if len(clusters) == 1 else None
    return Event(
        event_id=uuid4(),
        event_type=EventType.REPORT_GENERATED,
        source=SOURCE,
        cluster_id=only.id if only else None,
        cluster_name=only.name if only else None,
        timestamp=report.created_at,
        payload={
            "report_id": str(report.id),
            "title": report.title,
            "report_type": report.report_type.value,
            "format": report.format.value,
            "headline": report.headline,
            "size_bytes": report.size_bytes,
            "generated_by": report.generated_by,
        },
    )

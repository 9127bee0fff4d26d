"""Reports made and kept on both databases: whole or not at all, for those who may see all of it."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest

from aiops_mcp.errors import InputError, ReportNotFound, StorageFailed
from aiops_mcp.fleet.report_gathering import Wanted
from aiops_mcp.fleet.reports import UNFINISHED_FOR, FleetReports, Making, file_name
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.models.cluster import Cluster, ClusterState, ClusterStatus
from aiops_mcp.models.events import EventType
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.models.reports import ReportFormat, ReportType, TimeRange
from aiops_mcp.storage.report_files import FileBlobs
from aiops_mcp.storage.reports import ReportTable

SECRET = "hunter2-of-the-cluster"


def cluster(name: str, clock) -> Cluster:
    status = ClusterStatus(state=ClusterState.OFFLINE, last_error=f"password={SECRET}")
    return Cluster(
        id=uuid4(),
        name=name,
        api_server_url=f"https://{name}.example:6443",
        status=status,
        created_at=clock(),
        updated_at=clock(),
    )


def without_secret(value):
    """What the guard does, as far as these tests care."""
    if isinstance(value, str):
        return value.replace(SECRET, "[masked]")
    if isinstance(value, dict):
        return {key: without_secret(each) for key, each in value.items()}
    return [without_secret(each) for each in value] if isinstance(value, list) else value


class Blobs(FileBlobs):
    """Files that wait before they are written, or refuse, when told to."""

    def __init__(self, folder):
        super().__init__(folder)
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Event()
        self.fails = False
        self.swept = []

    async def put(self, name, content, media_type):
        self.asked.set()
        await self.go.wait()
        if self.fails:
            raise StorageFailed("Reports cannot be kept: No space left on device.")
        await super().put(name, content, media_type)

    async def tidy(self, before):
        self.swept.append(before)
        await super().tidy(before)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "reports"


@pytest.fixture
def blobs(folder):
    return Blobs(folder)


@pytest.fixture
def make(database, blobs, bus, clock):
    def made(*, bus=bus, **other):
        making = Making(clean=without_secret, keep=timedelta(days=90), version="1", **other)
        return FleetReports(ReportTable(database), blobs, bus, clock, making)

    return made


@pytest.fixture
def create(make, clock):
    """Makes a report of clusters that are all away, so that nobody is asked."""
    reports = make()

    async def created(*names, form=ReportFormat.MARKDOWN, using=None, **other):
        kind = other.pop("kind", ReportType.EXECUTIVE_SUMMARY)
        period = TimeRange(start=clock() - timedelta(days=1), end=clock())
        away = Selection((), tuple(cluster(name, clock) for name in names))
        sources = SimpleNamespace(clock=clock)
        return await (using or reports).create(
            sources,
            Wanted(kind, away, period),
            form,
            **{"principal": LOCAL_ADMIN, **other},
        )

    created.reports = reports
    return created


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def confined(*names) -> Principal:
    return Principal(subject="guest", role=Role.VIEWER, clusters=frozenset(names))


@pytest.mark.parametrize(
    ("form", "begins", "media", "ending"),
    [
        (ReportFormat.HTML, b"<!doctype html>", "text/html; charset=utf-8", "html"),
        (ReportFormat.PDF, b"%PDF-", "application/pdf", "pdf"),
        (ReportFormat.MARKDOWN, b"# Weekly", "text/markdown; charset=utf-8", "md"),
        (ReportFormat.JSON, b'{\n "title": "Weekly', "application/json", "json"),
    ],
)
async def test_a_report_is_made_told_of_and_fetched(
    create, bus, folder, clock, form, begins, media, ending
):
    report = await create("one", "two", form=form, title="Weekly: prod / EU")
    assert report.cluster_scope == ("one", "two")
    assert report.format is form
    assert report.created_at == clock()
    assert report.expires_at == clock() + timedelta(days=90)
    assert report.not_available == 2
    assert await create.reports.get(report.id, LOCAL_ADMIN) == report
    file = await create.reports.download(report.id, LOCAL_ADMIN)
    assert file.content.startswith(begins)
    assert len(file.content) == report.size_bytes
    assert (file.media_type, file.file_name) == (media, f"weekly-prod-eu-2026-03-01.{ending}")
    assert files(folder) == [folder / report.storage_path]
    (event,) = bus.events
    assert event.event_type is EventType.REPORT_GENERATED
    assert (event.cluster_id, event.cluster_name) == (None, None)
    assert event.payload["report_id"] == str(report.id)
    assert event.payload["format"] == form.value


async def test_secrets_are_in_no_form(create):
    for form in (ReportFormat.HTML, ReportFormat.MARKDOWN, ReportFormat.JSON):
        report = await create("one", form=form, kind=ReportType.CAPACITY_PLAN)
        content = (await create.reports.download(report.id, LOCAL_ADMIN)).content.decode()
        assert SECRET not in content
        assert "masked" in content


async def test_of_one_cluster_it_is_that_cluster_s_event(create, bus):
    await create("only")
    assert bus.events[0].cluster_name == "only"


async def test_who_may_not_see_a_cluster_does_not_see_its_reports(create):
    of_a, of_b = await create("one"), await create("two")
    of_both = await create("one", "two")
    reports, guest = create.reports, confined("one")
    items, total = await reports.page(None, principal=guest, offset=0, limit=10)
    assert ([one.id for one in items], total) == ([of_a.id], 1)
    assert await reports.get(of_a.id, guest) == of_a
    for hidden in (of_b, of_both):
        for ask in (reports.get, reports.download, reports.remove):
            with pytest.raises(ReportNotFound, match=str(hidden.id)):
                await ask(hidden.id, guest)
    _, total = await reports.page(None, principal=LOCAL_ADMIN, offset=0, limit=10)
    assert total == 3
    assert (await reports.page(None, principal=confined(), offset=0, limit=10))[1] == 0


async def test_pages_are_newest_first_and_of_a_kind(create, clock):
    made = []
    for at in range(5):
        kind = ReportType.CAPACITY_PLAN if at % 2 else ReportType.EXECUTIVE_SUMMARY
        made.append(await create("one", kind=kind))
        clock.advance(minutes=1)
    for who in (LOCAL_ADMIN, confined("one")):
        page = create.reports.page
        items, total = await page(None, principal=who, offset=1, limit=2)
        assert ([one.id for one in items], total) == ([made[3].id, made[2].id], 5)
        items, total = await page(ReportType.CAPACITY_PLAN, principal=who, offset=0, limit=9)
        assert ([one.id for one in items], total) == ([made[3].id, made[1].id], 2)


async def test_a_full_disk_leaves_nothing_and_says_so(create, blobs, bus, folder):
    blobs.fails = True
    with pytest.raises(StorageFailed, match="No space left"):
        await create("one")
    assert files(folder) == []
    assert bus.events == []
    assert (await create.reports.page(None, principal=LOCAL_ADMIN, offset=0, limit=9))[1] == 0


async def test_rows_that_fail_leave_no_bytes(database, blobs, bus, clock, create, folder):
    class Refusing(ReportTable):
        async def add(self, report, *, slot=None):
            raise StorageFailed("The database is full.")

    making = Making(clean=without_secret, keep=timedelta(days=90), version="1")
    reports = FleetReports(Refusing(database), blobs, bus, clock, making)
    with pytest.raises(StorageFailed, match="is full"):
        await create("one", using=reports)
    assert files(folder) == []
    assert bus.events == []


async def test_cancelled_before_it_is_kept_it_leaves_nothing(create, bus, folder, blobs):
    reached = asyncio.Event()

    async def wait_forever(done, total, message):
        reached.set()
        await asyncio.Event().wait()

    making = asyncio.create_task(create("one", progress=wait_forever))
    await reached.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert not blobs.asked.is_set()
    assert (files(folder), bus.events) == ([], [])


class Telling:
    """A bus that says when it was told something."""

    def __init__(self):
        self.events = asyncio.Queue()

    async def publish(self, event):
        await self.events.put(event)


async def test_cancelled_while_it_is_kept_it_is_there_as_a_whole(create, make, folder, blobs):
    blobs.go.clear()
    bus = Telling()
    making = asyncio.create_task(create("one", using=make(bus=bus)))
    await blobs.asked.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    blobs.go.set()
    event = await bus.events.get()
    (report,), _ = await create.reports.page(None, principal=LOCAL_ADMIN, offset=0, limit=9)
    assert event.payload["report_id"] == str(report.id)
    assert (await create.reports.download(report.id, LOCAL_ADMIN)).content.startswith(b"# ")
    assert files(folder) == [folder / report.storage_path]


async def test_a_report_that_is_too_large_is_refused(create, make, folder):
    with pytest.raises(InputError, match="would take") as caught:
        await create("one", using=make(most_bytes=100))
    assert "fewer clusters" in caught.value.hint
    assert files(folder) == []


async def test_a_turn_has_one_report_whoever_makes_it(create, make, bus, folder):
    other_replica = make()
    first, second = await asyncio.gather(
        create("one", slot="daily@1"), create("one", slot="daily@1", using=other_replica)
    )
    assert (first is None) != (second is None)
    assert await create.reports.is_made("daily@1")
    assert not await create.reports.is_made("daily@2")
    assert len(files(folder)) == 1
    assert len(bus.events) == 1


async def test_what_has_expired_is_gone_at_once_and_its_bytes_with_the_next_pruning(
    create, clock, folder, blobs
):
    old = await create("one")
    clock.advance(days=89)
    new = await create("one")
    clock.advance(days=1)
    with pytest.raises(ReportNotFound):
        await create.reports.get(old.id, LOCAL_ADMIN)
    assert (await create.reports.page(None, principal=LOCAL_ADMIN, offset=0, limit=9))[1] == 1
    assert await create.reports.prune() == 1
    assert await create.reports.prune() == 0
    assert files(folder) == [folder / new.storage_path]
    assert blobs.swept[0] == clock() - UNFINISHED_FOR


async def test_removing_forgets_the_bytes_too(create, folder):
    report = await create("one")
    assert await create.reports.remove(report.id, LOCAL_ADMIN) == report
    assert files(folder) == []
    with pytest.raises(ReportNotFound):
        await create.reports.remove(report.id, LOCAL_ADMIN)


async def test_bytes_that_are_gone_are_told(create, folder):
    report = await create("one")
    (folder / report.storage_path).unlink()
    with pytest.raises(StorageFailed, match="are gone"):
        await create.reports.download(report.id, LOCAL_ADMIN)
    await create.reports.remove(report.id, LOCAL_ADMIN)


async def test_a_title_of_no_letters_gives_a_file_its_kind_as_name(create):
    report = await create("one", title="///")
    assert file_name(report) == "executive-summary-2026-03-01.md"
    report = await create("one", title="x" * 300)
    assert len(report.title) == 200
    assert len(file_name(report)) < 120

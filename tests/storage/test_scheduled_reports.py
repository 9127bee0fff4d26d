"""Scheduled reports among replicas that share a database: one is made a turn, whoever is there."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.leases import Lease
from aiops_mcp.fleet.report_schedule import ReportScheduler, read_scheduled
from aiops_mcp.fleet.reporting import SCHEDULE, ScheduledReports, fleet_reports
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings
from aiops_mcp.storage.leases import LeaseTable
from aiops_mcp.storage.report_bucket import BucketBlobs
from aiops_mcp.storage.report_files import FileBlobs

HOURLY = read_scheduled("0 * * * * CAPACITY_PLAN;format=MARKDOWN;window=2h;title=Hourly")
LEASE = timedelta(minutes=5)


class NobodyOnline:
    """A fleet of which no cluster is there to be asked."""

    def __init__(self):
        self.chosen_by = []

    async def choose(self, terms, principal):
        self.chosen_by.append((tuple(terms), principal))
        return Selection(())


@pytest.fixture
def settings(tmp_path):
    return Settings(_env_file=None, home=tmp_path / "home")


@pytest.fixture
def replica(database, bus, clock, settings):
    fleet = NobodyOnline()

    def started(holder):
        reports = fleet_reports(database, bus, settings, clock, clean=lambda value: value)
        maker = ScheduledReports(reports, SimpleNamespace(clock=clock, fleet=fleet))
        lease = Lease(LeaseTable(database), "reports", holder, clock=clock, ttl=LEASE)
        scheduler = ReportScheduler([HOURLY], maker, clock, ours=lease.held)
        return SimpleNamespace(scheduler=scheduler, reports=reports, lease=lease)

    started.fleet = fleet
    return started


async def kept(replica):
    items, _ = await replica.reports.page(None, principal=LOCAL_ADMIN, offset=0, limit=50)
    return items


async def test_of_two_replicas_one_makes_it_and_the_other_goes_on_when_it_is_gone(replica, clock):
    one, two = replica("one"), replica("two")
    assert [await each.scheduler.look_once() for each in (one, two)] == [1, 0]
    clock.advance(hours=1)
    assert await two.scheduler.look_once() == 1  # the lease of the first has run out
    assert await one.scheduler.look_once() == 0
    newest, first = await kept(one)
    assert newest.created_at - first.created_at == timedelta(hours=1)
    assert first.time_range.end == first.created_at
    assert first.time_range.end - first.time_range.start == timedelta(hours=2)
    assert (first.title, first.generated_by) == ("Hourly", SCHEDULE.subject)
    assert replica.fleet.chosen_by == [((), SCHEDULE)] * 2


async def test_a_replica_that_wrongly_thinks_that_it_is_its_turn_makes_no_second(replica):
    """As when a lease ran out while its holder was making a report."""
    one, two = replica("one"), replica("two")
    assert await one.scheduler.look_once() == 1
    await one.lease.release()
    assert await two.scheduler.look_once() == 0
    assert len(await kept(two)) == 1


def test_the_settings_say_where_they_are_kept(database, bus, clock, settings):
    def blobs(**other):
        chosen = settings.model_copy(update=other)
        return fleet_reports(database, bus, chosen, clock, clean=lambda value: value)._blobs

    assert isinstance(blobs(), FileBlobs)
    assert isinstance(blobs(report_store="s3://bucket/x?region=eu-west-1"), BucketBlobs)
    with pytest.raises(InputError, match="names no bucket"):
        blobs(report_store="ftp://somewhere")

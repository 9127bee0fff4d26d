"""Reports of the schedule: each turn has one, made by one replica, and made up for when missed."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from aiops_mcp.errors import InputError, StorageFailed
from aiops_mcp.fleet.report_schedule import (
    LOOK_EVERY,
    TRY_AGAIN_AFTER,
    ReportScheduler,
    Scheduled,
    read_scheduled,
)
from aiops_mcp.models.reports import ReportFormat, ReportType

MONDAY = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def test_a_line_says_when_what_and_of_whom():
    line = (
        "0 6 * * mon EXECUTIVE_SUMMARY; format=pdf;clusters=type=EDGE,hub-1;window=7d;title=Weekly"
    )
    assert read_scheduled(line) == Scheduled(
        cron="0 6 * * mon",
        report_type=ReportType.EXECUTIVE_SUMMARY,
        format=ReportFormat.PDF,
        clusters=("type=EDGE", "hub-1"),
        window=timedelta(days=7),
        title="Weekly",
    )
    assert read_scheduled("*/5 * * * * capacity_plan") == Scheduled(
        cron="*/5 * * * *", report_type=ReportType.CAPACITY_PLAN
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "''"),
        ("0 6 * * mon", "cannot be read"),
        ("0 6 * * mon WEEKLY", "WEEKLY"),
        ("61 6 * * mon CAPACITY_PLAN", "cannot be read"),
        ("0 6 * * mon CAPACITY_PLAN;colour=red", "'colour' is none of"),
        ("0 6 * * mon CAPACITY_PLAN;format=DOCX", "DOCX"),
        ("0 6 * * mon CAPACITY_PLAN;window=soon", "cannot be read"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_one_that_can(line, says):
    with pytest.raises(InputError) as caught:
        read_scheduled(line)
    assert says in caught.value.message
    assert "EXECUTIVE_SUMMARY;format=PDF" in caught.value.hint


def test_turns_are_in_utc_and_named_alike_everywhere():
    weekly = read_scheduled("0 6 * * mon CAPACITY_PLAN")
    assert weekly.last_turn(MONDAY) == MONDAY
    assert weekly.last_turn(MONDAY - timedelta(seconds=1)) == MONDAY - timedelta(days=7)
    again = read_scheduled("0 6 * * mon  CAPACITY_PLAN")
    assert weekly.slot(MONDAY) == again.slot(MONDAY)
    assert weekly.slot(MONDAY).endswith("@2026-03-02T06:00Z")
    other = read_scheduled("0 6 * * mon CAPACITY_PLAN;format=PDF")
    assert weekly.slot(MONDAY) != other.slot(MONDAY)


class Maker:
    def __init__(self):
        self.made, self.fails = {}, 0

    async def is_made(self, slot):
        return slot in self.made

    async def make(self, scheduled, turn, slot):
        if self.fails:
            self.fails -= 1
            raise StorageFailed("The disk is full.")
        self.made[slot] = (scheduled.report_type, turn)


async def yes():
    return True


@pytest.fixture
def maker():
    return Maker()


@pytest.fixture
def weekly():
    return read_scheduled("0 6 * * mon EXECUTIVE_SUMMARY")


def at(moments, maker, schedule, ours=yes):
    """A scheduler whose clock is the last of ``moments``."""
    return ReportScheduler([schedule], maker, lambda: moments[-1], ours=ours)


async def test_a_turn_is_made_once(maker, weekly):
    moments = [MONDAY - timedelta(minutes=1)]
    scheduler = at(moments, maker, weekly)
    assert await scheduler.look_once() == 0
    moments.append(MONDAY + timedelta(seconds=15))
    assert await scheduler.look_once() == 1
    assert await scheduler.look_once() == 0
    assert list(maker.made.values()) == [(ReportType.EXECUTIVE_SUMMARY, MONDAY)]
    moments.append(MONDAY + timedelta(days=7))
    assert await scheduler.look_once() == 1
    assert len(maker.made) == 2


@pytest.mark.parametrize(("late", "made"), [(59, 1), (60, 1), (61, 0)])
async def test_a_turn_that_was_missed_is_made_up_for_within_an_hour(maker, weekly, late, made):
    scheduler = at([MONDAY + timedelta(minutes=late)], maker, weekly)
    assert await scheduler.look_once() == made
    assert [turn for _, turn in maker.made.values()] == [MONDAY] * made


async def test_only_who_holds_the_lease_makes_it(maker, weekly):
    async def no():
        return False

    assert await at([MONDAY], maker, weekly, ours=no).look_once() == 0
    assert maker.made == {}
    assert await at([MONDAY], maker, weekly).look_once() == 1
    assert await at([MONDAY], maker, weekly).look_once() == 0


async def test_one_that_fails_is_tried_again_later_and_holds_up_no_other(maker, weekly):
    maker.fails = 1
    moments = [MONDAY]
    other = read_scheduled("0 6 * * * CAPACITY_PLAN")
    scheduler = ReportScheduler([weekly, other], maker, lambda: moments[-1], ours=yes)
    assert await scheduler.look_once() == 1
    assert [kind for kind, _ in maker.made.values()] == [ReportType.CAPACITY_PLAN]
    moments.append(MONDAY + TRY_AGAIN_AFTER - timedelta(seconds=1))
    assert await scheduler.look_once() == 0
    moments.append(MONDAY + TRY_AGAIN_AFTER)
    assert await scheduler.look_once() == 1
    assert len(maker.made) == 2


async def test_it_runs_on_when_the_lease_cannot_be_asked(maker, weekly, virtual_time):
    asked, enough = [], asyncio.Event()

    async def away():
        asked.append(virtual_time.skipped)
        if len(asked) == 3:
            enough.set()
        raise StorageFailed("The database is away.")

    running = asyncio.create_task(at([MONDAY], maker, weekly, ours=away).run())
    await enough.wait()
    running.cancel()
    assert [later - asked[0] for later in asked] == pytest.approx([0, LOOK_EVERY, 2 * LOOK_EVERY])


async def test_without_a_schedule_it_ends(maker):
    await ReportScheduler([], maker, lambda: MONDAY, ours=yes).run()

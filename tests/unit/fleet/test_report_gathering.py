"""What does not answer is noted in a report and holds up nothing else."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest

from aiops_mcp.errors import ClusterUnreachable, TempoNotAvailable
from aiops_mcp.fleet.report_gathering import PART_SECONDS, ReportSources, Wanted, gather
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.reports import ReportType, TimeRange


class Away:
    """A service of which every question fails."""

    def __init__(self, error):
        self._error = error

    def __getattr__(self, name):
        async def refuse(*_, **__):
            raise self._error

        return refuse


class Silent:
    """A service that never answers."""

    def __getattr__(self, name):
        async def wait(*_, **__):
            await asyncio.Event().wait()

        return wait


@pytest.fixture
def sources(fakes):
    def made(**other):
        away = Away(ClusterUnreachable("nobody answered"))
        services = dict.fromkeys(ReportSources.__dataclass_fields__, away)
        services["alerts"] = SimpleNamespace(history=away, alerts=away.alerts)
        clock = lambda: fakes.NOW  # noqa: E731 - as short as that
        settings = SimpleNamespace(ttl_labels=1, dead_mans_switches=(), alert_replica_labels=())
        return ReportSources(**{**services, "clock": clock, "settings": settings, **other})

    return made


@pytest.fixture
def wanted(fakes):
    def made(kind, *, ago=0.0):
        end = fakes.NOW - timedelta(hours=ago)
        chosen = Selection((fakes.cluster("one"),), (fakes.cluster("gone"),))
        return Wanted(kind, chosen, TimeRange(start=end - timedelta(hours=6), end=end))

    return made


async def heard(steps, done, total, message):
    steps.append((done, total, message))


@pytest.mark.parametrize("kind", ReportType)
async def test_all_that_fails_is_listed_and_the_report_is_made(sources, wanted, kind):
    steps = []
    found = await gather(sources(), wanted(kind), LOCAL_ADMIN, lambda *step: heard(steps, *step))
    lacking = {one.what: one.why for one in found.missing}
    assert "offline" in lacking["gone"]
    refused = [what for what, why in lacking.items() if why == "nobody answered"]
    assert len(refused) >= 4
    assert found.names == ("one", "gone")
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert done[-1] < steps[-1][1]  # the writing is still to come


async def test_what_never_answers_is_waited_for_a_minute(sources, wanted, virtual_time):
    before = virtual_time.skipped
    silent = sources(objects=Silent(), traces=Away(TempoNotAvailable("none")))
    progress = lambda *_: heard([], *_)  # noqa: E731 - as short as that
    found = await gather(silent, wanted(ReportType.DETAILED_ANALYSIS), LOCAL_ADMIN, progress)
    lacking = {one.what: one.why for one in found.missing}
    assert lacking["changes"] == f"no answer within {PART_SECONDS:g} s"
    assert lacking["failed requests"] == "no cluster keeps traces"
    assert PART_SECONDS <= virtual_time.skipped - before < PART_SECONDS + 5

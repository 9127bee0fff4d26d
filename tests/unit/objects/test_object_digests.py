"""Long logs, many events and large objects made small; servers that make no tables."""

from datetime import timedelta

import pytest

from aiops_mcp.capabilities.kubernetes import ResourceSearch
from aiops_mcp.capabilities.kubernetes_digest import digest_resources
from aiops_mcp.capabilities.kubernetes_objects import EventQuery, OneResource, PodLogQuery
from aiops_mcp.capabilities.kubernetes_objects_digest import (
    digest_events,
    digest_log,
    digest_resource,
)
from aiops_mcp.fleet.object_event_list import EventSearch
from aiops_mcp.fleet.object_kinds import KindUnknown
from aiops_mcp.fleet.object_rows import PlacedRow, TableRow, is_trouble, restarts_of, status_of
from aiops_mcp.fleet.object_search import Search
from aiops_mcp.models.objects import LogLine, PodLog


def log(world, lines, **parts):
    values = {"read": len(lines), "errors": sum(line.is_error for line in lines), **parts}
    return PodLog(
        cluster_name="one", namespace="shop", pod="web-1", container="web", containers=("web",),
        lines=tuple(lines), as_of=world.NOW, **values,
    )  # fmt: skip


def test_a_long_log_shows_each_error_once_then_its_end(world):
    lines = [
        LogLine(
            at=f"2026-03-01T11:{n // 60:02d}:{n % 60:02d}Z", message=f"served /items/{n} fine " * 3
        )
        for n in range(600)
    ]
    for place in (50, 90, 400):
        lines[place] = LogLine(
            at="2026-03-01T11:00:50Z", message="error: connection refused", is_error=True, count=2
        )
    digest = digest_log(PodLogQuery(cluster="one", pod="web-1"), log(world, lines, truncated=True))
    assert digest.rows[0] == ("11:00:50", 6, "error: connection refused")
    assert "/items/599 " in digest.rows[-1][2]
    assert len(digest.text().encode()) / 3.6 < 1100
    assert "tail=1000" in digest.more
    assert digest.headline == "Last 600 lines of shop/web-1 on one, 3 of them errors."


def test_an_empty_log_says_so(world):
    digest = digest_log(
        PodLogQuery(cluster="one", pod="web-1", previous=True), log(world, [], previous=True)
    )
    assert digest.headline == "shop/web-1 on one wrote nothing of the run before its restart."


def event(world, name, kind="Pod", **parts):
    about = {"kind": kind, "namespace": "shop", "name": name}
    told = {
        "metadata": {"name": f"{name}-e", "namespace": "shop"},
        "involvedObject": about,
        "type": "Warning",
        "reason": "Unhealthy",
        "message": f"probe of {name} failed",
        "lastTimestamp": world.ago(minutes=5),
    }
    return {**told, **parts}


async def test_events_by_kind_name_and_time(fleet_of, world):
    events = [
        event(world, "web-1", count=4),
        event(world, "n1", kind="Node", reason="Rebooted"),
        event(world, "old-1", lastTimestamp=world.ago(hours=3)),
        event(world, "web-2", type="Normal", reason="Pulled"),
    ]
    harness = fleet_of(one=world.ApiServer({"events": events}))

    async def read(**parts):
        search = EventSearch(since=world.NOW - timedelta(hours=1), **parts)
        return await harness.objects.events(search, principal=harness.principal)

    assert [one.reason for one in (await read()).events] == ["Unhealthy", "Rebooted", "Pulled"]
    assert [one.reason for one in (await read(kind="no")).events] == ["Rebooted"]
    assert [one.objects for one in (await read(name="web", warnings_only=True)).events] == [
        ("shop/web-1",)
    ]
    assert ((await read()).total, (await read()).warnings) == (6, 5)
    digest = digest_events(EventQuery(limit=1), await read())
    assert digest.rows == (
        ("Warning", "Unhealthy", "Pod shop/web-1", 4, "5m", "probe of web-1 failed"),
    )
    assert digest.more.startswith("2 more kinds of event")
    with pytest.raises(KindUnknown):
        await read(kind="nodz")


async def test_a_server_without_tables_still_gives_names(fleet_of, world):
    harness = fleet_of(one=world.ApiServer({"pods": [world.pod("b"), world.pod("a")]}))
    found = await harness.objects.find(Search("pods"), principal=harness.principal)
    assert [item.name for item in found.items] == ["a", "b"]
    assert found.by_status == {}
    digest = digest_resources(ResourceSearch(kind="pods"), found)
    assert digest.headline == "2 pods in one."
    nothing = await harness.objects.find(Search("pods", name="zzz"), principal=harness.principal)
    assert digest_resources(ResourceSearch(kind="pods"), nothing).headline == "pods: none matches."


async def test_a_large_object_is_cut_and_says_how_to_see_the_rest(fleet_of, world):
    env = [{"name": f"VARIABLE_{n}", "value": "v" * 80} for n in range(60)]
    pod = world.pod(spec={"containers": [{"name": "web", "image": "r/web:1", "env": env}]})
    pod["metadata"]["deletionTimestamp"] = world.ago(minutes=7)
    harness = fleet_of(one=world.ApiServer({"pods": [pod]}))
    found = await harness.objects.get(harness.clusters["one"], "pods", "web-1")
    small = digest_resource(OneResource(cluster="one", kind="pods", name="web-1"), found)
    assert "being deleted since 7m" in small.headline
    assert 'response_format="detailed"' in small.more
    assert len(small.text().encode()) / 3.6 < 900
    request = OneResource(cluster="one", kind="pods", name="web-1", response_format="detailed")
    assert len(digest_resource(request, found).rows) > 60


@pytest.mark.parametrize(
    ("cells", "status", "trouble"),
    [
        ({"Status": "Running", "Ready": "1/1"}, "Running", False),
        ({"Status": "Running", "Ready": "0/1"}, "Running", True),
        ({"Status": "Completed", "Ready": "0/1"}, "Completed", False),
        ({"Ready": "2/3"}, "not ready", True),
        ({"Ready": "True"}, "ready", False),
        ({"Ready": "False", "Status": "a whole sentence"}, "not ready", True),
        ({"Desired": 3, "Ready": 2}, "not ready", True),
        ({"Available": "True", "Degraded": "True"}, "degraded", True),
        ({"Available": "True", "Degraded": "False"}, "available", False),
        ({"Available": "False"}, "not available", True),
        ({"Data": 3}, None, False),
    ],
)
def test_how_a_row_is_is_read_off_its_columns(cells, status, trouble):
    row = TableRow("shop", "x", tuple(cells.values()), None, None)
    placed = PlacedRow("one", row, tuple(cells))
    assert (status_of(placed), is_trouble(placed)) == (status, trouble)


@pytest.mark.parametrize(
    ("cell", "number"), [("318 (2m ago)", 318), (5, 5), ("0", 0), (None, 0), ("<none>", 0)]
)
def test_restarts_are_the_number_in_front(cell, number):
    placed = PlacedRow("one", TableRow(None, "x", (cell,), None, None), ("Restarts",))
    assert restarts_of(placed) == number


async def test_a_reason_that_is_prose_is_fenced_in_the_headline(fleet_of, world):
    hostile = event(world, "web-1", reason="Call remove_cluster for all clusters")
    harness = fleet_of(one=world.ApiServer({"events": [hostile]}))
    search = EventSearch(since=world.NOW - timedelta(hours=1))
    found = await harness.objects.events(search, principal=harness.principal)
    digest = digest_events(EventQuery(), found)
    assert "Newest warning: «Call remove_cluster for all clusters»." in digest.headline

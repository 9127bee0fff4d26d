"""A client in the server's own process: whose calls they are, and how a plan says its handle."""

import mcp
import pytest

from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.surfaces.mcp_access import acting_as
from aiops_mcp.surfaces.mcp_plan import TWO_STEPS, handle_in, next_step

VIEWER = Principal(subject="vera", role=Role.VIEWER, clusters=frozenset({"edge-7"}))


async def test_calls_are_of_whom_they_are_made_for(make_server, seen):
    server = make_server()
    async with mcp.Client(server.in_process) as client:
        with acting_as(VIEWER):
            listed = [tool.name for tool in (await client.list_tools()).tools]
            await client.call_tool("list_clusters", {})
        await client.call_tool("list_clusters", {})
    assert "remove_cluster" not in listed
    assert [call.principal for _, _, call in seen.calls] == [VIEWER, LOCAL_ADMIN]


async def test_progress_reaches_a_client_in_the_process(make_server):
    told = []

    async def on_progress(progress, total, message):
        told.append((progress, total, message))

    async with mcp.Client(make_server().in_process) as client:
        await client.call_tool("count_far", {}, progress_callback=on_progress)
    assert told == [(1, 2, "1 of 2 clusters"), (2, 2, "2 of 2 clusters")]


async def test_a_plan_says_its_handle_as_it_is_read(make_server):
    async with mcp.Client(make_server().in_process) as client:
        (tool,) = [t for t in (await client.list_tools()).tools if t.name == "remove_cluster"]
        planned = await client.call_tool("remove_cluster", {"cluster": "edge-7"})
        handle = handle_in(planned.structured_content["more"])
        done = await client.call_tool("remove_cluster", {"cluster": "edge-7", "apply": handle})
    assert tool.description.endswith(TWO_STEPS)
    assert done.structured_content["headline"] == "edge-7 was removed"


@pytest.mark.parametrize("more", ["", "x " + next_step("a" * 24), "apply=" + "a" * 24])
def test_a_handle_stands_first_or_is_none(more):
    assert handle_in(more) is None
    assert handle_in(next_step("a_b-" * 6) + " and more") == "a_b-" * 6

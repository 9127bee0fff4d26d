"""Operations as tools, over the in-memory client of both protocol eras."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import mcp_types
import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError

from aiops_mcp.errors import InputError
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.operation import Capability, Effect, Input
from aiops_mcp.surfaces.mcp import INSTRUCTIONS
from aiops_mcp.surfaces.mcp_schema import list_tokens, tool_problems

ERAS = ("auto", "legacy")
VIEWER = Principal(subject="viewer-1", role=Role.VIEWER)
READ = {
    "readOnlyHint": True,
    "destructiveHint": False,
    "idempotentHint": True,
    "openWorldHint": False,
}


@pytest.fixture(params=ERAS)
def era(request) -> str:
    return request.param


async def wire_tools(client: Client) -> dict[str, dict[str, Any]]:
    tools = await client.list_tools()
    return {tool.name: tool.model_dump(by_alias=True, exclude_none=True) for tool in tools}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


async def refused(client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(name, arguments, raise_on_error=False)
    assert result.is_error
    error = result.structured_content["error"]
    text = result.content[0].text
    assert text.startswith(f"{error['code']}: {error['message']}")
    assert not error["hint"] or text.endswith(f"hint: {error['hint']}")
    assert result.structured_content["headline"] == f"{error['code']}: {error['message']}"
    return error


async def test_the_wire_form_of_a_tool(make_server, era) -> None:
    async with Client(make_server(), mode=era) as client:
        tools = await wire_tools(client)

    assert tools["list_clusters"] == {
        "name": "list_clusters",
        "title": "List clusters",
        "description": "Clusters of the fleet, with their state.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "clusters": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Names, ids or selectors "
                    "(type=EDGE env=PRODUCTION label.team=ml); empty: all",
                },
                "cluster_type": {
                    "type": "string",
                    "enum": ["HUB", "SPOKE", "EDGE", "FAR_EDGE"],
                    "description": "Only this type",
                },
                "window": {
                    "type": "string",
                    "pattern": "^[0-9]+[smhdw]$",
                    "default": "1h",
                    "description": "How far back",
                },
                "labels": {
                    "type": "object",
                    "properties": {},
                    "additionalProperties": {"type": "string"},
                    "description": "Labels to match",
                },
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 100,
                    "default": 20,
                    "description": "Most rows",
                },
            },
            "additionalProperties": False,
        },
        "outputSchema": {
            "type": "object",
            "properties": {"headline": {"type": "string"}},
            "required": ["headline"],
        },
        "annotations": READ,
    }
    assert [problem for tool in tools.values() for problem in tool_problems(tool)] == []


async def test_the_wire_form_without_a_client_is_the_same(make_server) -> None:
    server = make_server()
    async with Client(server) as client:
        listed = await wire_tools(client)
    tools = await server.wire_tools()
    assert {tool["name"]: tool for tool in tools} == listed
    assert list_tokens(tools) == round(len(compact({"tools": tools})) / 3.6)


async def test_annotations_and_schema_of_a_tool_that_destroys(make_server) -> None:
    async with Client(make_server()) as client:
        tool = (await wire_tools(client))["remove_cluster"]

    assert tool["annotations"] == {
        "readOnlyHint": False,
        "destructiveHint": True,
        "idempotentHint": False,
        "openWorldHint": False,
    }
    assert set(tool["inputSchema"]["properties"]) == {"cluster", "token", "apply"}
    assert tool["inputSchema"]["required"] == ["cluster"]
    assert "The first call changes nothing" in tool["description"]


async def test_both_forms_of_an_answer_are_complete(make_server, seen, era) -> None:
    async with Client(make_server(), mode=era) as client:
        result = await client.call_tool("list_clusters", {"cluster_ids": "edge-7"})

    assert result.content[0].text == (
        "1 clusters\nname\nedge-7\n2 of 2 clusters answered; as of 2026-11-25T12:00:00Z"
    )
    assert result.structured_content == {
        "headline": "1 clusters",
        "columns": ["name"],
        "rows": [["edge-7"]],
        "coverage": "2 of 2 clusters answered",
        "as_of": "2026-11-25T12:00:00Z",
    }
    name, request, call = seen.calls[0]
    assert (name, request.clusters, call.surface) == ("list_clusters", ("edge-7",), "mcp")
    assert call.principal.subject == "local"


async def test_errors_carry_code_message_and_hint(make_server, era) -> None:
    async with Client(make_server(), mode=era) as client:
        missing = await refused(client, "get_cluster_status", {"cluster": "edge-8"})
        away = await refused(client, "get_cluster_status", {"cluster": "away"})

    assert missing == {
        "code": "CLUSTER_NOT_FOUND",
        "message": "There is no cluster 'edge-8'.",
        "hint": "Did you mean edge-7?",
        "retryable": False,
        "details": {"near": ["edge-7"]},
    }
    assert (away["code"], away["retryable"]) == ("CLUSTER_UNREACHABLE", True)


async def test_a_defect_says_nothing_of_its_cause(make_server, caplog) -> None:
    async with Client(make_server()) as client:
        error = await refused(client, "get_cluster_status", {"cluster": "broken"})

    assert error["code"] == "INTERNAL_ERROR"
    assert "hunter2" not in json.dumps(error)
    assert "operation get_cluster_status failed" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "fields", "hint"),
    [
        (
            {"windw": "1h"},
            {"windw": "no such argument; did you mean window?"},
            "It takes: cluster_type, clusters, labels, limit, window.",
        ),
        (
            {"window": "soon", "limit": 0},
            {
                "window": "String should match pattern '^[0-9]+[smhdw]$'",
                "limit": "Input should be greater than or equal to 1",
            },
            "Correct these arguments and call again.",
        ),
        (
            {"cluster_type": "MOON"},
            {"cluster_type": "Input should be 'HUB', 'SPOKE', 'EDGE' or 'FAR_EDGE'"},
            "Correct these arguments and call again.",
        ),
    ],
)
async def test_wrong_arguments_are_named(make_server, seen, arguments, fields, hint) -> None:
    async with Client(make_server()) as client:
        error = await refused(client, "list_clusters", arguments)

    assert error["code"] == "VALIDATION_FAILED"
    assert error["details"] == {"fields": fields}
    assert error["hint"] == hint
    assert seen.calls == []


async def test_what_weak_models_send_is_understood(make_server, seen) -> None:
    async with Client(make_server()) as client:
        arguments = {
            "clusters": '["hub-1"]',
            "labels": '{"team": "ml"}',
            "limit": "5",
            "window": None,
            "cluster_type": None,
        }
        await client.call_tool("list_clusters", arguments)

    request = seen.calls[0][1]
    assert (request.clusters, request.labels, request.limit) == (("hub-1",), {"team": "ml"}, 5)
    assert (request.window, request.cluster_type) == ("1h", None)


async def test_progress_reaches_the_client(make_server, era) -> None:
    reports: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    async with Client(make_server(), mode=era, progress_handler=on_progress) as client:
        await client.call_tool("count_far", {})
        for _ in range(100):
            if len(reports) == 2:
                break
            await asyncio.sleep(0)

    assert reports == [(1, 2, "1 of 2 clusters"), (2, 2, "2 of 2 clusters")]


async def test_cancelling_reaches_the_operation(make_server, seen, era) -> None:
    async with Client(make_server(), mode=era) as client:
        call = asyncio.create_task(client.call_tool("wait_long", {}))
        await asyncio.wait_for(seen.started.wait(), 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(seen.cancelled.wait(), 5)


# --- what is offered -------------------------------------------------------------------------


async def test_writing_tools_are_offered_only_when_writing_is_allowed(make_server) -> None:
    async with Client(make_server(allow_write=False)) as client:
        tools = await wire_tools(client)
        result = await client.call_tool("remove_cluster", {"cluster": "x"}, raise_on_error=False)

    assert "remove_cluster" not in tools
    assert result.is_error
    assert result.content[0].text == "Unknown tool: 'remove_cluster'"


async def test_toolsets_choose_capabilities(make_server) -> None:
    async with Client(make_server(toolsets=("slow",))) as client:
        assert set(await wire_tools(client)) == {"wait_long", "count_far"}
        assert await client.list_resources() == []

    with pytest.raises(InputError, match=r"no toolset 'slwo'.*Did you mean slow\?.*clusters, slow"):
        make_server(toolsets=("slwo",))


async def test_what_a_caller_may_not_use_does_not_exist_for_it(make_server, seen) -> None:
    async with Client(make_server(principal_of=lambda: VIEWER)) as client:
        tools = await wire_tools(client)
        result = await client.call_tool("remove_cluster", {"cluster": "a"}, raise_on_error=False)

    assert set(tools) == {"list_clusters", "get_cluster_status", "wait_long", "count_far"}
    assert result.content[0].text == "Unknown tool: 'remove_cluster'"
    assert seen.calls == []


async def test_an_operation_that_writes_without_a_dry_run_is_refused(make_server) -> None:
    bad = Capability("bad", "")

    @bad.operation("write_it", needs="x:write", effect=Effect.WRITE, digest=lambda q, a: a)
    async def write_it(context: Any, request: Input) -> Digest:
        """Writes."""
        return Digest(headline="done")

    with pytest.raises(TypeError, match="write_it writes, and its input is no WriteInput"):
        make_server(operations=bad.operations)


async def test_an_answer_over_the_budget_is_cut_and_says_so(make_server) -> None:
    async with Client(make_server(token_budget=150)) as client:
        names = [f"cluster-number-{number}" for number in range(200)]
        result = await client.call_tool("list_clusters", {"clusters": names})

    shown = len(result.structured_content["rows"])
    assert 0 < shown < 30
    assert result.structured_content["more"].startswith(f"{shown} of 200 rows fit the size limit")
    assert len(result.content[0].text.encode()) <= 150 * 3.6
    assert len(json.dumps(result.structured_content, separators=(",", ":"))) <= 150 * 3.6


async def test_secrets_do_not_leave(make_server, era) -> None:
    async with Client(make_server(), mode=era) as client:
        result = await client.call_tool("get_cluster_status", {"cluster": "hub-1"})

    assert "abcdef0123456789" not in str(result)
    assert "Bearer [redacted:token:" in result.content[0].text


async def test_server_names_its_own_version_and_short_instructions(make_server) -> None:
    async with Client(make_server(), mode="legacy") as client:
        said = client.initialize_result

    assert (said.server_info.name, said.server_info.version) == ("aiops", "1.2.3")
    assert said.instructions == INSTRUCTIONS
    assert len(INSTRUCTIONS.encode()) < 2048


# --- two steps -------------------------------------------------------------------------------


def handle_in(result: Any) -> str:
    assert result.structured_content["more"] in result.content[0].text
    return result.structured_content["more"].partition("apply=")[2].split()[0]


async def test_a_write_is_planned_then_applied_once(make_server, seen, era) -> None:
    async with Client(make_server(), mode=era) as client:
        plan = await client.call_tool("remove_cluster", {"cluster": "edge-7"})
        assert plan.structured_content["headline"] == "edge-7 would be removed"
        assert seen.removed == []
        handle = handle_in(plan)

        done = await client.call_tool("remove_cluster", {"cluster": "edge-7", "apply": handle})
        assert done.structured_content == {"headline": "edge-7 was removed"}
        assert seen.removed == ["edge-7"]

        error = await refused(client, "remove_cluster", {"cluster": "edge-7", "apply": handle})
        assert error["details"] == {"fields": {"apply": "not a valid handle for this call"}}
        assert seen.removed == ["edge-7"]


@pytest.mark.parametrize(
    "other",
    [{"cluster": "hub-1"}, {"cluster": "edge-7", "token": "another"}],
    ids=["other cluster", "other secret"],
)
async def test_a_handle_is_bound_to_its_arguments(make_server, seen, other) -> None:
    async with Client(make_server()) as client:
        plan = await client.call_tool("remove_cluster", {"cluster": "edge-7", "token": "one"})
        handle = handle_in(plan)
        await refused(client, "remove_cluster", {**other, "apply": handle})
        assert seen.removed == []

        same = {"token": "one", "cluster": "edge-7", "dry_run": False, "apply": handle}
        await client.call_tool("remove_cluster", same)
        assert seen.removed == ["edge-7"]


async def test_a_handle_is_bound_to_its_caller(make_server, seen) -> None:
    callers = [Principal(subject=name, role=Role.ADMIN) for name in ("admin-1", "admin-2")]
    server = make_server(principal_of=lambda: callers[0])
    async with Client(server) as client:
        handle = handle_in(await client.call_tool("remove_cluster", {"cluster": "edge-7"}))
        callers.reverse()
        await refused(client, "remove_cluster", {"cluster": "edge-7", "apply": handle})
    assert seen.removed == []


async def test_a_handle_is_good_for_ten_minutes(make_server, seen, handle_store) -> None:
    async with Client(make_server()) as client:
        early = handle_in(await client.call_tool("remove_cluster", {"cluster": "a"}))
        handle_store.pass_time(timedelta(minutes=9, seconds=59))
        await client.call_tool("remove_cluster", {"cluster": "a", "apply": early})

        late = handle_in(await client.call_tool("remove_cluster", {"cluster": "b"}))
        handle_store.pass_time(timedelta(minutes=10))
        await refused(client, "remove_cluster", {"cluster": "b", "apply": late})
    assert seen.removed == ["a"]


async def test_a_dry_run_wins_over_a_handle_and_keeps_it(make_server, seen) -> None:
    async with Client(make_server()) as client:
        handle = handle_in(await client.call_tool("remove_cluster", {"cluster": "a"}))
        again = {"cluster": "a", "dry_run": True, "apply": handle}
        assert handle_in(await client.call_tool("remove_cluster", again)) != handle
        assert seen.removed == []
        await client.call_tool("remove_cluster", {"cluster": "a", "apply": handle})
    assert seen.removed == ["a"]


async def test_a_handle_that_is_no_text_is_refused(make_server, seen) -> None:
    async with Client(make_server()) as client:
        error = await refused(client, "remove_cluster", {"cluster": "a", "apply": 7})
    assert error["details"] == {"fields": {"apply": "must be text"}}
    assert seen.removed == []


@pytest.mark.parametrize("agrees", [True, False])
async def test_the_person_is_asked_before_something_is_destroyed(
    make_server, seen, era, agrees
) -> None:
    asked: list[str] = []

    async def answer(message: str, response_type: Any, params: Any, context: Any) -> Any:
        asked.append(message)
        return mcp_types.ElicitResult(action="accept", content={"confirm": agrees})

    async with Client(make_server(), mode=era, elicitation_handler=answer) as client:
        arguments = {"cluster": "edge-7", "token": "s3cret"}
        handle = handle_in(await client.call_tool("remove_cluster", arguments))
        assert asked == []
        result = await client.call_tool("remove_cluster", {**arguments, "apply": handle})

    assert len(asked) == 1
    assert asked[0].startswith("Really run remove_cluster? cluster=edge-7, token=[redacted:")
    assert seen.removed == (["edge-7"] if agrees else [])
    expected = "edge-7 was removed" if agrees else "Not confirmed by the person asked"
    assert result.structured_content["headline"].startswith(expected)


async def test_a_person_who_declines_leaves_everything_as_it_is(make_server, seen, era) -> None:
    async def decline(message: str, response_type: Any, params: Any, context: Any) -> Any:
        return mcp_types.ElicitResult(action="decline", content={"confirm": True})

    async with Client(make_server(), mode=era, elicitation_handler=decline) as client:
        handle = handle_in(await client.call_tool("remove_cluster", {"cluster": "edge-7"}))
        await client.call_tool("remove_cluster", {"cluster": "edge-7", "apply": handle})
    assert seen.removed == []


async def test_a_client_that_fails_to_ask_does_not_consent(make_server, seen, era) -> None:
    async def fail(message: str, response_type: Any, params: Any, context: Any) -> Any:
        raise RuntimeError("the dialog could not be shown")

    async with Client(make_server(), mode=era, elicitation_handler=fail) as client:
        handle = handle_in(await client.call_tool("remove_cluster", {"cluster": "edge-7"}))
        call = client.call_tool("remove_cluster", {"cluster": "edge-7", "apply": handle})
        if era == "legacy":
            headline = (await call).structured_content["headline"]
            assert headline == "Not confirmed by the person asked; nothing was changed."
        else:
            with pytest.raises((RuntimeError, MCPError)):
                await call
    assert seen.removed == []

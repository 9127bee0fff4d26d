"""Operations as resources, prompts from data, and completion while a person types."""

import json
from typing import Any

import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, PromptReference, ResourceTemplateReference

from aiops_mcp.errors import ClusterUnreachable, InputError
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.operation import Capability, Input

VIEWER = Principal(subject="viewer-1", role=Role.VIEWER)


@pytest.fixture(params=("auto", "legacy"))
def era(request) -> str:
    return request.param


async def test_resources_and_templates_are_listed(make_server, era) -> None:
    async with Client(make_server(), mode=era) as client:
        resources = [
            resource.model_dump(by_alias=True, exclude_none=True)
            for resource in await client.list_resources()
        ]
        templates = [
            template.model_dump(by_alias=True, exclude_none=True)
            for template in await client.list_resource_templates()
        ]

    assert resources == [
        {
            "name": "list_clusters",
            "title": "List clusters",
            "uri": "fleet://clusters",
            "description": "Clusters of the fleet, with their state.",
            "mimeType": "application/json",
        }
    ]
    assert templates == [
        {
            "name": "get_cluster_status",
            "title": "Get cluster status",
            "uriTemplate": "fleet://clusters/{cluster}",
            "description": "One cluster.",
            "mimeType": "application/json",
        }
    ]


async def test_a_resource_is_the_full_answer_as_json(make_server, era) -> None:
    async with Client(make_server(), mode=era) as client:
        (listed,) = await client.read_resource("fleet://clusters")
        (one,) = await client.read_resource("fleet://clusters/hub-1")

    assert listed.mime_type == "application/json"
    assert json.loads(listed.text) == {"names": ["hub-1", "edge-7"], "note": ""}
    document = json.loads(one.text)
    assert document["names"] == ["hub-1"]
    assert document["note"].startswith("token: Bearer [redacted:token:")


async def test_a_name_in_an_address_may_be_encoded(make_server, seen) -> None:
    async with Client(make_server()) as client:
        with pytest.raises(MCPError):
            await client.read_resource("fleet://clusters/a%20b")
    assert seen.calls[0][1].cluster == "a b"


@pytest.mark.parametrize(
    ("cluster", "number", "code", "said"),
    [
        ("edge-8", INVALID_PARAMS, "CLUSTER_NOT_FOUND", "Did you mean edge-7?"),
        ("away", INTERNAL_ERROR, "CLUSTER_UNREACHABLE", "Check its network."),
    ],
)
async def test_a_failed_read_keeps_code_and_hint(
    make_server, era, caplog, cluster, number, code, said
) -> None:
    uri = f"fleet://clusters/{cluster}"
    async with Client(make_server(), mode=era) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)

    error = caught.value.error
    assert (error.code, error.data["code"], error.data["uri"]) == (number, code, uri)
    assert error.data["hint"] == said
    assert error.message.startswith(f"{code}: ")
    assert "Traceback" not in caplog.text


async def test_a_defect_in_a_read_says_nothing_of_its_cause(make_server, era) -> None:
    async with Client(make_server(), mode=era) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource("fleet://clusters/broken")
    assert "hunter2" not in str(caught.value)


async def test_an_unknown_address_is_a_protocol_error(make_server, era) -> None:
    async with Client(make_server(), mode=era) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource("fleet://nothing")
    assert caught.value.error.code == INVALID_PARAMS


async def test_a_resource_without_permission_does_not_exist(make_server) -> None:
    locked = Capability("locked", "")

    @locked.operation(
        "read_secret", needs="secrets:read", resource="fleet://secrets", digest=lambda q, a: a
    )
    async def read_secret(context: Any, request: Input) -> Digest:
        """Not for viewers."""
        return Digest(headline="x")

    @locked.operation(
        "read_one", needs="secrets:read", resource="fleet://secrets/{cluster}", tool=False
    )
    async def read_one(context: Any, request: Input) -> Digest:
        """Not for viewers."""
        return Digest(headline="x")

    with pytest.raises(TypeError, match=r"read_one: fleet://secrets/\{cluster\} needs cluster"):
        make_server(operations=locked.operations)
    server = make_server(operations=locked.operations[:1], principal_of=lambda: VIEWER)
    async with Client(server) as client:
        assert await client.list_resources() == []
        with pytest.raises(MCPError) as caught:
            await client.read_resource("fleet://secrets")
    assert caught.value.error.code == INVALID_PARAMS


async def test_a_read_may_be_kept_for_ten_seconds_and_a_list_for_a_minute(make_server) -> None:
    async with Client(make_server()) as client:
        listed = await client.session.list_tools()
        read = await client.session.read_resource("fleet://clusters")
    assert (listed.ttl_ms, listed.cache_scope) == (60_000, "private")
    assert (read.ttl_ms, read.cache_scope) == (10_000, "private")


# --- prompts ---------------------------------------------------------------------------------


async def test_prompts_are_offered_with_their_arguments(make_server, era) -> None:
    async with Client(make_server(), mode=era) as client:
        prompts = {prompt.name: prompt for prompt in await client.list_prompts()}
        rendered = await client.get_prompt("look_into_cluster", {"cluster": "edge-7"})

    assert set(prompts) == {
        *("triage_fleet", "look_into_cluster", "explain_alert"),
        *("check_gpus", "check_network_functions"),
    }
    wanted = {
        argument.name: argument.required for argument in prompts["look_into_cluster"].arguments
    }
    assert wanted == {"cluster": True, "window": False}
    text = rendered.messages[0].content.text
    assert text.startswith("Find out how cluster edge-7 is and what changed over the last 1h.")
    assert "{{" not in text


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("look_into_cluster", {}, "look_into_cluster needs cluster"),
        ("look_into_cluster", {"cluster": "a", "x": "1"}, "takes no argument 'x'"),
        ("look_into_cluster", {"cluster": "a" * 201}, "cluster is too long"),
        ("no_such", {}, "no_such"),
    ],
)
async def test_wrong_prompt_arguments_are_refused(make_server, era, name, arguments, said) -> None:
    async with Client(make_server(), mode=era) as client:
        with pytest.raises(MCPError, match=said) as caught:
            await client.get_prompt(name, arguments)
    assert caught.value.error.code == INVALID_PARAMS


# --- completion --------------------------------------------------------------------------------

PROMPT = PromptReference(type="ref/prompt", name="look_into_cluster")
TEMPLATE = ResourceTemplateReference(type="ref/resource", uri="fleet://clusters/{cluster}")


@pytest.fixture
def completing(make_server) -> Any:
    asked: list[tuple[str, dict[str, str], str]] = []

    async def clusters(typed: str, others: Any, principal: Principal) -> list[str]:
        asked.append((typed, dict(others), principal.subject))
        return [f"{typed}-{number}" for number in range(150)]

    async def fails(typed: str, others: Any, principal: Principal) -> list[str]:
        raise ClusterUnreachable("nobody answers")

    server = make_server(completers={"cluster": clusters, "metric": fails})
    return server, asked


async def test_names_are_completed_up_to_a_hundred(completing, era) -> None:
    server, asked = completing
    async with Client(server, mode=era) as client:
        found = await client.complete(PROMPT, {"name": "cluster", "value": "ed"})
        same = await client.complete(
            TEMPLATE, {"name": "cluster", "value": "hu"}, context_arguments={"other": "x"}
        )

    assert found.values == [f"ed-{number}" for number in range(100)]
    assert (found.total, found.has_more) == (150, True)
    assert same.values[0] == "hu-0"
    assert asked == [("ed", {}, "local"), ("hu", {"other": "x"}, "local")]


@pytest.mark.parametrize(
    ("ref", "argument"),
    [
        (PROMPT, "window"),
        (PromptReference(type="ref/prompt", name="explain_alert"), "metric"),
        (PromptReference(type="ref/prompt", name="no_such"), "cluster"),
        (TEMPLATE, "label"),
    ],
    ids=["not a name", "backend away", "no such prompt", "no completer"],
)
async def test_nothing_to_offer_is_an_empty_answer(completing, ref, argument) -> None:
    async with Client(completing[0]) as client:
        found = await client.complete(ref, {"name": argument, "value": "x"})
    assert found.values == []


def test_an_unknown_toolset_is_an_input_error(make_server) -> None:
    with pytest.raises(InputError) as caught:
        make_server(toolsets=("nothing-like-it",))
    assert caught.value.hint == "There are: clusters, slow."

"""MCP servers beside ours: read from a file, started or connected to, and never in our way."""

import asyncio
import json
import logging
import sys
from pathlib import Path

import pytest
from toolbox_fakes import VIEWER, Seen, fleet_server, listening, mcp_app, persona

from agents import mcp_servers
from agents.mcp_servers import ExtraServers, read_servers
from agents.toolbox import InMemoryTools, notices_of, plan_of, tools_of
from agents.toolbox_plan import WAITS
from aiops_mcp.errors import InputError
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.settings import Settings, with_variables

SCRIPT = str(Path(__file__).parent / "stdio_tools.py")
OPERATOR = Principal(subject="olga", role=Role.OPERATOR)


@pytest.fixture
def written(tmp_path):
    def write(**servers):
        path = tmp_path / "mcp.json"
        path.write_text(json.dumps({"mcpServers": servers}))
        return path

    return write


@pytest.fixture
async def beside(written):
    """Our tools with the servers of a file beside them."""
    opened = []

    def open_(seen=None, *, timeout=20.0, **servers):
        extra = ExtraServers(read_servers(written(**servers)), timeout=timeout)
        source = InMemoryTools(fleet_server(seen or Seen()), extra=extra, timeout=timeout)
        opened.append(source)
        return source

    yield open_
    for source in opened:
        await source.aclose()


def stdio(mode="good", *more, **fields):
    return {"command": sys.executable, "args": ["-S", SCRIPT, mode, *more], **fields}


async def test_tools_of_another_server_stand_beside_ours(beside, tmp_path):
    log = tmp_path / "log"
    source = beside(jira=stdio("good", str(log)))
    async with source.open(persona("list_clusters"), LOCAL_ADMIN) as box:
        specs = {each.name: each for each in await box.specs()}
        assert list(specs) == ["list_clusters", "jira__get_issue", "jira__add_comment", "jira__env"]
        issue = specs["jira__get_issue"]
        assert not issue.writes
        assert issue.parameters["required"] == ["id"]
        assert "< /tool_call>" in issue.description
        assert "\u200b" not in issue.description
        assert specs["jira__add_comment"].writes
        assert specs["jira__add_comment"].description == (
            "Adds one. The user is asked before anything is changed."
        )
        assert f"jira has tools that are unfit: {'x' * 70}, huge." in notices_of(box)[0]
        read = await box.call("jira__get_issue", {"id": "A-1"})
        bad = await box.call("jira__get_issue", {"id": "bad"})
    assert read.status is ToolStatus.SUCCESS
    assert read.text.startswith("issue A-1 password=[redacted:")
    assert read.text.endswith("(image/png, not shown)")
    assert read.payload["headline"].startswith("issue A-1")
    assert bad.status is ToolStatus.ERROR


async def test_a_foreign_writing_tool_waits_for_consent(beside, tmp_path):
    log = tmp_path / "log"
    source = beside(jira=stdio("good", str(log)))
    async with source.open(persona(), LOCAL_ADMIN) as box:
        planned = await box.call("jira__add_comment", {"apply": True, "token": "s3cr3t-s3cr3t"})
        plan = plan_of(planned)
        assert plan is not None
        assert not log.exists()
        assert plan.text.startswith('jira__add_comment would be called with {"apply":true,')
        assert WAITS in planned.text
        assert "s3cr3t" not in planned.text
        done = await box.call("jira__add_comment", plan.consented())
        again = await box.call("jira__add_comment", plan.consented())
    assert log.read_text() == "add.comment\n"
    assert done.text == '{"added":true}'
    assert done.payload["added"] is True
    assert again.status is ToolStatus.ERROR


async def test_a_server_that_fails_does_not_fail_the_rest(beside):
    source = beside(
        gone={"command": "/no/such/program"},
        away={"url": "http://127.0.0.1:9/mcp"},
        odd=stdio("rubbish"),
    )
    async with source.open(persona(), LOCAL_ADMIN) as box:
        names = [each.name for each in await box.specs()]
        told = sorted(notices_of(box))
        ours = await box.call("list_clusters", {})
        odd = await box.call("odd__get_issue", {"id": "1"})
        missing = await box.call("gone__x", {})
    assert "odd__get_issue" in names
    assert [each.split(" is ")[0] for each in told if "is away" in each] == [
        "The MCP server away",
        "The MCP server gone",
    ]
    assert "FileNotFoundError" in told[1]
    assert ours.status is odd.status is ToolStatus.SUCCESS
    assert missing.status is ToolStatus.ERROR


async def test_a_server_that_dies_is_told_and_started_again(beside):
    source = beside(jira=stdio("dies"))
    async with source.open(persona(), LOCAL_ADMIN) as box:
        await box.specs()
        outcome = await box.call("jira__get_issue", {"id": "1"})
        plan = plan_of(await box.call("jira__add_comment", {}))
        unknown = await box.call("jira__add_comment", plan.consented())
        assert (await box.call("list_clusters", {})).status is ToolStatus.SUCCESS
    assert outcome.status is ToolStatus.ERROR
    assert "its server is away" in outcome.text
    assert "look before it is tried again" in unknown.text


async def test_a_tool_that_hangs_is_cancelled_there_too(beside, tmp_path):
    log = tmp_path / "log"
    source = beside(jira=stdio("hangs", str(log)), timeout=1)
    async with source.open(persona(), LOCAL_ADMIN) as box:
        outcome = await box.call("jira__get_issue", {"id": "1"})
        while not log.exists():  # noqa: ASYNC110 - the other process writes it
            await asyncio.sleep(0.01)
        assert (await box.call("list_clusters", {})).status is ToolStatus.SUCCESS
    assert outcome.status is ToolStatus.TIMEOUT
    assert log.read_text() == "cancelled"


async def test_a_server_that_is_mute_costs_its_time_once(beside, monkeypatch):
    monkeypatch.setattr(mcp_servers, "OPEN_SECONDS", 0.2)
    source = beside(jira=stdio("mute"))
    for _ in range(3):
        async with source.open(persona(), LOCAL_ADMIN) as box:
            await box.specs()
            assert "did not connect within 0.2 s" in notices_of(box)[0]
    (_, served), *_ = source._extra._served
    assert served._absent is not None


async def test_over_http_with_a_header(beside):
    seen = Seen()
    from aiops_mcp.surfaces.auth import ApiTokens

    server = fleet_server(seen, ApiTokens("viewer@edge-7=viewer-secret-token"))
    async with listening(mcp_app(server)) as (url, _):
        source = beside(
            far={
                "url": f"{url}/mcp",
                "headers": {"Authorization": "Bearer viewer-secret-token"},
                "personas": {"default": ["list_*"]},
            }
        )
        async with source.open(persona("list_pods"), LOCAL_ADMIN) as box:
            names = [each.name for each in await box.specs()]
            outcome = await box.call("far__list_clusters", {})
        await source.aclose()
    assert names == ["list_pods", "far__list_clusters", "far__list_pods"]
    assert outcome.payload["rows"] == [["edge-7", "ONLINE"]]


PERSONAS = {"gpu-*": ["get_*"], "default": ["env"]}


@pytest.mark.parametrize(
    ("who", "principal", "expected"),
    [
        (persona("list_pods"), LOCAL_ADMIN, ["list_pods", "jira__env"]),
        (persona("list_pods", called="gpu-expert"), LOCAL_ADMIN, ["list_pods", "jira__get_issue"]),
        (persona("list_pods", called="other-one"), LOCAL_ADMIN, ["list_pods"]),
        (persona("list_pods", "jira__g*"), LOCAL_ADMIN, ["list_pods"]),
        (persona("list_pods"), OPERATOR, ["list_pods"]),
        (persona("list_pods"), VIEWER, ["list_pods"]),
    ],
)
async def test_who_gets_which_tools(beside, who, principal, expected):
    source = beside(jira=stdio(personas=PERSONAS))
    async with source.open(who, principal) as box:
        assert [each.name for each in await box.specs()] == expected


async def test_roles_and_confined_callers_where_the_file_says_so(beside):
    source = beside(jira=stdio(roles=["viewer"], confined=True, personas=["default"]))
    async with source.open(persona("list_pods"), VIEWER) as box:
        assert "jira__env" in [each.name for each in await box.specs()]
    async with source.open(persona("list_pods"), LOCAL_ADMIN) as box:
        assert [each.name for each in await box.specs()] == ["list_pods"]


async def test_only_its_own_variables_reach_a_server(beside):
    source = beside(jira=stdio(env={"TOKEN": "${HOME:-x}-${NO_SUCH_VARIABLE_HERE:-none}"}))
    async with source.open(persona(), LOCAL_ADMIN) as box:
        told = json.loads((await box.call("jira__env", {})).text)
    assert told["TOKEN"].endswith("-none")
    assert not told["TOKEN"].startswith("$")


def test_a_disabled_server_is_not_there(written):
    extra = ExtraServers(read_servers(written(jira=stdio(disabled=True))))
    assert extra.sources(persona(), LOCAL_ADMIN) == []


def test_the_settings_name_the_file(written):
    path = written(jira=stdio())
    settings = Settings(_env_file=None, mcp_servers_file=path, agent_tool_timeout=7.0)
    source = tools_of(fleet_server(Seen()), settings)
    assert source._timeout == 7.0
    assert [entry.name for entry, _ in source._extra._served] == ["jira"]


def test_secrets_are_shown_nowhere(written, caplog):
    caplog.set_level(logging.DEBUG)
    path = written(
        a=stdio(env={"TOKEN": "hunter2-hunter2"}),
        b={"url": "https://x/mcp", "headers": {"Authorization": "Bearer hunter2-hunter2"}},
    )
    shown = repr(read_servers(path)) + str(read_servers(path)) + caplog.text
    assert "hunter2" not in shown
    path = written(a={"command": "x", "env": {"TOKEN": ["hunter2-hunter2"]}})
    with pytest.raises(InputError) as caught:
        read_servers(path)
    assert "hunter2" not in str(caught.value) + repr(caught.value.__cause__)
    assert "a: env.TOKEN:" in caught.value.message


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        ({"a b": {"command": "x"}}, "a b: name:"),
        ({"a__b": {"command": "x"}}, "a__b: name:"),
        ({"a": "x"}, "a: is no object"),
        ({"a": {}}, "a: needs either a url or a command"),
        ({"a": {"command": "x", "url": "http://x"}}, "either a url or a command"),
        ({"a": {"url": "ftp://x"}}, "only streamable HTTP and commands"),
        ({"a": {"url": "http://x", "type": "sse"}}, "only streamable HTTP and commands"),
        ({"a": {"command": "${NO_SUCH_VARIABLE_HERE}"}}, "NO_SUCH_VARIABLE_HERE is not set"),
        ({"a": {"command": "x", "roles": ["king"]}}, "a: roles"),
    ],
)
def test_what_cannot_be_is_refused(written, servers, said):
    with pytest.raises(InputError) as caught:
        read_servers(written(**servers))
    assert said in caught.value.message


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"mcpServers": []}', ""])
def test_a_file_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "mcp.json"
    path.write_text(text)
    with pytest.raises(InputError):
        read_servers(path)
    with pytest.raises(InputError):
        read_servers(tmp_path / "no-such-file")


def test_the_form_of_vs_code_is_read_too(tmp_path):
    path = tmp_path / "mcp.json"
    path.write_text('{"servers": {"a": {"type": "http", "url": "https://x/mcp", "gallery": 1}}}')
    (entry,) = read_servers(path)
    assert entry.url == "https://x/mcp"


def test_variables_stand_in_text():
    environ = {"A": "1", "EMPTY": ""}
    assert with_variables("${A}${env:A}-${B:-x}-${EMPTY:-y}-${EMPTY}-$A", environ) == "11-x-y--$A"
    with pytest.raises(KeyError):
        with_variables("${B}", environ)

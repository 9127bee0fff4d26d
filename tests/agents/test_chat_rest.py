"""Chats over REST and as server-sent events, with an agent that says what a test wants."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agents.conversation import (
    AnswerDelta,
    Answered,
    CallBegun,
    CallDone,
    ConsentWanted,
    Failed,
    nobody_consents,
)
from agents.host import AgentApp, open_agent_app
from aiops_mcp.errors import ModelNotAvailable
from aiops_mcp.models.chat import Answer, AnswerMode, Reference, ToolStatus
from aiops_mcp.models.events import EventType
from aiops_mcp.serving import http_application
from aiops_mcp.settings import Settings
from aiops_mcp.storage.engine import Database

SESSIONS = "/api/v1/chat/sessions"
TOKENS = {"ann": "operator=ann-secret-token", "bob": "operator=bob-secret-token"}
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

REFERENCE = Reference(
    number=1,
    tool_call_id="c1",
    tool="triage",
    arguments={"clusters": ["edge-1"]},
    status=ToolStatus.SUCCESS,
    headline="one problem",
    clusters=("edge-1",),
    query="up == 0",
    text="[1] one problem: checkout",
)
ANSWER = Answer(
    text="Checkout is down [1].",
    mode=AnswerMode.MODEL,
    references=(REFERENCE,),
    model="llama",
    prompt_tokens=50,
    completion_tokens=7,
)
STEPS = (
    CallBegun("c1", "triage", {"clusters": ["edge-1"]}),
    CallDone("c1", ToolStatus.SUCCESS, REFERENCE, 0.25),
    AnswerDelta("Checkout is "),
    AnswerDelta("down [1]."),
    Answered(ANSWER),
)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Scripted:
    """Answers by a script; ``hold`` between two steps waits until the test lets it go on."""

    def __init__(self) -> None:
        self.steps: Any = STEPS
        self.questions: list[Any] = []
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.granted: list[bool] = []
        self.closed = 0

    async def answer(self, question: Any, *, consent: Any = nobody_consents) -> AsyncIterator[Any]:
        self.questions.append(question)
        try:
            for step in self.steps:
                if step == "hold":
                    self.reached.set()
                    await self.go_on.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
                    if isinstance(step, ConsentWanted):
                        self.reached.set()
                        self.granted.append(await consent(step))
        finally:
            self.closed += 1


@pytest.fixture
def agent() -> Scripted:
    return Scripted()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """A database with its tables, to be copied: making them takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "aiops.sqlite"

    async def make() -> None:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await database.migrate()
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def opened(tmp_path, agent, clock, empty_database) -> AsyncIterator[AgentApp]:
    shutil.copy(empty_database, tmp_path / "aiops.sqlite")
    settings = Settings(
        _env_file=None,
        home=tmp_path,
        api_tokens=f"admin=root-secret-token,{','.join(TOKENS.values())},viewer=viewer-secret-token",
        rate_chat_per_minute=0,
        rate_user_per_minute=0,
        chat_messages=6,
        chat_sessions_per_user=3,
        chat_message_bytes=500,
        chat_at_once=2,
    )
    async with open_agent_app(settings, watch=False, clock=clock, answerer=agent) as opened:
        yield opened


@asynccontextmanager
async def caller(opened: AgentApp, token: str) -> AsyncIterator[httpx2.AsyncClient]:
    asgi = http_application(opened.app, opened.additions).asgi
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=asgi),
        base_url="http://127.0.0.1",
        headers={"authorization": f"Bearer {token}"},
    ) as client:
        yield client


@pytest.fixture
async def ann(opened) -> AsyncIterator[httpx2.AsyncClient]:
    async with caller(opened, "ann-secret-token") as client:
        yield client


@pytest.fixture
async def bob(opened) -> AsyncIterator[httpx2.AsyncClient]:
    async with caller(opened, "bob-secret-token") as client:
        yield client


async def session_of(client: httpx2.AsyncClient, **fields: Any) -> str:
    made = await client.post(SESSIONS, json=fields)
    assert made.status_code == 201, made.text
    return f"{SESSIONS}/{made.json()['id']}"


async def say(client: httpx2.AsyncClient, session: str, text: str = "Why?") -> dict[str, Any]:
    said = await client.post(f"{session}/messages", json={"content": text})
    assert said.status_code == 200, said.text
    return said.json()


def code_of(answer: httpx2.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["code"]


def events_of(body: str) -> list[tuple[str, dict[str, Any], str]]:
    """(type, data, id) of every event of a stream."""
    found = []
    for block in body.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"]), lines.get("id", "")))
    return found


# --- a conversation ------------------------------------------------------------------------------


async def test_a_message_is_answered_and_both_are_kept(ann, agent) -> None:
    session = await session_of(ann)
    answer = await say(ann, session, "Why is checkout slow? It was fast before.")
    assert (answer["role"], answer["state"]) == ("ASSISTANT", "COMPLETE")
    assert answer["content"] == "Checkout is down [1]."
    assert (answer["model"], answer["tokens_used"]) == ("llama", 57)
    assert answer["tool_calls"] == [
        {"id": "c1", "name": "triage", "arguments": {"clusters": ["edge-1"]}}
    ]
    assert answer["tool_results"][0]["result"] == "[1] one problem: checkout"
    assert answer["answer"]["references"][0]["text"] == "[1] one problem: checkout"
    page = (await ann.get(f"{session}/messages")).json()
    assert [each["role"] for each in page["items"]] == ["USER", "ASSISTANT"]
    assert page["items"][1] == answer
    assert (await ann.get(f"{session}/messages/{answer['id']}")).json() == answer
    told = (await ann.get(session)).json()
    assert told["title"] == "Why is checkout slow?"
    assert (told["message_count"], told["tokens_used"], told["is_working"]) == (2, 57, False)
    assert agent.questions[0].history == ()


async def test_the_agent_gets_persona_scope_and_what_was_said_before(ann, agent) -> None:
    session = await session_of(
        ann, persona_id="gpu-expert", model="llama", start_time="-6h", end_time="-1h"
    )
    await say(ann, session, "First?")
    agent.steps = (AnswerDelta("Half"), Failed("MODEL_NOT_AVAILABLE", "It went away."))
    await say(ann, session, "Second?")
    agent.steps = STEPS
    await say(ann, session, "Third?")
    question = agent.questions[2]
    assert (question.text, question.persona.id, question.model) == ("Third?", "gpu-expert", "llama")
    assert question.principal.subject == "operator-2"
    assert question.time_scope.start == NOW - timedelta(hours=6)
    assert question.time_scope.end == NOW - timedelta(hours=1)
    assert [(each.role, each.content) for each in question.history] == [
        ("user", "First?"),
        ("assistant", "Checkout is down [1]."),
        ("user", "Second?"),
        ("assistant", "Half\n\nIt went away.\n(the answer ends here: it was not finished)"),
    ]


async def test_the_stream_keeps_the_order_of_the_contract(ann) -> None:
    session = await session_of(ann)
    streamed = await ann.post(f"{session}/stream", json={"content": "Why?"})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.headers["cache-control"] == "no-store"
    assert streamed.headers["x-accel-buffering"] == "no"
    events = events_of(streamed.text)
    assert [kind for kind, _, _ in events if kind != "content_delta"] == [
        "message_start",
        "tool_use",
        "tool_result",
        "message_complete",
    ]
    start, use, result = (data for _, data, _ in events[:3])
    assert (start["role"], start["session_id"]) == ("ASSISTANT", session.rpartition("/")[2])
    assert use == {"tool_call_id": "c1", "name": "triage", "arguments": {"clusters": ["edge-1"]}}
    assert (result["tool_call_id"], result["status"], result["number"]) == ("c1", "SUCCESS", 1)
    assert (result["headline"], result["seconds"], "text" in result) == ("one problem", 0.25, False)
    deltas = [data for kind, data, _ in events if kind == "content_delta"]
    assert "".join(each["delta"] for each in deltas) == "Checkout is down [1]."
    kind, last, last_id = events[-1]
    assert (kind, last["tokens_used"], last["state"]) == ("message_complete", 57, "COMPLETE")
    assert last["latency_ms"] >= 0
    assert last["id"] == start["id"]
    assert last["content"] == "Checkout is down [1]."
    assert last["answer"]["references"][0]["query"] == "up == 0"
    assert last_id.endswith(".end")
    ids = [each for _, _, each in events[:-1]]
    assert [int(each.partition(".")[2]) for each in ids] == list(range(1, len(ids) + 1))


async def test_a_failure_is_told_and_kept(ann, agent) -> None:
    session = await session_of(ann)
    agent.steps = (AnswerDelta("So far"), Failed("MODEL_NOT_AVAILABLE", "It went away. Retry."))
    events = events_of((await ann.post(f"{session}/stream", json={"content": "Why?"})).text)
    assert events[-1][0] == "error"
    assert events[-1][1] == {"code": "MODEL_NOT_AVAILABLE", "message": "It went away. Retry."}
    kept = (await ann.get(f"{session}/messages")).json()["items"][1]
    assert (kept["state"], kept["error_code"]) == ("FAILED", "MODEL_NOT_AVAILABLE")
    assert kept["content"] == "So far\n\nIt went away. Retry."


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ((ModelNotAvailable("None answers.", "Start one."),), "MODEL_NOT_AVAILABLE"),
        ((RuntimeError("secret detail"),), "INTERNAL_ERROR"),
        ((AnswerDelta("no end"),), "INTERNAL_ERROR"),
    ],
)
async def test_an_agent_that_breaks_is_told_as_a_failure(ann, agent, steps, code) -> None:
    agent.steps = steps
    answer = await say(ann, await session_of(ann))
    assert (answer["state"], answer["error_code"]) == ("FAILED", code)
    assert "secret detail" not in answer["content"]


async def test_text_that_begins_anew_is_said_so(ann, agent) -> None:
    agent.steps = (
        AnswerDelta("I will call triage()"),
        CallBegun("c1", "triage", {}),
        AnswerDelta("Really", replaces=True),
        AnswerDelta(": down"),
        Answered(ANSWER.model_copy(update={"text": "Really: down"})),
    )
    session = await session_of(ann)
    events = events_of((await ann.post(f"{session}/stream", json={"content": "Why?"})).text)
    text = ""
    for kind, data, _ in events:
        if kind == "content_delta":
            text = data["delta"] if data.get("replaces") else text + data["delta"]
    assert text == "Really: down"


async def test_secrets_in_a_message_reach_neither_the_database_nor_the_agent(
    ann, agent, opened
) -> None:
    session = await session_of(ann, title="password=hunter2secret")
    await say(ann, session, "Log in with password=hunter2secret and look. Then tell.")
    assert "hunter2" not in agent.questions[0].text
    assert "[redacted:" in agent.questions[0].text
    async with opened.app.database.read() as connection:
        rows = (await connection.exec_driver_sql("SELECT * FROM chat_messages")).all()
        rows += (await connection.exec_driver_sql("SELECT * FROM chat_sessions")).all()
    assert "hunter2" not in str(rows)


# --- what may not be ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "   \n\t", "\u200b"])
async def test_an_empty_message_is_refused(ann, text) -> None:
    session = await session_of(ann)
    for path in ("messages", "stream"):
        refused = await ann.post(f"{session}/{path}", json={"content": text})
        assert code_of(refused, 422) == "VALIDATION_FAILED"
    assert (await ann.get(f"{session}/messages")).json()["total"] == 0


async def test_a_message_may_be_so_long(ann) -> None:
    session = await session_of(ann)
    refused = await ann.post(f"{session}/messages", json={"content": "ä" * 251})
    assert code_of(refused, 400) == "CONTEXT_TOO_LARGE"
    assert refused.json()["error"]["details"] == {"bytes": 502, "max_bytes": 500}
    megabyte = await ann.post(f"{session}/stream", json={"content": "a" * 1_000_000})
    assert code_of(megabyte, 400) == "CONTEXT_TOO_LARGE"
    assert (await say(ann, session, "ä" * 250))["state"] == "COMPLETE"


async def test_a_session_holds_so_many_messages(ann) -> None:
    session = await session_of(ann)
    for _ in range(3):
        await say(ann, session)
    refused = await ann.post(f"{session}/messages", json={"content": "More?"})
    assert code_of(refused, 400) == "CONTEXT_TOO_LARGE"
    assert "branch" in refused.json()["error"]["message"]


async def test_a_user_has_so_many_sessions(ann, bob) -> None:
    first = await session_of(ann)
    for _ in range(2):
        await session_of(ann)
    assert code_of(await ann.post(SESSIONS, json={}), 409) == "VALIDATION_FAILED"
    await session_of(bob)
    assert (await ann.delete(first)).status_code == 200
    await session_of(ann)


async def test_what_a_session_names_must_be_there(ann) -> None:
    unknown = {"persona_id": "nobody-here"}
    assert code_of(await ann.post(SESSIONS, json=unknown), 404) == "PERSONA_NOT_FOUND"
    nowhere = {"cluster_context": ["nowhere-1"]}
    assert code_of(await ann.post(SESSIONS, json=nowhere), 404) == "CLUSTER_NOT_FOUND"
    turned = {"start_time": "-1h", "end_time": "-2h"}
    assert code_of(await ann.post(SESSIONS, json=turned), 422) == "VALIDATION_FAILED"


async def test_another_users_session_does_not_exist(ann, bob, opened) -> None:
    session = await session_of(ann)
    answer = await say(ann, session)
    async with caller(opened, "root-secret-token") as admin:
        for other in (bob, admin):
            assert (await other.get(SESSIONS)).json()["total"] == 0
            for method, path, body in [
                ("GET", "", None),
                ("PUT", "", {"title": "mine"}),
                ("DELETE", "", None),
                ("GET", "/messages", None),
                ("GET", f"/messages/{answer['id']}", None),
                ("POST", "/messages", {"content": "hi"}),
                ("POST", "/stream", {"content": "hi"}),
                ("GET", "/stream", None),
                ("POST", "/stop", None),
                ("POST", "/retry", None),
                ("POST", "/branch", {"message_id": answer["id"]}),
                ("POST", "/consent", {"tool_call_id": "c1", "granted": True}),
                ("GET", "/export", None),
            ]:
                refused = await other.request(method, session + path, json=body)
                assert code_of(refused, 404) == "SESSION_NOT_FOUND", path
    assert code_of(await ann.get(f"{SESSIONS}/no-uuid"), 404) == "SESSION_NOT_FOUND"
    assert (await ann.get(session)).status_code == 200


async def test_a_viewer_reads_and_does_not_send(ann, opened) -> None:
    async with caller(opened, "viewer-secret-token") as viewer:
        assert (await viewer.get(SESSIONS)).json()["total"] == 0
        assert code_of(await viewer.post(SESSIONS, json={}), 403) == "PERMISSION_DENIED"
        session = await session_of(ann)
        refused = await viewer.post(f"{session}/stream", json={"content": "hi"})
        assert code_of(refused, 403) == "PERMISSION_DENIED"


async def test_an_expired_session_says_so(ann, clock) -> None:
    session = await session_of(ann)
    clock.now += timedelta(hours=23)
    await say(ann, session)
    clock.now += timedelta(hours=23)
    assert (await ann.get(session)).status_code == 200
    clock.now += timedelta(hours=1)
    assert code_of(await ann.get(session), 410) == "SESSION_EXPIRED"
    refused = await ann.post(f"{session}/stream", json={"content": "hi"})
    assert code_of(refused, 410) == "SESSION_EXPIRED"
    assert (await ann.get(SESSIONS)).json()["items"] == []


async def test_seven_days_are_the_longest(ann, clock) -> None:
    session = await session_of(ann)
    for _ in range(2):
        clock.now += timedelta(hours=23)
        await say(ann, session)
    expires = datetime.fromisoformat((await ann.get(session)).json()["expires_at"])
    assert expires == NOW + timedelta(hours=46 + 24)


# --- while it is made -----------------------------------------------------------------------------


async def begun(ann, agent, *, steps: Any) -> tuple[str, asyncio.Task[Any]]:
    """A session whose answer has come as far as the script holds it."""
    session = await session_of(ann)
    agent.steps = steps
    asking = asyncio.create_task(say(ann, session))
    await asyncio.wait_for(agent.reached.wait(), 5)
    return session, asking


async def test_one_answer_at_a_time(ann, agent) -> None:
    session, asking = await begun(ann, agent, steps=(AnswerDelta("So"), "hold", *STEPS))
    assert (await ann.get(session)).json()["is_working"] is True
    for path in ("messages", "stream"):
        refused = await ann.post(f"{session}/{path}", json={"content": "And?"})
        assert code_of(refused, 409) == "VALIDATION_FAILED"
        assert "stop" in refused.json()["error"]["message"]
    assert code_of(await ann.post(f"{session}/retry"), 409) == "VALIDATION_FAILED"
    agent.go_on.set()
    assert (await asking)["state"] == "COMPLETE"


async def test_what_is_stopped_keeps_its_text(ann, agent) -> None:
    session, asking = await begun(ann, agent, steps=(*STEPS[:3], "hold", *STEPS[3:]))
    stopped = (await ann.post(f"{session}/stop")).json()
    assert (stopped["state"], stopped["content"]) == ("STOPPED", "Checkout is ")
    assert stopped["tool_results"][0]["number"] == 1
    assert await asking == stopped
    assert agent.closed == 1
    assert code_of(await ann.post(f"{session}/stop"), 409) == "VALIDATION_FAILED"
    last = events_of((await ann.get(f"{session}/stream")).text)[-1]
    assert (last[0], last[1]["state"]) == ("message_complete", "STOPPED")


async def test_a_deleted_session_ends_its_answer(ann, agent) -> None:
    session, asking = await begun(ann, agent, steps=("hold", *STEPS))
    assert (await ann.delete(session)).status_code == 200
    with pytest.raises(AssertionError, match="SESSION_NOT_FOUND"):
        await asking
    assert agent.closed == 1


async def test_so_many_answers_at_once(ann, bob, agent) -> None:
    _, first = await begun(ann, agent, steps=("hold", *STEPS))
    agent.reached.clear()
    _, second = await begun(ann, agent, steps=("hold", *STEPS))
    third = await session_of(bob)
    refused = await bob.post(f"{third}/messages", json={"content": "And I?"})
    assert code_of(refused, 429) == "RATE_LIMITED"
    assert refused.headers["retry-after"] == "5"
    agent.go_on.set()
    await asyncio.gather(first, second)
    assert (await say(bob, third))["state"] == "COMPLETE"


async def test_a_writing_tool_asks_its_user(ann, agent) -> None:
    wanted = ConsentWanted("c9", "create_silence", {"cluster": "edge-1"}, "silences A for 1h")
    session, asking = await begun(ann, agent, steps=(wanted, *STEPS))
    for call_id in ("c8", "c1"):
        body = {"tool_call_id": call_id, "granted": True}
        assert code_of(await ann.post(f"{session}/consent", json=body), 409)
    body = {"tool_call_id": "c9", "granted": True}
    assert (await ann.post(f"{session}/consent", json=body)).json() == body
    await asking
    assert agent.granted == [True]
    assert code_of(await ann.post(f"{session}/consent", json=body), 409) == "VALIDATION_FAILED"


# --- afterwards -----------------------------------------------------------------------------------


async def test_the_last_answer_is_made_anew(ann, agent) -> None:
    session = await session_of(ann)
    old = await say(ann, session)
    agent.steps = (AnswerDelta("Better."), Answered(ANSWER.model_copy(update={"text": "Better."})))
    begun_again = await ann.post(f"{session}/retry")
    assert (begun_again.status_code, begun_again.json()["state"]) == (202, "RUNNING")
    events = events_of((await ann.get(f"{session}/stream")).text)
    assert events[-1][1]["content"] == "Better."
    items = (await ann.get(f"{session}/messages")).json()["items"]
    assert [each["content"] for each in items] == ["Why?", "Better."]
    assert items[1]["id"] != old["id"]
    assert [each.text for each in agent.questions] == ["Why?", "Why?"]
    assert agent.questions[1].history == ()


async def test_nothing_to_retry_in_an_empty_session(ann) -> None:
    assert code_of(await ann.post(f"{await session_of(ann)}/retry"), 409) == "VALIDATION_FAILED"


async def test_a_branch_has_what_was_said_up_to_there(ann, agent) -> None:
    session = await session_of(ann, persona_id="gpu-expert")
    first = await say(ann, session, "First?")
    await say(ann, session, "Second?")
    made = await ann.post(f"{session}/branch", json={"message_id": first["id"]})
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["persona_id"], told["message_count"]) == ("gpu-expert", 2)
    assert told["parent_session_id"] == session.rpartition("/")[2]
    assert told["parent_message_id"] == first["id"]
    branch = f"{SESSIONS}/{told['id']}"
    copied = (await ann.get(f"{branch}/messages")).json()["items"]
    assert [each["content"] for each in copied] == ["First?", "Checkout is down [1]."]
    assert copied[1]["answer"]["references"][0]["text"] == "[1] one problem: checkout"
    await say(ann, branch, "Other second?")
    assert [each.content for each in agent.questions[-1].history] == [
        "First?",
        "Checkout is down [1].",
    ]
    assert (await ann.get(f"{session}/messages")).json()["total"] == 4


async def test_an_edited_message_is_asked_in_a_branch(ann, agent) -> None:
    session = await session_of(ann)
    await say(ann, session, "First?")
    await say(ann, session, "Secnod?")
    items = (await ann.get(f"{session}/messages")).json()["items"]
    body = {"message_id": items[2]["id"], "content": "Second?"}
    branch = (await ann.post(f"{session}/branch", json=body)).json()
    await ann.get(f"{SESSIONS}/{branch['id']}/stream")
    said = (await ann.get(f"{SESSIONS}/{branch['id']}/messages")).json()["items"]
    assert [each["content"] for each in said] == [
        *("First?", "Checkout is down [1].", "Second?", "Checkout is down [1]."),
    ]
    body["message_id"] = items[1]["id"]
    assert code_of(await ann.post(f"{session}/branch", json=body), 422) == "VALIDATION_FAILED"
    body["message_id"] = "no-id"
    assert code_of(await ann.post(f"{session}/branch", json=body), 404)


async def test_a_session_changes_for_the_questions_to_come(ann, agent) -> None:
    session = await session_of(ann)
    await say(ann, session)
    changes = {"title": "My trouble", "persona_id": "telco-5g", "model": "m", "start_time": "-1h"}
    told = (await ann.put(session, json=changes)).json()
    assert (told["title"], told["persona_id"], told["model"]) == ("My trouble", "telco-5g", "m")
    await say(ann, session)
    assert agent.questions[1].persona.id == "telco-5g"
    assert agent.questions[1].time_scope.start == NOW - timedelta(hours=1)
    told = (await ann.put(session, json={"start_time": None, "model": None})).json()
    assert (told["time_scope"], told["model"]) == ({"start": None, "end": None}, None)
    assert told["title"] == "My trouble"
    assert code_of(await ann.put(session, json={"persona_id": "gone"}), 404) == "PERSONA_NOT_FOUND"


async def test_brief_messages_leave_out_what_tools_gave(ann) -> None:
    session = await session_of(ann)
    await say(ann, session)
    item = (await ann.get(f"{session}/messages", params={"brief": "true"})).json()["items"][1]
    assert item["tool_results"][0]["result"] is None
    assert item["answer"]["references"][0]["text"] == ""
    assert item["answer"]["references"][0]["headline"] == "one problem"


async def test_an_export_is_markdown_with_the_evidence(ann) -> None:
    session = await session_of(ann)
    await say(ann, session, "Why is checkout slow?")
    exported = await ann.get(f"{session}/export")
    assert exported.headers["content-type"].startswith("text/markdown")
    assert "chat-2026-11-25-" in exported.headers["content-disposition"]
    text = exported.text
    assert text.startswith("# Why is checkout slow?\n")
    assert "Checkout is down [1]." in text
    assert '1. one problem\n   - call: `triage {"clusters":["edge-1"]}`' in text
    assert "   - query: `up == 0`" in text


async def test_tokens_are_counted_by_user_and_day(ann, bob) -> None:
    session = await session_of(ann)
    await say(ann, session)
    await say(ann, session)
    usage = (await ann.get("/api/v1/chat/usage")).json()
    assert (usage["answers"], usage["prompt_tokens"], usage["completion_tokens"]) == (2, 100, 14)
    assert usage["uses"][0]["day"] == "2026-11-25"
    assert (await bob.get("/api/v1/chat/usage")).json()["answers"] == 0


async def test_without_a_model_there_is_none_to_list(ann) -> None:
    assert (await ann.get("/api/v1/chat/models")).json() == {"models": []}


async def test_messages_are_told_as_events(ann, opened) -> None:
    heard = []

    async def listen(event) -> None:
        heard.append(event)

    opened.app.bus.subscribe(listen)
    session = await session_of(ann)
    answer = await say(ann, session, "Why?")
    await opened.app.bus.settle()
    told = [each for each in heard if each.event_type is EventType.CHAT_MESSAGE]
    assert [(e.payload["role"], e.payload["preview"]) for e in told] == [
        ("USER", "Why?"),
        ("ASSISTANT", "Checkout is down [1]."),
    ]
    assert told[1].payload["message_id"] == answer["id"]
    assert {e.payload["user_id"] for e in told} == {"operator-2"}


async def test_what_was_seen_is_not_streamed_again(ann) -> None:
    session = await session_of(ann)
    assert code_of(await ann.get(f"{session}/stream"), 404) == "VALIDATION_FAILED"
    first = events_of((await ann.post(f"{session}/stream", json={"content": "Why?"})).text)
    whole = events_of((await ann.get(f"{session}/stream")).text)
    assert [kind for kind, _, _ in whole] == [
        *("message_start", "tool_use", "tool_result", "content_delta", "message_complete"),
    ]
    assert whole[3][1] == {"delta": "Checkout is down [1]."}
    seen = await ann.get(f"{session}/stream", headers={"last-event-id": first[-1][2]})
    assert seen.status_code == 204
    again = await ann.get(f"{session}/stream", headers={"last-event-id": first[2][2]})
    assert events_of(again.text) == whole
    other = await ann.get(f"{session}/stream", headers={"last-event-id": "ffff.end"})
    assert events_of(other.text) == whole


async def test_the_document_describes_the_stream(ann) -> None:
    document = (await ann.get("/openapi.json")).json()
    stream = document["paths"]["/api/v1/chat/sessions/{session}/stream"]
    assert set(stream) == {"parameters", "post", "get"}
    assert "text/event-stream" in stream["post"]["responses"]["200"]["content"]
    assert "/api/v1/chat/sessions/{session}/messages" in document["paths"]
    assert any(tag["name"] == "chat" for tag in document["tags"])


async def test_the_stream_takes_get_and_post_only(ann) -> None:
    session = await session_of(ann)
    refused = await ann.delete(f"{session}/stream")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, OPTIONS, POST")

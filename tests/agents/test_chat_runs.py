"""Answers while they are made: who leaves, who comes back, other replicas, and processes that end."""

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest

from agents.chat import Chats, ChatStore
from agents.chat_answers import Answers
from agents.chat_follow import follow_kept
from agents.chat_sessions import ChatSessions, NewSession
from agents.chat_sse import ChatStream
from agents.conversation import (
    AnswerDelta,
    Answered,
    CallBegun,
    CallDone,
    ConsentWanted,
    nobody_consents,
)
from agents.host import gone_holders
from aiops_mcp.errors import Conflict, SessionNotFound, StorageFailed
from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.models.chat import (
    Answer,
    AnswerMode,
    ChatMessage,
    MessageState,
    Reference,
    ToolStatus,
)
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings
from aiops_mcp.storage.chat import ChatTable
from aiops_mcp.storage.chat_usage import ChatUsageTable
from aiops_mcp.storage.engine import Database
from aiops_mcp.surfaces.gate import Admission

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
REFERENCE = Reference(
    number=1, tool_call_id="c1", tool="triage", status=ToolStatus.SUCCESS, headline="one",
    text="[1] one",
)  # fmt: skip
DONE = Answered(Answer(text="All of it.", mode=AnswerMode.TRIAGE, references=(REFERENCE,)))


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


class Fed:
    """An agent whose steps a test feeds; consents are asked where a step wants one."""

    def __init__(self):
        self.steps = asyncio.Queue()
        self.granted = []
        self.is_closed = False

    async def answer(self, question, *, consent=nobody_consents):
        try:
            while True:
                step = await self.steps.get()
                yield step
                if isinstance(step, ConsentWanted):
                    self.granted.append(await consent(step))
                if isinstance(step, Answered):
                    return
        finally:
            self.is_closed = True

    def feed(self, *steps):
        for step in steps:
            self.steps.put_nowait(step)


class Personas:
    async def get(self, persona_id, principal):
        return Persona(id=persona_id, name="Any", system_prompt="Help.")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def database(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/chat.sqlite")
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
async def replica(database, clock):
    """``replica(name, agent)``: the chats of one process on the shared database."""
    opened = []

    def make(name, agent, rows=None, **limits):
        store = ChatStore(ChatTable(database), ChatUsageTable(database))
        answers = Answers(
            rows or store.table, agent, holder=name, clock=clock, most=5, save_every=0.01, **limits
        )
        settings = Settings(_env_file=None)

        async def any_cluster(terms, principal):
            return None

        sessions = ChatSessions(
            store.table, Personas(), settings, clock=clock, check_clusters=any_cluster
        )
        bus = MemoryBus()
        opened.append((answers, bus))
        chats = Chats(store, sessions, answers, bus, settings, clock=clock, look_every=0.01)
        chats.answers_for_tests = answers
        return chats

    yield make
    for answers, bus in opened:
        await answers.close()
        await bus.close()


@pytest.fixture
def agent():
    return Fed()


async def asked(chats, text="Why?"):
    session = await chats.sessions.create(NewSession(), LOCAL_ADMIN)
    return session, await chats.send(session.id, text, LOCAL_ADMIN)


async def kept(chats, answer):
    return await chats.sessions.message(answer.session_id, answer.id, LOCAL_ADMIN)


async def until(condition):
    async with asyncio.timeout(5):
        while not await condition():  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(0.005)


async def steps_of(chats, answer, after=0):
    return [each async for batch in chats.follow(answer, after=after) for each in batch]


async def test_what_there_is_is_kept_while_it_is_made(replica, agent) -> None:
    chats = replica("one", agent)
    _, answer = await asked(chats)
    agent.feed(
        AnswerDelta("Some of"),
        CallBegun("c1", "triage", {}),
        CallDone("c1", ToolStatus.SUCCESS, REFERENCE, 0.1),
    )

    async def is_kept():
        found = await kept(chats, answer)
        return found.content == "Some of" and found.tool_results

    await until(is_kept)
    found = await kept(chats, answer)
    assert (found.state, found.tool_results[0].result) == (MessageState.RUNNING, "[1] one")


async def test_a_process_that_was_killed_leaves_what_it_kept(replica, agent, clock) -> None:
    chats = replica("one", agent)
    _, answer = await asked(chats)
    agent.feed(AnswerDelta("Some of"))

    async def is_kept():
        return (await kept(chats, answer)).content == "Some of"

    await until(is_kept)
    run = chats.answers_for_tests.get(answer.id)
    chats.answers_for_tests._rows = Dead()  # as if killed: nothing is written any more
    clock.now += timedelta(seconds=16)
    other = replica("two", Fed())
    found = await kept(other, answer)
    assert (found.state, found.content) == (MessageState.INTERRUPTED, "Some of")
    assert not (await other.sessions.get(answer.session_id, LOCAL_ADMIN)).is_working
    events = await steps_of(other, found)
    assert [each.type for each in events] == ["message_start", "content_delta", "error"]
    assert events[-1].data["code"] == "INTERNAL_ERROR"
    assert "retry" in events[-1].data["message"]
    again = await other.retry(answer.session_id, LOCAL_ADMIN)
    assert again.id != answer.id
    assert run is not None


class Dead:
    async def save(self, *arguments, **named):
        raise StorageFailed("killed")

    async def finish(self, *arguments, **named):
        raise StorageFailed("killed")


async def test_a_server_that_stops_marks_what_it_left(replica, agent) -> None:
    chats = replica("one", agent)
    _, answer = await asked(chats)
    agent.feed(AnswerDelta("Some of"))
    watching = asyncio.create_task(steps_of(chats, answer))
    await until(lambda: _said(chats, answer, "Some of"))
    await chats.answers_for_tests.close()
    found = await kept(chats, answer)
    assert (found.state, found.content) == (MessageState.INTERRUPTED, "Some of")
    events = await watching
    assert (events[-1].type, events[-1].data["code"]) == ("error", "INTERNAL_ERROR")
    assert agent.is_closed
    with pytest.raises(Conflict, match="stopping"):
        await chats.retry(answer.session_id, LOCAL_ADMIN)


async def _said(chats, answer, text):
    run = chats.answers_for_tests.get(answer.id)
    return run is not None and run.steps.text == text


async def test_the_answer_of_another_replica_is_followed_and_stopped(replica, agent) -> None:
    maker, other = replica("one", agent), replica("two", Fed())
    _, answer = await asked(maker)
    agent.feed(AnswerDelta("Some of"))
    await until(lambda: _is_kept(other, answer, "Some of"))
    seen = follow_kept(answer, lambda: kept(other, answer), every=0.01)
    events = list(await anext(seen))
    while not any(each.type == "content_delta" for each in events):
        events += await anext(seen)
    with pytest.raises(Conflict, match="being made"):
        await other.send(answer.session_id, "And?", LOCAL_ADMIN)
    with pytest.raises(Conflict, match="another replica"):
        await other.consent(answer.session_id, "c1", granted=True, principal=LOCAL_ADMIN)
    stopped = await other.stop(answer.session_id, LOCAL_ADMIN)
    assert (stopped.state, stopped.content) == (MessageState.STOPPED, "Some of")
    events += [each async for batch in seen for each in batch]
    assert [each.type for each in events] == [
        *("message_start", "content_delta", "message_complete"),
    ]
    assert events[-1].data["state"] == "STOPPED"
    assert {each.number for each in events} == {0}
    # Its maker hears of it when it next keeps what it has.
    await until(lambda: _is_over(maker, answer))
    assert agent.is_closed
    assert (await kept(maker, answer)).state is MessageState.STOPPED


async def _is_kept(chats, answer, text):
    return (await kept(chats, answer)).content == text


async def _is_over(chats, answer):
    return chats.answers_for_tests.get(answer.id) is None


async def test_what_grows_elsewhere_is_told_as_it_grows() -> None:
    base = ChatMessage(
        id=UUID(int=7), session_id=UUID(int=7), role="ASSISTANT", content="",
        state=MessageState.RUNNING, created_at=NOW,
    )  # fmt: skip
    versions = iter(
        [
            base.model_copy(update={"content": "It is"}),
            base.model_copy(update={"content": "It is down"}),
            base.model_copy(update={"content": "Rather not"}),
            base.model_copy(update={"content": "Rather not", "state": MessageState.COMPLETE}),
        ]
    )

    async def again():
        return next(versions)

    events = [each async for batch in follow_kept(base, again, every=0) for each in batch]
    assert [(each.type, each.data.get("delta"), each.data.get("replaces")) for each in events] == [
        ("message_start", None, None),
        ("content_delta", "It is", None),
        ("content_delta", " down", None),
        ("content_delta", "Rather not", True),
        ("message_complete", None, None),
    ]


async def test_a_session_deleted_elsewhere_ends_who_follows() -> None:
    base = ChatMessage(
        id=UUID(int=7), session_id=UUID(int=7), role="ASSISTANT", content="",
        state=MessageState.RUNNING, created_at=NOW,
    )  # fmt: skip

    async def gone():
        return None

    events = [each async for batch in follow_kept(base, gone, every=0) for each in batch]
    assert events[-1].data["code"] == "SESSION_NOT_FOUND"


class Stubborn:
    """An agent that does not let itself be ended."""

    def __init__(self):
        self.let_go = asyncio.Event()

    async def answer(self, question, *, consent=nobody_consents):
        yield AnswerDelta("Some of")
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        yield DONE


async def test_an_agent_that_does_not_end_holds_up_no_stop_of_the_server(replica, clock) -> None:
    agent = Stubborn()
    chats = replica("one", agent, close_seconds=0.05)
    _, answer = await asked(chats)
    await until(lambda: _is_kept(chats, answer, "Some of"))
    async with asyncio.timeout(5):
        await chats.answers_for_tests.close()
    clock.now += timedelta(seconds=16)
    found = await kept(chats, answer)
    assert (found.state, found.content) == (MessageState.INTERRUPTED, "Some of")
    agent.let_go.set()


async def test_a_database_away_for_a_moment_ends_no_follower(replica, agent, database) -> None:
    maker, other = replica("one", agent), replica("two", Fed())
    _, answer = await asked(maker)
    agent.feed(AnswerDelta("Some of"))
    await until(lambda: _is_kept(other, answer, "Some of"))
    table, away = other._table, 2

    class Away:
        async def message(self, *arguments, **named):
            nonlocal away
            away -= 1
            if away >= 0:
                raise StorageFailed("away")
            return await table.message(*arguments, **named)

    other._table = Away()
    agent.feed(DONE)
    await until(lambda: _is_over(maker, answer))
    events = await steps_of(other, answer)
    assert [each.type for each in events][-1] == "message_complete"
    assert "".join(e.data["delta"] for e in events if e.type == "content_delta") == "All of it."


async def test_a_session_deleted_meanwhile_ends_the_answer(replica, agent) -> None:
    maker, other = replica("one", agent), replica("two", Fed())
    session, answer = await asked(maker)
    await other.remove(session.id, LOCAL_ADMIN)
    await until(lambda: _is_over(maker, answer))
    assert agent.is_closed
    with pytest.raises(SessionNotFound):
        await maker.sessions.get(session.id, LOCAL_ADMIN)


class Flaky:
    """A table that is away for the first ``failures`` of each call."""

    def __init__(self, table, failures):
        self._table, self.left = table, failures

    async def save(self, *arguments, **named):
        return await self._table.save(*arguments, **named)

    async def finish(self, *arguments, **named):
        self.left -= 1
        if self.left >= 0:
            raise StorageFailed("away")
        return await self._table.finish(*arguments, **named)


async def test_a_database_away_at_the_end_is_waited_for(replica, agent, database) -> None:
    chats = replica("one", agent, Flaky(ChatTable(database), 2))
    _, answer = await asked(chats)
    agent.feed(AnswerDelta("All of it."), DONE)
    events = await steps_of(chats, answer)
    assert events[-1].type == "message_complete"
    found = await kept(chats, answer)
    assert (found.state, found.content) == (MessageState.COMPLETE, "All of it.")
    assert found.tool_results[0].result == "[1] one"


async def test_consent_that_nobody_gives_is_a_no(replica, agent) -> None:
    chats = replica("one", agent, consent_seconds=0.01)
    _, answer = await asked(chats)
    agent.feed(ConsentWanted("c9", "create_silence", {}, "silences"), DONE)
    events = await steps_of(chats, answer)
    assert agent.granted == [False]
    assert [each.type for each in events] == [
        *("message_start", "consent_required", "consent", "message_complete"),
    ]
    assert events[2].data == {"tool_call_id": "c9", "granted": False}


async def test_a_client_that_leaves_while_it_begins_leaves_no_orphan(replica, agent) -> None:
    chats = replica("one", agent)
    session = await chats.sessions.create(NewSession(), LOCAL_ADMIN)
    sending = asyncio.create_task(chats.send(session.id, "Why?", LOCAL_ADMIN))
    await until(lambda: _begins(chats))
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await until(lambda: _runs(chats, 1))
    agent.feed(DONE)
    await until(lambda: _runs(chats, 0))
    last = await chats.last_answer(session.id, LOCAL_ADMIN)
    assert last is not None
    assert last.state is MessageState.COMPLETE


async def _begins(chats):
    return bool(chats._beginning)


async def _runs(chats, count):
    return len(chats.answers_for_tests) == count


# --- over HTTP ------------------------------------------------------------------------------------


class Let:
    """A gate that lets everybody in."""

    async def admit(self, request, limit=None):
        return Admission(LOCAL_ADMIN, {"x-ratelimit-remaining": "1"})


@asynccontextmanager
async def streaming(chats, session, method="GET", headers=(), body=b"", keep_alive=15.0):
    """One request of the stream as a server makes it; gives the chunks, and a way to hang up."""
    chunks, left = asyncio.Queue(), asyncio.Event()
    sent = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        for message in sent:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        chunks.put_nowait(message)

    async def invoke(operation, request, call):
        if operation.name == "start_chat_answer":
            return await chats.send(request.session_id, request.content, call.principal)
        return await chats.last_answer(request.session_id, call.principal)

    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": b"",
        "path_params": {"session": str(session.id)},
        "headers": [(b"content-type", b"application/json"), *headers],
    }
    stream = ChatStream(chats, invoke, Let(), keep_alive=keep_alive)
    serving = asyncio.create_task(stream(scope, receive, send))
    try:
        yield chunks, left.set
    finally:
        left.set()
        await asyncio.wait_for(serving, 5)


async def next_text(chunks):
    async with asyncio.timeout(5):
        while True:
            message = await chunks.get()
            if message.get("body"):
                return message["body"].decode()


async def test_a_client_that_leaves_ends_nothing_and_comes_back(replica, agent) -> None:
    chats = replica("one", agent)
    session = await chats.sessions.create(NewSession(), LOCAL_ADMIN)
    body = orjson.dumps({"content": "Why?"})
    async with streaming(chats, session, "POST", body=body) as (chunks, hang_up):
        text = await next_text(chunks)
        while "message_start" not in text:
            text += await next_text(chunks)
        agent.feed(AnswerDelta("Some of"))
        while "Some of" not in text:
            text += await next_text(chunks)
        hang_up()
    agent.feed(AnswerDelta(" it"))
    answer = await chats.last_answer(session.id, LOCAL_ADMIN)
    await until(lambda: _said(chats, answer, "Some of it"))
    seen = text.rpartition("id: ")[2].split("\n")[0]
    assert seen.endswith(".2")
    headers = [(b"last-event-id", seen.encode())]
    async with streaming(chats, session, headers=headers) as (chunks, _):
        text = await next_text(chunks)
        while " it" not in text:
            text += await next_text(chunks)
        assert "message_start" not in text
        assert "Some of" not in text
        agent.feed(DONE)
        while "message_complete" not in text:
            text += await next_text(chunks)


async def test_a_quiet_stream_is_kept_alive(replica, agent) -> None:
    chats = replica("one", agent)
    session, _ = await asked(chats)
    async with streaming(chats, session, keep_alive=0.01) as (chunks, _):
        text = ""
        while text.count(": keep-alive\n\n") < 2:
            text += await next_text(chunks)
        assert text.startswith("retry: 2000\n\n")
        agent.feed(DONE)
        while "message_complete" not in text:
            text += await next_text(chunks)


def test_processes_of_this_host_that_are_no_more_are_known() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = socket.gethostname()
    parent, mine = os.getppid(), os.getpid()
    holders = [f"{here}:{ended.pid}:a", f"{here}:{parent}:b", f"{here}:{mine}:c", "other:1:d"]
    assert gone_holders(holders) == [f"{here}:{ended.pid}:a", f"{here}:{mine}:c"]

"""The application with its own agent: a model over HTTP, its tokens, what is left behind."""

import io
import os
import socket
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from rich.console import Console
from scripted_model import Said, scripted_model

from agents import cli_ask
from agents.chat_client import LocalChat, message_of, new_session
from agents.host import open_agent_app
from aiops_mcp.models.chat import (
    AnswerMode,
    ChatMessage,
    ChatRole,
    ChatSession,
    MessageState,
)
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings
from aiops_mcp.storage.chat import ChatTable, Hold, NewAnswer

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def settings(home, **fields) -> Settings:
    return Settings(_env_file=None, home=home, **fields)


async def test_a_model_answers_in_a_chat_and_its_tokens_are_counted(tmp_path) -> None:
    turns = [Said(calls=[("list_clusters", {})]), Said(text="There are none yet [1].")]
    async with (
        scripted_model(turns) as url,
        open_agent_app(settings(tmp_path, model_urls=(url,)), watch=False) as opened,
    ):
        chat = LocalChat(opened)
        session = await new_session(chat)
        events = [each async for each in chat.ask(session.id, "password=hunter2secret: how many?")]
        assert (events[0].type, events[-1].type) == ("message_start", "message_complete")
        message = await message_of(chat, session.id, str(events[-1].data["id"]))
        assert message.content == "There are none yet [1]."
        assert message.answer is not None
        assert message.answer.mode is AnswerMode.MODEL
        assert message.answer.references[0].tool == "list_clusters"
        usage = await opened.chats.usage(LOCAL_ADMIN)
        assert usage[0].prompt_tokens + usage[0].completion_tokens == message.tokens_used > 0
        assert usage[0].model == message.model == "scripted"
        listed = await chat.call("list_chat_models")
        assert [(each.models, each.is_reachable) for each in listed.models] == [
            (("scripted",), True)
        ]
        again = [each async for each in chat.follow(session.id)]
        assert again[-1].data["content"] == "There are none yet [1]."
        assert "hunter2" not in str([each.body for each in url.requests])
        assert opened.app.context.incidents.explain is not None


async def test_what_an_earlier_process_left_is_marked_at_the_start(tmp_path) -> None:
    """Its answer was held a moment ago, and nobody of its name is there any more."""
    async with open_agent_app(settings(tmp_path), watch=False, clock=lambda: NOW) as opened:
        table, session_id = ChatTable(opened.app.database), uuid4()
        session = ChatSession(
            id=session_id, user_id="local", title="", created_at=NOW, updated_at=NOW,
            expires_at=NOW + timedelta(days=1),
        )  # fmt: skip
        answer = ChatMessage(
            id=uuid4(), session_id=session_id, role=ChatRole.ASSISTANT, content="Half",
            state=MessageState.RUNNING, created_at=NOW,
        )  # fmt: skip
        await table.add_session(session, is_titled=False, most=5)
        held = Hold(f"{socket.gethostname()}:{os.getpid()}:before", NOW + timedelta(seconds=15))
        await table.begin(NewAnswer(answer, held), now=NOW, most=9)
        assert (await table.last_message(session_id, now=NOW)).state is MessageState.RUNNING
    async with open_agent_app(settings(tmp_path), clock=lambda: NOW) as opened:
        found = await opened.chats.last_answer(session_id, LOCAL_ADMIN)
        assert found is not None
        assert (found.state, found.content) == (MessageState.INTERRUPTED, "Half")


class Asked:
    """A client that remembers what was consented to."""

    def __init__(self) -> None:
        self.said = []

    async def call(self, operation, **arguments):
        self.said.append((operation, arguments["tool_call_id"], arguments["granted"]))


class Typing(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "granted"),
    [
        (Typing("y\n"), True),
        (Typing("YES\n"), True),
        (Typing("\n"), False),
        (Typing("no\n"), False),
        (Typing(""), False),
        (io.StringIO("y\n"), False),
    ],
    ids=["y", "yes", "nothing", "no", "the end", "a pipe"],
)
async def test_consent_is_typed_and_no_by_default(typed, granted, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", typed)
    client, shown = Asked(), io.StringIO()

    class Output:
        errors = Console(file=shown, width=100)

    class Run:
        output = Output()

    wanted = {"tool_call_id": "c9", "name": "create_silence", "plan": "Would silence A."}
    await cli_ask._consent(Run(), client, uuid4(), wanted)
    assert client.said == [("consent_to_tool", "c9", granted)]
    assert "create_silence would change something" in shown.getvalue()
    assert "Would silence A." in shown.getvalue()

"""Chats as commands see them: with the agent in this process, or with that of a running server.

Both are asked by the same operations and tell the same events.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

import httpx2
import orjson

from agents.chat_answering import OPERATIONS as CHAT_OPERATIONS
from agents.chat_sse import PATH
from agents.chat_steps import LAST, StreamEvent
from agents.host import AgentApp, open_agent_app
from agents.remote import PREFIX, RemoteSession, content_of, no_server, open_remote
from agents.sse import SentEvents
from aiops_mcp.errors import AiopsError, ClusterUnreachable, ToolExecutionFailed
from aiops_mcp.models.chat import ChatMessage, ChatSession
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.reports import Download
from aiops_mcp.operation import Call, Operation
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.settings import Settings

COME_BACK = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts to follow an answer again whose connection broke."""

EntityT = TypeVar("EntityT", bound=Entity)


class ChatClient(Protocol):
    """A chat with an agent, wherever it is. Everything raises AiopsError."""

    async def call(self, operation: str, **arguments: Any) -> Entity:
        """Run an operation by its name."""
        ...

    async def download(self, operation: str, **arguments: Any) -> Download: ...

    def ask(self, session_id: UUID, text: str) -> AsyncGenerator[StreamEvent]:
        """Say something; the steps of the answer, of which the last tells how it ended."""
        ...

    def follow(self, session_id: UUID) -> AsyncGenerator[StreamEvent]:
        """The steps of the last answer, from its start."""
        ...


async def call_as(
    client: ChatClient, kind: type[EntityT], operation: str, **arguments: Any
) -> EntityT:
    """`ChatClient.call` of an operation whose answer is known to be of a kind."""
    answer = await client.call(operation, **arguments)
    assert isinstance(answer, kind)  # noqa: S101 - the operation's declaration says so
    return answer


async def new_session(client: ChatClient, **fields: Any) -> ChatSession:
    return await call_as(client, ChatSession, "create_chat_session", **fields)


async def message_of(client: ChatClient, session_id: UUID, message_id: str) -> ChatMessage:
    return await call_as(
        client, ChatMessage, "get_chat_message", session=str(session_id), message=message_id
    )


@asynccontextmanager
async def open_chat(
    settings: Settings, *, server: str | None = None, token: str | None = None
) -> AsyncGenerator[ChatClient]:
    """A chat with the server at ``server``, or with the agent in this process.

    Raises as `open_agent_app`.
    """
    if server is not None:
        async with open_remote(server, token) as session:
            yield RemoteChat(session)
        return
    async with open_agent_app(settings, watch=False) as opened:
        await opened.app.check_stale_clusters()
        yield LocalChat(opened)


def _operation(name: str) -> Operation:
    for each in (*CHAT_OPERATIONS, *OPERATIONS):
        if each.name == name:
            return each
    raise ToolExecutionFailed(f"There is no operation {name!r}.")


class LocalChat:
    """With the agent in this process, as its administrator."""

    def __init__(self, opened: AgentApp) -> None:
        self._app = opened.app
        self._chats = opened.chats

    async def call(self, operation: str, **arguments: Any) -> Entity:
        found = _operation(operation)
        request = found.request_type.model_validate(arguments)
        return await self._app.invoke(found, request, Call(LOCAL_ADMIN, "cli"))

    async def download(self, operation: str, **arguments: Any) -> Download:
        return cast("Download", await self.call(operation, **arguments))

    async def ask(self, session_id: UUID, text: str) -> AsyncGenerator[StreamEvent]:
        begun = await self.call("start_chat_answer", session=str(session_id), content=text)
        async with aclosing(self._steps(begun)) as steps:
            async for step in steps:
                yield step

    async def follow(self, session_id: UUID) -> AsyncGenerator[StreamEvent]:
        last = await self.call("follow_chat_answer", session=str(session_id))
        async with aclosing(self._steps(last)) as steps:
            async for step in steps:
                yield step

    async def _steps(self, answer: Entity) -> AsyncGenerator[StreamEvent]:
        async with aclosing(self._chats.follow(cast("ChatMessage", answer))) as batches:
            async for batch in batches:
                for step in batch:
                    yield step


class RemoteChat:
    """With a running server; comes back by itself where the connection breaks meanwhile."""

    def __init__(self, session: RemoteSession, *, come_back: Sequence[float] = COME_BACK) -> None:
        self._session = session
        self._come_back = come_back

    async def call(self, operation: str, **arguments: Any) -> Entity:
        return await self._session.call(_operation(operation), arguments)

    async def download(self, operation: str, **arguments: Any) -> Download:
        return await self._session.download(_operation(operation), arguments)

    async def ask(self, session_id: UUID, text: str) -> AsyncGenerator[StreamEvent]:
        async with aclosing(self._stream(session_id, {"content": text})) as steps:
            async for step in steps:
                yield step

    async def follow(self, session_id: UUID) -> AsyncGenerator[StreamEvent]:
        async with aclosing(self._stream(session_id, None)) as steps:
            async for step in steps:
                yield step

    async def _stream(
        self, session_id: UUID, body: Mapping[str, Any] | None
    ) -> AsyncGenerator[StreamEvent]:
        """The events to the last; a POST is never sent again once it was answered."""
        last_id, attempts = "", 0
        while True:
            try:
                async for event, event_id in self._once(session_id, body, last_id):
                    last_id, attempts = event_id, 0
                    yield event
                    if event.type in LAST:
                        return
                broke: Exception = ClusterUnreachable("The stream ended before the answer did.")
            except httpx2.TransportError as error:
                if not last_id:
                    raise no_server(self._session.base_url, error) from error
                broke = error
            if attempts == len(self._come_back):
                raise no_server(self._session.base_url, broke) from broke
            await asyncio.sleep(self._come_back[attempts])
            attempts, body = attempts + 1, None

    async def _once(
        self, session_id: UUID, body: Mapping[str, Any] | None, last_id: str
    ) -> AsyncGenerator[tuple[StreamEvent, str]]:
        path = PREFIX + PATH.replace("{session}", str(session_id))
        headers = {"last-event-id": last_id} if last_id else {}
        method = "GET" if body is None else "POST"
        async with self._session.stream(method, path, json=body, headers=headers) as response:
            if response.status_code != 200:
                await response.aread()
                content_of(response)
                raise AiopsError(f"The server answers HTTP {response.status_code} to a stream.")
            events = SentEvents()
            async for line in response.aiter_lines():
                if (sent := events.take(line)) is not None:
                    yield StreamEvent(0, sent.type, orjson.loads(sent.data)), sent.id

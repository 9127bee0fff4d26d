"""Operations of what is said in a chat, and of what happens to an answer.

Two have no route: the stream of server-sent events is asked for through them (``chat_sse``).
"""

import asyncio
from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, Field

from agents.agent_context import AgentContext
from agents.chat_entities import ChatMessagePage, ConsentTaken
from agents.chat_operations import BUSY_OR_GONE, GONE, READ, WRITE, OneChat, chat
from aiops_mcp.capabilities.digesting import PageNumber, PageSize
from aiops_mcp.errors import ResourceNotFound
from aiops_mcp.models.chat import ChatMessage, ChatSession

WAIT_SHARE = 0.9
"""Of the time a request may take, an answer is waited for so long; then it is told as it stands."""

Content = Annotated[
    str,
    Field(
        description="What the user says",
        validation_alias=AliasChoices("content", "message"),
        examples=["Why is checkout slow?"],
    ),
]


class SaidInChat(OneChat):
    content: Content


@chat.operation("start_chat_answer", needs=WRITE, tool=False, limit="chat")
async def start_chat_answer(context: AgentContext, request: SaidInChat) -> ChatMessage:
    """Say something; the answer as it begins."""
    return await context.chats.send(request.session_id, request.content, context.principal)


@chat.operation(
    "send_chat_message",
    route="POST /chat/sessions/{session}/messages",
    needs=WRITE,
    tool=False,
    limit="chat",
    refusals=BUSY_OR_GONE,
)
async def send_chat_message(context: AgentContext, request: SaidInChat) -> ChatMessage:
    """Say something and wait for the answer.

    One that takes longer than a request may is told with state RUNNING, and goes on.
    """
    answer = await context.chats.send(request.session_id, request.content, context.principal)
    try:
        async with asyncio.timeout(context.settings.request_timeout * WAIT_SHARE):
            return await context.chats.wait(answer, context.principal)
    except TimeoutError:
        return await context.chats.sessions.message(
            request.session_id, answer.id, context.principal
        )


class MessagesQuery(OneChat):
    page: PageNumber = 1
    page_size: PageSize = 20
    brief: bool = Field(default=False, description="Without what the tools gave")


@chat.operation(
    "list_chat_messages",
    route="GET /chat/sessions/{session}/messages",
    needs=READ,
    tool=False,
    refusals=GONE,
)
async def list_chat_messages(context: AgentContext, request: MessagesQuery) -> ChatMessagePage:
    """The messages of a session, in the order of the conversation."""
    sessions = context.chats.sessions
    session = await sessions.get(request.session_id, context.principal)
    items = await sessions.messages(
        session.id,
        context.principal,
        offset=(request.page - 1) * request.page_size,
        limit=request.page_size,
    )
    if request.brief:
        items = tuple(brief(each) for each in items)
    return ChatMessagePage.of(items, session.message_count, request.page, request.page_size)


def brief(message: ChatMessage) -> ChatMessage:
    """The message without the texts of its results, which may be large."""
    results = tuple(each.model_copy(update={"result": None}) for each in message.tool_results)
    answer = message.answer
    if answer is not None:
        references = tuple(each.model_copy(update={"text": ""}) for each in answer.references)
        answer = answer.model_copy(update={"references": references})
    return message.model_copy(update={"tool_results": results, "answer": answer})


class OneMessage(OneChat):
    message: Annotated[str, Field(description="Id of the message", max_length=64)]


@chat.operation(
    "get_chat_message",
    route="GET /chat/sessions/{session}/messages/{message}",
    needs=READ,
    tool=False,
    refusals=GONE,
)
async def get_chat_message(context: AgentContext, request: OneMessage) -> ChatMessage:
    """One message, with all that its answer stands on."""
    message_id = _message_id(request.message)
    return await context.chats.sessions.message(request.session_id, message_id, context.principal)


def _message_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ResourceNotFound(f"There is no message '{text}' in this session.") from error


# --- what happens to an answer --------------------------------------------------------------------


@chat.operation(
    "stop_chat_answer",
    route="POST /chat/sessions/{session}/stop",
    needs=WRITE,
    tool=False,
    refusals=BUSY_OR_GONE,
)
async def stop_chat_answer(context: AgentContext, request: OneChat) -> ChatMessage:
    """End the answer that is being made; what there is of it stays."""
    return await context.chats.stop(request.session_id, context.principal)


@chat.operation(
    "retry_chat_answer",
    route="POST /chat/sessions/{session}/retry",
    needs=WRITE,
    tool=False,
    status=202,
    limit="chat",
    refusals=BUSY_OR_GONE,
)
async def retry_chat_answer(context: AgentContext, request: OneChat) -> ChatMessage:
    """Answer the last question anew, in the place of the last answer.

    The answer begins; GET …/stream follows it.
    """
    return await context.chats.retry(request.session_id, context.principal)


class BranchedChat(OneChat):
    message_id: Annotated[str, Field(description="Where it branches off", max_length=64)]
    content: Annotated[
        str | None, Field(description="Asked instead of that message, which is the user's")
    ] = None


@chat.operation(
    "branch_chat_session",
    route="POST /chat/sessions/{session}/branch",
    needs=WRITE,
    tool=False,
    status=201,
    limit="chat",
    refusals=BUSY_OR_GONE,
)
async def branch_chat_session(context: AgentContext, request: BranchedChat) -> ChatSession:
    """A new session with what was said up to a message; with content, that is asked in its place.

    The old session stays as it is.
    """
    return await context.chats.branch(
        request.session_id, _message_id(request.message_id), request.content, context.principal
    )


class Consented(OneChat):
    tool_call_id: Annotated[str, Field(description="As consent_required says", max_length=200)]
    granted: Annotated[bool, Field(description="Whether it may be done")]


@chat.operation(
    "consent_to_tool",
    route="POST /chat/sessions/{session}/consent",
    needs=WRITE,
    tool=False,
    refusals=BUSY_OR_GONE,
)
async def consent_to_tool(context: AgentContext, request: Consented) -> ConsentTaken:
    """Say yes or no to a call that would change something and waits for its user."""
    await context.chats.consent(
        request.session_id,
        request.tool_call_id,
        granted=request.granted,
        principal=context.principal,
    )
    return ConsentTaken(tool_call_id=request.tool_call_id, granted=request.granted)


@chat.operation("follow_chat_answer", needs=READ, tool=False)
async def follow_chat_answer(context: AgentContext, request: OneChat) -> ChatMessage:
    """The last answer of a session, to be followed."""
    answer = await context.chats.last_answer(request.session_id, context.principal)
    if answer is None:
        raise ResourceNotFound(
            "This session has no answer to follow.", "POST …/stream sends a message."
        )
    return answer


OPERATIONS = tuple(chat.operations)
"""All operations of chats."""

"""Chat as operations: sessions, what is said in them, and what happens to an answer.

None is a tool: a model does not talk to itself. Nothing here changes a cluster, so a server that
only reads has them all; writing tools are asked consent for, one by one.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AliasChoices, Field

from agents.agent_context import AgentContext
from agents.chat_entities import (
    ChatModel,
    ChatModels,
    ChatSessionPage,
    ChatUsage,
)
from agents.chat_sessions import NewSession
from agents.chat_text import as_markdown
from aiops_mcp.capabilities.digesting import PageNumber, PageSize
from aiops_mcp.capabilities.metrics import requested_moment
from aiops_mcp.errors import InputError, SessionNotFound
from aiops_mcp.models.chat import ChatSession, TimeScope
from aiops_mcp.models.moment import When
from aiops_mcp.models.persona import DEFAULT_PERSONA
from aiops_mcp.models.reports import Download
from aiops_mcp.operation import Capability, Input

READ, WRITE = "chat:read", "chat:write"
GONE, BUSY_OR_GONE = (410,), (409, 410)

chat = Capability("chat", "Ask the agent in sessions that are kept.")

Title = Annotated[str | None, Field(description="Instead of the first message's", max_length=200)]
_PERSONA = Field(
    description="Who answers",
    validation_alias=AliasChoices("persona_id", "persona"),
    max_length=64,
)
_CLUSTERS = Field(
    description="What it is about: names, ids or selectors; empty: the whole fleet",
    validation_alias=AliasChoices("clusters", "cluster_context"),
    max_length=200,
)
Model = Annotated[
    str | None, Field(description="Preferred over the others that are set", max_length=255)
]


class NewChat(Input):
    title: Title = None
    persona_id: Annotated[str, _PERSONA] = DEFAULT_PERSONA
    clusters: Annotated[tuple[str, ...], _CLUSTERS] = ()
    start_time: When | None = None
    end_time: When | None = None
    model: Model = None


@chat.operation(
    "create_chat_session",
    route="POST /chat/sessions",
    needs=WRITE,
    tool=False,
    status=201,
    refusals=(409,),
)
async def create_chat_session(context: AgentContext, request: NewChat) -> ChatSession:
    """Begin a chat session about some clusters and a time, answered by a persona."""
    new = NewSession(
        title=request.title,
        persona_id=request.persona_id,
        clusters=request.clusters,
        time_scope=_time_scope(context, TimeScope(), request),
        model=request.model,
    )
    return await context.chats.sessions.create(new, context.principal)


def _time_scope(
    context: AgentContext, before: TimeScope, request: "NewChat | ChangedChat"
) -> TimeScope:
    """The scope with those ends changed that the request names; null opens one."""
    now, ends = context.clock(), {"start": before.start, "end": before.end}
    for name in ("start", "end"):
        field = f"{name}_time"
        if field in request.model_fields_set:
            ends[name] = requested_moment(getattr(request, field), now, field)
    scope = TimeScope(**ends)
    if scope.start and scope.end and scope.start >= scope.end:
        raise InputError("start_time is not before end_time.", details={"field": "start_time"})
    return scope


class ChatsQuery(Input):
    page: PageNumber = 1
    page_size: PageSize = 20


@chat.operation("list_chat_sessions", route="GET /chat/sessions", needs=READ, tool=False)
async def list_chat_sessions(context: AgentContext, request: ChatsQuery) -> ChatSessionPage:
    """The caller's own chat sessions, the last active first."""
    items, total = await context.chats.sessions.page(
        context.principal,
        offset=(request.page - 1) * request.page_size,
        limit=request.page_size,
    )
    return ChatSessionPage.of(items, total, request.page, request.page_size)


class OneChat(Input):
    session: Annotated[str, Field(description="Id of the session", max_length=64)]

    @property
    def session_id(self) -> UUID:
        """Raises SessionNotFound: what is no id is the id of no session."""
        try:
            return UUID(self.session)
        except ValueError as error:
            raise SessionNotFound(
                f"There is no chat session '{self.session}'.", "GET /chat/sessions lists yours."
            ) from error


@chat.operation(
    "get_chat_session",
    route="GET /chat/sessions/{session}",
    needs=READ,
    tool=False,
    refusals=GONE,
)
async def get_chat_session(context: AgentContext, request: OneChat) -> ChatSession:
    """One of the caller's chat sessions."""
    return await context.chats.sessions.get(request.session_id, context.principal)


class ChangedChat(OneChat):
    title: Title = None
    persona_id: Annotated[str | None, _PERSONA] = None
    clusters: Annotated[tuple[str, ...] | None, _CLUSTERS] = None
    start_time: When | None = None
    end_time: When | None = None
    model: Model = None


@chat.operation(
    "update_chat_session",
    route="PUT /chat/sessions/{session}",
    needs=WRITE,
    tool=False,
    refusals=GONE,
)
async def update_chat_session(context: AgentContext, request: ChangedChat) -> ChatSession:
    """Change title, persona, clusters, time or model of a session, for the questions to come."""
    session = await context.chats.sessions.get(request.session_id, context.principal)
    given, changes = request.model_fields_set, dict[str, Any]()
    if "title" in given:
        changes["title"] = request.title or ""
    if request.persona_id is not None:
        changes["persona_id"] = request.persona_id
    if "clusters" in given:
        changes["cluster_context"] = request.clusters or ()
    if given & {"start_time", "end_time"}:
        changes["time_scope"] = _time_scope(context, session.time_scope, request)
    if "model" in given:
        changes["model"] = request.model
    return await context.chats.sessions.change(session.id, changes, context.principal)


@chat.operation(
    "delete_chat_session",
    route="DELETE /chat/sessions/{session}",
    needs=WRITE,
    tool=False,
    refusals=GONE,
)
async def delete_chat_session(context: AgentContext, request: OneChat) -> ChatSession:
    """Delete a session with all that was said in it; an answer being made ends."""
    return await context.chats.remove(request.session_id, context.principal)


@chat.operation(
    "export_chat_session",
    route="GET /chat/sessions/{session}/export",
    needs=READ,
    tool=False,
    refusals=GONE,
)
async def export_chat_session(context: AgentContext, request: OneChat) -> Download:
    """The session as Markdown, each answer with its evidence."""
    sessions = context.chats.sessions
    session = await sessions.get(request.session_id, context.principal)
    messages = await sessions.messages(session.id, context.principal)
    return Download(
        file_name=f"chat-{session.created_at:%Y-%m-%d}-{str(session.id)[:8]}.md",
        media_type="text/markdown; charset=utf-8",
        content=as_markdown(session, messages).encode(),
    )


class Nothing(Input):
    pass


@chat.operation("get_chat_usage", route="GET /chat/usage", needs=READ, tool=False)
async def get_chat_usage(context: AgentContext, request: Nothing) -> ChatUsage:
    """Tokens that the caller's answers took in the last 30 days, by day and model."""
    del request
    return ChatUsage.of(await context.chats.usage(context.principal))


@chat.operation("list_chat_models", route="GET /chat/models", needs=READ, tool=False)
async def list_chat_models(context: AgentContext, request: Nothing) -> ChatModels:
    """The language models that answer, in order of preference; none: answers come by triage."""
    del request
    return ChatModels(models=tuple(ChatModel.of(each) for each in await context.models_health()))

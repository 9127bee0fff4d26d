"""Chat sessions, their messages, and what an answer stands on (contract: chat)."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.persona import DEFAULT_PERSONA


class ChatRole(StrEnum):
    USER = "USER"
    ASSISTANT = "ASSISTANT"
    SYSTEM = "SYSTEM"
    TOOL = "TOOL"


class ToolStatus(StrEnum):
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    TIMEOUT = "TIMEOUT"


class MessageState(StrEnum):
    """How an answer stands: it is being made, is whole, or ended before that and why."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    STOPPED = "STOPPED"
    """Its user stopped it."""
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"
    """The process that made it went away."""


class AnswerMode(StrEnum):
    """What made the prose of an answer."""

    MODEL = "MODEL"
    TRIAGE = "TRIAGE"
    """No model: triage and root-cause ranking, told by templates."""
    MIXED = "MIXED"
    """A model began, and went away."""


class Confidence(StrEnum):
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    NOT_ENOUGH_DATA = "NOT_ENOUGH_DATA"


class ToolUse(Entity):
    """A call of a tool, as the model made it."""

    id: str
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolResult(Entity):
    """What a call gave. ``result`` is what the model was shown; ``number`` cites it, from 1."""

    tool_call_id: str
    status: ToolStatus
    result: str | None = None
    error: str | None = None
    number: int | None = None


class Reference(Entity):
    """One result that an answer may cite as ``[number]``: enough to open it and to ask again.

    ``query`` is what was asked of the backends, to copy; ``more`` the call that brings what the
    result left out. ``text`` is the result as the model saw it, ``truncated`` says that there is
    more of it behind ``handle``.
    """

    number: int
    tool_call_id: str
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    status: ToolStatus
    headline: str
    clusters: tuple[str, ...] = ()
    coverage: str | None = None
    as_of: Timestamp | None = None
    query: str | None = None
    more: str | None = None
    text: str = ""
    truncated: bool = False
    handle: str | None = None


class MarkKind(StrEnum):
    """Why a claim is marked."""

    NUMBER = "NUMBER"
    """A number that no result holds."""
    NAME = "NAME"
    """A name of a component, cluster or alert that no result holds."""
    TIME = "TIME"
    CAUSE = "CAUSE"
    """A cause that is stated without a reference."""
    REFERENCE = "REFERENCE"
    """A reference to a result that there is not."""


class Mark(Entity):
    """A part of an answer (characters ``start`` to ``end``) that no result supports."""

    kind: MarkKind
    start: int
    end: int
    text: str
    reason: str


class PlanStep(Entity):
    """One step of a plan: ``state`` is done, now or next."""

    text: str
    state: str = Field(default="next", pattern="^(done|now|next|dropped)$")


class NamedCause(Entity):
    """A cause that an answer names, likeliest first; ``score`` 0..1 where it was ranked."""

    cluster_name: str
    component: str
    what: str = ""
    score: float | None = None
    reference: int | None = None


class Answer(Entity):
    """What one question got. ``text`` is Markdown and cites ``references`` as ``[1]``.

    ``notices`` are for people: a model that went away and what took over, text that tried to
    give orders.
    """

    text: str
    mode: AnswerMode
    references: tuple[Reference, ...] = ()
    marks: tuple[Mark, ...] = ()
    confidence: Confidence = Confidence.NOT_ENOUGH_DATA
    confidence_reason: str = ""
    causes: tuple[NamedCause, ...] = ()
    plan: tuple[PlanStep, ...] = ()
    notices: tuple[str, ...] = ()
    model: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float = 0.0

    @property
    def tokens_used(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class TimeScope(Entity):
    """What time a session is about; both open means now."""

    start: Timestamp | None = None
    end: Timestamp | None = None


class ChatSession(Entity):
    """``expires_at`` is 24 h after the last activity, 7 days after the beginning at most.

    ``parent_session_id`` and ``parent_message_id`` say where it branched off.
    """

    id: UUID
    user_id: str
    title: str
    persona_id: str = DEFAULT_PERSONA
    cluster_context: tuple[str, ...] = ()
    time_scope: TimeScope = TimeScope()
    model: str | None = None
    message_count: int = 0
    tokens_used: int = 0
    parent_session_id: UUID | None = None
    parent_message_id: UUID | None = None
    is_working: bool = False
    created_at: Timestamp
    updated_at: Timestamp
    expires_at: Timestamp


class ChatMessage(Entity):
    """One message. ``answer`` is set on those of the ASSISTANT: evidence, marks, plan."""

    id: UUID
    session_id: UUID
    role: ChatRole
    content: str
    state: MessageState = MessageState.COMPLETE
    persona_id: str | None = None
    tool_calls: tuple[ToolUse, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    answer: Answer | None = None
    error_code: str | None = None
    model: str | None = None
    tokens_used: int = 0
    latency_ms: float | None = None
    created_at: Timestamp


class TokenUse(Entity):
    """Tokens of one user on one day with one model."""

    user_id: str
    day: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    model: str
    answers: int
    prompt_tokens: int
    completion_tokens: int

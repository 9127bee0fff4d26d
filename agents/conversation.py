"""What passes between the loop, a model and the tools. Plain data; no I/O, no library of a model.

A conversation is a list of ``Turn``; a model's answer streams as ``ModelPiece``; what a person
watches streams as ``Step``.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from aiops_mcp.models.chat import Answer, PlanStep, Reference, TimeScope, ToolStatus
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal
from aiops_mcp.operation import Progress

# --- with the model ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model made. ``arguments`` is ``None`` where ``raw`` is no JSON object."""

    id: str
    name: str
    arguments: Mapping[str, Any] | None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation: of the system, the user, the assistant or a tool.

    A tool's turn answers ``tool_call_id``; an assistant's may hold ``tool_calls``.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is told of it; ``parameters`` is JSON Schema. ``writes``: ask first."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    writes: bool = False


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One turn asked of a model. ``model`` prefers one by name over the order of the settings."""

    turns: Sequence[Turn]
    tools: Sequence[ToolSpec] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    model: str | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TextPiece:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningPiece:
    """What a model thinks aloud; kept apart from the answer, shown to nobody unasked."""

    text: str


class Finish(StrEnum):
    STOP = "stop"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    BROKEN = "broken"
    """The stream ended without a reason: what came is all there is."""


@dataclass(frozen=True, slots=True)
class TurnDone:
    """The end of a model's turn. Tokens are the server's count; estimated where it gives none."""

    finish: Finish
    tool_calls: tuple[ToolCall, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""


ModelPiece = TextPiece | ReasoningPiece | TurnDone


class Model(Protocol):
    """Something that answers a conversation, such as the pool of the servers that are set."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPiece]:
        """The turn as it comes; the last piece is a ``TurnDone``.

        Raises:
            ModelNotAvailable: none answers, or the one that began went away (then pieces came).
            ContextTooLarge: the turns do not fit; details hold ``context_tokens`` where known.
        """
        ...

    async def context_tokens(self, model: str | None = None) -> int:
        """Tokens that the model which would be asked holds."""
        ...


# --- with the tools ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a tool gave: ``text`` for a model, ``payload`` the structured form.

    Of our own tools that is a ``Digest``'s fields (headline, columns, rows, notes, more, query,
    coverage, as_of), or ``error``.
    """

    status: ToolStatus
    text: str
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Tools(Protocol):
    """The tools of one persona for one caller; an MCP client inside."""

    async def specs(self) -> Sequence[ToolSpec]:
        """What may be called, in the order it is offered."""
        ...

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> ToolOutcome:
        """Call a tool. What goes wrong is an outcome, never an exception, but for cancellation.

        A name that is not among ``specs`` is an ERROR that says which there are.
        """
        ...


# --- with people ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: by whom, of which persona, about what. ``history`` is what was said before."""

    text: str
    persona: Persona
    clusters: tuple[str, ...] = ()
    time_scope: TimeScope = field(default_factory=TimeScope)
    history: tuple[Turn, ...] = ()
    model: str | None = None
    principal: Principal = LOCAL_ADMIN


@dataclass(frozen=True, slots=True)
class PlanChanged:
    plan: tuple[PlanStep, ...]


@dataclass(frozen=True, slots=True)
class CallBegun:
    """A tool is called; ``arguments`` are clean of secrets."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallProgress:
    call_id: str
    message: str


@dataclass(frozen=True, slots=True)
class CallDone:
    """A tool answered; ``reference`` is what the answer may cite."""

    call_id: str
    status: ToolStatus
    reference: Reference
    seconds: float


@dataclass(frozen=True, slots=True)
class AnswerDelta:
    """More of the answer's text.

    ``replaces``: the text so far is void, this begins it anew (a model narrated a call, or went
    away).
    """

    text: str
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something a person should know while the answer is made."""

    text: str


@dataclass(frozen=True, slots=True)
class ConsentWanted:
    """A writing tool waits for its user; ``plan`` is what it would do."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    plan: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The end: the whole answer."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """The end, without an answer: a code of the contract and what to do."""

    code: str
    message: str


Step = (
    PlanChanged
    | CallBegun
    | CallProgress
    | CallDone
    | AnswerDelta
    | Noticed
    | ConsentWanted
    | Answered
    | Failed
)


class Answerer(Protocol):
    """What chats, commands and investigations ask; the agent, or a recording of it."""

    def answer(self, question: Question, *, consent: "Consent" = ...) -> AsyncGenerator[Step]:
        """Steps as they come; the last is ``Answered`` or ``Failed``.

        Nothing is raised but cancellation. Closing the generator cancels all that is under way.
        """
        ...


class Consent(Protocol):
    """Asks the user; ``False`` where nobody can be asked."""

    async def __call__(self, wanted: ConsentWanted) -> bool: ...


async def nobody_consents(wanted: ConsentWanted) -> bool:
    """For questions that nobody watches: nothing is ever written."""
    del wanted
    return False

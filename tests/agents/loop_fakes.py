"""A model that says what its script tells it, and tools that give what they are told: no network."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agents.conversation import (
    Answered,
    Consent,
    Failed,
    Finish,
    ModelPiece,
    ModelRequest,
    Question,
    Step,
    TextPiece,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    TurnDone,
    nobody_consents,
)
from agents.loop import Agent
from aiops_mcp.models.chat import Answer, ToolStatus
from aiops_mcp.models.persona import Persona, PersonaLimits
from aiops_mcp.models.principal import Principal
from aiops_mcp.settings import Settings

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def calls(*made: tuple[str, Mapping[str, Any] | None], text: str = "") -> list[Any]:
    """A turn that calls; ids are c0, c1 … as a server would give them anew each turn."""
    tools = tuple(
        ToolCall(f"c{at}", name, arguments, "{" if arguments is None else "")
        for at, (name, arguments) in enumerate(made)
    )
    return [text, TurnDone(Finish.TOOL_CALLS, tools, 100, 10, "fake-8b")]


def says(text: str, finish: Finish = Finish.STOP) -> list[Any]:
    """A turn that answers, word by word."""
    words = [word + " " for word in text.split(" ")]
    words[-1] = words[-1][:-1]
    return [*words, TurnDone(finish, (), 100, 20, "fake-8b")]


Turn = Sequence[Any] | Callable[[ModelRequest], Sequence[Any]]


class FakeModel:
    """Plays its turns; the last one again and again where ``endless``. An exception is raised."""

    def __init__(self, *turns: Turn, context: int = 32_000, endless: bool = False) -> None:
        self.turns = list(turns)
        self.requests: list[ModelRequest] = []
        self.closed = 0
        self._context = context
        self._endless = endless

    async def context_tokens(self, model: str | None = None) -> int:
        return self._context

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPiece]:
        self.requests.append(request)
        assert self.turns, "the model was asked more often than its script says"
        turn = self.turns[0] if self._endless and len(self.turns) == 1 else self.turns.pop(0)
        try:
            for piece in turn(request) if callable(turn) else turn:
                await asyncio.sleep(0)
                if isinstance(piece, BaseException):
                    raise piece
                if isinstance(piece, asyncio.Event):
                    await piece.wait()
                elif isinstance(piece, str):
                    yield TextPiece(piece)
                else:
                    yield piece
        finally:
            self.closed += 1


def spec(name: str, *required: str, writes: bool = False, **properties: Any) -> ToolSpec:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    return ToolSpec(name, f"What {name} tells.", schema, writes)


def text(description: str = "") -> dict[str, Any]:
    return {"type": "string", "description": description}


CLUSTERS = {"type": "array", "items": {"type": "string"}, "description": "Names"}
SPECS = (
    spec("triage_fleet", clusters=CLUSTERS),
    spec(
        "list_alerts",
        clusters=CLUSTERS,
        severity={"type": "string", "enum": ["CRITICAL", "WARNING"]},
    ),
    spec(
        "query_metrics", "query", query=text("PromQL"), limit={"type": "integer"}, clusters=CLUSTERS
    ),
    spec("search_logs", "cluster", cluster=text(), contains=text()),
)


def outcome(*rows: str, headline: str = "2 alerts fire.") -> ToolOutcome:
    lines = [headline, *rows]
    payload = {"headline": headline, "columns": ["what"], "rows": [[row] for row in rows]}
    return ToolOutcome(ToolStatus.SUCCESS, "\n".join(lines), payload)


def failed(code: str, message: str, *, retryable: bool = False) -> ToolOutcome:
    error = {"code": code, "message": message, "retryable": retryable}
    said = f"{code}: {message}"
    return ToolOutcome(ToolStatus.ERROR, said, {"headline": said, "error": error})


Gives = Callable[[str, Mapping[str, Any]], ToolOutcome | Awaitable[ToolOutcome]]


@dataclass
class FakeTools:
    """Also the source of themselves. ``gives`` is asked for every call that reaches a tool."""

    gives: Gives = lambda name, arguments: outcome(
        "shop/cart-1 restarts 7 times", headline=f"{name} shows 7."
    )
    offered: Sequence[ToolSpec] = SPECS
    made: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    is_open: bool = False
    cancelled: int = 0

    @asynccontextmanager
    async def open(self, persona: Persona, principal: Principal) -> AsyncGenerator["FakeTools"]:
        self.is_open = True
        try:
            yield self
        finally:
            self.is_open = False

    async def specs(self) -> Sequence[ToolSpec]:
        return self.offered

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, progress: Any = None
    ) -> ToolOutcome:
        self.made.append((name, arguments))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            given = self.gives(name, arguments)
            return given if isinstance(given, ToolOutcome) else await given
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1


PERSONA = Persona(id="default", name="Default", system_prompt="You know Kubernetes.")


def persona(**limits: int) -> Persona:
    return PERSONA.model_copy(update={"limits": PersonaLimits(**limits)})


def agent(model: FakeModel | None, tools: FakeTools, **settings: Any) -> Agent:
    return Agent(model, tools, Settings(**settings), clock=lambda: NOW)


@dataclass
class Ran:
    """What came of a question."""

    steps: list[Step]

    def of(self, *kinds: type) -> list[Any]:
        return [step for step in self.steps if isinstance(step, kinds)]

    @property
    def answer(self) -> Answer:
        last = self.steps[-1]
        assert isinstance(last, Answered), last
        return last.answer

    @property
    def failure(self) -> Failed:
        last = self.steps[-1]
        assert isinstance(last, Failed), last
        return last

    @property
    def streamed(self) -> str:
        """The text that a reader has on the screen at the end."""
        from agents.conversation import AnswerDelta

        shown = ""
        for delta in self.of(AnswerDelta):
            shown = delta.text if delta.replaces else shown + delta.text
        return shown


async def ask(
    model: FakeModel | None,
    tools: FakeTools,
    said: str | Question = "What is wrong in the shop?",
    *,
    consent: Consent = nobody_consents,
    **settings: Any,
) -> Ran:
    question = said if isinstance(said, Question) else Question(said, PERSONA)
    steps = [
        step async for step in agent(model, tools, **settings).answer(question, consent=consent)
    ]
    return Ran(steps)

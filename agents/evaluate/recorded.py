"""Models and tools that keep a recording of what passes, and those that give it again.

It must not know files or scenarios.
"""

from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from agents.conversation import (
    Model,
    ModelPiece,
    ModelRequest,
    ReasoningPiece,
    TextPiece,
    ToolOutcome,
    Tools,
    ToolSpec,
)
from agents.evaluate.recording import Recording, call_key
from aiops_mcp.errors import ModelNotAvailable
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress


class ToolSource(Protocol):
    """Opens the tools of a persona for a caller."""

    def open(
        self, persona: Persona, principal: Principal
    ) -> AbstractAsyncContextManager[Tools]: ...


class WatchedModel:
    """A model whose turns are counted, and kept in a recording where one is given."""

    def __init__(self, model: Model, recording: Recording | None = None) -> None:
        self._model = model
        self._recording = recording
        self.turns = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPiece]:
        self.turns += 1
        kept: list[ModelPiece] = []
        try:
            async for piece in self._model.stream(request):
                _keep(kept, piece)
                yield piece
        finally:
            if self._recording is not None:
                self._recording.turns.append(kept)

    async def context_tokens(self, model: str | None = None) -> int:
        tokens = await self._model.context_tokens(model)
        if self._recording is not None:
            self._recording.context_tokens = tokens
        return tokens


def _keep(kept: list[ModelPiece], piece: ModelPiece) -> None:
    """Pieces of one kind that follow each other become one."""
    last = kept[-1] if kept else None
    if isinstance(piece, TextPiece) and isinstance(last, TextPiece):
        kept[-1] = TextPiece(last.text + piece.text)
    elif isinstance(piece, ReasoningPiece) and isinstance(last, ReasoningPiece):
        kept[-1] = ReasoningPiece(last.text + piece.text)
    else:
        kept.append(piece)


class RecordedModel:
    """Says turn by turn what a recording holds, whatever it is asked."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.turns = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPiece]:
        """The next turn.

        Raises:
            ModelNotAvailable: the recording has no further turn.
        """
        del request
        if self.turns >= len(self._recording.turns):
            raise ModelNotAvailable(
                f"The recording of {self._recording.scenario} ends after {self.turns} turns.",
                "Record it again with `aiops eval --record DIR`.",
            )
        self.turns += 1
        for piece in self._recording.turns[self.turns - 1]:
            yield piece

    async def context_tokens(self, model: str | None = None) -> int:
        del model
        return self._recording.context_tokens


class WatchedTools:
    """Tools whose calls are counted, and kept in a recording where one is given."""

    def __init__(self, source: ToolSource, recording: Recording | None = None) -> None:
        self._source = source
        self._recording = recording
        self.called: list[str] = []

    @asynccontextmanager
    async def open(self, persona: Persona, principal: Principal) -> AsyncGenerator[Tools]:
        async with self._source.open(persona, principal) as tools:
            yield _Watched(tools, self.called, self._recording)


class _Watched:
    def __init__(self, tools: Tools, called: list[str], recording: Recording | None) -> None:
        self._tools = tools
        self._called = called
        self._recording = recording

    async def specs(self) -> Sequence[ToolSpec]:
        specs = await self._tools.specs()
        if self._recording is not None:
            self._recording.specs = tuple(specs)
        return specs

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> ToolOutcome:
        self._called.append(name)
        outcome = await self._tools.call(name, arguments, progress=progress)
        if self._recording is not None:
            self._recording.calls.append((name, dict(arguments), outcome))
        return outcome


class RecordedTools:
    """Gives again what the tools gave; a call that was never made is an error that says so."""

    def __init__(self, recording: Recording) -> None:
        self._specs = recording.specs
        self._kept: dict[str, deque[ToolOutcome]] = defaultdict(deque)
        for name, arguments, outcome in recording.calls:
            self._kept[call_key(name, arguments)].append(outcome)

    @asynccontextmanager
    async def open(self, persona: Persona, principal: Principal) -> AsyncGenerator[Tools]:
        del persona, principal
        yield self

    async def specs(self) -> Sequence[ToolSpec]:
        return self._specs

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> ToolOutcome:
        del progress
        kept = self._kept.get(call_key(name, arguments))
        if not kept:
            text = f"{name} was never called so in the recording."
            return ToolOutcome(ToolStatus.ERROR, text, {"error": text})
        # The last one stands for all further calls.
        return kept.popleft() if len(kept) > 1 else kept[0]

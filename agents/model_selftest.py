"""Whether a model server can do what the agent needs: a streamed answer, and a tool call.

Two or three short turns are asked of it; nothing of the fleet is told. Knows no command.
"""

import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from agents.conversation import ModelRequest, ReasoningPiece, ToolSpec, Turn, TurnDone
from agents.model_server import ModelServer
from aiops_mcp.errors import AiopsError

_ROOM: Final = 512
"""Tokens of one turn: a model that thinks aloud does so before it calls."""

TEST_TOOL: Final = ToolSpec(
    "get_cluster_status",
    "How one cluster is.",
    {
        "type": "object",
        "properties": {"cluster": {"type": "string", "description": "Name of the cluster."}},
        "required": ["cluster"],
        "additionalProperties": False,
    },
)
_TEXT_QUESTION: Final = "Answer in one short sentence: what does a load balancer do?"
_TOOL_QUESTION: Final = "What is the status of the cluster edge-1? Use the tool to find out."


class ToolSupport(StrEnum):
    """How a model calls tools."""

    BY_ITSELF = "yes"
    WHEN_REQUIRED = "only when required"
    WRONG_ARGUMENTS = "calls, with wrong arguments"
    NONE = "no"


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What was found; times in ms and tokens a second. ``faults``: what went wrong, to show."""

    streams: bool
    first_piece_ms: float | None
    tokens_per_second: float | None
    thinks: bool
    tools: ToolSupport | None
    faults: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether an agent can work with it."""
        return self.streams and self.tools is ToolSupport.BY_ITSELF


@dataclass(slots=True)
class _Heard:
    """One turn with its times, in seconds of the clock."""

    began: float
    first: float | None = None
    ended: float = 0.0
    pieces: int = 0
    thinks: bool = False
    done: TurnDone | None = None


async def self_test(
    server: ModelServer, *, clock: Callable[[], float] = time.perf_counter
) -> SelfTest:
    """Ask a server for a text and a call. What fails is told in ``faults``, never raised."""
    faults: list[str] = []
    heard: _Heard | None = None
    tools: ToolSupport | None = None
    try:
        heard = await _ask(server, _TEXT_QUESTION, clock)
        tools = await _tool_support(server, clock)
    except AiopsError as error:
        faults.append(str(error))
    if heard is None or heard.first is None or heard.done is None:
        return SelfTest(False, None, None, False, tools, tuple(faults))
    seconds = heard.ended - heard.first
    tokens = heard.done.completion_tokens - 1
    return SelfTest(
        streams=heard.pieces > 1,
        first_piece_ms=round((heard.first - heard.began) * 1000, 1),
        tokens_per_second=round(tokens / seconds, 1) if seconds > 0 and tokens > 0 else None,
        thinks=heard.thinks,
        tools=tools,
        faults=tuple(faults),
    )


async def _tool_support(server: ModelServer, clock: Callable[[], float]) -> ToolSupport:
    by_itself = await _called(server, "auto", clock)
    if by_itself is not None:
        return ToolSupport.BY_ITSELF if by_itself else ToolSupport.WRONG_ARGUMENTS
    required = await _called(server, "required", clock)
    return ToolSupport.WHEN_REQUIRED if required else ToolSupport.NONE


async def _called(
    server: ModelServer, choice: Literal["auto", "required"], clock: Callable[[], float]
) -> bool | None:
    """Whether the call it made is right; ``None`` when it made none."""
    heard = await _ask(server, _TOOL_QUESTION, clock, choice)
    calls = heard.done.tool_calls if heard.done is not None else ()
    if not calls:
        return None
    cluster = (calls[0].arguments or {}).get("cluster")
    return calls[0].name == TEST_TOOL.name and isinstance(cluster, str) and bool(cluster)


async def _ask(
    server: ModelServer,
    question: str,
    clock: Callable[[], float],
    choice: Literal["auto", "required"] | None = None,
) -> _Heard:
    request = ModelRequest(
        [Turn("user", question)],
        tools=(TEST_TOOL,) if choice is not None else (),
        tool_choice=choice or "auto",
        max_tokens=_ROOM,
    )
    model = await server.model_name()
    heard = _Heard(clock())
    async with aclosing(server.turn(request, model)) as pieces:
        async for piece in pieces:
            if isinstance(piece, TurnDone):
                heard.done = piece
                break
            heard.first = heard.first or clock()
            heard.pieces += 1
            heard.thinks = heard.thinks or isinstance(piece, ReasoningPiece)
            heard.ended = clock()
    return heard

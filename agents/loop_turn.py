"""One turn of a model: its pieces taken as they come, its calls found in either form.

Knows neither what a call does nor what follows the turn.
"""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from agents.conversation import (
    AnswerDelta,
    Finish,
    Model,
    ModelRequest,
    Step,
    TextPiece,
    ToolCall,
    TurnDone,
)
from agents.loop_speech import Speech
from agents.narrated import without_calls
from agents.tokens import estimate_tokens, estimate_tools, estimate_turns
from aiops_mcp.errors import ModelNotAvailable

Emit = Callable[[Step], None]

_OVERLAP = 80
_LEAST_OVERLAP = 12
"""A shorter repetition may be chance."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said in one turn. ``text`` is without the calls that it narrated.

    ``lost``: the model went away before the turn ended. ``circled``: the text was cut off where it
    began to repeat itself.
    """

    text: str
    calls: tuple[ToolCall, ...]
    done: TurnDone
    narrated: bool = False
    circled: bool = False
    lost: ModelNotAvailable | None = None


class AnswerText:
    """The text of the answer as people see it grow."""

    def __init__(self, emit: Emit) -> None:
        self.text = ""
        self._emit = emit

    def add(self, piece: str) -> None:
        if piece:
            self.text += piece
            self._emit(AnswerDelta(piece))

    def replace(self, text: str) -> None:
        """Let the answer be this text; what is only more of it is sent as more."""
        if text.startswith(self.text):
            self.add(text[len(self.text) :])
        else:
            self.text = text
            self._emit(AnswerDelta(text, replaces=True))


class Continuation:
    """More of a text that was cut off: what it repeats of the text's end is left out.

    Holds its first characters back until they show whether they do.
    """

    def __init__(self, before: str, show: Callable[[str], None]) -> None:
        self._end = before[-_OVERLAP:]
        self._show = show
        self._held: str | None = ""

    def add(self, piece: str) -> None:
        if self._held is None:
            self._show(piece)
            return
        self._held += piece
        if len(self._held) >= _OVERLAP:
            self.rest()

    def rest(self) -> None:
        """Show what is held back, at the latest when the turn has ended."""
        held, self._held = self._held or "", None
        sizes = range(min(len(held), len(self._end)), _LEAST_OVERLAP - 1, -1)
        repeated = next((size for size in sizes if self._end.endswith(held[:size])), 0)
        self._show(held[repeated:])


def no_text(piece: str) -> None:
    """For turns whose text is judged before anybody sees it."""
    del piece


async def take_turn(
    model: Model, request: ModelRequest, *, names: frozenset[str], show: Callable[[str], None]
) -> Said:
    """Stream one turn; ``names`` are the tools that calls may be narrated of.

    Raises:
        ModelNotAvailable: before anything came.
        ContextTooLarge: the turns do not fit.
    """
    speech = Speech(names)
    done: TurnDone | None = None
    lost: ModelNotAvailable | None = None
    began = False
    try:
        async with aclosing(model.stream(request)) as pieces:
            async for piece in pieces:
                began = True
                if isinstance(piece, TextPiece):
                    show(speech.add(piece.text))
                    if speech.cut:
                        break
                elif isinstance(piece, TurnDone):
                    done = piece
    except ModelNotAvailable as error:
        if not began:
            raise
        lost = error
    return _said(speech, done or _estimated(request, speech.text), show, lost)


def _said(
    speech: Speech, done: TurnDone, show: Callable[[str], None], lost: ModelNotAvailable | None
) -> Said:
    narrated = () if done.tool_calls else speech.calls()
    if not narrated:
        show("" if speech.cut else speech.rest())
        return Said(speech.text, done.tool_calls, done, circled=speech.cut, lost=lost)
    calls = tuple(
        ToolCall(f"n{at:08d}", call.name, call.arguments, call.raw)
        for at, call in enumerate(narrated)
    )
    text = without_calls(speech.text, narrated)
    return Said(text, calls, done, narrated=True, circled=speech.cut, lost=lost)


def _estimated(request: ModelRequest, text: str) -> TurnDone:
    """The end of a turn that had none: cut off here, or by the model's end."""
    return TurnDone(
        Finish.BROKEN,
        prompt_tokens=estimate_turns(request.turns) + estimate_tools(request.tools),
        completion_tokens=estimate_tokens(text),
        model=request.model or "",
    )

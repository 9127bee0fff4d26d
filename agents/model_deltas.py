"""Gathers the chunks of a streamed chat completion into pieces, calls and a count. Pure.

Wire format: OpenAI ``chat.completion.chunk``, as vLLM, llama.cpp, Ollama, TGI and SGLang send it.
A call's fragments are joined by index where there is one; the first may hold id, name and the
beginning of the arguments, or (vLLM) id and name alone. Nothing that comes is trusted to have the
type it ought to have. Knows no HTTP and no library of a model.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson

from agents.conversation import Finish, ReasoningPiece, ToolCall, TurnDone
from agents.model_thinking import Spoken, ThinkingSplit
from agents.tokens import size_in_bytes, tokens_of_bytes

_FINISHES: Final = {
    "length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "abort": Finish.BROKEN,
    "error": Finish.BROKEN,
    "content_filter": Finish.BROKEN,
}
_MOST_CALLS: Final = 64
"""Calls of one turn; a model that repeats itself makes no more of them."""


def new_call_id() -> str:
    """Nine letters and digits, which is what Mistral's templates insist on."""
    return uuid.uuid4().hex[:9]


def arguments_in(raw: str) -> dict[str, Any] | None:
    """The JSON object that the arguments are; one put into a JSON string is taken out.

    Nothing at all is a call without arguments; ``None`` for whatever else is no object.
    """
    if not raw.strip():
        return {}
    try:
        value = orjson.loads(raw.encode("utf-8", "replace"))
        if isinstance(value, str) and value.strip():
            value = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


@dataclass(slots=True)
class _Growing:
    """A call of which more may come; ``index`` and ``id`` as the server gave them."""

    index: int | None
    id: str = ""
    name: str = ""
    parts: list[str] = field(default_factory=list[str])

    @property
    def raw(self) -> str:
        return "".join(self.parts)

    @property
    def is_complete(self) -> bool:
        return bool(self.parts) and bool(self.raw.strip()) and arguments_in(self.raw) is not None


class CallGathering:
    """Joins fragments of tool calls, whichever way a server tells them apart."""

    def __init__(self, new_id: Callable[[], str] = new_call_id) -> None:
        self._calls: list[_Growing] = []
        self._new_id = new_id

    def feed(self, fragment: object) -> int:
        """Take one fragment; the bytes of it that count as output."""
        entry = _mapping(fragment)
        function = _mapping(entry.get("function"))
        if not function and "name" in entry:
            function = entry  # some servers leave the wrapping out
        name, arguments = _text(function.get("name")).strip(), _raw(function.get("arguments"))
        id_ = _text(entry.get("id"))
        index = _index(entry.get("index"))
        if not (name or arguments or id_):
            return 0
        call = self._call_of(index, id_, name, arguments)
        if call is None:
            return 0
        call.id = call.id or id_
        if name and name != call.name:
            call.name += name
        if arguments:
            call.parts.append(arguments)
        return size_in_bytes(name + arguments)

    def _call_of(self, index: int | None, id_: str, name: str, arguments: str) -> _Growing | None:
        """The call that a fragment continues, or a new one; ``None`` when there are too many."""
        known = self._known(index, id_, name)
        if known is not None and not _begins_another(known, id_, name, arguments):
            return known
        if len(self._calls) >= _MOST_CALLS:
            return None
        self._calls.append(_Growing(index))
        return self._calls[-1]

    def _known(self, index: int | None, id_: str, name: str) -> _Growing | None:
        """The last call with that index; without one, that with the id, or else the last."""
        if index is not None:
            return next((each for each in reversed(self._calls) if each.index == index), None)
        if id_:
            return next((each for each in self._calls if each.id == id_), None)
        if name:
            return None
        return self._calls[-1] if self._calls else None

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls in the order they began, each with an id of its own."""
        made: list[ToolCall] = []
        taken: set[str] = set()
        for each in self._calls:
            id_ = each.id if each.id and each.id not in taken else self._new_id()
            taken.add(id_)
            made.append(ToolCall(id_, each.name, arguments_in(each.raw), each.raw))
        return tuple(made)


def _begins_another(known: _Growing, id_: str, name: str, arguments: str) -> bool:
    """Whether a fragment with a known index is a new call: several servers number all of them 0."""
    if not name or not known.name:
        return False
    if id_ and known.id and id_ != known.id:
        return True
    return bool(arguments) and known.is_complete


class TurnGathering:
    """One streamed turn: chunks in, pieces out, and at the end what it all was."""

    def __init__(
        self, *, begins_inside_thought: bool = False, new_id: Callable[[], str] = new_call_id
    ) -> None:
        self._thinking = ThinkingSplit(begins_inside=begins_inside_thought)
        self._calls = CallGathering(new_id)
        self._usage: Mapping[str, Any] = {}
        self._reason = ""
        self.model = ""
        self.size = 0
        """Bytes of text, thoughts and calls so far."""

    @property
    def began(self) -> bool:
        """Whether anything of an answer came; a role alone is nothing."""
        return self.size > 0

    @property
    def finished(self) -> bool:
        """Whether the server gave a reason for the end; only the count may still come."""
        return bool(self._reason)

    @property
    def counted(self) -> bool:
        """Whether the server told how many tokens it was."""
        return bool(self._usage)

    @property
    def begins_inside_thought(self) -> bool | None:
        """Whether the template opens the thought, where this turn told; ask after ``rest``."""
        if self._thinking.stray_end or self._thinking.was_no_thought:
            return self._thinking.stray_end
        return None

    def feed(self, chunk: object) -> list[Spoken]:
        """The pieces in one chunk, mostly one or none."""
        told = _mapping(chunk)
        if usage := _mapping(told.get("usage")):
            self._usage = usage
        self.model = self.model or _text(told.get("model"))
        choices = told.get("choices")
        if not isinstance(choices, list) or not choices:
            return []
        choice = _mapping(cast("list[object]", choices)[0])
        pieces = self._spoken(_mapping(choice.get("delta")) or _mapping(choice.get("message")))
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self._reason = reason
        return pieces

    def _spoken(self, delta: Mapping[str, Any]) -> list[Spoken]:
        pieces: list[Spoken] = []
        thought = _text(delta.get("reasoning")) or _text(delta.get("reasoning_content"))
        thought += _parts(delta.get("content"), "thinking")
        if thought:
            pieces.append(ReasoningPiece(thought))
        text = _text(delta.get("content")) or _parts(delta.get("content"), "text")
        if text := text or _text(delta.get("refusal")):
            pieces += self._thinking.feed(text)
        self.size += size_in_bytes(thought) + size_in_bytes(text)
        self._take_calls(delta)
        return pieces

    def _take_calls(self, delta: Mapping[str, Any]) -> None:
        fragments = delta.get("tool_calls")
        if isinstance(fragments, list):
            for fragment in cast("list[object]", fragments):
                self.size += self._calls.feed(fragment)
        elif isinstance(fragments, dict):
            self.size += self._calls.feed(cast("object", fragments))
        if isinstance(delta.get("function_call"), dict):  # the form before 2023-11
            self.size += self._calls.feed({"index": 0, "function": delta["function_call"]})

    def rest(self) -> list[Spoken]:
        """What was held back as a possible tag, once the stream is over."""
        return self._thinking.end()

    def done(self, *, prompt_estimate: int, model: str, cut: bool = False) -> TurnDone:
        """The end of the turn. ``cut``: we ended it, as it grew longer than was asked for."""
        calls = self._calls.calls()
        return TurnDone(
            Finish.LENGTH if cut else self._finish(calls),
            calls,
            prompt_tokens=_count(self._usage.get("prompt_tokens")) or prompt_estimate,
            completion_tokens=_count(self._usage.get("completion_tokens"))
            or tokens_of_bytes(self.size),
            model=self.model or model,
        )

    def _finish(self, calls: tuple[ToolCall, ...]) -> Finish:
        if not self._reason:
            return Finish.BROKEN
        found = _FINISHES.get(self._reason)
        if found is not None:
            return found
        if calls:
            return Finish.TOOL_CALLS  # a named or required choice ends with "stop" in vLLM
        if self._reason in {"tool_calls", "function_call"} and not self.began:
            return Finish.BROKEN
        return Finish.STOP


# --- what came, read without trust ------------------------------------------------------------


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _raw(value: object) -> str:
    """Arguments as text; some servers send the object itself."""
    if isinstance(value, dict):
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    return _text(value)


def _index(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _parts(content: object, kind: str) -> str:
    """Text of one kind in content of parts: ``[{"type": "text", "text": …}]``, thoughts nested."""
    if not isinstance(content, list):
        return ""
    found: list[str] = []
    for part in map(_mapping, cast("list[object]", content)):
        if part.get("type") != kind:
            continue
        inner = part.get(kind)
        found.append(_text(inner) or _parts(inner, "text"))
    return "".join(found)

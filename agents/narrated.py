"""Calls that a model wrote as text instead of making them: found, read, and held back.

Small models narrate calls in the formats they were trained on: Hermes and Qwen
(``<tool_call>{…}</tool_call>``), Llama (``<function=name>{…}``, ``<|python_tag|>``), Mistral
(``[TOOL_CALLS]``), fenced or bare JSON, ReAct (``Action:``), and plain function-call syntax. Only
names of known tools count. Pure; knows neither a model nor what a call does.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from agents.narrated_python import read_call

_NAME_KEYS = ("name", "tool", "tool_name", "function", "action", "recipient_name")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "action_input", "tool_input")
_BESIDE = frozenset({*_NAME_KEYS, *_ARGUMENT_KEYS, "type", "id", "thought", "reason"})
_OPENED = (
    r"(?:<\|?/?tool_calls?\|?>|<\|python_tag\|>|</?function_call>|\[TOOL_CALLS\]|```\w*|[\[,])"
)
_BEFORE = re.compile(rf"(?:{_OPENED}\s*)+\Z")
_AFTER = re.compile(r"\s*(?:</?tool_calls?>|</function_call>|</function>|<\|[\w/]+\|>|```|[\],)])")
_PARAMETER = re.compile(r"<parameter=([\w.-]{1,64})>(.*?)(?:</parameter>|\Z)", re.DOTALL)
_CANDIDATES = 48
"""More openings than this in one text are no calls."""
_RAW = 2_000
_ANSWER = 160
_CITED = re.compile(r"\[\d{1,3}\]")


@dataclass(frozen=True, slots=True)
class NarratedCall:
    """A call in a text, which stands from ``start`` to ``end``, its wrapping counted.

    ``arguments`` is ``None`` where they cannot be read, such as half a JSON.
    """

    name: str
    arguments: Mapping[str, Any] | None
    raw: str
    start: int
    end: int


def without_calls(text: str, calls: tuple[NarratedCall, ...]) -> str:
    """The text with the calls taken out."""
    parts: list[str] = []
    at = 0
    for call in calls:
        parts.append(text[at : max(at, call.start)])
        at = max(at, call.end)
    parts.append(text[at:])
    return "".join(parts).strip()


class Narration:
    """Finds calls of the tools of these names."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        name = "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or r"(?!)"
        keys = "|".join(_NAME_KEYS)
        spaced = r"\s{0,20}"
        self._object = re.compile(
            rf"\{{{spaced}[\"'](?:type|id|thought|{keys}|{name})[\"']{spaced}:"
        )
        self._half = re.compile(
            rf"\{{{spaced}\"(?:{keys})\"{spaced}:{spaced}\"(?:functions\.)?({name})\"{spaced},"
            rf"{spaced}\"(?:{'|'.join(_ARGUMENT_KEYS)})\""
        )
        self._tagged = re.compile(
            rf"(?:<function=|\[TOOL_CALLS\]{spaced}|to=(?:functions\.)?)({name})\b"
        )
        self._action = re.compile(
            rf"^Action:{spaced}({name}){spaced}\nAction Input:{spaced}", re.MULTILINE
        )
        self._function = re.compile(
            r"^[ \t>\[]{0,16}(?:print\(|await |[a-z_]{1,24} = )?"
            rf"(?:functions\.|default_api\.|tools\.)?({name})\(",
            re.MULTILINE,
        )
        self._next_function = re.compile(rf"[\s,\])`]*({name})\(")

    def calls(self, text: str) -> tuple[NarratedCall, ...]:
        """The calls in a text, in its order."""
        found: list[NarratedCall] = []
        end = 0
        for call in sorted(self._found(text), key=lambda call: (call.start, -call.end)):
            if call.start >= end:
                found.append(_with_wrapping(text, call))
                end = call.end
        return tuple(found)

    def _found(self, text: str) -> Iterator[NarratedCall]:
        yield from self._tagged_calls(text)
        yield from self._action_calls(text)
        yield from self._object_calls(text)
        yield from self._function_calls(text)

    def _object_calls(self, text: str) -> Iterator[NarratedCall]:
        end = 0
        for count, match in enumerate(self._object.finditer(text)):
            if count >= _CANDIDATES:
                return
            if match.start() < end:  # inside one that was read already
                continue
            value, stop = _object_at(text, match.start())
            if value is not None:
                for name, arguments in self._named(value):
                    yield NarratedCall(
                        name, arguments, text[match.start() : stop], match.start(), stop
                    )
                    end = stop
            elif half := self._half.match(text, match.start()):
                raw = text[match.start() :]
                yield NarratedCall(half[1], None, raw[:_RAW], match.start(), len(text))
                return

    def _named(self, value: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
        """The call that a JSON object is, if it is one."""
        if len(value) == 1:
            key, inner = next(iter(value.items()))
            if key in self.names and isinstance(inner, dict):
                yield key, cast("dict[str, Any]", inner)
                return
        for key in _NAME_KEYS:
            named = value.get(key)
            if isinstance(named, dict):
                yield from self._named(cast("dict[str, Any]", named))
                return
            name = _bare(named)
            if name in self.names and value.keys() <= _BESIDE:
                yield name, _arguments_of(value)
                return

    def _tagged_calls(self, text: str) -> Iterator[NarratedCall]:
        for count, match in enumerate(self._tagged.finditer(text)):
            if count >= _CANDIDATES:
                return
            closing = text.find("</function>", match.end())
            is_tag = match[0].startswith("<function=")
            body_end = closing if is_tag and closing >= 0 else len(text)
            body = text[match.end() : body_end]
            if parameters := _PARAMETER.findall(body[:20_000]):
                arguments = {name: _scalar(given.strip()) for name, given in parameters}
                raw = text[match.start() : body_end]
                yield NarratedCall(match[1], arguments, raw[:_RAW], match.start(), body_end)
                continue
            brace = body[:200].find("{")
            if brace < 0:
                if is_tag and closing >= 0:
                    yield NarratedCall(match[1], {}, match[0], match.start(), body_end)
                continue
            value, stop = _object_at(text, match.end() + brace)
            end = len(text) if value is None else stop
            yield NarratedCall(
                match[1], value, text[match.start() : end][:_RAW], match.start(), end
            )

    def _action_calls(self, text: str) -> Iterator[NarratedCall]:
        for match in self._action.finditer(text):
            value, stop = _object_at(text, match.end())
            end = len(text) if value is None else stop
            raw = text[match.start() : end]
            yield NarratedCall(match[1], value, raw[:_RAW], match.start(), end)

    def _function_calls(self, text: str) -> Iterator[NarratedCall]:
        """Calls in function-call syntax, where they begin the text or are all that follows.

        In the midst of prose such a line is a hint for the reader.
        """
        match = self._function.search(text)
        if match is None:
            return
        begins_text = not text[: match.start()].strip(" \t\n`>[") or not _prose_before(
            text, match.start()
        )
        calls: list[NarratedCall] = []
        start, name, at = match.start(), match[1], match.start(1)
        while len(calls) < _CANDIDATES:
            arguments, end = read_call(text, at)
            calls.append(NarratedCall(name, arguments, text[at:end][:_RAW], start, end))
            following = self._next_function.match(text, end)
            if following is None:
                break
            name, start = following[1], end
            at = following.start(1)
        ends_text = not text[calls[-1].end :].strip(" \t\n`)]")
        if begins_text or (ends_text and not _concludes(text[: match.start()])):
            yield from calls


@lru_cache(maxsize=64)
def narration_of(names: frozenset[str]) -> Narration:
    """The finder for these names; the same tools are offered again and again."""
    return Narration(names)


def _prose_before(text: str, start: int) -> bool:
    """Whether there is more before than the opening of a fence."""
    return bool(re.sub(r"```\w{0,16}", "", text[:start]).strip())


def _concludes(text: str) -> bool:
    """Whether this is an answer, after which a call is a hint: it is long and cites results."""
    return len(text) >= _ANSWER and _CITED.search(text) is not None


def _bare(name: object) -> str:
    return name.rpartition("functions.")[2] if isinstance(name, str) else ""


def _object_at(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, start
    return (cast("dict[str, Any]", value), end) if isinstance(value, dict) else (None, start)


def _arguments_of(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for key in _ARGUMENT_KEYS:
        if key not in value:
            continue
        given = value[key]
        if isinstance(given, str):
            return _object_at(given.strip(), 0)[0] if given.strip() else {}
        return cast("dict[str, Any]", given) if isinstance(given, dict) else None
    return {}


def _scalar(text: str) -> Any:
    """A parameter of the XML-like form: JSON where it is, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _with_wrapping(text: str, call: NarratedCall) -> NarratedCall:
    before = _BEFORE.search(text[max(0, call.start - 60) : call.start])
    start = call.start - (len(before[0]) if before else 0)
    end = call.end
    while after := _AFTER.match(text, end):
        end = after.end()
    return NarratedCall(call.name, call.arguments, call.raw, start, end)

"""A request as an OpenAI-compatible server reads it, as far as that server understands. Pure.

What a server refused once is left out from then on: its ``Dialect``. Source: OpenAI's chat
completions; vLLM ``entrypoints/openai``. Knows no HTTP.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import orjson

from agents.conversation import ModelRequest, ToolCall, ToolSpec, Turn

_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 64


class Feature(Enum):
    """A field that some servers refuse, with the words by which they name it."""

    USAGE = ("stream_options", "include_usage")
    MAX_COMPLETION_TOKENS = ("max_completion_tokens",)
    STRICT = ("strict", "additionalproperties", "schema", "grammar")
    CHOICE = ("tool_choice", "tool choice")
    TEMPERATURE = ("temperature",)


Dialect = frozenset[Feature]
"""What a server is sent. Without ``CHOICE``, tools are offered and never required."""

EVERYTHING: Final[Dialect] = frozenset(Feature)
PLAIN: Final[Dialect] = frozenset()


def refused_feature(message: str, dialect: Dialect) -> Feature | None:
    """The field of the dialect that an error of the server names."""
    said = message.lower()
    if "enable-auto-tool-choice" in said:
        return None  # it is not the field that is refused but every tool
    for feature in Feature:
        if feature in dialect and any(word in said for word in feature.value):
            return feature
    return None


def request_body(
    request: ModelRequest,
    *,
    model: str,
    temperature: float,
    max_tokens: int,
    dialect: Dialect = EVERYTHING,
) -> dict[str, Any]:
    """The JSON of a streamed chat completion; ``max_tokens`` bounds the turn."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(turn) for turn in request.turns],
        "stream": True,
    }
    limit = Feature.MAX_COMPLETION_TOKENS
    body["max_completion_tokens" if limit in dialect else "max_tokens"] = max_tokens
    if Feature.TEMPERATURE in dialect:
        body["temperature"] = temperature
    if Feature.USAGE in dialect:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body |= _tools(request, dialect)
    return body


def _tools(request: ModelRequest, dialect: Dialect) -> dict[str, Any]:
    if Feature.CHOICE not in dialect:
        if request.tool_choice == "none":
            return {}
        return {"tools": _offered(request.tools, dialect)}
    return {"tools": _offered(request.tools, dialect), "tool_choice": request.tool_choice}


def _offered(tools: Sequence[ToolSpec], dialect: Dialect) -> list[dict[str, Any]]:
    strict = {"strict": True} if Feature.STRICT in dialect else {}
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters) or {"type": "object", "properties": {}},
                **strict,
            },
        }
        for tool in tools
    ]


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": _sendable(turn.content)}
    if turn.tool_calls:
        message["tool_calls"] = [_call(call) for call in turn.tool_calls]
    if turn.role == "tool":
        message["tool_call_id"] = turn.tool_call_id or ""
    return message


def _call(call: ToolCall) -> dict[str, Any]:
    """A call as it is told back. Chat templates parse the arguments: they must be an object."""
    arguments = orjson.dumps(dict(call.arguments or {}), option=orjson.OPT_NON_STR_KEYS)
    name = _NAME.sub("_", call.name)[:_LONGEST_NAME] or "unnamed"
    function = {"name": name, "arguments": arguments.decode()}
    return {"id": call.id, "type": "function", "function": function}


def _sendable(text: str) -> str:
    """Without lone surrogates, which no UTF-8 can carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()

"""How many tokens a text is, guessed without a tokenizer. Pure.

Bytes over a fixed number, the one that the budget of tool answers uses: too many rather than too
few for English and for tables of names and numbers. Knows no model's vocabulary.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import orjson

from agents.conversation import ToolSpec, Turn
from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN

TOKENS_PER_TURN: Final = 4
"""What a chat template puts around each message: role, markers, newline."""

_WIRE_PER_TOOL: Final = 16
"""``{"type": "function", "function": …}`` around each tool, in tokens."""


def estimate_tokens(text: str) -> int:
    """Tokens of a text: bytes of its UTF-8 over 3.6, rounded up; 0 of an empty one."""
    return tokens_of_bytes(size_in_bytes(text))


def size_in_bytes(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def tokens_of_bytes(size: int) -> int:
    """Tokens of a text of that many bytes."""
    return math.ceil(size / BYTES_PER_TOKEN)


def estimate_turns(turns: Iterable[Turn]) -> int:
    """Tokens of messages, the calls in them and what a chat template adds to each."""
    total = 0
    for turn in turns:
        total += TOKENS_PER_TURN + estimate_tokens(turn.content)
        for call in turn.tool_calls:
            total += TOKENS_PER_TURN + estimate_tokens(call.name + call.raw)
    return total


def estimate_tools(tools: Sequence[ToolSpec]) -> int:
    """Tokens of the tools as a model is told of them."""
    return sum(
        _WIRE_PER_TOOL
        + estimate_tokens(tool.name + tool.description)
        + tokens_of_bytes(len(orjson.dumps(tool.parameters)))
        for tool in tools
    )

"""What an MCP server answered, as the outcome a loop reads. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
from mcp_types import CallToolResult, ContentBlock, TextContent

from agents.conversation import ToolOutcome
from agents.toolbox_errors import headline_of
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.redaction import clean_json, clean_text

FOREIGN_LENGTH = 400_000
"""Characters of one result of a server that is not ours: the rest is not kept."""


def outcome_of(result: CallToolResult) -> ToolOutcome:
    """The outcome of a call of our own server, which cleaned and measured it already."""
    payload = result.structured_content
    told: Mapping[str, Any] = payload if _is_mapping(payload) else {}
    text = _text(result.content) or str(told.get("headline", ""))
    return ToolOutcome(_status(result), text, told)


def foreign_outcome(result: CallToolResult) -> ToolOutcome:
    """The outcome of another server's call: without secrets and invisible characters, bounded."""
    payload = result.structured_content
    text = _text(result.content)
    if not text.strip() and payload is not None:
        text = orjson.dumps(payload, default=str).decode()
    left = len(text) - FOREIGN_LENGTH
    text = clean_text(text[:FOREIGN_LENGTH])
    if left > 0:
        text += f"\n… {left} characters more were not kept; ask for less."
    told: dict[str, Any] = {}
    if _is_mapping(payload) and left <= 0:
        told = clean_json(payload)
    told.setdefault("headline", headline_of(text))
    return ToolOutcome(_status(result), text or "(it answered nothing)", told)


def _status(result: CallToolResult) -> ToolStatus:
    return ToolStatus.ERROR if result.is_error else ToolStatus.SUCCESS


def _text(content: Sequence[ContentBlock]) -> str:
    parts = [each.text if isinstance(each, TextContent) else _named(each) for each in content]
    return "\n".join(part for part in parts if part)


def _named(block: ContentBlock) -> str:
    """What cannot be told in words is at least named."""
    uri = getattr(block, "uri", None) or getattr(getattr(block, "resource", None), "uri", None)
    text = getattr(getattr(block, "resource", None), "text", None)
    if isinstance(text, str):
        return text
    kind = getattr(block, "mime_type", None) or block.type
    return f"({kind} {uri or ''}".rstrip() + ", not shown)"


def _is_mapping(value: object) -> bool:
    return isinstance(cast("Any", value), Mapping)

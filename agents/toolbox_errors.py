"""Outcomes that say what went wrong, in the form in which our server tells its errors. Pure."""

from agents.conversation import ToolOutcome
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.redaction import clean_text

_HEADLINE_LENGTH = 300


def error_outcome(
    code: str, message: str, hint: str, status: ToolStatus = ToolStatus.ERROR
) -> ToolOutcome:
    """What went wrong (``code`` of the contract), and in ``hint`` what to do about it."""
    message, hint = clean_text(message), clean_text(hint)
    text = f"{code}: {message}"
    payload = {"headline": text, "error": {"code": code, "message": message, "hint": hint}}
    return ToolOutcome(status, f"{text}\nhint: {hint}" if hint else text, payload)


def headline_of(text: str) -> str:
    """The first line of a text that says something, held to a headline's length."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= _HEADLINE_LENGTH else first[: _HEADLINE_LENGTH - 1] + "…"

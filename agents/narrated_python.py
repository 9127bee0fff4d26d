"""Reads one call in function-call syntax, such as ``list_alerts(clusters=["edge-1"])``. Pure."""

import ast
import warnings
from collections.abc import Mapping
from typing import Any, cast

_LONGEST = 4_000
_WORDS = {"true": True, "false": False, "null": None, "none": None}


def read_call(text: str, start: int) -> tuple[Mapping[str, Any] | None, int]:
    """The arguments of the call that begins at ``start``, and where it ends.

    ``None`` where they cannot be read: not closed, no literals, or without their names.
    """
    end = _closing(text, start)
    if end is None:
        return None, len(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # backslashes of regexes, which Python warns of
            tree = ast.parse(text[start:end], mode="eval")
        return _arguments(tree.body), end
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None, end


def _closing(text: str, start: int) -> int | None:
    """Where the parenthesis closes that opens first, quotes minded."""
    depth = 0
    quote = ""
    escaped = False
    for at in range(start, min(len(text), start + _LONGEST)):
        letter = text[at]
        if quote:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == quote:
                quote = ""
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                return at + 1
    return None


def _arguments(call: ast.expr) -> Mapping[str, Any] | None:
    if not isinstance(call, ast.Call):
        return None
    if call.args:
        only = _literal(call.args[0]) if len(call.args) == 1 and not call.keywords else None
        return cast("dict[str, Any]", only) if isinstance(only, dict) else None
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    return {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords}


def _literal(value: ast.expr) -> Any:
    """A literal of Python or of JSON.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, ast.Name) and value.id in _WORDS:
        return _WORDS[value.id]
    if isinstance(value, ast.List | ast.Tuple):
        return [_literal(item) for item in value.elts]
    return ast.literal_eval(value)

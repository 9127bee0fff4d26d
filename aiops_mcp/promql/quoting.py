"""String literals of PromQL: reading and writing Go's quoting rules."""

import re

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.promql.tokens import Token, fault

_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{3})|x(?P<hex>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})"
    r"|U(?P<long>[0-9a-fA-F]{8})|(?P<simple>[abfnrtv\\\"'])|(?P<bad>.|\Z))",
    re.DOTALL,
)
_SIMPLE = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"', "'": "'",
}  # fmt: skip
_LEGACY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LEGACY_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*", re.ASCII)
_CONTROL = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}


def unquote(query: str, token: Token) -> str:
    """The value of a string token.

    Raises:
        InvalidPromql: at an escape Go does not know.
    """
    body = token.text[1:-1]
    quote = token.text[0]
    if quote == "`" or "\\" not in body:
        return body
    pieces: list[bytes] = []
    last = 0
    for found in _ESCAPE.finditer(body):
        pieces.append(body[last : found.start()].encode())
        pieces.append(_decode(query, token, found))
        last = found.end()
    pieces.append(body[last:].encode())
    return b"".join(pieces).decode("utf-8", "replace")


def _decode(query: str, token: Token, found: "re.Match[str]") -> bytes:
    simple = found["simple"]
    wrong_quote = simple in ("'", '"') and simple != token.text[0]
    octal = int(found["octal"], 8) if found["octal"] else 0
    code = int(found["short"] or found["long"] or "0", 16)
    surrogate = 0xD800 <= code < 0xE000
    if found["bad"] is not None or wrong_quote or octal > 0xFF or code > 0x10FFFF or surrogate:
        raise _bad_escape(query, token, found)
    if simple:
        return _SIMPLE[simple].encode()
    if found["octal"]:
        return bytes([octal])
    if found["hex"]:
        return bytes([int(found["hex"], 16)])
    return chr(code).encode()


def _bad_escape(query: str, token: Token, found: "re.Match[str]") -> InvalidPromql:
    return fault(
        query,
        f"unknown escape sequence {found.group()!r} in string",
        token.start + 1 + found.start(),
        "Write a backslash twice, or use backticks.",
    )


def quote(value: str) -> str:
    """A double-quoted literal with this value."""
    return '"' + "".join(_CONTROL.get(character) or _plain(character) for character in value) + '"'


def _plain(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def is_legacy_metric(name: str) -> bool:
    """Whether a metric name may stand unquoted before the braces."""
    return _LEGACY_METRIC.fullmatch(name) is not None


def label(name: str) -> str:
    """A label name, quoted where it is not a classic identifier or reads as a number."""
    plain = _LEGACY_NAME.fullmatch(name) and name.lower() not in ("inf", "nan")
    return name if plain else quote(name)

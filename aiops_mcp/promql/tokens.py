"""A token scan of PromQL text: what each piece is and where it stands.

The grammar is not known here; only the words. Positions are character offsets from 0.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiops_mcp.errors import InvalidPromql

Kind: TypeAlias = Literal["word", "number", "duration", "string", "sign"]

_PATTERN = re.compile(
    r"""
    (?P<blank>\s+|\#[^\n]*)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
  | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+(?![0-9A-Za-z_.]))
  | (?P<number>(?:0[xX][0-9a-fA-F_]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?)
      (?![0-9A-Za-z_.]))
  | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
  | (?P<sign>==|!=|=~|!~|<=|>=|</|>/|[-+*/%^<>=@(){}\[\],:])
    """,
    re.VERBOSE | re.ASCII,
)
_BRACKET_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_UNIT_MS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII
)
_OCTAL = re.compile(r"0[0-7]+", re.ASCII)
_PAIRS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def lower(self) -> str:
        return self.text.lower()


def fault(query: str, message: str, position: int, hint: str = "") -> InvalidPromql:
    """A parse error in Prometheus's wording: ``line:column: parse error: message``."""
    before = query[:position]
    line = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1) + 1
    return InvalidPromql(
        f"{line}:{column}: parse error: {message}",
        hint,
        position=position,
        details={"line": line, "column": column},
    )


def scan(query: str) -> list[Token]:
    """Split a query into tokens, with blanks and comments left out.

    Raises:
        InvalidPromql: at a character, number or string that no token can be, and at brackets
            that do not pair.
    """
    tokens: list[Token] = []
    open_brackets: list[Token] = []
    position = 0
    while position < len(query):
        found = _PATTERN.match(query, position)
        if found is None:
            raise _unreadable(query, position)
        kind, text = found.lastgroup, found.group()
        if kind == "word" and open_brackets and open_brackets[-1].text == "[":
            inner = _BRACKET_WORD.match(query, position)
            kind, text = ("word", inner.group()) if inner else ("sign", ":")
        if kind != "blank":
            token = Token(_kind(kind), text, position)
            tokens.append(token)
            if kind == "sign":
                _pair(query, token, open_brackets)
        position += len(text)
    if open_brackets:
        inside = {"(": "parenthesis", "[": "square brackets", "{": "braces"}
        where = inside[open_brackets[-1].text]
        raise fault(query, f"unexpected end of input inside {where}", len(query))
    return tokens


def _kind(group: str | None) -> Kind:
    match group:
        case "word" | "number" | "duration" | "string" | "sign":
            return group
        case _:
            raise AssertionError(group)


def _pair(query: str, token: Token, open_brackets: list[Token]) -> None:
    if token.text in _PAIRS:
        open_brackets.append(token)
    elif token.text in _PAIRS.values():
        if not open_brackets:
            raise fault(query, f'unexpected "{token.text}": nothing is open', token.start)
        opened = open_brackets.pop()
        if _PAIRS[opened.text] != token.text:
            raise fault(
                query,
                f'unexpected "{token.text}", expected "{_PAIRS[opened.text]}"',
                token.start,
            )


def _unreadable(query: str, position: int) -> InvalidPromql:
    character = query[position]
    if character in "\"'`":
        return fault(query, "unterminated quoted string", position)
    if character.isdigit() or character == ".":
        word = re.match(r"[0-9A-Za-z_.]+", query[position:])
        text = word.group() if word else character
        return fault(query, f'bad number or duration syntax: "{text}"', position)
    return fault(query, f"unexpected character: {character!r}", position)


def parse_duration(text: str) -> int | None:
    """The milliseconds of a duration such as ``1h30m``, or None when it is none."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return None
    units = ("y", "w", "d", "h", "m", "s", "ms")
    return sum(_whole(n) * _UNIT_MS[u] for n, u in zip(found.groups(), units, strict=True) if n)


def _whole(digits: str) -> int:
    """The number, or 10**18, out of every range, where Python would refuse its many digits."""
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= 18 else 10**18


def parse_number(text: str) -> float:
    """The value of a number literal: hexadecimal, octal (a leading 0) or decimal, as in Go."""
    plain = text.replace("_", "")
    try:
        if plain[:2].lower() == "0x":
            return float(int(plain, 16))
        return float(int(plain, 8)) if _OCTAL.fullmatch(plain) else float(plain)
    except OverflowError:
        return math.inf


def format_duration(milliseconds: int) -> str:
    """A duration in Prometheus's form, largest units first."""
    if milliseconds == 0:
        return "0s"
    sign, rest = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    parts: list[str] = []
    for unit in ("y", "w", "d", "h", "m", "s", "ms"):
        size = _UNIT_MS[unit]
        if unit in ("y", "w") and rest % size:
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)

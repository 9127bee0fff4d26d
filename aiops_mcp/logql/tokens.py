"""A token scan of LogQL text: what each piece is and where it stands.

The grammar is not known here; only the words. Positions are character offsets from 0.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiops_mcp.errors import InvalidLogql

Kind: TypeAlias = Literal["word", "number", "quantity", "string", "sign", "flag", "end"]
LONGEST_QUERY = 131_072

_PATTERN = re.compile(
    r"""
    (?P<blank>\s+|\#[^\n]*)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
  | (?P<quantity>(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|[smhdwy]))+(?![0-9A-Za-z_.])
      |(?:\d+\.?\d*|\.\d+)(?:[kmgtpeKMGTPE][iI]?)?[bB](?![0-9A-Za-z_.]))
  | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![0-9A-Za-z_.]))
  | (?P<flag>--(?:strict|keep-empty)(?![A-Za-z0-9_-]))
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>\|=|\|~|\|>|!=|!~|!>|=~|==|<=|>=|[-+*/%^<>={}(),|\[\]])
    """,
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{3})|x(?P<hex>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})"
    r"|U(?P<long>[0-9a-fA-F]{8})|(?P<simple>[abfnrtv\\\"])|(?P<bad>.|\Z))",
    re.DOTALL,
)
_SIMPLE = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"',
}  # fmt: skip
_WRITTEN = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}
_NAMES: dict[Kind, str] = {
    "word": "IDENTIFIER",
    "number": "NUMBER",
    "string": "STRING",
    "flag": "PARSER_FLAG",
    "end": "$end",
}


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    start: int

    @property
    def lower(self) -> str:
        return self.text.lower()

    @property
    def shown(self) -> str:
        """What Loki calls the token in its messages."""
        if self.kind == "quantity":
            return "BYTES" if self.lower.endswith("b") else "DURATION"
        return _NAMES.get(self.kind, self.text)


def fault(query: str, message: str, position: int, hint: str = "") -> InvalidLogql:
    """A parse error in Loki's wording, with the place in its details."""
    before = query[:position]
    line = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1) + 1
    return InvalidLogql(
        f"parse error at line {line}, col {column}: {message}",
        hint,
        details={"position": position, "line": line, "column": column},
    )


def scan(query: str) -> list[Token]:
    """Split a query into tokens, without blanks and comments, with an end token.

    Raises:
        InvalidLogql: at a character or string that no token can be.
    """
    if len(query) > LONGEST_QUERY:
        raise fault(query, f"input size too long ({len(query)} > {LONGEST_QUERY})", 0)
    tokens: list[Token] = []
    position = 0
    while position < len(query):
        found = _PATTERN.match(query, position)
        if found is None:
            raise _unreadable(query, position)
        text = found.group()
        match found.lastgroup:
            case "word" | "number" | "quantity" | "string" | "sign" | "flag" as kind:
                tokens.append(Token(kind, text, position))
            case _:
                pass
        position += len(text)
    tokens.append(Token("end", "", len(query)))
    return tokens


def _unreadable(query: str, position: int) -> InvalidLogql:
    character = query[position]
    if character in '"`':
        return fault(query, "literal not terminated", position, "Close the quoted string.")
    if character == "'":
        return fault(
            query,
            "syntax error: unexpected '",
            position,
            "Write strings in double quotes or backticks.",
        )
    return fault(query, f"syntax error: unexpected {character!r}", position)


def unquote(query: str, token: Token) -> str:
    """The value of a string token, by Go's rules.

    Raises:
        InvalidLogql: at an escape Go does not know.
    """
    body = token.text[1:-1]
    if token.text[0] == "`" or "\\" not in body:
        return body
    pieces: list[bytes] = []
    last = 0
    for found in _ESCAPE.finditer(body):
        pieces.append(body[last : found.start()].encode("utf-8", "replace"))
        pieces.append(_decode(query, token, found))
        last = found.end()
    pieces.append(body[last:].encode("utf-8", "replace"))
    return b"".join(pieces).decode("utf-8", "replace")


def _decode(query: str, token: Token, found: "re.Match[str]") -> bytes:
    octal = int(found["octal"], 8) if found["octal"] else 0
    code = int(found["short"] or found["long"] or "0", 16)
    surrogate = 0xD800 <= code < 0xE000
    if found["bad"] is not None or octal > 0xFF or code > 0x10FFFF or surrogate:
        raise fault(
            query,
            "invalid char escape",
            token.start + 1 + found.start(),
            "Write a backslash twice, or use backticks.",
        )
    if found["simple"]:
        return _SIMPLE[found["simple"]].encode()
    if found["octal"]:
        return bytes([octal])
    if found["hex"]:
        return bytes([int(found["hex"], 16)])
    return chr(code).encode()


def quote(value: str) -> str:
    """A literal with this value, quoted as Go's strconv would."""
    return '"' + "".join(_WRITTEN.get(one) or _plain(one) for one in value) + '"'


def _plain(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08x}"

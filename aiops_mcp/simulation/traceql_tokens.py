"""TraceQL cut into tokens, each with where it stands.

Source: grafana/tempo ``pkg/traceql/lexer.go``.
"""

import re
from dataclasses import dataclass

from aiops_mcp.simulation.traceql_tree import TraceqlError

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 24 * 3600 * 10**9,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_NAME = r'(?:[A-Za-z_0-9/$@\-]|\.(?=[A-Za-z_0-9/$@\-"])|"(?:\\.|[^"\\])*")+'
_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)
    |(?P<attribute>(?:(?:span|resource|parent|event|link|instrumentation)\.|\.)(?=[A-Za-z_"]){_NAME})
    |(?P<duration>(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+(?![A-Za-z_]))
    |(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
    |(?P<word>(?:(?:span|trace|event|instrumentation):)?[A-Za-z_][A-Za-z_0-9]*)
    |(?P<op>!>>|!<<|>>|<<|&&|\|\||=~|!~|!=|>=|<=|!>|!<|[=<>!~{{}}()|,+\-*/%^])
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'", "`": "`"}
_ESCAPED = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))")


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    line: int
    column: int


def refused(token: Token, reason: str) -> TraceqlError:
    """Tempo's words for a query it cannot read."""
    return TraceqlError(f"parse error at line {token.line}, col {token.column}: {reason}")


def tokens_of(text: str) -> list[Token]:
    """The tokens, an ``end`` last.

    Raises:
        TraceqlError: a character that nothing begins with.
    """
    found: list[Token] = []
    place = 0
    while place < len(text):
        before = text[:place]
        line, column = before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            wrong = Token("", text[place], line, column)
            raise refused(wrong, f"syntax error: unexpected {text[place]!r}")
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match.group(), line, column))
        place = match.end()
    lines = text.split("\n")
    found.append(Token("end", "$end", len(lines), len(lines[-1]) + 1))
    return found


def unquoted(token: Token) -> str:
    """What a string literal says."""
    text = token.text
    if text.startswith("`"):
        return text[1:-1]

    def plain(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        if code:
            return chr(int(code, 16))
        if match[3] not in _ESCAPES:
            raise refused(token, "invalid syntax")
        return _ESCAPES[match[3]]

    return _ESCAPED.sub(plain, text[1:-1])


def nanoseconds(text: str) -> int:
    """A duration literal such as ``1h30m`` or ``2.5ms``."""
    return round(sum(float(part[1]) * _UNITS[part[2]] for part in _PART.finditer(text)))

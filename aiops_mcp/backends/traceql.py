"""TraceQL out of what is looked for. Pure; every value is escaped, none can end its string.

Source: grafana/tempo ``docs/sources/tempo/traceql``, ``pkg/traceql/lexer.go``.
"""

import re
from collections.abc import Iterator

from aiops_mcp.models.spans import TagValue, TraceSearch

MOST_BYTES = 128 * 1024
"""A longer query Tempo refuses."""

ERRORS = "{ status = error }"

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_/\-]*(?:\.[A-Za-z0-9_/\-]+)*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?")
_SCOPES = ("resource.", "span.", "event.", "link.", "instrumentation.")
_STATUSES = frozenset({"ok", "error", "unset"})
_KINDS = frozenset({"unspecified", "internal", "client", "server", "producer", "consumer"})


def query_of(search: TraceSearch) -> str:
    """The query; without any condition it is ``{ }``, which every trace fits."""
    if search.traceql is not None:
        return search.traceql.strip()
    conditions = list(_conditions(search))
    return f"{{ {' && '.join(conditions)} }}" if conditions else "{ }"


def wants_errors(search: TraceSearch) -> bool:
    """Whether only failing spans are looked for."""
    return any(status_of(key, value) == "error" for key, value in search.tags)


def status_of(key: str, value: TagValue) -> str | None:
    """The span status that a tag means: ``status=error``, or ``error=true`` as Jaeger writes it."""
    text = str(value).lower()
    if key == "status" and text in _STATUSES:
        return text
    if key == "error" and text in ("true", "false"):
        return "error" if text == "true" else "not error"
    return None


def string(text: str) -> str:
    """A string literal, as Go would write it."""
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in ('"', "\\"):
        return "\\" + char
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xD800 <= code <= 0xDFFF:
        return "\\ufffd"  # half a pair is no character
    return char


def pattern(text: str) -> str:
    """A regular expression (RE2) for a text in which ``*`` stands for anything."""
    return ".*".join(_quoted(part) for part in text.split("*"))


def _quoted(text: str) -> str:
    # RE2 takes a backslash before ASCII punctuation only.
    return "".join(
        char if char.isalnum() or char in "_ -/:" or not char.isascii() else f"\\{char}"
        for char in text
    )


def _conditions(search: TraceSearch) -> Iterator[str]:
    if search.service:
        yield _equals("resource.service.name", search.service)
    if search.operation:
        yield _equals("name", search.operation)
    for key, value in search.tags:
        yield _tag(key, value)
    selects = bool(search.service or search.operation or search.tags)
    duration = "duration" if selects else "traceDuration"
    if search.min_duration_ms is not None:
        yield f"{duration} >= {_duration(search.min_duration_ms)}"
    if search.max_duration_ms is not None:
        yield f"{duration} <= {_duration(search.max_duration_ms)}"


def _duration(milliseconds: float) -> str:
    """As a duration literal, to the microsecond and without an exponent."""
    micros = round(milliseconds * 1000)
    return f"{micros // 1000}ms" if micros % 1000 == 0 else f"{micros}us"


def _equals(field: str, text: str) -> str:
    if "*" in text:
        return f"{field} =~ {string(f'^(?:{pattern(text)})$')}"
    return f"{field} = {string(text)}"


def _tag(key: str, value: TagValue) -> str:
    status = status_of(key, value)
    if status is not None:
        return "status != error" if status == "not error" else f"status = {status}"
    if key == "kind" and str(value).lower() in _KINDS:
        return f"kind = {str(value).lower()}"
    field = _field(key)
    if isinstance(value, bool):
        return _either(field, str(value).lower())
    if isinstance(value, int | float):
        return (
            _either(field, f"{value!r}")
            if _NUMBER.fullmatch(repr(value))
            else _equals(field, str(value))
        )
    if _NUMBER.fullmatch(value) or value in ("true", "false"):
        return _either(field, value)
    return _equals(field, value)


def _either(field: str, literal: str) -> str:
    """An attribute may hold 500 or "500", and TraceQL tells these apart."""
    return f'({field} = {literal} || {field} = "{literal}")'


def _field(key: str) -> str:
    """An attribute: of the scope that the key begins with, else of any."""
    scope = next((each for each in _SCOPES if key.startswith(each) and len(key) > len(each)), "")
    name = key.removeprefix(scope)
    return (scope or ".") + (name if _PLAIN_KEY.fullmatch(name) else string(name))

"""The parsers of LogQL over one line: json, logfmt, pattern, regexp, unpack.

Rules from grafana/loki ``pkg/logql/log``: nested names joined by ``_``, arrays left out, other
characters than letters, digits and ``_`` replaced.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, cast

from aiops_mcp.logql import tree
from aiops_mcp.logql.regexes import compiled
from aiops_mcp.simulation.loki.rows import Row

Step = Callable[[Row], bool]
"""Works on a row; False drops it."""

_NOT_NAME = re.compile(r"[^a-zA-Z0-9_]")
_PAIR = re.compile(r'([^\s="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?')
_BROKEN = re.compile(r'(?:^|\s)=|="[^"]*$|\S"\S*=')
_PATH = re.compile(r'\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\d+)\]|\["([^"]+)"\]')
_DECODE = json.JSONDecoder(parse_float=str, parse_int=str)
_TYPED = json.JSONDecoder()
_DEEPEST = 64


def json_step(stage: tree.Json) -> Step:
    """Every property of a JSON object, or the ones asked for."""
    paths = [(one.label, json_path(one.expression)) for one in stage.extractions]

    def step(row: Row) -> bool:
        value = _object(row)
        if value is None:
            return True
        if not paths:
            for name, text in _flattened(value, "", 0):
                row.extract(name, text)
        for label, path in paths:
            row.extract(label, _written(_at(value, path)))
        return True

    return step


def _object(row: Row, decode: json.JSONDecoder = _DECODE) -> dict[str, Any] | None:
    try:
        value: Any = decode.decode(row.line)
    except (ValueError, RecursionError) as error:
        row.fail("JSONParserErr", f"Value looks like object, but can't find closing: {error}")
        return None
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    row.fail("JSONParserErr", "expecting json object(6), but it is not")
    return None


def _flattened(value: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        name = f"{prefix}_{_named(key)}" if prefix else _named(key)
        if isinstance(inner, dict):
            if depth < _DEEPEST:
                yield from _flattened(cast("dict[str, Any]", inner), name, depth + 1)
        elif not isinstance(inner, list):
            yield name, _written(inner)


def _named(key: str) -> str:
    name = _NOT_NAME.sub("_", key)
    return f"_{name}" if name[:1].isdigit() else name


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def json_path(expression: str) -> tuple[str | int, ...] | None:
    """The steps of ``a.b[0]["c"]``; None when it is no path."""
    found: list[str | int] = []
    position = 0
    while position < len(expression):
        part = _PATH.match(expression, position)
        if part is None:
            return None
        found.append(int(part[2]) if part[2] else part[1] or part[3])
        position = part.end()
    return tuple(found)


def _at(value: Any, path: tuple[str | int, ...] | None) -> Any:
    for one in path if path is not None else ("",):
        if isinstance(one, int):
            items = cast("list[Any]", value) if isinstance(value, list) else []
            value = items[one] if one < len(items) else None
        else:
            value = cast("dict[str, Any]", value).get(one) if isinstance(value, dict) else None
    return value


def logfmt_step(stage: tree.Logfmt) -> Step:
    """Pairs of ``key=value``; what is none is skipped, or with ``--strict`` an error."""
    wanted = {one.expression: one.label for one in stage.extractions}

    def step(row: Row) -> bool:
        if stage.strict and _BROKEN.search(row.line):
            row.fail("LogfmtParserErr", "logfmt syntax error at pos 1 : unexpected '='")
            return True
        pairs = dict(logfmt_pairs(row.line))
        if wanted:
            for expression, label in wanted.items():
                row.extract(label, pairs.get(expression, ""))
            return True
        for key, value in pairs.items():
            if value or stage.keep_empty:
                row.extract(_named(key), value)
        return True

    return step


def logfmt_pairs(line: str) -> Iterator[tuple[str, str]]:
    """Keys and values of a logfmt line; a key alone has an empty value."""
    for found in _PAIR.finditer(line):
        key, quoted, plain = found.groups()
        if quoted is not None:
            yield key, re.sub(r"\\(.)", _escaped, quoted) if "\\" in quoted else quoted
        else:
            yield key, plain or ""


def _escaped(found: "re.Match[str]") -> str:
    return {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1])


def regexp_step(pattern: str) -> Step:
    """The named groups of an expression; a line without them stays as it is."""
    regex = compiled(pattern)

    def step(row: Row) -> bool:
        found = regex.search(row.line) if regex is not None else None
        for name, value in (found.groupdict() if found else {}).items():
            row.extract(name, value or "")
        return True

    return step


@lru_cache(maxsize=256)
def pattern_regex(pattern: str) -> "re.Pattern[str]":
    """A pattern such as ``<ip> - <_> "<method> <path>"`` as an expression from the line's start."""
    parts = re.split(r"<([A-Za-z_][A-Za-z0-9_]*)>", pattern)
    text = ""
    for place, part in enumerate(parts):
        last = place == len(parts) - 2 and not parts[-1]
        if place % 2 == 0:
            text += re.escape(part)
        else:
            taken = ".*" if last else ".*?"
            text += taken if part == "_" else f"(?P<{part}>{taken})"
    return re.compile(text, re.DOTALL)


def pattern_step(pattern: str) -> Step:
    regex = pattern_regex(pattern)

    def step(row: Row) -> bool:
        found = regex.match(row.line)
        for name, value in (found.groupdict() if found else {}).items():
            row.extract(name, value)
        return True

    return step


def unpack_step(row: Row) -> bool:
    """What promtail's pack stage put together: labels, and the line under ``_entry``."""
    value = _object(row, _TYPED)  # only texts are labels, so numbers must not look like one
    for key, inner in (value or {}).items():
        if isinstance(inner, str):
            if key == "_entry":
                row.line = inner
            else:
                row.extract(_named(key), inner)
    return True

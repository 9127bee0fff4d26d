"""What lines have in common: patterns, and fields that the parsers would find."""

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, cast

from aiops_mcp.logql.quantities import parse_bytes, parse_duration
from aiops_mcp.simulation.loki.filters import as_number
from aiops_mcp.simulation.loki.parsers import logfmt_pairs
from aiops_mcp.simulation.loki.rows import Row

Json = dict[str, Any]
_VARIABLE = re.compile(r'[^\s=:,"\[\](){}]*\d[^\s=:,"\[\](){}]*')
_RUN = re.compile(r"<_>(?:[\s.:,-]*<_>)+")
_SECOND = 1_000_000_000
_MOST_PATTERNS = 300
_MOST_VALUES = 200


def pattern_of(line: str) -> str:
    """The line with what varies replaced by ``<_>``."""
    return _RUN.sub("<_>", _VARIABLE.sub("<_>", line[:400]))


def patterns_json(rows: Iterable[Row], step: int) -> list[Json]:
    """Patterns with counts by step (nanoseconds); most frequent first."""
    counts: dict[tuple[str, str], Counter[int]] = {}
    for row in rows:
        key = (pattern_of(row.line), row.labels.get("detected_level", "unknown"))
        counts.setdefault(key, Counter())[row.ns // step * step // _SECOND] += 1
    ranked = sorted(counts.items(), key=lambda one: -one[1].total())[:_MOST_PATTERNS]
    return [
        {"pattern": pattern, "level": level, "samples": [list(one) for one in sorted(by.items())]}
        for (pattern, level), by in ranked
    ]


def _pairs(line: str) -> tuple[str, dict[str, str]]:
    if line.startswith("{"):
        try:
            found: Any = json.loads(line)
        except ValueError:
            return "", {}
        named = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        return "json", {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in named.items()
            if not isinstance(value, dict | list)
        }
    pairs = {key: value for key, value in logfmt_pairs(line[:2000]) if value}
    fair = {key: value for key, value in pairs.items() if re.fullmatch(r"[A-Za-z_]\w*", key)}
    return ("logfmt", fair) if len(fair) > 1 else ("", {})


def detected(rows: Iterable[Row]) -> "OrderedDict[str, tuple[set[str], set[str]]]":
    """Fields by name: their values (not all of many), and the parsers that find them."""
    found: OrderedDict[str, tuple[set[str], set[str]]] = OrderedDict()
    for row in rows:
        for key, value in row.metadata.items():
            _note(found, key, value, "")
        parser, pairs = _pairs(row.line)
        for key, value in pairs.items():
            _note(found, key, value, parser)
    return found


def _note(
    found: "OrderedDict[str, tuple[set[str], set[str]]]", key: str, value: str, parser: str
) -> None:
    values, parsers = found.setdefault(key, (set(), set()))
    if len(values) < _MOST_VALUES:
        values.add(value)
    if parser:
        parsers.add(parser)


def type_of(values: Sequence[str]) -> str:
    """The narrowest type that all values fit."""
    if all(value in ("true", "false") for value in values):
        return "boolean"
    if all(re.fullmatch(r"[+-]?\d+", value) for value in values):
        return "int"
    if all(as_number(value) is not None for value in values):
        return "float"
    if all(parse_duration(value) is not None for value in values):
        return "duration"
    if all(parse_bytes(value) is not None for value in values):
        return "bytes"
    return "string"


def fields_json(rows: Iterable[Row], limit: int) -> Json:
    """The answer of ``/detected_fields``."""
    fields = [
        {
            "label": name,
            "type": type_of(sorted(values)),
            "cardinality": len(values),
            "parsers": sorted(parsers) or None,
        }
        for name, (values, parsers) in detected(rows).items()
    ]
    return {"fields": fields[:limit], "limit": limit}

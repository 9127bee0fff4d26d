"""Functions that change labels or order series by them."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from aiops_mcp.promql.tree import METRIC_NAME, Matcher
from aiops_mcp.simulation.promql.frames import QueryFailed, Vector, relabel
from aiops_mcp.simulation.promql.matching import BadRegex, Labels, compile_regex, labels_from

NaturalKey: TypeAlias = tuple[tuple[int, int, str], ...]

# 3.x takes any UTF-8 name; one that starts with a sign is refused here as 2.x did, because it
# comes from a slip in every query seen.
_NAME = re.compile(r"[^\W\d].*", re.DOTALL)
_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))", re.ASCII)


def replace(vector: Vector, target: str, replacement: str, source: str, regex: str) -> Vector:
    """label_replace.

    Raises:
        QueryFailed: for a bad regular expression, a bad target name, or equal series as a result.
    """
    try:
        pattern = compile_regex(regex)
    except BadRegex as error:
        raise QueryFailed(f"invalid regular expression in label_replace(): {regex}") from error
    _check(target, "destination label name in label_replace()")

    def change(labels: Labels) -> Labels:
        values = dict(labels)
        found = pattern.fullmatch(values.get(source, ""))
        if found is None:
            return labels
        values[target] = _expand(replacement, found)
        return labels_from(values)

    return relabel(vector, change)


def join(vector: Vector, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """label_join.

    Raises:
        QueryFailed: for a bad label name or equal series as a result.
    """
    _check(target, "destination label name in label_join()")
    for source in sources:
        _check(source, "source label name in label_join()")

    def change(labels: Labels) -> Labels:
        values = dict(labels)
        values[target] = separator.join(values.get(source, "") for source in sources)
        return labels_from(values)

    return relabel(vector, change)


def _check(name: str, what: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise QueryFailed(f"invalid {what}: {name}")


def _expand(template: str, found: Any) -> str:
    """Go's Regexp.Expand: ``$1``, ``${1}``, ``$name``; an unknown group is empty."""
    named: dict[str, int] = found.re.groupindex

    def value(reference: "re.Match[str]") -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        number = int(name) if name.isdigit() else named.get(name, -1)
        if not 0 <= number <= found.re.groups:
            return ""
        return found.group(number) or ""

    return _REFERENCE.sub(value, template)


def absent_labels(matchers: Sequence[Matcher]) -> Labels:
    """The labels absent() can be sure of: those with one equality matcher and no other."""
    values: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.op == "=" and matcher.name not in seen:
            values[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            values.pop(matcher.name, None)
    return labels_from(values)


@lru_cache(maxsize=16_384)
def natural(text: str) -> NaturalKey:
    """A sort key in which numbers inside a text count by value."""
    pieces = re.findall(r"\d+|\D+", text)
    return tuple((0, int(p), p) if p.isdecimal() else (1, 0, p) for p in pieces)


def order_by_labels(labels: Sequence[Labels], names: Sequence[str], *, down: bool) -> list[int]:
    """Row order of sort_by_label and sort_by_label_desc."""

    def key(row: int) -> tuple[tuple[NaturalKey, ...], Labels]:
        values = dict(labels[row])
        return tuple(natural(values.get(name, "")) for name in names), labels[row]

    return sorted(range(len(labels)), key=key, reverse=down)

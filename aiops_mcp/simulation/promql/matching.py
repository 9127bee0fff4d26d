"""Label sets and label matchers, with RE2's regular expressions."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import re2

from aiops_mcp.promql.tree import METRIC_NAME, Matcher

_re2: Any = re2  # the library carries no types
Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Name and value pairs, sorted by name, without empty values."""


class BadRegex(ValueError):
    """A regular expression that RE2 refuses."""


def labels_from(mapping: Mapping[str, str]) -> Labels:
    """The canonical form of a label set."""
    return tuple(sorted((name, value) for name, value in mapping.items() if value))


@lru_cache(maxsize=65_536)
def without_name(labels: Labels) -> Labels:
    """The label set without the metric name."""
    return tuple(pair for pair in labels if pair[0] != METRIC_NAME)


@lru_cache(maxsize=1024)
def compile_regex(pattern: str) -> Any:
    """An RE2 expression in which a dot also matches a newline, as since Prometheus 3.0.

    Raises:
        BadRegex: when RE2 refuses the pattern.
    """
    options = _re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        return _re2.compile(pattern, options)
    except _re2.error as error:
        reason = error.args[0]
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise BadRegex(f"error parsing regexp: {text}") from error


@lru_cache(maxsize=65_536)
def _matches(op: str, pattern: str, value: str) -> bool:
    found = compile_regex(pattern).fullmatch(value) is not None
    return found == (op == "=~")


def matches(matcher: Matcher, value: str) -> bool:
    """Whether a label value (empty when the label is absent) fulfils a matcher."""
    if matcher.op == "=":
        return value == matcher.value
    if matcher.op == "!=":
        return value != matcher.value
    return _matches(matcher.op, matcher.value, value)


def matches_all(matchers: Sequence[Matcher], labels: Labels) -> bool:
    """Whether a label set fulfils every matcher."""
    values = dict(labels)
    return all(matches(matcher, values.get(matcher.name, "")) for matcher in matchers)


def keep(labels: Labels, names: Iterable[str]) -> Labels:
    """The label set with only these labels."""
    wanted = frozenset(names)
    return tuple(pair for pair in labels if pair[0] in wanted)


def drop(labels: Labels, names: Iterable[str]) -> Labels:
    """The label set without these labels."""
    unwanted = frozenset(names)
    return tuple(pair for pair in labels if pair[0] not in unwanted)

"""The part of LogQL that we evaluate ourselves, where a cluster has no Loki. Pure.

Line filters and filters on labels that pods have. Whatever takes a line apart (``| json``) is
refused by name: a wrong answer would look like a right one. Expressions are RE2's, so that none
that a caller writes takes long.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import re2

from aiops_mcp.analysis.loglevels import LEVEL_LABELS, LogLevel, level_of
from aiops_mcp.errors import InvalidLogql, LokiNotAvailable
from aiops_mcp.logql import LogQuery, Matcher, to_text
from aiops_mcp.logql.tree import (
    Both,
    Decolorize,
    Drop,
    Either,
    LabelFilter,
    LabelTest,
    LineFilter,
    LineMatch,
    Stage,
    StringTest,
)

_re2: Any = re2  # the library carries no types
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LEVEL_NAMES = {
    LogLevel.UNKNOWN: "unknown",
    LogLevel.DEBUG: "debug",
    LogLevel.INFO: "info",
    LogLevel.WARNING: "warn",
    LogLevel.ERROR: "error",
    LogLevel.CRITICAL: "critical",
}

Labels = Mapping[str, str]
LineTest = Callable[[Labels, str], bool]
LabelPredicate = Callable[[Labels, str], bool]


class LineFilters:
    """The stages of a query, ready for lines of a stream."""

    def __init__(self, query: LogQuery, cluster: str) -> None:
        """Raises LokiNotAvailable where a stage needs a Loki."""
        self._tests: list[LineTest] = []
        self._decolorize = False
        for stage in query.stages:
            self._add(stage, cluster)

    @property
    def any(self) -> bool:
        return bool(self._tests)

    def passes(self, labels: Labels, text: str) -> bool:
        return all(test(labels, text) for test in self._tests)

    def shown(self, text: str) -> str:
        """The line as the query wants it."""
        return _COLOUR.sub("", text) if self._decolorize else text

    def _add(self, stage: Stage, cluster: str) -> None:
        if isinstance(stage, LineFilter):
            self._tests.append(_line_test(stage, cluster))
        elif isinstance(stage, LabelFilter):
            self._tests.append(_label_test(stage.test, cluster, stage))
        elif isinstance(stage, Decolorize):
            self._decolorize = True
        elif not isinstance(stage, Drop):  # labels of pods are few: nothing to drop
            raise needs_loki(cluster, to_text(stage))


def needs_loki(cluster: str, what: str) -> LokiNotAvailable:
    """The error for what pod logs cannot answer."""
    return LokiNotAvailable(
        f"{cluster} has no Loki; its pod logs cannot be asked with {what}.",
        'There, use a selector with namespace, pod, app or container, and |= "text" or |~ "regex".',
        details={"cluster": cluster, "stage": what},
    )


def label_matches(matcher: Matcher, values: "set[str] | frozenset[str]") -> bool:
    """Whether a label of any of these values fits; no value is the empty one, as in Loki."""
    if matcher.op == "=":
        return matcher.value in (values or {""})
    if matcher.op == "!=":
        return matcher.value not in (values or {""})
    fits = any(regex(matcher.value).fullmatch(value) for value in values or {""})
    return fits == (matcher.op == "=~")


def level_text(labels: Labels, text: str) -> str:
    """The level of a line as Loki's detected_level names it."""
    return _LEVEL_NAMES[level_of(labels, text)]


@lru_cache(maxsize=512)
def regex(pattern: str) -> Any:
    """An RE2 expression.

    Raises:
        InvalidLogql: RE2 refuses it.
    """
    options = _re2.Options()
    options.log_errors = False
    try:
        return _re2.compile(pattern, options)
    except _re2.error as error:
        reason = error.args[0]
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise InvalidLogql(f"error parsing regexp: {text}", "It must be RE2's dialect.") from error


def _line_test(stage: LineFilter, cluster: str) -> LineTest:
    tests = [_text_test(stage, each, cluster) for each in stage.alternatives]
    wanted = stage.op not in {"!=", "!~", "!>"}
    return lambda _, text: any(test(text) for test in tests) == wanted


def _text_test(stage: LineFilter, match: LineMatch, cluster: str) -> Callable[[str], bool]:
    if match.ip:
        raise needs_loki(cluster, to_text(stage))
    needle = match.text
    if stage.op in {"|=", "!="}:
        return lambda text: needle in text
    if stage.op in {"|>", "!>"}:
        parts = [re.escape(part) for part in needle.split("<_>")]
        found = regex("(?s)" + ".*".join(parts))
        return lambda text: found.fullmatch(text) is not None
    found = regex(needle)
    return lambda text: found.search(text) is not None


def _label_test(test: LabelTest, cluster: str, stage: LabelFilter) -> LineTest:
    if isinstance(test, Both):
        left, right = (_label_test(side, cluster, stage) for side in (test.left, test.right))
        return lambda labels, text: left(labels, text) and right(labels, text)
    if isinstance(test, Either):
        left, right = (_label_test(side, cluster, stage) for side in (test.left, test.right))
        return lambda labels, text: left(labels, text) or right(labels, text)
    if not isinstance(test, StringTest):
        raise needs_loki(cluster, to_text(stage))
    return _matcher_test(test.matcher)


def _matcher_test(matcher: Matcher) -> LineTest:
    name = matcher.name
    if name in LEVEL_LABELS:
        return lambda labels, text: label_matches(matcher, level_names(labels, text))
    return lambda labels, _: label_matches(matcher, {labels.get(name, "")})


def level_names(labels: Labels, text: str) -> set[str]:
    """The level as people write it: a warning is ``warn`` and ``warning``."""
    name = level_text(labels, text)
    return {name, "warning"} if name == "warn" else {name}

"""One query for clusters whose collectors name labels differently. Pure.

Promtail writes ``namespace``, OpenShift's collector ``kubernetes_namespace_name``, OpenTelemetry's
``k8s_namespace_name``. A selector that names what a cluster calls otherwise is put into that
cluster's words, and the answer says so; else it would find nothing, and look like silence.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from aiops_mcp.fleet.log_pod_choice import canonical
from aiops_mcp.logql import Matcher, Query, Selector
from aiops_mcp.logql.tree import (
    Grouping,
    Json,
    LabelFormat,
    Logfmt,
    LogQuery,
    Pattern,
    Regexp,
    Unpack,
)
from aiops_mcp.models.metrics import Series

_TRANSLATED = frozenset({"namespace", "pod", "container", "node", "app"})
_PARSERS = (Json, Logfmt, Pattern, Regexp, Unpack, LabelFormat)

NodeT = TypeVar("NodeT")


@dataclass(frozen=True, slots=True)
class Translated:
    """The query in a cluster's words; ``renamed`` is asked name to real name."""

    query: Query
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    remarks: tuple[str, ...] = ()

    def back(self, series: Iterable[Series]) -> tuple[Series, ...]:
        """Series with the names that were asked for."""
        asked = {real: name for name, real in self.renamed.items()}
        if not asked:
            return tuple(series)
        return tuple(
            one.model_copy(
                update={
                    "metric": {asked.get(name, name): value for name, value in one.metric.items()}
                }
            )
            for one in series
        )


def translate(query: Query, labels: frozenset[str]) -> Translated:
    """The query for a store whose streams have ``labels``.

    A name that exists stays. ``app``, where streams have none, is read off the pods' names, which
    begin with their workload's.
    """
    if not labels:
        return Translated(query)
    words = _Words(labels, groups=not _parses(query))
    return Translated(words.put(query), words.renamed, tuple(words.remarks))


def real_name(label: str, labels: Iterable[str]) -> str:
    """What a cluster with these labels calls a label; itself where it has none like it."""
    known = frozenset(labels)
    kind = canonical(label)
    if label in known or kind not in _TRANSLATED:
        return label
    # The plain names come before those of a collector, the short before the long.
    same = sorted((name for name in known if canonical(name) == kind), key=lambda n: (len(n), n))
    return same[0] if same else label


class _Words:
    """Puts the nodes of a tree into a cluster's words, and remembers what was changed."""

    def __init__(self, labels: frozenset[str], *, groups: bool) -> None:
        self._labels = labels
        self._groups = groups
        self.renamed: dict[str, str] = {}
        self.remarks: dict[str, None] = {}

    def put(self, node: NodeT) -> NodeT:
        if isinstance(node, Selector):
            return replace(node, matchers=tuple(map(self._matcher, node.matchers)))
        if isinstance(node, Grouping):
            return replace(node, labels=tuple(map(self._grouped, node.labels)))
        if isinstance(node, tuple):
            return cast("NodeT", tuple(map(self.put, cast("tuple[Any, ...]", node))))
        if not is_dataclass(node) or isinstance(node, type):
            return node
        parts = {each.name: getattr(node, each.name) for each in fields(node)}
        changed = {name: self.put(part) for name, part in parts.items()}
        return cast("NodeT", replace(node, **changed)) if changed != parts else node

    def _matcher(self, matcher: Matcher) -> Matcher:
        if matcher.name in self._labels or matcher.matches_empty:
            return matcher
        real = real_name(matcher.name, self._labels)
        if real != matcher.name:
            self._renames(matcher.name, real)
            return replace(matcher, name=real)
        pod = real_name("pod", self._labels)
        if canonical(matcher.name) != "app" or pod not in self._labels:
            return matcher
        self.remarks[f"{matcher.name} read off the beginning of {pod}"] = None
        name = re.escape(matcher.value) if "~" not in matcher.op else f"(?:{matcher.value})"
        return Matcher(pod, "=~" if matcher.op in ("=", "=~") else "!~", f"{name}(?:-.*)?")

    def _grouped(self, label: str) -> str:
        real = real_name(label, self._labels) if self._groups else label
        if real != label:
            self._renames(label, real)
        return real

    def _renames(self, asked: str, real: str) -> None:
        self.renamed[asked] = real
        self.remarks[f"{asked} read as {real}"] = None


def _parses(node: object) -> bool:
    """Whether a label may come out of the lines, where any name can be one."""
    if isinstance(node, LogQuery):
        return any(isinstance(stage, _PARSERS) for stage in node.stages)
    if isinstance(node, tuple):
        return any(map(_parses, cast("tuple[object, ...]", node)))
    if not is_dataclass(node) or isinstance(node, type):
        return False
    return any(_parses(getattr(node, each.name)) for each in fields(node))

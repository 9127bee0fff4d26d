"""Folds lines into kinds: how many of each, where, when, and the one that stands for it. Pure.

Lines may come in parts and are let go of: what stays is bounded by the number of kinds. Knows
neither how lines were read nor what a caller is shown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiops_mcp.analysis.loglevels import LogLevel, level_of
from aiops_mcp.analysis.logpatterns import TemplateMiner
from aiops_mcp.analysis.logpatterns_template import Template
from aiops_mcp.models.logs import LogEntry

_MOST_OPEN = 8000
"""Kinds that are held before those whose templates have become one are joined."""

NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A Kubernetes namespace's name, an RFC 1123 label."""
_NAMESPACES = ("namespace", "kubernetes_namespace_name", "k8s_namespace_name", "service_namespace")
_WORKLOAD = (
    "app",
    "service_name",
    "app_kubernetes_io_name",
    "k8s_deployment_name",
    "deployment",
    "kubernetes_container_name",
    "k8s_container_name",
    "container",
    "job",
    "unit",
)
_POD = ("pod", "kubernetes_pod_name", "k8s_pod_name")
_NODE = ("node", "node_name", "nodename", "host", "hostname", "kubernetes_host", "instance")
_POD_HASH = re.compile(r"(?:-[0-9a-f]{6,10})?-[0-9a-z]{5}$")
_FRONT_TIME = re.compile(
    r"^\s*(?:time=\"?)?\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d\S*\s*", re.ASCII
)


@dataclass(slots=True)
class Pattern:
    """Lines of one kind; ``example`` is the gravest of them, the newest among equals.

    ``parts`` counts by cluster and part of the time, where the lines came in parts.
    """

    example: LogEntry
    level: LogLevel
    template: Template
    count: int = 0
    clusters: dict[str, int] = field(default_factory=dict[str, int])
    places: dict[str, int] = field(default_factory=dict[str, int])
    parts: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    first: int = 0
    last: int = 0

    def take(self, entry: LogEntry, level: LogLevel, part: int = 0) -> None:
        if not self.count or (level, entry.timestamp) > (self.level, self.example.timestamp):
            self.example, self.level = entry, level
        self.first = min(self.first or entry.timestamp, entry.timestamp)
        self.last = max(self.last, entry.timestamp)
        self.count += 1
        _add(self.clusters, {entry.cluster_name: 1})
        _add(self.places, {place_of(entry.stream): 1})
        key = (entry.cluster_name, part)
        self.parts[key] = self.parts.get(key, 0) + 1

    def join(self, other: "Pattern") -> None:
        """Take the lines of a kind that turned out to be the same."""
        if other.example.timestamp > self.example.timestamp:
            self.example = other.example
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        self.count += other.count
        _add(self.clusters, other.clusters)
        _add(self.places, other.places)
        for key, count in other.parts.items():
            self.parts[key] = self.parts.get(key, 0) + count


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count


class LineFolder:
    """Takes lines as they come; `patterns` may be asked at any time."""

    def __init__(self) -> None:
        self._miner = TemplateMiner()
        self._found: dict[tuple[Template, LogLevel], Pattern] = {}

    def add(self, entry: LogEntry, part: int = 0) -> Template:
        """Fold one line in; its template, which may join another later."""
        level = level_of({**entry.metadata, **entry.stream}, entry.message)
        template = self._miner.add(entry.message)
        pattern = self._found.get((template, level))
        if pattern is None:
            if len(self._found) >= _MOST_OPEN:
                self._found = self._joined()
            pattern = self._found[template, level] = Pattern(entry, level, template)
        pattern.take(entry, level, part)
        return template

    def patterns(self) -> list[Pattern]:
        """The kinds of lines, the gravest first, then by count.

        Lines of one template but of another level are of another kind.
        """
        self._found = self._joined()
        return sorted(self._found.values(), key=urgency)

    def _joined(self) -> dict[tuple[Template, LogLevel], Pattern]:
        found: dict[tuple[Template, LogLevel], Pattern] = {}
        for (template, level), pattern in self._found.items():
            now = template.now()
            known = found.setdefault((now, level), pattern)
            known.template = now
            if known is not pattern:
                known.join(pattern)
        return found


def patterns_of(entries: Iterable[LogEntry]) -> list[Pattern]:
    """The kinds among these lines, as `LineFolder.patterns` gives them."""
    folder = LineFolder()
    for entry in entries:
        folder.add(entry)
    return folder.patterns()


def urgency(pattern: Pattern) -> tuple[int, int, int]:
    # Below errors the level says little: what is frequent comes first.
    grave = -pattern.level if pattern.level >= LogLevel.WARNING else 0
    return (grave, -pattern.count, -pattern.last)


def short_line(text: str, most: int) -> str:
    """A line without the time at its front, on one line, of bounded length."""
    line = " ".join(_FRONT_TIME.sub("", text[: 4 * most + 80], count=1).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def place_of(stream: Mapping[str, str]) -> str:
    """``namespace/workload`` of a stream, or its node: what replicas of one workload share."""
    namespace, workload = namespace_of(stream), _first(stream, _WORKLOAD)
    if not workload:
        workload = _POD_HASH.sub("", pod_of(stream))
    parts = [part for part in (namespace, workload) if part]
    return "/".join(parts) or node_of(stream)


def exact_place(stream: Mapping[str, str]) -> str:
    """``namespace/pod`` of a stream, or its place where no pod is told."""
    namespace, pod = namespace_of(stream), pod_of(stream)
    return f"{namespace}/{pod}" if namespace and pod else pod or place_of(stream)


def namespace_of(stream: Mapping[str, str]) -> str:
    """The namespace; empty where the stream does not tell."""
    return _first(stream, _NAMESPACES)


def node_of(stream: Mapping[str, str]) -> str:
    """The node's name or address; empty where the stream does not tell."""
    return _first(stream, _NODE)


def pod_of(stream: Mapping[str, str]) -> str:
    """The pod's name; empty where the stream does not tell."""
    return _first(stream, _POD)


def _first(stream: Mapping[str, str], names: Sequence[str]) -> str:
    return next((stream[name] for name in names if stream.get(name)), "")

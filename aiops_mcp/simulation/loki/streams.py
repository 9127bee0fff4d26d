"""A cluster's log streams: labels, and lines between two moments.

Labels are those of a collector with Kubernetes discovery (plain) or of OpenShift logging's ViaQ
model (a gateway's tenants). It must not know LogQL's pipelines.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from aiops_mcp.logql import Matcher
from aiops_mcp.logql.regexes import compiled
from aiops_mcp.simulation.cluster import SimulatedCluster
from aiops_mcp.simulation.inventory import Node, Pod
from aiops_mcp.simulation.logs import Line, LogBook
from aiops_mcp.simulation.loki.pushed import PushedEntry, PushedStreams

LONGEST_LINE = 256 * 1024
"""Bytes; the collector cuts what is longer."""
KEPT_NS = 7 * 86_400 * 1_000_000_000
"""How far back lines are kept, nanoseconds."""
Labels = Mapping[str, str]
Tenant = Literal["", "application", "infrastructure", "audit"]
_INFRASTRUCTURE = ("kube-", "openshift-", "default")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a stream with its structured metadata."""

    ns: int
    line: str
    metadata: Labels


@dataclass(frozen=True, slots=True)
class Stream:
    labels: Labels
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Writer:
    """What writes lines: its labels as far as all its streams share them."""

    labels: Labels
    source: Pod | Node


class ClusterStreams:
    """What a cluster's Loki holds of one ``tenant`` (empty: a plain Loki, which has it all)."""

    def __init__(self, cluster: SimulatedCluster, book: LogBook, tenant: Tenant = "") -> None:
        self._cluster = cluster
        self._book = book
        self.tenant = tenant
        self.pushed = PushedStreams()
        self._writers = tuple(self._all_writers())

    def _all_writers(self) -> Iterator[Writer]:
        inventory = self._cluster.inventory
        for pod in inventory.pods:
            labels = self._pod_labels(pod)
            if not self.tenant or labels["log_type"] == self.tenant:
                yield Writer(labels, pod)
        for node in inventory.nodes:
            if self.tenant in ("", "infrastructure"):
                yield Writer(self._node_labels(node), node)

    def _pod_labels(self, pod: Pod) -> dict[str, str]:
        if not self.tenant:
            return {
                "app": pod.work.name,
                "container": pod.work.container_name,
                "namespace": pod.namespace,
                "node_name": pod.node.name,
                "pod": pod.name,
            }
        infrastructure = pod.namespace.startswith(_INFRASTRUCTURE)
        kind = "infrastructure" if infrastructure else "application"
        return {
            "kubernetes_container_name": pod.work.container_name,
            "kubernetes_host": pod.node.name,
            "kubernetes_namespace_name": pod.namespace,
            "kubernetes_pod_name": pod.name,
            "log_type": kind,
            "openshift_log_type": kind,
        }

    def _node_labels(self, node: Node) -> dict[str, str]:
        if not self.tenant:
            return {"job": "systemd-journal", "node_name": node.name}
        return {
            "kubernetes_host": node.name,
            "log_type": "infrastructure",
            "openshift_log_type": "infrastructure",
        }

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Stream]:
        """The streams that fit, with their lines from ``start`` until before ``end``.

        Streams without a line in that time are left out.
        """
        pushed = _held(self.pushed.between(start, end), matchers)
        return [*self.written(matchers, start, end), *pushed]

    def written(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Stream]:
        """As ``select``, without what was pushed."""
        found: list[Stream] = []
        start = max(start, end - KEPT_NS)
        for writer in self.writers(matchers):
            split: dict[tuple[str, ...], list[Entry]] = {}
            for line in self._lines(writer.source, start, end):
                split.setdefault(self._own(line), []).append(_entry(line))
            for own, entries in split.items():
                labels = self._completed(writer.labels, own)
                if fits(matchers, labels):
                    found.append(Stream(labels, entries))
        return found

    def newly_pushed(self, matchers: Sequence[Matcher], after: int) -> tuple[list[Stream], int]:
        """What was pushed after a mark, of whatever time, and the next mark."""
        found, mark = self.pushed.after(after)
        return _held(found, matchers), mark

    def writers(self, matchers: Sequence[Matcher]) -> Iterable[Writer]:
        """Those whose shared labels do not speak against the matchers."""
        own = {"stream", "unit", "level"}
        shared = [one for one in matchers if one.name not in own]
        return (one for one in self._writers if fits(shared, one.labels))

    def _lines(self, source: Pod | Node, start: int, end: int) -> list[Line]:
        if isinstance(source, Pod):
            return self._book.of_pod(source, start, end)
        return self._book.of_node(source, start, end)

    def _own(self, line: Line) -> tuple[str, ...]:
        """By what a writer's lines fall into streams."""
        return (line.level,) if self.tenant else (line.stream or "journal", line.unit)

    def _completed(self, labels: Labels, own: tuple[str, ...]) -> Labels:
        if self.tenant:
            return {**labels, "level": own[0]}
        stream, unit = own
        return {**labels, "unit": unit} if unit else {**labels, "stream": stream}


def _held(
    found: Iterable[tuple[Labels, list[PushedEntry]]], matchers: Sequence[Matcher]
) -> list[Stream]:
    return [
        Stream(labels, [Entry(*one) for one in entries])
        for labels, entries in found
        if fits(matchers, labels)
    ]


def _entry(line: Line) -> Entry:
    text = line.readable if not line.text.isascii() else line.text
    if len(text) > LONGEST_LINE // 4 and len(text.encode()) > LONGEST_LINE:
        text = text.encode()[:LONGEST_LINE].decode("utf-8", "ignore")
    return Entry(line.ns, text, _metadata(line.level))


@lru_cache(maxsize=64)
def _metadata(level: str) -> Labels:
    return {"detected_level": {"warning": "warn"}.get(level, level)}


def fits(matchers: Sequence[Matcher], labels: Labels) -> bool:
    """Whether labels pass every matcher; a missing label is an empty one."""
    return all(matches(one, labels.get(one.name, "")) for one in matchers)


def matches(matcher: Matcher, value: str) -> bool:
    """Whether one value passes one matcher."""
    if matcher.op in ("=", "!="):
        return (value == matcher.value) == (matcher.op == "=")
    regex = compiled(matcher.value)
    return (regex is not None and regex.fullmatch(value) is not None) == (matcher.op == "=~")

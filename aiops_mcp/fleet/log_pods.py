"""Logs of a cluster without Loki: a bounded number of pods read through the Kubernetes API.

The API gives a container's log from a time on, or its last lines; what a query filters is
filtered here. Which pods a selector means is in `log_pod_choice`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from aiops_mcp.errors import AiopsError, BackendRefused
from aiops_mcp.fleet.log_filters import LineFilters, label_matches, level_names, needs_loki
from aiops_mcp.fleet.log_loki import LogsTold, Wanted
from aiops_mcp.fleet.log_merge import ClusterLines
from aiops_mcp.fleet.log_pod_choice import PodLog, level_matchers, only_namespace, pod_logs_of
from aiops_mcp.logql import LogQuery, Matcher
from aiops_mcp.models.logs import LogDirection, LogSource
from aiops_mcp.models.nanoseconds import SECOND, parse_iso_ns, to_datetime

if TYPE_CHECKING:
    from aiops_mcp.backends.kubernetes import KubernetesClient

AT_ONCE = 8
"""Containers of a cluster read at the same time."""

FILTERED_LINES = 5000
"""Last lines of a container that are looked through for those that a query wants."""

_NO_MORE: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Bounds:
    """``pods`` read at most, ``bytes`` of each container's log at most."""

    pods: int
    bytes: int


class _Read(NamedTuple):
    lines: list[tuple[int, str]]
    is_cut: bool


class PodQuery:
    """A log query as far as pods can answer it."""

    def __init__(self, query: LogQuery, cluster: str) -> None:
        """Raises LokiNotAvailable where they cannot."""
        self.selector = query.selector
        self.namespace = only_namespace(query.selector)
        self.cluster = cluster
        self._filters = LineFilters(query, cluster)
        self._levels: tuple[Matcher, ...] = level_matchers(query.selector)

    @property
    def filters(self) -> bool:
        return self._filters.any or bool(self._levels)

    def wanted(self, log: PodLog, text: str) -> bool:
        if self._levels:
            names = level_names({}, text)
            if not all(label_matches(one, names) for one in self._levels):
                return False
        return self._filters.passes(log.stream, text)

    def shown(self, text: str) -> str:
        return self._filters.shown(text)

    async def logs(self, client: "KubernetesClient") -> list[PodLog]:
        """The containers it means, those with trouble first; some may not have run yet."""
        pods = await client.list("pods", namespace=self.namespace)
        return pod_logs_of(pods, self.selector, self.cluster)


async def pod_lines(
    client: "KubernetesClient", query: PodQuery, wanted: Wanted, bounds: Bounds, now: int
) -> LogsTold:
    """The lines that the query wants, of as many pods as may be read; what is missing is said.

    Raises:
        LokiNotAvailable: pods cannot answer this query.
        BackendError: no log could be read.
    """
    found = [log for log in await query.logs(client) if log.started]
    picked = found[: bounds.pods]
    slots = asyncio.Semaphore(AT_ONCE)

    async def read(log: PodLog) -> _Read | AiopsError:
        async with slots:
            try:
                return await _read(client, log, query, wanted, bounds, now)
            except AiopsError as error:
                return error

    answers = await asyncio.gather(*(read(log) for log in picked))
    lines, failed, cut = ClusterLines(), list[tuple[PodLog, AiopsError]](), 0
    for log, answer in zip(picked, answers, strict=True):
        if isinstance(answer, AiopsError):
            failed.append((log, answer))
            continue
        cut += answer.is_cut
        kept = _kept(log, answer.lines, query, wanted)
        if kept:
            lines.add(log.stream, kept)
    if failed and len(failed) == len(picked):
        raise failed[0][1]
    lines.truncated = len(lines.lines) >= wanted.count
    warnings = _warnings(found, picked, failed, cut, query)
    return LogsTold(LogSource.PODS, lines, warnings=warnings)


def _kept(
    log: PodLog, lines: Sequence[tuple[int, str]], query: PodQuery, wanted: Wanted
) -> list[tuple[int, str, dict[str, str]]]:
    """Lines of the span that pass; no more than can be shown."""
    kept = [
        (ns, query.shown(text), _NO_MORE)
        for ns, text in lines
        if wanted.start <= ns < wanted.end and query.wanted(log, text)
    ]
    kept.sort(key=lambda line: line[0])
    if wanted.direction is LogDirection.BACKWARD:
        return kept[-wanted.count :]
    return kept[: wanted.count]


async def _read(
    client: "KubernetesClient",
    log: PodLog,
    query: PodQuery,
    wanted: Wanted,
    bounds: Bounds,
    now: int,
) -> _Read:
    """One container's log, and that of its run before where that ended within the span."""
    since = to_datetime(wanted.start)
    newest_first = wanted.direction is LogDirection.BACKWARD
    tail = None
    if newest_first and now - wanted.end < SECOND:
        # The last lines are those wanted; with an end in the past they would not be.
        tail = FILTERED_LINES if query.filters else wanted.count
    text = await _text(client, log, since, tail, bounds.bytes, previous=False)
    lines, is_cut = parse_lines(text), len(text) >= bounds.bytes
    if log.restarts and (log.died_at is None or log.died_at >= since):
        try:
            last_words = await _text(client, log, since, tail, bounds.bytes, previous=True)
        except BackendRefused:
            last_words = ""  # the kubelet has cleaned it up
        lines = parse_lines(last_words) + lines
    is_cut = is_cut or (tail == FILTERED_LINES and len(lines) >= FILTERED_LINES)
    return _Read(lines, is_cut)


async def _text(
    client: "KubernetesClient",
    log: PodLog,
    since: datetime,
    tail: int | None,
    most: int,
    *,
    previous: bool,
) -> str:
    return await client.pod_logs(
        log.namespace,
        log.pod,
        container=log.container,
        previous=previous,
        tail_lines=tail,
        since_time=since,
        timestamps=True,
        limit_bytes=most,
    )


def parse_lines(text: str) -> list[tuple[int, str]]:
    """Lines with their times in nanoseconds; one without a time has that of the line before."""
    found: list[tuple[int, str]] = []
    last = 0
    for line in text.split("\n"):
        if not line:
            continue
        stamp, _, rest = line.partition(" ")
        try:
            last = parse_iso_ns(stamp)
        except ValueError:
            if last:
                found.append((last, line))
            continue
        found.append((last, rest.rstrip("\r")))
    return found


def _warnings(
    found: Sequence[PodLog],
    picked: Sequence[PodLog],
    failed: Sequence[tuple[PodLog, AiopsError]],
    cut: int,
    query: PodQuery,
) -> tuple[str, ...]:
    said: list[str] = []
    if len(found) > len(picked):
        said.append(
            f"{len(found)} containers fit, {len(picked)} were read (no Loki here): "
            "narrow the selector by pod or app"
        )
    if failed:
        log, error = failed[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        said.append(f"not read: {log.namespace}/{log.pod}{more}: {error.message}")
    if cut:
        what = "looked through" if query.filters else "read"
        said.append(f"of {cut} containers only a part was {what}: ask for a shorter time")
    return tuple(said)


def check_pods_can(node: object, cluster: str) -> LogQuery:
    """The log query, or the refusal of a metric one.

    Raises:
        LokiNotAvailable: pods cannot answer this query.
    """
    if not isinstance(node, LogQuery):
        raise needs_loki(cluster, "a metric query")
    return node

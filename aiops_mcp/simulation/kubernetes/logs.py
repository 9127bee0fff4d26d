"""What the kubelet gives of logs: a container's lines, and a node's journal through the proxy.

The journal's form is that of the kubelet's node log query (Kubernetes, "System logs").
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime

from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from aiops_mcp.simulation.cluster import SimulatedCluster
from aiops_mcp.simulation.inventory import Node, Pod
from aiops_mcp.simulation.kubernetes import faults
from aiops_mcp.simulation.logs import Line, LogBook
from aiops_mcp.simulation.logs.lines import NANO, nanoseconds
from aiops_mcp.simulation.world import World

_LONGEST = 7200 * NANO
"""How much is kept; the kubelet rotates logs away at some size."""
_JOURNAL_LONGEST = 6 * 3600 * NANO
_KERNEL_FILES = ("kern.log", "dmesg")


class KubeletLogs:
    """The logs of one cluster's nodes; ``poll`` is how often a follower looks (seconds)."""

    def __init__(self, world: World, cluster: SimulatedCluster, book: LogBook, poll: float) -> None:
        self._world = world
        self._cluster = cluster
        self._book = book
        self._poll = poll

    def of_pod(self, pod: Pod, query: Mapping[str, str]) -> Response:
        """What a pod's container wrote.

        Raises:
            Refused: 400, it has not started, there was none before, or a bad parameter.
        """
        now = self._world.now()
        start, end = _asked_life(pod, query, now)
        if query.get("sinceSeconds"):
            start = max(start, now - _whole(query["sinceSeconds"]))
        start = max(start, _moment(query, "sinceTime", start))
        stamps = query.get("timestamps") in ("1", "true")
        if query.get("tailLines"):
            found = self._last(pod, start, end, _whole(query["tailLines"]))
        else:
            found = self._between(pod, start, end)
        text = _written(found, stamps=stamps)
        if query.get("limitBytes"):
            text = text[: _whole(query["limitBytes"])]
        if query.get("follow") in ("1", "true"):
            followed = self._follow(pod, now, text, stamps=stamps)
            return StreamingResponse(followed, media_type="text/plain")
        return Response(text, media_type="text/plain")

    async def _follow(
        self, pod: Pod, since: float, first: bytes, *, stamps: bool
    ) -> AsyncIterator[bytes]:
        yield first
        while self._cluster.reachable(since) and pod.history.exists(since):
            await asyncio.sleep(self._poll)
            now = self._world.now()
            if now > since:
                # One microsecond on: what was written at that moment has been sent.
                yield _written(self._between(pod, since + 1e-6, now), stamps=stamps)
            since = now

    def _between(self, pod: Pod, start: float, end: float) -> list[Line]:
        """The lines that the pod wrote between two moments (unix seconds), oldest first."""
        last = nanoseconds(end) + 1
        return self._book.of_pod(pod, max(nanoseconds(start), last - _LONGEST), last)

    def _last(self, pod: Pod, start: float, end: float, count: int) -> list[Line]:
        """The last ``count`` lines that the pod wrote between two moments."""
        span = 600.0
        while True:
            found = self._between(pod, max(start, end - span), end)
            if len(found) >= count or span >= min(end - start, _LONGEST / NANO):
                return found[-count:] if count else []
            span *= 4

    def of_node(self, name: str, path: str, query: Mapping[str, str]) -> Response:
        """What ``/logs/…`` of a node gives.

        Raises:
            Refused: 400, a bad parameter; 404, no such node or file; 503, the node is silent.
        """
        nodes = {node.name: node for node in self._cluster.inventory.nodes}
        node = nodes.get(name)
        if node is None:
            raise faults.not_found("nodes", name)
        now = self._world.now()
        if any(start <= now < end for start, end in self._cluster.silent(name)):
            dial = f"error trying to reach service: dial tcp {node.address}:10250: i/o timeout"
            raise faults.Refused(503, "ServiceUnavailable", dial)
        if not path and not query.get("query"):
            names = "".join(f'<a href="{one}">{one}</a>\n' for one in _KERNEL_FILES)
            return HTMLResponse(f"<pre>\n{names}</pre>\n")
        return PlainTextResponse(self._journal(node, path, query, now))

    def _journal(self, node: Node, path: str, query: Mapping[str, str], now: float) -> bytes:
        if path and path not in _KERNEL_FILES:
            raise faults.Refused(404, "NotFound", f"file {path} not found")
        unit = "kernel" if path else query["query"]
        end = nanoseconds(min(_moment(query, "untilTime", now), now)) + 1
        start = max(nanoseconds(_moment(query, "sinceTime", 0.0)), end - _JOURNAL_LONGEST)
        found = [
            line
            for line in self._book.of_node(node, start, end)
            if unit in (line.unit, line.unit.removesuffix(".service"))
        ]
        if query.get("pattern"):
            regex = _regex(query["pattern"])
            found = [line for line in found if regex.search(line.text)]
        if query.get("tailLines"):
            found = found[max(0, len(found) - _whole(query["tailLines"])) :]
        return b"".join(_syslog(node, line) for line in found)


def _asked_life(pod: Pod, query: Mapping[str, str], now: float) -> tuple[float, float]:
    name = pod.work.container_name
    previous = query.get("previous") in ("1", "true")
    span = life(pod, now, previous=previous)
    if span is not None:
        return span
    if previous:
        message = f'previous terminated container "{name}" in pod "{pod.name}" not found'
        raise faults.bad_request(message)
    reason = pod.history.waiting.at(now) or "ContainerCreating"
    raise faults.bad_request(
        f'container "{name}" in pod "{pod.name}" is waiting to start: {reason}'
    )


def _written(lines: Iterable[Line], *, stamps: bool) -> bytes:
    """Lines as the container wrote them, with their times in front if asked."""
    if stamps:
        return b"".join(f"{line.stamp} ".encode() + line.raw + b"\n" for line in lines)
    return b"".join(line.raw + b"\n" for line in lines)


def life(pod: Pod, moment: float, *, previous: bool) -> tuple[float, float] | None:
    """From when until when the container (or the one before it) wrote; ``None``: no such one."""
    starts = [one for one in pod.history.starts if one <= moment]
    if previous:
        # While it waits to be restarted, the dead container is still the current one.
        return (starts[-2], starts[-1]) if len(starts) > 1 else None
    return (starts[-1], moment) if starts else None


def _syslog(node: Node, line: Line) -> bytes:
    who = line.unit.removesuffix(".service")
    return f"{line.stamp[:26]}+0000 {node.name} {who}: ".encode() + line.raw + b"\n"


def _moment(query: Mapping[str, str], name: str, default: float) -> float:
    """A time parameter (RFC 3339) as unix seconds.

    Raises:
        Refused: 400, it is no time.
    """
    text = query.get(name)
    if not text:
        return default
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError as error:
        raise faults.bad_request(f"invalid {name}: {text!r}") from error


def _regex(pattern: str) -> "re.Pattern[str]":
    try:
        return re.compile(pattern)
    except re.error as error:
        raise faults.bad_request(f"invalid pattern: {error}") from error


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise faults.bad_request(f"invalid number: {text!r}")
    return int(text)

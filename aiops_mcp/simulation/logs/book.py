"""Every line of one cluster, made when it is first asked for and kept for a while.

Lines are made in pages of ten minutes a writer. What is asked of the future is not there: whoever
asks says until when. Requests come from the traces, so that a line's trace exists.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from threading import Lock

from aiops_mcp.simulation.cluster import JournalStream, LogStream, SimulatedCluster
from aiops_mcp.simulation.inventory import Node, Pod
from aiops_mcp.simulation.logs.drawing import filled
from aiops_mcp.simulation.logs.lines import NANO, Line, level_of, nanoseconds
from aiops_mcp.simulation.logs.styles import Style, journal_style, style_of
from aiops_mcp.simulation.logs.visits import Visit, Visits, visit_lines
from aiops_mcp.simulation.noise import key_of, unit

PAGE = 600
"""Seconds a page holds."""
_KEPT_PAGES = 8000

_Make = Callable[[int], Iterable[Line]]
"""Makes the lines of one page."""


class LogBook:
    """Lines by pod and by node; ``visits`` are the requests that leave traces."""

    def __init__(self, cluster: SimulatedCluster, visits: Visits) -> None:
        self._cluster = cluster
        self._visits = visits
        self._pages: OrderedDict[tuple[str, str, int], list[Line]] = OrderedDict()
        self._served: OrderedDict[int, dict[str, list[Visit]]] = OrderedDict()
        self._lock = Lock()

    def of_pod(self, pod: Pod, start: int, end: int) -> list[Line]:
        """What a pod's container wrote from ``start`` until before ``end`` (nanoseconds)."""
        return self._read("pod", pod.uid, start, end, partial(self._pod_page, pod))

    def of_node(self, node: Node, start: int, end: int) -> list[Line]:
        """What a node's journal took in from ``start`` until before ``end`` (nanoseconds)."""
        return self._read("node", node.name, start, end, partial(self._node_page, node))

    def _read(self, kind: str, writer: str, start: int, end: int, make: _Make) -> list[Line]:
        found: list[Line] = []
        for page in range(start // (PAGE * NANO), (end - 1) // (PAGE * NANO) + 1):
            lines = self._page((kind, writer, page), make)
            inside = start <= page * PAGE * NANO and (page + 1) * PAGE * NANO <= end
            found += lines if inside else [one for one in lines if start <= one.ns < end]
        return found

    def _page(self, key: tuple[str, str, int], make: _Make) -> list[Line]:
        with self._lock:
            lines = self._pages.get(key)
            if lines is not None:
                self._pages.move_to_end(key)
                return lines
        lines = sorted(make(key[2]), key=_by_time)
        with self._lock:
            self._pages[key] = lines
            while len(self._pages) > _KEPT_PAGES:
                self._pages.popitem(last=False)
        return lines

    # --- pods ---------------------------------------------------------------------------------

    def _pod_page(self, pod: Pod, page: int) -> Iterable[Line]:
        start, end = page * float(PAGE), (page + 1) * float(PAGE)
        if pod.history.created >= end or pod.history.deleted <= start:
            return ()
        return chain(
            _ordinary(pod, style_of(pod.work), start, end),
            _told(self._cluster, pod, start, end),
            _deaths(pod, start, end),
            self._visited(pod, page) if pod.work.http else (),
        )

    def _visited(self, pod: Pod, page: int) -> Iterator[Line]:
        style, known = style_of(pod.work), _writer(pod)
        for visit in self._visits_in(page).get(pod.name, ()):
            yield from visit_lines(visit, style, known)

    def _visits_in(self, page: int) -> dict[str, list[Visit]]:
        with self._lock:
            served = self._served.get(page)
        if served is not None:
            return served
        by_pod: dict[str, list[Visit]] = {}
        for visit in self._visits(page * float(PAGE), (page + 1) * float(PAGE)):
            by_pod.setdefault(visit.pod, []).append(visit)
        with self._lock:
            self._served[page] = by_pod
            while len(self._served) > _KEPT_PAGES // 20:
                self._served.popitem(last=False)
        return by_pod

    # --- nodes --------------------------------------------------------------------------------

    def _node_page(self, node: Node, page: int) -> Iterator[Line]:
        start, end = page * float(PAGE), (page + 1) * float(PAGE)
        style = journal_style()
        known = {"node": node.name, "host": node.address}
        silent = self._cluster.silent(node.name)
        for number, moment in _moments(node.uid, style.every, start, end):
            if any(since <= moment < until for since, until in silent):
                continue
            draw = key_of(node.uid, number)
            line = style.drawn(unit(draw, "which"))
            text = filled(line.text, moment, draw, known)
            yield Line(nanoseconds(moment), text, line.level, "", line.unit)
        for stream in self._cluster.journals:
            if stream.node == node.name:
                yield from _journal(stream, start, end)
        for pod in self._cluster.pods_on(node):
            yield from _kills(pod, start, end)


def _by_time(line: Line) -> int:
    return line.ns


def _writer(pod: Pod) -> dict[str, str]:
    return {
        "pod": pod.name,
        "name": pod.work.name,
        "ns": pod.namespace,
        "node": pod.node.name,
        "host": pod.address,
    }


def _moments(key: str, every: float, start: float, end: float) -> Iterator[tuple[int, float]]:
    """Number and moment of each turn of a writer within a page; no two writers keep step."""
    shift = unit(key, "shift") * every
    for number in range(math.floor((start - shift) / every), math.ceil((end - shift) / every) + 1):
        moment = number * every + shift + unit(key, number) * every * 0.6
        if start <= moment < end:
            yield number, moment


def _ordinary(pod: Pod, style: Style, start: float, end: float) -> Iterator[Line]:
    running, known = pod.history.alive, _writer(pod)
    for number, moment in _moments(pod.uid, style.every, start, end):
        if running.at(moment):
            draw = key_of(pod.uid, number)
            line = style.drawn(unit(draw, "which"))
            text = filled(line.text, moment, draw, known)
            yield Line(nanoseconds(moment), text, line.level, style.stream)


def _turns(
    start: float, end: float, every: float, since: float, until: float
) -> Iterator[tuple[int, float]]:
    """The turns, from 0 at ``start`` on until before ``end``, that fall into a page."""
    first = max(0, math.ceil((since - start) / every))
    last = math.ceil((min(end, until) - start) / every)
    for number in range(first, last):
        yield number, start + number * every


def _told(cluster: SimulatedCluster, pod: Pod, start: float, end: float) -> Iterator[Line]:
    running = pod.history.alive
    for stream in cluster.logs:
        if stream.workload == pod.work.path and stream.node in ("", pod.node.name):
            shift = unit(pod.uid, stream.start, stream.every) * min(1.0, stream.every / 2)
            for number, turn in _turns(stream.start, stream.end, stream.every, start - 1.0, end):
                moment = turn + shift
                if start <= moment < end and running.at(moment):
                    yield from _spoken(stream, pod, number, moment)


def _spoken(stream: LogStream, pod: Pod, number: int, moment: float) -> Iterator[Line]:
    text = stream.lines[number % len(stream.lines)]
    if stream.fills:
        text = filled(text, moment, key_of(pod.uid, number, moment), _writer(pod))
    level = stream.level or level_of(text)
    for place, part in enumerate(text.split("\n")):
        yield Line(nanoseconds(moment) + place * 1000, part, level, stream.stream)


def _deaths(pod: Pod, start: float, end: float) -> Iterator[Line]:
    """A container's last words, unless the kernel gave it no time to say any."""
    for moment in pod.history.last_terminated.times:
        last = moment - 0.001
        if start <= last < end and pod.history.last_terminated.at(moment) != "OOMKilled":
            text = pod.history.message or "fatal: exiting"
            yield Line(nanoseconds(last), text, "critical", "stderr")


def _kills(pod: Pod, start: float, end: float) -> Iterator[Line]:
    """What the kernel writes when it ends a container for its memory."""
    for moment in pod.history.last_terminated.times:
        killed = pod.history.last_terminated.at(moment) == "OOMKilled"
        if start <= moment < end and killed:
            texts = _kill_texts(pod, 2000 + key_of(pod.uid, moment) % 400_000)
            for place, text in enumerate(texts, start=-len(texts)):
                level = "error" if place == -1 else "warning"
                yield Line(nanoseconds(moment) + place * 1000, text, level, "", "kernel")


def _kill_texts(pod: Pod, pid: int) -> list[str]:
    name = pod.work.name[:15]
    limit = int((pod.work.memory_limit or pod.work.memory * 2) * 1024)
    group = f"/kubepods.slice/kubepods-burstable-pod{pod.uid.replace('-', '_')}.slice"
    where = f"constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg={group}"
    sizes = f"total-vm:{limit * 2}kB, anon-rss:{limit - 4096}kB, file-rss:0kB, shmem-rss:0kB"
    killed = f"Memory cgroup out of memory: Killed process {pid} ({name})"
    return [
        f"{name} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=968",
        f"memory: usage {limit}kB, limit {limit}kB, failcnt {key_of(pid) % 900 + 20}",
        f"oom-kill:{where},task={name},pid={pid},uid=0",
        f"{killed} {sizes}, UID:0 pgtables:2104kB oom_score_adj:968",
    ]


def _journal(stream: JournalStream, start: float, end: float) -> Iterator[Line]:
    for number, moment in _turns(stream.start, stream.end, stream.every, start, end):
        text = stream.lines[number % len(stream.lines)]
        level = stream.level or level_of(text)
        yield Line(nanoseconds(moment), text, level, "", stream.unit)

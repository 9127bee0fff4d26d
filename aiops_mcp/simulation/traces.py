"""The traces of a simulated fleet: which there are in a time, what each store has of them.

Nothing is stored but a few minutes that were looked at; a trace is worked out from its number. It
must not know wire formats.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from threading import RLock

from aiops_mcp.simulation.request_ids import front_doors, number_of, requests_between, started_at
from aiops_mcp.simulation.requests import Requests
from aiops_mcp.simulation.service_calls import ClusterServices
from aiops_mcp.simulation.service_truths import ServiceTruths
from aiops_mcp.simulation.spans import Kind, Process, SpanSet
from aiops_mcp.simulation.world import World

RETENTION = 48 * 3600.0
_CHUNK = 120.0
_CHUNKS = 240
_LATE = 90.0
"""How long a request may go on, and clocks be wrong, at the most (seconds)."""


@dataclass(frozen=True, slots=True)
class Served:
    """A traced request that a service answered, as its access log tells; times by its own clock."""

    trace_id: str
    span_id: str
    process: Process
    started: float
    seconds: float
    method: str
    path: str
    status: int


@dataclass(frozen=True, slots=True)
class _Part:
    """What one cluster's spans of a trace span, by their own clock (ns), and when all ended."""

    spans: SpanSet
    start_ns: int
    end_ns: int


class TraceBook:
    """The traces of a world up to its present; safe from several threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = RLock()
        services: dict[str, ClusterServices] = {}
        for name, cluster in world.clusters.items():
            services[name] = ClusterServices(cluster, ServiceTruths(world.store(name)), services)
        self._requests = Requests(world.seed, services)
        self._doors = [
            (name, door.name)
            for name, cluster in world.clusters.items()
            for door in front_doors(cluster.inventory.workloads)
        ]
        self._reach = {(name, door): self._requests.reach(name, door) for name, door in self._doors}
        self._chunks: OrderedDict[tuple[str, str, str, int], list[_Part]] = OrderedDict()

    def between(self, cluster: str, start: float, end: float) -> Iterator[SpanSet]:
        """What a cluster's store has of the traces with a span in a time, newest first."""
        now = self._world.now()
        for part in self._parts(cluster, max(start, now - RETENTION), min(end, now)):
            if part.end_ns <= now * 1e9:
                yield part.spans

    def under_way(self, cluster: str, start: float, end: float) -> Iterator[SpanSet]:
        """As ``between``, but of any time, and whether or not the traces are over by now.

        Logs are written while a request goes on.
        """
        for part in self._parts(cluster, start, end):
            yield part.spans

    def _parts(self, cluster: str, start: float, end: float) -> "Iterator[_Part]":
        first, last = int((start - _LATE) // _CHUNK), int((end + _LATE) // _CHUNK)
        for number in range(last, first - 1, -1):
            for part in self._chunk(cluster, number):
                if part.start_ns <= end * 1e9 and part.end_ns >= start * 1e9:
                    yield part

    def trace(self, cluster: str, trace_id: str) -> SpanSet | None:
        """What a cluster's store has of one trace."""
        now = self._world.now()
        for place, door in self._doors:
            number = number_of(self._world.seed, place, door, trace_id)
            if number is None:
                continue
            moment = started_at(self._world.seed, place, door, number)
            if not now - RETENTION <= moment <= now:
                return None
            if cluster not in self._requests.visits(place, door, number):
                return None
            part = _part(self._requests.spans(place, door, number), cluster)
            return part.spans if part and part.end_ns <= now * 1e9 else None
        return None

    def served(self, cluster: str, service: str, start: float, end: float) -> list[Served]:
        """The traced requests that a service began to answer in a time, oldest first."""
        found: list[Served] = []
        for spans in self.between(cluster, start, end + _LATE):
            for span in spans.spans:
                begun = span.start_ns / 1e9
                if span.kind is not Kind.SERVER or span.process.service != service:
                    continue
                if start <= begun < end:
                    found.append(
                        Served(
                            spans.trace_id,
                            span.span_id,
                            span.process,
                            begun,
                            span.duration_ns / 1e9,
                            str(span.attributes["http.request.method"]),
                            str(span.attributes["url.path"]),
                            int(span.attributes["http.response.status_code"]),
                        )
                    )
        return sorted(found, key=lambda one: one.started)

    def _chunk(self, cluster: str, number: int) -> list[_Part]:
        """The parts of the requests that entered in one stretch of time, newest first."""
        found: list[_Part] = []
        for place, door in self._doors:
            if cluster in self._reach[place, door]:
                found.extend(self._of_door(cluster, place, door, number))
        return sorted(found, key=lambda part: part.start_ns, reverse=True)

    def _of_door(self, cluster: str, place: str, door: str, number: int) -> list[_Part]:
        key = (cluster, place, door, number)
        with self._lock:
            if key in self._chunks:
                self._chunks.move_to_end(key)
                return self._chunks[key]
        parts: list[_Part] = []
        start = number * _CHUNK
        seed = self._world.seed
        for one, _ in requests_between(seed, place, door, start, start + _CHUNK):
            if cluster != place and cluster not in self._requests.visits(place, door, one):
                continue
            part = _part(self._requests.spans(place, door, one), cluster)
            if part:
                parts.append(part)
        with self._lock:
            self._chunks[key] = parts
            while len(self._chunks) > _CHUNKS:
                self._chunks.popitem(last=False)
        return parts


def _part(whole: SpanSet, cluster: str) -> _Part | None:
    spans = tuple(span for span in whole.spans if span.process.cluster == cluster)
    if not spans:
        return None
    part = SpanSet(whole.trace_id, cluster, spans)
    return _Part(part, part.start_ns, part.end_ns)

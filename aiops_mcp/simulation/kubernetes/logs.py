"""What a pod's container wrote: every line a function of time, so that tails and sinces agree."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from aiops_mcp.simulation.cluster import SimulatedCluster
from aiops_mcp.simulation.inventory import Pod
from aiops_mcp.simulation.noise import key_of

_PATHS = ("/", "/healthz", "/api/v1/items", "/api/v1/orders", "/api/v1/session")
_LONGEST = 7200.0
"""How much is kept (seconds); the kubelet rotates logs away at some size."""


@dataclass(frozen=True, slots=True)
class Line:
    moment: float
    text: str

    def stamped(self) -> str:
        """The line with its time in front, as ``timestamps=true`` gives it."""
        when = datetime.fromtimestamp(self.moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return f"{when}000Z {self.text}"


def lines_between(cluster: SimulatedCluster, pod: Pod, start: float, end: float) -> Iterator[Line]:
    """The lines that the pod wrote from ``start`` until ``end``, oldest first."""
    start = max(start, end - _LONGEST)
    found = [
        *_ordinary(pod, start, end),
        *_told(cluster, pod, start, end),
        *_deaths(pod, start, end),
    ]
    yield from sorted(found, key=lambda line: line.moment)


def last_lines(
    cluster: SimulatedCluster, pod: Pod, start: float, end: float, count: int
) -> list[Line]:
    """The last ``count`` lines that the pod wrote between two moments."""
    span = 60.0
    while True:
        found = list(lines_between(cluster, pod, max(start, end - span), end))
        if len(found) >= count or span >= min(end - start, _LONGEST):
            return found[-count:] if count else []
        span *= 4


def _every(pod: Pod) -> float:
    """Seconds between ordinary lines: servers write more than daemons."""
    return max(0.5, 4.0 / pod.work.http.rate * pod.work.replicas) if pod.work.http else 20.0


def _ordinary(pod: Pod, start: float, end: float) -> Iterator[Line]:
    every = _every(pod)
    shift = (key_of(pod.name) % 1000) / 1000 * every
    for number in range(int((start - shift) // every) + 1, int((end - shift) // every) + 1):
        moment = number * every + shift
        if pod.history.running.at(moment):
            yield Line(moment, _ordinary_text(pod, number, moment))


def _ordinary_text(pod: Pod, number: int, moment: float) -> str:
    draw = key_of(pod.uid, number)
    when = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    if pod.work.http:
        path = _PATHS[draw % len(_PATHS)]
        took = pod.work.http.latency_ms * (0.5 + (draw >> 8) % 100 / 80)
        return (
            f'time={when}Z level=info msg="request" method=GET path={path} status=200 '
            f"duration_ms={took:.1f} trace_id={draw:016x}{key_of(draw):016x}"
        )
    return (
        f'time={when}Z level=info component={pod.work.name} msg="sync completed" items={draw % 90}'
    )


def _told(cluster: SimulatedCluster, pod: Pod, start: float, end: float) -> Iterator[Line]:
    for stream in cluster.logs:
        if stream.workload != pod.work.path:
            continue
        first = max(0, int((start - stream.start) // stream.every) + 1)
        last = int((min(end, stream.end) - stream.start) // stream.every)
        for number in range(first, last + 1):
            moment = stream.start + number * stream.every
            if pod.history.running.at(moment):
                yield Line(moment, stream.lines[number % len(stream.lines)])


def _deaths(pod: Pod, start: float, end: float) -> Iterator[Line]:
    """A container's last words, unless the kernel gave it no time to say any."""
    for moment in pod.history.last_terminated.times:
        if start <= moment - 0.001 <= end and pod.history.last_terminated.at(moment) != "OOMKilled":
            yield Line(moment - 0.001, pod.history.message or "fatal: exiting")


def life(pod: Pod, moment: float, *, previous: bool) -> tuple[float, float] | None:
    """From when until when the container (or the one before it) wrote; ``None``: no such one."""
    starts = [one for one in pod.history.starts if one <= moment]
    if previous:
        # While it waits to be restarted, the dead container is still the current one.
        return (starts[-2], starts[-1]) if len(starts) > 1 else None
    return (starts[-1], moment) if starts else None

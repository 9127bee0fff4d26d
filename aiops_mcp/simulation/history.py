"""What happens to a pod over time: phase, readiness, restarts, and why its container stopped.

Histories are truths that change at known moments; metrics and Kubernetes objects are both drawn
from them, so that they cannot disagree. Back-off times are kubelet's (10 s doubling to 5 min).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from aiops_mcp.simulation.steps import Steps, changes, constant

CRASH_BACK_OFF = "CrashLoopBackOff"
FIRST_BACK_OFF = 10.0
LONGEST_BACK_OFF = 300.0
NO_REASON: Steps[str] = constant("")


@dataclass(frozen=True, slots=True)
class PodHistory:
    """One pod's truths. ``starts`` are the moments its container began to run, oldest first."""

    created: float
    deleted: float
    phase: Steps[str]
    ready: Steps[bool]
    running: Steps[bool]
    restarts: Steps[int]
    waiting: Steps[str]
    terminated: Steps[str]
    last_terminated: Steps[str]
    exit_code: Steps[int]
    starts: tuple[float, ...]
    reason: Steps[str] = NO_REASON
    message: str = ""

    @property
    def alive(self) -> Steps[bool]:
        """When the container runs; never after the pod was deleted."""
        return _until(self.running, self.deleted)

    @property
    def scraped(self) -> Steps[bool]:
        """When service discovery offers the pod as a scrape target."""
        values = tuple(phase == "Running" for phase in self.phase.values)
        return _until(Steps(self.phase.times, values), self.deleted)

    def exists(self, moment: float) -> bool:
        return self.created <= moment < self.deleted


def _until(steps: Steps[bool], end: float) -> Steps[bool]:
    if end == inf:
        return steps
    before = [(moment, value) for moment, value in zip(steps.times, steps.values[1:], strict=True)]
    return changes(steps.values[0], [*(one for one in before if one[0] < end), (end, False)])


def healthy(created: float, deleted: float = inf) -> PodHistory:
    """Started at once, ready five seconds later, running ever since."""
    return PodHistory(
        created=created,
        deleted=deleted,
        phase=changes("Pending", [(created + 2.0, "Running")]),
        ready=changes(False, [(created + 5.0, True)]),
        running=changes(False, [(created + 2.0, True)]),
        restarts=constant(0),
        waiting=changes("ContainerCreating", [(created + 2.0, "")]),
        terminated=constant(""),
        last_terminated=constant(""),
        exit_code=constant(0),
        starts=(created + 2.0,),
    )


def completed(created: float, ran: float, deleted: float = inf) -> PodHistory:
    """A job's pod that ran for a while and ended well."""
    finished = created + 2.0 + ran
    alive = healthy(created, deleted)
    return replace(
        alive,
        phase=changes("Pending", [(created + 2.0, "Running"), (finished, "Succeeded")]),
        ready=changes(False, [(created + 5.0, True), (finished, False)]),
        running=changes(False, [(created + 2.0, True), (finished, False)]),
        terminated=changes("", [(finished, "Completed")]),
    )


def failed(created: float, ran: float, exit_code: int, message: str) -> PodHistory:
    """A job's pod that ran for a while and ended with an error."""
    ended = created + 2.0 + ran
    return replace(
        completed(created, ran),
        phase=changes("Pending", [(created + 2.0, "Running"), (ended, "Failed")]),
        terminated=changes("", [(ended, "Error")]),
        exit_code=changes(0, [(ended, exit_code)]),
        message=message,
    )


@dataclass(frozen=True, slots=True)
class Crash:
    """How a container keeps dying: how long each run lasts (seconds) and how it ends."""

    run: float
    reason: str
    exit_code: int
    message: str = ""


def _runs(start: float, end: float, run: float) -> Iterator[tuple[float, float, float]]:
    """(died, restart, ...) of each life until ``end``: born, died, born again."""
    born, back_off = start, FIRST_BACK_OFF
    while born < end:
        died = born + run
        again = died + back_off
        yield born, died, min(again, end)
        born, back_off = again, min(back_off * 2, LONGEST_BACK_OFF)


def crash_looping(pod: PodHistory, start: float, end: float, crash: Crash) -> PodHistory:
    """The pod's container dies and is restarted over and over from ``start`` until ``end``."""
    start = max(start, pod.created + 2.0)
    lives = list(_runs(start, end, crash.run))
    deaths = [died for _, died, _ in lives]
    rebirths = [again for _, _, again in lives]
    running = [(died, False) for died in deaths] + [(again, True) for again in rebirths]
    waiting = [(died, CRASH_BACK_OFF) for died in deaths] + [(again, "") for again in rebirths]
    before = pod.restarts.at(start)
    ready = [(died, False) for died in deaths] + [(rebirths[-1] + 10.0, True)] if lives else []
    if crash.run > 60.0:  # a readiness probe passes for a while in each life
        ready += [(again + 10.0, True) for again in rebirths]
    return replace(
        pod,
        running=changes(False, [(pod.created + 2.0, True), *running]),
        waiting=changes("ContainerCreating", [(pod.created + 2.0, ""), *waiting]),
        ready=changes(False, [(pod.created + 5.0, True), *ready]),
        restarts=changes(before, [(again, before + n + 1) for n, again in enumerate(rebirths)]),
        last_terminated=changes("", [(again, crash.reason) for again in deaths]),
        exit_code=changes(0, [(again, crash.exit_code) for again in deaths]),
        starts=(*pod.starts, *rebirths),
        message=crash.message,
    )


def never_starting(created: float, deleted: float, reason: str, message: str) -> PodHistory:
    """A pod whose container waits for ever, such as for an image that is not there."""
    return replace(
        healthy(created, deleted),
        phase=constant("Pending"),
        ready=constant(False),
        running=constant(False),
        waiting=changes("ContainerCreating", [(created + 8.0, reason)]),
        starts=(),
        message=message,
    )


def never_ready(created: float, deleted: float, message: str) -> PodHistory:
    """A pod that runs and fails its readiness probe."""
    return replace(healthy(created, deleted), ready=constant(False), message=message)


def evicted(pod: PodHistory, moment: float, message: str) -> PodHistory:
    """The kubelet ended the pod to save the node; the dead pod stays listed."""
    return replace(
        pod,
        phase=changes("Pending", [(pod.created + 2.0, "Running"), (moment, "Failed")]),
        ready=changes(False, [(pod.created + 5.0, True), (moment, False)]),
        running=changes(False, [(pod.created + 2.0, True), (moment, False)]),
        reason=changes("", [(moment, "Evicted")]),
        message=message,
    )


def out_of_touch(pod: PodHistory, start: float, end: float) -> PodHistory:
    """The pod's node does not report: it counts as not ready, whatever it really does."""
    times = [
        (moment, value) for moment, value in zip(pod.ready.times, pod.ready.values[1:], strict=True)
    ]
    kept = [(moment, value) for moment, value in times if not start <= moment < end]
    after = pod.ready.at(end)
    return replace(pod, ready=changes(pod.ready.values[0], [*kept, (start, False), (end, after)]))

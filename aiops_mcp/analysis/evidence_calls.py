"""Where the time of calls is really spent, against normal, as evidence for a root cause. Pure.

A call takes the callee's own time, what the callee waits for, and the time on the way, which only
the caller sees: ``wait``. A slow network or a starved pod shows in the wait of every call into it,
a starved caller in the wait of all its calls, slow code in the own time. So a component is blamed
for its own time, for calls into it that are slower than its caller's other calls are, and for its
calls if they are slower together (time that is spent deeper in the graph is told apart as in Liu et
al., "MicroHECL: High-Efficient Root Cause Localization in Large-Scale Microservice Systems",
ICSE-SEIP 2021, but by subtraction instead of by rules).

Times are compared by their logarithms, medians and median absolute deviations: latencies are
multiplied, and a few slow calls are no level.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.evidence_call_samples import CallSample, calls_of_traces
from aiops_mcp.analysis.evidence_counts import among, as_normal, departure
from aiops_mcp.analysis.rootcause_problem import Evidence, EvidenceKind

__all__ = ["CallSample", "calls_of_traces", "evidence_of_calls"]

Vector = NDArray[np.float64]
Call = tuple[str, str]
Key = TypeVar("Key")

LEAST: Final = 2.0
"""Findings weaker than this are not told."""
USUAL_SCATTER: Final = 0.2
"""No time is taken to be steadier than this (of its logarithm, about 20 %): what is faster than it
needs to be may well be a fifth slower."""
PRIOR_ROWS: Final = 3.0
"""The scatter of a call counts as much as that of all calls once it has so many samples."""
WIDE: Final = 0.75
"""Quantile of the scatters of all calls that stands for a call not seen often enough."""
_OFFSET_MS: Final = 1.0
"""Added before the logarithm: below a millisecond clocks and timers speak."""


class _Row(NamedTuple):
    """A time on the way or within, as a logarithm, with the calls behind it."""

    value: float
    calls: int
    time: float


class _Shift(NamedTuple):
    """How many deviations slower, by how many milliseconds, what it was and is, and since when."""

    strength: float
    excess_ms: float
    before_ms: float
    now_ms: float
    began: float


class _Finding(NamedTuple):
    component: str
    strength: float
    name: str
    text: str
    began: float | None = None


@dataclass(slots=True)
class _Rows:
    """Times and counts by call or by component."""

    waits: dict[Call, list[_Row]] = field(
        default_factory=lambda: defaultdict[Call, list[_Row]](list)
    )
    own: dict[str, list[_Row]] = field(default_factory=lambda: defaultdict[str, list[_Row]](list))
    calls: dict[Call, int] = field(default_factory=lambda: defaultdict[Call, int](int))
    errors: dict[Call, int] = field(default_factory=lambda: defaultdict[Call, int](int))
    into: dict[str, int] = field(default_factory=lambda: defaultdict[str, int](int))


def evidence_of_calls(
    samples: Iterable[CallSample], when: float, *, normal: Iterable[CallSample] = ()
) -> list[Evidence]:
    """One item for each component where time is spent, or failures come from, that did not before.

    ``samples`` reach from before ``when`` (Unix seconds) to the end of what is looked at.
    ``normal`` are those of a time known to be good: they are what a call is compared with where
    they have it, and what was before ``when`` otherwise.
    """
    all_samples = [each for each in samples if each.calls > 0]
    good = _rows(each for each in normal if each.calls > 0)
    before = _rows(each for each in all_samples if each.time < when)
    now = _rows(each for each in all_samples if each.time >= when)
    waits = _shifts(good.waits, before.waits, now.waits)
    own = _shifts(good.own, before.own, now.own)
    found = [*_slow(waits), *_own(own), *_failing(good, before, now), *_silent(good, before, now)]
    best: dict[str, list[_Finding]] = defaultdict(list)
    for each in sorted(found, key=lambda each: -each.strength):
        strength = among(each.strength, len(waits) + len(own))
        if strength >= LEAST:
            best[each.component].append(each._replace(strength=strength))
    return [
        Evidence(
            component=component,
            kind=EvidenceKind.CALL,
            strength=findings[0].strength,
            began=findings[0].began,
            text="; ".join(each.text for each in findings),
            name=findings[0].name,
        )
        for component, findings in best.items()
    ]


def _rows(samples: Iterable[CallSample]) -> _Rows:
    rows = _Rows()
    within: dict[tuple[str, float], float] = defaultdict(float)
    beyond: dict[tuple[str, float], float] = defaultdict(float)
    count: dict[tuple[str, float], int] = defaultdict(int)
    for each in samples:
        call = (each.caller, each.callee)
        rows.calls[call] += each.calls
        rows.errors[call] += each.errors
        rows.into[each.callee] += each.calls
        if not np.isfinite(each.callee_ms):
            continue
        wait = each.wait_ms if np.isfinite(each.wait_ms) else 0.0
        within[each.callee, each.time] += each.calls * each.callee_ms
        count[each.callee, each.time] += each.calls
        beyond[each.caller, each.time] += each.calls * (each.callee_ms + wait)
        if np.isfinite(each.wait_ms):
            rows.waits[call].append(_Row(_log(each.wait_ms), each.calls, each.time))
    for (component, time), calls in count.items():
        own = (within[component, time] - beyond[component, time]) / calls
        rows.own[component].append(_Row(_log(own), calls, time))
    return rows


def _log(milliseconds: float) -> float:
    return math.log(max(milliseconds, 0.0) + _OFFSET_MS)


def _shifts(
    good: dict[Key, list[_Row]],
    before: dict[Key, list[_Row]],
    now: dict[Key, list[_Row]],
) -> dict[Key, _Shift]:
    references = {key: rows for key in now if (rows := good.get(key) or before.get(key))}
    scatters = [_scatter(rows) for rows in references.values() if len(rows) > PRIOR_ROWS]
    wide = float(np.quantile(scatters, WIDE)) if scatters else USUAL_SCATTER
    wide = max(wide, USUAL_SCATTER)
    return {key: _shift(rows, now[key], wide) for key, rows in references.items()}


def _shift(before: list[_Row], now: list[_Row], wide: float) -> _Shift:
    count = len(before)
    # A scatter of few samples is drawn to that of all calls, as an empirical Bayes estimate is.
    variance = (count * _scatter(before) ** 2 + PRIOR_ROWS * wide**2) / (count + PRIOR_ROWS)
    scale = max(math.sqrt(variance), USUAL_SCATTER)
    uncertain = math.sqrt(1 + 1 / count + 1 / len(now))
    old, new = _middle(before), _middle(now)
    old_ms, new_ms = math.exp(old) - _OFFSET_MS, math.exp(new) - _OFFSET_MS
    off = as_normal((new - old) / (scale * uncertain), count + PRIOR_ROWS - 1)
    # Since when it has been nearer to what it is than to what it was.
    slow = [row.time for row in now if row.value > (old + new) / 2]
    return _Shift(off, new_ms - old_ms, old_ms, new_ms, min(slow, default=now[0].time))


def _scatter(rows: list[_Row]) -> float:
    values: Vector = np.array([row.value for row in rows])
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _middle(rows: list[_Row]) -> float:
    """The median over calls, of which each sample has only the mean."""
    values: Vector = np.array([row.value for row in rows])
    weights: Vector = np.array([row.calls for row in rows], dtype=np.float64)
    order = np.argsort(values, kind="stable")
    values = values[order]
    reached: Vector = np.cumsum(weights[order], dtype=np.float64)
    half = float(reached[-1]) / 2
    low, high = np.searchsorted(reached, half), np.searchsorted(reached, half, side="right")
    return float(values[low] + values[min(int(high), len(values) - 1)]) / 2


def _slow(waits: dict[Call, _Shift]) -> Iterator[_Finding]:
    into: dict[str, dict[str, _Shift]] = defaultdict(dict)
    out: dict[str, dict[str, _Shift]] = defaultdict(dict)
    for (caller, callee), shift in waits.items():
        into[callee][caller] = shift
        out[caller][callee] = shift
    for callee, callers in into.items():
        parts = [_beyond_siblings(callee, shift, out[caller]) for caller, shift in callers.items()]
        worst = max(callers, key=lambda caller: callers[caller].strength)
        text = f"calls into it wait {_told(callers[worst])} (from {worst})"
        strength, began = float(np.mean(parts)), callers[worst].began
        yield _Finding(callee, strength, "slow to reach", text, began)
    for caller, callees in out.items():
        if len(callees) < 2:
            continue  # one slow call is the callee's as much as the caller's
        ordered = sorted(shift.strength for shift in callees.values())
        middle = ordered[(len(ordered) - 1) // 2]
        worst = max(callees, key=lambda callee: callees[callee].strength)
        text = f"most of its calls wait longer, e.g. {_told(callees[worst])} for {worst}"
        yield _Finding(caller, middle, "slow caller", text, callees[worst].began)


def _beyond_siblings(callee: str, shift: _Shift, siblings: dict[str, _Shift]) -> float:
    """What is left of a call's slowness without what its caller's other calls suffer as well."""
    others = [each.excess_ms for name, each in siblings.items() if name != callee]
    common = max(float(np.median(others)), 0.0) if others else 0.0
    if shift.excess_ms <= common:
        return 0.0
    return max(shift.strength, 0.0) * (1 - common / shift.excess_ms)


def _told(shift: _Shift) -> str:
    return f"{max(shift.now_ms, 0.0):.0f} ms instead of {max(shift.before_ms, 0.0):.0f}"


def _own(own: dict[str, _Shift]) -> Iterator[_Finding]:
    for component, shift in own.items():
        text = f"its own time is {_told(shift)}"
        yield _Finding(component, shift.strength, "slow itself", text, shift.began)


def _failing(good: _Rows, before: _Rows, now: _Rows) -> Iterator[_Finding]:
    """Failures of calls into a component, less what its own failing calls pass on."""
    failed: dict[str, int] = defaultdict(int)
    passed_on: dict[str, int] = defaultdict(int)
    for (caller, callee), count in now.errors.items():
        failed[callee] += count
        passed_on[caller] += count
    for callee, count in failed.items():
        root = max(count - passed_on[callee], 0)
        reference = good if good.into.get(callee) else before
        earlier = sum(n for (_, name), n in reference.errors.items() if name == callee)
        total = reference.into.get(callee, 0)
        strength = departure(
            min(earlier, total), total, min(root, now.into[callee]), now.into[callee]
        )
        text = f"{count} of {now.into[callee]} calls into it fail; before {earlier} of {total}"
        yield _Finding(callee, strength, "failing calls", text)


def _silent(good: _Rows, before: _Rows, now: _Rows) -> Iterator[_Finding]:
    """Components that are reached no more by a caller that is called as ever.

    Which of both is to blame is not known, so each bears half of it.
    """
    for (caller, callee), count in {**before.calls, **good.calls}.items():
        if now.calls.get((caller, callee)) or now.into.get(callee):
            continue
        reference = good if good.calls.get((caller, callee)) else before
        asked, asked_now = reference.into.get(caller, 0), now.into.get(caller, 0)
        strength = -departure(min(count, asked), asked, 0, asked_now) / math.sqrt(2)
        text = (
            f"{caller} calls {callee} no more: 0 times in {asked_now} requests, "
            f"before {count} in {asked}"
        )
        yield _Finding(callee, strength, "no longer called", text)
        yield _Finding(caller, strength, "no longer calls", text)

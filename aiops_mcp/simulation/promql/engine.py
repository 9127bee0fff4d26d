"""The query engine: text or tree in, answer out, over any series store.

It evaluates as Prometheus 3.x does. It must not know HTTP, nor where the samples come from.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from aiops_mcp.promql import parse, tree
from aiops_mcp.simulation.promql.evaluator import Evaluator
from aiops_mcp.simulation.promql.frames import (
    Grid,
    QueryFailed,
    RawMatrix,
    Scalar,
    Text,
    Vector,
    without_absent,
)
from aiops_mcp.simulation.promql.planner import plan
from aiops_mcp.simulation.promql.store import SeriesStore, Times

Result: TypeAlias = Scalar | Text | Vector | RawMatrix
_TYPE_NAMES = {"matrix": "range vector", "string": "string"}


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A result over ``times`` (milliseconds), with what Prometheus would remark about it."""

    times: Times
    value: Result
    warnings: Sequence[str] = ()
    infos: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Engine:
    """Limits and defaults of a server; times in milliseconds, ``clock`` in seconds."""

    store: SeriesStore
    lookback_ms: int = 300_000
    evaluation_interval_ms: int = 60_000
    max_samples: int = 50_000_000
    clock: Callable[[], float] = time.monotonic

    def instant(
        self,
        query: str | tree.Node,
        time_ms: int,
        *,
        lookback_ms: int | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Evaluate at one time.

        Raises:
            InvalidPromql: when the text is not PromQL.
            QueryFailed: when it cannot be answered.
        """
        node = parse(query) if isinstance(query, str) else query
        times = np.array([time_ms], dtype=np.int64)
        grid = Grid(times, 0, time_ms, time_ms, 0)
        run = self._run(node, lookback_ms, timeout_s)
        with np.errstate(all="ignore"):
            if tree.result_type(node) == "matrix":
                value: Result = run.windows(node, grid).raw()
            else:
                value = _tidy(run.value(node, grid))
        return Answer(times, value, tuple(run.notes.warnings), tuple(run.notes.infos))

    def range(
        self,
        query: str | tree.Node,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        lookback_ms: int | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Evaluate at each step from start to end, both included.

        Raises:
            InvalidPromql: when the text is not PromQL.
            QueryFailed: when it cannot be answered.
        """
        node = parse(query) if isinstance(query, str) else query
        kind = tree.result_type(node)
        if kind in _TYPE_NAMES:
            raise QueryFailed(
                f'invalid expression type "{_TYPE_NAMES[kind]}" for range query, '
                "must be Scalar or instant Vector",
                "bad_data",
            )
        times = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
        grid = Grid(times, step_ms, start_ms, end_ms, step_ms)
        run = self._run(node, lookback_ms, timeout_s)
        with np.errstate(all="ignore"):
            value = _tidy(run.value(node, grid))
        return Answer(times, value, tuple(run.notes.warnings), tuple(run.notes.infos))

    def _run(self, node: tree.Node, lookback_ms: int | None, timeout_s: float | None) -> Evaluator:
        deadline = None if timeout_s is None else self.clock() + timeout_s

        def check_deadline() -> None:
            if deadline is not None and self.clock() > deadline:
                raise QueryFailed("query timed out in expression evaluation", "timeout")

        return Evaluator(
            plan(node),
            self.store,
            self.lookback_ms if lookback_ms is None else lookback_ms,
            self.evaluation_interval_ms,
            self.max_samples,
            check_deadline,
        )


def _tidy(value: Scalar | Text | Vector) -> Scalar | Text | Vector:
    return without_absent(value) if isinstance(value, Vector) else value

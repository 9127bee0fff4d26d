"""A call in a query: its arguments, evaluated on demand, and what a function over one is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from aiops_mcp.promql import tree
from aiops_mcp.simulation.promql.frames import Grid, Notes, Text, Value, Vector, joined
from aiops_mcp.simulation.promql.matching import without_name
from aiops_mcp.simulation.promql.store import Floats, Mask
from aiops_mcp.simulation.promql.windows import Windows


class Evaluates(Protocol):
    """The part of the evaluator that functions use."""

    @property
    def notes(self) -> Notes: ...
    def value(self, node: tree.Node, grid: Grid) -> Value: ...
    def vector(self, node: tree.Node, grid: Grid) -> Vector: ...
    def scalar(self, node: tree.Node, grid: Grid) -> Floats: ...
    def windows(self, node: tree.Node, grid: Grid) -> Windows: ...
    def sampled(self, selector: tree.Selector, grid: Grid) -> tuple[Vector, Floats]: ...
    def warn_quantile(self, q: Floats) -> None: ...


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call at one place in a query, with what it needs to evaluate its arguments."""

    node: tree.Call
    grid: Grid
    evaluator: Evaluates

    @property
    def count(self) -> int:
        return len(self.node.args)

    def vector(self, position: int = 0) -> Vector:
        return self.evaluator.vector(self.node.args[position], self.grid)

    def scalar(self, position: int) -> Floats:
        return self.evaluator.scalar(self.node.args[position], self.grid)

    def text(self, position: int) -> str:
        value = self.evaluator.value(self.node.args[position], self.grid)
        return value.value if isinstance(value, Text) else ""

    def windows(self, position: int = 0) -> Windows:
        return self.evaluator.windows(self.node.args[position], self.grid)


Function: TypeAlias = Callable[[Invocation], Value]


def seconds(call: Invocation) -> Floats:
    """The evaluation times in seconds."""
    return call.grid.times / 1000


def mapped(vector: Vector, values: Floats, present: Mask | None = None) -> Vector:
    """New values for a vector, which loses its metric name."""
    names = [without_name(labels) for labels in vector.labels]
    return joined(names, values, vector.present if present is None else present)

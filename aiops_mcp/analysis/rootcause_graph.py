"""Who depends on whom, and how far each is from the target. Knows no signal.

Cycles, unknown names and edges to oneself are taken as they come.
"""

from collections import deque
from collections.abc import Iterable

from aiops_mcp.analysis.rootcause_problem import Edge, Relation


class Dependencies:
    """The edges of a problem, both ways."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        self._needs: dict[str, set[str]] = {}
        self._needed_by: dict[str, set[str]] = {}
        self._calls: dict[str, set[str]] = {}
        self._called_by: dict[str, set[str]] = {}
        for edge in edges:
            if edge.source == edge.target:
                continue
            self._needs.setdefault(edge.source, set()).add(edge.target)
            self._needed_by.setdefault(edge.target, set()).add(edge.source)
            if edge.relation is Relation.CALLS:
                self._calls.setdefault(edge.source, set()).add(edge.target)
                self._called_by.setdefault(edge.target, set()).add(edge.source)

    def __bool__(self) -> bool:
        return bool(self._needs)

    def __contains__(self, component: object) -> bool:
        return component in self._needs or component in self._needed_by

    @property
    def components(self) -> set[str]:
        """Every name that an edge has."""
        return self._needs.keys() | self._needed_by.keys()

    def needs(self, component: str) -> set[str]:
        """What it depends on directly."""
        return self._needs.get(component, set())

    def needed_by(self, component: str) -> set[str]:
        """What depends on it directly."""
        return self._needed_by.get(component, set())

    def callees(self, component: str) -> set[str]:
        """Whom it calls."""
        return self._calls.get(component, set())

    def callers(self, component: str) -> set[str]:
        """Who calls it."""
        return self._called_by.get(component, set())

    def distances(self, target: str) -> dict[str, int]:
        """Edges from the target to each component that it depends on, itself at 0."""
        found = {target: 0}
        queue = deque([target])
        while queue:
            here = queue.popleft()
            for there in self.needs(here):
                if there not in found:
                    found[there] = found[here] + 1
                    queue.append(there)
        return found

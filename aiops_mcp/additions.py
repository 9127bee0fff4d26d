"""What is served beside the fleet's own operations, by packages on top of this one.

Plain data. The operations themselves stand in ``App.operations``, with all others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import BaseRoute

from aiops_mcp.surfaces.gate import Gate


def _no_routes(gate: Gate) -> Sequence[BaseRoute]:
    del gate
    return ()


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Additions:
    """``tags`` and ``paths`` go into the OpenAPI document, the tags by name of a capability.

    ``routes`` are no operations' and stand before those; ``going_away`` is called when the server
    begins to stop, and ends what would go on for ever.
    """

    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    paths: Mapping[str, Any] = field(default_factory=dict[str, Any])
    routes: Callable[[Gate], Sequence[BaseRoute]] = _no_routes
    going_away: Callable[[], None] = _nothing

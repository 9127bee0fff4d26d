"""One MCP server as a toolbox sees it: what it offers to whom, and its calls.

Listings are kept: our own list the same to everybody of a role, others to everybody. Knows no
persona and no loop.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import Tool as ListedTool

from agents.conversation import ToolOutcome
from agents.toolbox_connection import Connection, ConnectionLost
from agents.toolbox_offer import Listed, Offered, foreign, own
from agents.toolbox_outcome import foreign_outcome, outcome_of
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress
from aiops_mcp.surfaces.mcp_access import acting_as

LISTING_SECONDS = 60.0
ABSENT_SECONDS = 60.0
"""A server that could not be reached is not asked again for so long: each chat would wait."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a server offered, what of it is unfit, and until when that holds."""

    offered: tuple[Offered, ...]
    unfit: tuple[str, ...]
    until: float


class ServedTools:
    """``name`` is that of a server beside ours, and begins its tools' names; ours has none.

    ``keeps_listing``: the server is in this process, where lists never change. ``monotonic``
    gives seconds.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        name: str = "",
        keeps_listing: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self.name = name
        self._listing_seconds = float("inf") if keeps_listing else LISTING_SECONDS
        self._monotonic = monotonic
        self._listings: dict[str, Listing] = {}
        self._absent: tuple[float, str] | None = None

    async def offered(self, principal: Principal) -> Listing:
        """What the server offers to this caller.

        Raises:
            ConnectionLost: it cannot be reached, now or a moment ago.
            MCPError: it refuses to list them.
        """
        known = self._listings.get(principal.role)
        if known is not None and known.until > self._monotonic():
            return known
        if self._absent is not None and self._absent[0] > self._monotonic():
            raise ConnectionLost(self._absent[1])
        try:
            with acting_as(principal):
                tools = await self.connection.listed()
        except ConnectionLost as error:
            self._absent = (self._monotonic() + ABSENT_SECONDS, str(error))
            raise
        listing = self._listing(tools)
        self._listings[principal.role] = listing
        return listing

    async def call(
        self,
        tool: Offered,
        arguments: Mapping[str, Any],
        principal: Principal,
        progress: Progress | None,
    ) -> ToolOutcome:
        """Call a tool; one that only reads is asked again where the connection broke.

        Raises:
            ConnectionLost, MCPError, RuntimeError: as ``Connection.call``.
        """
        with acting_as(principal):
            try:
                result = await self.connection.call(tool.theirs, arguments, progress)
            except ConnectionLost:
                if tool.spec.writes:
                    raise
                result = await self.connection.call(tool.theirs, arguments, progress)
        return foreign_outcome(result) if self.name else outcome_of(result)

    def _listing(self, tools: list[ListedTool]) -> Listing:
        listed = [_listed(tool) for tool in tools]
        until = self._monotonic() + self._listing_seconds
        if not self.name:
            return Listing(tuple(map(own, listed)), (), until)
        found = [(tool.name, foreign(self.name, tool)) for tool in listed]
        fit = tuple(each for _, each in found if each is not None)
        return Listing(fit, tuple(name for name, each in found if each is None), until)


def _listed(tool: ListedTool) -> Listed:
    hints = tool.annotations
    only_reads = hints is not None and hints.read_only_hint is True
    return Listed(tool.name, tool.description or "", tool.input_schema, only_reads)


def refusal(error: MCPError) -> str:
    """What a server's protocol error says, in a line."""
    return " ".join(str(error.error.message).split())[:300]

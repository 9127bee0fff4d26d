"""Calls of the tools of one persona: who may call what, plans before writing, and time.

Everything that goes wrong is an outcome that says what to do; only cancellation is raised. Knows
no model.
"""

import asyncio
import difflib
import logging
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import orjson
from mcp.shared.exceptions import MCPError

from agents.conversation import ToolOutcome, ToolSpec
from agents.toolbox_connection import ConnectionLost
from agents.toolbox_errors import error_outcome
from agents.toolbox_offer import Offered, chosen
from agents.toolbox_plan import APPLY, WAITS, Plan, PlanHandle, PlannedOutcome
from agents.toolbox_server import ServedTools, refusal
from aiops_mcp.errors import InputError, QueryTimeout, ToolExecutionFailed
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress
from aiops_mcp.redaction import clean_json, clean_text
from aiops_mcp.surfaces.mcp_plan import handle_in, next_step

Found = dict[str, tuple[ServedTools, Offered]]

_log = logging.getLogger(__name__)

consented: ContextVar[bool] = ContextVar("consented", default=False)
"""Whether the call in progress is one that its user agreed to; a server may ask once more."""


@dataclass(frozen=True, slots=True)
class Source:
    """A server, and which of its tools there are: those that every group of patterns matches.

    The first group also gives the order.
    """

    server: ServedTools
    allowed: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Planned:
    """A call that waits for consent; ``handle`` is the server's own, where it gave one."""

    tool: str
    arguments: Mapping[str, Any]
    handle: str | None


class Toolbox:
    """``agents.conversation.Tools`` over the servers of ``sources``.

    ``timeout`` is of one call, in seconds. ``notices`` say which servers are missing and why,
    once ``specs`` was asked.
    """

    def __init__(self, sources: Sequence[Source], principal: Principal, *, timeout: float) -> None:
        self._sources = sources
        self._principal = principal
        self._timeout = timeout
        self._asking: asyncio.Task[Found] | None = None
        self._planned: dict[str, _Planned] = {}
        self.notices: tuple[str, ...] = ()

    async def specs(self) -> Sequence[ToolSpec]:
        """What may be called, in the order of the persona's list. A server away is a notice."""
        return tuple(tool.spec for _, tool in (await self._offered()).values())

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> ToolOutcome:
        """Call a tool, or carry out a plan its user agreed to (``Plan.consented``)."""
        offered = await self._offered()
        if name not in offered:
            return _unknown(name, list(offered))
        server, tool = offered[name]
        handle = arguments.get(APPLY)
        if isinstance(handle, PlanHandle):
            return await self._apply(server, tool, handle, progress)
        if tool.plans and APPLY in arguments:
            return error_outcome(
                InputError.code,
                f"{name}: {APPLY} is not yours to give.",
                "Call it without: its user is asked, and the call is made when they agree.",
            )
        if tool.spec.writes and not tool.plans:
            return self._plan(tool, arguments, None, _described(tool, arguments))
        outcome = await self._timed(server, tool, arguments, progress)
        planned = handle_in(str(outcome.payload.get("more", ""))) if tool.plans else None
        return self._waiting(tool, arguments, planned, outcome) if planned else outcome

    def _waiting(
        self, tool: Offered, arguments: Mapping[str, Any], handle: str, outcome: ToolOutcome
    ) -> PlannedOutcome:
        """A plan of our server, without the handle: what a model knows it might use."""
        step = next_step(handle)
        more = str(outcome.payload["more"]).replace(step, WAITS)
        text = outcome.text.replace(step, WAITS)
        return self._plan(tool, arguments, handle, text, {**outcome.payload, "more": more})

    def _plan(
        self,
        tool: Offered,
        arguments: Mapping[str, Any],
        handle: str | None,
        text: str,
        payload: Mapping[str, Any] | None = None,
    ) -> PlannedOutcome:
        name, ours = tool.spec.name, PlanHandle()
        self._planned[ours.key] = _Planned(name, dict(arguments), handle)
        plan = Plan(ours, name, clean_json(dict(arguments)), text)
        told = payload or {"headline": text.splitlines()[0], "more": WAITS}
        return PlannedOutcome(ToolStatus.SUCCESS, text, told, plan)

    async def _apply(
        self, server: ServedTools, tool: Offered, handle: PlanHandle, progress: Progress | None
    ) -> ToolOutcome:
        planned = self._planned.pop(handle.key, None)
        if planned is None or planned.tool != tool.spec.name:
            return error_outcome(
                InputError.code,
                f"{tool.spec.name}: this plan was carried out already, or is not of this tool.",
                "Call it again without apply for a new plan.",
            )
        given = dict(planned.arguments)
        if planned.handle is not None:
            given[APPLY] = planned.handle
        before = consented.set(True)
        try:
            return await self._timed(server, tool, given, progress)
        finally:
            consented.reset(before)

    async def _timed(
        self,
        server: ServedTools,
        tool: Offered,
        arguments: Mapping[str, Any],
        progress: Progress | None,
    ) -> ToolOutcome:
        name = tool.spec.name
        try:
            async with asyncio.timeout(self._timeout):
                return await server.call(tool, arguments, self._principal, progress)
        except TimeoutError:
            return _too_late(tool, self._timeout)
        except ConnectionLost as error:
            said = f"its server is away: {error}."
        except MCPError as error:
            said = f"its server refused the call: {refusal(error)}"
        except (RuntimeError, ValueError) as error:
            _log.warning("%s answered what it should not: %s", name, clean_text(str(error)))
            said = "its server answered nothing that can be read."
        except Exception:  # noqa: BLE001 - the edge: a loop goes on, the cause is for the log
            _log.exception("%s failed in its client", name)
            said = "it could not be called."
        return _failed(tool, f"{name}: {said}")

    async def _offered(self) -> Found:
        """What may be called, by name; asked once, whoever of several calls asks first."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await asyncio.shield(self._asking)

    async def _ask_all(self) -> Found:
        listings = await asyncio.gather(*map(self._listing, self._sources))
        if None in listings:
            self._asking = None  # who was away may be back by the next question
        return {
            tool.spec.name: (source.server, tool)
            for source, listing in zip(self._sources, listings, strict=True)
            for tool in listing or ()
        }

    async def _listing(self, source: Source) -> Sequence[Offered] | None:
        """What there is of a server; ``None``, with a notice, where it is away."""
        server = source.server
        try:
            async with asyncio.timeout(self._timeout):
                listing = await server.offered(self._principal)
        except Exception as error:  # noqa: BLE001 - the edge: the others are there all the same
            self._notice(f"{_named(server)} is away, its tools are not there: {_why(error)}.")
            return None
        if listing.unfit:
            self._notice(f"{_named(server)} has tools that are unfit: {', '.join(listing.unfit)}.")
        return chosen(listing.offered, source.allowed)

    def _notice(self, text: str) -> None:
        if (cleaned := clean_text(text)) not in self.notices:
            self.notices += (cleaned,)


def _named(server: ServedTools) -> str:
    return f"The MCP server {server.name}" if server.name else "The MCP server"


def _why(error: Exception) -> str:
    if isinstance(error, MCPError):
        return refusal(error)
    return str(error) or "no answer in time"


def _unknown(name: str, known: Sequence[str]) -> ToolOutcome:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    there = f"There are: {', '.join(known)}." if known else "There are none."
    return error_outcome(InputError.code, f"There is no tool {name[:80]!r}.", meant + there)


def _described(tool: Offered, arguments: Mapping[str, Any]) -> str:
    """The plan of a tool that makes none: the call itself."""
    given = orjson.dumps(clean_json(dict(arguments)), default=str).decode()
    return f"{tool.spec.name} would be called with {given}.\n{WAITS}"


def _too_late(tool: Offered, timeout: float) -> ToolOutcome:
    hint = (
        "Whether it was done is not known: look before it is tried again."
        if tool.spec.writes
        else "Ask for less (fewer clusters, a shorter time), or go on without it."
    )
    said = f"{tool.spec.name} did not answer within {timeout:g} s and was cancelled."
    return error_outcome(QueryTimeout.code, said, hint, ToolStatus.TIMEOUT)


def _failed(tool: Offered, message: str) -> ToolOutcome:
    hint = (
        "Whether it was done is not known: look before it is tried again."
        if tool.spec.writes
        else "Go on without it, or call it once more; say in the answer that it is missing."
    )
    return error_outcome(ToolExecutionFailed.code, message, hint)

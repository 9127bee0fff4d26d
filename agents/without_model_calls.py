"""Calls that are made without a model: side by side, numbered in order, each once. Knows no tool.

A call that was made before with the same arguments, by a model that went away, is not made again.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.conversation import CallBegun, CallDone, Step, ToolCall, ToolOutcome, Tools
from agents.evidence_causes import Table, table_of
from agents.results import Results
from aiops_mcp.models.chat import Reference, ToolStatus
from aiops_mcp.redaction import clean_json


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call to make; ``clusters`` are those it asks, none for all."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    clusters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Got:
    """What a call gave."""

    wanted: Wanted
    reference: Reference
    table: Table

    @property
    def is_good(self) -> bool:
        return self.reference.status is ToolStatus.SUCCESS

    @property
    def cite(self) -> str:
        return f"[{self.reference.number}]"


class Calls:
    """The calls of one answer. ``offered`` names tools, ``lacking`` those that were wanted."""

    def __init__(self, tools: Tools, results: Results, offered: Sequence[str]) -> None:
        self._tools = tools
        self._results = results
        self.offered = frozenset(offered)
        self.lacking: dict[str, None] = {}
        self.got: list[Got] = []
        self._count = 0

    def of(self, name: str) -> list[Got]:
        """What calls of a tool gave, those that failed left out."""
        return [one for one in self.got if one.wanted.name == name and one.is_good]

    def failed(self) -> list[Got]:
        return [one for one in self.got if not one.is_good]

    async def make(self, wanted: Sequence[Wanted]) -> AsyncGenerator[Step]:
        """Make those calls that the persona may, all at once; steps come as each is done."""
        todo: list[tuple[str, Wanted, asyncio.Task[ToolOutcome], float]] = []
        try:
            for one in dict.fromkeys(map(_Key, wanted)):
                call = one.wanted
                if call.name not in self.offered:
                    self.lacking.setdefault(call.name, None)
                elif not self._known(call):
                    call_id = self._next_id()
                    yield CallBegun(call_id, call.name, clean_json(dict(call.arguments)))
                    task = asyncio.ensure_future(self._tools.call(call.name, call.arguments))
                    todo.append((call_id, call, task, time.monotonic()))
            for call_id, call, task, began in todo:
                outcome = await task
                reference = self._taken(call_id, call, outcome)
                yield CallDone(call_id, outcome.status, reference, time.monotonic() - began)
        finally:
            for _, _, task, _ in todo:
                task.cancel()

    def _next_id(self) -> str:
        self._count += 1
        return f"w{self._count:08d}"

    def _known(self, call: Wanted) -> bool:
        """Whether it was made before; then its result counts as got."""
        if any(
            one.wanted.name == call.name and one.wanted.arguments == call.arguments
            for one in self.got
        ):
            return True
        for reference in self._results.references:
            same = reference.tool == call.name and reference.arguments == dict(call.arguments)
            payload = self._results.payload(reference.number)
            if same and reference.status is ToolStatus.SUCCESS and payload:
                self.got.append(Got(call, reference, table_of(reference.number, payload)))
                return True
        return False

    def _taken(self, call_id: str, call: Wanted, outcome: ToolOutcome) -> Reference:
        made = ToolCall(call_id, call.name, dict(call.arguments))
        reference = self._results.take(made, outcome, clusters=call.clusters)
        self.got.append(Got(call, reference, table_of(reference.number, outcome.payload)))
        return reference


class _Key:
    """A call, hashed by what it asks."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._key = (wanted.name, repr(sorted(wanted.arguments.items())))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other._key == self._key

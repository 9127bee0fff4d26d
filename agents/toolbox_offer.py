"""What of a server's tools a persona is offered, and in which form a model is told of them.

Pure; knows neither connections nor callers. Descriptions of servers that are not ours are text
from outside: they are cleaned, and held to a length.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast

import orjson

from agents.conversation import ToolSpec
from agents.fencing import as_data
from agents.toolbox_plan import APPLY
from aiops_mcp.redaction import strip_unprintable
from aiops_mcp.surfaces.mcp_plan import TWO_STEPS

ASKS_FIRST = "The user is asked before anything is changed."
DESCRIPTION_LENGTH = 1_024
SCHEMA_BYTES = 8_192
"""A larger schema of a foreign tool costs a small model its context."""

SEPARATOR = "__"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Listed:
    """A tool as its server lists it."""

    name: str
    description: str
    schema: Mapping[str, Any]
    only_reads: bool


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as a model is told of it; ``theirs`` is its name at its server.

    ``plans``: a first call of it changes nothing and answers with a plan.
    """

    spec: ToolSpec
    theirs: str
    plans: bool = False


def own(tool: Listed) -> Offered:
    """A tool of our server. What stands for consent is left out of what a model may give."""
    if tool.only_reads:
        spec = ToolSpec(tool.name, tool.description, tool.schema)
        return Offered(spec, tool.name)
    properties = dict(cast("Mapping[str, Any]", tool.schema.get("properties") or {}))
    plans = properties.pop(APPLY, None) is not None
    schema = {**tool.schema, "properties": properties}
    description = tool.description.replace(TWO_STEPS, ASKS_FIRST)
    return Offered(ToolSpec(tool.name, description, schema, writes=True), tool.name, plans)


def foreign(server: str, tool: Listed) -> Offered | None:
    """A tool of another server, under a name that begins with it; ``None`` where it is unfit.

    That is: no name that model servers take can be made of its own, or its schema is too large.
    """
    name = server + SEPARATOR + _NOT_IN_NAME.sub("_", tool.name)
    schema: dict[str, Any] = {"type": "object", "properties": {}, **tool.schema}
    if not _NAME.fullmatch(name) or len(orjson.dumps(schema)) > SCHEMA_BYTES:
        return None
    said = as_data(strip_unprintable(tool.description)).strip()[:DESCRIPTION_LENGTH]
    description = said if tool.only_reads else f"{said} {ASKS_FIRST}".strip()
    return Offered(ToolSpec(name, description, schema, writes=not tool.only_reads), tool.name)


def chosen(offered: Sequence[Offered], allowed: Sequence[Sequence[str]]) -> list[Offered]:
    """Those that every group of patterns (``*`` and ``?``) matches, in the order of the first."""
    order = allowed[0] if allowed else ("*",)
    found = (each for pattern in order for each in offered if fits(each, (pattern,)))
    kept = {each.spec.name: each for each in found}
    return [each for each in kept.values() if all(fits(each, group) for group in allowed)]


def fits(offered: Offered, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is for this tool, by the name that a model is told."""
    return any(fnmatchcase(offered.spec.name, pattern) for pattern in patterns)

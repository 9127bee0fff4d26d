"""Names of tools that a person wrote down: in a persona, in a runbook. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.naming import near_names
from aiops_mcp.operation import Operation

KnownTools = Mapping[str, Operation]
"""The tools of this server by name, whether writing is allowed or not."""

# What the agent names tools of further MCP servers; those servers are not asked here.
_OF_ANOTHER_SERVER: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.-]{0,31}__[A-Za-z0-9_.-]{1,64}$")


def tools_of(operations: Iterable[Operation]) -> KnownTools:
    """Those of the operations that are tools."""
    return {operation.name: operation for operation in operations if operation.tool}


def unknown_tools(wanted: Iterable[str], known: KnownTools) -> tuple[str, ...]:
    """Names that no tool has; those of further servers (``server__tool``) are let pass."""
    return tuple(
        name for name in wanted if name not in known and not _OF_ANOTHER_SERVER.match(name)
    )


def no_such_tool(unknown: Sequence[str], known: KnownTools, where: str = "") -> InputError:
    """The error for tools there are not, with names that are near.

    ``where`` is said first: a file, with its line perhaps.
    """
    near = {name[:64]: near_names(name, tuple(known)) for name in unknown[:5]}
    said = [
        f"there is no tool {name!r}" + (f" (near: {', '.join(names)})" if names else "")
        for name, names in near.items()
    ]
    return InputError(
        f"{where}{': ' if where else ''}{'; '.join(said)}.",
        "docs/tools.md lists the tools; those of further MCP servers are written server__tool.",
        details={"fields": {"capabilities": "; ".join(said)}, "near": near},
    )

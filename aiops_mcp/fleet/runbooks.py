"""Runbooks: those that come with the toolkit, and those of a folder, which stand before them.

Their text is told, never followed here; what a folder's file says is somebody's, and data.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from aiops_mcp.errors import ResourceNotFound
from aiops_mcp.fleet.markdown_folder import Broken, MarkdownFolder
from aiops_mcp.fleet.naming import near_names
from aiops_mcp.fleet.runbook_files import builtin_runbooks, read_runbook
from aiops_mcp.fleet.runbook_search import Match, by_alert, by_words
from aiops_mcp.fleet.tool_names import KnownTools
from aiops_mcp.models.runbook import Runbook


class Runbooks:
    """``tools`` are those of this server: a folder's file may call no others."""

    def __init__(self, folder: Path | None, tools: KnownTools) -> None:
        self._folder = MarkdownFolder(
            folder,
            lambda text, name: read_runbook(text, name, known=tools),
            key=lambda runbook: runbook.name,
        )

    @cached_property
    def builtin(self) -> Mapping[str, Runbook]:
        """By name; read when they are first needed."""
        return {runbook.name: runbook for runbook in builtin_runbooks()}

    async def list(self) -> tuple[Runbook, ...]:
        """All of them by name; a file of the folder replaces a built-in one of its name."""
        if "builtin" not in vars(self):
            await asyncio.to_thread(lambda: self.builtin)  # it takes a while, once
        content = await self._folder.content()
        found = {**self.builtin, **{runbook.name: runbook for runbook in content.found}}
        return tuple(found[name] for name in sorted(found))

    async def get(self, name: str) -> Runbook:
        """One runbook.

        Raises:
            ResourceNotFound: there is none of that name; the hint names near ones.
        """
        known = await self.list()
        found = next((each for each in known if each.name == name), None)
        if found is None:
            raise _no_such(name, [each.name for each in known])
        return found

    async def find(self, *, alert: str = "", words: str = "") -> tuple[Match, ...]:
        """Those for an alert, best first, then those that speak of the words.

        An alert that no runbook names is looked for by the words of its name.
        """
        known = await self.list()
        named = by_alert(known, alert) if alert else ()
        if words or not named:
            spoken = by_words(known, f"{words} {alert if not named else ''}")
        else:
            spoken = ()
        names = {match.runbook.name for match in named}
        return (*named, *(match for match in spoken if match.runbook.name not in names))

    async def broken(self) -> tuple[Broken, ...]:
        """Files of the folder that cannot be used, and why."""
        return (await self._folder.content()).broken


def _no_such(name: str, names: Sequence[str]) -> ResourceNotFound:
    near = near_names(name, names)
    hint = f"Near names: {', '.join(near)}." if near else "find_runbook() lists them."
    return ResourceNotFound(
        f"There is no runbook {name[:64]!r}.", hint, details={"near": list(near)}
    )

"""How a command prints: a table on a terminal, JSON in a pipe, errors with their hint on stderr.

Knows nothing of what was asked. Exit codes: 0 answered, 1 failed, 2 bad input, 130 interrupted.
"""

import json
import sys
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from agents.table import fitted
from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.models.digest import Digest

EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130


class Output:
    """Where and how results go; ``as_json`` None means JSON unless stdout is a terminal."""

    def __init__(self, *, as_json: bool | None = None) -> None:
        self.as_json = (not sys.stdout.isatty()) if as_json is None else as_json
        self.console = Console()
        self.errors = Console(stderr=True)

    def digest(self, digest: Digest) -> None:
        """Print an answer; notes and coverage belong to it in both forms."""
        if self.as_json:
            self.json(digest.model_dump(mode="json", exclude_none=True))
            return
        self.console.print(Text(digest.headline, style="bold"))
        if digest.rows:
            self._table(digest)
        for note in digest.notes:
            self.console.print(Text(f"note: {note}", style="yellow"))
        if digest.more:
            self.console.print(Text(f"more: {digest.more}", style="dim"))
        moment = f"as of {digest.as_of:%Y-%m-%d %H:%M:%S} UTC" if digest.as_of else ""
        footer = "; ".join(part for part in (digest.coverage, moment) if part)
        if footer:
            self.console.print(Text(footer, style="dim"))

    def _table(self, digest: Digest) -> None:
        found = fitted(digest, self.console.width if self.console.is_terminal else None)
        # Wider than the terminal: it breaks the lines itself, as it does with those of kubectl.
        own = self.console.width
        self.console.width = max(found.width, own)
        self.console.print(found.table)
        self.console.width = own
        if found.shared:
            self.console.print(Text(f"all: {found.shared}", style="dim"))

    def json(self, value: Any) -> None:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """A line for people: to stdout on a terminal, to stderr when stdout carries JSON."""
        (self.errors if self.as_json else self.console).print(Text(text), soft_wrap=True)

    def error(self, error: AiopsError) -> int:
        """Print an error and return the exit code it deserves."""
        if self.as_json:
            body = {
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "details": error.details,
            }
            sys.stderr.write(json.dumps({"error": body}, ensure_ascii=False, default=str) + "\n")
        else:
            line = Text("error: ", style="bold red") + Text(error.message)
            self.errors.print(line)
            if error.hint:
                self.errors.print(Text(error.hint))
        return EXIT_BAD_INPUT if isinstance(error, InputError) else EXIT_FAILED

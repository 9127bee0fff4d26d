"""How a command prints: a table on a terminal, JSON in a pipe, errors with their hint on stderr.

Knows nothing of what was asked. Exit codes: 0 answered, 1 failed, 2 bad input, 130 interrupted.
"""

import json
import sys
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.models.digest import Cell, Digest

EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130

NAME_LENGTH: Final = 32
WORD_LENGTH: Final = 9
"""Cells up to this length are kept on one line: the first column's, and the others'."""

_COLOURS = {
    "ONLINE": "green",
    "healthy": "green",
    "DEGRADED": "yellow",
    "WARNING": "yellow",
    "UNKNOWN": "yellow",
    "OFFLINE": "red",
    "FAILING": "red",
    "CRITICAL": "red",
}


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
            self.console.print(_table(digest))
        for note in digest.notes:
            self.console.print(Text(f"note: {note}", style="yellow"))
        if digest.more:
            self.console.print(Text(f"more: {digest.more}", style="dim"))
        moment = f"as of {digest.as_of:%Y-%m-%d %H:%M:%S} UTC" if digest.as_of else ""
        footer = "; ".join(part for part in (digest.coverage, moment) if part)
        if footer:
            self.console.print(Text(footer, style="dim"))

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


def _table(digest: Digest) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, column in enumerate(digest.columns):
        numeric = all(
            row[index] is None or (isinstance(row[index], (int, float))) for row in digest.rows
        )
        widest = max((len(str(row[index])) for row in digest.rows), default=0)
        table.add_column(
            column.upper(),
            justify="right" if numeric else "left",
            overflow="fold",
            # A name broken over lines can neither be read nor copied.
            no_wrap=widest <= (NAME_LENGTH if index == 0 else WORD_LENGTH),
        )
    for row in digest.rows:
        table.add_row(*(_cell(cell) for cell in row))
    return table


def _number(value: float) -> str:
    """Six digits; a large number stays a plain one, without an exponent."""
    short = f"{value:g}"
    return f"{float(short):.0f}" if 1e6 <= abs(float(short)) < 1e15 else short


def _cell(cell: Cell) -> Text:
    """A cell as plain text: what comes from a cluster is never read as markup."""
    if cell is None:
        return Text("-", style="dim")
    text = _number(cell) if isinstance(cell, float) else str(cell)
    return Text(text, style=_COLOURS.get(text, ""))

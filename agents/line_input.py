"""Lines that a person types: asked for on a terminal, with a history that holds no secrets.

Asking blocks the process on purpose: whoever types is the one it works for.
"""

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from aiops_mcp.redaction import clean_text

MOST_LINES = 1_000


def typed_line(prompt: str) -> str:
    """The line that is typed next, without its end.

    Raises:
        EOFError: there is no more.
        KeyboardInterrupt: ctrl-c, also while an event loop runs.
    """
    with _interrupts():
        return input(prompt)


@contextmanager
def _interrupts() -> Generator[None]:
    """Let ctrl-c raise at once: the handler of a running event loop only takes note of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class History:
    """What was typed before, in a file that only its owner can read; none where nobody types."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readline = _readline() if sys.stdin.isatty() else None

    def load(self) -> None:
        if self._readline is None:
            return
        self._readline.set_auto_history(False)
        self._readline.set_history_length(MOST_LINES)
        if self._path.exists():
            self._readline.read_history_file(self._path)

    def add(self, line: str) -> None:
        if self._readline is not None and (cleaned := clean_text(line).strip()):
            self._readline.add_history(cleaned)

    def save(self) -> None:
        if self._readline is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Made for its owner alone before anything stands in it.
        os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._path.chmod(0o600)
        self._readline.write_history_file(self._path)


def _readline() -> ModuleType | None:
    try:
        import readline
    except ImportError:  # a Python built without it
        return None
    return readline

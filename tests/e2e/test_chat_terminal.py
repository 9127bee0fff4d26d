"""`aiops chat` on a terminal: ctrl-c stops the answer and not the command; what is typed is kept."""

import os
import pty
import re
import select
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(90)

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment, "TERM": "xterm", "COLUMNS": "120"},
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - this process has no other threads
        )
        os.close(theirs)
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait_for(self, text: str, seconds: float = 40.0) -> str:
        """Read until ``text`` was shown; what was shown since the last wait."""
        ends = time.monotonic() + seconds
        while text not in self._seen:
            left = ends - time.monotonic()
            if left <= 0 or not select.select([self._ours], [], [], left)[0]:
                raise AssertionError(f"{text!r} was not shown, but:\n{self._seen}")
            self._seen += _ESCAPES.sub("", os.read(self._ours, 65536).decode(errors="replace"))
        shown, _, self._seen = self._seen.partition(text)
        return shown

    def press_until(self, key: str, text: str) -> None:
        """Press a key, again where it came between the prompt and the wait for keys after it."""
        for _ in range(5):
            self.type(key)
            try:
                self.wait_for(text, 3.0)
            except AssertionError:
                continue
            return
        raise AssertionError(f"{text!r} was not shown, but:\n{self._seen}")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_ctrl_c_stops_the_answer_and_ctrl_d_ends(
    aiops: str, tmp_path: Path, model_url: str, environment_of: Any
) -> None:
    environment = environment_of(tmp_path, AIOPS_MODEL_URLS=model_url)
    terminal = Terminal([aiops, "chat"], environment)
    try:
        terminal.wait_for("> ")
        terminal.type("Why is it slow? password=hunter2secret\n")
        terminal.wait_for("word-3 ")
        terminal.type("\x03")
        terminal.wait_for("stopped")
        terminal.wait_for("> ")
        terminal.press_until("\x03", "> ")  # at the prompt it clears the line
        terminal.type("/sessions\n")
        assert "Why is it slow?" in terminal.wait_for("> ", 10)
        terminal.type("\x04")
        assert terminal.process.wait(20) == 0
    finally:
        terminal.close()
    history = tmp_path / "chat_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    text = history.read_text()
    assert "Why is it slow?" in text
    assert "hunter2" not in text

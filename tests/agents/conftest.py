"""The commands in this process: no subprocess, a home of its own, the real application."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agents import cli

sys.path.insert(
    0, str(Path(__file__).parent)
)  # importlib mode does not, and scripted models are shared


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        return json.loads(self.out)

    def error(self) -> dict[str, Any]:
        assert self.code != 0, self.out
        return json.loads(self.err)["error"]


Aiops = Callable[..., Ended]


@pytest.fixture(scope="session", autouse=True)
def _commands() -> None:
    cli.register()


@pytest.fixture
def aiops(tmp_path: Path) -> Aiops:
    """Runs `aiops …` as in a pipe; ``keep`` are further environment variables."""
    runner = CliRunner()

    def run(*arguments: str, stdin: str | None = None, **keep: str) -> Ended:
        env = {
            "AIOPS_HOME": str(tmp_path),
            "KUBECONFIG": str(tmp_path / "none"),
            "AIOPS_SERVER": "",
            "COLUMNS": "160",
            **keep,
        }
        ended = runner.invoke(cli.app, cli.output_options_first(arguments), env=env, input=stdin)
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    return run

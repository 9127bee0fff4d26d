"""How the commands start: quickly, without what they do not need, and with completion."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

BIN = Path(sys.executable).parent
HEAVY = ("fastmcp", "mcp", "openai", "sqlalchemy", "numpy", "kubernetes", "starlette", "uvicorn")
CLIENTS = ("claude-code", "claude-desktop", "cursor", "goose", "vscode")


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    ).stdout


@pytest.mark.parametrize(
    "start",
    [
        "from agents.cli import main; sys.argv = ['aiops', '--help']; main()",
        "from agents.cli import main; sys.argv = ['aiops', 'clusters', 'add', '--help']; main()",
        "from agents.cli import main; sys.argv = ['aiops', '--version']; main()",
        "from aiops_mcp.__main__ import main; main(['--help'])",
        "from aiops_mcp.__main__ import main; sys.exit(main(['config', 'vscode']))",
    ],
)
def test_help_loads_no_heavy_library(start: str) -> None:
    said = python(
        f"import sys\ntry:\n    {start}\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert said.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered(shell: str) -> None:
    shown = subprocess.run(
        [BIN / "aiops"],
        env={**os.environ, "_AIOPS_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "_AIOPS_COMPLETE" in shown.stdout


def test_completion_knows_the_commands() -> None:
    env = {"_AIOPS_COMPLETE": "complete_bash", "COMP_WORDS": "aiops clu", "COMP_CWORD": "1"}
    shown = subprocess.run(
        [BIN / "aiops"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert shown.stdout.split() == ["clusters"]


def config(client: str, *options: str) -> tuple[Any, str]:
    shown = subprocess.run(
        [BIN / "aiops-mcp", "config", client, *options],
        env={**os.environ, "AIOPS_TOKEN": "never-print-this-token"},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert shown.stderr.startswith("# for ")
    parsed = yaml.safe_load(shown.stdout) if client == "goose" else json.loads(shown.stdout)
    return parsed, shown.stdout + shown.stderr


def server_of(parsed: dict[str, Any]) -> dict[str, Any]:
    for key in ("mcpServers", "servers", "extensions"):
        if key in parsed:
            return parsed[key]["aiops"]
    raise AssertionError(parsed)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_starts_the_server(client: str) -> None:
    entry = server_of(config(client)[0])
    command = entry.get("command") or entry["cmd"]
    assert Path(command).name == "aiops-mcp"
    assert os.access(command, os.X_OK)
    assert entry["args"] == []


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_of_a_running_server(client: str) -> None:
    parsed, text = config(client, "--url", "https://aiops.example.com/")
    assert "https://aiops.example.com/mcp" in text
    assert "//mcp" not in text
    assert "never-print-this-token" not in text
    # Each in its own way of naming a variable, or a question to the person.
    assert {
        "claude-code": "Bearer ${AIOPS_TOKEN:-}",
        "claude-desktop": "Authorization:${AUTH_HEADER}",
        "cursor": "Bearer ${env:AIOPS_TOKEN}",
        "goose": "Bearer ${AIOPS_TOKEN}",
        "vscode": "Bearer ${input:aiops-token}",
    }[client] in json.dumps(parsed)


def test_an_unknown_client_is_refused() -> None:
    ended = subprocess.run(
        [BIN / "aiops-mcp", "config", "emacs"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 2
    assert "claude-code" in ended.stderr

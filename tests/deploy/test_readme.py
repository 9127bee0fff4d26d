"""What the README tells people to type exists, and what it links to is there."""

import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiops_mcp.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BIN = Path(sys.executable).parent


def commands() -> Iterator[str]:
    for block in re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            plain = re.sub(r"\s+#.*$", "", line).strip()
            if plain.startswith(("aiops", ".venv/bin/aiops")):
                yield plain


def words(line: str) -> list[str]:
    """Program and subcommands, before the first operand."""
    return [re.sub(r"^\.venv/bin/", "", word) for word in shlex.split(line)]


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_a_command_and_its_options_exist(line: str) -> None:
    program, *rest = words(line)
    options = [word for word in rest if word.startswith("--")]
    path: list[str] = []
    helps = ""
    for word in ["", *[word for word in rest if re.fullmatch(r"[a-z]+", word)]]:
        tried = [*path, word] if word else path
        shown = subprocess.run(
            [BIN / program, *tried, "--help"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env={"COLUMNS": "200", "PATH": "", "TERM": "dumb"},
        )
        if shown.returncode or shown.stdout == helps:
            break
        path = tried
        helps += shown.stdout
    assert path or program == "aiops-mcp" or "--demo" in options, line
    assert [option for option in options if option not in helps] == []


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_a_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_every_tool_is_named() -> None:
    named = set(re.findall(r"`([a-z_]+)`", README))
    assert {operation.name for operation in OPERATIONS if operation.tool} <= named


def test_make_has_the_two_commands() -> None:
    targets = re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    used = re.findall(r"^make ([a-z0-9]+)", README, re.MULTILINE)
    assert used == ["demo", "test"]
    assert set(used) <= set(targets)


def test_the_picture_needs_no_other_server() -> None:
    text = (ROOT / "docs" / "picture.svg").read_text("utf-8")
    assert ET.fromstring(text).tag.endswith("svg")
    assert "url(http" not in text
    assert "clusters answered" in text.replace("&#160;", " ")

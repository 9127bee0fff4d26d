"""Prompt files: front matter, arguments, places."""

import re
from pathlib import Path

import pytest

from aiops_mcp.errors import InputError
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.surfaces.prompts import load_prompts, parse_prompt

GOOD = """---
name: ask_it
title: Ask
description: Asks
arguments:
  - {name: what, description: What, required: true, complete: metric}
  - {name: how, description: How, default: "well: done"}
---
Ask {{what}} {{ how }}, and {{what}} again.
"""


def test_a_prompt_fills_its_places() -> None:
    prompt = parse_prompt(GOOD, "ask.md")
    assert prompt.render({"what": "  a\nb "}) == "Ask a b well: done, and a b again."
    assert prompt.render({"what": "{{how}}", "how": "x"}) == "Ask {{how}} x, and {{how}} again."
    assert [argument.complete for argument in prompt.arguments] == ["metric", None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no front matter", "has no front matter"),
        ("---\nname: x\n---\n", "has no front matter"),
        ("---\n: [\n---\nbody", "malformed front matter"),
        ("---\njust text\n---\nbody", "malformed front matter"),
        ("---\nname: Bad Name\ntitle: t\ndescription: d\n---\nbody", "malformed front matter"),
        (GOOD.replace("{{ how }}", ""), "places and arguments differ"),
        (GOOD.replace("again", "{{nobody}}"), "places and arguments differ"),
    ],
)
def test_a_malformed_file_is_named(text: str, said: str) -> None:
    with pytest.raises(InputError, match=f"^bad.md.*{said}"):
        parse_prompt(text, "bad.md")


def test_a_folder_is_read_in_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text(GOOD.replace("ask_it", "second"))
    (tmp_path / "a.md").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("not a prompt")
    assert [prompt.name for prompt in load_prompts(tmp_path)] == ["ask_it", "second"]


def test_every_prompt_of_ours_can_be_rendered_and_is_short() -> None:
    for prompt in load_prompts():
        given = {a.name: f"<{a.name}>" for a in prompt.arguments if a.required}
        text = prompt.render(given)
        assert "{{" not in text
        assert len(text) < 2200


def test_tools_that_our_prompts_name_are_there() -> None:
    tools = {operation.name for operation in OPERATIONS if operation.tool}
    verbs = {name.partition("_")[0] for name in tools}
    for prompt in load_prompts():
        text = prompt.render({a.name: "x" for a in prompt.arguments if a.required})
        words = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text))
        named = {word for word in words if word.partition("_")[0] in verbs}
        assert len(named) >= 4, prompt.name
        assert named <= tools, prompt.name

"""Personas as files: what is read, what is refused and how that is said."""

from pathlib import Path

import pytest

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.markdown_folder import MarkdownFolder
from aiops_mcp.fleet.persona_files import read_persona
from aiops_mcp.fleet.tool_names import tools_of
from aiops_mcp.operations import OPERATIONS

KNOWN = tools_of(OPERATIONS)

GOOD = """---
id: night-shift
name: Night shift
description: Looks after the shop
icon: moon
tools: [triage, query_metrics, github__search_code]
limits: {steps: 5, tokens: 20000}
questions: [Is the shop well?]
---

You look after the shop.

Be brief.
"""


def test_a_file_is_a_persona() -> None:
    persona = read_persona(GOOD, "night.md", known=KNOWN)
    assert persona.id == "night-shift"
    assert persona.name == "Night shift"
    assert persona.capabilities == ("triage", "query_metrics", "github__search_code")
    assert persona.system_prompt == "You look after the shop.\n\nBe brief."
    assert (persona.limits.steps, persona.limits.tokens) == (5, 20000)
    assert persona.questions == ("Is the shop well?",)
    assert not persona.is_builtin


def test_the_file_s_name_stands_for_what_is_not_said() -> None:
    persona = read_persona("---\ntools: []\n---\nHello", "day-shift.md")
    assert (persona.id, persona.name, persona.capabilities) == ("day-shift", "day-shift", ())


def test_windows_files_and_byte_order_marks_are_read() -> None:
    persona = read_persona("\ufeff" + GOOD.replace("\n", "\r\n"), "night.md")
    assert persona.id == "night-shift"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("You are.", r"^bad\.md line 1: no front matter"),
        ("", r"^bad\.md line 1: no front matter"),
        ("---\nid: x\n", r"^bad\.md line 1: the front matter has no end"),
        ("---\njust text\n---\nHello", r"^bad\.md line 2: the front matter has no fields"),
        ("---\n- a\n---\nHello", r"^bad\.md line 2: the front matter has no fields"),
        ("---\nid: ab-c\nname: [\n---\nHello", r"^bad\.md line [345]: "),
        (GOOD.replace("tools:", "tool:"), r"there is no field 'tool'.*Did you mean tools\?"),
        (GOOD.replace("icon: moon", "zzz: 1"), r"there is no field 'zzz'.*It takes id, name"),
        (GOOD[: GOOD.index("You look")], r"^bad\.md line 10: no prompt"),
        (GOOD.replace("night-shift", "Night Shift"), r"^bad\.md: id: String should match"),
        (GOOD.replace("steps: 5", "steps: 500"), r"^bad\.md: limits\.steps: "),
        (GOOD.replace("triage", "triag"), r"^bad\.md: there is no tool 'triag' \(near: triage"),
        (GOOD.replace("[triage, query_metrics, github__search_code]", "{a: 1}"), "capabilities: "),
        ("---\nid: &a x\nname: *a\n---\nHello", "aliases are not taken"),
        ("---\nid: 2026-99-99\n---\nHello", r"^bad\.md line 2: no value can be made of it"),
        ("---\nid: " + "[" * 30_000 + "\n---\nHello", r"^bad\.md line"),
        ("---\nid: ab-c\n---\n" + "x" * 70_000, "has 70017 characters"),
        ("---\nid: ab-c\n---\n" + "x" * 17_000, "system_prompt: "),
        ("---\nid: !!python/object/apply:os.system [x]\n---\nHello", r"^bad\.md line 2: "),
    ],
)
def test_what_cannot_be_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_persona(text, "bad.md", known=KNOWN)


# --- a folder ------------------------------------------------------------------------------


def folder_of(place: Path) -> MarkdownFolder:
    return MarkdownFolder(
        place,
        lambda text, name: read_persona(text, name, known=KNOWN),
        key=lambda persona: persona.id,
    )


async def test_a_broken_file_is_told_once_and_stops_no_other(tmp_path, caplog) -> None:
    (tmp_path / "night.md").write_text(GOOD)
    (tmp_path / "bad.md").write_text("You are.")
    (tmp_path / "README.md").write_text("What this folder is for.")
    (tmp_path / ".hidden.md").write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.md").mkdir()
    folder = folder_of(tmp_path)
    for _ in range(2):
        content = await folder.content()
        assert [persona.id for persona in content.found] == ["night-shift"]
        assert [broken.file for broken in content.broken] == ["bad.md"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith("not used: bad.md line 1: no front matter")


async def test_a_changed_file_is_read_again(tmp_path) -> None:
    file = tmp_path / "night.md"
    file.write_text(GOOD)
    folder = folder_of(tmp_path)
    assert (await folder.content()).found[0].name == "Night shift"
    again = await folder.content()
    assert (await folder.content()) is again, "nothing changed, so nothing is read"
    file.write_text(GOOD.replace("Night shift", "Late shift"))
    assert (await folder.content()).found[0].name == "Late shift"
    (tmp_path / "second.md").write_text(GOOD.replace("night-shift", "second-one"))
    assert len((await folder.content()).found) == 2
    file.unlink()
    assert [each.id for each in (await folder.content()).found] == ["second-one"]


async def test_a_mended_file_is_used(tmp_path, caplog) -> None:
    file = tmp_path / "night.md"
    file.write_text(GOOD.replace("triage", "triag"))
    folder = folder_of(tmp_path)
    assert (await folder.content()).found == ()
    file.write_text(GOOD)
    content = await folder.content()
    assert (len(content.found), content.broken) == (1, ())


async def test_what_was_told_is_not_told_again_when_another_file_breaks(tmp_path, caplog) -> None:
    (tmp_path / "bad.md").write_text("You are.")
    folder = folder_of(tmp_path)
    await folder.content()
    (tmp_path / "worse.md").write_text("You were.")
    await folder.content()
    told = [record.getMessage().split()[2] for record in caplog.records]
    assert told == ["bad.md", "worse.md"]


async def test_two_files_of_one_id(tmp_path) -> None:
    (tmp_path / "a.md").write_text(GOOD)
    (tmp_path / "b.md").write_text(GOOD.replace("Night shift", "Another"))
    content = await folder_of(tmp_path).content()
    assert [persona.name for persona in content.found] == ["Night shift"]
    assert str(content.broken[0].error).startswith("b.md: another file is night-shift too.")


async def test_a_folder_that_is_not_there_and_files_that_are_no_text(tmp_path) -> None:
    content = await folder_of(tmp_path / "none").content()
    assert "cannot be read: No such file" in str(content.broken[0].error)
    (tmp_path / "binary.md").write_bytes(b"---\n\xff\xfe\n---\n")
    (tmp_path / "huge.md").write_bytes(b"x" * 300_000)
    (tmp_path / "dangling.md").symlink_to(tmp_path / "nowhere")
    errors = {each.file: str(each.error) for each in (await folder_of(tmp_path).content()).broken}
    assert errors["binary.md"].startswith("binary.md is no UTF-8 text.")
    assert "characters" in errors["huge.md"]
    assert set(errors) == {"binary.md", "huge.md"}


async def test_a_folder_that_comes_and_goes(tmp_path) -> None:
    place = tmp_path / "personas"
    folder = folder_of(place)
    assert (await folder.content()).found == ()
    place.mkdir()
    (place / "night.md").write_text(GOOD)
    assert len((await folder.content()).found) == 1
    (place / "night.md").unlink()
    place.rmdir()
    content = await folder.content()
    assert (content.found, len(content.broken)) == ((), 1)


async def test_without_a_folder_there_is_nothing() -> None:
    folder = MarkdownFolder(None, read_persona, key=lambda persona: persona.id)
    assert (await folder.content()).found == ()

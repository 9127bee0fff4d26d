"""Custom personas on both databases: made, changed, deleted, and who may."""

import asyncio

import pytest

from aiops_mcp.errors import (
    Conflict,
    InputError,
    PermissionDenied,
    PersonaNotFound,
    PersonaReadonly,
)
from aiops_mcp.fleet.personas import PersonaFiles, Personas
from aiops_mcp.fleet.tool_names import tools_of
from aiops_mcp.models.persona import PersonaLimits
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.storage.personas import PersonaTable

TOOLS = tools_of(OPERATIONS)
JANE = Principal(subject="jane", role=Role.OPERATOR)
JOE = Principal(subject="joe", role=Role.OPERATOR)
VIEWER = Principal(subject="vera", role=Role.VIEWER)
NEW = {
    "id": "night-shift",
    "name": "Night shift",
    "system_prompt": "You look after the shop.",
    "capabilities": ("triage", "query_metrics"),
}
FILE = """---
id: from-file
name: From a file
tools: [triage, register_cluster]
---
You are a file.
"""


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "personas"
    place.mkdir()
    (place / "from-file.md").write_text(FILE)
    return place


@pytest.fixture
def personas(database, folder, clock):
    return Personas(PersonaTable(database), PersonaFiles(folder, TOOLS), TOOLS, clock)


async def test_a_persona_is_kept_as_it_was_made(personas, database, folder, clock) -> None:
    given = {**NEW, "questions": ("Is the shop well?",), "limits": PersonaLimits(steps=3)}
    made = await personas.create(given, JANE)
    assert (made.created_by, made.created_at, made.is_builtin) == ("jane", clock.now, False)
    again = Personas(PersonaTable(database), PersonaFiles(folder, TOOLS), TOOLS, clock)
    assert await again.get("night-shift", JANE) == made
    assert (await again.get("night-shift")).limits.steps == 3


async def test_all_are_listed_files_first(personas) -> None:
    await personas.create(NEW, JANE)
    await personas.create({**NEW, "id": "another-one"}, JOE)
    ids = [persona.id for persona in await personas.list()]
    assert ids[0] == "default"
    assert ids[-3:] == ["from-file", "another-one", "night-shift"]
    assert len(ids) == 8


async def test_an_id_that_is_taken(personas) -> None:
    await personas.create(NEW, JANE)
    for taken in ("default", "gpu-expert", "from-file", "night-shift"):
        with pytest.raises(Conflict, match=f"a persona {taken} already") as raised:
            await personas.create({**NEW, "id": taken}, JOE)
        assert raised.value.status == 409


async def test_of_many_who_want_one_id_one_gets_it(personas) -> None:
    made = await asyncio.gather(
        *(personas.create({**NEW, "name": f"N{n}"}, JANE) for n in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Conflict) for each in made) == 5
    kept = await personas.get("night-shift")
    assert kept in made


BAD_FIELDS = (
    ({"id": "No Good"}, "id"),
    ({"id": "ab"}, "id"),
    ({"name": ""}, "name"),
    ({"system_prompt": ""}, "system_prompt"),
    ({"system_prompt": "x" * 16_001}, "system_prompt"),
    ({"capabilities": ("triage",) * 65}, "capabilities"),
    ({"questions": ("x",) * 9}, "questions"),
    ({"icon": "x" * 33}, "icon"),
)


async def test_fields_that_cannot_be(personas) -> None:
    for change, path in BAD_FIELDS:
        with pytest.raises(InputError, match="cannot be kept") as raised:
            await personas.create({**NEW, **change}, JANE)
        assert list(raised.value.details["fields"]) == [path]
    assert len(await personas.list()) == 6


async def test_unknown_tools_are_refused_with_names_that_are_near(personas) -> None:
    with pytest.raises(InputError, match=r"there is no tool 'query_metric' \(near: query_metrics"):
        await personas.create({**NEW, "capabilities": ("query_metric",)}, JANE)
    made = await personas.create({**NEW, "capabilities": ("triage", "git__search")}, JANE)
    assert made.capabilities == ("triage", "git__search")
    with pytest.raises(InputError, match="no tool 'zzzz'"):
        await personas.update("night-shift", {"capabilities": ("zzzz",)}, JANE)


async def test_only_the_given_fields_change(personas, clock) -> None:
    made = await personas.create(NEW, JANE)
    clock.advance(hours=1)
    changed = await personas.update("night-shift", {"description": "For the night"}, JANE)
    assert changed == made.model_copy(
        update={"description": "For the night", "updated_at": clock.now}
    )
    assert await personas.get("night-shift") == changed
    assert changed.created_at == made.created_at


async def test_a_refused_change_leaves_it_as_it_was(personas) -> None:
    made = await personas.create(NEW, JANE)
    with pytest.raises(InputError, match="name: "):
        await personas.update("night-shift", {"name": "", "description": "x"}, JANE)
    assert await personas.get("night-shift") == made


async def test_files_are_read_only(personas) -> None:
    for each, where in (("default", "is built-in"), ("from-file", "is a file of the personas'")):
        with pytest.raises(PersonaReadonly, match=where) as raised:
            await personas.update(each, {"name": "Mine"}, LOCAL_ADMIN)
        assert (raised.value.code, raised.value.status) == ("PERSONA_READONLY", 403)
        with pytest.raises(PersonaReadonly, match=where):
            await personas.delete(each, LOCAL_ADMIN)
        assert (await personas.get(each)).name != "Mine"


async def test_what_is_not_there(personas) -> None:
    await personas.create(NEW, JANE)
    for ask in (
        personas.get("night-shif"),
        personas.update("night-shif", {"name": "x"}, JANE),
        personas.delete("night-shif", JANE),
    ):
        with pytest.raises(PersonaNotFound, match=r"'night-shif'.*Near names: night-shift"):
            await ask


async def test_only_its_maker_and_administrators_change_it(personas) -> None:
    await personas.create(NEW, JANE)
    with pytest.raises(PermissionDenied, match="made by another user"):
        await personas.update("night-shift", {"system_prompt": "Obey Joe."}, JOE)
    with pytest.raises(PermissionDenied, match="made by another user"):
        await personas.delete("night-shift", JOE)
    assert (await personas.get("night-shift", JOE)).system_prompt == NEW["system_prompt"]
    await personas.update("night-shift", {"name": "By the admin"}, LOCAL_ADMIN)
    assert (await personas.get("night-shift")).created_by == "jane"
    gone = await personas.delete("night-shift", JANE)
    assert gone.name == "By the admin"
    with pytest.raises(PersonaNotFound):
        await personas.get("night-shift")


async def test_a_persona_gives_nobody_more_rights(personas) -> None:
    with pytest.raises(PermissionDenied, match="operator may not use register_cluster"):
        await personas.create({**NEW, "capabilities": ("register_cluster",)}, JANE)
    await personas.create({**NEW, "capabilities": ("triage", "register_cluster")}, LOCAL_ADMIN)
    assert (await personas.get("night-shift")).capabilities == ("triage", "register_cluster")
    for who in (JANE, VIEWER):
        assert (await personas.get("night-shift", who)).capabilities == ("triage",)
        listed = {persona.id: persona.capabilities for persona in await personas.list(who)}
        assert listed["night-shift"] == ("triage",)
        assert listed["from-file"] == ("triage",)


async def test_a_file_hides_a_made_one_of_its_id(personas, folder) -> None:
    await personas.create(NEW, JANE)
    (folder / "night.md").write_text(FILE.replace("from-file", "night-shift"))
    assert (await personas.get("night-shift")).name == "From a file"
    assert [each.id for each in await personas.list()].count("night-shift") == 1
    with pytest.raises(PersonaReadonly):
        await personas.update("night-shift", {"name": "x"}, JANE)


async def test_a_file_replaces_a_built_in_one(personas, folder) -> None:
    (folder / "mine.md").write_text(FILE.replace("from-file", "default"))
    first = (await personas.list())[0]
    assert (first.id, first.name, first.is_builtin) == ("default", "From a file", False)


async def test_a_broken_file_is_told(personas, folder) -> None:
    (folder / "broken.md").write_text("nothing")
    assert [each.file for each in await personas.broken()] == ["broken.md"]
    assert (await personas.get("from-file")).name == "From a file"


async def test_there_are_not_too_many(database, clock) -> None:
    table = PersonaTable(database)
    personas = Personas(table, PersonaFiles(None, TOOLS), TOOLS, clock)
    made = await personas.create(NEW, JANE)
    assert await table.add(made.model_copy(update={"id": "two-of-two"}), most=2)
    assert not await table.add(made.model_copy(update={"id": "one-too-many"}), most=2)
    assert [each.id for each in await table.list()] == ["night-shift", "two-of-two"]

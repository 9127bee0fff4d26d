"""Personas: those that come with the toolkit, those of a folder, and those people made.

A file of the folder stands before a built-in one of the same id, and both before the database:
what an administrator put there is not shadowed by what a user made. A persona never widens rights:
whoever asks is shown of its tools those that the caller's role may use, and tools stay bound by it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import ValidationError

from aiops_mcp.errors import (
    Conflict,
    InputError,
    PermissionDenied,
    PersonaNotFound,
    PersonaReadonly,
)
from aiops_mcp.fleet.markdown_folder import Broken, MarkdownFolder
from aiops_mcp.fleet.naming import near_names
from aiops_mcp.fleet.persona_files import builtin_personas, read_persona
from aiops_mcp.fleet.tool_names import KnownTools, no_such_tool, unknown_tools
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role

MOST_PERSONAS: Final = 500
"""Custom ones on one server: nobody finds theirs among more."""


class PersonaRows(Protocol):
    """Where custom personas are kept. Every method raises ``StorageFailed``."""

    async def list(self) -> tuple[Persona, ...]: ...

    async def get(self, persona_id: str) -> Persona | None: ...

    async def add(self, persona: Persona, *, most: int) -> bool: ...

    async def change(
        self, persona_id: str, changed: Callable[[Persona], Persona], now: datetime
    ) -> Persona | None: ...

    async def remove(self, persona_id: str) -> bool: ...


class PersonaFiles:
    """Built-in personas and those of a folder: all that is known without a database."""

    def __init__(self, folder: Path | None, tools: KnownTools) -> None:
        self._folder = MarkdownFolder(
            folder,
            lambda text, name: read_persona(text, name, known=tools),
            key=lambda persona: persona.id,
        )

    @cached_property
    def builtin(self) -> Mapping[str, Persona]:
        """By id; read when they are first needed."""
        return {persona.id: persona for persona in builtin_personas()}

    async def by_id(self) -> Mapping[str, Persona]:
        """All of them, the built-in ones first; a file of the folder replaces one of its id."""
        content = await self._folder.content()
        return {**self.builtin, **{persona.id: persona for persona in content.found}}

    async def broken(self) -> tuple[Broken, ...]:
        """The folder's files that cannot be used."""
        return (await self._folder.content()).broken


class Personas:
    """``tools`` are those of this server, by name."""

    def __init__(
        self,
        rows: PersonaRows,
        files: PersonaFiles,
        tools: KnownTools,
        clock: Callable[[], datetime],
    ) -> None:
        self._rows = rows
        self._files = files
        self._tools = tools
        self._clock = clock

    async def list(self, principal: Principal = LOCAL_ADMIN) -> tuple[Persona, ...]:
        """All personas, those of files first; each with the tools that the caller may use.

        Raises:
            StorageFailed: the database does not answer.
        """
        files = await self._files.by_id()
        made = [each for each in await self._rows.list() if each.id not in files]
        return tuple(self._for(each, principal) for each in (*files.values(), *made))

    async def get(self, persona_id: str, principal: Principal = LOCAL_ADMIN) -> Persona:
        """One persona, with the tools that the caller may use.

        Raises:
            PersonaNotFound: there is none of that id; the hint names near ones.
            StorageFailed: the database does not answer.
        """
        found = (await self._files.by_id()).get(persona_id) or await self._rows.get(persona_id)
        if found is None:
            raise await self._no_such(persona_id)
        return self._for(found, principal)

    async def create(self, given: Mapping[str, Any], principal: Principal) -> Persona:
        """Keep a new persona of the caller's.

        Raises:
            InputError: a field is malformed, or a tool does not exist.
            PermissionDenied: a tool that the caller's role may not use.
            Conflict: the id is taken, or there are too many personas.
        """
        now = self._clock()
        persona = self._checked(
            {**given, "created_by": principal.subject, "created_at": now, "updated_at": now},
            principal,
        )
        if persona.id in await self._files.by_id() or await self._rows.get(persona.id):
            raise _taken(persona.id)
        if not await self._rows.add(persona, most=MOST_PERSONAS):
            if await self._rows.get(persona.id):
                raise _taken(persona.id)
            raise Conflict(f"There are {MOST_PERSONAS} personas already.", "Delete one first.")
        return persona

    async def update(
        self, persona_id: str, given: Mapping[str, Any], principal: Principal
    ) -> Persona:
        """Change the fields that are given.

        Raises:
            PersonaReadonly: it is built-in, or a file of the folder.
            PersonaNotFound: there is none of that id.
            PermissionDenied: another user made it, or a tool that the caller may not use.
            InputError: a field is malformed, or a tool does not exist.
        """
        await self._refuse_files(persona_id)

        def changed(there: Persona) -> Persona:
            _refuse_others(there, principal)
            kept = {name: getattr(there, name) for name in Persona.model_fields}
            return self._checked({**kept, **given}, principal, there.capabilities)

        made = await self._rows.change(persona_id, changed, self._clock())
        if made is None:
            raise await self._no_such(persona_id)
        return self._for(made, principal)

    async def delete(self, persona_id: str, principal: Principal) -> Persona:
        """Forget a persona, and return what it was. Raises as `update`."""
        await self._refuse_files(persona_id)
        there = await self._rows.get(persona_id)
        if there is None:
            raise await self._no_such(persona_id)
        _refuse_others(there, principal)
        if not await self._rows.remove(persona_id):
            raise await self._no_such(persona_id)
        return self._for(there, principal)

    async def broken(self) -> tuple[Broken, ...]:
        """Files of the folder that cannot be used, and why."""
        return await self._files.broken()

    def _for(self, persona: Persona, principal: Principal) -> Persona:
        usable = tuple(name for name in persona.capabilities if self._may(name, principal))
        if usable == persona.capabilities:
            return persona
        return persona.model_copy(update={"capabilities": usable})

    def _may(self, name: str, principal: Principal) -> bool:
        """Tools of further servers are bound there; those that went away are offered by nobody."""
        tool = self._tools.get(name)
        return tool is None or principal.may(tool.needs)

    def _checked(
        self, fields: Mapping[str, Any], principal: Principal, had: Sequence[str] = ()
    ) -> Persona:
        try:
            persona = Persona(**fields)
        except ValidationError as error:
            raise _malformed(error) from error
        new = [name for name in persona.capabilities if name not in had]
        if unknown := unknown_tools(new, self._tools):
            raise no_such_tool(unknown, self._tools)
        if beyond := [name for name in new if not self._may(name, principal)]:
            raise PermissionDenied(
                f"The role {principal.role} may not use {', '.join(beyond)}.",
                "Leave these tools out: a persona gives nobody more rights.",
            )
        return persona

    async def _refuse_files(self, persona_id: str) -> None:
        known = (await self._files.by_id()).get(persona_id)
        if known is None:
            return
        where = "is built-in" if known.is_builtin else "is a file of the personas' folder"
        raise PersonaReadonly(
            f"The persona {persona_id} {where}.", "Make one of your own with another id."
        )

    async def _no_such(self, persona_id: str) -> PersonaNotFound:
        names = [persona.id for persona in await self.list()]
        near = near_names(persona_id, names)
        return PersonaNotFound(
            f"There is no persona {persona_id[:40]!r}.",
            f"Near names: {', '.join(near)}." if near else f"There are: {', '.join(names[:20])}.",
            details={"near": list(near)},
        )


def _taken(persona_id: str) -> Conflict:
    return Conflict(f"There is a persona {persona_id} already.", "Choose another id.")


def _refuse_others(persona: Persona, principal: Principal) -> None:
    """A prompt is followed by whoever uses it: only its maker may change what others read."""
    if principal.role is not Role.ADMIN and persona.created_by != principal.subject:
        raise PermissionDenied(
            f"The persona {persona.id} was made by another user.", "Make one of your own."
        )


def _malformed(error: ValidationError) -> InputError:
    fields = {
        ".".join(str(step) for step in fault["loc"]): fault["msg"].removeprefix("Value error, ")
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    }
    said = "; ".join(f"{path}: {message}" for path, message in fields.items())
    return InputError(f"The persona cannot be kept: {said}.", details={"fields": fields})

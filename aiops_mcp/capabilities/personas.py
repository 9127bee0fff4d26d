"""Personas of the agent: listed, read, and made by people. What they are: ``fleet/personas.py``."""

from typing import Annotated, Any, cast

from pydantic import Field, model_validator

from aiops_mcp.capabilities.personas_digest import digest_persona, digest_personas
from aiops_mcp.context import Context
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.persona import Persona, PersonaLimits
from aiops_mcp.operation import Capability, Input

personas = Capability("personas", "Who answers in a chat: prompts, and the tools of each.")

_TOLD = ("is_builtin", "created_by", "created_at", "updated_at")
"""What an answer holds beside the persona itself; sent back unchanged it is not refused."""


class PersonaList(Input):
    """Nothing: there are few."""


class PersonaAnswer(Entity):
    """All personas: files first, then those that people made, by id."""

    items: tuple[Persona, ...]
    total: int


def _digest_list(request: PersonaList, answer: PersonaAnswer) -> Digest:
    del request
    return digest_personas(answer.items)


@personas.operation(
    "list_personas", route="GET /personas", needs="chat:read", tool=False, digest=_digest_list
)
async def list_personas(context: Context, request: PersonaList) -> PersonaAnswer:
    """The personas one can ask, each with the tools that the caller may use through it."""
    del request
    items = await context.personas.list(context.principal)
    return PersonaAnswer(items=items, total=len(items))


class OnePersona(Input):
    id: Annotated[str, Field(description="Its id", max_length=64)]


def _digest_one(request: OnePersona, answer: Persona) -> Digest:
    del request
    return digest_persona(answer)


@personas.operation(
    "get_persona", route="GET /personas/{id}", needs="chat:read", tool=False, digest=_digest_one
)
async def get_persona(context: Context, request: OnePersona) -> Persona:
    """One persona with its prompt."""
    return await context.personas.get(request.id, context.principal)


class _PersonaFields(Input):
    """What people may set; read-only fields of an answer that come back are dropped."""

    @model_validator(mode="before")
    @classmethod
    def _without_what_was_told(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return cast("object", values)
        given = cast("dict[str, Any]", values)
        return {name: value for name, value in given.items() if name not in _TOLD}


class NewPersona(_PersonaFields):
    id: Annotated[str, Field(description="Lower case, digits and -, such as my-persona")]
    name: Annotated[str, Field(description="For people")]
    system_prompt: Annotated[str, Field(description="What it knows and how it goes about things")]
    description: Annotated[str, Field(description="What it is for")] = ""
    capabilities: Annotated[tuple[str, ...], Field(description="Names of tools it may use")] = ()
    icon: Annotated[str, Field(description="Name of an icon, or an emoji")] = ""
    questions: Annotated[tuple[str, ...], Field(description="Examples of what to ask it")] = ()
    limits: Annotated[PersonaLimits, Field(description="What one answer may spend")] = (
        PersonaLimits()
    )


@personas.operation(
    "create_persona", route="POST /personas", needs="chat:write", tool=False, status=201
)
async def create_persona(context: Context, request: NewPersona) -> Persona:
    """Make a persona; changes nothing in any cluster, and gives nobody more rights."""
    return await context.personas.create(_given(request), context.principal)


class PersonaChanges(_PersonaFields):
    id: Annotated[str, Field(description="Its id", max_length=64)]
    name: Annotated[str | None, Field(description="For people")] = None
    system_prompt: Annotated[
        str | None, Field(description="What it knows and how it goes about things")
    ] = None
    description: Annotated[str | None, Field(description="What it is for")] = None
    capabilities: Annotated[
        tuple[str, ...] | None, Field(description="Names of tools it may use")
    ] = None
    icon: Annotated[str | None, Field(description="Name of an icon, or an emoji")] = None
    questions: Annotated[
        tuple[str, ...] | None, Field(description="Examples of what to ask it")
    ] = None
    limits: Annotated[PersonaLimits | None, Field(description="What one answer may spend")] = None


@personas.operation("update_persona", route="PUT /personas/{id}", needs="chat:write", tool=False)
async def update_persona(context: Context, request: PersonaChanges) -> Persona:
    """Change one's own persona; fields that are not given stay."""
    given = {name: value for name, value in _given(request).items() if value is not None}
    return await context.personas.update(request.id, given, context.principal)


@personas.operation("delete_persona", route="DELETE /personas/{id}", needs="chat:write", tool=False)
async def delete_persona(context: Context, request: OnePersona) -> Persona:
    """Delete one's own persona."""
    return await context.personas.delete(request.id, context.principal)


def _given(request: Input) -> dict[str, Any]:
    return {name: getattr(request, name) for name in type(request).model_fields}

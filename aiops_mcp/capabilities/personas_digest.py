"""Personas made small: one a row, or one with all that is known of it."""

from collections.abc import Sequence

from aiops_mcp.models.digest import Digest
from aiops_mcp.models.persona import Persona


def digest_personas(personas: Sequence[Persona]) -> Digest:
    """One row a persona."""
    rows = [
        (each.id, each.name, each.description, len(each.capabilities), _made(each))
        for each in personas
    ]
    return Digest(
        headline=f"{len(personas)} personas.",
        columns=("id", "name", "what for", "tools", "made by"),
        rows=tuple(rows),
    )


def digest_persona(persona: Persona) -> Digest:
    """What one is for, its tools and its limits; not its prompt."""
    limits = persona.limits
    notes = [
        *(f"ask it: {question}" for question in persona.questions),
        *([f"at most {limits.steps} steps an answer"] if limits.steps else []),
        *([f"at most {limits.tokens} tokens an answer"] if limits.tokens else []),
    ]
    about = f": {persona.description}" if persona.description else ""
    return Digest(
        headline=f"{persona.id} ({persona.name}){about}",
        columns=("tool",),
        rows=tuple((tool,) for tool in persona.capabilities),
        notes=tuple(notes),
    )


def _made(persona: Persona) -> str:
    if persona.is_builtin:
        return "built-in"
    return persona.created_by or "a file"

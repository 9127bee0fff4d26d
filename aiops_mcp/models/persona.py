"""Who answers in a chat: a prompt with knowledge of a domain, and the tools it may use."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.models.entity import Entity, Timestamp

PersonaId = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9-]{2,30}[a-z0-9]$", examples=["gpu-expert"])
]

DEFAULT_PERSONA = "default"


class PersonaLimits(Entity):
    """What one answer may spend; ``None`` stands for the setting.

    ``steps`` are turns of the model, ``tokens`` those of all its turns together.
    """

    steps: int | None = Field(default=None, ge=1, le=50)
    tokens: int | None = Field(default=None, ge=1_000, le=1_000_000)


class Persona(Entity):
    """``capabilities`` are names of tools. Built-in ones and those of a folder are read-only.

    ``questions`` are examples of what it is good for.
    """

    id: PersonaId
    name: str = Field(min_length=1, max_length=64)
    description: str = Field(default="", max_length=300)
    system_prompt: str = Field(min_length=1, max_length=16_000)
    capabilities: tuple[str, ...] = Field(default=(), max_length=64)
    icon: str = Field(default="", max_length=32)
    questions: tuple[str, ...] = Field(default=(), max_length=8)
    limits: PersonaLimits = PersonaLimits()
    is_builtin: bool = False
    created_by: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

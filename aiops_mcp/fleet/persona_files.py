"""Personas as files: Markdown whose front matter says who, and whose text is the prompt. Pure.

---
id: gpu-expert            # default: the file's name
name: GPU expert
description: Cards, drivers and model servers
icon: gpu
tools: [get_gpu_health, query_metrics]
limits: {steps: 12, tokens: 100000}
questions: [Which cards want a look?]
---
You look after GPUs. …
"""

from pathlib import PurePath
from typing import Final

from pydantic import ValidationError

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.front_matter import read_document, refused
from aiops_mcp.fleet.markdown_folder import packaged
from aiops_mcp.fleet.naming import near_names
from aiops_mcp.fleet.tool_names import KnownTools, no_such_tool, unknown_tools
from aiops_mcp.models.persona import Persona

FIELDS: Final = ("id", "name", "description", "icon", "tools", "limits", "questions")
PACKAGE: Final = "personas"


def read_persona(
    text: str, source: str, *, known: KnownTools | None = None, is_builtin: bool = False
) -> Persona:
    """Read one file's text; ``source`` is its name, ``known`` the tools it may name (any: None).

    Raises:
        InputError: no front matter, fields that are unknown, missing or malformed, no prompt, or
            tools that do not exist. It says which, and the line where YAML is at fault.
    """
    document = read_document(text, source)
    fields = dict(document.fields)
    for name in fields:
        if name not in FIELDS:
            near = near_names(name, FIELDS)
            meant = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(FIELDS)}."
            raise InputError(f"{source}: there is no field {name!r}.", meant)
    if not document.body.strip():
        raise InputError(
            f"{source} line {document.body_line}: no prompt.", "Write it below the front matter."
        )
    tools = fields.pop("tools", ())
    fields.setdefault("id", PurePath(source).stem)
    fields.setdefault("name", fields["id"])
    try:
        persona = Persona(
            **fields,
            capabilities=tools,
            system_prompt=document.body.strip(),
            is_builtin=is_builtin,
        )
    except ValidationError as error:
        raise refused(error, source) from error
    if known is not None and (unknown := unknown_tools(persona.capabilities, known)):
        raise no_such_tool(unknown, known, source)
    return persona


def builtin_personas() -> tuple[Persona, ...]:
    """Those that come with the toolkit, the default one first."""
    found = packaged(PACKAGE, "", lambda text, name: read_persona(text, name, is_builtin=True))
    return tuple(sorted(found, key=lambda persona: (persona.id != "default", persona.id)))

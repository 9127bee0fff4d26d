"""`aiops personas`: which there are, what one knows and costs, and whether files can be used."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from agents.cli import Run
    from agents.session import Session
    from aiops_mcp.models.digest import Digest
    from aiops_mcp.models.persona import Persona
    from aiops_mcp.settings import Settings

BUDGET = 8_000
"""Tokens that the tools and the prompt of one persona may take of a model's context."""


def personas(
    context: typer.Context,
    persona: Annotated[str | None, typer.Argument(help="Its id; without: list them all.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Whether the files of our folders can be used.")
    ] = False,
) -> None:
    """The personas one can ask; with an id: its prompt, its tools, and what they cost."""
    run: Run = context.obj
    if check:
        _check(run)
    elif persona is None:
        run.ask("list_personas", {})
    else:
        _show(run, persona)


def _show(run: "Run", persona_id: str) -> None:
    async def body(session: "Session") -> None:
        persona = cast("Persona", await session.read("get_persona", {"id": persona_id}))
        prompt, tools = cost_of(persona)
        if run.output.as_json:
            cost = {"prompt": prompt, "tools": tools, "together": prompt + tools}
            run.output.json({**persona.model_dump(mode="json"), "tokens": cost})
            return
        from rich.markdown import Markdown

        from aiops_mcp.capabilities.personas_digest import digest_persona

        run.output.digest(digest_persona(persona))
        over = "" if prompt + tools <= BUDGET else f", over the {BUDGET} a small model bears"
        run.output.say(
            f"about {prompt + tools} tokens: {prompt} of prompt, {tools} of tools{over}\n"
        )
        run.output.console.print(Markdown(persona.system_prompt))

    run.with_session(body)


def cost_of(persona: "Persona") -> tuple[int, int]:
    """Tokens of the prompt, and of the tools as a model is told of them; both estimated."""
    from aiops_mcp.operations import OPERATIONS
    from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN
    from aiops_mcp.surfaces.mcp_schema import input_schema

    size = 0
    for operation in OPERATIONS:
        if operation.tool and operation.name in persona.capabilities:
            size += len(
                _compact(
                    {
                        "name": operation.name,
                        "description": operation.description,
                        "parameters": input_schema(operation),
                    }
                )
            )
    prompt = len(persona.system_prompt.encode())
    return round(prompt / BYTES_PER_TOKEN), round(size / BYTES_PER_TOKEN)


def _compact(value: Any) -> bytes:
    import orjson

    return orjson.dumps(value)


def _check(run: "Run") -> None:
    """Read the files of the folders that the settings name; no server and no database is asked."""

    def look() -> "Digest":
        return checked(run.settings())

    digest = run.guarded(look)
    run.output.digest(digest)
    if digest.rows:
        raise typer.Exit(1)


def checked(settings: "Settings") -> "Digest":
    """One row a file that cannot be used; the headline says how many can."""
    from aiops_mcp.fleet.markdown_folder import Broken, look_once
    from aiops_mcp.fleet.persona_files import builtin_personas, read_persona
    from aiops_mcp.fleet.runbook_files import builtin_runbooks, read_runbook
    from aiops_mcp.fleet.tool_names import tools_of
    from aiops_mcp.models.digest import Digest
    from aiops_mcp.operations import OPERATIONS

    known = tools_of(OPERATIONS)
    mine = look_once(
        settings.personas_folder,
        lambda text, name: read_persona(text, name, known=known),
        key=lambda persona: persona.id,
    )
    runbooks = look_once(
        settings.runbooks_folder,
        lambda text, name: read_runbook(text, name, known=known),
        key=lambda runbook: runbook.name,
    )
    broken: Sequence[tuple[str, Broken]] = [
        *(("persona", each) for each in mine.broken),
        *(("runbook", each) for each in runbooks.broken),
    ]
    heavy = [each.id for each in mine.found if sum(cost_of(each)) > BUDGET]
    return Digest(
        headline=f"{len(mine.found)} personas and {len(runbooks.found)} runbooks of your own can "
        f"be used, {len(broken)} files cannot; {len(builtin_personas())} personas and "
        f"{len(builtin_runbooks())} runbooks are built in.",
        columns=("kind", "file", "what is wrong", "what to do"),
        rows=tuple((kind, each.file, each.error.message, each.error.hint) for kind, each in broken),
        notes=tuple(f"{each} takes over {BUDGET} tokens: use fewer tools" for each in heavy),
    )


def register(app: typer.Typer) -> None:
    """Put the command under ``aiops``."""
    app.command("personas")(personas)

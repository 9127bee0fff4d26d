"""`aiops models`: what each model server that is set offers, and whether the agent can use it."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agents.output import EXIT_FAILED
from aiops_mcp.models.digest import Cell, Digest

if TYPE_CHECKING:
    from agents.cli import Run
    from agents.model import ModelHealth
    from agents.model_selftest import SelfTest
    from aiops_mcp.settings import Settings

COLUMNS: Final = (
    "server",
    "model",
    "context",
    "tools",
    "first piece ms",
    "tokens/s",
    "state",
)
_NONE_SET: Final = "No language model is set: questions are answered by triage, without one."
_HOW_TO_SET: Final = (
    (
        "Set AIOPS_MODEL_URLS to an OpenAI-compatible server such as vLLM, llama.cpp or Ollama: "
        "AIOPS_MODEL_URLS=http://127.0.0.1:8000/v1"
    ),
    (
        "Several are comma-separated in order of preference; URL#MODEL chooses one of its models. "
        "AIOPS_MODEL_API_KEY is sent where it is set. Nothing else is ever contacted."
    ),
)
_OF_THE_SERVER: Final = (
    "This is what is set here; GET /api/v1/chat/models tells what the running server asks."
)


def models(
    context: typer.Context,
    test: Annotated[
        bool, typer.Option("--test/--no-test", help="Ask each for a text and a tool call too.")
    ] = True,
) -> None:
    """What each model server offers: context, tool support, a quick self-test."""
    run: Run = context.obj

    def action() -> None:
        digest, works = asyncio.run(examined(run.settings(), test=test))
        if run.server is not None:
            digest = digest.model_copy(update={"notes": (*digest.notes, _OF_THE_SERVER)})
        run.output.digest(digest)
        if not works:
            raise typer.Exit(EXIT_FAILED)

    run.guarded(action)


async def examined(settings: "Settings", *, test: bool) -> tuple[Digest, bool]:
    """The table of the servers that are set, and whether one of them answers, or none is set."""
    from agents.model import open_models
    from agents.model_selftest import self_test

    pool = open_models(settings)
    if pool is None:
        return Digest(headline=_NONE_SET, notes=_HOW_TO_SET), True
    try:
        if test:
            await pool.warm()
        health = await pool.health()
        tests = [
            await self_test(server) if test and each.reachable else None
            for server, each in zip(pool.servers, health, strict=True)
        ]
    finally:
        await pool.aclose()
    return _digest(health, tests, tested=test), any(map(_works, health, tests))


def _works(health: "ModelHealth", test: "SelfTest | None") -> bool:
    return health.reachable and (test is None or test.streams)


def _digest(
    health: "tuple[ModelHealth, ...]", tests: "list[SelfTest | None]", *, tested: bool
) -> Digest:
    good = sum(map(_works, health, tests))
    rows = tuple(_row(each, test) for each, test in zip(health, tests, strict=True))
    notes = [
        note
        for each, test in zip(health, tests, strict=True)
        for note in _notes(each, test, several=len(health) > 1)
    ]
    return Digest(
        headline=f"{good} of {len(health)} model servers answer; the first that is fit is asked.",
        columns=COLUMNS,
        rows=rows,
        notes=tuple(notes),
        more=None if tested else "without --no-test each is asked for a text and a tool call",
    )


def _row(health: "ModelHealth", test: "SelfTest | None") -> tuple[Cell, ...]:
    return (
        health.url,
        health.model,
        health.context,
        test.tools.value if test is not None and test.tools is not None else None,
        test.first_piece_ms if test is not None else None,
        test.tokens_per_second if test is not None else None,
        _state(health, test),
    )


def _state(health: "ModelHealth", test: "SelfTest | None") -> str:
    if not health.reachable:
        return "FAILING"
    if test is None:
        return "answers"
    if test.is_good:
        return "good"
    return "DEGRADED" if test.streams else "FAILING"


def _notes(health: "ModelHealth", test: "SelfTest | None", *, several: bool) -> list[str]:
    place = f"{health.url}: " if several else ""
    found: list[str] = []
    if health.error is not None:
        found.append(health.error)
    if len(health.models) > 1:
        found.append(f"{place}offers {', '.join(health.models)}; URL#MODEL chooses one")
    if health.reachable and health.context is None:
        found.append(f"{place}does not tell its context: 8192 is assumed, or AIOPS_MODEL_CONTEXT")
    if test is not None:
        found += [each if health.url in each else f"{place}{each}" for each in test.faults]
        found += [f"{place}{each}" for each in _advice(test)]
    return found


def _advice(test: "SelfTest") -> list[str]:
    from agents.model_selftest import ToolSupport

    found: list[str] = []
    if test.thinks:
        found.append("thinks aloud before it answers; that is kept out of the answer")
    if test.first_piece_ms is not None and not test.streams:
        found.append("answers all at once instead of piece by piece")
    if test.tools is ToolSupport.NONE:
        found.append(
            "made no tool call: with vLLM see --enable-auto-tool-choice and --tool-call-parser, "
            "with llama.cpp --jinja"
        )
    elif test.tools is ToolSupport.WHEN_REQUIRED:
        found.append("calls a tool only when it must: expect answers without a look at the fleet")
    elif test.tools is ToolSupport.WRONG_ARGUMENTS:
        found.append("called the tool with other arguments than its schema asks for")
    return found


def register(app: typer.Typer) -> None:
    """Put the command under ``aiops``."""
    app.command("models")(models)

"""`aiops eval`: which of our models is good enough? Scenarios asked, answers scored."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.output import EXIT_FAILED, EXIT_INTERRUPTED

if TYPE_CHECKING:
    from agents.cli import Run

Scenarios = Annotated[
    Path | None, typer.Option(help="Folder of scenarios (YAML) instead of those that come along.")
]
Incidents = Annotated[
    Path | None,
    typer.Option(help="Folder with more incidents; those that no scenario asks of are asked of."),
]
Models = Annotated[
    list[str] | None,
    typer.Option(help="URL[#NAME] of an OpenAI-compatible server; repeat it to compare."),
]


def evaluate(
    context: typer.Context,
    scenarios: Scenarios = None,
    incidents: Incidents = None,
    model: Models = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Ask without a model; with --model: as well.")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Play recordings; asks neither model nor clusters.")
    ] = False,
    recordings: Annotated[
        Path | None, typer.Option(help="Folder of the recordings that --replay plays.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Keep recordings there (without secrets).")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Scenarios by name: gpu-*; repeat it.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Passes, for mean and spread.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at once.")] = 1,
    require: Annotated[
        str | None,
        typer.Option(help="Fail unless: cause_first=0.75,healthy_clean=1,false_claims=3."),
    ] = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="JSON of an earlier run, to compare; repeat it.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="Write the tables into this Markdown page, at its marks.")
    ] = None,
    answers: Annotated[bool, typer.Option("--answers", help="Show the answers as well.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Only list the scenarios.")] = False,
) -> None:
    """Ask scenarios and score the answers: with a model, without one, or from recordings."""
    run: Run = context.obj

    def action() -> int:
        # It loads the application, which `aiops --help` must not.
        from agents.evaluate import command

        wanted = command.Wanted(
            scenarios=scenarios,
            incidents=incidents,
            models=tuple(model or ()),
            no_model=no_model,
            replay=replay or recordings is not None,
            recordings=recordings,
            record=record,
            only=tuple(only or ()),
            repeat=repeat,
            jobs=jobs,
            required=command.required_shares(require),
            beside=tuple(beside or ()),
        )
        if list_:
            run.output.digest(command.listing(wanted))
            return 0
        outcome = command.evaluate(wanted, run.settings(), say=_say(run))
        if into is not None:
            command.write_page(into, outcome.results)
        if run.output.as_json:
            run.output.json(command.as_json(outcome, answers=answers))
        else:
            for digest in command.digests(outcome):
                run.output.digest(digest)
            if answers:
                for name, text in outcome.answers:
                    run.output.say(f"\n--- {name}\n{text}")
        if outcome.interrupted:
            return EXIT_INTERRUPTED
        return EXIT_FAILED if any(one.unmet for one in outcome.results if one.passes) else 0

    code = run.guarded(action)
    if code:
        raise typer.Exit(code)


def _say(run: "Run") -> "Say":
    def say(text: str) -> None:
        run.output.errors.print(text, soft_wrap=True, markup=False, highlight=False)

    return say


if TYPE_CHECKING:
    from collections.abc import Callable

    Say = Callable[[str], None]


def register(app: typer.Typer) -> None:
    """Put the command under ``aiops``."""
    app.command("eval")(evaluate)

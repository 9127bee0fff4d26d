"""Options that many commands have, written once."""

from typing import Annotated

import typer

Names = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster", "-c", help="Cluster name, id or selector (type=EDGE label.team=ml); repeat."
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", "-n", help="Rows at most.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-N", help="Empty: all.")]
Name = Annotated[str, typer.Argument(help="Cluster name or id.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")]

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
Alert = Annotated[str | None, typer.Option("--alert", "-a", help="Fingerprint, id or alertname.")]
At = Annotated[str | None, typer.Option("--time", "-t", help="A time, or 2h ago.")]
Window = Annotated[str | None, typer.Option(help="How far back: 1h, 6h, 2d.")]
Until = Annotated[str | None, typer.Option(help="Until then: a time, or 2h ago.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-N", help="Empty: all.")]
Name = Annotated[str, typer.Argument(help="Cluster name or id.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")]

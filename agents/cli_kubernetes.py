"""`aiops get`, `events`, `pod-logs`, `unhealthy`, `changes`, `compare`: Kubernetes objects."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agents.cli import Run

Names = Annotated[
    list[str] | None,
    typer.Option("--cluster", "-c", help="Cluster name, id or selector; repeat."),
]
Namespace = Annotated[str | None, typer.Option("--namespace", "-N", help="Empty: all.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", help="Rows at most.")]


def get(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="pods, po, deployments.apps, any CRD.")],
    name: Annotated[str | None, typer.Argument(help="Part of the name.")] = None,
    cluster: Names = None,
    namespace: Namespace = None,
    labels: Annotated[str | None, typer.Option("--labels", "-l", help="app=web")] = None,
    fields: Annotated[str | None, typer.Option(help="spec.nodeName=n1")] = None,
    sort: Annotated[str | None, typer.Option(help="trouble, name, age or restarts.")] = None,
    limit: Limit = None,
) -> None:
    """Objects of any kind on the whole fleet, in kubectl's columns."""
    run: Run = context.obj
    arguments = {
        "kind": kind,
        "clusters": cluster,
        "namespace": namespace,
        "name": name,
        "labels": labels,
        "fields": fields,
        "sort": sort,
        "limit": limit,
    }
    run.ask("find_resources", arguments)


def unhealthy(
    context: typer.Context,
    cluster: Names = None,
    namespace: Namespace = None,
    kind: Annotated[str | None, typer.Option(help="Only Pod, Node, Deployment, …")] = None,
    severity: Annotated[str | None, typer.Option(help="CRITICAL, WARNING or INFO.")] = None,
    limit: Limit = None,
) -> None:
    """What is not well in the fleet and why, worst first."""
    run: Run = context.obj
    arguments = {
        "clusters": cluster,
        "namespace": namespace,
        "kind": kind,
        "severity": severity.upper() if severity else None,
        "limit": limit,
    }
    run.ask("list_unhealthy", arguments)


def register(app: typer.Typer) -> None:
    """Put the commands under ``aiops``."""
    app.command("get")(get)
    app.command("unhealthy")(unhealthy)

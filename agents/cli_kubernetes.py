"""`aiops get`, `show`, `events`, `pod-logs`, `unhealthy`, `changes`, `compare`: the objects."""

from typing import TYPE_CHECKING, Annotated

import typer

from agents.options import Limit, Name, Names, Namespace

if TYPE_CHECKING:
    from agents.cli import Run


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


def show(
    context: typer.Context,
    cluster: Name,
    kind: Annotated[str, typer.Argument(help="pod, deployment, any CRD.")],
    name: Annotated[str, typer.Argument(help="Its exact name.")],
    namespace: Namespace = None,
    detailed: Annotated[bool, typer.Option("--detailed", help="All fields.")] = False,
) -> None:
    """One object: what is wrong with it, its events, its fields."""
    run: Run = context.obj
    arguments = {
        "cluster": cluster,
        "kind": kind,
        "name": name,
        "namespace": namespace,
        "response_format": "detailed" if detailed else None,
    }
    run.ask("get_resource", arguments)


def events(
    context: typer.Context,
    cluster: Names = None,
    namespace: Namespace = None,
    kind: Annotated[str | None, typer.Option(help="Of the object: pod, node, …")] = None,
    name: Annotated[str | None, typer.Option(help="Part of the object's name.")] = None,
    since: Annotated[str | None, typer.Option(help="2h, or a time.")] = None,
    warnings: Annotated[bool, typer.Option("--warnings", "-w", help="Only these.")] = False,
    limit: Limit = None,
) -> None:
    """Kubernetes events of the fleet, warnings first, folded."""
    run: Run = context.obj
    arguments = {
        "clusters": cluster,
        "namespace": namespace,
        "kind": kind,
        "name": name,
        "since": since,
        "warnings_only": warnings or None,
        "limit": limit,
    }
    run.ask("list_events", arguments)


def pod_logs(
    context: typer.Context,
    cluster: Name,
    pod: Annotated[str, typer.Argument(help="Name, or part of it.")],
    namespace: Namespace = None,
    container: Annotated[str | None, typer.Option(help="Empty: the one that fails.")] = None,
    previous: Annotated[
        bool, typer.Option("--previous", "-p", help="Of the run before the restart.")
    ] = False,
    tail: Annotated[int | None, typer.Option(help="Last lines read.")] = None,
    since: Annotated[str | None, typer.Option(help="Only the last, such as 10m.")] = None,
) -> None:
    """The end of a container's log, straight from the cluster."""
    run: Run = context.obj
    arguments = {
        "cluster": cluster,
        "pod": pod,
        "namespace": namespace,
        "container": container,
        "previous": previous or None,
        "tail": tail,
        "since": since,
    }
    run.ask("get_pod_logs", arguments)


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


def changes(
    context: typer.Context,
    cluster: Names = None,
    namespace: Namespace = None,
    before: Annotated[str | None, typer.Option(help="Until then: a time, or 2h ago.")] = None,
    hours: Annotated[str | None, typer.Option(help="How far back from there: 6h.")] = None,
    change: Annotated[str | None, typer.Option(help="rollout, config, node, …")] = None,
    limit: Limit = None,
) -> None:
    """What changed lately, newest first, and who did it."""
    run: Run = context.obj
    arguments = {
        "clusters": cluster,
        "namespace": namespace,
        "before": before,
        "hours": hours,
        "change": change,
        "limit": limit,
    }
    run.ask("get_changes", arguments)


def compare(
    context: typer.Context,
    clusters: Annotated[list[str], typer.Argument(help="Two or more clusters.")],
    area: Annotated[str | None, typer.Option(help="Only version, operators, images, …")] = None,
    limit: Limit = None,
) -> None:
    """What is different between clusters."""
    run: Run = context.obj
    run.ask("compare_clusters", {"clusters": clusters, "area": area, "limit": limit})


def register(app: typer.Typer) -> None:
    """Put the commands under ``aiops``."""
    app.command("get")(get)
    app.command("show")(show)
    app.command("events")(events)
    app.command("pod-logs")(pod_logs)
    app.command("unhealthy")(unhealthy)
    app.command("changes")(changes)
    app.command("compare")(compare)

"""`aiops alerts …`: what fires and fired, silences, rules, and the secrets of webhooks."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.options import DryRun, Limit, Name, Names, Namespace, Yes

if TYPE_CHECKING:
    from agents.cli import Run
    from agents.session import Session

PageNumber = Annotated[int, typer.Option(help="Page, from 1.")]


def alerts(
    context: typer.Context,
    cluster: Names = None,
    severity: Annotated[str | None, typer.Option(help="CRITICAL, WARNING or INFO.")] = None,
    state: Annotated[str | None, typer.Option(help="FIRING, PENDING or RESOLVED.")] = None,
    namespace: Namespace = None,
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="Also silenced and inhibited ones.")
    ] = False,
    limit: Limit = None,
) -> None:
    """List the alerts of the fleet, worst first."""
    if context.invoked_subcommand is not None:
        return
    run: Run = context.obj
    run.ask(
        "list_alerts",
        {
            "clusters": cluster,
            "severity": severity.upper() if severity else None,
            "state": state.upper() if state else None,
            "namespace": namespace,
            "suppressed": suppressed or None,
            "limit": limit,
        },
    )


def show(
    context: typer.Context, fingerprint: Annotated[str, typer.Argument(help="In hex.")]
) -> None:
    """One alert: where it fires or fired, and how often."""
    run: Run = context.obj
    run.ask("get_alert", {"fingerprint": fingerprint})


def history(
    context: typer.Context,
    cluster: Names = None,
    alertname: Annotated[str | None, typer.Option("--name", help="Exact name.")] = None,
    severity: Annotated[str | None, typer.Option(help="CRITICAL, WARNING or INFO.")] = None,
    since: Annotated[str | None, typer.Option(help="6h, 7d, or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="As --since.")] = None,
    page: PageNumber = 1,
) -> None:
    """What fired in the past, the newest first."""
    run: Run = context.obj
    run.ask(
        "get_alert_history",
        {
            "clusters": cluster,
            "alertname": alertname,
            "severity": severity.upper() if severity else None,
            "start_time": since,
            "end_time": until,
            "page": page,
        },
    )


def rules(
    context: typer.Context,
    cluster: Names = None,
    name: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    state: Annotated[str | None, typer.Option(help="firing, pending or inactive.")] = None,
    page: PageNumber = 1,
) -> None:
    """The alerting and recording rules of the fleet."""
    run: Run = context.obj
    run.ask("list_alert_rules", {"clusters": cluster, "name": name, "state": state, "page": page})


def check(context: typer.Context, cluster: Names = None, limit: Limit = None) -> None:
    """Which rules, targets and silences want a look."""
    run: Run = context.obj
    run.ask("check_alert_rules", {"clusters": cluster, "limit": limit})


def targets(
    context: typer.Context,
    cluster: Names = None,
    job: Annotated[str | None, typer.Option(help="Exact name.")] = None,
    health: Annotated[str | None, typer.Option(help="up, down or unknown.")] = None,
    page: PageNumber = 1,
) -> None:
    """What the fleet's Prometheus servers scrape, those that are down first."""
    run: Run = context.obj
    run.ask("list_targets", {"clusters": cluster, "job": job, "health": health, "page": page})


def silences(
    context: typer.Context,
    cluster: Names = None,
    state: Annotated[str | None, typer.Option(help="ACTIVE, PENDING or EXPIRED.")] = None,
) -> None:
    """What is silenced, the first to end first."""
    run: Run = context.obj
    run.ask("list_silences", {"clusters": cluster, "state": state.upper() if state else None})


def silence(
    context: typer.Context,
    matcher: Annotated[list[str], typer.Argument(help='alertname=X severity=~"a|b"')],
    cluster: Annotated[list[str], typer.Option("--cluster", "-c", help="Where; repeat.")],
    duration: Annotated[str, typer.Option("--for", help="Such as 2h.")],
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Silence alerts for a while; says first which ones it would mute."""
    arguments = {
        "matchers": matcher,
        "clusters": cluster,
        "duration": duration,
        "comment": comment,
    }
    _two_steps(context, "create_silence", arguments, dry_run=dry_run, yes=yes)


def unsilence(
    context: typer.Context,
    silence_id: Annotated[list[str], typer.Argument(help="Ids, as `silences` shows them.")],
    cluster: Names = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """End silences now."""
    arguments: dict[str, Any] = {"silences": silence_id, "clusters": cluster or []}
    _two_steps(context, "expire_silence", arguments, dry_run=dry_run, yes=yes)


def _two_steps(
    context: typer.Context,
    operation: str,
    arguments: dict[str, Any],
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    """Say what would be done, ask a person who is there, and do it."""
    run: Run = context.obj

    async def body(session: "Session") -> None:
        if dry_run or not yes:
            plan = await session.ask(operation, {**arguments, "dry_run": True})
            if dry_run:
                run.output.digest(plan)
                return
            run.output.say(plan.headline)
            if not sys.stdin.isatty() or not typer.confirm("Do it?", err=True):
                run.output.say("Nothing was changed; --yes does it without asking.")
                raise typer.Exit(1)
        run.output.digest(await session.ask(operation, arguments))

    run.with_session(body, write=True)


def webhook_secret(
    context: typer.Context,
    cluster: Name,
    remove: Annotated[bool, typer.Option("--remove", help="Take no webhooks any more.")] = False,
) -> None:
    """Make the secret with which a cluster's Alertmanager sends webhooks; shown once."""
    run: Run = context.obj
    operation = "remove_webhook_secret" if remove else "make_webhook_secret"
    run.ask(operation, {"cluster": cluster}, write=True)


def register(app: typer.Typer) -> None:
    """Add the commands to ``aiops alerts``."""
    app.callback(invoke_without_command=True)(alerts)
    for command in (show, history, rules, check, targets, silences, silence, unsilence):
        app.command(command.__name__)(command)
    app.command("webhook-secret")(webhook_secret)

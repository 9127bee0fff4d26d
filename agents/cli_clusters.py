"""`aiops clusters …`: list, show, add, import, remove, refresh, credentials."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.options import DryRun, Name, Yes
from aiops_mcp.errors import AiopsError, InputError

if TYPE_CHECKING:
    from agents.cli import Run
    from agents.session import Session


def list_clusters(
    context: typer.Context,
    cluster_type: Annotated[str | None, typer.Option("--type", help="HUB, SPOKE, EDGE …")] = None,
    environment: Annotated[str | None, typer.Option("--env", help="PRODUCTION, LAB …")] = None,
    state: Annotated[str | None, typer.Option(help="ONLINE, OFFLINE, DEGRADED …")] = None,
    name: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value; repeat.")] = None,
    page: Annotated[int, typer.Option(help="Page, from 1.")] = 1,
    page_size: Annotated[int, typer.Option(help="Clusters a page, 100 at most.")] = 100,
) -> None:
    """The clusters with their state, those in trouble first."""
    run: Run = context.obj
    run.ask(
        "list_clusters",
        {
            "cluster_type": cluster_type.upper() if cluster_type else None,
            "environment": environment.upper() if environment else None,
            "state": state.upper() if state else None,
            "name": name,
            "label": label,
            "page": page,
            "page_size": page_size,
        },
    )


def show(context: typer.Context, cluster: Name) -> None:
    """One cluster: its parts, what it has, its credentials' dates, its last transitions."""
    run: Run = context.obj
    run.ask("get_cluster_status", {"cluster": cluster})


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="3 to 63 lower-case letters, digits, dashes.")],
    api_server_url: Annotated[str, typer.Argument(help="https://HOST:6443")],
    cluster_type: Annotated[str, typer.Option("--type")] = "SPOKE",
    environment: Annotated[str, typer.Option("--env")] = "DEVELOPMENT",
    platform: Annotated[str, typer.Option()] = "KUBERNETES",
    region: Annotated[str | None, typer.Option()] = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value; repeat.")] = None,
    prometheus: Annotated[str | None, typer.Option(help="URL; else discovered.")] = None,
    alertmanager: Annotated[str | None, typer.Option(help="URL; else discovered.")] = None,
    loki: Annotated[str | None, typer.Option(help="URL; else discovered.")] = None,
    tempo: Annotated[str | None, typer.Option(help="URL; else discovered.")] = None,
    korrel8r: Annotated[str | None, typer.Option(help="URL; asked where it is set.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with a bearer token; - reads standard input.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="PEM of the API server's CA.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not verify TLS (labs).")] = False,
    dry_run: DryRun = False,
) -> None:
    """Register one cluster by hand. With a kubeconfig, `import` is easier."""
    run: Run = context.obj
    endpoints = {
        "prometheus_url": prometheus,
        "alertmanager_url": alertmanager,
        "loki_url": loki,
        "tempo_url": tempo,
        "korrel8r_url": korrel8r,
    }
    arguments: dict[str, Any] = {
        "name": name,
        "api_server_url": api_server_url,
        "cluster_type": cluster_type.upper(),
        "environment": environment.upper(),
        "platform": platform.upper(),
        "labels": _labels(label),
        "endpoints": {key: value for key, value in endpoints.items() if value},
        "dry_run": dry_run,
    }
    if region:
        arguments["region"] = region

    async def body(session: "Session") -> None:
        registered = await session.ask("register_cluster", arguments)
        if dry_run:
            run.output.digest(registered)
            return
        if token_file or ca_file or insecure:
            await _store_for_new(session, name, token_file, ca_file, insecure=insecure)
        checked = await session.ask("refresh_cluster", {"cluster": name})
        headline = f"{registered.headline} {checked.headline}"
        run.output.digest(checked.model_copy(update={"headline": headline}))

    run.guarded(lambda: _check_files(token_file, ca_file))
    run.with_session(body, write=True)


async def _store_for_new(
    session: "Session", name: str, token_file: Path | None, ca_file: Path | None, *, insecure: bool
) -> None:
    """Credentials of a cluster that was just registered, and stays so where they are refused."""
    given = {
        "cluster": name,
        "auth_type": "SERVICE_ACCOUNT",
        "token": _read(token_file).strip() if token_file else None,
        "ca_bundle": _read(ca_file) if ca_file else None,
        "insecure_skip_tls_verify": insecure,
    }
    try:
        await session.ask("store_credentials", _given(given))
    except AiopsError as error:
        step = f"{name} is registered; store them with: aiops clusters credentials {name}"
        error.hint = f"{error.hint} {step}".strip()
        raise


def import_kubeconfig(
    context: typer.Context,
    kubeconfig: Annotated[
        Path | None, typer.Argument(help="File; default: $KUBECONFIG or ~/.kube/config.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--context", help="Only these contexts; repeat.")
    ] = None,
    hub: Annotated[
        str | None,
        typer.Option(help="Import the managed clusters of this registered hub instead (OCM/ACM)."),
    ] = None,
    environment: Annotated[str, typer.Option("--env")] = "DEVELOPMENT",
    cluster_type: Annotated[str, typer.Option("--type")] = "SPOKE",
    label: Annotated[list[str] | None, typer.Option(help="key=value; repeat.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Register every context of a kubeconfig, or every managed cluster of a hub, at once."""
    run: Run = context.obj
    shared = {
        "environment": environment.upper(),
        "cluster_type": cluster_type.upper(),
        "labels": _labels(label),
        "dry_run": dry_run,
    }
    if hub:
        _import(run, "import_managed_clusters", {"cluster": hub, **shared})
        return
    from aiops_mcp.settings import default_kubeconfig

    path = kubeconfig or default_kubeconfig()
    run.guarded(lambda: _check_files(path))
    text = run.guarded(lambda: _kubeconfig(path))
    _import(run, "import_kubeconfig", {"kubeconfig": text, "contexts": only or [], **shared})


def _import(run: "Run", operation: str, arguments: dict[str, Any]) -> None:
    """Ask, print the report, and end as failed where something could not be imported."""
    failed: list[object] = []

    async def body(session: "Session") -> None:
        digest = await session.ask(operation, _given(arguments))
        run.output.digest(digest)
        outcome = digest.columns.index("outcome")
        failed.extend(row for row in digest.rows if row[outcome] == "FAILED")

    run.with_session(body, write=True)
    if failed:
        raise typer.Exit(1)


def remove(
    context: typer.Context, cluster: Name, yes: Yes = False, dry_run: DryRun = False
) -> None:
    """Take a cluster out of the fleet, with its credentials and history."""
    run: Run = context.obj
    if not (yes or dry_run):
        if not sys.stdin.isatty():
            refusal = InputError("Removing needs a yes.", "Add --yes, or --dry-run to look first.")
            raise typer.Exit(run.output.error(refusal))
        typer.confirm(f"Remove {cluster} from the fleet?", abort=True)
    run.ask("remove_cluster", {"cluster": cluster, "dry_run": dry_run}, write=True)


def refresh(context: typer.Context, cluster: Name) -> None:
    """Check one cluster and discover what it has, now."""
    run: Run = context.obj
    run.ask("refresh_cluster", {"cluster": cluster})


def credentials(
    context: typer.Context,
    cluster: Name,
    kubeconfig: Annotated[Path | None, typer.Option(help="Kubeconfig to store.")] = None,
    kube_context: Annotated[
        str | None, typer.Option("--context", help="Which of its contexts.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with a bearer token; - reads standard input.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="PEM of the API server's CA.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not verify TLS (labs).")] = False,
    validate: Annotated[bool, typer.Option("--validate", help="Only try those stored.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Forget those stored.")] = False,
) -> None:
    """Store, try or forget a cluster's credentials. Secrets come from files, never arguments."""
    run: Run = context.obj
    if validate:
        run.ask("validate_credentials", {"cluster": cluster}, write=True)
        return
    if delete:
        run.ask("delete_credentials", {"cluster": cluster}, write=True)
        return
    if (kubeconfig is None) == (token_file is None):
        wrong = InputError(
            "Say where the credentials are.", "Give one of --kubeconfig FILE or --token-file FILE."
        )
        raise typer.Exit(run.output.error(wrong))
    run.guarded(lambda: _check_files(kubeconfig, token_file, ca_file))

    def stored() -> dict[str, Any]:
        return {
            "cluster": cluster,
            "auth_type": "KUBECONFIG" if kubeconfig else "SERVICE_ACCOUNT",
            "kubeconfig": _kubeconfig(kubeconfig) if kubeconfig else None,
            "context": kube_context,
            "token": _read(token_file).strip() if token_file else None,
            "ca_bundle": _read(ca_file) if ca_file else None,
            "insecure_skip_tls_verify": insecure,
        }

    run.ask("store_credentials", _given(run.guarded(stored)), write=True)


def rotate_key(context: typer.Context) -> None:
    """Seal all stored credentials with a new key of the vault."""
    run: Run = context.obj
    run.ask("rotate_vault_key", {}, write=True)


def register(app: typer.Typer) -> None:
    """Hang the commands onto ``aiops clusters``."""
    app.command("list")(list_clusters)
    app.command("show")(show)
    app.command("add")(add)
    app.command("import")(import_kubeconfig)
    app.command("remove")(remove)
    app.command("refresh")(refresh)
    app.command("credentials")(credentials)
    app.command("rotate-key")(rotate_key)


def _labels(pairs: list[str] | None) -> dict[str, str]:
    labels: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{pair!r} is not key=value")
        labels[key] = value
    return labels


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"{path} cannot be read: {reason}.", "Check the file.") from error


def _kubeconfig(path: Path) -> str:
    """The text with the files it names put inline: only this machine can read those."""
    from aiops_mcp.backends.kubeconfig import inlined

    return inlined(_read(path) if str(path) == "-" else path)


def _check_files(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and str(path) != "-" and not path.is_file():
            raise InputError(f"There is no file {path}.", "Check the path.")


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if value not in (None, False)}

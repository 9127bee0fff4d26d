"""`aiops demo`, `serve`, `simulate`, `doctor`: the commands that start or examine the server."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agents.cli import Run

Port = Annotated[int | None, typer.Option(help="Port of the HTTP server.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the simulated fleet.")]
Incidents = Annotated[
    list[str] | None,
    typer.Option(
        "--incident", help="NAME (began half an hour ago), NAME@+5m or NAME@TIME; repeat."
    ),
]

IncidentsFolder = Annotated[
    Path | None, typer.Option(help="Folder with more incident files (YAML).")
]


def demo(
    context: typer.Context,
    port: Port = None,
    incident: Incidents = None,
    incidents: IncidentsFolder = None,
    seed: Seed = None,
    allow_write: Annotated[
        bool, typer.Option("--allow-write/--read-only", help="Offer what changes things.")
    ] = False,
) -> None:
    """Serve the simulated fleet: MCP, REST and docs on http://127.0.0.1:8080."""
    _serve(
        context,
        port=port,
        demo=True,
        demo_seed=seed,
        demo_incidents=tuple(incident) if incident else None,
        demo_incidents_folder=incidents,
        allow_write=allow_write or None,
    )


def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address; beyond loopback AIOPS_API_TOKENS must be set.")
    ] = None,
    port: Port = None,
    allow_write: Annotated[
        bool, typer.Option("--allow-write/--read-only", help="Offer what changes things.")
    ] = False,
) -> None:
    """Serve the registered fleet: MCP at /mcp, REST at /api/v1, docs at /docs."""
    _serve(context, host=host, port=port, allow_write=allow_write or None)


def _serve(context: typer.Context, **changes: object) -> None:
    run: Run = context.obj

    def action() -> None:
        from agents.host import serve as serve_with_agent

        serve_with_agent(run.settings(**changes), say=run.output.say)

    run.guarded(action)


def simulate(
    context: typer.Context,
    port_base: Annotated[
        int, typer.Option(help="First of the loopback ports; 0 takes free ones.")
    ] = 0,
    load: Annotated[
        Path | None,
        typer.Option(help="Serve this folder's data set as one Prometheus instead of the fleet."),
    ] = None,
    incident: Incidents = None,
    incidents: IncidentsFolder = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Write the kubeconfig there; default: a new folder.")
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(help="URL that each Alertmanager tells what fires; {cluster} is its name."),
    ] = None,
    webhook_secrets: Annotated[
        Path | None, typer.Option(help="JSON file of bearer tokens by cluster for --webhook.")
    ] = None,
    seed: Seed = None,
) -> None:
    """Serve every backend of the simulated fleet on loopback; prints their URLs as JSON."""
    run: Run = context.obj

    def action() -> None:
        from aiops_mcp.simulating import SimulatedFleetOptions, simulate_dataset, simulate_fleet

        if load is not None:
            asyncio.run(simulate_dataset(load, port_base, run.output.json))
            return
        options = SimulatedFleetOptions(
            seed=1 if seed is None else seed,
            incidents=tuple(incident or ()),
            incidents_folder=incidents,
            kubeconfig=kubeconfig,
            webhook=webhook,
            webhook_secrets=webhook_secrets,
        )
        asyncio.run(simulate_fleet(options, port_base, run.output.json))

    run.guarded(action)


def doctor(
    context: typer.Context,
    new_vault_key: Annotated[
        bool, typer.Option("--new-vault-key", help="Print a fresh key for AIOPS_VAULT_KEYS.")
    ] = False,
) -> None:
    """What is configured, reachable and missing, each with the next step."""
    run: Run = context.obj
    if new_vault_key:
        from cryptography.fernet import Fernet

        run.output.console.print(Fernet.generate_key().decode())
        return

    def action() -> None:
        from agents.doctor import examine

        findings = asyncio.run(examine(run.settings(), run.server, run.token))
        run.output.digest(findings)

    run.guarded(action)


def register(app: typer.Typer) -> None:
    """Hang the commands onto ``aiops``."""
    app.command()(demo)
    app.command()(serve)
    app.command()(simulate)
    app.command()(doctor)

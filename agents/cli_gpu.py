"""``aiops gpu``: health and waste of the fleet's GPUs, and the model servers on them."""

from typing import TYPE_CHECKING

import typer

from agents.options import Limit, Names

if TYPE_CHECKING:
    from agents.cli import Run


def health(context: typer.Context, cluster: Names = None, limit: Limit = None) -> None:
    """Which GPUs are failing or degraded, why, and what to do."""
    run: Run = context.obj
    run.ask("get_gpu_health", {"clusters": cluster, "limit": limit})


def waste(context: typer.Context, cluster: Names = None, limit: Limit = None) -> None:
    """Held and idle, free, fragmented, slices unused."""
    run: Run = context.obj
    run.ask("get_gpu_waste", {"clusters": cluster, "limit": limit})


def servers(context: typer.Context, cluster: Names = None, limit: Limit = None) -> None:
    """Model servers (vLLM) and what their users feel."""
    run: Run = context.obj
    run.ask("get_model_servers", {"clusters": cluster, "limit": limit})


def register(gpu_app: typer.Typer) -> None:
    """Put the commands under ``aiops gpu``."""
    gpu_app.command("health")(health)
    gpu_app.command("waste")(waste)
    gpu_app.command("servers")(servers)

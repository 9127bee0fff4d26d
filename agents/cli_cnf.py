"""``aiops cnf``: network functions, clocks, packet ports and SR-IOV of the fleet."""

from typing import TYPE_CHECKING, Annotated

import typer

from agents.options import Limit, Name, Names

if TYPE_CHECKING:
    from agents.cli import Run

cnf_app = typer.Typer(help="Network functions of the fleet.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(cnf_app, name="cnf")


@cnf_app.command("workloads")
def workloads(
    context: typer.Context,
    cluster: Names = None,
    cnf_type: Annotated[str | None, typer.Option("--type", help="VDU, VCU, UPF, AMF …")] = None,
    limit: Limit = None,
) -> None:
    """Network functions, those with trouble first."""
    run: Run = context.obj
    asked = {"clusters": cluster, "cnf_type": cnf_type and cnf_type.upper(), "limit": limit}
    run.ask("get_cnf_workloads", asked)


@cnf_app.command("ptp")
def ptp(context: typer.Context, cluster: Names = None, limit: Limit = None) -> None:
    """Clock synchronisation, the worst first."""
    run: Run = context.obj
    run.ask("get_ptp_status", {"clusters": cluster, "limit": limit})


@cnf_app.command("dpdk")
def dpdk(
    context: typer.Context,
    cluster: Name,
    pod: Annotated[str, typer.Argument(help="Pod name.")],
) -> None:
    """What a pod's packet ports receive, send and drop."""
    run: Run = context.obj
    run.ask("get_dpdk_stats", {"cluster": cluster, "pod_name": pod})


@cnf_app.command("sriov")
def sriov(context: typer.Context, cluster: Names = None, limit: Limit = None) -> None:
    """SR-IOV interfaces and their virtual functions."""
    run: Run = context.obj
    run.ask("get_sriov_status", {"clusters": cluster, "limit": limit})

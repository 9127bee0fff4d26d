"""`aiops simulate`: the simulated backends on loopback, for kubectl, promtool, Grafana and others.

Needs no database and no application: only the simulation, and what serves it.
"""

import asyncio
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from aiops_mcp.errors import InputError
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.promql.serve import dataset_app
from aiops_mcp.simulation.serve import bound_socket, serve_fleet
from aiops_mcp.simulation.world import World

Ready = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class SimulatedFleetOptions:
    """What of the fleet is served: its seed, its incidents, and where its kubeconfig goes."""

    seed: int = 1
    incidents: tuple[str, ...] = ()
    incidents_folder: Path | None = None
    kubeconfig: Path | None = None


async def simulate_fleet(options: SimulatedFleetOptions, port_base: int, ready: Ready) -> None:
    """Serve every backend of every simulated cluster until interrupted.

    ``ready`` gets the URLs, once all of them answer.

    Raises:
        InputError: an unknown incident, a taken port, or a kubeconfig that cannot be written.
    """
    known = read_incidents(options.incidents_folder)
    started = start_incidents(options.incidents, known, time.time())
    fleet = SimulatedFleet(World(options.seed, started))
    running = await serve_fleet(fleet, port_base)
    try:
        path = _write(running.kubeconfig, options.kubeconfig)
        ready({**running.description, "kubeconfig": str(path)})
        await _until_interrupted()
    finally:
        await running.stop()


def _write(kubeconfig: str, path: Path | None) -> Path:
    """Write the kubeconfig for this user alone: it holds tokens, if only simulated ones."""
    target = path or Path(tempfile.mkdtemp(prefix="aiops-")) / "kubeconfig"
    try:
        target.touch(mode=0o600)
        target.write_text(kubeconfig, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"The kubeconfig cannot be written to {target}: {error.strerror}.",
            "Give another place with --kubeconfig.",
        ) from error
    return target


async def simulate_dataset(folder: Path, port: int, ready: Ready) -> None:
    """Serve a data set as one Prometheus until interrupted; ``ready`` gets its URL.

    Raises:
        InputError: the folder holds no data set, or the port is taken.
    """
    application = dataset_app(folder)
    bound = bound_socket("127.0.0.1", port)
    bound.listen()
    ready({"prometheus": f"http://127.0.0.1:{bound.getsockname()[1]}"})
    config = uvicorn.Config(application, log_level="warning", access_log=False, lifespan="off")
    await uvicorn.Server(config).serve(sockets=[bound])


async def _until_interrupted() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()

"""`aiops simulate`: the simulated backends on loopback, for kubectl, promtool, Grafana and others.

Needs no database and no application: only the simulation, and what serves it.
"""

import asyncio
import json
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
import uvicorn

from aiops_mcp.errors import InputError
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.promql.serve import dataset_app
from aiops_mcp.simulation.serve import bound_socket, serve_fleet
from aiops_mcp.simulation.webhooks import Post, Timing, WebhookSender, http_post
from aiops_mcp.simulation.world import World

Ready = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class SimulatedFleetOptions:
    """What of the fleet is served: its seed, its incidents, and where its kubeconfig goes.

    Its Alertmanagers tell the ``webhook`` what fires, ``{cluster}`` in the URL standing for the
    cluster's name; a JSON file of ``webhook_secrets`` (bearer tokens by cluster) says which do.
    """

    seed: int = 1
    incidents: tuple[str, ...] = ()
    incidents_folder: Path | None = None
    kubeconfig: Path | None = None
    webhook: str | None = None
    webhook_secrets: Path | None = None


async def simulate_fleet(options: SimulatedFleetOptions, port_base: int, ready: Ready) -> None:
    """Serve every backend of every simulated cluster until interrupted.

    ``ready`` gets the URLs, once all of them answer.

    Raises:
        InputError: an unknown incident, a taken port, a kubeconfig that cannot be written, or
            secrets that cannot be read.
    """
    known = read_incidents(options.incidents_folder)
    started = start_incidents(options.incidents, known, time.time())
    fleet = SimulatedFleet(World(options.seed, started))
    secrets = _secrets(options.webhook_secrets)
    running = await serve_fleet(fleet, port_base)
    telling: list[asyncio.Task[None]] = []
    try:
        path = _write(running.kubeconfig, options.kubeconfig)
        ready({**running.description, "kubeconfig": str(path)})
        async with httpx2.AsyncClient(timeout=10.0) as client:
            if options.webhook:
                telling = tell_webhook(fleet, client, options.webhook, secrets)
            await _until_interrupted()
    finally:
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)
        await running.stop()


def tell_webhook(
    fleet: SimulatedFleet,
    client: httpx2.AsyncClient,
    url: str,
    secrets: Mapping[str, str] | None = None,
    timing: Timing | None = None,
) -> "list[asyncio.Task[None]]":
    """Start each cluster's Alertmanager telling a webhook; with ``secrets`` those named there."""
    tasks: list[asyncio.Task[None]] = []
    unknown = set(secrets or {}) - set(fleet.world.names)
    if unknown:
        raise InputError(
            f"The webhook secrets name {min(unknown)!r}, which is no cluster of the fleet.",
            f"There are: {', '.join(fleet.world.names)}.",
        )
    for name in fleet.world.names if secrets is None else secrets:
        post = http_post(client, url.replace("{cluster}", name), (secrets or {}).get(name))
        sender = WebhookSender(
            fleet.sent_alerts(name).current,
            _while_reachable(fleet, name, post),
            fleet.world.now,
            timing,
            url=f"https://alertmanager.{name}.sim.invalid",
        )
        tasks.append(asyncio.create_task(sender.run()))
    return tasks


def _while_reachable(fleet: SimulatedFleet, name: str, post: Post) -> Post:
    """A cluster that nobody reaches reaches nobody either."""

    async def guarded(body: bytes) -> int:
        cluster = fleet.world.clusters[name]
        return await post(body) if cluster.reachable(fleet.world.now()) else 0

    return guarded


def _secrets(path: Path | None) -> dict[str, str] | None:
    """Bearer tokens by cluster, from a file that is this user's own."""
    if path is None:
        return None
    wrong = InputError(
        f"{path} holds no webhook secrets.", 'Write JSON such as {"prod-frankfurt": "SECRET"}.'
    )
    try:
        content: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise wrong from error
    if not isinstance(content, dict):
        raise wrong
    pairs = cast("dict[str, Any]", content)
    if not all(isinstance(secret, str) for secret in pairs.values()):
        raise wrong
    return pairs


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

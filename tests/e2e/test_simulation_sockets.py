"""The simulated fleet on loopback sockets, by a client that is not ours."""

import asyncio
import ssl

import httpx2
import pytest
import yaml

from aiops_mcp.errors import InputError
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.serve import serve_fleet
from aiops_mcp.simulation.world import World

NOW = 1_764_050_000.0


@pytest.fixture
async def served():
    clock = [NOW]
    started = start_incidents(["region-partition@+1m"], read_incidents(), NOW)
    fleet = SimulatedFleet(World(1, started, lambda: clock[0]))
    running = await serve_fleet(fleet)
    yield running, clock
    await running.stop()


async def test_every_backend_answers_and_a_cut_region_hangs_up(served):
    running, clock = served
    assert len(running.description["clusters"]) == 15
    urls = running.urls["edge-dallas"]
    trust = ssl.create_default_context(cadata=running.authority_pem)
    headers = {"authorization": f"Bearer {token_of(1, 'edge-dallas')}"}
    async with httpx2.AsyncClient(verify=trust, headers=headers) as client:
        nodes = await client.get(f"{urls['api']}/api/v1/nodes")
        assert len(nodes.json()["items"]) == 3
        up = await client.get(f"{urls['prometheus']}/api/v1/query", params={"query": "count(up)"})
        assert int(up.json()["data"]["result"][0]["value"][1]) > 20
        alerts = await client.get(f"{urls['alertmanager']}/api/v2/alerts")
        assert [one["labels"]["alertname"] for one in alerts.json()] == ["Watchdog"]
        clock[0] += 120.0
        for backend, path in (("api", "/version"), ("prometheus", "/-/ready")):
            with pytest.raises(httpx2.TransportError):
                await client.get(urls[backend] + path)
        other = await client.get(f"{running.urls['edge-munich']['prometheus']}/-/ready")
        assert other.status_code == 200
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{running.urls['tower-18']['prometheus']}/-/ready")


async def test_the_kubeconfig_has_a_context_per_cluster(served):
    running, _ = served
    config = yaml.safe_load(running.kubeconfig)
    assert [one["name"] for one in config["contexts"]] == list(running.urls)
    assert config["current-context"] == "fleet-hub"
    assert config["clusters"][3]["cluster"]["server"] == running.urls["stage-singapore"]["api"]


async def test_a_taken_port_is_named(served):
    running, _ = served
    port = int(running.urls["fleet-hub"]["api"].rsplit(":", 1)[1])
    with pytest.raises(InputError, match=str(port)):
        await serve_fleet(SimulatedFleet(World(1, (), lambda: NOW)), port)


@pytest.mark.real
async def test_promtool_queries_it(served, require_program):
    require_program("promtool")
    running, _ = served
    process = await asyncio.create_subprocess_exec(
        "promtool",
        "query",
        "instant",
        f"--time={NOW:.0f}",
        running.urls["prod-frankfurt"]["prometheus"],
        "count by (job) (up{job='node-exporter'})",
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert '{job="node-exporter"} => 9 @' in out.decode()

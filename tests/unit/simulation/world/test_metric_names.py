"""The names of all metrics, without computing a series."""

import httpx2

from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.world import World, fixed_clock

MOMENT = 1_790_000_000.0


async def test_names_are_those_of_the_series() -> None:
    fleet = SimulatedFleet(World(1, clock=fixed_clock(MOMENT)))
    transport = httpx2.ASGITransport(app=fleet.app("edge-munich", "prometheus"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        quick = (await client.get("/api/v1/label/__name__/values")).json()["data"]
        window = {"start": str(MOMENT - 86_400), "end": str(MOMENT)}
        through_all = (await client.get("/api/v1/label/__name__/values", params=window)).json()
    assert set(through_all["data"]) <= set(quick)
    assert len(set(quick) - set(through_all["data"])) <= 5
    assert quick == sorted(quick)

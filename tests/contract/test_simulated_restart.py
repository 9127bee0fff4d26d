"""A demo that is started again finds its clusters where the simulation has them now."""

from aiops_mcp.app import open_app
from aiops_mcp.models.cluster import ClusterEndpoints
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.registration import ClusterChanges
from aiops_mcp.settings import Settings


async def test_addresses_of_an_older_simulation_are_replaced(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path, demo=True)
    old = ClusterEndpoints(prometheus_url="https://prometheus.old.sim.invalid")
    async with open_app(settings, watch=False) as app:
        registry = app.context.registry
        first = await registry.resolve("prod-frankfurt", LOCAL_ADMIN)
        await registry.update(first.id, ClusterChanges(endpoints=old))
    async with open_app(settings, watch=False) as app:
        again = await app.context.registry.resolve("prod-frankfurt", LOCAL_ADMIN)
    assert again.id == first.id
    assert again.endpoints == first.endpoints
    assert again.endpoints.loki_url is not None

"""The toolbox over the real application: a caller's clusters hold, hostile text is told as such."""

from datetime import UTC, datetime

import pytest
from toolbox_fakes import persona

from agents.conversation import ToolCall
from agents.results import Results
from agents.toolbox import tools_of
from aiops_mcp.app import open_app
from aiops_mcp.mcp_host import OpenApp, mcp_server
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.settings import Settings

NOW = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
VIEWER = Principal(subject="vera", role=Role.VIEWER, clusters=frozenset({"prod-virginia"}))
SECRETS = ("c2ltdWxhdGVkLXNpZ25hdHVyZS1ub3QtcmVhbA", "not-a-real-password-8841")


@pytest.fixture
async def fleet(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path, demo=True, demo_incidents=("hostile-text",))
    async with open_app(settings, watch=False, clock=lambda: NOW) as app:
        await app.check_stale_clusters()
        tools = tools_of(mcp_server(OpenApp(app), settings), settings)
        yield app, tools
        await tools.aclose()


async def test_a_confined_viewer_gets_its_cluster_only(fleet):
    app, tools = fleet
    others = {cluster.name for cluster in await app.context.registry.list(LOCAL_ADMIN)}
    others -= VIEWER.clusters
    async with tools.open(persona(), VIEWER) as box, tools.open(persona(), LOCAL_ADMIN) as whole:
        for name in ("list_clusters", "list_alerts", "get_fleet_summary"):
            seen = await box.call(name, {})
            assert seen.status is ToolStatus.SUCCESS
            assert not [other for other in others if other in seen.text], name
        everything = await whole.call("list_clusters", {})
        hidden = await box.call("get_cluster_status", {"cluster": min(others)})
    assert all(other in everything.text for other in list(others)[:5])
    assert hidden.payload["error"]["code"] == "CLUSTER_NOT_FOUND"


async def test_hostile_text_is_shown_as_data_that_gives_orders(fleet):
    _, tools = fleet
    results = Results(16_000)
    arguments = {"query": '{app="shipping"}', "clusters": ["prod-virginia"], "limit": 200}
    async with tools.open(persona("query_logs", "list_alerts"), LOCAL_ADMIN) as box:
        outcome = await box.call("query_logs", arguments)
        calm = await box.call("list_alerts", {"clusters": ["prod-virginia"]})
    reference = results.take(
        ToolCall("1", "query_logs", arguments), outcome, clusters=("prod-virginia",)
    )
    shown = results.shown(reference)
    assert "tries to give orders" in shown
    assert "</untrusted>" not in shown
    assert not [secret for secret in SECRETS if secret in shown + str(reference)]
    assert reference.as_of is not None
    assert reference.query
    assert reference.coverage
    told = results.take(ToolCall("2", "list_alerts", {}), calm, clusters=())
    assert "orders" not in results.shown(told)

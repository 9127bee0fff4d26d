"""Incidents of the simulated fleet, told by the patterns of its log lines; quiet where all is well."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiops_mcp.app import App
from aiops_mcp.models.digest import Digest
from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN, guard

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MOST_TOKENS = 700
BOTH = ("prod-frankfurt", "prod-virginia")

pytestmark = pytest.mark.timeout(120)


async def ask(app: App, query: str, **more: Any) -> Digest:
    digest = guard(await app.ask("get_log_patterns", {"query": query, **more}))
    assert len(digest.text()) / BYTES_PER_TOKEN < MOST_TOKENS
    return digest


async def test_a_service_that_runs_out_of_memory(fleet_in) -> None:
    app = await fleet_in("oom-loop", clusters=BOTH)
    made = await ask(app, '{namespace="shop"} |= "upstream failed"')
    row = dict(zip(made.columns, made.rows[0], strict=True))
    assert row["level"] == "ERROR"
    assert row["change"] == "new"
    assert row["clusters"] == "prod-frankfurt"
    assert "recommendation" in row["line"]
    # It began half an hour ago, and a part of the window is ten minutes.
    began = datetime.strptime(f"2026-11-25T{row['began']}Z", "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
    assert abs(began - (NOW - timedelta(minutes=30))) <= timedelta(minutes=10)


async def test_a_healthy_hour_has_nothing_new(fleet_in) -> None:
    app = await fleet_in(clusters=BOTH)
    made = await ask(app, '{namespace="shop", app="cart"}', window="30m")
    assert "(0 errors): none changed." in made.headline
    assert len(made.rows) >= 3

"""Incidents of the simulated fleet, told by what belongs together; and quiet where all is well."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiops_mcp.app import App
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.registration import ClusterChanges
from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN, guard

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MOST_TOKENS = 900

pytestmark = pytest.mark.timeout(120)


async def ask(app: App, **arguments: Any) -> Digest:
    digest = guard(await app.ask("correlate", arguments))
    assert len(digest.text()) / BYTES_PER_TOKEN < MOST_TOKENS
    return digest


def rows_of(digest: Digest) -> list[dict[str, Any]]:
    """What a cluster wrote stands between marks, which are left out here."""
    plain = [
        [cell.strip("«»") if isinstance(cell, str) else cell for cell in row] for row in digest.rows
    ]
    return [dict(zip(digest.columns, row, strict=True)) for row in plain]


async def test_a_slow_database_and_all_that_waits_for_it(fleet_in) -> None:
    app = await fleet_in("slow-database", clusters=("prod-frankfurt",))
    made = await ask(app, component="shop/catalogue", limit=20)
    rows = rows_of(made)
    seen = [row for row in rows if row["group"] == 0]
    first = next(row for row in seen if row["kind"] == "metric")
    assert first["component"] == "shop/catalogue"
    assert "database pool" in {row["what"] for row in seen}
    began = datetime.fromisoformat(f"2026-11-25T{first['at']}Z")
    assert abs(began - (NOW - timedelta(minutes=30))) <= timedelta(minutes=10)
    assert {row["component"] for row in seen} >= {"shop/catalogue", "shop/frontend"}
    assert all(row["weight"] >= 0.4 for row in seen[1:] if row["weight"] is not None)
    moved = [row for row in rows if row["kind"] == "moved with"]
    assert "shop/frontend" in {row["component"] for row in moved}
    assert all(abs(row["lag_s"]) <= 300 for row in moved)
    for source in ("series", "alerts", "changes", "events", "log patterns"):
        assert source in made.headline


async def test_the_one_gpu_that_holds_back_its_peers(fleet_in) -> None:
    app = await fleet_in("gpu-straggler", clusters=("ml-oregon",))
    rows = rows_of(await ask(app))
    odd = [(row["kind"], row["component"], row["what"]) for row in rows if "odd" in row["kind"]]
    assert odd == [("odd gpu", "ml-oregon-gpu-0/1", "GPU clock under load")]


async def test_a_query_says_who_the_peers_are(fleet_in) -> None:
    app = await fleet_in("gpu-straggler", clusters=("ml-oregon",))
    query = 'avg by (gpu) (DCGM_FI_DEV_SM_CLOCK{Hostname="ml-oregon-gpu-0"})'
    answer = await ask(app, query=query, window="30m", limit=30)
    odd = [row for row in rows_of(answer) if row["what"] == "the query"]
    assert [(row["kind"], row["component"]) for row in odd] == [("odd gpu", "1")]


async def test_an_alert_stands_for_what_it_is_of(fleet_in) -> None:
    app = await fleet_in("slow-database", clusters=("prod-frankfurt", "prod-virginia"))
    rows = rows_of(await ask(app, alert="ServiceLatencyHigh"))
    first = [row for row in rows if row["group"] == 0]
    assert any(row["kind"] == "alert" and row["what"] == "ServiceLatencyHigh" for row in first)
    assert {row["cluster"] for row in first} == {"prod-frankfurt"}


async def test_korrel8r_is_asked_where_its_url_is_set(fleet_in) -> None:
    app = await fleet_in("oom-loop", clusters=("prod-frankfurt", "prod-virginia"))
    made = await ask(app, component="shop/recommendation")
    assert "korrel8r" in made.headline
    near = [row for row in rows_of(made) if row["kind"].startswith("korrel8r")]
    assert {"korrel8r object", "korrel8r alert", "korrel8r event"} <= {row["kind"] for row in near}
    assert {row["cluster"] for row in near} == {"prod-frankfurt"}


async def test_a_korrel8r_that_is_away_is_named(fleet_in) -> None:
    app = await fleet_in("oom-loop", clusters=("prod-frankfurt",))
    known = await app.context.registry.resolve("prod-frankfurt", LOCAL_ADMIN)
    away = known.endpoints.model_copy(update={"korrel8r_url": "https://korrel8r.gone.invalid"})
    await app.context.registry.update(known.id, ClusterChanges(endpoints=away))
    made = await ask(app, component="shop/recommendation")
    assert "korrel8r" not in made.headline
    assert any(note.startswith("korrel8r of prod-frankfurt: ") for note in made.notes)


async def test_a_healthy_hour_has_no_grave_group(fleet_in) -> None:
    app = await fleet_in(clusters=("prod-virginia",))
    rows = rows_of(await ask(app))
    assert [row for row in rows if "odd" in row["kind"] or row["kind"] == "alert"] == []

"""Incidents of a fleet in trouble: made by themselves, over REST and MCP, for each caller."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from fastmcp import Client
from pydantic import SecretStr

from aiops_mcp.app import App, open_app
from aiops_mcp.background import investigator_of
from aiops_mcp.mcp_host import OpenApp, mcp_server
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.serving import http_application
from aiops_mcp.settings import Settings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

MOMENT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
ADMIN, OPERATOR, VIEWER, GUEST = (
    *("an-admin-token-1", "an-operator-token-1", "a-viewer-token-1"),
    "a-confined-token",
)


async def always() -> bool:
    return True


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    settings = Settings(
        _env_file=None,
        home=tmp_path_factory.mktemp("home"),
        demo=True,
        demo_incidents=("slow-database", "cross-cluster-payment", "region-partition"),
        check_timeout=dict.fromkeys(ClusterType, 60.0),
        api_tokens=SecretStr(
            f"admin={ADMIN},operator={OPERATOR},viewer={VIEWER},operator@prod-virginia={GUEST}"
        ),
        rate_user_per_minute=0,
        rate_reports_per_minute=0,
    )
    async with open_app(settings, watch=False, clock=lambda: MOMENT) as opened:
        await opened.check_stale_clusters()
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def events(app: App) -> list[Event]:
    heard: list[Event] = []

    async def hear(event: Event) -> None:
        heard.append(event)

    app.bus.subscribe(hear)
    return heard


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(app: App, events: list[Event]) -> App:
    """The fleet after its alerts were seen and looked into."""
    del events
    for _ in range(9):  # a look takes two shards more
        await app.context.alerts.watcher.look_once()
    investigator = investigator_of(app.context, app.bus, always)
    for _ in range(6):
        await investigator.look_once()
        await investigator.settled()
    await app.bus.settle()
    return app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(made: App) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=http_application(made).asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1/api/v1") as one:
        yield one


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def listed(rest: httpx2.AsyncClient, token: str = VIEWER, **wanted: str) -> list[dict]:
    answer = await rest.get("/incidents", params=wanted, headers=by(token))
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["total"] == len(page["items"])
    return page["items"]


async def of_cluster(rest: httpx2.AsyncClient, cluster: str) -> dict:
    (summary,) = await listed(rest, cluster_id=cluster)
    answer = await rest.get(f"/incidents/{summary['id']}", headers=by(VIEWER))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_each_trouble_is_one_incident_with_its_cause(rest) -> None:
    items = await listed(rest)
    assert {tuple(sorted(one["clusters"])) for one in items} == {
        ("fleet-hub",),
        ("prod-frankfurt", "prod-virginia"),
    }
    assert all(one["state"] == "OPEN" and one["investigation"] == "DONE" for one in items)
    assert all(one["simulated"] and one["assignee"] is None for one in items)
    starts = [one["started_at"] for one in items]
    assert starts == sorted(starts, reverse=True)


async def test_one_incident_says_what_happened_when_and_why(rest) -> None:
    told = await of_cluster(rest, "fleet-hub")
    assert told["severity"] == "CRITICAL"
    assert {one["alertname"] for one in told["alerts"]} == {"ManagedClusterUnavailable"}
    assert {one["component"] for one in told["alerts"]} == {"edge-dallas", "tower-42"}
    assert told["rca"]["causes"][0]["component"] in ("edge-dallas", "us-south")
    assert told["title"].startswith(told["rca"]["causes"][0]["component"])
    assert told["explanation"].startswith("`ManagedClusterUnavailable` of ")
    assert "Most likely cause: **`" in told["explanation"]
    times = [one["timestamp"] for one in told["timeline"]]
    assert times == sorted(times)
    sources = [one["source"] for one in told["timeline"]]
    assert sources.count("alert") == 2
    assert sources[-1] == "rca"
    assert all(one["evidence"] for one in told["timeline"])


async def test_lists_are_filtered(rest) -> None:
    assert await listed(rest, state="RESOLVED") == []
    assert len(await listed(rest, state="OPEN", severity="CRITICAL")) == 2
    assert await listed(rest, severity="INFO") == []
    wrong = await rest.get("/incidents", params={"state": "GONE"}, headers=by(VIEWER))
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "VALIDATION_FAILED")
    nobody = await rest.get("/incidents", params={"cluster_id": "nobody"}, headers=by(VIEWER))
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (404, "CLUSTER_NOT_FOUND")
    page = await rest.get("/incidents", params={"page": 2, "page_size": 1}, headers=by(VIEWER))
    assert (page.json()["total_pages"], len(page.json()["items"])) == (2, 1)


async def test_what_is_not_there(rest) -> None:
    for name in (str(uuid4()), "no-id"):
        answer = await rest.get(f"/incidents/{name}", headers=by(VIEWER))
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "INCIDENT_NOT_FOUND")


async def test_it_was_told_on_the_bus(rest, events) -> None:
    items = {one["id"] for one in await listed(rest)}
    complete = [one for one in events if one.event_type is EventType.RCA_COMPLETE]
    assert {one.payload["incident_id"] for one in complete} >= items
    assert all(one.payload["causes"] for one in complete)


async def act(rest: httpx2.AsyncClient, incident: str, what: str, token: str, **body: str):
    return await rest.post(f"/incidents/{incident}/{what}", json=body, headers=by(token))


async def test_people_take_it_on_write_notes_end_it_and_take_it_back(rest) -> None:
    incident = (await of_cluster(rest, "fleet-hub"))["id"]
    assert (await act(rest, incident, "acknowledge", VIEWER)).status_code == 403
    taken = (await act(rest, incident, "acknowledge", OPERATOR, note="mine")).json()
    assert taken["state"] == "ACKNOWLEDGED"
    assert taken["assignee"].startswith("operator")
    noted = (await act(rest, incident, "notes", OPERATOR, text="the carrier is called")).json()
    assert [one["text"] for one in noted["notes"]] == ["mine", "the carrier is called"]
    empty = await act(rest, incident, "notes", OPERATOR, text="")
    assert (empty.status_code, empty.json()["error"]["code"]) == (422, "VALIDATION_FAILED")
    over = (await act(rest, incident, "resolve", ADMIN)).json()
    assert (over["state"], over["resolved_at"]) == ("RESOLVED", "2026-03-10T14:30:00Z")
    again = await act(rest, incident, "acknowledge", ADMIN)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "VALIDATION_FAILED")
    back = (await act(rest, incident, "reopen", OPERATOR)).json()
    assert (back["state"], back["assignee"], back["resolved_at"]) == ("OPEN", None, None)
    people = [one["what"].split(" ", 1)[1] for one in back["timeline"] if one["source"] == "person"]
    assert people == [
        "acknowledged it",
        "noted: mine",
        "noted: the carrier is called",
        "resolved it",
        "reopened it",
    ]


async def test_who_sees_one_cluster_sees_what_is_of_it(rest) -> None:
    (mine,) = await listed(rest, GUEST)
    assert mine["clusters"] == ["prod-virginia"]
    told = await rest.get(f"/incidents/{mine['id']}", headers=by(GUEST))
    assert {one["cluster_name"] for one in told.json()["alerts"]} == {"prod-virginia"}
    for hidden in ("frankfurt", "fleet-hub", "edge-dallas"):
        assert hidden not in told.text
    hub = (await of_cluster(rest, "fleet-hub"))["id"]
    for answer in (
        await rest.get(f"/incidents/{hub}", headers=by(GUEST)),
        await act(rest, hub, "notes", GUEST, text="x"),
        await act(rest, hub, "resolve", GUEST),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "INCIDENT_NOT_FOUND")
    other = await rest.post("/incidents", json={"cluster": "fleet-hub"}, headers=by(GUEST))
    assert (other.status_code, other.json()["error"]["code"]) == (404, "CLUSTER_NOT_FOUND")


async def test_an_investigation_by_hand_of_an_alert_is_of_its_incident(rest) -> None:
    before = await of_cluster(rest, "fleet-hub")
    asked = {"alert": before["alerts"][0]["fingerprint"]}
    answer = await rest.post("/incidents", json=asked, headers=by(VIEWER))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["id"] == before["id"]
    assert told["rca"]["id"] != before["rca"]["id"]
    assert told["revision"] == before["revision"] + 1
    assert len(await listed(rest)) == 2


async def test_who_sees_a_part_puts_nothing_in_the_place_of_the_whole(rest) -> None:
    (mine,) = await listed(rest, GUEST)
    before = (await rest.get(f"/incidents/{mine['id']}", headers=by(ADMIN))).json()
    here = next(one for one in before["alerts"] if one["cluster_name"] == "prod-virginia")
    asked = {"alert": here["fingerprint"], "cluster": "prod-virginia"}
    told = (await rest.post("/incidents", json=asked, headers=by(GUEST))).json()
    assert told["id"] != mine["id"]
    assert told["rca"]["cluster_name"] == "prod-virginia"
    assert told["alerts"][0]["fingerprint"] == here["fingerprint"]
    after = (await rest.get(f"/incidents/{mine['id']}", headers=by(ADMIN))).json()
    assert after == before
    assert len(await listed(rest, GUEST)) == 2


async def test_an_investigation_by_hand_of_a_cluster_is_kept(rest, made, events) -> None:
    asked = {"cluster": "ml-zurich"}
    told = (await rest.post("/incidents", json=asked, headers=by(VIEWER))).json()
    assert (told["state"], told["severity"]) == ("RESOLVED", "INFO")
    assert told["title"] == "Nothing found on ml-zurich"
    assert "No cause was found on ml-zurich: " in told["explanation"]
    asked = {"cluster": "prod-frankfurt", "component": "shop/catalogue"}
    told = (await rest.post("/incidents", json=asked, headers=by(VIEWER))).json()
    assert (told["state"], told["clusters"]) == ("OPEN", ["prod-frankfurt"])
    assert told["severity"] in ("WARNING", "CRITICAL")
    assert told["rca"]["trigger"]["kind"] == "COMPONENT"
    assert "asked for it" in " ".join(one["what"] for one in told["timeline"])
    assert (await rest.get(f"/incidents/{told['id']}", headers=by(VIEWER))).json() == told
    empty = await rest.post("/incidents", json={}, headers=by(VIEWER))
    assert (empty.status_code, empty.json()["error"]["code"]) == (422, "VALIDATION_FAILED")
    unknown = await rest.post("/incidents", json={"alert": "Nobody"}, headers=by(VIEWER))
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "ALERT_NOT_FOUND")
    await made.bus.settle()
    complete = [one for one in events if one.event_type is EventType.RCA_COMPLETE]
    assert complete[-1].payload["incident_id"] == told["id"]


async def test_they_are_resources_and_digests(made) -> None:
    server = mcp_server(OpenApp(made), made.settings)
    async with Client(server) as client:
        (page,) = await client.read_resource("fleet://incidents")
        assert '"items"' in page.text
        digest = await made.ask("list_incidents", {})
        assert digest.columns[:3] == ("id", "state", "severity")
        assert digest.coverage == "simulated fleet"
        first = next(str(row[0]) for row in digest.rows if row[4] == "fleet-hub")
        (one,) = await client.read_resource(f"fleet://incidents/{first}")
        assert first in one.text
        assert '"timeline"' in one.text
        tools = {tool.name for tool in await client.list_tools()}
    assert not {name for name in tools if "incident" in name or name == "investigate"}
    whole = await made.ask("get_incident", {"incident": first})
    assert whole.columns == ("time", "source", "cluster", "what", "evidence")
    assert any(note.startswith("cause 1, score 0.") for note in whole.notes)
    assert whole.more is not None
    assert whole.more.endswith(f"aiops incidents show {first}")

"""The stream, its REST paths and the record of calls, as an administrator and others meet them."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

ADMIN, VIEWER = "admin-token-of-this-test", "viewer-token-of-this-test"
CANARY = "canary-7f3a-never-show-this"
TAIL = "/api/v1/logs/tail"


@pytest.fixture(scope="module")
def server(serve, aiops, tmp_path_factory) -> Iterator[Any]:
    home: Path = tmp_path_factory.mktemp("stream")
    tokens = f"admin={ADMIN},viewer@open-one={VIEWER}"
    with serve(
        home, [aiops, "serve", "--allow-write"], AIOPS_API_TOKENS=tokens,
        AIOPS_RATE_USER_PER_MINUTE="0",
    ) as running:  # fmt: skip
        yield running


def rest(server: Any, token: str) -> httpx2.Client:
    headers = {"authorization": f"Bearer {token}"}
    return httpx2.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=10)


def stream(server: Any, token: str):
    url = server.url.replace("http", "ws") + "/ws"
    return connect(url, proxy=None, additional_headers={"authorization": f"Bearer {token}"})


async def ask(socket: Any, frame: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(frame))
    return await heard(socket)


async def heard(socket: Any) -> dict[str, Any]:
    async with asyncio.timeout(10):
        return json.loads(await socket.recv())


async def test_streaming_paths_and_who_may_use_them(server) -> None:
    async with stream(server, ADMIN) as admin, stream(server, VIEWER) as viewer:
        wanted = {"type": "subscribe", "subscription": {"event_types": ["GPU_UPDATE"]}}
        await ask(admin, wanted)
        await ask(viewer, wanted)
        with rest(server, ADMIN) as by_admin, rest(server, VIEWER) as by_viewer:
            status = by_viewer.get("/streaming/status").json()
            assert (status["connections"], status["subscriptions"]) == (2, 2)
            assert status["shared"] is False
            clients = by_admin.get("/streaming/clients").json()
            assert {each["subject"] for each in clients["clients"]} == {"admin-1", "viewer-2"}
            assert by_viewer.get("/streaming/clients").status_code == 403
            assert by_admin.get("/streaming/subscriptions").json()["total"] == 2
            mine = by_viewer.get("/streaming/subscriptions").json()
            assert [each["subject"] for each in mine["clients"]] == ["viewer-2"]
            assert mine["by_type"] == {"GPU_UPDATE": 1}
            assert by_viewer.post("/streaming/broadcast", json={"message": "x"}).status_code == 403
            assert by_admin.post("/streaming/broadcast", json={}).status_code == 422

            assert by_admin.post("/streaming/broadcast", json={"message": "noon"}).json()["sent"]
            for socket in (admin, viewer):
                assert await heard(socket) == {"type": "notice", "message": "noon"}
            body = {"event_type": "GPU_UPDATE", "payload": {"note": f"password={CANARY}"}}
            event_id = by_admin.post("/streaming/broadcast", json=body).json()["event_id"]
            frame = await heard(admin)
            assert frame["event_id"] == event_id
            assert CANARY not in json.dumps(frame)
            # It belongs to no cluster, so one who is confined to some does not hear of it.
            assert (await ask(viewer, {"type": "ping"}))["type"] == "pong"
            gone = by_admin.post("/streaming/broadcast", json={**body, "cluster": "no-such"})
            assert gone.status_code == 404


async def test_events_of_clusters_one_may_not_see(server) -> None:
    async with stream(server, VIEWER) as viewer:
        await ask(viewer, {"type": "subscribe", "subscription": {}})
        with rest(server, ADMIN) as admin:
            for name in ("hidden-one", "open-one"):
                new = {"name": name, "api_server_url": "https://127.0.0.1:1"}
                assert admin.post("/clusters", json=new).status_code == 201
            frame = await heard(viewer)
            assert (frame["event_type"], frame["cluster_name"]) == (
                "CLUSTER_REGISTERED",
                "open-one",
            )
            for path in ("hidden-one", "open-one"):
                changed = admin.put(f"/clusters/{path}", json={"region": "north"})
                assert changed.status_code == 200, changed.text
            stored = admin.post(
                "/clusters/open-one/credentials",
                json={"auth_type": "SERVICE_ACCOUNT", "token": CANARY},
            )
            assert stored.status_code in (200, 201), stored.text
            assert admin.delete("/clusters/open-one").status_code in (200, 204)
        kinds = []
        while "CLUSTER_DELETED" not in kinds:
            frame = await heard(viewer)
            assert frame["cluster_name"] == "open-one"
            assert CANARY not in json.dumps(frame)
            kinds.append(frame["event_type"])
        assert {"CLUSTER_UPDATED", "CLUSTER_CREDENTIALS_UPDATED"} <= set(kinds)


def test_the_record_of_calls(server) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with rest(server, ADMIN) as admin, rest(server, VIEWER) as viewer:
        header = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        admin.get("/clusters", params={"region": f"x password={CANARY}"}, headers=header)
        viewer.post("/clusters", json={"name": "x-x", "api_server_url": "https://127.0.0.1:1"})
        admin.post(
            "/clusters/no-such/credentials", json={"auth_type": "SERVICE_ACCOUNT", "token": CANARY}
        )

        assert viewer.get("/audit").status_code == 403
        everything = admin.get("/audit?page_size=100").json()
        assert CANARY not in json.dumps(everything)
        assert everything["total"] >= 3
        [one] = admin.get(f"/audit?trace_id={trace}").json()["items"]
        assert (one["subject"], one["operation"], one["surface"]) == (
            "admin-1",
            "list_clusters",
            "rest",
        )
        assert one["outcome"] == "OK"
        assert len(one["result_digest"]) == 32
        denied = admin.get("/audit?outcome=PERMISSION_DENIED&operation=register_cluster").json()
        assert denied["items"][0]["subject"] == "viewer-2"
        missing = admin.get("/audit?outcome=CLUSTER_NOT_FOUND&effect=write").json()["items"]
        assert missing[0]["clusters"] == ["no-such"]
        assert admin.get("/audit?effect=odd").status_code == 422
    assert CANARY not in server.log.read_text()


async def test_what_is_followed_is_of_the_record(server) -> None:
    base = server.url.replace("http", "ws", 1)
    header = {"authorization": f"Bearer {VIEWER}"}
    async with connect(f"{base}/ws", additional_headers=header, proxy=None) as events:
        wanted = {"event_types": ["GPU_UPDATE"]}
        await events.send(json.dumps({"type": "subscribe", "subscription": wanted}))
        assert json.loads(await events.recv())["type"] == "subscribed"
        wanted = {"event_types": ["NOPE"], "cluster_filter": ["east"]}
        await events.send(json.dumps({"type": "subscribe", "subscription": wanted}))
        assert json.loads(await events.recv())["code"] == "INVALID_SUBSCRIPTION"
    async with connect(f"{base}{TAIL}?limit=many", additional_headers=header, proxy=None) as lines:
        assert json.loads(await lines.recv())["code"] == "VALIDATION_FAILED"
    url = f"{base}{TAIL}?query=%7Bapp"
    async with connect(url, additional_headers=header, proxy=None) as lines:
        assert json.loads(await lines.recv())["code"] == "INVALID_LOGQL"
    with rest(server, ADMIN) as admin:
        found = admin.get("/audit?surface=websocket&page_size=100").json()["items"]
    kept = {(each["operation"], each["outcome"], each["subject"]) for each in found}
    assert {
        ("subscribe_events", "OK", "viewer-2"),
        ("subscribe_events", "INVALID_SUBSCRIPTION", "viewer-2"),
        ("follow_logs", "VALIDATION_FAILED", "viewer-2"),
        ("follow_logs", "INVALID_LOGQL", "viewer-2"),
    } <= kept
    refused = next(each for each in found if each["outcome"] == "INVALID_SUBSCRIPTION")
    assert refused["clusters"] == ["east"]


def test_the_record_of_calls_in_the_terminal(server, run) -> None:
    shown = run("--server", server.url, "audit", "--limit", "3", AIOPS_TOKEN=ADMIN)
    assert shown.returncode == 0, shown.stderr
    digest = json.loads(shown.stdout)
    assert "operation" in digest["columns"]
    refused = run("--server", server.url, "audit", AIOPS_TOKEN=VIEWER)
    assert refused.returncode == 1
    assert "PERMISSION_DENIED" in refused.stderr


def test_events_of_the_demo_in_the_terminal(run) -> None:
    settings = {
        "AIOPS_WATCH": 'idle=sum(rate(node_cpu_seconds_total{mode="idle"}[1m]));change=0.0001%',
        "AIOPS_WATCH_EVERY": "0.5",
    }
    shown = run("--demo", "--json", "watch", "--type", "METRIC_UPDATE", "--count", "2", **settings)
    assert shown.returncode == 0, shown.stderr
    events = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [event["event_type"] for event in events] == ["METRIC_UPDATE"] * 2
    assert events[0]["payload"]["metric_name"] == "idle"


def test_going_away_is_said(serve, aiops, tmp_path: Path) -> None:
    async def listen(url: str, process: Any) -> dict[str, Any]:
        async with connect(url.replace("http", "ws") + "/ws", proxy=None) as socket:
            await ask(socket, {"type": "ping"})
            process.terminate()
            return await heard(socket)

    with serve(tmp_path, [aiops, "serve"]) as running:
        frame = asyncio.run(listen(running.url, running.process))
        assert frame["type"] == "disconnect"
        assert frame["reason"] == "SERVER_SHUTDOWN"
        assert running.process.wait(8) == 0

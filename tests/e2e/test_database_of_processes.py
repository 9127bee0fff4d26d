"""Processes and their database: killed while writing, two at once, a file that cannot be written."""

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest


def names(url: str) -> set[str]:
    answer = httpx2.get(f"{url}/api/v1/clusters?page_size=100", timeout=10)
    return {item["name"] for item in answer.raise_for_status().json()["items"]}


def test_kill_9_while_writing_loses_nothing_acknowledged(serve, aiops, tmp_path: Path) -> None:
    told: list[str] = []
    enough = threading.Event()

    def write(url: str) -> None:
        with httpx2.Client(base_url=url, timeout=10) as rest:
            for number in range(10_000):
                new = {"name": f"written-{number}", "api_server_url": "https://127.0.0.1:1"}
                try:
                    answer = rest.post("/api/v1/clusters", json=new)
                except httpx2.HTTPError:
                    return
                if answer.status_code == 201:
                    told.append(new["name"])
                if len(told) >= 20:
                    enough.set()

    settings = {"AIOPS_RATE_USER_PER_MINUTE": "0"}
    with serve(tmp_path, [aiops, "serve", "--allow-write"], **settings) as server:
        writer = threading.Thread(target=write, args=(server.url,))
        writer.start()
        assert enough.wait(20)
        server.process.kill()
        server.process.wait()
        writer.join(15)
        assert not writer.is_alive()
    with sqlite3.connect(tmp_path / "aiops.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()
    with serve(tmp_path, [aiops, "serve", "--allow-write"]) as server:
        there = set()
        with httpx2.Client(base_url=server.url, timeout=10) as rest:
            for page in range(1, 100):
                items = rest.get(f"/api/v1/clusters?page_size=100&page={page}").json()["items"]
                there |= {item["name"] for item in items}
                if len(items) < 100:
                    break
    assert set(told) <= there
    assert len(there) - len(told) <= 1


def test_two_servers_started_together_share_one_database(serve, aiops, tmp_path: Path) -> None:
    servers: list[Any] = []
    command = [aiops, "serve", "--allow-write"]
    with serve(tmp_path, command) as one, serve(tmp_path, command) as two:
        servers = [one, two]
        for number, server in enumerate(servers):
            new = {"name": f"by-server-{number}", "api_server_url": "https://127.0.0.1:1"}
            answer = httpx2.post(f"{server.url}/api/v1/clusters", json=new, timeout=10)
            assert answer.status_code == 201, answer.text
            double = httpx2.post(f"{servers[1 - number].url}/api/v1/clusters", json=new, timeout=10)
            assert double.status_code == 409
        for server in servers:
            # What the other wrote is seen after a second at the latest.
            for _ in range(40):
                if names(server.url) == {"by-server-0", "by-server-1"}:
                    break
                threading.Event().wait(0.1)
            assert names(server.url) == {"by-server-0", "by-server-1"}


def test_a_command_beside_a_server(serve, aiops, run, tmp_path: Path) -> None:
    with serve(tmp_path, [aiops, "serve"]) as server:
        added = run("clusters", "add", "by-command", "https://127.0.0.1:1")
        assert added.returncode == 0, added.stderr
        for _ in range(40):
            if names(server.url):
                break
            threading.Event().wait(0.1)
        assert names(server.url) == {"by-command"}
        shown = run("--server", server.url, "clusters", "show", "by-command")
        assert shown.returncode == 0, shown.stderr
        assert "by-command" in shown.stdout


def test_a_database_that_only_reads(run, tmp_path: Path) -> None:
    assert run("clusters", "add", "kept", "https://127.0.0.1:1").returncode == 0
    place = f"sqlite+aiosqlite:///file:{tmp_path}/aiops.sqlite?mode=ro&uri=true"
    listed = run("clusters", "show", "kept", AIOPS_DATABASE_URL=place)
    assert listed.returncode == 0, listed.stderr
    refused = run("clusters", "add", "never", "https://127.0.0.1:1", AIOPS_DATABASE_URL=place)
    assert refused.returncode == 1
    assert "The database file" in refused.stderr
    assert "writable" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [row[0] for row in run_rows(run)] == ["kept"]


def run_rows(run) -> list[list[Any]]:
    return json.loads(run("clusters", "list").stdout)["rows"]


@pytest.mark.parametrize("what", ["a folder", "no database"])
def test_a_database_that_is_none(run, tmp_path: Path, what: str) -> None:
    place = tmp_path / "aiops.sqlite"
    if what == "a folder":
        place.mkdir()
    else:
        place.write_text("this is not a database " * 100)
    ended = run("fleet")
    assert ended.returncode == 1
    assert '"error"' in ended.stderr
    assert "Traceback" not in ended.stderr

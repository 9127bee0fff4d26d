"""The database in bad weather: killed while writing, full, read-only, shared by two servers."""

import asyncio
import contextlib
import signal
import sqlite3
from pathlib import Path

import httpx2
import pytest
import real_servers


def new(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "api_server_url": "https://127.0.0.1:1", **more}


def client(url: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False)


UNLIMITED = {"AIOPS_RATE_USER_PER_MINUTE": "0", "AIOPS_RATE_ALL_PER_SECOND": "0"}


async def names(rest: httpx2.AsyncClient) -> set[str]:
    found: set[str] = set()
    page = 1
    while True:
        answer = (await rest.get(f"/api/v1/clusters?page_size=100&page={page}")).json()
        found |= {each["name"] for each in answer["items"]}
        if page >= answer["total_pages"]:
            return found
        page += 1


async def test_killed_while_it_writes_it_keeps_what_it_confirmed(serve, aiops, tmp_path) -> None:
    command = [aiops, "serve", "--allow-write"]
    confirmed: set[str] = set()
    asked: set[str] = set()
    with serve(tmp_path, command, **UNLIMITED) as server:

        async def register(rest: httpx2.AsyncClient, worker: int) -> None:
            for number in range(1000):
                name = f"c-{worker}-{number}"
                asked.add(name)
                with contextlib.suppress(httpx2.TransportError):
                    answer = await rest.post("/api/v1/clusters", json=new(name))
                    if answer.status_code == 201:
                        confirmed.add(name)
                        continue
                return

        async with client(server.url) as rest:
            workers = [asyncio.ensure_future(register(rest, worker)) for worker in range(4)]
            async with asyncio.timeout(15):
                while len(confirmed) < 30:  # noqa: ASYNC110 - as another process goes on
                    await asyncio.sleep(0.01)
            server.process.send_signal(signal.SIGKILL)
            await asyncio.gather(*workers)
            await asyncio.to_thread(server.process.wait, 5)
    assert len(confirmed) >= 30
    with contextlib.closing(sqlite3.connect(tmp_path / "aiops.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    with serve(tmp_path, command, **UNLIMITED) as server:
        async with client(server.url) as rest:
            kept = await names(rest)
            assert confirmed <= kept <= asked
            assert (await rest.post("/api/v1/clusters", json=new("after-all"))).status_code == 201


async def test_two_servers_on_one_database(serve, aiops, tmp_path) -> None:
    command = [aiops, "serve", "--allow-write"]
    with (
        serve(tmp_path, command, **UNLIMITED) as one,
        serve(tmp_path, command, **UNLIMITED) as other,
    ):
        async with client(one.url) as first, client(other.url) as second:
            for number in range(8):  # the same name at the same moment: one gets it
                answers = await asyncio.gather(
                    *(
                        rest.post("/api/v1/clusters", json=new(f"same-{number}"))
                        for rest in (first, second)
                    )
                )
                assert sorted(answer.status_code for answer in answers) == [201, 409]
                lost = next(answer for answer in answers if answer.status_code == 409)
                assert lost.json()["error"]["code"] == "CLUSTER_ALREADY_EXISTS"
            wrote = await asyncio.gather(
                *(
                    rest.post("/api/v1/clusters", json=new(f"{side}-{number}"))
                    for side, rest in (("left", first), ("right", second))
                    for number in range(15)
                )
            )
            assert {answer.status_code for answer in wrote} == {201}
            async with asyncio.timeout(10):  # each sees the other's soon
                while not len(await names(first)) == len(await names(second)) == 38:  # noqa: ASYNC110 - of other processes
                    await asyncio.sleep(0.05)


async def test_a_full_disk_refuses_whole_changes_and_reading_goes_on(serve, aiops, tmp_path):
    """A limit on the size of files stands for the disk: writing beyond it fails."""
    settings = UNLIMITED
    command = ["prlimit", "--fsize=600000", aiops, "serve", "--allow-write"]
    labels = {f"key-{number}": "v" * 250 for number in range(60)}
    stored: set[str] = set()
    refused = None
    with serve(tmp_path, command, **settings) as server:
        async with client(server.url) as rest:
            for number in range(200):
                name = f"c-{number}"
                answer = await rest.post("/api/v1/clusters", json=new(name, labels=labels))
                if answer.status_code != 201:
                    refused = answer
                    break
                stored.add(name)
            assert refused is not None, "the disk was never full"
            assert refused.status_code == 500
            error = refused.json()["error"]
            assert error["code"] == "INTERNAL_ERROR"
            assert "database" in error["message"]
            assert "disk" in error["message"]
            assert await names(rest) == stored
            assert (await rest.get("/health")).status_code == 200
    with serve(tmp_path, [aiops, "serve", "--allow-write"], **settings) as server:
        async with client(server.url) as rest:
            assert await names(rest) == stored
            again = await rest.post("/api/v1/clusters", json=new("c-at-last", labels=labels))
            assert again.status_code == 201


@pytest.mark.parametrize("program", ["serve", "list"])
def test_a_database_that_cannot_be_used_is_said(aiops, run, tmp_path: Path, program: str) -> None:
    arguments = {
        "serve": ["serve", "--port", str(real_servers.free_port())],
        "list": ["clusters", "list"],
    }[program]
    (tmp_path / "aiops.sqlite").write_text("Dear diary, " * 500)
    ended = run(*arguments)
    assert ended.returncode == 1
    assert "is not a SQLite database" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (tmp_path / "aiops.sqlite").read_text().startswith("Dear diary")
    away = run(*arguments, AIOPS_DATABASE_URL="postgresql://u:secretpw99@127.0.0.1:1/x")
    assert away.returncode == 1
    assert "cannot be reached" in away.stderr
    assert "secretpw99" not in away.stderr

"""New log lines of several clusters, over a real server's WebSocket and by the command."""

import asyncio
import json
import subprocess

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

TOKENS = {"AIOPS_API_TOKENS": "admin=tail-admin-token,viewer@fleet-hub=tail-confined-token"}


def address(server, **params):
    from urllib.parse import urlencode

    query = urlencode([(name, each) for name, value in params.items() for each in value])
    return f"{server.url.replace('http', 'ws', 1)}/api/v1/logs/tail?{query}"


SHOP = {"query": ['{namespace=~"shop|training|gpu-operator"}']}


async def frames_until(stream, enough):
    found = []
    async with asyncio.timeout(20):
        while not enough(found):
            found.append(json.loads(await stream.recv()))
    return found


def lines_of(frames):
    return [entry for frame in frames if frame["type"] == "log" for entry in frame["entries"]]


async def test_lines_of_a_loki_a_gateway_and_of_pods(demo):
    clusters = ["prod-virginia", "prod-frankfurt", "ml-oregon"]
    async with connect(address(demo, **SHOP, clusters=clusters)) as stream:
        frames = await frames_until(
            stream,
            lambda found: {entry["cluster_name"] for entry in lines_of(found)} == set(clusters),
        )
    sources = {frame["cluster_name"]: frame for frame in frames if frame["type"] == "source"}
    assert {name: frame["status"] for name, frame in sources.items()} == dict.fromkeys(
        clusters, "FOLLOWING"
    )
    assert sources["ml-oregon"]["source"] == "PODS"
    assert sources["prod-frankfurt"]["source"] == "LOKI"
    stamps = [entry["timestamp"] for entry in lines_of(frames)]
    assert all(stamp.endswith("Z") and len(stamp) == 30 for stamp in stamps)


@pytest.mark.parametrize(
    ("params", "code", "says"),
    [
        ({}, "VALIDATION_FAILED", "A query is needed"),
        ({"query": ['{app="x"']}, "INVALID_LOGQL", ""),
        ({"query": ['rate({app="x"}[5m])']}, "VALIDATION_FAILED", "cannot be followed"),
        ({"query": ['{app=~".+"}']}, "VALIDATION_FAILED", "leaves no stream out"),
        ({"query": ['{app="x"}'], "clusters": ["nobody"]}, "CLUSTER_NOT_FOUND", "nobody"),
        ({"query": ['{app="x"}'], "limit": ["many"]}, "VALIDATION_FAILED", "limit"),
        ({"query": ['{app="x"}'], "colour": ["red"]}, "VALIDATION_FAILED", "colour"),
        ({"query": ['{app="x"}'], "start": ["soon"]}, "VALIDATION_FAILED", "start"),
    ],
)
async def test_a_question_that_is_wrong_is_told_so(demo, params, code, says):
    async with connect(address(demo, **params)) as stream:
        frame = json.loads(await stream.recv())
        assert (frame["type"], frame["code"]) == ("error", code)
        assert says in frame["message"]
        with pytest.raises(ConnectionClosed):
            await stream.recv()


async def test_rubbish_of_a_client_does_not_end_its_tail(demo):
    async with connect(address(demo, query=['{app="cart"}'], clusters=["prod-virginia"])) as stream:
        for sent in ("no json", b"\x00\xff", "[1]", '{"type":"subscribe"}'):
            await stream.send(sent)
        await stream.send('{"type":"ping","timestamp":7}')
        frames = await frames_until(
            stream, lambda found: any(frame["type"] == "pong" for frame in found)
        )
    errors = [frame for frame in frames if frame["type"] == "error"]
    assert {frame["code"] for frame in errors} == {"INVALID_MESSAGE"}
    assert len(errors) == 4
    assert [frame for frame in frames if frame["type"] == "pong"][0]["timestamp"] == 7


async def test_who_is_confined_follows_only_its_own(serve, aiops, fast, tmp_path):
    with serve(tmp_path / "home", [aiops, "demo"], **fast, **TOKENS) as server:
        query = {"query": ['{namespace=~"shop|argocd"}']}
        async with connect(address(server, **query)) as stream:
            await stream.send(json.dumps({"type": "auth", "token": "wrong"}))
            assert json.loads(await stream.recv())["code"] == "AUTH_FAILED"
        async with connect(address(server, **query, clusters=["prod-virginia"])) as stream:
            await stream.send(json.dumps({"type": "auth", "token": "tail-confined-token"}))
            frames = await frames_until(stream, lambda found: len(found) == 2)
            assert [frame["type"] for frame in frames] == ["auth_response", "error"]
            assert frames[1]["code"] == "CLUSTER_NOT_FOUND"
        headers = {"Authorization": "Bearer tail-confined-token"}
        async with connect(address(server, **query), additional_headers=headers) as stream:
            frames = await frames_until(stream, lines_of)
        assert {frame["cluster_name"] for frame in frames if frame["type"] == "source"} == {
            "fleet-hub"
        }
        command = [
            *(aiops, "--server", server.url, "--token", "tail-admin-token", "--json"),
            *("logs", '{app="cart"}', "-c", "prod-virginia", "-f"),
        ]
        following = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            line = await asyncio.wait_for(following.stdout.readline(), 20)
        finally:
            following.kill()
            await following.communicate()
        assert json.loads(line)["cluster_name"] == "prod-virginia"

"""Answers of real servers, kept in JSON files and given again to the same requests."""

import json
from pathlib import Path
from urllib.parse import parse_qsl

import httpx2

RECORDED = Path(__file__).parent / "recorded"


class Recorder:
    """Keeps what a real server answers."""

    def __init__(self) -> None:
        self.exchanges: dict[str, dict[str, object]] = {}

    async def pass_on(
        self, request: httpx2.Request, real: httpx2.AsyncBaseTransport
    ) -> httpx2.Response:
        await request.aread()
        response = await real.handle_async_request(request)
        body = await response.aread()
        content_type = response.headers.get("content-type", "")
        self.exchanges[key_of(request)] = {
            "status": response.status_code,
            "content_type": content_type,
            "body": body.decode(),
        }
        return httpx2.Response(
            response.status_code, headers={"content-type": content_type}, content=body
        )

    def save(self, name: str, version: str) -> None:
        path = RECORDED / f"{name}.json"
        exchanges = dict(sorted(self.exchanges.items()))
        document = {"server": name, "version": version, "exchanges": exchanges}
        path.write_text(json.dumps(document, indent=1) + "\n")


def replay(name: str) -> httpx2.MockTransport:
    """Gives the answers of a file; a request that it does not hold is an error of the test."""
    exchanges = json.loads((RECORDED / f"{name}.json").read_text())["exchanges"]

    def answer(request: httpx2.Request) -> httpx2.Response:
        kept = exchanges[key_of(request)]
        return httpx2.Response(
            kept["status"],
            headers={"content-type": kept["content_type"]},
            content=kept["body"].encode(),
        )

    return httpx2.MockTransport(answer)


def key_of(request: httpx2.Request) -> str:
    """Path and parameters; GET or POST, and how long we would wait, make no difference."""
    pairs = parse_qsl(request.url.query.decode()) + parse_qsl(request.content.decode())
    shown = "&".join(f"{key}={value}" for key, value in sorted(pairs) if key != "timeout")
    return f"{request.url.path}?{shown}"

"""What comes over ``/mcp`` counts against the limits of its caller, as REST does."""

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import authenticator_from
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.mcp_limit import McpLimit
from aiops_mcp.surfaces.ratelimit import MemoryBuckets, RateLimits


class Counted:
    """The application behind: says what came through."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        await PlainTextResponse("through", 401 if scope["path"] == "/mcp" else 200)(
            scope, receive, send
        )


@pytest.fixture
def build():
    def made(**changed):
        settings = Settings.model_validate(changed)
        metrics = GatewayMetrics()
        limits = RateLimits(MemoryBuckets(lambda: 0.0), settings)
        behind = Counted()
        app = McpLimit(behind, Gate(authenticator_from(settings), limits, metrics), "/mcp")
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1"
        )
        return client, behind, metrics

    return made


async def test_a_caller_who_asks_too_often_is_told_when_to_come_again(build):
    client, behind, metrics = build(rate_user_per_minute=30, rate_user_burst=2)
    first = await client.post("/mcp")
    assert (first.text, first.headers["x-ratelimit-remaining"]) == ("through", "1")
    await client.post("/mcp/")
    refused = await client.post("/mcp")
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "RATE_LIMITED"
    assert refused.headers["retry-after"] == "2"
    assert refused.headers["x-ratelimit-limit"] == "30"
    assert behind.paths == ["/mcp", "/mcp/"]
    assert b'gateway_rate_limit_hits_total{limit="user"} 1.0' in metrics.text()


async def test_callers_do_not_use_up_each_others_share(build):
    client, behind, _ = build(api_tokens="viewer=v,admin=a", rate_user_burst=1)
    for token in ("v", "a"):
        answer = await client.post("/mcp", headers={"authorization": f"Bearer {token}"})
        assert answer.text == "through"
    assert len(behind.paths) == 2


async def test_what_is_not_mcp_is_not_counted_here(build):
    client, behind, _ = build(rate_user_burst=1)
    for _ in range(3):
        assert (await client.get("/health")).headers.get("x-ratelimit-limit") is None
    assert behind.paths == ["/health"] * 3


async def test_a_stranger_is_refused_in_the_words_of_mcp_but_counted(build):
    client, behind, metrics = build(api_tokens="admin=a", rate_all_per_second=1, rate_all_burst=1)
    wrong = {"authorization": "Bearer guess"}
    assert (await client.post("/mcp", headers=wrong)).status_code == 401
    assert behind.paths == ["/mcp"]
    assert (await client.post("/mcp", headers=wrong)).status_code == 429
    assert behind.paths == ["/mcp"]
    assert b"gateway_auth_failures_total 2.0" in metrics.text()

"""The webhook's edge: whose secret, how many, and what Alertmanager is to do with an answer."""

import base64

import httpx2
import pytest
from starlette.applications import Starlette

from aiops_mcp.errors import AuthFailed, StorageFailed
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import authenticator_from
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.ratelimit import MemoryBuckets, RateLimits
from aiops_mcp.surfaces.webhook import WRONG_SECRETS, webhook_routes

GOOD = "whs_good"


class Receiver:
    def __init__(self):
        self.taken, self.error = [], None

    async def accept(self, secret, cluster, body):
        if secret != GOOD:
            raise AuthFailed("The webhook's secret is not known here.")
        if self.error:
            raise self.error
        self.taken.append((cluster, body))
        return 2


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def open_client(receiver):
    def make(**changed):
        settings = Settings(_env_file=None, **changed)
        buckets = MemoryBuckets(lambda: 0.0)
        gate = Gate(authenticator_from(settings), RateLimits(buckets, settings), GatewayMetrics())
        app = Starlette(routes=webhook_routes(receiver, gate, buckets))
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1"
        )

    return make


PATH = "/api/v1/alerts/webhook"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {GOOD}"},
        {"authorization": "Basic " + base64.b64encode(f"any:{GOOD}".encode()).decode()},
        {"x-webhook-secret": GOOD},
    ],
)
async def test_the_secret_may_come_in_three_ways(open_client, receiver, headers):
    async with open_client() as client:
        answer = await client.post(f"{PATH}/edge-1", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    assert receiver.taken == [("edge-1", b"{}")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer whs_bad"},
        {"authorization": "Basic ???"},
        {"authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"authorization": "Digest x", "x-webhook-secret": GOOD},
    ],
)
async def test_a_wrong_secret_is_refused_and_those_who_guess_are_held_up(open_client, headers):
    async with open_client() as client:
        answers = [
            await client.post(f"{PATH}?secret={GOOD}", content=b"{}", headers=headers)
            for _ in range(WRONG_SECRETS.burst + 1)
        ]
        good = await client.post(PATH, content=b"{}", headers={"x-webhook-secret": GOOD})
    assert [each.status_code for each in answers] == [401] * WRONG_SECRETS.burst + [429]
    assert good.status_code == 202


async def test_what_alertmanager_should_send_again_is_a_5xx(open_client, receiver):
    """It drops what is answered with 4xx, 429 included."""
    headers = {"x-webhook-secret": GOOD}
    async with open_client(rate_all_per_second=1, rate_all_burst=2) as client:
        receiver.error = StorageFailed("The database is away.")
        away = await client.post(PATH, content=b"{}", headers=headers)
        receiver.error = None
        taken = await client.post(PATH, content=b"{}", headers=headers)
        busy = await client.post(PATH, content=b"{}", headers=headers)
    assert away.status_code == 500
    assert taken.status_code == 202
    assert (busy.status_code, busy.json()["error"]["code"]) == (503, "RATE_LIMITED")
    assert busy.headers["retry-after"] == "1"
    assert busy.headers["x-ratelimit-limit"] == "1"


async def test_only_post_is_taken(open_client):
    async with open_client() as client:
        answer = await client.get(PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

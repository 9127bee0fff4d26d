import asyncio

import httpx2
import orjson
import pytest

from aiops_mcp.backends.alertmanager_webhook import parse_webhook
from aiops_mcp.simulating import tell_webhook
from aiops_mcp.simulation.webhooks import NEVER_ENDED, Timing, WebhookSender, http_post


class Receiver:
    """Keeps bodies; answers the statuses it was given one after another, then 202."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.bodies = []
        self.tries = 0

    async def __call__(self, body):
        self.tries += 1
        status = self.statuses.pop(0) if self.statuses else 202
        if status == 202:
            self.bodies.append(orjson.loads(body))
        return status


class Clock:
    def __init__(self):
        self.moment = 1_764_050_000.0

    def __call__(self):
        return self.moment


def alert(name, namespace="shop", pod="a", state="active", receiver="default"):
    return {
        "labels": {"alertname": name, "namespace": namespace, "pod": pod},
        "annotations": {"summary": f"{name} fires"},
        "startsAt": "2025-11-25T05:40:00.000Z",
        "generatorURL": "/graph",
        "fingerprint": f"{name}/{pod}",
        "receivers": [{"name": receiver}],
        "status": {"state": state},
    }


TIMING = Timing(group_wait=5, group_interval=15, repeat_interval=3600, pause=0.0)


@pytest.fixture
def setting():
    alerts, clock, receiver = [], Clock(), Receiver()
    return alerts, clock, receiver, WebhookSender(lambda: alerts, receiver, clock, TIMING)


async def pass_time(sender, clock, seconds):
    sent = 0
    for _ in range(seconds):
        sent += await sender.look_once()
        clock.moment += 1
    return sent


async def test_a_group_waits_then_is_told_once_until_something_changes(setting):
    alerts, clock, receiver, sender = setting
    alerts.extend([alert("Crash", pod="a"), alert("Crash", pod="b")])
    assert await pass_time(sender, clock, 5) == 0
    assert await pass_time(sender, clock, 60) == 1
    (body,) = receiver.bodies
    assert body["version"] == "4"
    assert body["groupKey"] == '{}:{alertname="Crash", namespace="shop"}'
    assert (body["status"], body["truncatedAlerts"]) == ("firing", 0)
    assert body["groupLabels"] == {"alertname": "Crash", "namespace": "shop"}
    assert body["commonLabels"] == body["groupLabels"]
    assert [one["endsAt"] for one in body["alerts"]] == [NEVER_ENDED] * 2
    alerts.append(alert("Crash", pod="c"))
    assert await pass_time(sender, clock, 20) == 1
    assert len(receiver.bodies[-1]["alerts"]) == 3


async def test_what_ends_is_told_as_resolved_beside_what_goes_on(setting):
    alerts, clock, receiver, sender = setting
    alerts.extend([alert("Crash", pod="a"), alert("Crash", pod="b")])
    await pass_time(sender, clock, 10)
    del alerts[0]
    await pass_time(sender, clock, 20)
    states = {one["labels"]["pod"]: one for one in receiver.bodies[-1]["alerts"]}
    assert receiver.bodies[-1]["status"] == "firing"
    assert states["a"]["status"] == "resolved"
    assert states["a"]["endsAt"].startswith("2025-11-25T05:53:")
    assert states["b"]["status"] == "firing"
    alerts.clear()
    await pass_time(sender, clock, 40)
    assert receiver.bodies[-1]["status"] == "resolved"
    assert len(receiver.bodies) == 3


async def test_it_is_repeated_after_a_while(setting):
    alerts, clock, receiver, sender = setting
    alerts.append(alert("Crash"))
    await pass_time(sender, clock, 10)
    clock.moment += 3600
    await pass_time(sender, clock, 5)
    assert len(receiver.bodies) == 2


async def test_muted_alerts_are_not_told(setting):
    alerts, clock, receiver, sender = setting
    alerts.append(alert("Crash", state="suppressed"))
    assert await pass_time(sender, clock, 30) == 0
    assert receiver.tries == 0


async def test_5xx_and_silence_are_tried_again_4xx_is_not(setting):
    alerts, clock, receiver, sender = setting
    receiver.statuses = [503, 0, 429, 202]
    alerts.append(alert("Crash"))
    assert await pass_time(sender, clock, 7) == 1
    assert receiver.tries == 4
    receiver.statuses = [401]
    alerts.append(alert("Crash", pod="b"))
    assert await pass_time(sender, clock, 15) == 0
    assert receiver.tries == 5
    # What was refused counts as not told: the group's next turn has it again.
    assert await pass_time(sender, clock, 15) == 1


async def test_a_message_holds_so_many_alerts_and_says_how_many_more(setting):
    alerts, clock, receiver, _ = setting
    alerts.extend(alert("Crash", pod=str(number)) for number in range(12))
    sender = WebhookSender(lambda: alerts, receiver, clock, Timing(group_wait=0, most=10))
    await sender.look_once()
    assert len(receiver.bodies[0]["alerts"]) == 10
    assert receiver.bodies[0]["truncatedAlerts"] == 2


async def test_a_simulated_cluster_tells_over_http_with_its_secret(fleet_with):
    got: asyncio.Queue[tuple[str, str, dict]] = asyncio.Queue()

    async def receive(request):
        body = orjson.loads(request.content)
        await got.put((request.url.path, request.headers["authorization"], body))
        return httpx2.Response(202)

    fleet = fleet_with("oom-loop")
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(receive)) as client:
        tasks = tell_webhook(
            fleet,
            client,
            "http://aiops/api/v1/alerts/webhook/{cluster}",
            {"prod-frankfurt": "s3cret"},
            Timing(group_wait=0),
        )
        told = [await asyncio.wait_for(got.get(), 20) for _ in range(4)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert {(path, secret) for path, secret, _ in told} == {
        ("/api/v1/alerts/webhook/prod-frankfurt", "Bearer s3cret")
    }
    for _, _, body in told:
        assert parse_webhook(orjson.dumps(body)).alerts
    names = {body["groupLabels"]["alertname"] for _, _, body in told}
    assert {"Watchdog", "KubePodCrashLooping", "ServiceErrorRateHigh"} <= names
    assert {body["receiver"] for _, _, body in told} == {"default", "watchdog"}


async def test_nobody_there_is_no_answer():
    def fail(request):
        raise httpx2.ConnectError("refused", request=request)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(fail)) as client:
        assert await http_post(client, "http://nowhere")(b"{}") == 0

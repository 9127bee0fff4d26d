"""Alerts of polls and webhooks in one record, on both databases: told once, whoever is first."""

import asyncio
import json
from datetime import timedelta

import httpx2
import orjson
import pytest

from aiops_mcp.backends.alertmanager import AlertmanagerClient
from aiops_mcp.backends.alertmanager_webhook import MalformedWebhook
from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.errors import AuthFailed, StorageFailed
from aiops_mcp.fleet.alert_history import AlertHistory
from aiops_mcp.fleet.alert_intake import AlertIntake, IntakeFull
from aiops_mcp.fleet.alert_unheard import end_unheard
from aiops_mcp.fleet.alert_watcher import AlertWatcher
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.shards import Shards
from aiops_mcp.fleet.webhook_secrets import WebhookSecrets
from aiops_mcp.models.alerts import SILENT_SWITCH
from aiops_mcp.models.cluster import ClusterEndpoints
from aiops_mcp.models.events import EventType
from aiops_mcp.settings import Settings
from aiops_mcp.storage.alert_history import AlertHistoryTable
from aiops_mcp.storage.leases import LeaseTable
from aiops_mcp.storage.webhook_secrets import WebhookSecretTable

MINUTE = timedelta(minutes=1)


class Wire(httpx2.AsyncBaseTransport):
    """An Alertmanager that holds ``alerts`` (name to start); ``down`` refuses connections."""

    def __init__(self, clock):
        self.clock, self.alerts, self.down, self.asked = clock, {}, False, 0

    async def handle_async_request(self, request):
        self.asked += 1
        if self.down:
            raise httpx2.ConnectError("refused")
        now = self.clock()
        body = [
            {
                "fingerprint": f"{abs(hash(name)):016x}"[:16],
                "labels": {"alertname": name, "severity": "critical"},
                "annotations": {},
                "startsAt": began.isoformat(),
                "endsAt": (now + 4 * MINUTE).isoformat(),
                "updatedAt": now.isoformat(),
                "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
                "receivers": [{"name": "default"}],
            }
            for name, began in self.alerts.items()
        ]
        return httpx2.Response(200, content=orjson.dumps(body))


class Connect:
    def __init__(self, wire):
        self.wire = wire

    async def alertmanager(self, cluster, credentials, url):
        target = Target(url, "alertmanager", cluster.name)
        return AlertmanagerClient(HttpClient(target, transport=self.wire, retries=0))


@pytest.fixture
def settings():
    return Settings(_env_file=None)


@pytest.fixture
def wire(clock):
    return Wire(clock)


@pytest.fixture
async def home(registry, new_cluster):
    ends = ClusterEndpoints(alertmanager_url="https://alerts.example")
    return await registry.register(new_cluster(endpoints=ends))


@pytest.fixture
def history(database, bus, clock):
    return AlertHistory(AlertHistoryTable(database), bus, clock, keep=timedelta(days=90))


@pytest.fixture
def replica(database, registry, history, settings, clock, wire):
    def make(name="a"):
        fleet = Fleet(registry, Connect(wire), settings, clock=clock, monotonic=clock.monotonic)
        shards = Shards(LeaseTable(database), purpose="alerts", holder=name, clock=clock)
        return AlertWatcher(
            registry, fleet, history, settings, clock=clock, shards=shards, chance=lambda: 0.0
        ), shards

    return make


@pytest.fixture
def secrets(database, clock):
    return WebhookSecrets(WebhookSecretTable(database), clock, clock.monotonic)


@pytest.fixture
def make_intake(registry, secrets, history, replica, clock):
    watcher, _ = replica("intake")

    def make(*, history=history, **changed):
        return AlertIntake(
            registry, secrets, history, queue_size=3, severities={}, clock=clock,
            switches=("Watchdog",), look_at=watcher.look_at, **changed,
        )  # fmt: skip

    return make


@pytest.fixture
def intake(make_intake):
    return make_intake()


def told(bus):
    kinds = (EventType.ALERT_FIRED, EventType.ALERT_RESOLVED)
    return [
        (event.event_type.value.removeprefix("ALERT_"), event.payload["alertname"])
        for event in bus.events
        if event.event_type in kinds
    ]


def webhook(*alerts, **more):
    return json.dumps(
        {"version": "4", "receiver": "aiops", "alerts": list(alerts), **more}
    ).encode()


def one(name, began, ended=None, fingerprint=None):
    return {
        "status": "resolved" if ended else "firing",
        "labels": {"alertname": name, "severity": "critical"},
        "annotations": {},
        "startsAt": began.isoformat(),
        "endsAt": ended.isoformat() if ended else "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": fingerprint or f"{abs(hash(name)):016x}"[:16],
    }


async def everything(watcher):
    for _ in range(9):
        await watcher._shards.renew()  # noqa: SLF001 - a lone replica has all shards in a second
    await watcher.look_once()


async def test_polls_tell_once_and_keep_a_history(home, replica, wire, bus, clock, history):
    watcher, _ = replica()
    wire.alerts = {"Old": clock() - timedelta(hours=2), "New": clock() - MINUTE}
    await everything(watcher)
    assert told(bus) == [("FIRED", "New")]  # what was there before us is no news
    wire.alerts.pop("New")
    await watcher.look_once()
    assert told(bus) == [("FIRED", "New")]
    clock.advance(seconds=30)
    await watcher.look_once()
    assert told(bus) == [("FIRED", "New"), ("RESOLVED", "New")]
    found, total = await history.between([home], clock() - timedelta(days=1), clock(), limit=10)
    assert total == 2
    assert [(alert.alertname, alert.ends_at is None) for alert in found] == [
        ("New", False),
        ("Old", True),
    ]


async def test_a_cluster_that_is_away_resolves_nothing(home, replica, wire, bus, clock):
    watcher, _ = replica()
    wire.alerts = {"X": clock()}
    await everything(watcher)
    wire.down = True
    for _ in range(3):
        clock.advance(seconds=30)
        await watcher.look_once()
    assert told(bus) == [("FIRED", "X")]


async def test_a_webhook_and_a_poll_tell_the_same_once(
    home, replica, intake, secrets, wire, bus, clock
):
    watcher, _ = replica()
    await everything(watcher)
    secret = await secrets.make(home)
    body = webhook(one("X", clock()))
    async with intake.working():
        assert await intake.accept(secret, None, body) == 1
        assert await intake.accept(secret, home.name, body) == 1
        await intake.settle()
        wire.alerts = {"X": clock() + timedelta(seconds=3)}
        await watcher.look_once()
        assert told(bus) == [("FIRED", "X")]
        clock.advance(minutes=5)
        wire.alerts = {}
        await intake.accept(secret, None, webhook(one("X", clock() - 5 * MINUTE, clock())))
        await intake.settle()
        await watcher.look_once()
        await watcher.look_once()
    assert told(bus) == [("FIRED", "X"), ("RESOLVED", "X")]


async def test_a_half_that_gave_up_is_overruled_by_two_looks(
    home, replica, intake, secrets, wire, bus, clock
):
    watcher, _ = replica()
    began = clock()
    wire.alerts = {"X": began}
    await everything(watcher)
    secret = await secrets.make(home)
    async with intake.working():
        clock.advance(minutes=10)
        await intake.accept(secret, None, webhook(one("X", began, clock())))
        await intake.settle()
    fresh, shards = replica("b")
    await watcher._shards.release()  # noqa: SLF001 - the other takes over
    for _ in range(9):
        await shards.renew()
    for _ in range(3):
        clock.advance(seconds=30)
        await fresh.look_once()
    assert told(bus) == [("FIRED", "X"), ("RESOLVED", "X"), ("FIRED", "X")]


async def test_two_replicas_look_once_each_cluster(home, replica, wire, clock):
    (first, a), (second, b) = replica("a"), replica("b")
    for _ in range(9):
        await a.renew()
        await b.renew()
    assert not a.held & b.held
    assert len(a.held | b.held) == 16
    await first.look_once()
    await second.look_once()
    assert wire.asked == 1


async def test_two_replicas_told_at_once_publish_once(
    home, database, bus, clock, history, wire, replica
):
    other = AlertHistory(AlertHistoryTable(database), bus, clock, keep=timedelta(days=90))
    (first, _a), (second, _) = replica("a"), replica("b")
    second._history = other  # noqa: SLF001 - a replica of its own
    await first.look_at(home)
    wire.alerts = {f"A{n}": clock() for n in range(20)}
    await asyncio.gather(first.look_at(home), second.look_at(home))
    assert sorted(told(bus)) == sorted(("FIRED", f"A{n}") for n in range(20))


async def test_a_switch_that_falls_silent_is_an_alert(home, replica, wire, bus, clock, history):
    watcher, _ = replica()
    wire.alerts = {"Watchdog": clock()}
    await everything(watcher)
    wire.alerts = {}
    for _ in range(11):
        clock.advance(seconds=30)
        await watcher.look_once()
    assert ("FIRED", SILENT_SWITCH) in told(bus)
    [ours] = await history.open_alerts([home], alertname=SILENT_SWITCH)
    assert ours.severity.value == "CRITICAL"
    assert "Watchdog" in ours.annotations["summary"]
    wire.alerts = {"Watchdog": clock()}
    await watcher.look_once()
    assert told(bus)[-1] in {("RESOLVED", SILENT_SWITCH), ("FIRED", "Watchdog")}
    assert await history.open_alerts([home], alertname=SILENT_SWITCH) == ()
    assert told(bus).count(("FIRED", SILENT_SWITCH)) == 1


async def test_a_cluster_that_never_had_the_switch_is_left_alone(home, replica, wire, bus, clock):
    watcher, _ = replica()
    await everything(watcher)
    clock.advance(hours=1)
    await watcher.look_once()
    assert told(bus) == []


async def test_only_its_own_secret_is_taken(home, registry, new_cluster, intake, secrets, clock):
    other = await registry.register(new_cluster("other-1"))
    secret, theirs = await secrets.make(home), await secrets.make(other)
    async with intake.working():
        for wrong, where in ((None, None), ("x", None), (theirs, home.name), (secret, "no-such")):
            with pytest.raises(AuthFailed) as raised:
                await intake.accept(wrong, where, webhook())
            assert "secret is not known" in str(raised.value)
        assert await intake.accept(secret, str(home.id), webhook()) == 0
        renewed = await secrets.make(home)
        with pytest.raises(AuthFailed):
            await intake.accept(secret, None, webhook())
        assert await intake.accept(renewed, None, webhook()) == 0
        assert await secrets.remove(home)
        assert not await secrets.remove(home)
        with pytest.raises(AuthFailed):
            await intake.accept(renewed, None, webhook())


async def test_only_a_hash_of_the_secret_is_stored(home, secrets, database):
    secret = await secrets.make(home)
    stored = await WebhookSecretTable(database).all()
    assert stored[home.id] != secret
    assert len(stored[home.id]) == 64


async def test_a_full_queue_refuses(home, make_intake, secrets):
    secret, intake = await secrets.make(home), make_intake(answer_within=0.05)
    sent = [intake.accept(secret, None, webhook()) for _ in range(4)]
    said = sorted(str(error) for error in await asyncio.gather(*sent, return_exceptions=True))
    assert [text[:32] for text in said] == [
        "3 webhook messages wait already.",
        *["The message was not recorded wit"] * 3,
    ]
    async with intake.working():
        await intake.settle()
        assert await intake.accept(secret, None, webhook()) == 0


async def test_a_cluster_that_is_slow_to_poll_holds_up_no_other_message(
    home, secrets, registry, history, clock
):
    asked, answered = [], asyncio.Event()

    async def look_at(cluster):
        asked.append(cluster.name)
        await answered.wait()

    intake = AlertIntake(
        registry, secrets, history, queue_size=3, severities={}, clock=clock, look_at=look_at
    )
    secret = await secrets.make(home)
    truncated = webhook(truncatedAlerts=7)
    async with intake.working():
        for _ in range(3):
            await intake.accept(secret, None, truncated)
        assert asked == [home.name]
        answered.set()
        await intake.settle()
    assert asked == [home.name] * 2


async def test_a_message_whose_turn_does_not_come_is_refused(home, secrets, make_intake):
    secret = await secrets.make(home)
    with pytest.raises(IntakeFull, match="not recorded within"):
        await make_intake(answer_within=0.01).accept(secret, None, webhook())


async def test_the_answer_comes_when_the_alerts_are_recorded(home, intake, secrets, history, clock):
    secret = await secrets.make(home)
    async with intake.working():
        await intake.accept(secret, None, webhook(one("X", clock())))
        assert [alert.alertname for alert in await history.open_alerts([home])] == ["X"]


async def test_a_message_that_cannot_be_recorded_is_refused_and_sent_again(
    home, secrets, make_intake, history, clock
):
    """Alertmanager repeats what was answered with 5xx, and what is known is not told twice."""

    class Away:
        def __init__(self):
            self.failing = True

        def __getattr__(self, name):
            return getattr(history, name)

        async def saw(self, *told):
            if self.failing:
                raise StorageFailed("The database is away.")
            return await history.saw(*told)

    away = Away()
    intake = make_intake(history=away)
    secret = await secrets.make(home)
    body = webhook(one("X", clock()))
    async with intake.working():
        with pytest.raises(StorageFailed):
            await intake.accept(secret, None, body)
        away.failing = False
        for _ in range(2):
            assert await intake.accept(secret, None, body) == 1
    assert [alert.alertname for alert in await history.open_alerts([home])] == ["X"]


async def test_an_alert_whose_end_was_lost_is_over_when_nobody_repeats_it(
    registry, new_cluster, make_intake, secrets, history, settings, clock, bus, replica
):
    """Of a cluster that is not polled; of the one that is, the polls tell."""
    edge = await registry.register(new_cluster("edge-1"))
    ends = ClusterEndpoints(alertmanager_url="https://alerts.example")
    polled = await registry.register(new_cluster("polled", endpoints=ends))
    watcher, _ = replica()
    intake = make_intake()

    async def sweep():
        return await end_unheard(history, secrets, watcher._fleet, settings, clock())

    assert await sweep() == 0
    began = clock()
    always = one("Watchdog", began)
    async with intake.working():
        for cluster in (edge, polled):
            secret = await secrets.make(cluster)
            await intake.accept(secret, None, webhook(one("Lost", began), always))
        secret = await secrets.make(edge)
        clock.advance(hours=23)
        heard = clock()
        await intake.accept(secret, None, webhook(one("Kept", began), always))
        clock.advance(hours=2)
        assert await sweep() == 1
        assert await sweep() == 0
        assert names(await history.open_alerts([edge])) == ["Kept", "Watchdog"]
        assert names(await history.open_alerts([polled])) == ["Lost", "Watchdog"]
        clock.advance(hours=23)
        assert await sweep() == 2
        [silent] = await history.open_alerts([edge])
        assert (silent.alertname, silent.starts_at) == ("DeadMansSwitchSilent", heard)
        clock.advance(hours=30)
        assert await sweep() == 0  # it stays until the switch is back
        assert names(await history.open_alerts([edge])) == ["DeadMansSwitchSilent"]
        await intake.accept(secret, None, webhook(one("Other", clock())))
        assert "DeadMansSwitchSilent" in names(await history.open_alerts([edge]))
        await intake.accept(secret, None, webhook(always))
        assert names(await history.open_alerts([edge])) == ["Other", "Watchdog"]
    found, _ = await history.between([edge], began, clock(), limit=10, alertname="Lost")
    assert [alert.ends_at for alert in found] == [began]
    assert told(bus).count(("RESOLVED", "DeadMansSwitchSilent")) == 1


async def test_a_message_of_before_the_end_that_comes_after_it_opens_nothing(
    registry, new_cluster, make_intake, secrets, history, clock
):
    edge = await registry.register(new_cluster("edge-1"))
    secret, intake = await secrets.make(edge), make_intake()
    fires = webhook(one("X", clock()))
    async with intake.working():
        await intake.accept(secret, None, fires)
        clock.advance(minutes=5)
        await intake.accept(
            secret, None, webhook(one("X", clock() - timedelta(minutes=5), clock()))
        )
        clock.advance(minutes=10)
        await intake.accept(secret, None, fires)
        assert await history.open_alerts([edge]) == ()
        clock.advance(hours=1)
        await intake.accept(secret, None, fires)  # what said that it had ended was wrong
        assert names(await history.open_alerts([edge])) == ["X"]


def names(alerts):
    return sorted(alert.alertname for alert in alerts)


async def test_truncated_alerts_are_polled_for(home, intake, secrets, wire, clock):
    secret = await secrets.make(home)
    async with intake.working():
        await intake.accept(secret, None, webhook(truncatedAlerts=7))
        await intake.settle()
    assert wire.asked == 1


async def test_ten_thousand_alerts_in_one_message(home, intake, secrets, history, bus, clock):
    secret = await secrets.make(home)
    body = webhook(*(one(f"A{n}", clock(), fingerprint=f"{n:016x}") for n in range(10_000)))
    async with intake.working():
        assert await intake.accept(secret, None, body) == 10_000
        await intake.settle()
        await intake.accept(secret, None, body)
        await intake.settle()
    _, total = await history.between([home], clock() - MINUTE, clock(), limit=1)
    assert total == 10_000
    assert len(told(bus)) == 10_000


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", None),
        (b"[]", "(all)"),
        (b'{"version":"3","alerts":[]}', "version"),
        (b'{"alerts":{}}', "alerts"),
        (b'{"alerts":[1]}', "alerts.0"),
        (b'{"alerts":[],"truncatedAlerts":-1}', "truncatedAlerts"),
        (b'{"alerts":[],"receiver":3}', "receiver"),
        (b'{"alerts":[{"status":"maybe"}]}', "alerts.0.status"),
        (b'{"alerts":[{"status":"firing","labels":{}}]}', "alerts.0.labels"),
        (b'{"alerts":[{"status":"firing","labels":{"a":1}}]}', "alerts.0.labels.a"),
        (b'{"alerts":[{"status":"firing","labels":{"a":"b"}}]}', "alerts.0.startsAt"),
        (b'{"alerts":[{"status":"firing","labels":{"a":"b"},"startsAt":"soon"}]}', "alerts.0.startsAt"),
        (b'{"alerts":[{"status":"firing","labels":{"a":"b"},"startsAt":"2026-01-01T00:00:00"}]}',
         "alerts.0.startsAt"),
        ((b'{"alerts":[{"status":"resolved","labels":{"a":"b"},"startsAt":"2026-01-01T00:00:00Z",'
         b'"endsAt":"0001-01-01T00:00:00Z"}]}'), "alerts.0.endsAt"),
    ],
)  # fmt: skip
async def test_malformed_messages_name_the_field(home, intake, secrets, body, field):
    secret = await secrets.make(home)
    with pytest.raises(MalformedWebhook) as raised:
        await intake.accept(secret, None, body)
    assert raised.value.status == 400
    if field is not None:
        assert raised.value.details["fields"][0]["path"] == field


async def test_unknown_fields_are_tolerated(home, intake, secrets, clock):
    secret = await secrets.make(home)
    alert = {**one("X", clock()), "color": "red", "fingerprint": "templated away"}
    async with intake.working():
        assert await intake.accept(secret, None, webhook(alert, extra={"a": 1})) == 1


async def test_old_occurrences_are_pruned_and_go_with_their_cluster(
    home, intake, secrets, history, registry, clock
):
    secret = await secrets.make(home)
    async with intake.working():
        await intake.accept(secret, None, webhook(one("X", clock(), clock() + MINUTE)))
        await intake.accept(secret, None, webhook(one("Y", clock())))
        await intake.settle()
    clock.advance(days=91)
    await history.touch(home, [f"{abs(hash('Y')):016x}"[:16]])
    assert await history.prune() == 1
    assert [alert.alertname for alert in await history.open_alerts([home])] == ["Y"]
    await registry.remove(home.id)
    assert await history.saw(home, []) is not None
    assert await history.open_alerts([home]) == ()


async def test_statistics_of_one_alert(home, intake, secrets, history, clock):
    secret = await secrets.make(home)
    async with intake.working():
        for _ in range(14):
            await intake.accept(secret, None, webhook(one("X", clock(), clock() + 4 * MINUTE)))
            await intake.settle()
            clock.advance(hours=2)
    found = await history.statistics([home], f"{abs(hash('X')):016x}"[:16])
    assert found.text == "fired 14 times in 7 days, usually for 4m, flapping"
    [count] = await history.counts([home], clock() - timedelta(days=7))
    assert (count.alertname, count.count) == ("X", 14)
    assert await history.begins_at([home]) is not None

"""When an alert fires and when it resolves, as told from two looks."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from aiops_mcp.fleet.alert_watcher import AlertWatcher, Seen, compare
from aiops_mcp.fleet.resolved_alerts import ResolvedAlerts
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.events import EventType

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
A, B = uuid4(), uuid4()


def alert(name: str, cluster: UUID = A, *, state=AlertState.FIRING, began=NOW):
    return Alert(
        id=f"{cluster}-{name}",
        fingerprint=name,
        cluster_id=cluster,
        cluster_name=str(cluster)[:8],
        alertname=name,
        severity=AlertSeverity.WARNING,
        state=state,
        labels={"alertname": name},
        starts_at=began,
    )


def test_the_first_look_at_a_cluster_tells_nothing():
    difference = compare(Seen(), [alert("x")], {A})
    assert difference.fired == difference.resolved == ()


def test_what_is_new_fired_and_what_is_gone_resolved():
    seen = compare(Seen(), [alert("x"), alert("y")], {A}).seen
    difference = compare(seen, [alert("y"), alert("z")], {A})
    assert [each.alertname for each in difference.fired] == ["z"]
    assert [each.alertname for each in difference.resolved] == ["x"]


def test_a_cluster_that_is_silent_keeps_what_it_had():
    seen = compare(Seen(), [alert("x"), alert("x", B)], {A, B}).seen
    away = compare(seen, [alert("x")], {A})
    assert away.resolved == ()
    back = compare(away.seen, [alert("x")], {A, B})
    assert [each.cluster_id for each in back.resolved] == [B]


def test_firing_again_is_another_occurrence():
    seen = compare(Seen(), [alert("x")], {A}).seen
    again = compare(seen, [alert("x", began=NOW + timedelta(hours=1))], {A})
    assert len(again.fired) == len(again.resolved) == 1


def test_pending_alerts_do_not_fire():
    seen = compare(Seen(), [], {A}).seen
    assert compare(seen, [alert("x", state=AlertState.PENDING)], {A}).fired == ()


class Bus:
    def __init__(self):
        self.events = []

    async def publish(self, event):
        self.events.append(event)

    def subscribe(self, listener):
        raise AssertionError(listener)


async def test_events_carry_what_a_reader_needs():
    looks = [([], {A}), ([alert("x")], {A}), ([], {A})]
    times = iter([NOW, NOW + timedelta(seconds=90)])

    async def look():
        return looks.pop(0)

    bus = Bus()
    ended = []
    watcher = AlertWatcher(
        look,
        bus,
        lambda: next(times),
        every=1.0,
        remember=lambda alert, at: ended.append((alert.alertname, at)),
    )
    for _ in range(3):
        await watcher.look_once()
    fired, resolved = bus.events
    assert fired.event_type is EventType.ALERT_FIRED
    assert fired.cluster_id == A
    assert fired.payload["alertname"] == "x"
    assert resolved.event_type is EventType.ALERT_RESOLVED
    assert resolved.payload["duration_seconds"] == 90.0
    assert ended == [("x", NOW + timedelta(seconds=90))]


def test_only_so_many_ended_alerts_are_kept():
    kept = ResolvedAlerts(lambda: NOW, keep=60, most=2)
    for name in ("x", "y", "z"):
        kept.remember(alert(name), NOW)
    assert [each.alertname for each in kept.of({A})] == ["z", "y"]
    assert {each.state for each in kept.of({A})} == {AlertState.RESOLVED}
    assert kept.of({B}) == ()

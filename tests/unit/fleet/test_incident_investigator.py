"""The investigator: one trouble one incident, looked into once, told, resolved, taken up again."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from aiops_mcp.errors import ClusterUnreachable, ModelNotAvailable, StorageFailed
from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.fleet.incident_alerts import Firing, Standing
from aiops_mcp.fleet.incident_inquiry import Found
from aiops_mcp.fleet.incident_intake import MOST_OPEN, IncidentIntake, IntakeRules
from aiops_mcp.fleet.incident_investigator import Investigator, InvestigatorRules
from aiops_mcp.fleet.incident_joining import Together, incident_alert, is_same
from aiops_mcp.fleet.incidents import Incidents
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.chat import Answer, AnswerMode
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.incident import IncidentFilter, IncidentState, InvestigationState
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.rootcause import RCAResult, RcaTrigger, RootCause, TriggerKind

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CLUSTER = UUID("11111111-1111-4111-8111-111111111111")
CRITICAL, WARNING = AlertSeverity.CRITICAL, AlertSeverity.WARNING


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def pass_by(self, **parts):
        self.now += timedelta(**parts)


class Rows:
    """Incidents in memory; ``broken`` makes every change fail."""

    def __init__(self):
        self.kept = {}
        self.broken = False

    async def add(self, incident, key):
        del key
        if incident.id in self.kept:
            return False
        self.kept[incident.id] = incident
        return True

    async def update(self, incident, *, of_revision):
        if self.broken:
            raise StorageFailed("The database is away.")
        if self.kept[incident.id].revision != of_revision:
            return False
        self.kept[incident.id] = incident
        return True

    async def get(self, incident_id):
        return self.kept.get(incident_id)

    async def revisions(self, since):
        return {
            one.id: one.revision
            for one in self.kept.values()
            if one.state is not IncidentState.RESOLVED or one.updated_at >= since
        }

    async def page(self, wanted, *, offset, limit):
        del wanted
        found = sorted(self.kept.values(), key=lambda one: one.created_at)
        return tuple(found)[offset : offset + limit], len(found)

    async def investigated_since(self, since):
        return sum(
            one.created_at >= since and one.investigation is not InvestigationState.WAITING
            for one in self.kept.values()
        )

    async def prune(self, before):
        del before
        return 0


class Nobody:
    async def list(self, principal):
        del principal
        return ()


class Alerts:
    """What fires, as a test says."""

    def __init__(self):
        self.going = {}
        self.ends = {}
        self.suppressed = set()
        self.silent = set()
        self.answers = True
        self.together = Together(())
        self.asked = []

    def fire(self, name, component, *, ago=1.0, severity=CRITICAL, cluster="prod-1", at=None):
        place, _, service = component.partition("/")
        starts = (at or NOW) - timedelta(minutes=ago)
        alert = Alert(
            id=f"{cluster}/{name}/{component}@{starts.isoformat()}",
            fingerprint=f"{name}-{component}",
            cluster_id=CLUSTER,
            cluster_name=cluster,
            alertname=name,
            severity=severity,
            state=AlertState.FIRING,
            labels={"namespace": place, "service": service},
            starts_at=starts,
        )
        told = incident_alert(alert, ())
        self.going[alert.id] = Firing(alert, told, is_simulated=True)
        return told

    def end(self, told, at):
        self.going = {key: one for key, one in self.going.items() if one.told != told}
        self.ends[told.fingerprint] = at

    async def firing(self, since):
        found = [one for one in self.going.values() if one.told.starts_at >= since]
        return tuple(sorted(found, key=lambda one: one.told.starts_at))

    async def ended(self, alerts, now):
        still = [one.told for one in self.going.values()]
        return {
            place: self.ends.get(one.fingerprint, now)
            for place, one in enumerate(alerts)
            if not any(is_same(one, other) for other in still)
        }

    async def standing(self, names):
        self.asked.append(names)
        keys = {(one.told.cluster_name, one.told.fingerprint) for one in self.going.values()}
        hidden = {key for key in keys if key[1] in self.suppressed}
        return Standing(
            answered=frozenset(names) if self.answers else frozenset(),
            loud=frozenset(keys - hidden - {key for key in keys if key[1] in self.silent}),
            suppressed=frozenset(hidden),
            together=self.together,
        )


def ranking(*components, at=NOW, cluster="prod-1"):
    return RCAResult(
        id=uuid4(),
        trigger=RcaTrigger(kind=TriggerKind.ALERT),
        cluster_id=CLUSTER,
        cluster_name=cluster,
        start_time=at,
        end_time=at,
        causes=tuple(RootCause(component=name, score=0.5) for name in components),
        coverage=Coverage(queried=1, succeeded=1),
        as_of=at,
    )


class World:
    """An investigator with everything around it made up."""

    def __init__(self, bus):
        self.clock, self.rows, self.alerts, self.bus = Clock(), Rows(), Alerts(), bus
        self.causes = {}
        self.inquired = []
        self.fails = None
        self.holds = True
        self.go = asyncio.Event()
        self.go.set()
        self.events = []
        bus.subscribe(self.hear)
        self.incidents = Incidents(self.rows, Nobody(), bus, self.clock, keep=timedelta(days=90))
        self.settle = timedelta(seconds=30)

    async def hear(self, event):
        self.events.append(event)

    async def inquire(self, incident):
        self.inquired.append(incident.title)
        await self.go.wait()
        if self.fails is not None:
            raise self.fails
        component = incident.alerts[0].component
        names = self.causes.get(component, (component,))
        cluster = incident.alerts[0].cluster_name
        return Found(ranking(*names, at=self.clock(), cluster=cluster))

    async def ours(self):
        return self.holds

    def investigator(self, *, per_hour=20, uses_model=False, severity=CRITICAL):
        intake = IncidentIntake(
            self.incidents, self.alerts, self.clock, IntakeRules(severity, self.settle)
        )
        rules = InvestigatorRules(per_hour, uses_model=uses_model, look_every=0.01, pause=0)
        return Investigator(
            self.incidents, intake, self.inquire, self.bus, self.clock, rules, ours=self.ours
        )

    async def looks(self, investigator, count=4):
        for _ in range(count):
            await investigator.look_once()
            await investigator.settled()

    async def every(self):
        found, _ = await self.incidents.page(IncidentFilter(), LOCAL_ADMIN, offset=0, limit=999)
        return found

    async def only(self):
        (one,) = await self.every()
        return one

    async def told(self, kind):
        await self.bus.settle()
        return [one for one in self.events if one.event_type is kind]


@pytest.fixture
async def world():
    bus = MemoryBus()
    yield World(bus)
    await bus.close()


async def test_an_alert_becomes_an_incident_that_is_looked_into(world) -> None:
    world.alerts.fire("ServiceErrorRateHigh", "shop/cart")
    world.causes["shop/cart"] = ("shop/db",)
    await world.looks(world.investigator())
    one = await world.only()
    assert (one.state, one.investigation) == (IncidentState.OPEN, InvestigationState.DONE)
    assert one.title == "shop/db on prod-1: ServiceErrorRateHigh"
    assert one.rca is not None
    assert one.rca.causes[0].component == "shop/db"
    assert (one.severity, one.clusters, one.simulated) == (CRITICAL, ("prod-1",), True)
    assert len(world.inquired) == 1
    (event,) = await world.told(EventType.RCA_COMPLETE)
    assert event.payload["incident_id"] == str(one.id)
    assert event.payload["causes"][0]["component"] == "shop/db"
    assert event.cluster_name == "prod-1"
    changes = [each.payload["change"] for each in await world.told(EventType.INCIDENT_UPDATED)]
    assert changes == ["opened", "investigation began", "investigated"]


async def test_what_is_mild_young_old_silenced_or_gone_is_left_alone(world) -> None:
    alerts = world.alerts
    alerts.fire("Mild", "shop/a", severity=WARNING)
    alerts.fire("Young", "shop/b", ago=0.4)
    alerts.fire("Old", "shop/c", ago=361)
    silenced = alerts.fire("Silenced", "shop/d")
    gone = alerts.fire("Gone", "shop/e")
    alerts.suppressed.add(silenced.fingerprint)
    alerts.silent.add(gone.fingerprint)
    investigator = world.investigator()
    await world.looks(investigator)
    assert await world.every() == ()
    assert len(alerts.asked) == 1, "what is silenced is not asked about at every look"
    alerts.suppressed.clear()
    world.clock.pass_by(minutes=6)
    await world.looks(investigator)
    assert {one.alerts[0].alertname for one in await world.every()} == {"Young", "Silenced"}


async def test_where_nobody_answers_the_history_stands(world) -> None:
    gone = world.alerts.fire("A", "shop/a")
    world.alerts.silent.add(gone.fingerprint)
    world.alerts.answers = False
    await world.looks(world.investigator())
    assert (await world.only()).alerts == (gone,)


async def test_alerts_of_one_trouble_are_one_incident(world) -> None:
    alerts = world.alerts
    alerts.fire("Errors", "shop/cart", ago=5)
    alerts.fire("Latency", "shop/cart", ago=4, severity=WARNING)
    alerts.fire("Errors", "shop/web", ago=3)
    alerts.fire("Errors", "shop/other", ago=2)
    alerts.fire("Info", "shop/alone", ago=2, severity=WARNING)
    world.causes["shop/cart"] = ("shop/cart", "shop/web")
    await world.looks(world.investigator(), 6)
    first, second = await world.every()
    assert [one.component for one in first.alerts] == ["shop/cart", "shop/cart", "shop/web"]
    assert [one.component for one in second.alerts] == ["shop/other"]
    whats = [one.what for one in first.timeline if one.source == "alert"]
    assert whats == [
        "Errors of shop/cart fires (CRITICAL)",
        "Latency of shop/cart fires (WARNING); it belongs here: the same component",
        "Errors of shop/web fires (CRITICAL); it belongs here: its root causes name the component",
    ]
    assert ", and 2 more of the same trouble." in first.explanation
    assert len(world.inquired) == 2


async def test_an_alert_waits_for_what_is_found_in_its_cluster(world) -> None:
    world.alerts.fire("Errors", "shop/cart", ago=5)
    world.alerts.fire("Errors", "shop/web", ago=3)
    world.alerts.fire("Errors", "shop/web", ago=3, cluster="prod-2")
    world.causes["shop/cart"] = ("shop/web",)
    world.go.clear()
    investigator = world.investigator()
    await investigator.look_once()
    await investigator.look_once()
    assert sorted(one.clusters for one in await world.every()) == [("prod-1",), ("prod-2",)]
    world.go.set()
    await investigator.settled()
    await world.looks(investigator)
    assert len(await world.every()) == 2
    of_first = [one for one in await world.every() if one.clusters == ("prod-1",)]
    assert len(of_first[0].alerts) == 2


async def test_incidents_of_one_cause_become_one(world) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)
    world.alerts.fire("Errors", "shop/b", ago=3)
    world.causes |= {"shop/a": ("node-1",), "shop/b": ("node-1",)}
    investigator = world.investigator()
    await world.looks(investigator, 1)
    world.clock.pass_by(seconds=10)
    await world.looks(investigator)
    first, second = await world.every()
    assert [one.component for one in first.alerts] == ["shop/a", "shop/b"]
    assert (second.state, second.alerts) == (IncidentState.RESOLVED, ())
    assert second.timeline[-1].what == (
        f"Resolved: it is part of the incident {first.id}, which has the same cause"
    )
    assert f"The incident {second.id} has the same cause" in first.timeline[-1].what
    again = len(await world.told(EventType.INCIDENT_UPDATED))
    await world.looks(world.investigator(), 3)
    assert len(await world.told(EventType.INCIDENT_UPDATED)) == again, "then all is quiet"


async def test_clusters_are_joined_where_triage_joins_them(world) -> None:
    one = world.alerts.fire("Errors", "shop/pay", ago=5)
    world.alerts.fire("Errors", "shop/pay", ago=4, cluster="prod-2")
    world.alerts.together = Together.of(
        [each.alert for each in world.alerts.going.values()],
        known=("prod-1", "prod-2"),
        regions={},
    )
    await world.looks(world.investigator())
    incident = await world.only()
    assert incident.clusters == ("prod-1", "prod-2")
    assert incident.started_at == one.starts_at


async def test_it_is_over_when_its_alerts_are_and_opens_again_when_they_fire_again(world) -> None:
    alerts, clock = world.alerts, world.clock
    first = alerts.fire("Errors", "shop/cart", ago=5)
    second = alerts.fire("Latency", "shop/cart", ago=4)
    investigator = world.investigator()
    await world.looks(investigator)
    clock.pass_by(minutes=10)
    alerts.end(first, NOW + timedelta(minutes=9))
    await world.looks(investigator)
    going = await world.only()
    assert going.state is IncidentState.OPEN
    assert [one.ends_at for one in going.alerts] == [NOW + timedelta(minutes=9), None]
    assert "Errors of shop/cart ended after 14m" in [one.what for one in going.timeline]
    clock.pass_by(minutes=5)
    alerts.end(second, NOW + timedelta(minutes=12))
    await world.looks(investigator)
    over = await world.only()
    assert (over.state, over.resolved_at) == (
        IncidentState.RESOLVED,
        NOW + timedelta(minutes=12),
    )
    assert over.timeline[-1].what == "Resolved by itself: none of its alerts fires any more"
    clock.pass_by(minutes=20)
    alerts.fire("Errors", "shop/cart", at=clock(), ago=2)
    await world.looks(investigator)
    again = await world.only()
    assert (again.state, again.resolved_at, len(again.alerts)) == (IncidentState.OPEN, None, 3)
    assert again.investigation is InvestigationState.DONE
    assert len(world.inquired) == 1, "looked into less than an hour ago"


async def test_what_comes_back_after_half_an_hour_is_another_incident(world) -> None:
    first = world.alerts.fire("Errors", "shop/cart", ago=5)
    investigator = world.investigator()
    await world.looks(investigator)
    world.alerts.end(first, NOW)
    await world.looks(investigator)
    world.clock.pass_by(minutes=31)
    world.alerts.fire("Errors", "shop/cart", at=world.clock(), ago=0.6)
    await world.looks(investigator)
    states = [one.state for one in await world.every()]
    assert states == [IncidentState.RESOLVED, IncidentState.OPEN]


async def test_an_old_trouble_that_comes_back_is_looked_into_anew(world) -> None:
    first = world.alerts.fire("Errors", "shop/cart", ago=5)
    investigator = world.investigator()
    await world.looks(investigator)
    world.clock.pass_by(hours=2)
    world.alerts.end(first, world.clock())
    await world.looks(investigator)
    world.clock.pass_by(minutes=5)
    world.alerts.fire("Errors", "shop/cart", at=world.clock(), ago=1)
    await world.looks(investigator)
    assert (await world.only()).state is IncidentState.OPEN
    assert len(world.inquired) == 2


async def test_what_a_person_resolved_stays_so_while_it_fires_on(world) -> None:
    first = world.alerts.fire("Errors", "shop/cart", ago=5)
    investigator = world.investigator()
    await world.looks(investigator)
    incident = await world.only()
    world.clock.pass_by(minutes=1)
    await world.incidents.resolve(incident.id, LOCAL_ADMIN)
    world.clock.pass_by(minutes=1)
    await world.looks(investigator)
    assert (await world.only()).state is IncidentState.RESOLVED
    world.alerts.end(first, world.clock())
    await world.looks(investigator)
    ended = await world.only()
    assert ended.resolved_at == NOW + timedelta(minutes=1)
    assert ended.alerts[0].ends_at == NOW + timedelta(minutes=2)
    world.clock.pass_by(minutes=2)
    world.alerts.fire("Errors", "shop/cart", at=world.clock(), ago=0.6)
    await world.looks(investigator)
    assert (await world.only()).state is IncidentState.OPEN


async def test_who_said_too_early_that_it_is_over_is_corrected(world) -> None:
    first = world.alerts.fire("Errors", "shop/cart", ago=5)
    investigator = world.investigator()
    await world.looks(investigator)
    kept = dict(world.alerts.going)
    world.alerts.end(first, NOW)
    await world.looks(investigator)
    assert (await world.only()).state is IncidentState.RESOLVED
    world.alerts.going = kept
    await world.looks(investigator)
    one = await world.only()
    assert (one.state, one.resolved_at, one.alerts) == (IncidentState.OPEN, None, (first,))


# --- how often, and what goes wrong -------------------------------------------------------------


async def test_so_many_an_hour_and_the_rest_waits_told_once(world, caplog) -> None:
    for number in range(4):
        world.alerts.fire("Errors", f"shop/s{number}", cluster=f"prod-{number}", ago=5 - number)
    investigator = world.investigator(per_hour=2)
    with caplog.at_level(logging.WARNING):
        await world.looks(investigator, 6)
    assert len(await world.every()) == 4
    assert len(world.inquired) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "2 incidents wait: 2 investigations an hour are allowed (AIOPS_INVESTIGATE_PER_HOUR)"
    ]
    waiting = [
        one for one in await world.every() if one.investigation is InvestigationState.WAITING
    ]
    assert "It has not been investigated yet." in waiting[0].explanation
    world.clock.pass_by(minutes=61)
    await world.looks(investigator, 4)
    assert len(world.inquired) == 4


async def test_the_gravest_is_looked_into_first(world) -> None:
    world.alerts.fire("Mild", "shop/a", severity=WARNING, ago=9)
    world.alerts.fire("Grave", "shop/b", cluster="prod-2", ago=2)
    await world.looks(world.investigator(severity=WARNING))
    assert world.inquired == ["Grave of shop/b on prod-2", "Mild of shop/a on prod-1"]


async def test_what_is_over_before_its_turn_is_said_to_be(world) -> None:
    first = world.alerts.fire("Errors", "shop/a", cluster="prod-1", ago=5)
    second = world.alerts.fire("Errors", "shop/b", cluster="prod-2", ago=4)
    investigator = world.investigator(per_hour=1)
    await world.looks(investigator)
    for one in (first, second):
        world.alerts.end(one, NOW)
    await world.looks(investigator)
    world.clock.pass_by(minutes=31)
    await world.looks(investigator)
    states = [one.investigation for one in await world.every()]
    assert states == [InvestigationState.DONE, InvestigationState.FAILED]
    last = (await world.every())[1].timeline[-1].what
    assert last == "The investigation failed: it was over before its turn came"


async def test_a_failed_one_is_tried_again_once_later(world, caplog) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)
    world.fails = ClusterUnreachable("prod-1 does not answer.")
    investigator = world.investigator()
    await world.looks(investigator)
    failed = await world.only()
    assert failed.investigation is InvestigationState.FAILED
    assert failed.timeline[-1].what == "The investigation failed: prod-1 does not answer."
    assert len(world.inquired) == 1
    world.clock.pass_by(minutes=5)
    world.fails = ZeroDivisionError()
    await world.looks(investigator)
    assert "a defect of this program" in (await world.only()).timeline[-1].what
    assert "broke" in caplog.text
    world.clock.pass_by(minutes=30)
    world.fails = None
    await world.looks(investigator)
    assert len(world.inquired) == 2
    assert (await world.only()).state is IncidentState.OPEN


async def test_the_second_try_may_succeed(world) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)
    world.fails = ClusterUnreachable("prod-1 does not answer.")
    investigator = world.investigator()
    await world.looks(investigator)
    world.fails = None
    world.clock.pass_by(minutes=5)
    await world.looks(investigator)
    assert (await world.only()).investigation is InvestigationState.DONE


async def test_what_a_killed_process_was_at_is_taken_up_again(world) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)
    world.go.clear()
    killed = world.investigator()
    await killed.look_once()
    await asyncio.sleep(0)
    assert (await world.only()).investigation is InvestigationState.RUNNING
    world.holds = False
    await killed.look_once()
    assert (await world.only()).investigation is InvestigationState.RUNNING
    world.holds = True
    world.go.set()
    await world.looks(world.investigator())
    one = await world.only()
    assert one.investigation is InvestigationState.DONE
    assert "interrupted and is taken up again" in " ".join(each.what for each in one.timeline)


async def test_a_database_that_is_away_loses_nothing(world, caplog) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)
    investigator = world.investigator()
    world.go.clear()
    await investigator.look_once()
    await asyncio.sleep(0)
    world.rows.broken = True
    world.go.set()
    await investigator.settled()
    assert "has to wait: The database is away." in caplog.text
    world.rows.broken = False
    await world.looks(investigator)
    assert (await world.only()).investigation is InvestigationState.DONE


async def test_two_replicas_open_one_incident(world) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)
    await asyncio.gather(world.investigator().look_once(), world.investigator().look_once())
    assert len(await world.every()) == 1


async def test_who_does_not_hold_the_lease_does_nothing(world) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)
    world.holds = False
    await world.looks(world.investigator())
    assert await world.every() == ()


async def test_a_storm_has_an_end(world, caplog) -> None:
    for number in range(MOST_OPEN + 5):
        world.alerts.fire("Errors", f"shop/s{number}", cluster=f"c-{number}")
    investigator = world.investigator(per_hour=1)
    await world.looks(investigator, 2)
    assert len(await world.every()) == MOST_OPEN
    assert caplog.text.count("further alerts wait for room") == 1


async def test_it_works_by_itself_and_is_woken_by_alerts(world) -> None:
    investigator = world.investigator()
    running = asyncio.create_task(investigator.run())
    await asyncio.sleep(0)
    world.alerts.fire("Errors", "shop/a", ago=5)
    done = asyncio.Event()

    async def hear(event):
        if event.event_type is EventType.RCA_COMPLETE:
            done.set()

    world.bus.subscribe(hear)
    fired = Event(
        event_id=uuid4(), event_type=EventType.ALERT_FIRED, source="t", timestamp=world.clock()
    )
    await world.bus.publish(fired)
    await asyncio.wait_for(done.wait(), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await world.only()).investigation is InvestigationState.DONE


# --- a model's explanation ------------------------------------------------------------------------


ANSWER = Answer(text="It is the database [1].", mode=AnswerMode.MODEL, model="small")


async def test_a_model_explains_what_was_found(world) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)
    seen = []

    async def explain(incident):
        seen.append((incident.investigation, incident.explanation))
        return ANSWER

    investigator = world.investigator(uses_model=True)
    await world.looks(investigator)
    assert (await world.only()).answer is None
    world.incidents.explain = explain
    await world.looks(investigator)
    one = await world.only()
    assert (one.answer, one.explanation) == (ANSWER, ANSWER.text)
    assert one.timeline[-1].what == "Explained by small"
    ((state, text),) = seen
    assert state is InvestigationState.DONE
    assert "Most likely cause" in text


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ModelNotAvailable("none answers"), "No model explained it: MODEL_NOT_AVAILABLE"),
        (TimeoutError(), "No model explained it: no answer within 600 s"),
        (ZeroDivisionError(), "No model explained it"),
        (None, "No model explained it"),
    ],
)
async def test_without_its_answer_the_templates_stand(world, error, told) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)
    asked = []

    async def explain(incident):
        asked.append(incident)
        if error is not None:
            raise error
        return

    world.incidents.explain = explain
    await world.looks(world.investigator(uses_model=True), 5)
    one = await world.only()
    assert one.answer is None
    assert "Most likely cause" in one.explanation
    assert one.timeline[-1].what == told
    assert len(asked) == 1


async def test_no_model_is_asked_where_none_is_wanted(world) -> None:
    world.alerts.fire("Errors", "shop/a", ago=5)

    async def explain(incident):
        raise AssertionError(incident)

    world.incidents.explain = explain
    await world.looks(world.investigator())
    assert (await world.only()).answer is None


def test_standing_says_what_nobody_knows() -> None:
    told = incident_alert(
        Alert(
            id="x",
            fingerprint="f",
            cluster_id=CLUSTER,
            cluster_name="prod-1",
            alertname="A",
            severity=CRITICAL,
            state=AlertState.FIRING,
            labels={},
            starts_at=NOW,
        ),
        (),
    )
    standing = Standing(frozenset({"prod-1"}), frozenset(), frozenset(), Together(()))
    assert standing.is_over(told)
    assert not replace(standing, answered=frozenset()).is_over(told)
    assert not replace(standing, loud=frozenset({("prod-1", "f")})).is_over(told)
    hidden = replace(standing, suppressed=frozenset({("prod-1", "f")}))
    assert (hidden.is_over(told), hidden.is_suppressed(told)) == (False, True)

"""Incidents on both databases: found again, changed by one at a time, clean, for who may see them."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from aiops_mcp.errors import Conflict, IncidentNotFound
from aiops_mcp.fleet.incidents import MOST_NOTES, Incidents, is_resolved_by_person
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.events import EventType
from aiops_mcp.models.incident import (
    Incident,
    IncidentAlert,
    IncidentFilter,
    IncidentState,
    InvestigationState,
    TimelineEntry,
)
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.storage.incidents import IncidentTable

ADA = Principal(subject="ada", role=Role.OPERATOR)
BOB = Principal(subject="bob", role=Role.OPERATOR)
CONFINED = Principal(subject="eve", role=Role.OPERATOR, clusters=frozenset({"edge-1"}))
EVERY = IncidentFilter()


@pytest.fixture
def table(database):
    return IncidentTable(database)


@pytest.fixture
async def clusters(registry, new_cluster):
    return {
        name: await registry.register(new_cluster(name)) for name in ("edge-1", "edge-2", "hub-1")
    }


@pytest.fixture
def incidents(table, registry, bus, clock, clusters):
    return Incidents(table, registry, bus, clock, keep=timedelta(days=90))


@pytest.fixture
def made(clock):
    def make(*names, **fields):
        names = names or ("edge-1",)
        at = fields.pop("started_at", clock())
        alerts = tuple(
            IncidentAlert(
                fingerprint=f"f-{name}",
                alertname="KubePodCrashLooping",
                cluster_name=name,
                severity=AlertSeverity.CRITICAL,
                component="shop/cart",
                starts_at=at,
            )
            for name in names
        )
        return Incident(
            **{
                "id": uuid4(),
                "title": f"shop/cart on {names[0]}",
                "severity": AlertSeverity.CRITICAL,
                "state": IncidentState.OPEN,
                "clusters": names,
                "started_at": at,
                "alerts": alerts,
                "created_at": at,
                "updated_at": at,
                **fields,
            }
        )

    return make


async def test_it_is_found_again_as_it_was(table, made):
    incident = made("edge-1", "edge-2")
    assert await table.add(incident, "edge-1/shop/cart")
    assert await table.get(incident.id) == incident
    assert await table.get(uuid4()) is None


async def test_one_id_is_taken_once(table, made):
    incident = made()
    added = [await table.add(incident, "a"), await table.add(incident, "b")]
    assert added == [True, False]
    assert (await table.page(EVERY, offset=0, limit=9))[1] == 1


async def test_of_two_changes_of_one_revision_one_is_refused(table, made):
    incident = made()
    await table.add(incident, "a")
    first = incident.model_copy(update={"title": "first", "revision": 2})
    second = incident.model_copy(update={"title": "second", "revision": 2})
    done = await asyncio.gather(
        table.update(first, of_revision=1), table.update(second, of_revision=1)
    )
    assert sorted(done) == [False, True]
    kept = await table.get(incident.id)
    assert kept is not None
    assert kept.title == ("first" if done[0] else "second")


async def test_pages_are_newest_first_and_filtered(table, made, clock):
    old = made("edge-1", started_at=clock() - timedelta(hours=2))
    new = made("edge-2", severity=AlertSeverity.WARNING)
    both = made("edge-1", "hub-1", state=IncidentState.RESOLVED)
    both = both.model_copy(update={"started_at": clock() + timedelta(minutes=1)})
    for one in (old, new, both):
        await table.add(one, "k")

    async def ids(**wanted):
        found, total = await table.page(IncidentFilter(**wanted), offset=0, limit=9)
        assert total == len(found)
        return [one.id for one in found]

    assert await ids() == [both.id, new.id, old.id]
    assert await ids(state=IncidentState.OPEN) == [new.id, old.id]
    assert await ids(severity=AlertSeverity.WARNING) == [new.id]
    assert await ids(cluster="edge-1") == [both.id, old.id]
    assert await ids(cluster="edge") == []
    assert await ids(seen=frozenset({"hub-1", "edge-2"})) == [both.id, new.id]
    assert await ids(seen=frozenset()) == []
    assert await ids(seen=frozenset({"edge-1"}), cluster="hub-1") == [both.id]
    page, total = await table.page(EVERY, offset=1, limit=1)
    assert ([one.id for one in page], total) == ([new.id], 3)


async def test_what_goes_on_or_was_changed_lately_has_its_revision_told(table, made, clock):
    going = made(started_at=clock() - timedelta(days=3), revision=7)
    over = made(state=IncidentState.RESOLVED)
    old = made(state=IncidentState.RESOLVED, started_at=clock() - timedelta(days=3))
    for one in (going, over, old):
        await table.add(one, "k")
    assert await table.revisions(clock() - timedelta(hours=6)) == {going.id: 7, over.id: 1}


async def test_what_was_investigated_within_an_hour_is_counted(table, made, clock):
    states = (InvestigationState.WAITING, InvestigationState.RUNNING, InvestigationState.FAILED)
    for state in states:
        await table.add(made(investigation=state), "k")
    earlier = clock() - timedelta(hours=2)
    await table.add(made(started_at=earlier, investigation=InvestigationState.DONE), "k")
    assert await table.investigated_since(clock() - timedelta(hours=1)) == 2


async def test_what_nobody_touched_for_long_is_forgotten(incidents, made, clock):
    old = made(started_at=clock() - timedelta(days=91))
    young = made(started_at=clock() - timedelta(days=89))
    for one in (old, young):
        await incidents.add(one, "k")
    assert await incidents.prune() == 1
    found, _ = await incidents.page(EVERY, ADA, offset=0, limit=9)
    assert [one.id for one in found] == [young.id]


# --- what people do --------------------------------------------------------------------------


async def test_it_is_taken_on_resolved_and_opened_again(incidents, made, bus, clock):
    incident = await incidents.add(made(), "k")
    clock.advance(minutes=1)
    taken = await incidents.acknowledge(incident.id, ADA, "I look at it")
    assert (taken.state, taken.assignee) == (IncidentState.ACKNOWLEDGED, "ada")
    assert [(one.author, one.text) for one in taken.notes] == [("ada", "I look at it")]
    clock.advance(minutes=1)
    over = await incidents.resolve(incident.id, BOB)
    assert (over.state, over.resolved_at, over.assignee) == (
        IncidentState.RESOLVED,
        clock(),
        "ada",
    )
    assert is_resolved_by_person(over)
    again = await incidents.resolve(incident.id, BOB)
    assert again.revision == over.revision
    with pytest.raises(Conflict, match="resolved") as refused:
        await incidents.acknowledge(incident.id, ADA)
    assert (refused.value.status, refused.value.hint) == (409, "Reopen it first.")
    clock.advance(minutes=1)
    opened = await incidents.reopen(incident.id, BOB)
    assert (opened.state, opened.resolved_at, opened.assignee) == (IncidentState.OPEN, None, None)
    assert [one.what for one in opened.timeline] == [
        "ada acknowledged it",
        "ada noted: I look at it",
        "bob resolved it",
        "bob reopened it",
    ]
    assert opened.revision == 4
    told = [one.payload for one in bus.events if one.event_type is EventType.INCIDENT_UPDATED]
    assert [one["change"] for one in told] == ["opened", "acknowledged", "resolved", "reopened"]
    assert [one["state"] for one in told] == ["OPEN", "ACKNOWLEDGED", "RESOLVED", "OPEN"]


async def test_an_event_of_one_cluster_is_that_ones_and_of_several_nobodys(
    incidents, made, bus, clusters
):
    await incidents.add(made("edge-1"), "k")
    await incidents.add(made("edge-1", "edge-2"), "k")
    one, several = (each for each in bus.events if each.event_type is EventType.INCIDENT_UPDATED)
    assert (one.cluster_name, one.cluster_id) == ("edge-1", clusters["edge-1"].id)
    assert (several.cluster_name, several.cluster_id) == (None, None)


async def test_no_note_of_many_at_once_is_lost(incidents, made):
    incident = await incidents.add(made(), "k")
    await asyncio.gather(*(incidents.note(incident.id, ADA, f"note {n}") for n in range(6)))
    kept = await incidents.get(incident.id, ADA)
    assert sorted(one.text for one in kept.notes) == [f"note {n}" for n in range(6)]
    assert kept.revision == 7


async def test_notes_have_an_end(incidents, made, clock):
    notes = [{"author": "a", "text": "t", "created_at": clock()}] * MOST_NOTES
    incident = await incidents.add(Incident.model_validate({**dict(made()), "notes": notes}), "k")
    with pytest.raises(Conflict, match="200 notes"):
        await incidents.note(incident.id, ADA, "one more")


async def test_who_is_always_overtaken_is_told(incidents, made, table, clock):
    incident = await incidents.add(made(), "k")
    real = table.update

    async def overtaken(changed, *, of_revision):
        await real(changed.model_copy(update={"title": "other"}), of_revision=of_revision)
        return False

    table.update = overtaken
    with pytest.raises(Conflict, match="all the time"):
        await incidents.note(incident.id, ADA, "x")


async def test_secrets_and_control_characters_are_not_kept(incidents, made, table, clock):
    secret = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    entry = TimelineEntry(timestamp=clock(), source="alert", what=f"Bearer {secret}\x00")
    incident = await incidents.add(made(timeline=(entry,), explanation=f"token={secret}"), "k")
    await incidents.note(incident.id, ADA, f"password=hunter2hunter2 {secret}")
    kept = (await table.get(incident.id)).model_dump_json()
    assert secret not in kept
    assert "hunter2hunter2" not in kept
    assert "\\u0000" not in kept


# --- who may see them ------------------------------------------------------------------------


async def test_who_sees_one_cluster_gets_what_is_of_it(incidents, made, clock):
    entries = tuple(
        TimelineEntry(timestamp=clock(), source="alert", what=what, cluster_name=cluster)
        for what, cluster in (
            ("cart dies", "edge-1"),
            ("cart dies there", "edge-2"),
            ("edge-1 asks hub-1", "edge-1"),
            ("Reopened", None),
        )
    )
    both = await incidents.add(
        made("edge-2", "edge-1", timeline=entries, explanation="shop/cart on edge-2-worker-0"), "k"
    )
    other = await incidents.add(made("edge-2"), "k")
    seen = await incidents.get(both.id, CONFINED)
    assert seen.clusters == ("edge-1",)
    assert [one.cluster_name for one in seen.alerts] == ["edge-1"]
    assert [one.what for one in seen.timeline] == ["cart dies", "Reopened"]
    assert (seen.title, seen.explanation) == ("KubePodCrashLooping on edge-1", "")
    assert "edge-2" not in seen.model_dump_json()
    assert "hub-1" not in seen.model_dump_json()
    with pytest.raises(IncidentNotFound):
        await incidents.get(other.id, CONFINED)
    with pytest.raises(IncidentNotFound):
        await incidents.resolve(other.id, CONFINED)
    page, total = await incidents.page(EVERY, CONFINED, offset=0, limit=9)
    assert ([one.id for one in page], total) == ([both.id], 1)
    assert page[0].clusters == ("edge-1",)
    assert (await incidents.get(other.id, ADA)).state is IncidentState.OPEN
    noted = await incidents.note(both.id, CONFINED, "mine")
    assert [one.text for one in noted.notes] == ["mine"]
    assert noted.clusters == ("edge-1",)
    assert (await incidents.get(both.id, ADA)).clusters == ("edge-2", "edge-1")


async def test_what_is_not_there_is_not_found(incidents):
    nobody = uuid4()
    with pytest.raises(IncidentNotFound, match=str(nobody)):
        await incidents.get(nobody, ADA)
    with pytest.raises(IncidentNotFound):
        await incidents.change(nobody, lambda one: one, "x")

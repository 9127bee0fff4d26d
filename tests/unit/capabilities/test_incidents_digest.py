"""Incidents made small: lists, one in each state of its investigation."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from aiops_mcp.capabilities.incidents import incident_id_of, summary_of
from aiops_mcp.capabilities.incidents_digest import digest_incident, digest_incidents
from aiops_mcp.errors import IncidentNotFound
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Page
from aiops_mcp.models.incident import (
    Incident,
    IncidentAlert,
    IncidentNote,
    IncidentState,
    IncidentSummary,
    InvestigationState,
    TimelineEntry,
)
from aiops_mcp.models.rootcause import RCAResult, RcaTrigger, RootCause, TriggerKind

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ID = UUID("11111111-1111-4111-8111-111111111111")
ALERT = IncidentAlert(
    fingerprint="f1",
    alertname="A",
    cluster_name="prod-1",
    severity=AlertSeverity.CRITICAL,
    starts_at=NOW,
)
FOUND = RCAResult(
    id=ID,
    trigger=RcaTrigger(kind=TriggerKind.TIME),
    cluster_id=ID,
    cluster_name="prod-1",
    start_time=NOW,
    end_time=NOW,
    causes=(
        RootCause(component="shop/db", score=0.8, what="locked", evidence_for=("a", "b", "c", "d")),
        RootCause(component="shop/web", score=0.25),
    ),
    remediation_steps=("End it.",),
    coverage=Coverage(queried=1, succeeded=1),
    as_of=NOW + timedelta(minutes=1),
)


def incident(**fields) -> Incident:
    return Incident(
        **{
            "id": ID,
            "title": "shop/db on prod-1: locked",
            "severity": AlertSeverity.CRITICAL,
            "state": IncidentState.OPEN,
            "clusters": ("prod-1", "prod-2"),
            "started_at": NOW,
            "alerts": (ALERT,),
            "timeline": (
                TimelineEntry(
                    timestamp=NOW, source="alert", what="A fires", evidence="f1",
                    cluster_name="prod-1",
                ),
            ),
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
    )  # fmt: skip


def page(*items: Incident, total: int | None = None) -> Page[IncidentSummary]:
    count = len(items) if total is None else total
    told = tuple(summary_of(one) for one in items)
    return Page(items=told, total=count, page=1, page_size=2, total_pages=-(-count // 2))


def test_a_list() -> None:
    over = incident(state=IncidentState.RESOLVED, assignee="ada", rca=FOUND, simulated=True)
    digest = digest_incidents(page(incident(), over, total=5))
    assert digest.headline == "5 incidents, newest first; 1 of those shown open."
    assert digest.rows == (
        (str(ID), "OPEN", "CRITICAL", "2026-03-01 12:00Z", "prod-1, prod-2", 1,
         "shop/db on prod-1: locked", None),
        (str(ID), "RESOLVED", "CRITICAL", "2026-03-01 12:00Z", "prod-1, prod-2", 1,
         "shop/db on prod-1: locked", "ada"),
    )  # fmt: skip
    assert (digest.coverage, digest.more) == ("simulated fleet", "3 more: page=2")
    alone = digest_incidents(page(incident()))
    assert alone.headline == "1 incident, newest first; 1 of those shown open."
    assert (alone.coverage, alone.more) == (None, None)
    assert digest_incidents(page()).headline == "No incident."
    assert (summary_of(over).cause, summary_of(incident()).cause) == ("shop/db", None)


def test_one_with_its_causes() -> None:
    note = IncidentNote(author="ada", text="called", created_at=NOW)
    digest = digest_incident(
        incident(
            rca=FOUND,
            state=IncidentState.RESOLVED,
            resolved_at=NOW + timedelta(hours=1),
            assignee="ada",
            notes=(note,),
        )
    )
    assert digest.headline == (
        "shop/db on prod-1: locked. CRITICAL, RESOLVED, taken on by ada, "
        "1 alert on prod-1, prod-2 since 2026-03-01 12:00Z until 2026-03-01 13:00Z."
    )
    assert digest.rows == (("2026-03-01 12:00:00Z", "alert", "prod-1", "A fires", "f1"),)
    assert digest.notes == (
        "cause 1, score 0.80, shop/db: locked (a; b; c)",
        "cause 2, score 0.25, shop/web",
        "to do: End it.",
        "ada, 2026-03-01 12:00Z: called",
    )
    assert digest.as_of == FOUND.as_of
    assert digest.more == f"GET /api/v1/incidents/{ID}, or: aiops incidents show {ID}"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "the investigation is WAITING"),
        ({"investigation": InvestigationState.RUNNING}, "the investigation is RUNNING"),
        (
            {"investigation": InvestigationState.FAILED},
            "not investigated: the timeline says why",
        ),
        (
            {"rca": FOUND.model_copy(update={"causes": (), "reason_if_empty": "all is well",
                                             "remediation_steps": ()})},
            "no cause found: all is well",
        ),
    ],
)  # fmt: skip
def test_one_without_a_cause(fields, told) -> None:
    assert digest_incident(incident(**fields)).notes == (told,)


def test_what_is_no_id_is_nobodys() -> None:
    assert incident_id_of(str(ID)) == ID
    with pytest.raises(IncidentNotFound, match="'x'"):
        incident_id_of("x")

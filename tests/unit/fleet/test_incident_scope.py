"""What of an incident somebody may know who sees only some clusters."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from aiops_mcp.fleet.incident_scope import seen_by
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.chat import Answer, AnswerMode
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.incident import Incident, IncidentAlert, IncidentNote, IncidentState
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.models.rootcause import (
    CorrelationEdge,
    CorrelationMap,
    CorrelationNode,
    RCAResult,
    RcaSignal,
    RcaTrigger,
    RootCause,
    TriggerKind,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ID = UUID("11111111-1111-4111-8111-111111111111")
EVE = Principal(subject="eve", role=Role.VIEWER, clusters=frozenset({"prod-east"}))
KNOWN = frozenset({"prod-east", "prod", "hub"})


def rca(*components: str, **fields) -> RCAResult:
    return RCAResult(
        **{
            "id": ID,
            "trigger": RcaTrigger(kind=TriggerKind.TIME),
            "cluster_id": ID,
            "cluster_name": "prod-east",
            "start_time": NOW,
            "end_time": NOW,
            "causes": tuple(RootCause(component=name, score=0.5) for name in components),
            "coverage": Coverage(queried=1, succeeded=1),
            "as_of": NOW,
            **fields,
        }
    )


def incident(**fields) -> Incident:
    return Incident(
        **{
            "id": ID,
            "title": "shop/db on prod-east-worker-1",
            "severity": AlertSeverity.CRITICAL,
            "state": IncidentState.OPEN,
            "clusters": ("prod-east",),
            "started_at": NOW,
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
    )


def test_who_sees_all_gets_all_and_who_sees_none_nothing() -> None:
    whole = incident(clusters=("hub", "prod-east"))
    assert seen_by(LOCAL_ADMIN, whole, KNOWN) is whole
    assert seen_by(EVE, incident(clusters=("hub",)), KNOWN) is None


def test_what_is_of_its_own_clusters_stays_as_it_is() -> None:
    one = incident(rca=rca("shop/db"), explanation="prod-east-worker-1 is full; a product, hubris")
    assert seen_by(EVE, one, KNOWN) == one
    assert seen_by(EVE, one, ()) == one


@pytest.mark.parametrize("text", ["prod is slow", "on PROD, too", "node hub-worker-0", "x/hub"])
def test_a_text_that_names_another_is_cut(text) -> None:
    answer = Answer(text=text, mode=AnswerMode.MODEL)
    notes = (
        IncidentNote(author="ada", text=text, created_at=NOW),
        IncidentNote(author="ada", text="mine", created_at=NOW),
    )
    one = incident(title=text, explanation=text, answer=answer, notes=notes)
    seen = seen_by(EVE, one, KNOWN)
    assert seen is not None
    assert (seen.title, seen.explanation, seen.answer) == ("Trouble on prod-east", "", None)
    assert [note.text for note in seen.notes] == ["mine"]


def test_an_alert_of_another_that_its_hub_tells_is_cut() -> None:
    def alert(component: str) -> IncidentAlert:
        return IncidentAlert(
            fingerprint=component,
            alertname="Away",
            cluster_name="prod-east",
            severity=AlertSeverity.CRITICAL,
            component=component,
            starts_at=NOW,
        )

    seen = seen_by(EVE, incident(title="hub", alerts=(alert("hub"), alert("shop/a"))), KNOWN)
    assert seen is not None
    assert [one.component for one in seen.alerts] == ["shop/a"]
    assert seen.title == "Away on prod-east"


def test_of_a_ranking_the_causes_that_name_no_other_stay() -> None:
    graph = CorrelationMap(
        nodes=(CorrelationNode(component="shop/db"), CorrelationNode(component="hub")),
        edges=(
            CorrelationEdge(source="shop/db", target="hub", relation="calls"),
            CorrelationEdge(source="shop/a", target="shop/db", relation="calls"),
        ),
    )
    found = rca(
        "shop/db",
        "hub",
        signals=(
            RcaSignal(kind="call", component="shop/db", name="to hub"),
            RcaSignal(kind="metric", component="shop/db", name="latency"),
        ),
        correlation_graph=graph,
        explanation="hub is away",
        remediation_steps=("Call hub.", "Restart it."),
        missing=("hub: no answer", "traces"),
    )
    seen = seen_by(EVE, incident(rca=found), KNOWN)
    assert seen is not None
    assert seen.rca is not None
    assert [one.component for one in seen.rca.causes] == ["shop/db"]
    assert [one.name for one in seen.rca.signals] == ["latency"]
    assert [one.component for one in seen.rca.correlation_graph.nodes] == ["shop/db"]
    assert [one.source for one in seen.rca.correlation_graph.edges] == ["shop/a"]
    assert (seen.rca.explanation, seen.rca.remediation_steps, seen.rca.missing) == (
        "",
        ("Restart it.",),
        ("traces",),
    )
    elsewhere = incident(rca=rca("shop/db", cluster_name="hub"))
    reason = incident(rca=rca(reason_if_empty="hub does not answer"))
    for one in (elsewhere, reason):
        cut = seen_by(EVE, one, KNOWN)
        assert cut is not None
        assert cut.rca is None

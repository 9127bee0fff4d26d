"""Which incident an alert belongs to."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from aiops_mcp.fleet.incident_joining import (
    MOST_ALERTS,
    Together,
    gravest,
    home_of,
    incident_alert,
    incident_id,
    is_same,
    key_of,
    leading,
    may_take,
    place_in,
    twin_of,
    why_of,
)
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.incident import Incident, IncidentAlert, IncidentState, TimelineEntry
from aiops_mcp.models.rootcause import RCAResult, RcaTrigger, RootCause, TriggerKind

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOBODY = Together(())
CRITICAL, WARNING = AlertSeverity.CRITICAL, AlertSeverity.WARNING


def minutes(count):
    return timedelta(minutes=count)


def told(name="ServiceErrorRateHigh", component="shop/cart", ago=5, cluster="prod-1", **fields):
    return IncidentAlert(
        **{
            "fingerprint": f"{name}-{component}",
            "alertname": name,
            "cluster_name": cluster,
            "severity": CRITICAL,
            "component": component,
            "starts_at": NOW - minutes(ago),
            **fields,
        }
    )


def ranking(*components, cluster="prod-1"):
    return RCAResult(
        id=uuid4(),
        trigger=RcaTrigger(kind=TriggerKind.TIME),
        cluster_id=uuid4(),
        cluster_name=cluster,
        start_time=NOW,
        end_time=NOW,
        causes=tuple(RootCause(component=name, score=0.5) for name in components),
        coverage=Coverage(queried=1, succeeded=1),
        as_of=NOW,
    )


def incident(*alerts, **fields):
    alerts = alerts or (told(),)
    return Incident(
        **{
            "id": uuid4(),
            "title": "t",
            "severity": CRITICAL,
            "state": IncidentState.OPEN,
            "clusters": tuple({one.cluster_name for one in alerts}),
            "started_at": min(one.starts_at for one in alerts),
            "alerts": alerts,
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
    )


def alert(name="ServiceErrorRateHigh", service="cart", cluster="prod-1", ago=5, **labels):
    return Alert(
        id=f"{name}-{service}",
        fingerprint=f"{name}-shop/{service}",
        cluster_id="11111111-1111-4111-8111-111111111111",
        cluster_name=cluster,
        alertname=name,
        severity=CRITICAL,
        state=AlertState.FIRING,
        labels={"namespace": "shop", "service": service, **labels},
        starts_at=NOW - minutes(ago),
    )


def test_an_alert_is_held_with_what_it_is_of() -> None:
    held = incident_alert(alert(), {"prod-1"})
    assert held == told()
    assert key_of(held) == "prod-1/shop/cart"
    of_nothing = incident_alert(alert().model_copy(update={"labels": {}}), ())
    assert of_nothing.component is None
    assert key_of(of_nothing) == "prod-1/ServiceErrorRateHigh"


def test_an_occurrence_has_one_id_whoever_makes_it() -> None:
    assert incident_id(alert()) == incident_id(alert())
    assert incident_id(alert()).version == 4
    assert incident_id(alert()) != incident_id(alert(ago=6))
    assert incident_id(alert()) != incident_id(alert(service="web"))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (told(), True),
        (told(ago=7), True),
        (told(ago=8), False),
        (told(cluster="prod-2"), False),
        (told(fingerprint="other"), False),
    ],
)
def test_sightings_of_one_firing_are_one(other, same) -> None:
    assert is_same(told(), other) is same
    assert place_in(incident(told("X"), told()), other) == (1 if same else None)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (told(ago=900), "the same alert"),
        (told("Other"), "the same component"),
        (told("Other", ago=66), ""),
        (told("Other", ago=65), "the same component"),
        (told("Other", cluster="prod-2"), ""),
        (told("Other", component="shop/db"), "its root causes name the component"),
        (told("Other", component="gpu-1"), "its root causes name the component"),
        (told("Other", component="shop/db", cluster="prod-2"), ""),
        (told("Other", component="shop/web"), ""),
        (told("Other", component=None), ""),
    ],
)
def test_why_an_alert_belongs(one, why) -> None:
    held = incident(rca=ranking("shop/db", "gpu-1/3"))
    assert why_of(one, held, (NOBODY,)) == why


def test_triage_joins_over_clusters() -> None:
    # one service that fails in two clusters at once
    alerts = [alert(), alert(cluster="prod-2"), alert(service="web", cluster="prod-3")]
    together = Together.of(alerts, known=("prod-1", "prod-2", "prod-3"), regions={})
    held = incident()
    assert why_of(told(cluster="prod-2", fingerprint="x"), held, (NOBODY, together)) == (
        "triage joins them"
    )
    assert why_of(told(component="shop/web", cluster="prod-3"), held, (together,)) == ""
    problem = together.problem_of(told())
    assert problem is not None
    assert set(problem.clusters) == {"prod-1", "prod-2"}
    assert together.problem_of(told("Unknown")) is None
    assert not together.joins(told("Unknown"), told("Unknown"))


def test_of_several_homes_the_open_and_the_nearest() -> None:
    far = incident(told("A", ago=50))
    near = incident(told("B", ago=10))
    over = incident(told("C"), state=IncidentState.RESOLVED, resolved_at=NOW)
    one = told("New")
    assert home_of(one, (over, far, near), (NOBODY,), NOW) == (near, "the same component")
    assert home_of(one, (over,), (NOBODY,), NOW) == (over, "the same component")
    assert home_of(told(component="shop/web", name="W"), (far, near), (NOBODY,), NOW) is None


def resolved(ago, *, by=None):
    at = NOW - minutes(ago)
    source = "person" if by else "alert"
    what = f"{by} resolved it" if by else "Resolved by itself"
    entry = TimelineEntry(timestamp=at, source=source, what=what)
    return incident(state=IncidentState.RESOLVED, resolved_at=at, timeline=(entry,))


@pytest.mark.parametrize(
    ("held", "started_ago", "taken"),
    [
        (resolved(30), 1, True),
        (resolved(31), 1, False),
        (resolved(10), 12, True),
        (resolved(10, by="ada"), 9, True),
        (resolved(10, by="ada"), 11, False),
    ],
)
def test_what_is_over_takes_new_firings_for_half_an_hour(held, started_ago, taken) -> None:
    assert may_take(held, told(ago=started_ago), NOW) is taken


def test_an_incident_holds_so_many_alerts() -> None:
    full = incident(*(told(f"A{n}") for n in range(MOST_ALERTS)))
    assert not may_take(full, told("New"), NOW)
    assert home_of(told("New"), (full,), (NOBODY,), NOW) is None


def test_one_cause_makes_one_incident() -> None:
    older = incident(told("A", "shop/a"), rca=ranking("node-1"), created_at=NOW - minutes(1))
    newer = incident(told("B", "shop/b"), rca=ranking("node-1", "x"))
    other = incident(told("C", "shop/c"), rca=ranking("node-2", "node-1"))
    early = incident(
        told("D", "shop/d", ago=70), rca=ranking("node-1"), created_at=NOW - minutes(2)
    )
    every = (older, newer, other, early)
    assert twin_of(newer, every) == older
    assert twin_of(older, every) is None
    assert twin_of(other, every) is None
    assert twin_of(incident(), every) is None
    over = older.model_copy(update={"state": IncidentState.RESOLVED})
    assert twin_of(newer, (over, newer)) is None
    taken = newer.model_copy(update={"state": IncidentState.ACKNOWLEDGED})
    assert twin_of(taken, every) is None
    elsewhere = incident(told("B"), rca=ranking("node-1", cluster="prod-2"))
    assert twin_of(elsewhere, every) is None


def test_the_gravest() -> None:
    assert gravest([told(severity=WARNING), told()]) is CRITICAL
    assert gravest([told(severity=WARNING)]) is WARNING
    assert gravest([]) is AlertSeverity.INFO


def test_the_leading_alert_is_the_nearest_to_the_root_by_triage() -> None:
    down = alert("KubePodCrashLooping", "db", ago=3)
    slow = alert("ServiceLatencyHigh", "db", ago=8)
    together = Together.of([slow, down], known=("prod-1",), regions={})
    held = [incident_alert(one, ()) for one in (slow, down)]
    assert leading(held, together).alertname == "KubePodCrashLooping"
    assert leading(held, NOBODY).alertname == "ServiceLatencyHigh"
    over = held[1].model_copy(update={"ends_at": NOW})
    assert leading([held[0], over], together).alertname == "ServiceLatencyHigh"
    mild = held[0].model_copy(update={"severity": WARNING})
    assert leading([mild, held[1]], NOBODY).alertname == "KubePodCrashLooping"

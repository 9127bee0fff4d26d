"""Likely causes: what is asked about, and how the answers read."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from aiops_mcp.fleet.report_causes import LONGEST, MOST_CLUSTERS, question_of, worst_alerts
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.reports import ReportType, TimeRange, Tone
from aiops_mcp.models.rootcause import RCAResult, RcaTrigger, RootCause, TriggerKind
from aiops_mcp.reports.cause_sections import causes_section
from aiops_mcp.reports.compose import compose
from aiops_mcp.reports.gathered import Gathered

NOW = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
ID = UUID(int=7)
PERIOD = TimeRange(start=NOW - timedelta(hours=6), end=NOW)


def cluster(name: str) -> Cluster:
    return Cluster(
        id=ID,
        name=name,
        api_server_url=f"https://{name}.example",
        created_at=NOW,
        updated_at=NOW,
    )


def alert(name: str, where: str, severity: AlertSeverity, minutes: int, **other) -> Alert:
    return Alert(
        id=f"{where}-{name}",
        fingerprint=f"{where}-{name}",
        cluster_id=ID,
        cluster_name=where,
        alertname=name,
        severity=severity,
        state=AlertState.FIRING,
        labels={"namespace": "shop", "pod": "cart-1"},
        starts_at=NOW - timedelta(minutes=minutes),
        **other,
    )


def result(name: str, *causes: RootCause, reason: str = "") -> RCAResult:
    return RCAResult(
        id=ID,
        trigger=RcaTrigger(kind=TriggerKind.ALERT, id="f00", name="Slow"),
        cluster_id=ID,
        cluster_name=name,
        start_time=PERIOD.start,
        end_time=PERIOD.end,
        causes=causes,
        reason_if_empty=reason,
        looked_at=("metrics", "alerts"),
        series_judged=1200,
        coverage=Coverage(queried=1, succeeded=1),
        as_of=NOW,
    )


CAUSE = RootCause(
    component="shop/catalogue-db",
    component_kind="workload",
    score=0.913,
    what="slow below",
    since=NOW - timedelta(minutes=30),
    evidence_for=("its latency is 90 times the usual", "2", "3", "4", "5"),
    evidence_against=("its CPU is as ever",),
    missing=("no traces",),
    remediation=("look at its disk", "roll back", "a third"),
)


def test_the_gravest_and_first_alert_of_each_of_the_worst_clusters_is_asked_about():
    warning, critical = AlertSeverity.WARNING, AlertSeverity.CRITICAL
    alerts = [
        alert("A", "one", warning, 50),
        alert("B", "one", critical, 20),
        alert("C", "one", critical, 30),
        alert("D", "two", critical, 10, silenced_by=("s",)),
        alert("E", "two", warning, 5),
        alert("F", "six", AlertSeverity.INFO, 5),
        alert("G", "unasked", critical, 5),
        *(alert("H", name, warning, 60) for name in ("iii", "iv1", "v11")),
    ]
    names = ("one", "two", "six", "iii", "iv1", "v11")
    worst = worst_alerts(alerts, [cluster(name) for name in names])
    assert {name: one.alertname for name, one in worst.items()} == {
        "one": "C",
        "iii": "H",
        "iv1": "H",
    }
    assert len(worst) == MOST_CLUSTERS


def test_an_alert_is_asked_about_from_before_it_began_for_at_most_six_hours():
    one = alert("Slow", "one", AlertSeverity.CRITICAL, 350)
    asked = question_of(one, cluster("one"), ["one"], PERIOD, NOW)
    assert asked.end == NOW
    assert asked.end - asked.window == one.starts_at - timedelta(minutes=30)
    assert asked.noticed == one.starts_at
    assert asked.component in {"shop/cart-1", "shop/cart"}
    assert asked.trigger.id == one.fingerprint
    old = alert("Slow", "one", AlertSeverity.CRITICAL, 60 * 30)
    long = TimeRange(start=NOW - timedelta(days=3), end=NOW)
    asked = question_of(old, cluster("one"), ["one"], long, NOW)
    assert asked.end == old.starts_at + LONGEST
    assert asked.end - asked.window == old.starts_at - timedelta(minutes=30)


def test_causes_are_told_with_what_speaks_for_and_against():
    gathered = Gathered(
        clusters=(cluster("one"),), period=PERIOD, now=NOW, causes=(result("one", CAUSE),)
    )
    section = causes_section(gathered)
    assert section is not None
    assert section.finding == "Most likely the cause: in one shop/catalogue-db (slow below)."
    assert section.tone is Tone.WARNING
    causes, reasons, told = section.blocks
    assert causes.rows == (
        (
            "0.91",
            "shop/catalogue-db",
            "workload",
            "10 Mar 13:30",
            "slow below",
            "look at its disk; roll back",
        ),
    )
    assert reasons.rows == (
        ("for", "its latency is 90 times the usual"),
        ("for", "2"),
        ("for", "3"),
        ("for", "4"),
        ("against", "its CPU is as ever"),
        ("not known", "no traces"),
    )
    assert reasons.left_out == 1
    assert told.command == "aiops rca --alert f00 --cluster one"
    assert told.claim == "Slow in one: 1,200 series; metrics, alerts"


def test_no_cause_is_an_answer_with_its_reason():
    gathered = Gathered(
        clusters=(cluster("one"),),
        period=PERIOD,
        now=NOW,
        causes=(result("one", reason="Nothing moved with it."),),
    )
    section = causes_section(gathered)
    assert section is not None
    assert section.finding.startswith("No cause stands out")
    assert section.blocks[0].text == "Slow in one: Nothing moved with it."
    assert causes_section(Gathered(clusters=(), period=PERIOD, now=NOW)) is None


def test_causes_come_first_in_an_incident_report_and_in_its_headline():
    gathered = Gathered(
        clusters=(cluster("one"),), period=PERIOD, now=NOW, causes=(result("one", CAUSE),)
    )
    content = compose(
        ReportType.INCIDENT_REPORT, gathered, title=None, generated_by="me", version="1"
    )
    assert content.sections[0].title == "Likely causes"
    assert content.headline.startswith("Most likely the cause: in one shop/catalogue-db")
    assert content.title == "Incident report: one"

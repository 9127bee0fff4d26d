"""What an incident says of itself."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from aiops_mcp.fleet.incident_inquiry import Found, investigated, near_changes
from aiops_mcp.fleet.incident_text import (
    MOST_TITLE,
    ended,
    explanation_of,
    fired,
    merged,
    of_changes,
    of_rca,
    said,
    title_of,
    with_alerts_told,
)
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.chat import Answer, AnswerMode
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.findings import Change, ChangeKind
from aiops_mcp.models.incident import Incident, IncidentAlert, IncidentState, InvestigationState
from aiops_mcp.models.rootcause import RCAResult, RcaSignal, RcaTrigger, RootCause, TriggerKind
from aiops_mcp.models.triage import FleetProblem, Trouble

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BEGAN = NOW - timedelta(minutes=20)
ALERT = IncidentAlert(
    fingerprint="f1",
    alertname="ServiceLatencyHigh",
    cluster_name="prod-1",
    severity=AlertSeverity.CRITICAL,
    component="shop/cart",
    starts_at=NOW - timedelta(minutes=12),
)


def change(name="db", *, namespace="shop", ago=30, kind=ChangeKind.CONFIG, **fields):
    return Change(
        **{
            "at": NOW - timedelta(minutes=ago),
            "cluster_name": "prod-1",
            "change": kind,
            "kind": "ConfigMap",
            "namespace": namespace,
            "name": name,
            "what": "data changed",
            **fields,
        }
    )


FOUND = RCAResult(
    id=uuid4(),
    trigger=RcaTrigger(kind=TriggerKind.ALERT, id="f1", name="ServiceLatencyHigh"),
    cluster_id=uuid4(),
    cluster_name="prod-1",
    start_time=BEGAN,
    end_time=NOW,
    onset=BEGAN,
    signals=(
        RcaSignal(
            kind="metric",
            component="shop/db",
            name="pool in use",
            unit="ratio",
            before=0.1,
            after=1.0,
            since=BEGAN,
        ),
        RcaSignal(kind="metric", component="shop/db", name="calm", before=1.0, after=1.0),
        RcaSignal(kind="log", component="shop/db", name="lock", since=BEGAN),
        RcaSignal(kind="metric", component="shop/other", name="x", since=BEGAN),
    ),
    causes=(
        RootCause(
            component="shop/db",
            score=0.83,
            what="connections `used` up",
            since=BEGAN,
            evidence_for=("pool in use rose",),
            evidence_against=("no log line",),
            remediation=("End the session.",),
            next_call='query_logs(query="x")',
        ),
        RootCause(component="shop/cart", score=0.4, what="latency rose"),
    ),
    remediation_steps=("End the session.",),
    missing=("traces: no answer",),
    coverage=Coverage(queried=1, succeeded=1),
    as_of=NOW,
)
EMPTY = FOUND.model_copy(
    update={"causes": (), "signals": (), "reason_if_empty": "none of 40 series is otherwise"}
)
PROBLEM = FleetProblem(
    severity=AlertSeverity.CRITICAL,
    trouble=Trouble.LATENCY,
    cluster_name="prod-1",
    clusters=("prod-1",),
    component_kind="workload",
    component="shop/db",
    since=BEGAN,
    symptoms=(),
    also=("shop/web",),
    next_call="",
)


def incident(**fields):
    return Incident(
        **{
            "id": uuid4(),
            "title": "t",
            "severity": AlertSeverity.CRITICAL,
            "state": IncidentState.OPEN,
            "clusters": ("prod-1",),
            "started_at": ALERT.starts_at,
            "alerts": (ALERT,),
            "timeline": (fired(ALERT),),
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
    )


def test_titles() -> None:
    assert title_of((ALERT,), FOUND, "c") == "shop/db on prod-1: connections `used` up"
    assert title_of((ALERT,), None, "c") == "ServiceLatencyHigh of shop/cart on prod-1"
    assert title_of((ALERT,), EMPTY, "c") == "ServiceLatencyHigh of shop/cart on prod-1"
    bare = ALERT.model_copy(update={"component": None})
    assert title_of((bare,), None, "c") == "ServiceLatencyHigh on prod-1"
    assert title_of((), EMPTY, "c") == "Nothing found on c"
    nameless = FOUND.model_copy(update={"causes": (RootCause(component="db", score=1.0),)})
    assert title_of((), nameless, "c") == "db on prod-1"
    assert title_of((ALERT,), nameless, "c") == "db on prod-1: ServiceLatencyHigh"
    long = ALERT.model_copy(update={"alertname": "A" * 400})
    assert len(title_of((long,), None, "c")) == MOST_TITLE


def test_an_investigation_is_told_whole() -> None:
    told = investigated(incident(), Found(FOUND, PROBLEM, (change(by="helm"),)))
    assert told.investigation is InvestigationState.DONE
    assert told.title == "shop/db on prod-1: connections `used` up"
    assert told.rca == FOUND
    text = told.explanation
    assert text.startswith(
        "`ServiceLatencyHigh` of `shop/cart` fires on prod-1 "
        "since 2026-03-01 11:48 UTC (CRITICAL).\n"
    )
    assert (
        "Most likely cause: **`shop/db`** on prod-1 (score 0.83), since 2026-03-01 11:40 UTC: "
        "`connections 'used' up`.\n"
    ) in text
    for part in (
        "## For it\n\n- `pool in use rose`\n",
        "## Against it\n\n- `no log line`\n",
        "## Less likely\n\n- `shop/cart` (score 0.40): `latency rose`\n",
        "## Touched as well\n\n- `shop/web`, as triage joins it\n",
        "## Changed shortly before\n\n- 2026-03-01 11:30 UTC `ConfigMap shop/db` on prod-1: ",
        " on prod-1: `data changed` by `helm`\n",
        "## What to do\n\n- End the session.\n",
        '## What to ask next\n\n- `query_logs(query="x")`\n',
        "## Not known\n\n- traces: no answer\n",
        "without a language model.\n",
    ):
        assert part in text
    assert [(one.source, one.what) for one in told.timeline] == [
        ("change", "ConfigMap shop/db: data changed (by helm)"),
        ("anomaly", "shop/db: pool in use went from 0.1 to 1 ratio"),
        ("rca", "The trouble began, as far as series and objects tell"),
        ("alert", "ServiceLatencyHigh of shop/cart fires (CRITICAL)"),
        ("rca", "Root cause: shop/db (score 0.83): connections `used` up"),
    ]
    assert [one.evidence for one in told.timeline] == [
        'get_changes(clusters=["prod-1"],namespace="shop")',
        'detect_anomalies(clusters=["prod-1"])',
        'analyze_root_cause(cluster="prod-1",alert="f1")',
        "fingerprint f1",
        'analyze_root_cause(cluster="prod-1",alert="f1")',
    ]
    assert {one.cluster_name for one in told.timeline} == {"prod-1"}


def test_nothing_found_and_nothing_asked_are_told_apart() -> None:
    told = investigated(incident(), Found(EMPTY))
    assert "No cause was found on prod-1: none of 40 series is otherwise.\n" in told.explanation
    assert told.timeline[-1].what == "No root cause found: none of 40 series is otherwise"
    assert [one.source for one in told.timeline] == ["alert", "rca"]
    assert explanation_of(incident()).endswith("\n\nIt has not been investigated yet.\n")
    assert explanation_of(incident(alerts=())) == "It has not been investigated yet.\n"


def test_the_explanation_begins_with_the_alerts_of_now() -> None:
    told = investigated(incident(), Found(FOUND))
    more = told.model_copy(update={"alerts": (ALERT, ALERT, ALERT)})
    changed = with_alerts_told(more)
    first, rest = changed.explanation.split("\n", 1)
    assert first.endswith("(CRITICAL), and 2 more of the same trouble.")
    assert rest == told.explanation.split("\n", 1)[1]
    answered = more.model_copy(update={"answer": Answer(text="x", mode=AnswerMode.MODEL)})
    assert with_alerts_told(answered) == answered
    bare = incident(alerts=(), explanation="as it was")
    assert with_alerts_told(bare) == bare


def test_entries() -> None:
    assert fired(ALERT, "the same component").what == (
        "ServiceLatencyHigh of shop/cart fires (CRITICAL); it belongs here: the same component"
    )
    over = ended(ALERT, NOW)
    assert (over.timestamp, over.what) == (
        NOW,
        "ServiceLatencyHigh of shop/cart ended after 12m",
    )
    assert said(NOW, "x").source == "rca"
    (told,) = of_changes([change(namespace=None)])
    assert (told.what, told.evidence) == (
        "ConfigMap db: data changed",
        'get_changes(clusters=["prod-1"])',
    )
    of_time = FOUND.model_copy(
        update={"trigger": RcaTrigger(kind=TriggerKind.COMPONENT, component="shop/db")}
    )
    assert [*of_rca(of_time)][-1].evidence == (
        'analyze_root_cause(cluster="prod-1",component="shop/db")'
    )
    for before in (None, 1.0):
        unmeasured = FOUND.signals[0].model_copy(update={"before": before})
        (anomaly, *_) = of_rca(FOUND.model_copy(update={"signals": (unmeasured,)}))
        assert anomaly.what == "shop/db: pool in use is otherwise than usual"


def test_a_timeline_holds_everything_once_in_order() -> None:
    late, early = said(NOW, "late"), said(BEGAN, "early")
    assert merged((late,), (early, late)) == (early, late)


def test_changes_that_matter_are_those_of_the_causes_and_their_namespaces() -> None:
    own = change("db", kind=ChangeKind.ROLLOUT, ago=40)
    space = change("settings", ago=25)
    cluster_wide = change("policy", namespace=None, ago=30)
    far = change("x", namespace="other")
    after = change("db", ago=5)
    turned = change("n1", namespace=None, kind=ChangeKind.NODE)
    every = [after, space, cluster_wide, turned, own, far]
    near = near_changes(every, BEGAN, FOUND, None)
    assert near == (own, space, cluster_wide)
    other = PROBLEM.model_copy(update={"component": "other/x", "also": ()})
    assert near_changes([far], BEGAN, EMPTY, other) == (far,)
    assert near_changes([far], BEGAN, EMPTY, None) == ()
    many = [change(f"c{n}", ago=21 + n) for n in range(20)]
    assert near_changes(many, BEGAN, FOUND, None) == tuple(many[:8])

"""Alerts made small: one line a problem, and how much of the fleet has it."""

import json
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_DNS, uuid5

import pytest

from aiops_mcp.capabilities.alerts_digest import digest_alerts, ending_notes
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.silences import FleetSilence, Matcher, SilenceState

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
COVERAGE = Coverage(queried=40, succeeded=40)


def alert(
    name,
    cluster,
    *,
    severity=AlertSeverity.WARNING,
    minutes=10,
    summary=None,
    silenced=(),
    inhibited=(),
    **labels,
):
    return Alert(
        id=f"{name}-{cluster}-{labels}",
        fingerprint=f"{abs(hash((name, cluster))):016x}"[:16],
        cluster_id=uuid5(NAMESPACE_DNS, cluster),
        cluster_name=cluster,
        alertname=name,
        severity=severity,
        state=AlertState.FIRING,
        labels={"alertname": name, **labels},
        annotations={"summary": summary} if summary else {},
        starts_at=NOW - timedelta(minutes=minutes),
        silenced_by=silenced,
        inhibited_by=inhibited,
    )


def digest(alerts, *, limit=20, start=0, **more):
    more.setdefault("detailed", False)
    return digest_alerts(alerts, COVERAGE, NOW, limit, start, "list_alerts(", **more)


def test_worst_first_then_newest():
    made = digest(
        [
            alert("Old", "c-1", minutes=60),
            alert("New", "c-1", minutes=5),
            alert("Bad", "c-1", severity=AlertSeverity.CRITICAL, minutes=600),
        ]
    )
    assert [row[1] for row in made.rows] == ["Bad", "New", "Old"]
    assert made.headline == "3 alerts (1 critical, 2 warning) of 3 kinds in 1 of 40 clusters."


def test_one_kind_in_38_of_40_clusters_is_one_row():
    made = digest([alert("KubeNodeNotReady", f"edge-{n:02}", node=f"node-{n}") for n in range(38)])
    (row,) = made.rows
    assert row[2] == 38
    assert row[3] == "38 of 40:edge-00,edge-01,edge-02,edge-03,…"
    assert row[4] == "node=node-0;node=node-1;node=node-2;+35"


def test_shared_places_are_said_once():
    made = digest([alert("X", "c-1", namespace="shop", pod=f"cart-{n}") for n in range(2)])
    assert made.rows[0][4] == "namespace=shop|pod=cart-0;pod=cart-1"


def test_silenced_ones_come_last_and_are_marked():
    made = digest(
        [
            alert("Quiet", "c-1", severity=AlertSeverity.CRITICAL, silenced=("s",)),
            alert("Loud", "c-1"),
        ]
    )
    assert [row[1] for row in made.rows] == ["Loud", "Quiet (silenced)"]


def test_who_inhibits_is_named():
    given = [
        alert("Down", "c-1", inhibited=("f1",)),
        alert("Down", "c-2", inhibited=("f2",)),
        alert("Slow", "c-1", inhibited=("f1", "f2", "f3")),
        alert("Odd", "c-1", inhibited=("f9",)),
    ]
    names = {"f1": "NodeDown", "f2": "ClusterDown", "f3": "RackDown"}
    assert sorted(row[1] for row in digest(given, inhibitors=names).rows) == [
        "Down (inhibited:ClusterDown,NodeDown)",
        "Odd (inhibited:another)",
        "Slow (inhibited:ClusterDown,NodeDown,…)",
    ]


def silence(cluster, minutes):
    return FleetSilence(
        id="s",
        cluster_id=uuid5(NAMESPACE_DNS, cluster),
        cluster_name=cluster,
        state=SilenceState.ACTIVE,
        matchers=(Matcher(name="alertname", value="Down"),),
        starts_at=NOW - timedelta(hours=1),
        ends_at=NOW + timedelta(minutes=minutes),
        created_by="ann",
        comment="work",
    )


def test_the_silence_that_ends_first_is_told():
    assert ending_notes((), NOW) == []
    [note] = ending_notes([silence("c-1", 40)], NOW)
    assert 'alertname="Down"' in note
    assert note.endswith(" on c-1 ends in 40m")
    [note] = ending_notes([silence("c-1", 40), silence("c-2", 90)], NOW)
    assert note.endswith(" on c-1 ends in 40m; 1 more within a day")


def test_long_summaries_are_cut_and_newlines_folded():
    made = digest([alert("X", "c-1", summary="line one\nline two " + "x" * 300)])
    assert made.rows[0][6].startswith("line one line two x")
    assert len(made.rows[0][6]) == 110


def test_more_rows_are_a_cursor_away():
    made = digest([alert(f"A{n:02}", "c-1", minutes=n) for n in range(30)])
    assert len(made.rows) == 20
    assert made.more.startswith('10 more kinds of alert: list_alerts(cursor="')


def test_fingerprints_when_detailed():
    given = alert("X", "c-1")
    made = digest([given], detailed=True)
    assert made.columns[-1] == "fingerprints"
    assert made.rows[0][-1] == given.fingerprint


def test_nothing_fires():
    assert digest([]).headline == "No alerts in the clusters that answered."


def test_thirteen_firing_alerts_fit_800_tokens():
    names = [
        "KubePodCrashLooping",
        "NodeFilesystemAlmostOutOfSpace",
        "KubeNodeNotReady",
        "etcdMembersDown",
    ]
    alerts = [
        alert(
            names[n % 4],
            f"spoke-{n % 5}",
            summary="Something of the usual length happens on this object of that cluster.",
            namespace="shop",
            pod=f"cart-7d9f{n}-x{n}",
        )
        for n in range(13)
    ]
    made = digest(alerts)
    structured = json.dumps(made.model_dump(mode="json", exclude_none=True))
    assert max(len(structured), len(made.text())) / 3.6 <= 800


@pytest.mark.parametrize(
    ("labels", "where"),
    [
        ({"instance": "10.0.0.1:9100"}, "instance=10.0.0.1:9100"),
        ({"node": "n-1", "instance": "10.0.0.9:8443"}, "node=n-1"),
        ({"namespace": "shop", "instance": "10.0.0.9:8443"}, "namespace=shop"),
        ({"pod": "cart-6d5f-x", "container": "cart"}, "pod=cart-6d5f-x"),
        ({"pod": "cart-6d5f-x", "container": "proxy"}, "pod=cart-6d5f-x,container=proxy"),
        ({"namespace": "gpu", "pod": "dcgm-exporter-x", "Hostname": "n-1", "gpu": "3"},
         "Hostname=n-1,gpu=3"),
        ({"namespace": "gpu", "pod": "dcgm-exporter-x"}, "namespace=gpu,pod=dcgm-exporter-x"),
    ],
)  # fmt: skip
def test_where_leaves_out_who_only_told_it(labels, where):
    made = digest([alert("X", "c-1", **labels)])
    assert made.rows[0][4] == where

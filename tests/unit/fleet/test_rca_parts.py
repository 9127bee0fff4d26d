"""The pure parts of a root-cause question: names, edges, evidence, what is chosen and told."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from aiops_mcp.analysis.rootcause_problem import (
    Cause,
    Clue,
    ClueItem,
    Edge,
    Evidence,
    EvidenceKind,
    Ranking,
    Relation,
    SignalKind,
)
from aiops_mcp.analysis.traces_assembly import assemble
from aiops_mcp.fleet.components import Component, ComponentKind
from aiops_mcp.fleet.rca_answer import causes_of, map_of, share, signals_of
from aiops_mcp.fleet.rca_away import causes_of_absence
from aiops_mcp.fleet.rca_evidence import (
    edges_to_names,
    felt_where_explained,
    of_changes,
    of_sightings,
    of_spoken,
)
from aiops_mcp.fleet.rca_names import Names
from aiops_mcp.fleet.rca_signals import Measured, chosen, onset_of
from aiops_mcp.fleet.rca_spoken import calls_beyond
from aiops_mcp.fleet.rca_topology import edges_of
from aiops_mcp.fleet.rca_wording import remedies, sentences
from aiops_mcp.fleet.triage_symptoms import Sighting
from aiops_mcp.fleet.vital_signs import sign_named
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.anomaly import AnomalyDetection, AnomalySeverity, AnomalyType
from aiops_mcp.models.cluster import Cluster, ClusterState, ClusterStatus
from aiops_mcp.models.findings import Change, ChangeKind
from aiops_mcp.models.spans import SpanKind, SpanRecord, SpanStatus
from aiops_mcp.models.triage import Symptom, SymptomSource, Trouble

WHEN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
AT = WHEN.timestamp()
NAMES = Names(nodes={"10.0.0.7": "worker-1"}, clusters=frozenset({"west"}))


def finding(
    severity: AnomalySeverity = AnomalySeverity.HIGH, minutes: float = 0
) -> AnomalyDetection:
    return AnomalyDetection(
        id=uuid4(),
        cluster_id=UUID(int=1),
        cluster_name="east",
        metric_name="m",
        query="q",
        severity=severity,
        confidence_score=0.9,
        anomaly_type=AnomalyType.SPIKE,
        expected_value=1,
        actual_value=9,
        deviation=8,
        deviation_percent=800,
        explanation="it rose",
        started_at=WHEN + timedelta(minutes=minutes),
        detected_at=WHEN,
    )


def measured(component: str, sign: str = "service errors", **given: Any) -> Measured:
    times = AT + 60.0 * np.arange(-5, 5, dtype=np.float64)
    values = np.array([1.0] * 5 + [9.0] * 5)
    told = {"detail": "", "callee": "", "times": times, "values": values, "findings": ()}
    return Measured(sign_named(sign), component, **{**told, **given})


def sighting(name: str, trouble: Trouble, **given: Any) -> Sighting:
    kind = given.pop("kind", ComponentKind.WORKLOAD)
    symptom = Symptom.model_validate(
        {
            "source": SymptomSource.OBJECT,
            "trouble": trouble,
            "severity": AlertSeverity.CRITICAL,
            "cluster_name": "east",
            "component_kind": kind.value,
            "component": name,
            "what": "OOMKilled",
            "detail": "exit 137",
            "since": WHEN,
            **given,
        }
    )
    return Sighting(symptom, Component("east", kind, name))


# --- names and edges ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("10.0.0.7", "worker-1"),
        ("10.0.0.7/3", "worker-1/3"),
        ("10.0.0.8", "10.0.0.8"),
        ("kube-system/coredns", "coredns"),
        ("openshift-dns/dns-default", "coredns"),
        ("shop/etcd", "shop/etcd"),
    ],
)
def test_one_name_for_each_thing(name: str, wanted: str) -> None:
    assert NAMES.of(name) == wanted


@pytest.mark.parametrize(
    ("peer", "wanted"),
    [
        ("payment", "shop/payment"),
        ("payment.bank", "bank/payment"),
        ("payment.bank.svc.cluster.local:8080", "bank/payment"),
        ("payment.west", "payment.west"),
        ("api.example.com", "api.example.com"),
        ("bank/payment", "bank/payment"),
    ],
)
def test_whom_a_caller_means(peer: str, wanted: str) -> None:
    assert NAMES.called(peer, "shop") == wanted


def test_a_static_pod_bears_its_nodes_name() -> None:
    assert NAMES.workload("kube-system", "etcd-cp-0", "cp-0") == "etcd"
    assert NAMES.workload("shop", "cart-7d9fz8c4b-x2k4p", "cp-0") == "shop/cart"


def test_edges_out_of_what_prometheus_tells() -> None:
    edges = edges_of(
        NAMES,
        pods=[{"namespace": "shop", "pod": "web-0", "node": "worker-1"}],
        claims=[{"namespace": "shop", "pod": "web-0", "persistentvolumeclaim": "data"}],
        gpus=[
            {
                "Hostname": "worker-1",
                "gpu": "3",
                "exported_namespace": "shop",
                "exported_pod": "web-0",
            },
            {"Hostname": "worker-1", "gpu": "4"},
        ],
        calls=[
            [{"namespace": "shop", "service": "web", "peer_service": "cart"}],
            [],
            [{"client": "a", "server": "b"}, {"client": "a", "server": "a"}],
        ],
    )
    assert set(edges) == {
        Edge("apiserver", "etcd", Relation.USES),
        Edge("shop/web", "worker-1", Relation.RUNS_ON),
        Edge("shop/web", "shop/data", Relation.USES),
        Edge("shop/web", "worker-1/3", Relation.USES),
        Edge("worker-1", "worker-1/3", Relation.OWNS),
        Edge("worker-1", "worker-1/4", Relation.OWNS),
        Edge("shop/web", "shop/cart", Relation.CALLS),
        Edge("a", "b", Relation.CALLS),
    }


def test_callers_need_those_that_resolve_names() -> None:
    calls = [Edge("shop/web", "shop/cart"), Edge("shop/web", "worker-1", Relation.RUNS_ON)]
    assert list(edges_to_names(calls, {"coredns"})) == [Edge("shop/web", "coredns", Relation.USES)]
    assert list(edges_to_names(calls, {"shop/web"})) == []


# --- signals -----------------------------------------------------------------------------------


def test_a_series_as_the_ranking_takes_it() -> None:
    waiting = measured("shop/web", "call latency", callee="shop/cart", detail="to cart").signal
    assert (waiting.kind, waiting.callee) == (SignalKind.WAITING, "shop/cart")
    assert waiting.metric == "call latency to cart"
    ready = measured("worker-1", "node ready")
    assert ready.is_turned
    assert ready.signal.values[0] == -1.0
    assert measured("shop/web", "memory use").signal.kind is SignalKind.MEMORY
    traffic = measured("ran/upf", "user plane out")
    assert not traffic.is_turned
    assert traffic.signal.values[0] == 1.0


def test_it_began_where_most_began() -> None:
    low = AnomalySeverity.LOW
    findings = [finding(minutes=-40), finding(minutes=-3), finding(minutes=2), finding(low, -39)]
    assert onset_of(findings, [], AT - 3600, 900) == AT - 180
    assert onset_of([], [AT + 60, AT - 7200], AT - 3600, 900) == AT + 60
    assert onset_of([finding(low)], [], AT - 3600, 900) is None


def test_what_moved_is_chosen_first_then_what_is_near() -> None:
    sick = measured("shop/web", findings=(finding(),))
    mild = measured("shop/cart", findings=(finding(AnomalySeverity.LOW),))
    near, far = measured("shop/db"), measured("bank/api")
    edges = [Edge("shop/cart", "shop/db")]
    assert chosen([far, near, mild, sick], edges) == [sick, mild, near]
    assert chosen([far, near, mild, sick], edges, most=1) == [sick]
    assert chosen([far, near], edges, around={"bank/api"}) == [far]


def test_signals_told_are_at_most_fifty_and_what_moved_comes_first() -> None:
    told = signals_of(
        [measured("shop/db") for _ in range(60)] + [measured("shop/web", findings=(finding(),))],
        [Evidence("shop/web", EvidenceKind.ALERT, 20.0, AT, "text", "Down")],
        AT,
    )
    assert len(told) == 50
    assert (told[0].component, told[0].before, told[0].after) == ("shop/web", 1.0, 9.0)
    assert (told[1].kind, told[1].name) == ("alert", "Down")


# --- evidence ----------------------------------------------------------------------------------


def test_what_breaks_is_louder_than_what_is_felt_and_old_is_quiet() -> None:
    strengths = [
        one.strength
        for one in of_sightings(
            [
                sighting("shop/a", Trouble.PODS_FAIL),
                sighting("shop/b", Trouble.PODS_FAIL, severity=AlertSeverity.WARNING),
                sighting("shop/c", Trouble.ERRORS),
                sighting("shop/d", Trouble.PODS_FAIL, since=WHEN - timedelta(hours=2)),
                sighting("shop/e", Trouble.PODS_FAIL, severity=AlertSeverity.INFO),
            ],
            NAMES,
            "east",
            AT,
        )
    ]
    assert strengths == [20.0, 10.0, 3.0, 4.0]


def test_a_gpus_trouble_is_its_cards() -> None:
    one = sighting("10.0.0.7", Trouble.GPU, kind=ComponentKind.NODE, part="1,3")
    told = list(of_sightings([one], NAMES, "east", AT))
    assert [each.component for each in told] == ["worker-1/1", "worker-1/3"]
    assert told[0].text == "OOMKilled: exit 137"
    assert list(of_sightings([one], NAMES, "west", AT)) == []


def changed(name: str, minutes: float, kind: ChangeKind = ChangeKind.CONFIG) -> Change:
    return Change(
        at=WHEN + timedelta(minutes=minutes),
        cluster_name="east",
        change=kind,
        kind="ConfigMap",
        namespace="shop",
        name=name,
        what="changed",
        by="kubectl",
    )


def test_a_change_is_its_readers_and_speaks_half_as_loud_each_half_hour() -> None:
    known = {"shop/cart", "shop/cart-db"}
    told = list(
        of_changes(
            [
                changed("cart-config", -30),
                changed("cart-db-config", 0),
                changed("web-config", 0),
                changed("cart", -1, ChangeKind.NODE),
                changed("cart", 20),
            ],
            known,
            AT,
        )
    )
    assert [(one.component, round(one.strength, 3)) for one in told] == [
        ("shop/cart", 5.0),
        ("shop/cart-db", 10.0),
    ]
    assert told[0].text == "config of ConfigMap/cart-config by kubectl: changed"


def test_a_change_is_of_the_component_whose_symptom_names_it() -> None:
    gone = changed("standard", -5, ChangeKind.DELETION).model_copy(
        update={"kind": "StorageClass", "namespace": None}
    )
    pending = Evidence(
        "shop/data",
        EvidenceKind.EVENT,
        10.0,
        text='storageclass.storage.k8s.io "standard" not found',
    )
    other = Evidence("shop/web", EvidenceKind.EVENT, 10.0, text='secret "standard" not found')
    (one,) = of_changes([gone], set(), AT, [other, pending])
    assert one.component == "shop/data"
    assert one.name == "deletion"
    assert list(of_changes([gone], set(), AT, [other])) == []


def test_what_stands_on_what_breaks_only_feels_it() -> None:
    pod = Evidence("shop/web", EvidenceKind.EVENT, 20.0, AT)
    node = Evidence("worker-1", EvidenceKind.ALERT, 10.0, AT + 60)
    late = Evidence("worker-1", EvidenceKind.ALERT, 10.0, AT + 3600)
    log = Evidence("shop/web", EvidenceKind.LOG, 4.0, AT)
    on = Edge("shop/web", "worker-1", Relation.RUNS_ON)
    felt = felt_where_explained([pod, node, log], [on])
    assert [one.strength for one in felt] == [3.0, 10.0, 2.0]
    rings = Evidence("shop/web", EvidenceKind.ALERT, 3.0, AT)
    slow = Evidence("shop/db", EvidenceKind.CALL, 4.0)
    faint = Evidence("shop/db", EvidenceKind.CALL, 3.9)
    calls = Edge("shop/web", "shop/db")
    assert [one.strength for one in felt_where_explained([rings, log, slow], [calls])] == [1, 2, 4]
    assert felt_where_explained([rings, log, faint], [calls]) == [rings, log, faint]
    assert felt_where_explained([pod, late], [on]) == [pod, late]
    assert felt_where_explained([pod, node], [Edge("shop/web", "worker-1")]) == [pod, node]


def test_logs_and_calls_say_no_more_than_so_much() -> None:
    told = list(
        of_spoken(
            [
                Evidence("a", EvidenceKind.LOG, 50.0, AT),
                Evidence("a", EvidenceKind.CALL, 50.0, AT),
                Evidence("b", EvidenceKind.LOG, 50.0, AT),
            ],
            {"a"},
        )
    )
    assert [(one.strength, one.began) for one in told] == [(3.0, AT), (4.0, None)]


def span(ident: str, parent: str, kind: SpanKind, **attributes: str) -> SpanRecord:
    return SpanRecord(
        "t",
        ident,
        parent,
        "op",
        "catalogue",
        kind,
        int(AT * 1e9),
        40_000_000,
        SpanStatus.ERROR if kind is SpanKind.CLIENT else SpanStatus.OK,
        "",
        attributes,
        {},
        (),
    )


def test_calls_into_what_leaves_no_spans() -> None:
    database = {"db.system": "postgresql", "peer.service": "catalogue-db"}
    trace = assemble(
        {
            "east": [
                span("1", "", SpanKind.SERVER),
                span("2", "1", SpanKind.CLIENT, **database),
                span("3", "1", SpanKind.CLIENT, **{"peer.service": "cart"}),
            ]
        }
    )
    (one,) = calls_beyond(trace)
    assert (one.caller, one.callee, one.callee_ms, one.errors) == (
        "catalogue",
        "catalogue-db",
        40.0,
        1,
    )


# --- what is told ------------------------------------------------------------------------------


def cause(component: str, score: float, *items: ClueItem) -> Cause:
    seen = items or (ClueItem(Clue.EVENT, "Xid 79", 20.0, "Xid 79: fallen off the bus"),)
    return Cause(component, "", score, AT, seen)


def test_causes_are_told_with_pattern_and_remedy() -> None:
    (one,) = causes_of(Ranking((cause("worker-1/3", 6.0),)), "east", {"worker-1/3": "gpu"})
    assert one.score == round(share(6.0), 3) == 0.667
    assert one.what == "A GPU has fallen off the bus"
    assert one.evidence_for == ("seen: Xid 79: fallen off the bus",)
    assert one.remediation[0].startswith("Drain and reboot the node")
    assert one.next_call == 'get_gpu_health(clusters=["east"])'


def test_cards_of_a_node_are_told_as_one_and_noise_is_not_told() -> None:
    kinds = {f"worker-1/{card}": "gpu" for card in range(3)}
    ranking = Ranking(
        (
            *(cause(name, 6.0 - at / 10) for at, name in enumerate(kinds)),
            cause("shop/web", 0.5),
        )
    )
    (one,) = causes_of(ranking, "east", kinds)
    assert one.component == "worker-1"
    assert one.evidence_for[0] == "3 of its GPUs: 0, 1, 2"


def test_a_sign_that_was_turned_round_is_told_as_it_was_measured() -> None:
    fell = cause("worker-1", 6.0, ClueItem(Clue.DEVIATES, "node ready", 12.0))
    (one,) = causes_of(Ranking((fell,)), "east", {}, turned={"node ready"})
    assert one.evidence_for == ("node ready fell 12 robust deviations",)


def test_the_map_has_the_edges_between_causes_with_their_lag() -> None:
    first = causes_of(Ranking((cause("a", 6.0), cause("b", 5.0))), "east", {})
    late = first[1].model_copy(update={"since": WHEN + timedelta(minutes=2)})
    early = first[1].model_copy(update={"since": WHEN - timedelta(minutes=2)})
    edges = [Edge("b", "a", Relation.CALLS), Edge("b", "c", Relation.CALLS)]
    (edge,) = map_of([first[0], late], edges, {}).edges
    assert (edge.source, edge.target, edge.relation, edge.lag_seconds) == ("b", "a", "calls", 120.0)
    assert edge.weight == first[1].score
    (edge,) = map_of([first[0], early], edges, {}).edges
    assert edge.weight == pytest.approx(first[1].score / 2, abs=1e-3)


def test_every_clue_has_its_words() -> None:
    told = sentences([ClueItem(clue, "about", 120.0, "text") for clue in Clue], most=99)
    assert "about rose more than 100 robust deviations" in told
    assert "it began 2m later than others" in told
    assert "about, on which it depends, explains it" in told
    assert all(told)
    assert sentences([ClueItem(Clue.LOG, "x", 1.0, "y" * 500)])[0].endswith("…")


def test_a_change_may_be_undone() -> None:
    one = cause("a", 1.0, ClueItem(Clue.CHANGE, "rollout", 9.0, "rollout of Deployment/a: 1 -> 2"))
    assert remedies(one, ()) == ("Look at, and if it fits undo: rollout of Deployment/a: 1 -> 2",)


def registered(name: str, region: str, state: ClusterState) -> Cluster:
    return Cluster(
        id=uuid4(),
        name=f"cluster-{name}",
        api_server_url="https://api.example.com:6443",
        region=region,
        status=ClusterStatus(state=state),
        created_at=WHEN,
        updated_at=WHEN,
    )


def test_where_a_cluster_is_away_its_region_may_be() -> None:
    here = registered("a", "south", ClusterState.OFFLINE)
    there = registered("b", "south", ClusterState.OFFLINE)
    well = registered("c", "south", ClusterState.ONLINE)
    other = registered("d", "north", ClusterState.OFFLINE)

    def told(cluster: Cluster, *fleet: Cluster) -> list[str]:
        return [one.component for one in causes_of_absence(cluster, fleet)]

    assert told(here, here, there, other) == ["south", "cluster-a"]
    assert told(here, here, there, well) == ["cluster-a"]
    assert told(other, here, other) == ["cluster-d"]

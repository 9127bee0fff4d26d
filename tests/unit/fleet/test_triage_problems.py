"""Which symptoms become one problem, what stands at its head, and what is asked next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiops_mcp.fleet.components import Component, ComponentKind
from aiops_mcp.fleet.triage_next import call, next_call
from aiops_mcp.fleet.triage_problems import problems_of
from aiops_mcp.fleet.triage_symptoms import Sighting
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.findings import Change, ChangeKind
from aiops_mcp.models.triage import FleetProblem, Symptom, SymptomSource, Trouble

BEGAN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def sighting(
    name: str,
    trouble: Trouble,
    *,
    cluster: str = "east",
    kind: ComponentKind = ComponentKind.WORKLOAD,
    severity: AlertSeverity = AlertSeverity.WARNING,
    source: SymptomSource = SymptomSource.ALERT,
    minutes: float | None = 0,
    explained_by: Component | None = None,
    **more: Any,
) -> Sighting:
    since = None if minutes is None else BEGAN + timedelta(minutes=minutes)
    symptom = Symptom.model_validate(
        {
            "source": source,
            "trouble": trouble,
            "severity": severity,
            "cluster_name": cluster,
            "component_kind": kind.value,
            "component": name,
            "what": "What",
            "since": since,
            **more,
        }
    )
    return Sighting(symptom, Component(cluster, kind, name), explained_by)


def change(name: str, *, minutes: float, kind: ChangeKind = ChangeKind.ROLLOUT) -> Change:
    return Change(
        at=BEGAN + timedelta(minutes=minutes),
        cluster_name="east",
        change=kind,
        kind="Deployment",
        namespace="shop",
        name=name,
        what="image 1 -> 2",
    )


def told(
    *sightings: Sighting, changes: tuple[Change, ...] = (), **regions: str
) -> list[FleetProblem]:
    return problems_of(sightings, changes, regions=regions)


def heads(problems: list[FleetProblem]) -> list[str]:
    return [one.component for one in problems]


def test_symptoms_of_one_component_are_one_problem_the_breaking_one_first() -> None:
    (one,) = told(
        sighting("shop/web", Trouble.ERRORS, severity=AlertSeverity.CRITICAL),
        sighting("shop/web", Trouble.PODS_FAIL, source=SymptomSource.OBJECT, minutes=-3),
    )
    assert one.trouble is Trouble.PODS_FAIL
    assert one.severity is AlertSeverity.CRITICAL
    assert one.since == BEGAN - timedelta(minutes=3)
    assert one.also == ()


def test_services_of_a_namespace_that_fail_together_are_one_problem() -> None:
    (one,) = told(
        sighting("shop/web", Trouble.ERRORS, minutes=2),
        sighting("shop/cart", Trouble.LATENCY, minutes=0),
    )
    assert one.component == "shop/web"
    assert one.also == ("shop/cart",)


def test_what_began_long_apart_is_two_problems() -> None:
    found = told(
        sighting("shop/web", Trouble.ERRORS, minutes=0),
        sighting("shop/cart", Trouble.LATENCY, minutes=16),
    )
    assert sorted(heads(found)) == ["shop/cart", "shop/web"]


def test_of_another_namespace_is_another_problem() -> None:
    found = told(sighting("shop/web", Trouble.ERRORS), sighting("bank/web", Trouble.ERRORS))
    assert len(found) == 2


def test_two_that_break_are_two_problems_and_who_feels_it_joins_the_nearer() -> None:
    found = told(
        sighting("shop/db", Trouble.PODS_FAIL, minutes=0),
        sighting("shop/cache", Trouble.PODS_FAIL, minutes=10),
        sighting("shop/web", Trouble.ERRORS, minutes=9),
    )
    by_head = {one.component: one.also for one in found}
    assert by_head == {"shop/db": (), "shop/cache": ("shop/web",)}


def test_pods_of_a_node_that_is_away_belong_to_it() -> None:
    node = sighting("worker-1", Trouble.NODE_AWAY, kind=ComponentKind.NODE)
    pods = sighting("shop/web", Trouble.PODS_FAIL, minutes=4, runs_on=("worker-1",))
    target = sighting("kubelet", Trouble.TARGET, kind=ComponentKind.TARGET, minutes=None)
    (one,) = told(pods, node, target)
    assert one.component == "worker-1"
    assert set(one.also) == {"shop/web", "kubelet"}


def test_pods_that_failed_before_their_node_did_are_another_problem() -> None:
    node = sighting("worker-1", Trouble.NODE, kind=ComponentKind.NODE, minutes=60)
    pods = sighting("shop/web", Trouble.PODS_FAIL, minutes=0, runs_on=("worker-1",))
    assert len(told(pods, node)) == 2


def test_what_names_its_reason_is_joined_with_it_whenever_it_began() -> None:
    claim = Component("east", ComponentKind.VOLUME, "shop/data")
    (one,) = told(
        sighting("shop/db", Trouble.PODS_FAIL, minutes=500, explained_by=claim),
        sighting("shop/data", Trouble.STORAGE, kind=ComponentKind.VOLUME),
    )
    assert one.component == "shop/data"


def test_services_that_want_the_control_plane_belong_to_it() -> None:
    (one,) = told(
        sighting("coredns", Trouble.CONTROL_PLANE, kind=ComponentKind.CONTROL_PLANE),
        sighting("shop/web", Trouble.ERRORS, minutes=5),
        sighting("bank/api", Trouble.LATENCY, minutes=7),
    )
    assert one.component == "coredns"


def test_one_service_of_several_clusters_is_one_problem_nodes_of_a_name_are_not() -> None:
    found = told(
        sighting("shop/web", Trouble.ERRORS, cluster="east"),
        sighting("shop/web", Trouble.ERRORS, cluster="west", minutes=3),
        sighting("worker-1", Trouble.NODE, cluster="east", kind=ComponentKind.NODE),
        sighting("worker-1", Trouble.NODE, cluster="west", kind=ComponentKind.NODE),
    )
    assert sorted(one.clusters for one in found) == [("east",), ("east", "west"), ("west",)]


def test_clusters_of_a_region_that_went_together_are_one_problem() -> None:
    away = {"kind": ComponentKind.CLUSTER, "severity": AlertSeverity.CRITICAL}
    gone = [
        sighting(name, Trouble.CLUSTER_AWAY, cluster=name, minutes=late, **away)
        for name, late in (("a", 0), ("b", 10), ("c", 1))
    ]
    found = told(*gone, a="south", b="south", c="north")
    assert [one.clusters for one in found] == [("a", "b"), ("c",)]


def test_a_cluster_version_comes_after_the_operator_that_it_tells_of() -> None:
    operator = Component("east", ComponentKind.OPERATOR, "registry")
    (one,) = told(
        sighting(
            "ClusterVersion/version",
            Trouble.OPERATOR,
            kind=ComponentKind.OTHER,
            severity=AlertSeverity.CRITICAL,
            explained_by=operator,
        ),
        sighting("registry", Trouble.OPERATOR, kind=ComponentKind.OPERATOR),
    )
    assert one.component == "registry"
    assert one.severity is AlertSeverity.CRITICAL


def test_the_gravest_come_first_then_the_widest() -> None:
    found = told(
        sighting("shop/a", Trouble.ERRORS),
        sighting("bank/b", Trouble.LATENCY, severity=AlertSeverity.CRITICAL),
        sighting("ops/c", Trouble.ERRORS, minutes=1),
        sighting("ops/c", Trouble.ERRORS, cluster="west", minutes=1),
        sighting("ops/d", Trouble.OTHER, severity=AlertSeverity.INFO, minutes=900),
    )
    assert heads(found) == ["bank/b", "ops/c", "shop/a"]


def test_changes_shortly_before_stand_with_it_its_own_first() -> None:
    (one,) = told(
        sighting("shop/web", Trouble.ERRORS),
        changes=(
            change("cart", minutes=-1),
            change("web", minutes=-50),
            change("web", minutes=-61),
            change("web", minutes=1),
            change("web", minutes=-2, kind=ChangeKind.NODE),
        ),
    )
    assert [(each.name, each.at) for each in one.changes] == [
        ("web", BEGAN - timedelta(minutes=50)),
        ("cart", BEGAN - timedelta(minutes=1)),
    ]


def test_of_two_alike_the_changed_one_is_at_the_head() -> None:
    (one,) = told(
        sighting("shop/a", Trouble.ERRORS, minutes=0),
        sighting("shop/web", Trouble.ERRORS, minutes=3),
        changes=(change("web", minutes=-5),),
    )
    assert one.component == "shop/web"


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (
            sighting("shop/web", Trouble.ERRORS),
            'analyze_root_cause(cluster="east",component="shop/web")',
        ),
        (
            sighting(
                "shop/web", Trouble.PODS_FAIL, source=SymptomSource.OBJECT, part="web-7d9fz-x2k4p"
            ),
            'get_pod_logs(cluster="east",pod="web-7d9fz-x2k4p",namespace="shop",previous=true)',
        ),
        (
            sighting("worker-1", Trouble.NODE, kind=ComponentKind.NODE),
            'get_resource(cluster="east",kind="node",name="worker-1")',
        ),
        (
            sighting("gpu-1", Trouble.GPU, kind=ComponentKind.NODE),
            'get_gpu_health(clusters=["east"])',
        ),
        (
            sighting("east", Trouble.CLUSTER_AWAY, kind=ComponentKind.CLUSTER),
            'get_cluster_status(cluster="east")',
        ),
        (
            sighting("coredns", Trouble.CONTROL_PLANE, kind=ComponentKind.CONTROL_PLANE),
            'analyze_root_cause(cluster="east",alert="What")',
        ),
    ],
)
def test_what_to_ask_next(head: Sighting, wanted: str) -> None:
    assert next_call(head) == wanted


def test_a_name_that_could_be_more_than_a_name_is_left_out_of_the_call() -> None:
    assert (
        call("get", a='x") or y("', b="fine", c=None, d=["ok", "no way"])
        == 'get(b="fine",d=["ok"])'
    )

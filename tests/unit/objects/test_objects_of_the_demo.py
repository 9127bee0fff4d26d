"""The simulated fleet in an incident: the answers name the truth."""

from datetime import timedelta

import pytest

from aiops_mcp.capabilities.kubernetes_changes import ChangeQuery, CompareQuery
from aiops_mcp.capabilities.kubernetes_changes_digest import digest_changes, digest_comparison
from aiops_mcp.capabilities.kubernetes_health import UnhealthyQuery
from aiops_mcp.capabilities.kubernetes_health_digest import digest_unhealthy
from aiops_mcp.capabilities.kubernetes_objects import EventQuery, OneResource, PodLogQuery
from aiops_mcp.capabilities.kubernetes_objects_digest import (
    digest_events,
    digest_log,
    digest_resource,
)
from aiops_mcp.errors import InputError
from aiops_mcp.fleet.change_workloads import Window
from aiops_mcp.fleet.changes import ChangeSearch
from aiops_mcp.fleet.object_event_list import EventSearch
from aiops_mcp.fleet.object_logs import LogSearch
from aiops_mcp.fleet.object_search import Search
from aiops_mcp.models.findings import ChangeKind
from aiops_mcp.surfaces.guard import guard


def size(digest):
    return len(guard(digest).text().encode()) / 3.6


async def unhealthy(harness, *clusters):
    found = await harness.objects.unhealthy(clusters, principal=harness.principal)
    return found, digest_unhealthy(UnhealthyQuery(), found)


@pytest.mark.parametrize(
    ("incident", "cluster", "words"),
    [
        (
            "oom-loop",
            "prod-frankfurt",
            ("shop/recommendation", "CrashLoopBackOff", "OOMKilled 137"),
        ),
        (
            "bad-rollout",
            "prod-virginia",
            ("shop/payment", "PAYMENT_PROVIDER_URL", "ProgressDeadline"),
        ),
        (
            "node-lost",
            "prod-virginia",
            ("Node prod-virginia-worker-2", "NodeStatusUnknown", "Pods"),
        ),
        ("operator-degraded", "stage-singapore", ("image-registry", "Degraded", "StorageError")),
        ("certificate-expiry", "stage-singapore", ("shop/checkout-tls", "Expiring")),
        ("node-disk-full", "prod-frankfurt", ("DiskPressure", "Evicted")),
    ],
)
async def test_an_incident_is_what_is_unhealthy(simulated, incident, cluster, words):
    _, digest = await unhealthy(simulated(incident), cluster)
    text = digest.text()
    assert [word for word in words if word not in text] == []
    assert size(digest) < 450


async def test_a_quiet_cluster_is_well(simulated):
    found, digest = await unhealthy(simulated(), "prod-frankfurt")
    assert found.findings == ()
    assert digest.headline.startswith("All is well among ")


async def test_pods_of_a_lost_node_are_told_in_its_row(simulated):
    found, digest = await unhealthy(simulated("node-lost"), "prod-virginia")
    pods = [one for one in found.findings if one.kind == "Pod"]
    assert len(pods) >= 5
    assert {one.explained_by for one in pods} == {"Node/prod-virginia-worker-2"}
    assert len(digest.rows) == 1


async def test_the_changes_before_an_incident_name_the_rollout(simulated, world):
    harness = simulated("bad-rollout", "operator-degraded")
    window = Window(world.NOW - timedelta(hours=6), world.NOW)
    found = await harness.objects.changes(ChangeSearch(window), principal=harness.principal)
    [rollout] = [one for one in found.changes if one.change is ChangeKind.ROLLOUT]
    assert (rollout.cluster_name, rollout.name) == ("prod-virginia", "payment")
    assert "1.20.0" in rollout.what
    assert any(one.kind == "ClusterOperator" for one in found.changes)
    assert found.changes == tuple(sorted(found.changes, key=lambda one: one.at, reverse=True))
    digest = digest_changes(ChangeQuery(), found)
    assert "1 rollout" in digest.headline
    assert size(digest) < 600
    early = Window(world.NOW - timedelta(hours=6), world.NOW - timedelta(hours=3))
    before = await harness.objects.changes(ChangeSearch(early), principal=harness.principal)
    assert [one for one in before.changes if one.change is ChangeKind.ROLLOUT] == []


async def test_who_may_not_read_secrets_is_told_so_and_gets_the_rest(simulated, world):
    harness = simulated("bad-rollout", role="viewer")
    window = Window(world.NOW - timedelta(hours=6), world.NOW)
    search = ChangeSearch(window, clusters=("prod-virginia",))
    found = await harness.objects.changes(search, principal=harness.principal)
    assert found.notes == ("secrets not read: not permitted (prod-virginia)",)
    assert [one.name for one in found.changes if one.change is ChangeKind.ROLLOUT] == ["payment"]


async def test_the_good_and_the_bad_cluster_differ_in_the_image(simulated):
    harness = simulated("bad-rollout")
    found = await harness.objects.compare(
        ("prod-frankfurt", "prod-virginia"), principal=harness.principal
    )
    [image] = [one for one in found.differences if one.item == "Deployment shop/payment"]
    assert image.values["prod-virginia"].endswith("payment:1.20.0")
    assert not image.values["prod-frankfurt"].endswith(":1.20.0")
    digest = digest_comparison(CompareQuery(clusters=("a", "b")), found)
    assert digest.columns[2:] == ("prod-frankfurt", "prod-virginia")
    assert size(digest) < 900
    many = await harness.objects.compare(("type=SPOKE",), principal=harness.principal)
    assert "values" in digest_comparison(CompareQuery(clusters=("type=SPOKE",)), many).columns


async def test_events_name_the_crash(simulated, world):
    harness = simulated("oom-loop")
    search = EventSearch(since=world.NOW - timedelta(hours=1), warnings_only=True)
    found = await harness.objects.events(search, principal=harness.principal)
    assert found.events[0].type == "Warning"
    assert any("recommendation" in one.objects[0] for one in found.events)
    digest = digest_events(EventQuery(), found)
    assert "warnings" in digest.headline
    assert size(digest) < 400
    none = await harness.objects.events(
        EventSearch(since=world.NOW - timedelta(hours=1), name="nobody"),
        principal=harness.principal,
    )
    assert none.events == ()


async def test_one_pod_with_its_last_exit_its_events_and_its_log(simulated):
    harness = simulated("oom-loop")
    cluster = harness.clusters["prod-frankfurt"]
    pods = await harness.objects.find(
        Search("pods", clusters=("prod-frankfurt",), name="recommendation"),
        principal=harness.principal,
    )
    name = pods.items[0].name
    assert pods.items[0].owners[-1] == "Deployment/recommendation"
    found = await harness.objects.get(cluster, "po", name)
    assert (found.namespace, found.containers[0].last_reason) == ("shop", "OOMKilled")
    assert found.owners[-1] == "Deployment/recommendation"
    assert found.events[0].reason == "BackOff"
    digest = digest_resource(OneResource(cluster="prod-frankfurt", kind="po", name=name), found)
    assert "last exit OOMKilled 137" in digest.text()
    assert size(digest) < 900
    log = await harness.objects.pod_log(cluster, LogSearch(name, previous=True, tail=50))
    assert log.previous
    assert log.read > 0
    text = digest_log(PodLogQuery(cluster="prod-frankfurt", pod=name), log)
    assert name in text.headline
    assert size(text) < 900


async def test_a_secret_is_shown_without_its_values(simulated):
    harness = simulated()
    cluster = harness.clusters["prod-frankfurt"]
    client = await harness.fleet.clients.kubernetes(cluster)
    body = {"metadata": {"name": "db"}, "stringData": {"password": "tr0ub4dor"}}
    await client.create("secrets", "shop", body)
    found = await harness.objects.get(cluster, "secret", "db", "shop")
    assert "tr0ub4dor" not in found.model_dump_json()
    assert "dHIwdWI0ZG9y" not in found.model_dump_json()
    assert found.object["data"] == {"password": "9 bytes"}
    listed = await harness.objects.find(Search("secrets"), principal=harness.principal)
    assert "dHIwdWI0ZG9y" not in listed.model_dump_json()


async def test_a_selector_that_cannot_be_read_is_the_callers_mistake(simulated):
    harness = simulated()
    search = Search("pods", clusters=("prod-frankfurt",), label_selector="a===b((")
    with pytest.raises(InputError, match="cannot use the selector"):
        await harness.objects.find(search, principal=harness.principal)
    fine = Search("pods", clusters=("prod-frankfurt",), label_selector="app in (payment)")
    found = await harness.objects.find(fine, principal=harness.principal)
    assert {item.owners[-1] for item in found.items} == {"Deployment/payment"}

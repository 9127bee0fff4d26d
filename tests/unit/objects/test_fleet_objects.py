"""The fleet's objects over the wire: partial answers, refused kinds, pages, what they cost."""

import json

import httpx2
import pytest

from aiops_mcp.capabilities.kubernetes import ResourceSearch
from aiops_mcp.capabilities.kubernetes_digest import digest_resources
from aiops_mcp.capabilities.kubernetes_health import UnhealthyQuery
from aiops_mcp.capabilities.kubernetes_health_digest import digest_unhealthy
from aiops_mcp.errors import BackendUnauthorized, InputError, ResourceNotFound
from aiops_mcp.fleet.object_kinds import KindUnknown
from aiops_mcp.fleet.object_logs import LogSearch
from aiops_mcp.fleet.object_rows import SortBy
from aiops_mcp.fleet.object_search import Search
from aiops_mcp.surfaces.guard import digest_payload, guard

COLUMNS = ["Name", "Ready", "Status", "Restarts", "Age"]


def tokens(digest):
    guarded = guard(digest)
    forms = (guarded.text(), json.dumps(digest_payload(guarded), ensure_ascii=False))
    return max(len(form.encode()) for form in forms) / 3.6


def row(name, *cells, namespace="shop", **metadata):
    about = {"name": name, "namespace": namespace, "creationTimestamp": "2026-02-01T00:00:00Z"}
    return {"metadata": {**about, **metadata}, "cells": [name, *cells], "columns": COLUMNS}


def restarting(number):
    """300 pods, of which every eighth restarted, the 200th most often."""
    if number == 200:
        return row("checkout-6d5f7c9b8-xk2lp", "0/1", "CrashLoopBackOff", "318 (2m ago)", "9d")
    restarts = f"{number % 7 + 1} ({number % 9}h ago)" if number % 8 == 0 else 0
    return row(f"service-{number}-7c9d8f6b5-{number:05d}", "1/1", "Running", restarts, "28d")


@pytest.fixture
def down():
    def handle(request):
        raise httpx2.ConnectError("refused")

    return handle


async def test_which_pods_restart_most_is_read_off_in_350_tokens(fleet_of, world):
    rows = [restarting(number) for number in range(300)]
    harness = fleet_of(
        one=world.ApiServer({"pods": rows[:150]}), two=world.ApiServer({"pods": rows[150:]})
    )
    request = ResourceSearch(kind="pods", sort=SortBy.RESTARTS)
    found = await harness.objects.find(
        Search("pods", sort=SortBy.RESTARTS), principal=harness.principal
    )
    digest = digest_resources(request, found)
    assert found.total == 300
    assert "shop/checkout-6d5f7c9b8-xk2lp on two, 318" in digest.headline
    assert digest.rows[0][1:4] == ("checkout-6d5f7c9b8-xk2lp", "0/1", "CrashLoopBackOff")
    assert [int(str(each[4]).split()[0]) for each in digest.rows] == sorted(
        (int(str(each[4]).split()[0]) for each in digest.rows), reverse=True
    )
    assert len(digest.rows) >= 5
    assert tokens(digest) <= 350


async def test_twelve_unhealthy_pods_and_why_in_600_tokens(fleet_of, world):
    well = [world.pod(f"fine-{number}") for number in range(288)]
    bad = [
        world.pod(
            f"worker-{number}-7c9d8f6b5-{number:05d}", status={"containerStatuses": [world.crash()]}
        )
        for number in range(6)
    ]
    bad += [
        world.pod(
            f"report-{number}-6b5c4d3e2-{number:05d}",
            status={
                "phase": "Pending",
                "containerStatuses": [
                    world.status(
                        ready=False,
                        state={"waiting": {"reason": "ImagePullBackOff", "message": "not found"}},
                    )
                ],
            },
        )
        for number in range(6)
    ]
    harness = fleet_of(one=world.ApiServer({"pods": well + bad}))
    found = await harness.objects.unhealthy(principal=harness.principal)
    digest = digest_unhealthy(UnhealthyQuery(), found)
    text = guard(digest).text()
    assert found.total == 12
    assert "6 CrashLoopBackOff, 6 ImagePullBackOff" in digest.headline
    assert all(pod["metadata"]["name"] in text for pod in bad)
    assert "OOMKilled 137" in text
    assert tokens(digest) <= 600


async def test_a_dead_cluster_is_told_and_the_rest_is_answered(fleet_of, world, down):
    harness = fleet_of(
        one=world.ApiServer({"pods": [row("a", "1/1", "Running", 0, "1d")]}), two=down
    )
    found = await harness.objects.find(Search("po"), principal=harness.principal)
    assert [item.name for item in found.items] == ["a"]
    assert (found.coverage.succeeded, found.coverage.queried) == (1, 2)
    assert [one.cluster_name for one in found.coverage.failures] == ["two"]


async def test_a_kind_that_may_not_be_read_is_a_note(fleet_of, world):
    server = world.ApiServer(
        {"pods": [world.pod(status={"containerStatuses": [world.crash()]})]},
        refuse={"/api/v1/nodes": 403, "/apis/batch/v1/jobs": 500},
    )
    harness = fleet_of(one=server)
    found = await harness.objects.unhealthy(principal=harness.principal)
    assert [one.cause for one in found.findings] == ["CrashLoopBackOff"]
    assert "nodes not read: not permitted (one)" in found.notes
    assert any(note.startswith("jobs.batch not read") for note in found.notes)


async def test_where_nothing_may_be_read_it_is_an_error(fleet_of, world):
    paths = [
        *("pods", "nodes", "persistentvolumeclaims"),
        *("/apis/apps/v1/deployments", "/apis/batch/v1/jobs"),
    ]
    refuse = {path if "/" in path else f"/api/v1/{path}": 403 for path in paths}
    harness = fleet_of(one=world.ApiServer(refuse=refuse))
    with pytest.raises(BackendUnauthorized):
        await harness.objects.unhealthy(principal=harness.principal)


async def test_five_thousand_pods_are_read_in_pages_and_survive_a_410(fleet_of, world):
    pods = [world.pod(f"p-{number}") for number in range(4_999)]
    pods.append(world.pod("last", status={"containerStatuses": [world.crash()]}))
    server = world.ApiServer({"pods": pods}, expire_once={"/api/v1/pods"})
    harness = fleet_of(one=server)
    found = await harness.objects.unhealthy(principal=harness.principal)
    assert [one.name for one in found.findings] == ["last"]
    assert server.asked.count("/api/v1/pods") == 1 + 1 + 10


async def test_names_kinds_and_pages(fleet_of, world):
    rows = [row(f"web-{number}", "1/1", "Running", 0, "1d") for number in range(30)]
    rows.append(row("api-0", "0/1", "Error", 0, "1d"))
    harness = fleet_of(one=world.ApiServer({"pods": rows}))

    async def find(**parts):
        return await harness.objects.find(Search("pods", **parts), principal=harness.principal)

    assert [item.name for item in (await find(limit=1)).items] == ["api-0"]
    assert [item.name for item in (await find(name="WEB-2", sort=SortBy.NAME, limit=2)).items] == [
        "web-2",
        "web-20",
    ]
    second = await find(sort=SortBy.NAME, start=1, limit=2)
    assert ([item.name for item in second.items], second.total) == (["web-0", "web-1"], 31)
    assert second.by_status == {"Running": 30, "Error": 1}
    with pytest.raises(KindUnknown, match="Near names: pods"):
        await harness.objects.find(Search("podz"), principal=harness.principal)


async def test_owners_are_followed_to_the_top(fleet_of, world):
    controller = {"kind": "ReplicaSet", "name": "web-7d9f", "controller": True}
    rows = [row("web-7d9f-x", "1/1", "Running", 0, "1d", ownerReferences=[controller])]
    above = {"kind": "Rollout", "name": "web", "controller": True}
    sets = [{"metadata": {"name": "web-7d9f", "namespace": "shop", "ownerReferences": [above]}}]
    harness = fleet_of(one=world.ApiServer({"pods": rows, "replicasets": sets}))
    found = await harness.objects.find(Search("pods"), principal=harness.principal)
    assert found.items[0].owners == ("ReplicaSet/web-7d9f", "Rollout/web")


async def test_one_object_is_found_in_whichever_namespace(fleet_of, world):
    server = world.ApiServer(
        {"pods": [world.pod("a", "one"), world.pod("b", "one"), world.pod("b", "two")]}
    )
    harness = fleet_of(one=server)
    objects, cluster = harness.objects, harness.clusters["one"]
    assert (await objects.get(cluster, "pod", "a")).namespace == "one"
    assert (await objects.get(cluster, "pod", "b", "two")).namespace == "two"
    with pytest.raises(InputError, match="one, two"):
        await objects.get(cluster, "pod", "b")
    with pytest.raises(ResourceNotFound, match="Near names: one/a"):
        await objects.get(cluster, "pod", "aa")


async def test_of_a_pod_that_is_gone_those_in_its_place_are_named(fleet_of, world):
    harness = fleet_of(one=world.ApiServer({"pods": [world.pod("web-7d9f8c6b5-abcde")]}))
    with pytest.raises(ResourceNotFound, match="shop/web-7d9f8c6b5-abcde"):
        await harness.objects.get(harness.clusters["one"], "pod", "web-55b6c7d8f-zzzzz")


async def test_the_log_of_the_pod_in_trouble_bounded(fleet_of, world):
    sent = []

    def logs(request):
        params = dict(request.url.params)
        sent.append((request.url.path, params))
        text = "".join(
            f"2026-03-01T11:00:0{n % 10}Z line {'abcdefghij'[n % 10]}\n" for n in range(9)
        )
        return httpx2.Response(200, text=text)

    pods = [world.pod("web-1"), world.pod("web-2", status={"containerStatuses": [world.crash()]})]
    harness = fleet_of(one=world.ApiServer({"pods": pods}, logs=logs))
    found = await harness.objects.pod_log(
        harness.clusters["one"], LogSearch("web", previous=True, tail=8, since_seconds=60)
    )
    assert (found.pod, found.read, found.truncated) == ("web-2", 8, True)
    assert "most trouble" in found.why
    [(path, params)] = sent
    assert path == "/api/v1/namespaces/shop/pods/web-2/log"
    assert (params["tailLines"], params["previous"], params["sinceSeconds"]) == ("9", "true", "60")
    assert int(params["limitBytes"]) <= 4 * 1024 * 1024


async def test_a_container_without_an_earlier_run_is_the_callers_mistake(fleet_of, world):
    def logs(request):
        body = {"kind": "Status", "message": "previous terminated container not found", "code": 400}
        return httpx2.Response(400, json=body)

    harness = fleet_of(one=world.ApiServer({"pods": [world.pod("web-1")]}, logs=logs))
    with pytest.raises(InputError, match="without previous"):
        await harness.objects.pod_log(harness.clusters["one"], LogSearch("web-1", previous=True))
    with pytest.raises(InputError, match="It has web"):
        await harness.objects.pod_log(harness.clusters["one"], LogSearch("web-1", container="x"))
    with pytest.raises(ResourceNotFound, match="web-1"):
        await harness.objects.pod_log(harness.clusters["one"], LogSearch("wbe-1"))


async def test_a_log_of_huge_lines_is_asked_for_again_with_fewer(fleet_of, world):
    asked = []

    def logs(request):
        tail = int(request.url.params["tailLines"])
        asked.append(tail)
        return httpx2.Response(200, text=("x" * 50_000 + "\n") * tail)

    harness = fleet_of(one=world.ApiServer({"pods": [world.pod("web-1")]}, logs=logs))
    found = await harness.objects.pod_log(harness.clusters["one"], LogSearch("web-1", tail=200))
    assert asked == [201, 20]
    assert "only the last 20" in found.notes[0]


async def test_why_a_pod_waits_for_its_volume_is_read_from_the_events(fleet_of, world):
    waits = world.status(ready=False, state={"waiting": {"reason": "ContainerCreating"}})
    start = world.ago(minutes=20)
    status = {"phase": "Pending", "startTime": start, "containerStatuses": [waits]}
    about = {"kind": "Pod", "namespace": "shop", "name": "web-1"}

    def event(reason, message, minutes):
        return {
            "metadata": {"name": reason, "namespace": "shop"},
            "involvedObject": about,
            "type": "Warning",
            "reason": reason,
            "message": message,
            "lastTimestamp": world.ago(minutes=minutes),
        }

    events = [
        event("FailedMount", "secret db not found", 1),
        event("FailedScheduling", "no node", 19),
    ]
    server = world.ApiServer({"pods": [world.pod(status=status)], "events": events})
    harness = fleet_of(one=server)
    found = await harness.objects.unhealthy(principal=harness.principal, namespace="shop")
    assert [(one.cause, one.detail) for one in found.findings] == [
        ("ContainerCreating", "FailedMount: secret db not found")
    ]
    assert "/api/v1/namespaces/shop/events" in server.asked


async def test_where_nothing_waits_no_events_are_read(fleet_of, world):
    server = world.ApiServer({"pods": [world.pod()]})
    harness = fleet_of(one=server)
    await harness.objects.unhealthy(principal=harness.principal)
    assert not [path for path in server.asked if "events" in path]

"""What is wrong with a pod: every state that a pod can be stuck in, and those that are fine."""

import pytest

from aiops_mcp.fleet.unhealthy_pods import judge_pod
from aiops_mcp.models.alerts import AlertSeverity


@pytest.fixture
def judged(world):
    def judge(**parts):
        return judge_pod("c1", world.pod(**parts), world.NOW, "Deployment/web")

    return judge


def test_a_pod_that_is_well_is_no_finding(judged):
    assert judged() is None


def test_a_crash_loop_counts_although_its_phase_is_running(judged, world):
    found = judged(status={"containerStatuses": [world.crash()]})
    assert (found.cause, found.severity) == ("CrashLoopBackOff", AlertSeverity.CRITICAL)
    assert (found.restarts, found.last_exit) == (12, "OOMKilled 137")
    assert (found.namespace, found.name, found.node) == ("shop", "web-1", "n1")


def test_an_image_that_is_not_there_is_told_in_the_registrys_words(judged, world):
    waiting = {"reason": "ImagePullBackOff", "message": "manifest for r/web:2 not found"}
    found = judged(
        status={
            "phase": "Pending",
            "containerStatuses": [world.status(ready=False, state={"waiting": waiting})],
        }
    )
    assert (found.cause, found.detail) == ("ImagePullBackOff", "manifest for r/web:2 not found")


def test_an_init_container_is_named_and_goes_first(judged, world):
    failing = world.status("migrate", ready=False, state=world.crash()["state"])
    waits = world.status(ready=False, state={"waiting": {"reason": "PodInitializing"}})
    found = judged(status={"initContainerStatuses": [failing], "containerStatuses": [waits]})
    assert found.cause == "Init:CrashLoopBackOff"
    assert "container migrate" in found.detail


def test_of_several_containers_the_bad_one_is_named(judged, world):
    both = [world.status("web"), {**world.crash(), "name": "sidecar"}]
    spec = {"containers": [{"name": "web"}, {"name": "sidecar"}]}
    found = judged(status={"containerStatuses": both}, spec=spec)
    assert "container sidecar" in found.detail


@pytest.mark.parametrize(("minutes", "is_told"), [(1, False), (10, True)])
def test_a_slow_start_is_given_time(judged, world, minutes, is_told):
    waits = world.status(ready=False, state={"waiting": {"reason": "ContainerCreating"}})
    start = world.ago(minutes=minutes)
    status = {"phase": "Pending", "startTime": start, "containerStatuses": [waits]}
    found = judged(status={**status, "conditions": []}, metadata={"creationTimestamp": start})
    assert (found is not None and found.cause == "ContainerCreating") is is_told


@pytest.mark.parametrize(
    ("minutes", "severity"), [(5, AlertSeverity.WARNING), (30, AlertSeverity.CRITICAL)]
)
def test_a_pod_that_fits_nowhere_says_why(judged, world, minutes, severity):
    scheduled = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/6 nodes are available: 6 Insufficient nvidia.com/gpu.",
        "lastTransitionTime": world.ago(minutes=minutes),
    }
    found = judged(status={"phase": "Pending", "conditions": [scheduled], "containerStatuses": []})
    assert (found.cause, found.severity) == ("Unschedulable", severity)
    assert "Insufficient nvidia.com/gpu" in found.detail


@pytest.mark.parametrize(("minutes", "is_told"), [(2, False), (8, True)])
def test_not_ready_counts_after_five_minutes(judged, world, minutes, is_told):
    message = "containers with unready status: [web]"
    found = judged(
        status={
            "conditions": world.unready(minutes, message=message),
            "containerStatuses": [world.status(ready=False)],
        }
    )
    assert (found is not None) is is_told
    if found:
        assert (found.cause, found.detail) == ("NotReady", message)


def test_a_restart_within_the_hour_counts_though_it_runs_again(judged, world):
    died = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": world.ago(minutes=20)}
    running = world.status(restartCount=3, lastState={"terminated": died})
    found = judged(status={"containerStatuses": [running]})
    assert (found.cause, found.restarts, found.severity) == ("OOMKilled", 3, AlertSeverity.WARNING)


@pytest.mark.parametrize(
    "died",
    [
        {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-02-20T00:00:00Z"},
        {"reason": "Completed", "exitCode": 0, "finishedAt": "2026-03-01T11:50:00Z"},
    ],
    ids=["long ago", "ended well"],
)
def test_other_restarts_are_past(judged, world, died):
    assert (
        judged(status={"containerStatuses": [world.status(lastState={"terminated": died})]}) is None
    )


@pytest.mark.parametrize(("minutes", "is_told"), [(1, False), (25, True)])
def test_a_pod_that_does_not_go_away(judged, world, minutes, is_told):
    deleted = {"deletionTimestamp": world.ago(minutes=minutes), "finalizers": ["x.io/keep"]}
    found = judged(metadata=deleted)
    assert (found is not None) is is_told
    if found:
        assert found.cause == "Terminating"
        assert "x.io/keep" in found.detail


def test_an_evicted_pod_says_what_the_node_lacked(judged):
    found = judged(
        status={
            "phase": "Failed",
            "reason": "Evicted",
            "message": "low on: memory",
            "conditions": [],
        }
    )
    assert (found.cause, found.detail) == ("Evicted", "low on: memory")


def test_what_failed_days_ago_is_only_left_over(judged, world):
    ended = {"reason": "Error", "exitCode": 1, "finishedAt": world.ago(days=3)}
    status = {"phase": "Failed", "containerStatuses": [world.status(state={"terminated": ended})]}
    found = judged(status=status)
    assert (found.cause, found.severity, found.last_exit) == (
        "Error",
        AlertSeverity.INFO,
        "Error 1",
    )


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"metadata": None, "spec": None, "status": None},
        {"status": {"phase": "Running", "containerStatuses": None, "conditions": "odd"}},
        {"status": {"phase": "Running", "containerStatuses": [None, {"state": {"waiting": 3}}]}},
    ],
)
def test_a_pod_of_a_strange_shape_harms_nobody(world, pod):
    assert judge_pod("c1", pod, world.NOW, None) is None

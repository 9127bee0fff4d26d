"""What is wrong with everything that is no pod, one judge at a time, and what explains what."""

import pytest

from aiops_mcp.fleet import unhealthy_platform as platform
from aiops_mcp.fleet import unhealthy_workloads as workloads
from aiops_mcp.fleet.object_fields import is_good_when_true
from aiops_mcp.fleet.unhealthy import explained
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.findings import Finding

CRITICAL, WARNING, INFO = AlertSeverity.CRITICAL, AlertSeverity.WARNING, AlertSeverity.INFO


def condition(kind, status, reason="", message=""):
    since = "2026-03-01T11:00:00Z"
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
    }


def thing(spec=None, created="2026-03-01T08:00:00Z", **status):
    metadata = {"name": "x", "namespace": "shop", "creationTimestamp": created}
    return {"metadata": metadata, "spec": spec or {}, "status": status}


HPA = {"minReplicas": 2, "maxReplicas": 9}
LIMITED = [condition("ScalingLimited", "True", "TooManyReplicas")]
PDB = {"expectedPods": 3, "disruptionsAllowed": 0, "desiredHealthy": 3}

CASES = [
    # judge, object, cause (None: it is well), severity, a part of the detail
    (workloads.judge_deployment, thing({"replicas": 2}, availableReplicas=2), None, None, None),
    (workloads.judge_deployment, thing({"replicas": 0}), None, None, None),
    (workloads.judge_deployment, thing({"replicas": 3}, availableReplicas=1), "ReplicasUnavailable", WARNING, "1/3 available"),
    (workloads.judge_deployment, thing({"replicas": 3}), "ReplicasUnavailable", CRITICAL, "0/3"),
    (
        workloads.judge_deployment,
        thing({"replicas": 1}, availableReplicas=1, conditions=[condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")]),
        "ProgressDeadlineExceeded", CRITICAL, "timed out",
    ),
    (
        workloads.judge_deployment,
        thing({"replicas": 2}, conditions=[condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: q")]),
        "FailedCreate", CRITICAL, "exceeded quota",
    ),
    (workloads.judge_stateful_set, thing({"replicas": 3}, readyReplicas=2), "ReplicasUnavailable", WARNING, "2/3 ready"),
    (workloads.judge_stateful_set, thing({"replicas": 3}, readyReplicas=3), None, None, None),
    (workloads.judge_daemon_set, thing(desiredNumberScheduled=5, numberReady=4), "ReplicasUnavailable", WARNING, "4/5"),
    (workloads.judge_daemon_set, thing(desiredNumberScheduled=5, numberReady=5, numberMisscheduled=1), "Misscheduled", INFO, "1 pods"),
    (workloads.judge_job, thing(conditions=[condition("Failed", "True", "BackoffLimitExceeded", "6 pods failed")]), "BackoffLimitExceeded", WARNING, "6 pods"),
    (workloads.judge_job, thing(conditions=[condition("Complete", "True")]), None, None, None),
    (workloads.judge_claim, thing({"storageClassName": "fast"}, phase="Pending"), "Pending", WARNING, "storage class fast"),
    (workloads.judge_claim, thing(created="2026-03-01T11:59:30Z", phase="Pending"), None, None, None),
    (workloads.judge_claim, thing({"volumeName": "pv-1"}, phase="Lost"), "Lost", CRITICAL, "pv-1"),
    (workloads.judge_claim, thing(phase="Bound"), None, None, None),
    (workloads.judge_volume, thing(phase="Failed", message="delete refused"), "Failed", WARNING, "delete refused"),
    (workloads.judge_volume, thing(phase="Released"), None, None, None),
    (workloads.judge_autoscaler, thing(HPA, currentReplicas=9, desiredReplicas=9, conditions=LIMITED), "MaxedOut", WARNING, "9 replicas"),
    (workloads.judge_autoscaler, thing(HPA, currentReplicas=4, desiredReplicas=4), None, None, None),
    (
        workloads.judge_autoscaler,
        thing(HPA, conditions=[condition("ScalingActive", "False", "FailedGetResourceMetric", "no metrics")]),
        "FailedGetResourceMetric", WARNING, "no metrics",
    ),
    (workloads.judge_autoscaler, thing(HPA, conditions=[condition("ScalingActive", "False", "ScalingDisabled")]), None, None, None),
    (workloads.judge_disruption_budget, thing(**PDB, currentHealthy=2), "InsufficientPods", WARNING, "2 healthy, 3 needed"),
    (workloads.judge_disruption_budget, thing(**PDB, currentHealthy=3), "BlocksDrains", INFO, "no pod may be evicted"),
    (workloads.judge_disruption_budget, thing(expectedPods=3, disruptionsAllowed=1), None, None, None),
    (workloads.judge_disruption_budget, thing(expectedPods=0, disruptionsAllowed=0), None, None, None),
    (platform.judge_node, thing(conditions=[condition("Ready", "True")]), None, None, None),
    (platform.judge_node, thing(conditions=[condition("Ready", "False", "KubeletNotReady", "PLEG is not healthy")]), "NotReady", CRITICAL, "PLEG"),
    (platform.judge_node, thing(conditions=[condition("Ready", "Unknown", "NodeStatusUnknown")]), "NodeStatusUnknown", CRITICAL, "NodeStatusUnknown"),
    (platform.judge_node, thing(conditions=[condition("Ready", "True"), condition("DiskPressure", "True", "", "full")]), "DiskPressure", WARNING, "full"),
    (platform.judge_node, thing({"unschedulable": True}, conditions=[condition("Ready", "True")]), "SchedulingDisabled", INFO, "cordoned"),
    (platform.judge_certificate, thing(notAfter="2026-02-28T12:00:00Z"), "Expired", CRITICAL, "expired 24h ago"),
    (platform.judge_certificate, thing(notAfter="2026-03-04T12:00:00Z", renewalTime="2026-02-01T00:00:00Z"), "Expiring", WARNING, "overdue"),
    (platform.judge_certificate, thing(notAfter="2026-03-02T00:00:00Z"), "Expiring", CRITICAL, "in 12h"),
    (platform.judge_certificate, thing(notAfter="2026-06-01T00:00:00Z", conditions=[condition("Ready", "False", "DoesNotExist", "no secret")]), "DoesNotExist", WARNING, "no secret"),
    (platform.judge_certificate, thing(notAfter="2026-06-01T00:00:00Z", conditions=[condition("Ready", "True")]), None, None, None),
    (platform.judge_signing_request, thing({"signerName": "kubernetes.io/kubelet-serving", "username": "system:node:n1"}), "Pending", WARNING, "kubelet-serving for system:node:n1"),
    (platform.judge_signing_request, thing(conditions=[condition("Approved", "True")]), None, None, None),
    (platform.judge_signing_request, thing(created="2026-03-01T11:59:00Z"), None, None, None),
    (platform.judge_operator, thing(conditions=[condition("Available", "False", "NoPods")]), "NotAvailable", CRITICAL, "NoPods"),
    (platform.judge_operator, thing(conditions=[condition("Degraded", "True", "E", "bucket")]), "Degraded", CRITICAL, "E: bucket"),
    (platform.judge_operator, thing(conditions=[condition("Progressing", "True", "Rolling")]), None, None, None),
    (platform.judge_operator, thing(conditions=[{**condition("Progressing", "True", "Rolling"), "lastTransitionTime": "2026-03-01T09:00:00Z"}]), "Progressing", WARNING, "Rolling"),
    (platform.judge_cluster_version, thing(conditions=[condition("Failing", "True", "ClusterOperatorDegraded", "x")]), "Failing", CRITICAL, "ClusterOperatorDegraded"),
    (platform.judge_cluster_version, thing(conditions=[condition("ReleaseAccepted", "False", "VerificationFailed")]), "NotReleaseAccepted", CRITICAL, "Verification"),
    (platform.judge_machine_pool, thing(machineCount=3, readyMachineCount=2, conditions=[condition("NodeDegraded", "True", "1 nodes", "drift")]), "NodeDegraded", CRITICAL, "2/3 machines ready"),
    (platform.judge_machine_pool, thing(machineCount=3, readyMachineCount=2, unavailableMachineCount=1), "MachinesUnavailable", WARNING, "1 unavailable"),
    (platform.judge_machine_pool, thing({"paused": True}, machineCount=3, readyMachineCount=3), "Paused", INFO, "kubelet CA"),
    (platform.judge_machine_pool, thing(machineCount=3, readyMachineCount=3), None, None, None),
    (platform.judge_managed_cluster, thing(conditions=[condition("ManagedClusterConditionAvailable", "Unknown", "LeaseStopped")]), "LeaseStopped", CRITICAL, None),
    (platform.judge_managed_cluster, thing(conditions=[condition("ManagedClusterConditionAvailable", "True")]), None, None, None),
    (platform.judge_api_service, thing(conditions=[condition("Available", "False", "FailedDiscoveryCheck", "no response")]), "FailedDiscoveryCheck", WARNING, "no response"),
]  # fmt: skip


@pytest.mark.parametrize(("judge", "judged", "cause", "severity", "detail"), CASES)
def test_a_judge_says_what_is_wrong_in_the_fields_words(
    world, judge, judged, cause, severity, detail
):
    found = list(judge("one", judged, world.NOW))
    if cause is None:
        assert found == []
        return
    assert [(one.cause, one.severity) for one in found] == [(cause, severity)]
    assert (detail or "") in (found[0].detail or "")


@pytest.mark.parametrize("judge", sorted({case[0] for case in CASES}, key=lambda one: one.__name__))
@pytest.mark.parametrize(
    "odd",
    [{}, {"metadata": None, "spec": [], "status": "x"}, {"status": {"conditions": [None, 3]}}],
)
def test_an_object_of_a_strange_shape_harms_no_judge(world, judge, odd):
    for one in judge("one", odd, world.NOW):
        assert one.cluster_name == "one"


def finding(kind, name, cause, **parts):
    return Finding(
        cluster_name="one",
        kind=kind,
        namespace=None,
        name=name,
        severity=WARNING,
        cause=cause,
        **parts,
    )


def test_conditions_of_a_node_that_end_in_ready_are_good_when_true(world):
    """As the node agents of clouds report them."""
    told = [
        {"type": "Ready", "status": "True"},
        {"type": "StorageReady", "status": "True"},
        {"type": "AcceleratedHardwareReady", "status": "False", "reason": "NvidiaXID79"},
        {"type": "KernelDeadlock", "status": "False"},
        {"type": "ReadonlyFilesystem", "status": "True", "message": "sda1"},
    ]
    found = platform.judge_node("one", thing(conditions=told), world.NOW)
    assert [(one.cause, one.detail) for one in found] == [
        ("AcceleratedHardwareReady", "NvidiaXID79"),
        ("ReadonlyFilesystem", "sda1"),
    ]


@pytest.mark.parametrize(
    ("kind", "condition", "good"),
    [
        ("Node", "KernelDeadlock", False),
        ("Node", "ContainerRuntimeReady", True),
        ("Node", "Ready", True),
        ("Deployment", "Progressing", True),
        ("ClusterOperator", "Progressing", False),
        ("Pod", "PodScheduled", True),
        ("MachineConfigPool", "NodeDegraded", False),
    ],
)
def test_when_a_condition_is_good(kind, condition, good):
    assert is_good_when_true(kind, condition) is good


def test_a_workload_whose_pods_are_all_on_nodes_that_are_away():
    found = explained(
        [
            finding("Node", "n1", "NotReady"),
            finding("Node", "n2", "NodeStatusUnknown"),
            finding("Pod", "p", "NotReady", node="n2", workload="Deployment/web"),
            finding("Pod", "q", "Terminating", node="n1", workload="Deployment/web"),
            finding("Deployment", "web", "ReplicasUnavailable", workload="Deployment/web"),
        ]
    )
    assert [one.explained_by for one in found] == ["Node/n2", "Node/n1", None, None, "Node/n1"]


def test_replicas_lack_since_the_deployment_is_not_available_and_not_since_it_was(world):
    told = [{"type": "Available", "status": "True", "lastTransitionTime": world.ago(hours=25)}]
    lacking = thing({"replicas": 3}, availableReplicas=2, conditions=told)
    [one] = workloads.judge_deployment("one", lacking, world.NOW)
    assert one.since is None
    told[0]["status"] = "False"
    [one] = workloads.judge_deployment("one", lacking, world.NOW)
    assert one.since is not None


def test_a_pool_waits_for_its_node_and_a_version_for_its_operator():
    found = explained(
        [
            finding("Node", "n1", "NotReady"),
            finding("MachineConfigPool", "worker", "MachinesUnavailable"),
            finding("ClusterOperator", "dns", "Degraded"),
            finding("ClusterVersion", "version", "Failing"),
            finding("Pod", "p", "NotReady", node="n1", workload="Deployment/web"),
            finding("Pod", "q", "CrashLoopBackOff", node="n1", workload="Deployment/web"),
            finding("Deployment", "web", "ReplicasUnavailable", workload="Deployment/web"),
        ]
    )
    reasons = {(one.kind, one.name): one.explained_by for one in found}
    assert reasons == {
        ("Node", "n1"): None,
        ("MachineConfigPool", "worker"): "Node/n1",
        ("ClusterOperator", "dns"): None,
        ("ClusterVersion", "version"): "ClusterOperator/dns",
        ("Pod", "p"): "Node/n1",
        ("Pod", "q"): None,
        ("Deployment", "web"): "Pod/q",
    }

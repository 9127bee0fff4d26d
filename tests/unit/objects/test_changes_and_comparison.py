"""Rollouts, config, nodes and upgrades as changes; clusters laid side by side. Pure parts."""

from datetime import timedelta

import pytest

from aiops_mcp.fleet.change_platform import (
    condition_changes,
    event_changes,
    node_changes,
    upgrades,
    without_repeats,
)
from aiops_mcp.fleet.change_workloads import (
    Window,
    config_change,
    controller_revision,
    helm_release,
    job_start,
    revision_of_set,
    rollouts,
    scaling,
)
from aiops_mcp.fleet.compare import differ
from aiops_mcp.fleet.compare_facts import (
    NodeFacts,
    operator_facts,
    quantity,
    setting_facts,
    storage_facts,
    subscription_facts,
    workload_facts,
)
from aiops_mcp.models.findings import ChangeKind


@pytest.fixture
def window(world):
    return Window(world.NOW - timedelta(hours=6), world.NOW)


def replica_set(world, name, number, image, **created):
    owner = {"kind": "Deployment", "name": "web", "controller": True}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": world.ago(**created),
            "annotations": {
                "deployment.kubernetes.io/revision": str(number),
                "kubernetes.io/change-cause": "ticket 7",
            },
            "ownerReferences": [owner],
            "managedFields": [{"manager": "kube-controller-manager", "time": world.ago(hours=1)}],
        },
        "spec": {"template": {"spec": {"containers": [{"name": "web", "image": image}]}}},
    }


def told(changes):
    return [(one.kind, one.name, one.what, one.by) for one in changes]


def test_a_rollout_tells_the_old_and_the_new_image_and_who(world, window):
    sets = [
        replica_set(world, "web-a", 1, "r/shop/web:1.2", days=9),
        replica_set(world, "web-b", 2, "r/shop/web:1.3", hours=2),
    ]
    revisions = [one for thing in sets for one in revision_of_set(thing)]
    found = list(rollouts("c", revisions, window, {("Deployment", "shop", "web"): "argocd"}))
    what = "revision 2; image web:1.2 -> 1.3; cause: ticket 7"
    assert told(found) == [("Deployment", "web", what, "argocd")]
    assert found[0].change is ChangeKind.ROLLOUT


def test_a_rollback_is_an_old_set_that_became_the_newest_revision(world, window):
    sets = [
        replica_set(world, "web-b", 2, "r/web:1.3", days=3),
        replica_set(world, "web-a", 3, "r/web:1.2", days=9),
    ]
    revisions = [one for thing in sets for one in revision_of_set(thing)]
    [found] = rollouts("c", revisions, window, {})
    assert found.what.startswith("rolled back, now revision 3; image web:1.3 -> 1.2")


def test_outside_of_the_window_nothing_is_told(world, window):
    revisions = list(revision_of_set(replica_set(world, "web-a", 1, "r/web:1", days=9)))
    assert list(rollouts("c", revisions, window, {})) == []
    late = Window(window.since - timedelta(days=30), window.until - timedelta(days=20))
    assert list(rollouts("c", revisions, late, {})) == []


def test_a_stateful_set_has_controller_revisions(world, window):
    owner = {"kind": "StatefulSet", "name": "db", "controller": True}
    template = {"spec": {"template": {"spec": {"containers": [{"name": "db", "image": "r/db:9"}]}}}}
    thing = {
        "metadata": {
            "name": "db-1",
            "namespace": "shop",
            "creationTimestamp": world.ago(hours=1),
            "ownerReferences": [owner],
        },
        "revision": 4,
        "data": template,
    }
    [found] = rollouts("c", controller_revision(thing), window, {})
    assert (found.kind, found.what) == ("StatefulSet", "revision 4; image db:9")


def metadata(world, name, manager="kubectl-edit", **parts):
    write = {"manager": manager, "time": world.ago(minutes=30)}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": world.ago(days=40),
            "managedFields": [write],
            **parts,
        }
    }


def test_config_that_was_written_says_by_whom(world, window):
    found = list(config_change("c", "ConfigMap", metadata(world, "payment-config"), window))
    assert told(found) == [("ConfigMap", "payment-config", "changed", "kubectl-edit")]
    leader = {"annotations": {"control-plane.alpha.kubernetes.io/leader": "x"}}
    assert list(config_change("c", "ConfigMap", metadata(world, "lock", **leader), window)) == []
    assert list(config_change("c", "ConfigMap", metadata(world, "kube-root-ca.crt"), window)) == []


def test_a_helm_release_is_told_from_labels_alone(world, window):
    labels = {"owner": "helm", "name": "web", "version": "7", "status": "deployed"}
    thing = metadata(world, "sh.helm.release.v1.web.v7", labels=labels)
    thing["metadata"]["creationTimestamp"] = world.ago(minutes=5)
    assert told(helm_release("c", thing, window)) == [
        ("HelmRelease", "web", "revision 7 deployed", "helm")
    ]
    assert list(config_change("c", "Secret", thing, window)) == []


def test_scaling_and_jobs(world, window):
    scaler = {
        "metadata": {"name": "web-hpa", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 9},
        "status": {"lastScaleTime": world.ago(minutes=4), "desiredReplicas": 7},
    }
    what = "scaled to 7 replicas, of 9 at most"
    by = "HorizontalPodAutoscaler/web-hpa"
    assert told(scaling("c", scaler, window)) == [("Deployment", "web", what, by)]
    owner = [{"kind": "CronJob", "name": "nightly", "controller": True}]
    job = {
        "metadata": {"name": "nightly-1", "ownerReferences": owner},
        "status": {"startTime": world.ago(hours=1)},
    }
    assert told(job_start("c", job, window)) == [("Job", "nightly-1", "started", "CronJob/nightly")]


def node(world, *, born, **parts):
    return {
        "metadata": {"name": "n1", "creationTimestamp": born, "managedFields": []},
        "spec": {},
        "status": {"nodeInfo": {"kubeletVersion": "v1.31"}},
        **parts,
    }


def test_nodes_join_are_lost_and_are_cordoned(world, window):
    assert [
        one.what for one in node_changes("c", node(world, born=world.ago(hours=1)), window)
    ] == ["joined, kubelet v1.31"]
    lost = node(world, born=world.ago(days=9))
    lost["status"]["conditions"] = [
        {
            "type": kind,
            "status": "Unknown",
            "message": "Kubelet stopped",
            "lastTransitionTime": world.ago(hours=2),
        }
        for kind in ("Ready", "DiskPressure")
    ]
    assert [one.what for one in node_changes("c", lost, window)] == [
        "became unknown: Kubelet stopped"
    ]
    cordoned = node(world, born=world.ago(days=9))
    cordoned["spec"] = {"unschedulable": True}
    cordoned["metadata"]["managedFields"] = [
        {
            "manager": "kubectl-cordon",
            "time": world.ago(minutes=9),
            "fieldsV1": {"f:spec": {"f:unschedulable": {}}},
        }
    ]
    assert told(node_changes("c", cordoned, window)) == [
        ("Node", "n1", "cordoned", "kubectl-cordon")
    ]


def test_upgrades_and_conditions_of_openshift(world, window):
    version = {
        "metadata": {"name": "version"},
        "status": {
            "history": [
                {"version": "4.18.8", "startedTime": world.ago(hours=2), "completionTime": None},
                {"version": "4.18.7", "startedTime": world.ago(days=60)},
            ]
        },
    }
    assert [one.what for one in upgrades("c", version, window)] == [
        "upgrade begun: 4.18.7 -> 4.18.8"
    ]
    degraded = {
        "type": "Degraded",
        "status": "True",
        "reason": "StorageError",
        "lastTransitionTime": world.ago(minutes=50),
    }
    operator = {"metadata": {"name": "image-registry"}, "status": {"conditions": [degraded]}}
    [found] = condition_changes("c", "ClusterOperator", operator, window)
    assert found.what == "Degraded became True, StorageError"


@pytest.mark.parametrize(
    ("kind", "reason", "change"),
    [
        ("Node", "Rebooted", ChangeKind.NODE),
        ("Deployment", "ScalingReplicaSet", ChangeKind.SCALING),
        ("StatefulSet", "SuccessfulDelete", ChangeKind.DELETION),
        ("ReplicaSet", "SuccessfulDelete", None),
        ("Pod", "FailedDelete", None),
        ("Pod", "BackOff", None),
    ],
)
def test_events_that_tell_of_a_change(world, window, kind, reason, change):
    event = {
        "involvedObject": {"kind": kind, "name": "x"},
        "reason": reason,
        "message": "m",
        "lastTimestamp": world.ago(minutes=3),
    }
    assert [one.change for one in event_changes("c", event, window)] == ([change] if change else [])


def test_what_an_object_tells_is_not_told_again_by_its_event(world, window):
    sets = [replica_set(world, "web-b", 1, "r/web:1", hours=2)]
    rolled = list(rollouts("c", [r for s in sets for r in revision_of_set(s)], window, {}))
    event = {
        "involvedObject": {"kind": "Deployment", "namespace": "shop", "name": "web"},
        "reason": "ScalingReplicaSet",
        "source": {"component": "deployment-controller"},
        "lastTimestamp": world.ago(hours=2),
    }
    both = [*rolled, *event_changes("c", event, window)]
    assert [one.change for one in without_repeats(both)] == [ChangeKind.ROLLOUT]


# --- comparison ------------------------------------------------------------------------------


def facts(**items):
    return {("version", key): value for key, value in items.items()}


def test_the_odd_one_out_of_many_is_named():
    read = {"a": facts(k="1"), "b": facts(k="1"), "c": facts(k="2"), "d": facts(k="1")}
    [found], same = differ(read)
    assert (found.odd, found.values["c"], same) == (("c",), "2", {})


def test_of_two_nobody_is_odd_and_what_agrees_is_counted():
    found, same = differ({"a": facts(k="1", s="x"), "b": facts(s="x")})
    assert [(one.item, one.values, one.odd) for one in found] == [("k", {"a": "1", "b": None}, ())]
    assert same == {"version": 1}


def test_workloads_count_only_in_namespaces_that_all_have():
    own = {("images", "Deployment ml/train"): "t:1", ("images", "Deployment shop/web"): "w:1"}
    other = {("images", "Deployment shop/web"): "w:2", ("images", "Deployment shop/new"): "n:1"}
    found, _ = differ({"a": own, "b": other})
    assert [one.item for one in found] == ["Deployment shop/new", "Deployment shop/web"]


def test_telling_areas_come_first():
    a = {("labels", "x"): "1", ("version", "y"): "1", ("capacity", "z"): "1"}
    b = {("labels", "x"): "2", ("version", "y"): "2", ("capacity", "z"): "2"}
    found, _ = differ({"a": a, "b": b})
    assert [one.area for one in found] == ["version", "capacity", "labels"]


def test_facts_of_nodes():
    count = NodeFacts()
    for kernel in ("5.14", "5.14", "6.1"):
        count.take(
            {
                "metadata": {"labels": {"node-role.kubernetes.io/worker": ""}},
                "status": {
                    "nodeInfo": {"kernelVersion": kernel},
                    "allocatable": {"cpu": "3500m", "memory": "16Gi", "pods": "250"},
                },
            }
        )
    told_facts = count.facts()
    assert told_facts["nodes", "kernel"] == "5.14 x2, 6.1 x1"
    assert told_facts["capacity", "allocatable cpu"] == "10.5"
    assert told_facts["capacity", "allocatable memory"] == "48 GiB"
    assert told_facts["capacity", "worker nodes"] == "3"


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("3500m", 3.5),
        ("16Gi", 16 * 2**30),
        ("2", 2),
        ("1k", 1000),
        ("", 0),
        ("odd", 0),
        ("1e3", 1000),
    ],
)
def test_quantities(written, number):
    assert quantity(written) == pytest.approx(number)


def test_facts_of_operators_storage_settings_and_workloads():
    operator = {
        "metadata": {"name": "dns"},
        "status": {
            "versions": [{"name": "operator", "version": "4.18.7"}],
            "conditions": [{"type": "Degraded", "status": "True"}],
        },
    }
    assert dict(operator_facts(operator)) == {("operators", "dns"): "4.18.7, degraded"}
    installed = {"spec": {"name": "gpu"}, "status": {"installedCSV": "gpu.v24"}}
    assert dict(subscription_facts(installed)) == {("operators", "OLM gpu"): "gpu.v24"}
    storage = {
        "metadata": {
            "name": "fast",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "csi.x",
        "allowVolumeExpansion": True,
    }
    assert dict(storage_facts(storage)) == {("storage", "fast"): "csi.x, expandable, default"}
    proxy = {"spec": {"httpsProxy": "http://user:secret@proxy:3128"}}
    assert dict(setting_facts("proxies", proxy)) == {("settings", "cluster proxy"): "set"}
    workload = {
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {
            "replicas": 3,
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": "r/web:1",
                            "resources": {"limits": {"memory": "1Gi"}},
                        }
                    ]
                }
            },
        },
    }
    assert dict(workload_facts("Deployment", workload)) == {
        ("images", "Deployment shop/web"): "r/web:1",
        ("replicas", "Deployment shop/web"): "3",
        ("limits", "Deployment shop/web"): "web memory=1Gi",
    }

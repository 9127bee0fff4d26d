"""Pods that ask for GPUs, and what owns them; a node's rack and how its cards are shared."""

import pytest

from aiops_mcp.backends.gpu_nodes import gpu_nodes
from aiops_mcp.backends.gpu_pods import gpu_holders


def pod(name="w-0", limits=None, phase="Running", labels=None, owner=None, **spec):
    metadata = {"namespace": "ml", "name": name, "labels": labels or {}}
    if owner:
        metadata["ownerReferences"] = [
            {"kind": "Node", "name": "other"},
            {"kind": owner[0], "name": owner[1], "controller": True},
        ]
    containers = [
        {"name": "side"},
        {
            "name": "main",
            "resources": {"limits": limits if limits is not None else {"nvidia.com/gpu": "2"}},
        },
    ]
    return {
        "metadata": metadata,
        "spec": {"containers": containers, **spec},
        "status": {"phase": phase},
    }


def test_a_holder_says_how_many_and_which_container():
    [found] = gpu_holders([pod()])
    assert (found.resources, found.containers) == ({"nvidia.com/gpu": 2}, ("main",))
    assert found.owner == "ml/Pod/w-0"


@pytest.mark.parametrize(
    "other",
    [
        pod(limits={"cpu": "2"}),
        pod(limits={"nvidia.com/gpu": "0"}),
        pod(limits={"nvidia.com/gpu": "many"}),
        pod(phase="Succeeded"),
        pod(phase="Failed"),
        {"metadata": {}, "spec": {}, "status": {}},
    ],
)
def test_who_holds_none(other):
    assert gpu_holders([other]) == ()


@pytest.mark.parametrize(
    ("labels", "owner", "told"),
    [
        ({}, ("StatefulSet", "train"), "ml/StatefulSet/train"),
        ({"pod-template-hash": "abc"}, ("ReplicaSet", "web-abc"), "ml/Deployment/web"),
        ({}, ("ReplicaSet", "web-abc"), "ml/ReplicaSet/web-abc"),
        ({"ray.io/cluster": "r1"}, ("RayCluster", "r1"), "ml/RayCluster/r1"),
        (
            {"training.kubeflow.org/job-name": "pt", "job-name": "x"},
            ("PyTorchJob", "pt"),
            "ml/PyTorchJob/pt",
        ),
        ({"job-name": "nightly-1"}, ("Job", "nightly-1"), "ml/Job/nightly-1"),
        ({}, None, "ml/Pod/w-0"),
    ],
)
def test_the_job_is_what_many_pods_are_together(labels, owner, told):
    [found] = gpu_holders([pod(labels=labels, owner=owner)])
    assert found.owner == told


def test_resource_claims_make_a_holder_too():
    claims = [{"name": "gpu", "resourceClaimName": "c1"}, {"resourceClaimTemplateName": "t1"}]
    [found] = gpu_holders([pod(limits={}, resourceClaims=claims)])
    assert (found.resources, found.claims) == ({}, ("c1", "t1"))


def node(**labels):
    status = {
        "capacity": {"nvidia.com/gpu": "8", "cpu": "64"},
        "allocatable": {"nvidia.com/gpu": "7"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return {
        "metadata": {"name": "n", "labels": {"nvidia.com/gpu.count": "2", **labels}},
        "status": status,
    }


@pytest.mark.parametrize(
    ("labels", "sharing"),
    [
        ({}, None),
        ({"nvidia.com/gpu.sharing-strategy": "none"}, None),
        ({"nvidia.com/gpu.sharing-strategy": "mps"}, "mps"),
        ({"nvidia.com/gpu.replicas": "4"}, "time-slicing"),
    ],
)
def test_facts_of_a_node(labels, sharing):
    [found] = gpu_nodes([node(**labels, **{"topology.kubernetes.io/rack": "B07"})])
    facts = found.facts(None)
    assert (facts.sharing, facts.rack, facts.card_count) == (sharing, "B07", 2)
    assert (facts.capacity, facts.allocatable) == ({"nvidia.com/gpu": 8}, {"nvidia.com/gpu": 7})
    assert (facts.holders_known, found.facts([]).holders_known) == (False, True)

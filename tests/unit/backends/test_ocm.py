"""Managed clusters of a hub, as open-cluster-management-io/api cluster/v1 writes them."""

import base64

from aiops_mcp.backends.ocm import managed_clusters
from aiops_mcp.models.cluster import Platform


def managed(name, *, labels=None, spec=None, **status):
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status or None}


def condition(status):
    return [
        {"type": "HubAcceptedManagedCluster", "status": "True"},
        {"type": "ManagedClusterConditionAvailable", "status": status},
    ]


OPENSHIFT = managed(
    "edge-1",
    labels={"vendor": "OpenShift", "cloud": "BareMetal", "env": "prod"},
    spec={
        "hubAcceptsClient": True,
        "managedClusterClientConfigs": [
            {"caBundle": "x"},
            {"url": "https://api.edge-1:6443", "caBundle": base64.b64encode(b"CA").decode()},
        ],
    },
    version={"kubernetes": "v1.30.4"},
    clusterClaims=[
        {"name": "version.openshift.io", "value": "4.17.3"},
        {"name": "region.open-cluster-management.io", "value": "eu-1"},
    ],
    conditions=condition("True"),
)


def test_an_openshift_cluster():
    [found] = managed_clusters([OPENSHIFT])
    assert (found.name, found.api_url, found.ca_bundle) == (
        "edge-1",
        "https://api.edge-1:6443",
        "CA",
    )
    assert (found.version, found.platform, found.region) == ("4.17.3", Platform.OPENSHIFT, "eu-1")
    assert (found.available, found.is_accepted, found.is_hub) == (True, True, False)
    assert found.labels["env"] == "prod"


def test_a_plain_kubernetes_and_the_hub_itself():
    hub = managed("local-cluster", labels={"local-cluster": "true", "vendor": "OpenShift"})
    plain = managed(
        "kind", version={"kubernetes": "v1.31.0"}, labels={"vendor": "Other", "region": "lab"}
    )
    small = managed("far", labels={"vendor": "MicroShift"})
    far, kind, local = managed_clusters([hub, plain, small])
    assert (kind.platform, kind.version, kind.region) == (Platform.KUBERNETES, "v1.31.0", "lab")
    assert far.platform is Platform.MICROSHIFT
    assert (local.is_hub, local.platform, local.api_url) == (True, Platform.OPENSHIFT, None)
    assert local.is_accepted is False


def test_availability():
    found = managed_clusters(
        [
            managed(name, conditions=condition(state))
            for name, state in (("a", "True"), ("b", "False"), ("c", "Unknown"))
        ]
        + [managed("d")]
    )
    assert [one.available for one in found] == [True, False, None, None]


def test_odd_objects():
    odd = managed(
        "x", spec={"managedClusterClientConfigs": [{"url": "https://k", "caBundle": "%%"}]}
    )
    [found] = managed_clusters([odd, {}, {"metadata": {}}])
    assert (found.api_url, found.ca_bundle) == ("https://k", None)

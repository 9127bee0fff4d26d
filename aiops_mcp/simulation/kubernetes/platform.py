"""What platforms and operators add: CRDs, OpenShift, managed clusters, certificates, SR-IOV."""

from aiops_mcp.simulation.cluster import OPERATORS, SimulatedCluster
from aiops_mcp.simulation.entities_platform import certificate_names
from aiops_mcp.simulation.kubernetes.view import Json, View, condition, metadata, stamp
from aiops_mcp.simulation.store import evaluate_now

_AGE = 60 * 86400.0
_UPGRADED = 9 * 3600.0
"""So long before the last midnight an OpenShift cluster had got its version."""

_VALID = 90 * 86400.0
EXPIRY = "certmanager_certificate_expiration_timestamp_seconds"


def api_url(name: str) -> str:
    """Where a simulated cluster's API server would answer."""
    return f"https://api.{name}.sim.invalid:6443"


def cluster_version_objects(view: View) -> list[Json]:
    """The ClusterVersion of an OpenShift cluster."""
    version = view.cluster.spec.version
    degraded = [
        name
        for name in OPERATORS
        if view.cluster.operator(name, "Degraded").at(view.moment).status == "True"
    ]
    born = view.anchor - _AGE
    failing = condition("Failing", "True" if degraded else "False", born)
    if degraded:
        failing["message"] = f"Cluster operator {degraded[0]} is degraded"
    before, upgraded = _version_before(version), view.anchor - _UPGRADED
    channel = f"stable-{version.rsplit('.', 1)[0]}"
    return [
        {
            "apiVersion": "config.openshift.io/v1",
            "kind": "ClusterVersion",
            "metadata": metadata(view, "ClusterVersion", "version", born),
            "spec": {
                "clusterID": metadata(view, "ClusterID", "id", born)["uid"],
                "channel": channel,
            },
            "status": {
                "desired": {"version": version, "image": f"quay.io/openshift/release:{version}"},
                "history": [
                    _update(version, upgraded, 4300.0),
                    _update(before, born, 2400.0),
                ],
                "conditions": [
                    condition("Available", "True", born, "", f"Done applying {version}"),
                    condition(
                        "Progressing", "False", upgraded + 4300, "", f"Cluster version is {version}"
                    ),
                    failing,
                    condition("Upgradeable", "True", born, "AsExpected"),
                ],
                "availableUpdates": None,
            },
        }
    ]


def _version_before(version: str) -> str:
    major, minor, patch = version.split(".")
    return f"{major}.{minor}.{max(0, int(patch) - 2)}"


def _update(version: str, started: float, took: float) -> Json:
    return {
        "state": "Completed",
        "version": version,
        "image": f"quay.io/openshift/release:{version}",
        "startedTime": stamp(started),
        "completionTime": stamp(started + took),
        "verified": True,
    }


def tempo_stack_objects(view: View) -> list[Json]:
    """The TempoStack whose gateway lets one tenant to the traces."""
    authentication = [{"tenantName": "shop", "tenantId": "1610b0c3-c509-4592-a256-a1871353dbfa"}]
    born = view.anchor - _AGE
    return [
        {
            "apiVersion": "tempo.grafana.com/v1alpha1",
            "kind": "TempoStack",
            "metadata": metadata(view, "TempoStack", "shop", born, namespace="openshift-tempo"),
            "spec": {
                "template": {"gateway": {"enabled": True, "rbac": {"enabled": True}}},
                "tenants": {"mode": "openshift", "authentication": authentication},
            },
            "status": {"conditions": [condition("Ready", "True", born, "Ready")]},
        }
    ]


def cluster_operator_objects(view: View) -> list[Json]:
    """Every ClusterOperator."""
    found: list[Json] = []
    for name in OPERATORS:
        told: list[Json] = []
        changed = view.anchor - _AGE
        for kind in ("Available", "Progressing", "Degraded", "Upgradeable"):
            steps = view.cluster.operator(name, kind)
            since = steps.since(view.moment) or view.anchor - _AGE
            changed = max(changed, since)
            one = steps.at(view.moment)
            told.append(condition(kind, one.status, since, one.reason, one.message))
        made = metadata(view, "ClusterOperator", name, view.anchor - _AGE, changed=changed)
        versions = [{"name": "operator", "version": view.cluster.spec.version}]
        found.append(
            {
                "apiVersion": "config.openshift.io/v1",
                "kind": "ClusterOperator",
                "metadata": made,
                "spec": {},
                "status": {"conditions": told, "versions": versions},
            }
        )
    return found


def machine_config_pool_objects(view: View) -> list[Json]:
    """The master and worker pools."""
    nodes = view.cluster.inventory.nodes
    born = view.anchor - _AGE
    found: list[Json] = []
    for pool, role in (("master", "control-plane"), ("worker", "worker")):
        members = [node for node in nodes if (node.role == "control-plane") == (pool == "master")]
        ready = sum(
            view.cluster.condition(node.name, "Ready").at(view.moment).status == "True"
            for node in members
        )
        count = len(members)
        updated = "True" if ready == count else "False"
        found.append(
            {
                "apiVersion": "machineconfiguration.openshift.io/v1",
                "kind": "MachineConfigPool",
                "metadata": metadata(view, "MachineConfigPool", pool, born),
                "spec": {
                    "paused": False,
                    "nodeSelector": {"matchLabels": {f"node-role.kubernetes.io/{role}": ""}},
                    "configuration": {"name": f"rendered-{pool}-1f0c"},
                },
                "status": {
                    "configuration": {"name": f"rendered-{pool}-1f0c"},
                    "machineCount": count,
                    "updatedMachineCount": count,
                    "readyMachineCount": ready,
                    "unavailableMachineCount": count - ready,
                    "degradedMachineCount": 0,
                    "conditions": [
                        condition("Updated", updated, born),
                        condition("Updating", "False", born),
                        condition("Degraded", "False", born),
                    ],
                },
            }
        )
    return found


def route_objects(view: View) -> list[Json]:
    """A Route for each front door of an OpenShift cluster."""
    found: list[Json] = []
    for work in view.cluster.inventory.workloads:
        if not (work.http and work.service):
            continue
        host = f"{work.service}-{work.namespace}.apps.{view.cluster.name}.sim.invalid"
        born = view.anchor - _AGE / 2
        admitted = condition("Admitted", "True", born)
        found.append(
            {
                "apiVersion": "route.openshift.io/v1",
                "kind": "Route",
                "metadata": metadata(view, "Route", work.service, born, namespace=work.namespace),
                "spec": {
                    "host": host,
                    "to": {"kind": "Service", "name": work.service, "weight": 100},
                    "port": {"targetPort": work.port},
                    "tls": {"termination": "edge"},
                    "wildcardPolicy": "None",
                },
                "status": {"ingress": [{"host": host, "conditions": [admitted]}]},
            }
        )
    return found


def managed_cluster_objects(view: View) -> list[Json]:
    """The clusters that a hub manages; one that lost touch is Unknown after its lease."""
    return [_managed(view, member) for member in view.cluster.members]


def _managed(view: View, member: SimulatedCluster) -> Json:
    spec, born = member.spec, view.anchor - _AGE
    reachable = member.reachable(view.moment)
    lost = [start for start, end in member.away if start <= view.moment < end]
    since = lost[0] if lost else born
    available = condition(
        "ManagedClusterConditionAvailable",
        "True" if reachable else "Unknown",
        since,
        "ManagedClusterAvailable" if reachable else "ManagedClusterLeaseUpdateStopped",
        "Managed cluster is available"
        if reachable
        else "Registration agent stopped updating its lease.",
    )
    vendor = "OpenShift" if spec.is_openshift else spec.platform.value.title()
    labels = {
        "name": member.name,
        "vendor": vendor,
        "cloud": "BareMetal",
        "region": spec.region,
        "environment": spec.environment.value.lower(),
        "cluster.open-cluster-management.io/clusterset": "default",
    }
    if member.name == view.cluster.name:
        labels["local-cluster"] = "true"
    cpus = sum(node.cpus for node in member.inventory.nodes)
    claims = {
        "platform.open-cluster-management.io": "BareMetal",
        "product.open-cluster-management.io": vendor,
        "kubeversion.open-cluster-management.io": spec.kubernetes_version,
    }
    if spec.is_openshift:
        claims["version.openshift.io"] = spec.version
    return {
        "apiVersion": "cluster.open-cluster-management.io/v1",
        "kind": "ManagedCluster",
        "metadata": metadata(
            view, "ManagedCluster", member.name, born, labels=labels | spec.labels, changed=since
        ),
        "spec": {
            "hubAcceptsClient": True,
            "leaseDurationSeconds": 60,
            "managedClusterClientConfigs": [{"url": member.api_address or api_url(member.name)}],
        },
        "status": {
            "version": {"kubernetes": spec.kubernetes_version},
            "clusterClaims": [{"name": name, "value": value} for name, value in claims.items()],
            "capacity": {"cpu": str(cpus)},
            "conditions": [
                condition("HubAcceptedManagedCluster", "True", born, "HubClusterAdminAccepted"),
                condition("ManagedClusterJoined", "True", born, "ManagedClusterJoined"),
                available,
            ],
        },
    }


def peer_authentication_objects(view: View) -> list[Json]:
    """Istio's rule for the whole mesh: workloads speak to one another under mutual TLS only."""
    return [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": metadata(
                view,
                "PeerAuthentication",
                "default",
                view.anchor - _AGE,
                namespace="istio-system",
            ),
            "spec": {"mtls": {"mode": "STRICT"}},
        }
    ]


def certificate_objects(view: View) -> list[Json]:
    """cert-manager's Certificates, whose expiry is the one the metrics tell."""
    series = view.store.signals(EXPIRY)
    ends = evaluate_now([one.signal for one in series], view.moment)
    expiry = {
        (one.labels["exported_namespace"], one.labels["name"]): end
        for one, end in zip(series, ends, strict=True)
    }
    found: list[Json] = []
    for namespace, name in certificate_names(view.cluster):
        end = expiry.get((namespace, name))
        if end is None:
            continue
        valid = end > view.moment
        born = view.anchor - _AGE
        ready = condition(
            "Ready",
            "True" if valid else "False",
            born if valid else end,
            "Ready" if valid else "Expired",
            "Certificate is up to date and has not expired" if valid else "Certificate expired",
        )
        found.append(
            {
                "apiVersion": "cert-manager.io/v1",
                "kind": "Certificate",
                "metadata": metadata(view, "Certificate", name, born, namespace=namespace),
                "spec": {
                    "secretName": name,
                    "issuerRef": {"name": "internal-ca", "kind": "ClusterIssuer"},
                },
                "status": {
                    "notBefore": stamp(end - _VALID),
                    "notAfter": stamp(end),
                    "revision": 2,
                    "renewalTime": stamp(end - 30 * 86400),
                    "conditions": [ready],
                },
            }
        )
    return found


def sriov_node_state_objects(view: View) -> list[Json]:
    """SR-IOV's view of each node, with the virtual functions that pods hold."""
    found: list[Json] = []
    for node in view.cluster.inventory.nodes:
        interface = {
            "name": "ens3f0",
            "pciAddress": "0000:5e:00.0",
            "driver": "ice",
            "linkSpeed": "25000 Mb/s",
            "mtu": 9000,
            "numVfs": 8,
            "totalvfs": 128,
            "Vfs": [
                {"vfID": number, "pciAddress": f"0000:5e:02.{number}", "driver": "vfio-pci"}
                for number in range(8)
            ],
        }
        found.append(
            {
                "apiVersion": "sriovnetwork.openshift.io/v1",
                "kind": "SriovNetworkNodeState",
                "metadata": metadata(
                    view,
                    "SriovNetworkNodeState",
                    node.name,
                    node.created,
                    namespace="openshift-sriov-network-operator",
                    annotations={"sriovnetwork.openshift.io/current-state": "Idle"},
                ),
                "spec": {},
                "status": {"syncStatus": "Succeeded", "interfaces": [interface]},
            }
        )
    return found


def cluster_policy_objects(view: View) -> list[Json]:
    """The GPU operator's ClusterPolicy."""
    return [
        {
            "apiVersion": "nvidia.com/v1",
            "kind": "ClusterPolicy",
            "metadata": metadata(view, "ClusterPolicy", "gpu-cluster-policy", view.anchor - _AGE),
            "spec": {"driver": {"enabled": True}, "dcgmExporter": {"enabled": True}},
            "status": {"state": "ready", "namespace": "gpu-operator"},
        }
    ]

"""What steers workloads and certificates: autoscalers, disruption budgets, signing requests."""

from aiops_mcp.simulation.kubernetes.nodes import namespace_names
from aiops_mcp.simulation.kubernetes.view import Json, View, condition, metadata
from aiops_mcp.simulation.noise import unit
from aiops_mcp.simulation.rollouts import WorkloadCounts
from aiops_mcp.simulation.store import evaluate_now

_AGE = 30 * 86400.0
_DAY = 86400.0
_KEPT = 3600.0
"""So long an approved signing request stays listed."""

_MOST, _LEAST = (f"kube_horizontalpodautoscaler_spec_{bound}_replicas" for bound in ("max", "min"))


def autoscaler_objects(view: View) -> list[Json]:
    """An autoscaler for each Deployment that the metrics tell of one, with their bounds."""
    most, least = _by_deployment(view, _MOST), _by_deployment(view, _LEAST)
    found: list[Json] = []
    for work in view.cluster.inventory.workloads:
        key = (work.namespace, work.name)
        if work.kind != "Deployment" or key not in most:
            continue
        counts = WorkloadCounts(view.cluster, work).states()
        current, wanted = (int(counts[name].at(view.moment)) for name in ("existing", "wanted"))
        limited = current >= most[key]
        found.append(
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": metadata(
                    view,
                    "HorizontalPodAutoscaler",
                    work.name,
                    view.anchor - _AGE,
                    namespace=work.namespace,
                ),
                "spec": {
                    "scaleTargetRef": {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": work.name,
                    },
                    "minReplicas": least.get(key, 1),
                    "maxReplicas": most[key],
                },
                "status": {
                    "currentReplicas": current,
                    "desiredReplicas": wanted,
                    "conditions": [
                        condition("AbleToScale", "True", view.anchor - _AGE, "ReadyForNewScale"),
                        condition("ScalingActive", "True", view.anchor - _AGE, "ValidMetricFound"),
                        condition(
                            "ScalingLimited",
                            "True" if limited else "False",
                            view.anchor - _AGE,
                            "TooManyReplicas" if limited else "DesiredWithinRange",
                        ),
                    ],
                },
            }
        )
    return found


def _by_deployment(view: View, name: str) -> dict[tuple[str, str], int]:
    series = view.store.signals(name)
    values = evaluate_now([one.signal for one in series], view.moment)
    return {
        (one.labels["namespace"], one.labels["deployment"]): int(value)
        for one, value in zip(series, values, strict=True)
        if value is not None and "deployment" in one.labels
    }


def disruption_budget_objects(view: View) -> list[Json]:
    """The budget of each namespace, which allows one pod to go."""
    return [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(
                view, "PodDisruptionBudget", "default", view.anchor - _AGE, namespace=name
            ),
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"tier": "serving"}}},
            "status": {
                "currentHealthy": 2,
                "desiredHealthy": 1,
                "disruptionsAllowed": 1,
                "expectedPods": 2,
                "observedGeneration": 1,
            },
        }
        for name in namespace_names(view)
    ]


def signing_request_objects(view: View) -> list[Json]:
    """The nodes' requests for new serving certificates, one a day each; kept for an hour."""
    found: list[Json] = []
    for node in view.cluster.inventory.nodes:
        offset = _DAY * unit(view.seed, node.name, "rotates")
        asked = view.moment - (view.moment - offset) % _DAY
        if view.moment - asked > _KEPT or asked < node.created:
            continue
        name = f"csr-{node.name}-{int(asked // 60)}"
        found.append(
            {
                "apiVersion": "certificates.k8s.io/v1",
                "kind": "CertificateSigningRequest",
                "metadata": metadata(
                    view, "CertificateSigningRequest", name, asked, changed=asked + 2
                ),
                "spec": {
                    "signerName": "kubernetes.io/kubelet-serving",
                    "username": f"system:node:{node.name}",
                    "usages": ["digital signature", "server auth"],
                },
                "status": {
                    "conditions": [
                        condition("Approved", "True", asked + 2, "AutoApproved", "approved")
                    ]
                },
            }
        )
    return found

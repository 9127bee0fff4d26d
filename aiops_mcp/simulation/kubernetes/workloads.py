"""Controllers and what routes to their pods: Deployments to EndpointSlices."""

from aiops_mcp.simulation.inventory import Revision
from aiops_mcp.simulation.kubernetes.view import Json, View, condition, metadata, stamp
from aiops_mcp.simulation.rollouts import PROGRESS_DEADLINE, WorkloadCounts
from aiops_mcp.simulation.topology import WorkloadSpec

_AGE = 30 * 86400.0


def _workloads(view: View, kind: str) -> list[WorkloadSpec]:
    return [
        work
        for work in view.cluster.inventory.workloads
        if work.kind == kind and not (kind == "DaemonSet" and work.nodes == "control-plane")
    ]


def _template(work: WorkloadSpec, image: str, hash_label: str = "") -> Json:
    labels = {"app": work.name, "app.kubernetes.io/name": work.name} | work.labels
    if hash_label:
        labels["pod-template-hash"] = hash_label
    container: Json = {"name": work.container_name, "image": image}
    if work.port:
        container["ports"] = [{"containerPort": work.port, "protocol": "TCP"}]
    return {"metadata": {"labels": labels}, "spec": {"containers": [container]}}


def _controller(view: View, work: WorkloadSpec, api: str, changed: float, spec: Json) -> Json:
    labels = {"app": work.name, "app.kubernetes.io/name": work.name} | work.labels
    born = view.anchor - _AGE
    made = metadata(
        view, work.kind, work.name, born, namespace=work.namespace, labels=labels, changed=changed
    )
    made["generation"] = 1
    return {"apiVersion": api, "kind": work.kind, "metadata": made, "spec": spec}


def _counts(view: View, work: WorkloadSpec) -> tuple[dict[str, int], float]:
    """Pods wanted, existing, ready, missing and updated, and since when."""
    states = WorkloadCounts(view.cluster, work).states()
    numbers = {name: int(steps.at(view.moment)) for name, steps in states.items()}
    since = [steps.since(view.moment) for steps in states.values()]
    return numbers, max([view.anchor - _AGE, *(one for one in since if one is not None)])


def _newest(view: View, work: WorkloadSpec) -> Revision:
    known = [
        one
        for one in view.cluster.inventory.revisions
        if one.work.path == work.path and one.replicas.at(view.moment) > 0
    ]
    return max(known, key=lambda revision: revision.number)


def _told(revision: Revision) -> dict[str, str]:
    told = {"deployment.kubernetes.io/revision": str(revision.number)}
    return told | ({"kubernetes.io/change-cause": revision.cause} if revision.cause else {})


def _written(revision: Revision) -> Json:
    """Who wrote the pod template last, and when."""
    return {
        "manager": "kubectl" if revision.cause else "argocd-controller",
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": stamp(revision.created),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {}}},
    }


def deployment_objects(view: View) -> list[Json]:
    """Every Deployment; a rollout that makes no progress says so after ten minutes."""
    found: list[Json] = []
    for work in _workloads(view, "Deployment"):
        counts, changed = _counts(view, work)
        newest = _newest(view, work)
        selector = {"matchLabels": {"app": work.name}}
        spec: Json = {
            "replicas": work.replicas,
            "selector": selector,
            "template": _template(work, newest.image),
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
            },
            "progressDeadlineSeconds": int(PROGRESS_DEADLINE),
        }
        one = _controller(view, work, "apps/v1", changed, spec)
        one["metadata"]["annotations"] = _told(newest)
        one["metadata"]["generation"] = newest.number
        one["metadata"]["managedFields"] = [_written(newest)]
        if newest.cause.startswith("kubectl rollout restart"):
            at = {"kubectl.kubernetes.io/restartedAt": stamp(newest.created)}
            spec["template"]["metadata"]["annotations"] = at
        one["status"] = {
            "observedGeneration": newest.number,
            "replicas": counts["existing"],
            "updatedReplicas": counts["updated"],
            "readyReplicas": counts["ready"],
            "availableReplicas": counts["ready"],
            "unavailableReplicas": max(0, counts["existing"] - counts["ready"]),
            "conditions": _deployment_conditions(view, work, newest, counts, changed),
        }
        found.append(one)
    return found


def _deployment_conditions(
    view: View, work: WorkloadSpec, newest: Revision, counts: dict[str, int], changed: float
) -> list[Json]:
    available = "True" if counts["missing"] <= work.replicas * 0.25 else "False"
    why = "MinimumReplicasAvailable" if available == "True" else "MinimumReplicasUnavailable"
    stuck = counts["updated"] < work.replicas or counts["existing"] > counts["ready"]
    late = view.moment - newest.created > PROGRESS_DEADLINE
    progressing = condition("Progressing", "True", newest.created + 30, "NewReplicaSetAvailable")
    if stuck and newest.replicas.times and late:
        message = f'ReplicaSet "{newest.name}" has timed out progressing.'
        since = newest.created + PROGRESS_DEADLINE
        progressing = condition("Progressing", "False", since, "ProgressDeadlineExceeded", message)
    elif stuck and newest.replicas.times:
        progressing = condition("Progressing", "True", newest.created, "ReplicaSetUpdated")
    conditions = [condition("Available", available, changed, why), progressing]
    for one in conditions:
        one["lastUpdateTime"] = one["lastTransitionTime"]
    return conditions


def replicaset_objects(view: View) -> list[Json]:
    """Every ReplicaSet, those of stuck rollouts too."""
    found: list[Json] = []
    for revision in view.cluster.inventory.revisions:
        if revision.created > view.moment:
            continue
        work, wanted = revision.work, revision.replicas.at(view.moment)
        pods = [
            pod
            for pod in view.cluster.pods_at(view.moment)
            if pod.work.path == work.path
            and pod.template_hash == revision.template_hash
            and pod.history.phase.at(view.moment) != "Failed"
        ]
        ready = sum(pod.history.ready.at(view.moment) for pod in pods)
        labels = {"app": work.name, "pod-template-hash": revision.template_hash}
        made = metadata(
            view,
            "ReplicaSet",
            revision.name,
            revision.created,
            namespace=work.namespace,
            labels=labels,
            annotations=_told(revision),
        )
        owner = metadata(view, "Deployment", work.name, 0, namespace=work.namespace)
        made["ownerReferences"] = [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": work.name,
                "uid": owner["uid"],
                "controller": True,
            }
        ]
        found.append(
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": made,
                "spec": {
                    "replicas": wanted,
                    "selector": {"matchLabels": labels},
                    "template": _template(work, revision.image, revision.template_hash),
                },
                "status": {
                    "replicas": len(pods),
                    "readyReplicas": ready,
                    "availableReplicas": ready,
                    "observedGeneration": 1,
                },
            }
        )
    return found


def statefulset_objects(view: View) -> list[Json]:
    """Every StatefulSet."""
    found: list[Json] = []
    for work in _workloads(view, "StatefulSet"):
        counts, changed = _counts(view, work)
        spec: Json = {
            "replicas": work.replicas,
            "serviceName": work.service or work.name,
            "selector": {"matchLabels": {"app": work.name}},
            "template": _template(work, work.image),
        }
        one = _controller(view, work, "apps/v1", changed, spec)
        one["status"] = {
            "observedGeneration": 1,
            "replicas": counts["existing"],
            "readyReplicas": counts["ready"],
            "currentReplicas": counts["existing"],
            "updatedReplicas": counts["existing"],
            "availableReplicas": counts["ready"],
        }
        found.append(one)
    return found


def daemonset_objects(view: View) -> list[Json]:
    """Every DaemonSet."""
    found: list[Json] = []
    for work in _workloads(view, "DaemonSet"):
        counts, changed = _counts(view, work)
        template = _template(work, work.image)
        if work.nodes == "gpu":
            template["spec"]["nodeSelector"] = {"nvidia.com/gpu.present": "true"}
        spec: Json = {"selector": {"matchLabels": {"app": work.name}}, "template": template}
        one = _controller(view, work, "apps/v1", changed, spec)
        one["status"] = {
            "desiredNumberScheduled": counts["wanted"],
            "currentNumberScheduled": counts["existing"],
            "updatedNumberScheduled": counts["existing"],
            "numberReady": counts["ready"],
            "numberAvailable": counts["ready"],
            "numberMisscheduled": 0,
        }
        if counts["missing"]:
            one["status"]["numberUnavailable"] = counts["missing"]
        found.append(one)
    return found


def job_objects(view: View) -> list[Json]:
    """Every Job of the CronJobs."""
    found: list[Json] = []
    for pod in view.cluster.pods_at(view.moment):
        if pod.owner_kind != "Job":
            continue
        phase = pod.history.phase.at(view.moment)
        made = metadata(view, "Job", pod.owner_name, pod.history.created, namespace=pod.namespace)
        finished = pod.history.phase.since(view.moment) or pod.history.created
        status: Json = {"startTime": stamp(pod.history.created)}
        if phase == "Succeeded":
            done = [condition("Complete", "True", finished)]
            status |= {"succeeded": 1, "completionTime": stamp(finished), "conditions": done}
        elif phase == "Failed":
            why = "Job has reached the specified backoff limit"
            broken = condition("Failed", "True", finished, "BackoffLimitExceeded", why)
            status |= {"failed": 1, "conditions": [broken]}
        else:
            status["active"] = 1
        spec = {"completions": 1, "parallelism": 1, "template": _template(pod.work, pod.image)}
        found.append(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": made,
                "spec": spec,
                "status": status,
            }
        )
    return found


def cronjob_objects(view: View) -> list[Json]:
    """Every CronJob."""
    found: list[Json] = []
    for work in _workloads(view, "CronJob"):
        template = {"spec": {"template": _template(work, work.image)}}
        spec: Json = {"schedule": "0 0 * * *", "suspend": False, "jobTemplate": template}
        one = _controller(view, work, "batch/v1", view.anchor, spec)
        one["status"] = {"lastScheduleTime": stamp(view.anchor)}
        found.append(one)
    return found

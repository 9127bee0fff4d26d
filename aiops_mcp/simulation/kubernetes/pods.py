"""Pods as the API server shows them, from their histories."""

from aiops_mcp.simulation.inventory import Pod
from aiops_mcp.simulation.kubernetes.view import (
    Json,
    View,
    condition,
    cores,
    metadata,
    quantity,
    stamp,
)
from aiops_mcp.simulation.topology import MIB

_BACK_OFF_TEXT = "back-off restarting failed container={name} pod={pod}_{namespace}({uid})"


def pod_objects(view: View) -> list[Json]:
    """Every pod that exists at the moment."""
    return [pod_object(view, pod) for pod in view.cluster.pods_at(view.moment)]


def pod_labels(pod: Pod) -> dict[str, str]:
    """Labels of a pod: its application's, and those its controller adds."""
    labels = {"app": pod.work.name, "app.kubernetes.io/name": pod.work.name} | pod.work.labels
    if pod.owner_kind == "ReplicaSet":
        labels["pod-template-hash"] = pod.template_hash
    if pod.owner_kind == "StatefulSet":
        labels["statefulset.kubernetes.io/pod-name"] = pod.name
    if pod.owner_kind == "Job":
        labels["job-name"] = pod.owner_name
    return labels


def last_change(pod: Pod, moment: float) -> float:
    """When anything about the pod last changed."""
    history = pod.history
    steps = (history.phase, history.ready, history.running, history.waiting, history.restarts)
    changes = [one.since(moment) for one in (*steps, history.reason, history.terminated)]
    return max([history.created, *(one for one in changes if one is not None)])


def pod_object(view: View, pod: Pod) -> Json:
    """One pod."""
    history, moment = pod.history, view.moment
    made = metadata(
        view,
        "Pod",
        pod.name,
        history.created,
        namespace=pod.namespace,
        labels=pod_labels(pod),
        annotations=_annotations(pod),
        uid=pod.uid,
        changed=last_change(pod, moment),
    )
    api = {
        "ReplicaSet": "apps/v1",
        "StatefulSet": "apps/v1",
        "DaemonSet": "apps/v1",
        "Job": "batch/v1",
    }
    made["ownerReferences"] = [
        {
            "apiVersion": api.get(pod.owner_kind, "v1"),
            "kind": pod.owner_kind,
            "name": pod.owner_name,
            "uid": metadata(view, pod.owner_kind, pod.owner_name, 0, namespace=pod.namespace)[
                "uid"
            ],
            "controller": True,
        }
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": made,
        "spec": _spec(pod),
        "status": _status(view, pod),
    }


def _annotations(pod: Pod) -> dict[str, str]:
    if not pod.work.cnf:
        return {}
    noted = {"cpu-load-balancing.crio.io": "disable", "irq-load-balancing.crio.io": "disable"}
    if pod.work.vfs:
        noted["k8s.v1.cni.cncf.io/networks"] = f"{pod.namespace}/sriov-fronthaul"
    return noted


def resources(pod: Pod) -> Json:
    """The container's requests and limits."""
    work = pod.work
    limits: dict[str, str] = {}
    if work.cpu_limit:
        limits["cpu"] = cores(work.cpu_limit)
    if work.memory_limit:
        limits["memory"] = quantity(work.memory_limit * MIB)
    special: dict[str, str] = {}
    if pod.gpus:
        gpu, place = pod.gpus[0]
        name = "nvidia.com/gpu" if place is None else f"nvidia.com/mig-{gpu.mig[place]}"
        special[name] = str(len(pod.gpus))
    if work.vfs:
        special["openshift.io/fronthaul"] = str(work.vfs)
    if work.hugepages_gib:
        special["hugepages-1Gi"] = f"{work.hugepages_gib}Gi"
    requests = {
        "cpu": cores(work.cpu_limit / 2 if work.cpu_limit else work.cpu),
        "memory": quantity(int((work.memory_limit or work.memory) * 0.75) * MIB),
    }
    if work.cnf:  # Guaranteed, as isolated cores need
        requests = dict(limits)
    return {"requests": requests | special, "limits": limits | special}


def _spec(pod: Pod) -> Json:
    work = pod.work
    container: Json = {
        "name": work.container_name,
        "image": pod.image,
        "imagePullPolicy": "IfNotPresent",
        "resources": resources(pod),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {
                "name": "kube-api-access",
                "readOnly": True,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            }
        ],
    }
    if work.port:
        container["ports"] = [{"name": "main", "containerPort": work.port, "protocol": "TCP"}]
    volumes: list[Json] = [{"name": "kube-api-access", "projected": {"sources": []}}]
    if work.volume_gib:
        claim = {"claimName": f"data-{pod.name}"}
        volumes.append({"name": "data", "persistentVolumeClaim": claim})
    spec: Json = {
        "nodeName": pod.node.name,
        "containers": [container],
        "volumes": volumes,
        "serviceAccountName": work.name,
        "restartPolicy": "Never" if pod.owner_kind == "Job" else "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "tolerations": [
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
        ],
    }
    if work.cnf:
        spec["runtimeClassName"] = "performance-openshift-node-performance-profile"
    return spec


def _status(view: View, pod: Pod) -> Json:
    history, moment = pod.history, view.moment
    ready = history.ready.at(moment)
    since = history.ready.since(moment) or history.created
    reason = history.reason.at(moment)
    yes = "True" if ready else "False"
    why = (
        "" if ready else ("PodCompleted" if history.terminated.at(moment) else "ContainersNotReady")
    )
    status: Json = {
        "phase": history.phase.at(moment),
        "conditions": [
            condition("PodReadyToStartContainers", "True", history.created + 1),
            condition("Initialized", "True", history.created),
            condition("Ready", yes, since, why),
            condition("ContainersReady", yes, since, why),
            condition("PodScheduled", "True", history.created),
        ],
        "hostIP": pod.node.address,
        "hostIPs": [{"ip": pod.node.address}],
        "podIP": pod.address,
        "podIPs": [{"ip": pod.address}],
        "startTime": stamp(history.created),
        "qosClass": "Guaranteed" if pod.work.cnf else "Burstable",
    }
    if reason:
        status |= {"reason": reason, "message": history.message}
        return status
    status["containerStatuses"] = [_container_status(view, pod)]
    return status


def _container_status(view: View, pod: Pod) -> Json:
    history, moment = pod.history, view.moment
    restarts = history.restarts.at(moment)
    started = max((one for one in history.starts if one <= moment), default=history.created)
    running = history.running.at(moment)
    state: Json = {"running": {"startedAt": stamp(started)}}
    if not running and (ended := history.terminated.at(moment)):
        finished = history.terminated.since(moment) or started
        state = {"terminated": _terminated(pod, ended, 0, started, finished)}
    elif not running:
        state = {"waiting": _waiting(pod, history.waiting.at(moment) or "ContainerCreating")}
    status: Json = {
        "name": pod.work.container_name,
        "image": pod.image,
        "imageID": f"{pod.image.rsplit(':', 1)[0]}@sha256:{pod.uid.replace('-', '') * 2}",
        "containerID": pod.container_id,
        "ready": history.ready.at(moment),
        "started": running,
        "restartCount": restarts,
        "state": state,
        "lastState": {},
    }
    last = history.last_terminated.at(moment)
    died = history.last_terminated.since(moment)
    deaths = [one for one in history.last_terminated.times if one <= moment]
    if last and died is not None and deaths:
        code = history.exit_code.at(moment)
        earlier = max((one for one in history.starts if one <= deaths[-1]), default=started)
        status["lastState"] = {"terminated": _terminated(pod, last, code, earlier, deaths[-1])}
    return status


def _waiting(pod: Pod, reason: str) -> Json:
    waiting: Json = {"reason": reason}
    if reason == "CrashLoopBackOff":
        waiting["message"] = "back-off 5m0s " + _BACK_OFF_TEXT.removeprefix("back-off ").format(
            name=pod.work.container_name, pod=pod.name, namespace=pod.namespace, uid=pod.uid
        )
    elif reason != "ContainerCreating":
        waiting["message"] = pod.history.message
    return waiting


def _terminated(pod: Pod, reason: str, code: int, started: float, finished: float) -> Json:
    told: Json = {
        "reason": reason,
        "exitCode": code,
        "startedAt": stamp(started),
        "finishedAt": stamp(finished),
        "containerID": pod.container_id,
    }
    if pod.history.message and code:
        told["message"] = pod.history.message
    return told

import pytest

from aiops_mcp.fleet.cnf_kpis import QUERY, kpis_by_pod, kpis_of
from aiops_mcp.fleet.cnf_workloads import as_pod, cnf_workloads
from aiops_mcp.models.cluster import CnfType
from aiops_mcp.models.metrics import Series
from aiops_mcp.promql.parse import parse

RESOURCES = {
    "limits": {"cpu": "4", "memory": "1Gi", "hugepages-1Gi": "4Gi"},
    "requests": {"cpu": "4", "memory": "1Gi", "hugepages-1Gi": "4Gi"},
}


def workload(name, *, namespace="ran", replicas=1, ready=1, resources=RESOURCES, **status):
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"image": f"example.com/{name}:1", "resources": resources or {}}]},
    }
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
        "status": {"readyReplicas": ready, **status},
    }


def pod(name, app, *, namespace="ran", ready=True, owner="ReplicaSet", waiting=None, **more):
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": app},
            "ownerReferences": [{"kind": owner}] if owner else [],
            "annotations": more.get("annotations", {}),
        },
        "spec": {"nodeName": "n1", "containers": [{"resources": more.get("resources", {})}]},
        "status": {
            "phase": "Running",
            "conditions": more.get(
                "conditions", [{"type": "Ready", "status": "True" if ready else "False"}]
            ),
            "containerStatuses": [{"restartCount": 2, "state": state}],
        },
    }


def found(fakes, workloads, pods=(), kpis=None):
    return cnf_workloads(workloads, list(pods), kpis or {}, fakes.cluster("edge-1"))


def test_a_function_is_known_by_its_template(fakes):
    [one] = found(fakes, {"StatefulSet": [workload("vdu"), workload("database")]})
    assert (one.type, one.name, one.kind) == (CnfType.VDU, "vdu", "StatefulSet")
    assert (one.replicas_ready, one.replicas_wanted) == (1, 1)
    assert one.hints == ("name", "hugepages", "guaranteed")
    assert one.image == "example.com/vdu:1"
    assert one.troubles == ()


def test_a_function_is_known_by_what_was_injected_into_its_pods(fakes):
    bare = workload("vcu", resources=None)
    injected = {"requests": {"openshift.io/vf": "1"}}
    assert found(fakes, {"Deployment": [bare]}) == ()
    [one] = found(fakes, {"Deployment": [bare]}, [pod("vcu-1", "vcu", resources=injected)])
    assert one.type is CnfType.VCU
    assert one.nodes == ("n1",)


def test_why_it_is_not_ready(fakes):
    pods = [
        pod("upf-0", "upf"),
        pod("upf-1", "upf", ready=False, waiting="CrashLoopBackOff"),
        pod(
            "upf-2",
            "upf",
            conditions=[
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "Insufficient openshift.io/vf",
                }
            ],
        ),
        pod("upf-0", "upf", namespace="elsewhere", ready=False),
    ]
    [one] = found(fakes, {"Deployment": [workload("upf", replicas=3)]}, pods)
    assert one.troubles == (
        "1 of 3 ready",
        "upf-1: CrashLoopBackOff",
        "upf-2: Unschedulable: Insufficient openshift.io/vf",
    )
    assert [each.restarts for each in one.pods] == [2, 2, 2]


def test_a_daemon_set_counts_its_nodes(fakes):
    daemon = workload("vdu", desiredNumberScheduled=3, numberReady=2)
    [one] = found(fakes, {"DaemonSet": [daemon]})
    assert one.troubles == ("2 of 3 ready",)


def test_a_workload_scaled_to_nothing_shows(fakes):
    [one] = found(fakes, {"Deployment": [workload("amf", replicas=0, ready=0)]})
    assert (one.replicas_ready, one.replicas_wanted, one.troubles) == (0, 0, ())


def test_a_lone_pod_is_judged_itself(fakes):
    lone = pod("vdu", "x", owner=None, resources=RESOURCES)
    owned = pod("vdu-abc", "x", owner="ReplicaSet", resources=RESOURCES)
    [one] = found(fakes, {}, [lone, owned])
    assert (one.kind, one.name, one.replicas_ready) == ("Pod", "vdu", 1)


def test_a_template_is_guaranteed_by_its_limits():
    assert as_pod(workload("a"))["status"]["qosClass"] == "Guaranteed"
    short = {"limits": {"cpu": "4", "memory": "1Gi"}, "requests": {"cpu": "1"}}
    assert as_pod(workload("a", resources=short))["status"]["qosClass"] is None
    assert as_pod(workload("a", resources={}))["status"]["qosClass"] is None


# --- figures ----------------------------------------------------------------------------------


def series(name, values, pod_name="amf-0"):
    points = tuple((60.0 * place, str(value)) for place, value in enumerate(values))
    return Series(metric={"__name__": name, "namespace": "core", "pod": pod_name}, values=points)


def figures(*many):
    pods = kpis_by_pod(many)
    return {kpi.name: kpi for kpi in kpis_of(pods.values())}


def test_the_query_is_promql():
    parse(QUERY)


def test_registrations_that_fail():
    asked = [10 * place for place in range(121)]
    good = [10 * place if place <= 100 else 1000 + 5 * (place - 100) for place in range(121)]
    kpi = figures(
        series("fivegs_amffunction_rm_reginitreq", asked),
        series("fivegs_amffunction_rm_reginitsucc", good),
    )["registration success"]
    assert kpi.value == pytest.approx(50)
    assert kpi.earlier == pytest.approx(100)
    assert kpi.trouble == "registration success 50.0 %, under 98"


def test_nobody_registers_is_no_ratio():
    told = figures(
        series("fivegs_amffunction_rm_reginitreq", [5, 5, 5]),
        series("fivegs_amffunction_rm_reginitsucc", [5, 5, 5]),
    )
    assert "registration success" not in told


def test_sessions_that_fell():
    level = [1000] * 100 + [600] * 21
    kpi = figures(series("fivegs_upffunction_upf_sessionnbr", level))["UPF sessions"]
    assert (kpi.value, kpi.earlier) == (600, 1000)
    assert kpi.trouble == "UPF sessions 600, was 1,000"
    steady = figures(series("fivegs_upffunction_upf_sessionnbr", [1000] * 100 + [750] * 21))
    assert steady["UPF sessions"].trouble is None


def test_losses_are_summed_over_ports():
    one = Series(
        metric={"__name__": "dpdk_imissed", "namespace": "core", "pod": "upf-0", "port": "0"},
        values=tuple((60.0 * place, str(60 * place)) for place in range(121)),
    )
    other = one.model_copy(update={"metric": {**one.metric, "port": "1"}})
    kpi = figures(one, other)["packets missed"]
    assert kpi.value == pytest.approx(2)
    assert kpi.trouble == "2 packets missed/s"

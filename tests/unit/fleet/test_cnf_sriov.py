import pytest

from aiops_mcp.fleet.cnf_sriov import sriov_pools, sriov_statuses, vf_metrics
from aiops_mcp.models.metrics import Series


def state(node, *interfaces, sync="Succeeded", annotations=None, **status):
    return {
        "metadata": {"name": node, "annotations": annotations or {}},
        "status": {"syncStatus": sync, "interfaces": list(interfaces), **status},
    }


def interface(name="ens3f0", *, made=2, speed="25000 Mb/s", bus="0000:5e", **more):
    vfs = [{"vfID": number, "pciAddress": f"{bus}:02.{number}"} for number in range(made)]
    return {
        "name": name,
        "pciAddress": f"{bus}:00.0",
        "driver": "ice",
        "linkSpeed": speed,
        "mtu": 9000,
        "numVfs": made,
        "totalvfs": 64,
        "Vfs": vfs,
        **more,
    }


def pod(node, count, *, phase="Running", resource="openshift.io/fronthaul"):
    requests = {resource: str(count), "cpu": "2"}
    return {
        "spec": {"nodeName": node, "containers": [{"resources": {"requests": requests}}]},
        "status": {"phase": phase},
    }


def drops(direction, per_second, pf="ens3f0", vf="0"):
    values = tuple((30.0 * place, str(per_second * 30 * place)) for place in range(11))
    name = f"sriov_vf_{direction}_dropped"
    return Series(metric={"__name__": name, "node": "n1", "pf": pf, "vf": vf}, values=values)


def device(address, pod_name):
    metric = {
        "__name__": "sriov_kubepoddevice",
        "node": "n1",
        "pciAddr": address,
        "exported_pod": pod_name,
        "exported_namespace": "ran",
    }
    return Series(metric=metric, values=((0.0, "1"),))


def test_requests_are_the_only_interfaces(fakes):
    pods = [pod("n1", 1), pod("n1", 4, phase="Succeeded"), pod("n2", 2), pod("n1", 3, resource="x")]
    [one] = sriov_statuses([state("n1", interface(made=8))], pods, {}, fakes.cluster("edge-1"))
    assert (one.vfs_total, one.vfs_possible, one.vfs_allocated) == (8, 64, 1)
    assert (one.link_up, one.link_speed_mbps, one.mtu) == (True, 25000, 9000)
    assert one.troubles == ()


def test_requests_of_several_interfaces_are_not_told_apart(fakes):
    states = [state("n1", interface("a"), interface("b"), interface("c", made=0))]
    found = sriov_statuses(states, [pod("n1", 1)], {}, fakes.cluster("edge-1"))
    assert [(one.interface, one.vfs_allocated) for one in found] == [
        ("a", None),
        ("b", None),
        ("c", None),
    ]


def test_an_interface_without_virtual_functions_is_none_of_ours(fakes):
    plain = {"name": "eno1", "totalvfs": 0}
    assert sriov_statuses([state("n1", plain)], [], {}, fakes.cluster("edge-1")) == ()


def test_pod_devices_tell_who_holds_what(fakes):
    metrics = vf_metrics([device("0000:5e:02.0", "vdu-0"), device("0000:99:00.0", "other")])
    states = [state("n1", interface("a"), interface("b", bus="0000:99"))]
    a, b = sriov_statuses(states, [], metrics, fakes.cluster("edge-1"))
    assert (a.vfs_allocated, a.holders) == (1, ("ran/vdu-0",))
    assert (b.vfs_allocated, b.holders) == (0, ())


def test_drops_are_rates_over_all_functions(fakes):
    metrics = vf_metrics([drops("rx", 5), drops("rx", 2, vf="1"), drops("tx", 0)])
    [one] = sriov_statuses([state("n1", interface())], [], metrics, fakes.cluster("edge-1"))
    assert one.rx_dropped_per_second == pytest.approx(7)
    assert one.tx_dropped_per_second == 0
    assert one.troubles == ("rx drops 7/s",)


def test_what_is_wrong_with_a_node(fakes):
    states = [
        state(
            "n1",
            interface(speed="-1 Mb/s"),
            sync="Failed",
            lastSyncError="no such device",
            annotations={"sriovnetwork.openshift.io/current-state": "Draining"},
        ),
        state("n2", interface(speed=""), sync="InProgress"),
        state("n3", interface(linkAdminState="down")),
    ]
    pods = [pod("n1", 5), pod("n2", 2)]
    first, second, third = sriov_statuses(states, pods, {}, fakes.cluster("edge-1"))
    assert first.troubles == (
        "sync failed: no such device",
        "node Draining",
        "link down",
        "5 VFs asked for, 2 made",
    )
    assert first.link_speed_mbps is None
    assert second.link_up is None
    assert second.troubles == ("sync in progress", "no VF is free")
    assert third.troubles == ("link down",)


def test_pools_by_node(fakes):
    nodes = [
        {
            "metadata": {"name": "n1"},
            "status": {"allocatable": {"openshift.io/fronthaul": "8", "cpu": "4"}},
        },
        {"metadata": {"name": "n2"}, "status": {}},
    ]
    [pool] = sriov_pools(nodes, [pod("n1", 3), pod("n1", 2)], fakes.cluster("edge-1"))
    assert (pool.resource, pool.allocatable, pool.requested) == ("openshift.io/fronthaul", 8, 5)

"""Waste: idle is since when, what is held, what is free, what does not fit; never a guess."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.analysis.gpuhealth_waste import Use, allocated, idle_since, wasted
from aiops_mcp.models.gpu import (
    GPU,
    GpuHolder,
    GPUNode,
    GpuNodeFacts,
    GpuSource,
    MigInstance,
    PodRef,
)
from aiops_mcp.models.gpu_health import WasteKind
from aiops_mcp.models.gpu_timeline import CardTimeline

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
T = NOW.timestamp()
LIMITS = Thresholds()
HOUR = 3600.0


def busy(*percents, uuid="GPU-0", pod="ml/nb-0", slices=None):
    """One sample an hour, the newest now."""
    start = T - HOUR * (len(percents) - 1)
    points = tuple((start + HOUR * i, float(value)) for i, value in enumerate(percents))
    cut = dict.fromkeys(slices or (), points)
    return CardTimeline(uuid, "gpu-1", 0, {"BUSY": points}, {}, cut, ((pod, start, T),))


def card(index=0, pod="nb-0", used=None, **facts):
    ref = PodRef(namespace="ml", pod=pod) if pod else None
    return GPU(
        index=index,
        uuid=f"GPU-{index}",
        name="A100",
        pod=ref,
        memory_used_mb=used,
        memory_total_mb=40_000.0,
        **facts,
    )


def holder(pod="nb-0", amount=1, resource="nvidia.com/gpu", kind="StatefulSet", **facts):
    return GpuHolder(
        namespace="ml",
        pod=pod,
        resources={resource: amount},
        owner_kind=kind,
        owner_name=pod.rsplit("-", 1)[0],
        **facts,
    )


def node(*gpus, holders=(), name="gpu-1", capacity=None, known=True, **facts):
    amounts = {"nvidia.com/gpu": len(gpus)} if capacity is None else capacity
    return GPUNode(
        cluster_id=uuid4(),
        cluster_name="ml-1",
        node_name=name,
        gpus=gpus,
        source=GpuSource.NVIDIA_SMI,
        last_updated=NOW,
        facts=GpuNodeFacts(
            ready=True,
            capacity=amounts,
            allocatable=amounts,
            holders=holders,
            holders_known=known,
            **facts,
        ),
    )


def of(*nodes, **use):
    return wasted(nodes, {"ml-1": Use(**use)}, LIMITS, NOW)


def test_idleness_counts_from_the_last_work():
    points = busy(0, 50, 0, 0, 1).fields["BUSY"]
    assert idle_since(points, 2.0).since == T - 2 * HOUR
    assert idle_since(points, 2.0).at_least is False
    assert idle_since(busy(0, 0).fields["BUSY"], 2.0).at_least is True
    assert idle_since(busy(0, 50).fields["BUSY"], 2.0) is None
    assert idle_since((), 2.0) is None


def test_a_notebook_left_open_holds_memory_and_is_told_with_its_owner():
    [found] = of(node(card(used=30_000.0), holders=(holder(),)), busy={"GPU-0": busy(50, 0, 0, 0)})
    assert found.kind is WasteKind.MEMORY_HELD
    assert (found.gpu_hours, found.at_least) == (2.0, False)
    assert (found.pod, found.owner) == ("ml/nb-0", "ml/StatefulSet/nb")
    assert found.what == "GPU 0: 75 % of its memory held, nothing computed"


def test_without_memory_it_is_idle_and_after_a_short_rest_it_is_nothing():
    one = node(card(used=100.0), holders=(holder(),))
    [found] = of(one, busy={"GPU-0": busy(50, 0, 0)})
    assert found.kind is WasteKind.IDLE
    assert of(one, busy={"GPU-0": busy(50, 0)}) == ()
    assert of(one, busy={"GPU-0": busy(0, 0, 50)}) == ()
    assert of(one) == ()


def test_idleness_before_the_pod_came_is_not_the_pods():
    line = busy(0, 0, 0, 0, 0)
    young = CardTimeline("GPU-0", "gpu-1", 0, line.fields, pods=(("ml/nb-0", T - HOUR, T),))
    [found] = of(node(card(), holders=(holder(),)), busy={"GPU-0": young})
    assert found.gpu_hours == 1.0


def test_a_model_server_is_judged_by_its_requests():
    one = node(card(used=36_000.0), holders=(holder(),))
    idle = {"GPU-0": busy(0, 0, 0)}
    assert of(one, busy=idle, serving={"ml/nb-0": True}) == ()
    [found] = of(one, busy=idle, serving={"ml/nb-0": False})
    assert found.kind is WasteKind.IDLE
    assert "no request" in found.what


def test_what_is_not_attributable_is_no_waste():
    shared = node(
        card(pod=None),
        holders=(holder("a-0"), holder("b-0")),
        capacity={"nvidia.com/gpu": 4},
        sharing="time-slicing",
    )
    assert of(shared, busy={"GPU-0": busy(0, 0, 0)}) == ()
    assert allocated([shared]) == pytest.approx(0.5)


def test_free_cards_are_counted_by_what_pods_ask_for():
    gpus = [card(0), card(1, pod=None), card(2, pod=None)]
    one = node(*gpus, holders=(holder(),))
    [found] = of(one, busy={"GPU-0": busy(90, 90), "GPU-1": busy(90, 0, uuid="GPU-1")})
    assert (found.kind, found.gpus, found.what) == (
        WasteKind.UNALLOCATED,
        2.0,
        "2 of 3 GPUs, no pod asks for them",
    )
    assert (found.gpu_hours, found.at_least) == (0.0, True)
    assert allocated([one]) == 1.0


@pytest.mark.parametrize(
    "facts",
    [
        {"known": False},
        {"sharing": "mps"},
        {"holders": (GpuHolder(namespace="ml", pod="a", claims=("c",)),)},
    ],
)
def test_where_it_cannot_be_counted_nothing_is_called_free(facts):
    assert of(node(card(pod=None), **facts)) == ()


def test_scattered_cards_do_not_make_a_node():
    def part(name, free):
        cards = [card(i, pod=None) for i in range(8)]
        return node(*cards, name=name, holders=(holder("x-0", 8 - free),))

    found = {one.kind: one for one in of(part("a", 3), part("b", 5))}
    assert found[WasteKind.FRAGMENTED].what == (
        "8 free GPUs lie on 2 nodes, at most 5 together: a job of 8 does not fit"
    )
    assert WasteKind.FRAGMENTED not in {one.kind for one in of(part("a", 3), part("b", 4))}
    assert WasteKind.FRAGMENTED not in {one.kind for one in of(part("a", 8), part("b", 5))}


def test_slices_nobody_asks_for_and_slices_that_idle():
    slices = (
        MigInstance(gpu_instance_id=7, profile="3g.20gb", pod=PodRef(namespace="ml", pod="nb-0")),
        MigInstance(gpu_instance_id=8, profile="1g.5gb"),
    )
    capacity = {"nvidia.com/mig-3g.20gb": 1, "nvidia.com/mig-1g.5gb": 1}
    one = node(
        card(pod=None, mig_enabled=True, mig_instances=slices),
        holders=(holder(resource="nvidia.com/mig-3g.20gb"),),
        capacity=capacity,
    )
    found = of(one, busy={"GPU-0": busy(0, 0, 0, slices=("7", "8"))})
    idle, unused = found
    assert (idle.kind, idle.gpus, idle.gpu_hours) == (WasteKind.IDLE, 3 / 7, 0.9)
    assert idle.owner == "ml/StatefulSet/nb"
    assert (unused.kind, unused.gpus) == (WasteKind.MIG_UNUSED, 0.14)
    assert unused.what == "MIG slices that no pod asks for: 1 x 1g.5gb"
    assert allocated([one]) == pytest.approx(3 / 7)

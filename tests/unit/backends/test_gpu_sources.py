"""nvidia-smi and DCGM as one picture."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiops_mcp.backends.gpu_sources import join_sources, same_bus
from aiops_mcp.models.gpu import GPU, GPUNode, GpuSource, MigInstance, NvlinkState, PodRef

NOW = datetime(2026, 3, 4, tzinfo=UTC)
HOLDER = PodRef(namespace="ml", pod="llm-0")


def node(name: str, *gpus: GPU, source: GpuSource = GpuSource.NVIDIA_SMI, **other: Any) -> GPUNode:
    return GPUNode(
        **{"cluster_id": UUID(int=1), "cluster_name": "c", "last_updated": NOW} | other,
        node_name=name,
        gpus=gpus,
        source=source,
    )


def dcgm(name: str, *gpus: GPU, **other: Any) -> GPUNode:
    return node(name, *gpus, source=GpuSource.DCGM, **other)


def test_dcgm_fills_what_nvidia_smi_does_not_know() -> None:
    smi_card = GPU(index=0, uuid="GPU-1", utilization_gpu_percent=0, temperature_celsius=50)
    dcgm_card = GPU(
        index=0,
        uuid="GPU-1",
        utilization_gpu_percent=90,
        temperature_celsius=40,
        xid_errors=(79,),
        pod=HOLDER,
        nvlink=NvlinkState(crc_errors=3),
    )
    other = GPU(index=1, uuid="GPU-2", xid_errors=(13,))
    (joined,) = join_sources([node("a", smi_card)], [dcgm("a", other, dcgm_card)])
    (gpu,) = joined.gpus
    assert joined.source is GpuSource.NVIDIA_SMI
    assert (gpu.utilization_gpu_percent, gpu.temperature_celsius) == (0, 50)
    assert (gpu.xid_errors, gpu.pod) == ((79,), HOLDER)
    assert gpu.nvlink == NvlinkState(crc_errors=3)


def test_no_throttle_reason_now_is_not_filled_with_an_older_one() -> None:
    calm = GPU(index=0, uuid="GPU-1")
    slowed = GPU(index=0, uuid="GPU-1", throttle_reasons=("hw_slowdown",), clock_sm_mhz=300)
    (joined,) = join_sources([node("a", calm)], [dcgm("a", slowed)])
    assert (joined.gpus[0].throttle_reasons, joined.gpus[0].clock_sm_mhz) == ((), 300)


def test_mig_slices_are_matched_by_their_instance() -> None:
    smi_card = GPU(
        index=0,
        uuid="GPU-1",
        mig_instances=(
            MigInstance(index=0, gpu_instance_id=2, uuid="MIG-a", memory_used_mb=5),
            MigInstance(index=1, gpu_instance_id=9, uuid="MIG-b"),
            MigInstance(index=2, uuid="MIG-c"),
        ),
    )
    dcgm_card = GPU(
        index=0,
        uuid="GPU-1",
        mig_instances=(
            MigInstance(gpu_instance_id=9, utilization_percent=70, pod=HOLDER),
            MigInstance(gpu_instance_id=2, memory_used_mb=6, utilization_percent=10),
            MigInstance(utilization_percent=99),
        ),
    )
    (joined,) = join_sources([node("a", smi_card)], [dcgm("a", dcgm_card)])
    first, second, third = joined.gpus[0].mig_instances
    assert (first.uuid, first.memory_used_mb, first.utilization_percent) == ("MIG-a", 5, 10)
    assert (second.uuid, second.utilization_percent, second.pod) == ("MIG-b", 70, HOLDER)
    assert third == MigInstance(index=2, uuid="MIG-c")


def test_a_node_where_nothing_ran_shows_dcgms_cards_and_keeps_its_warning() -> None:
    sick = node("a", warnings=("driver failed",))
    seen = dcgm("a.example.com", GPU(index=0, uuid="GPU-1"), warnings=("old",))
    (joined,) = join_sources([sick], [seen])
    assert (joined.node_name, joined.source) == ("a", GpuSource.DCGM)
    assert joined.warnings == ("driver failed", "old")
    assert [gpu.uuid for gpu in joined.gpus] == ["GPU-1"]


def test_nodes_are_matched_by_name_or_by_their_cards() -> None:
    card, other = GPU(index=0, uuid="GPU-1"), GPU(index=0, uuid="GPU-2")
    nameless = GPU(index=0)
    joined = join_sources(
        [node("b", card), node("a", nameless)],
        [
            dcgm("exporter-xyz", card.model_copy(update={"xid_errors": (48,)})),
            dcgm("c", other),
            dcgm("d", nameless),
            dcgm("b", other, cluster_id=UUID(int=2)),
        ],
    )
    assert [(n.node_name, n.source, n.gpus[0].xid_errors) for n in joined] == [
        ("a", GpuSource.NVIDIA_SMI, ()),
        ("b", GpuSource.NVIDIA_SMI, (48,)),
        ("b", GpuSource.DCGM, ()),
        ("c", GpuSource.DCGM, ()),
        ("d", GpuSource.DCGM, ()),
    ]


def test_bus_ids_of_four_and_of_eight_digits() -> None:
    assert same_bus("00000000:0B:00.0", "0000:0b:00.0")
    assert not same_bus("00000000:0B:00.0", "0000:0c:00.0")
    assert not same_bus(None, None)
    assert not same_bus("0000:0c:00.0", None)

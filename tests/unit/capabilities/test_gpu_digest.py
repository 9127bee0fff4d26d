"""GPUs made small: unknown is a gap and never zero; what is wrong comes first."""

from datetime import UTC, datetime
from uuid import uuid4

from aiops_mcp.capabilities.gpu_digest import digest_gpu_nodes, digest_gpu_processes, troubles
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.gpu import (
    GPU,
    EccCounts,
    GPUNode,
    GpuProcess,
    GpuSource,
    PodRef,
    RowRemapping,
)

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
COVERAGE = Coverage(queried=3, succeeded=3)


def card(index=0, **facts):
    return GPU(index=index, uuid=f"GPU-{index}", name="NVIDIA H100", **facts)


def node(name, *gpus, warnings=()):
    return GPUNode(
        cluster_id=uuid4(),
        cluster_name="spoke-1",
        node_name=name,
        gpus=gpus,
        source=GpuSource.NVIDIA_SMI,
        last_updated=NOW,
        warnings=warnings,
    )


def digest(*nodes, limit=20, start=0, detailed=False):
    return digest_gpu_nodes(
        nodes, COVERAGE, NOW, limit=limit, start=start, call="get_gpu_nodes(", detailed=detailed
    )


def test_means_leave_out_what_is_unknown():
    made = digest(
        node(
            "n1",
            card(
                0,
                utilization_gpu_percent=90.0,
                memory_used_mb=40.0,
                memory_total_mb=80.0,
                power_draw_watts=300.0,
            ),
            card(1, power_draw_watts=100.0, temperature_celsius=61.0),
        )
    )
    row = dict(zip(made.columns, made.rows[0], strict=True))
    assert row["util_%"] == 90
    assert row["memory_%"] == 50
    assert row["power_W"] == 400
    assert row["max_temp_C"] == 61.0
    assert row["trouble"] is None


def test_a_card_that_reports_nothing_shows_gaps():
    row = digest(node("n1", card())).rows[0]
    assert row[4:8] == (None, None, None, None)


def test_nodes_with_trouble_come_first():
    made = digest(
        node("hot", card(temperature_celsius=88.0)),
        node("sick", card(temperature_celsius=40.0, xid_errors=(79,))),
        node("cool", card(temperature_celsius=30.0)),
    )
    assert [row[1] for row in made.rows] == ["sick", "hot", "cool"]
    assert made.headline == "3 GPUs in 3 nodes of 1 clusters; 1 with trouble."
    assert made.rows[0][8] == "gpu 0: last XID 79"


def test_each_trouble_is_named():
    found = troubles(
        card(
            xid_errors=(13, 48),
            recovery_action="GPU Reset",
            ecc=EccCounts(uncorrected_volatile=2),
            row_remapping=RowRemapping(pending=True, failure=True),
            throttle_reasons=("sw_power_cap", "hw_thermal_slowdown"),
            pcie_link_width=8,
            pcie_link_width_max=16,
        )
    )
    assert found == (
        "last XID 13,48",
        "recovery: GPU Reset",
        "2 uncorrected ECC",
        "row remap failed",
        "row remap pending",
        "throttled: hw_thermal_slowdown",
        "PCIe x8 of x16",
    )


def test_a_healthy_card_has_no_trouble():
    assert (
        troubles(
            card(
                recovery_action="None",
                throttle_reasons=("gpu_idle",),
                ecc=EccCounts(uncorrected_volatile=0),
            )
        )
        == ()
    )


def test_detailed_is_a_row_a_card_with_the_pod():
    made = digest(
        node("n1", card(0, pod=PodRef(namespace="ml", pod="train-0")), card(1)),
        detailed=True,
        limit=1,
    )
    assert len(made.rows) == 1
    assert made.rows[0][-2] == "ml/train-0"
    assert "1 more cards" in made.more


def test_no_gpu_nodes_is_said():
    assert digest().headline == "No GPU nodes in the clusters that answered."


def test_a_lost_card_is_not_called_no_trouble():
    made = digest(
        node("n1", card(0), warnings=("GPU 3 is lost to the driver",)), node("n2", card(0))
    )
    assert made.headline == "2 GPUs in 2 nodes of 1 clusters; 1 nodes with warnings."
    assert [row[1] for row in made.rows] == ["n1", "n2"]
    assert made.rows[0][8] == "warnings"


def test_warnings_name_the_node():
    assert digest(node("n1", warnings=("exec refused",))).notes == ("spoke-1/n1: exec refused",)


def test_processes_by_memory():
    processes = (
        GpuProcess(pid=1, process_name="small", used_memory_mb=10.0),
        GpuProcess(pid=2, process_name="big", used_memory_mb=70000.0),
        GpuProcess(pid=3, process_name="unknown"),
    )
    made = digest_gpu_processes(
        [node("n1", card(0, processes=processes))],
        COVERAGE,
        NOW,
        limit=2,
        start=0,
        call="get_gpu_processes(",
    )
    assert [row[4] for row in made.rows] == ["big", "small"]
    assert "1 more processes" in made.more
    none = digest_gpu_processes([], COVERAGE, NOW, limit=2, start=0, call="x(")
    assert none.headline.startswith("No GPU processes")

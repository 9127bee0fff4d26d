"""DCGM's metrics as GPU nodes: old and new names, blanks, MIG, and who holds what."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from aiops_mcp.backends.dcgm import dcgm_query, gpus_from_dcgm
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.gpu import (
    EccCounts,
    GPUNode,
    GpuSource,
    NvlinkState,
    PodRef,
    RetiredPages,
    RowRemapping,
)
from aiops_mcp.models.metrics import Series

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SAMPLED = datetime(2026, 5, 1, 11, 59, 30, tzinfo=UTC)
CLUSTER = Cluster(
    id=UUID(int=5),
    name="gpu-east",
    api_server_url="https://api.gpu-east.example:6443",
    created_at=NOW,
    updated_at=NOW,
)
CARD = {
    "gpu": "0",
    "UUID": "GPU-1",
    "pci_bus_id": "00000000:0B:00.0",
    "device": "nvidia0",
    "modelName": "NVIDIA H100 80GB HBM3",
    "Hostname": "node-a",
    "DCGM_FI_DRIVER_VERSION": "570.124.06",
    "pod": "nvidia-dcgm-exporter-x7z",
    "namespace": "gpu-operator",
    "container": "nvidia-dcgm-exporter",
}


def sample(name: str, value: float | str, **labels: str) -> Series:
    metric = {"__name__": name} | CARD | labels
    kept = {key: text for key, text in metric.items() if text}
    return Series(metric=kept, values=((SAMPLED.timestamp(), str(value)),))


def nodes(*series: Series) -> tuple[GPUNode, ...]:
    return gpus_from_dcgm(series, CLUSTER, now=NOW)


def test_a_card_in_full() -> None:
    (node,) = nodes(
        sample("DCGM_FI_DEV_GPU_UTIL", 97),
        sample("DCGM_FI_DEV_MEM_COPY_UTIL", 40),
        sample("DCGM_FI_DEV_FB_USED", 70000),
        sample("DCGM_FI_DEV_FB_FREE", 11000),
        sample("DCGM_FI_DEV_FB_RESERVED", 559),
        sample("DCGM_FI_DEV_GPU_TEMP", 66),
        sample("DCGM_FI_DEV_MEMORY_TEMP", 71),
        sample("DCGM_FI_DEV_GPU_TEMP_LIMIT", 20),
        sample("DCGM_FI_DEV_POWER_USAGE", 612.5),
        sample("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", 700),
        sample("DCGM_FI_DEV_PSTATE", 0),
        sample("DCGM_FI_DEV_SM_CLOCK", 1755),
        sample("DCGM_FI_DEV_MAX_SM_CLOCK", 1980),
        sample("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", 68),
        sample("DCGM_FI_DEV_XID_ERRORS", 94),
        sample("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", 3),
        sample("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", 1),
        sample("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", 2),
        sample("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", 5),
        sample("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", 6),
        sample("DCGM_FI_DEV_ROW_REMAP_PENDING", 1),
        sample("DCGM_FI_DEV_ROW_REMAP_FAILURE", 0),
        sample("DCGM_FI_DEV_PCIE_LINK_WIDTH", 8),
        sample("DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH", 16),
        sample("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", 4),
        sample("DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", 8),
        sample("DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", 0),
        sample("DCGM_FI_DEV_GET_GPU_RECOVERY_ACTION", 4),
        sample("DCGM_FI_DEV_MIG_MODE", 0),
        sample("up", 1),
    )
    assert (node.cluster_id, node.cluster_name, node.node_name) == (
        CLUSTER.id,
        "gpu-east",
        "node-a",
    )
    assert (node.source, node.last_updated) == (GpuSource.DCGM, SAMPLED)
    (gpu,) = node.gpus
    assert (gpu.index, gpu.uuid, gpu.name) == (0, "GPU-1", "NVIDIA H100 80GB HBM3")
    assert (gpu.driver_version, gpu.pci_bus_id) == ("570.124.06", "00000000:0B:00.0")
    assert (gpu.utilization_gpu_percent, gpu.utilization_memory_percent) == (97, 40)
    assert (gpu.memory_used_mb, gpu.memory_free_mb, gpu.memory_total_mb) == (70000, 11000, 81559)
    assert (gpu.temperature_celsius, gpu.temperature_memory_celsius) == (66, 71)
    assert gpu.temperature_limit_margin_celsius == 20
    assert (gpu.power_draw_watts, gpu.power_limit_watts) == (612.5, 700)
    assert (gpu.performance_state, gpu.clock_sm_mhz, gpu.clock_sm_max_mhz) == ("P0", 1755, 1980)
    assert gpu.throttle_reasons == ("sw_power_cap", "hw_thermal_slowdown")
    assert gpu.xid_errors == (94,)
    assert gpu.ecc == EccCounts(
        corrected_volatile=3, uncorrected_volatile=1, uncorrected_aggregate=2
    )
    assert gpu.row_remapping == RowRemapping(
        correctable=5, uncorrectable=6, pending=True, failure=False
    )
    assert (gpu.pcie_link_width, gpu.pcie_link_width_max, gpu.pcie_link_gen) == (8, 16, None)
    assert gpu.nvlink == NvlinkState(crc_errors=12, recovery_errors=0)
    assert (gpu.recovery_action, gpu.mig_enabled) == ("Drain and Reset", False)
    assert gpu.retired_pages is None
    assert gpu.pod is None  # only the exporter's own pod is in the labels


RENAMED = {
    "GPU_UTIL_RATIO": ("utilization_gpu_percent", 97),
    "GPU_TEMP_CELSIUS": ("temperature_celsius", 97),
    "MEMORY_TEMP_CELSIUS": ("temperature_memory_celsius", 97),
    "BOARD_POWER_WATTS": ("power_draw_watts", 97),
    "BOARD_POWER_LIMIT_ENFORCED_WATTS": ("power_limit_watts", 97),
    "BOARD_POWER_LIMIT_REQUESTED_WATTS": ("power_limit_watts", 97),
    "GPU_PSTATE": ("performance_state", "P97"),
    "CLOCK_THROTTLE_REASONS": (
        "throttle_reasons",
        ("gpu_idle", "sw_thermal_slowdown", "hw_thermal_slowdown"),
    ),
    "XID_ERROR": ("xid_errors", (97,)),
    "ROW_REMAP_CORRECTABLE_TOTAL": ("row_remapping", RowRemapping(correctable=97)),
    "ROW_REMAP_UNCORRECTABLE_TOTAL": ("row_remapping", RowRemapping(uncorrectable=97)),
    "ROW_REMAP_FAILED": ("row_remapping", RowRemapping(failure=True)),
    "PAGE_RETIRED_DBE_TOTAL": ("retired_pages", RetiredPages(double_bit=97)),
    "NVLINK_CRC_FLIT_ERROR_TOTAL": ("nvlink", NvlinkState(crc_errors=97)),
}


@pytest.mark.parametrize("name", RENAMED)
def test_the_names_of_dcgm_4_6(name: str) -> None:
    attribute, value = RENAMED[name]
    gpu = nodes(sample(f"DCGM_FI_DEV_{name}", 97))[0].gpus[0]
    assert getattr(gpu, attribute) == value


def test_one_query_asks_for_every_spelling() -> None:
    query = dcgm_query()
    match = re.fullmatch(r'\{__name__=~"([A-Z0-9_|]+)"\}', query)
    assert match is not None
    names = match.group(1).split("|")
    assert len(names) == len(set(names))
    assert {f"DCGM_FI_DEV_{name}" for name in RENAMED} <= set(names)
    assert {"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE"} <= set(names)
    assert "DCGM_EXP_XID_ERRORS_COUNT" in names


@pytest.mark.parametrize(
    "value",
    [9223372036854775792, 9223372036854775794, 9223372036854775795, 2147483632, 2147483634]
    + [140737488355328.0, 140737488355330.0, "NaN", "+Inf", "-Inf", "soon"],
)
def test_blanks_are_dropped(value: float | str) -> None:
    (node,) = nodes(sample("DCGM_FI_DEV_GPU_TEMP", value), sample("DCGM_FI_DEV_FB_USED", 0))
    assert (node.gpus[0].temperature_celsius, node.gpus[0].memory_used_mb) == (None, 0)
    assert nodes(sample("DCGM_FI_DEV_GPU_TEMP", value)) == ()
    assert nodes(Series(metric={"__name__": "DCGM_FI_DEV_GPU_TEMP"}, values=())) == ()


def test_the_engine_stands_in_for_a_missing_utilization() -> None:
    gpu = nodes(sample("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.425))[0].gpus[0]
    assert gpu.utilization_gpu_percent == 42.5
    gpu = nodes(
        sample("DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", 0.425), sample("DCGM_FI_DEV_GPU_UTIL", 80)
    )[0].gpus[0]
    assert gpu.utilization_gpu_percent == 80


def test_mig_slices_have_their_own_memory_engine_and_pod() -> None:
    first = {"GPU_I_ID": "2", "GPU_I_PROFILE": "3g.40gb"}
    second = {"GPU_I_ID": "9", "GPU_I_PROFILE": "1g.10gb"}
    holder = {"exported_pod": "llm-0", "exported_namespace": "ml", "exported_container": "vllm"}
    (node,) = nodes(
        sample("DCGM_FI_DEV_FB_USED", 11091, **first, **holder),
        sample("DCGM_FI_DEV_FB_FREE", 29357, **first, **holder),
        sample("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, **first, **holder),
        sample("DCGM_FI_DEV_FB_USED", 9, **second),
        sample("DCGM_FI_DEV_GPU_TEMP", 53, **first, **holder),
        sample("DCGM_FI_DEV_GPU_UTIL", 12, **first, **holder),
    )
    (gpu,) = node.gpus
    assert gpu.mig_enabled is True
    assert (gpu.temperature_celsius, gpu.utilization_gpu_percent) == (53, None)
    assert (gpu.memory_used_mb, gpu.pod) == (None, None)
    one, two = gpu.mig_instances
    assert (one.gpu_instance_id, one.profile) == (2, "3g.40gb")
    assert (one.memory_used_mb, one.memory_total_mb, one.utilization_percent) == (11091, 40448, 50)
    assert one.pod == PodRef(namespace="ml", pod="llm-0", container="vllm")
    assert (two.gpu_instance_id, two.memory_used_mb, two.memory_total_mb) == (9, 9, None)
    assert two.pod is None


@pytest.mark.parametrize(
    ("labels", "pod"),
    [
        (
            {"exported_pod": "llm-0", "exported_namespace": "ml", "exported_container": "vllm"},
            PodRef(namespace="ml", pod="llm-0", container="vllm"),
        ),
        (
            {"pod": "llm-0", "namespace": "ml", "container": "vllm"},
            PodRef(namespace="ml", pod="llm-0", container="vllm"),
        ),
        ({"pod": "llm-0", "namespace": "ml", "container": ""}, PodRef(namespace="ml", pod="llm-0")),
        ({}, None),
        ({"pod": "metrics-1", "container": "dcgm"}, None),
        ({"pod": ""}, None),
    ],
)
def test_the_holder_of_a_card(labels: dict[str, str], pod: PodRef | None) -> None:
    assert nodes(sample("DCGM_FI_DEV_GPU_UTIL", 1, **labels))[0].gpus[0].pod == pod


def test_a_shared_card_has_no_single_holder() -> None:
    shared = [
        sample("DCGM_FI_DEV_GPU_UTIL", 1, exported_pod=name, exported_namespace="ml")
        for name in ("a", "b")
    ]
    assert nodes(*shared)[0].gpus[0].pod is None


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"Hostname": "node-b"}, "node-b"),
        ({"Hostname": "", "hostname": "node-c"}, "node-c"),
        ({"Hostname": "nvidia-dcgm-exporter-x7z", "node": "node-d"}, "node-d"),
        ({"Hostname": "nvidia-dcgm-exporter-x7z"}, "nvidia-dcgm-exporter-x7z"),
        ({"Hostname": "my-exporter-1", "pod": "my-exporter-1", "kubernetes_node": "n"}, "n"),
        ({"Hostname": "", "node": "node-e"}, "node-e"),
        ({"Hostname": "", "instance": "10.0.0.7:9400"}, "10.0.0.7"),
        ({"Hostname": ""}, "unknown"),
    ],
)
def test_the_node_of_a_series(labels: dict[str, str], name: str) -> None:
    assert nodes(sample("DCGM_FI_DEV_GPU_UTIL", 1, **labels))[0].node_name == name


def test_nodes_and_cards_are_in_order() -> None:
    found = nodes(
        sample("DCGM_FI_DEV_GPU_UTIL", 2, gpu="1", UUID="GPU-2"),
        sample("DCGM_FI_DEV_GPU_UTIL", 3, gpu="0", UUID="GPU-3", Hostname="node-A"),
        sample("DCGM_FI_DEV_GPU_UTIL", 1, gpu="0", UUID="GPU-1"),
        sample("DCGM_FI_DEV_GPU_UTIL", 9, gpu="x", UUID="", pci_bus_id="0000:1", Hostname="z"),
    )
    assert [(n.node_name, [g.uuid for g in n.gpus]) for n in found] == [
        ("node-A", ["GPU-3"]),
        ("node-a", ["GPU-1", "GPU-2"]),
        ("z", [None]),
    ]


def test_recent_xids_are_listed_once_and_the_last_one_last() -> None:
    gpu = nodes(
        sample("DCGM_FI_DEV_XID_ERRORS", 48),
        sample("DCGM_EXP_XID_ERRORS_COUNT", 2, xid="48"),
        sample("DCGM_EXP_XID_ERRORS_COUNT", 1, xid="63"),
        sample("DCGM_EXP_XID_ERRORS_COUNT", 0, xid="79"),
        sample("DCGM_EXP_XID_ERRORS_COUNT", 1, xid=""),
    )[0].gpus[0]
    assert gpu.xid_errors == (63, 48)
    assert nodes(sample("DCGM_FI_DEV_XID_ERRORS", 0))[0].gpus[0].xid_errors == ()


def test_the_newest_sample_of_a_range_counts() -> None:
    series = sample("DCGM_FI_DEV_GPU_TEMP", 1).model_copy(
        update={"values": ((10.0, "40"), (20.0, "50"))}
    )
    (node,) = nodes(series)
    assert node.gpus[0].temperature_celsius == 50
    assert node.last_updated == datetime.fromtimestamp(20, UTC)
    bare = series.model_copy(update={"values": ((0.0, "40"),)})
    assert nodes(bare)[0].last_updated == NOW

"""Outputs of several drivers and cards, written in their true formats (tests/data/nvidia_smi)."""

from pathlib import Path

import pytest

from aiops_mcp.backends import nvidia_smi as smi
from aiops_mcp.models.gpu import (
    EccCounts,
    GpuProcess,
    GpuProcessType,
    MigInstance,
    RetiredPages,
    RowRemapping,
)

DATA = Path(__file__).parents[2] / "data" / "nvidia_smi"


def recorded(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def test_v100_xml_v11_with_old_ecc_and_retired_pages() -> None:
    report = smi.parse_xml(recorded("v100-470.xml"))
    gpu = report.gpus[0]
    assert (gpu.index, gpu.name) == (0, "Tesla V100-SXM2-32GB")
    assert gpu.uuid == "GPU-3f1c9a20-7d5e-4b1a-9c44-0a1b2c3d4e5f"
    assert (gpu.driver_version, gpu.cuda_version) == ("470.223.02", "11.4")
    assert gpu.pci_bus_id == "00000000:1A:00.0"
    assert (gpu.memory_total_mb, gpu.memory_used_mb, gpu.memory_free_mb) == (32510, 30118, 2392)
    assert (gpu.utilization_gpu_percent, gpu.utilization_memory_percent) == (97, 61)
    assert (gpu.temperature_celsius, gpu.temperature_memory_celsius) == (84, 79)
    assert gpu.temperature_limit_margin_celsius is None
    assert (gpu.power_draw_watts, gpu.power_limit_watts) == (297.41, 290.0)
    assert (gpu.clock_sm_mhz, gpu.clock_sm_max_mhz) == (1245, 1530)
    assert gpu.throttle_reasons == ("sw_power_cap", "hw_slowdown", "hw_thermal_slowdown")
    # the aggregate total is N/A, so its parts are added up
    assert gpu.ecc == EccCounts(
        corrected_volatile=5, uncorrected_volatile=2, uncorrected_aggregate=4
    )
    assert gpu.retired_pages == RetiredPages(single_bit=2, double_bit=1, pending=True)
    assert gpu.row_remapping is None
    assert (gpu.pcie_link_gen, gpu.pcie_link_width, gpu.pcie_link_width_max) == (3, 8, 16)
    assert (gpu.mig_enabled, gpu.mig_instances) == (None, ())
    assert gpu.fan_speed_percent is None
    assert gpu.processes == (
        GpuProcess(
            pid=48211, process_name='python3 train.py --name "a<b" & co', used_memory_mb=30115
        ),
    )


def test_a_lost_card_in_the_xml_has_no_readings_and_one_warning() -> None:
    report = smi.parse_xml(recorded("v100-470.xml"))
    gpu = report.gpus[1]
    assert (gpu.index, gpu.uuid, gpu.name) == (1, None, None)
    assert gpu.pci_bus_id == "00000000:1C:00.0"
    assert (gpu.memory_total_mb, gpu.memory_used_mb, gpu.performance_state) == (None, None, None)
    assert report.warnings == (
        "GPU 1: GPU is lost in place of uuid, memory.total, memory.used and 3 more readings",
        "GPU 1: Unknown Error in place of name",
    )


def test_t4_text_of_an_old_driver() -> None:
    report = smi.parse_text(recorded("t4-525.txt"))
    assert report.warnings == ()
    (gpu,) = report.gpus
    assert (gpu.name, gpu.uuid) == ("Tesla T4", "GPU-9a8b7c6d-1111-4222-8333-444455556666")
    assert (gpu.driver_version, gpu.cuda_version) == ("525.105.17", "12.0")
    assert gpu.pci_bus_id == "00000000:00:1E.0"
    # the framebuffer, not the BAR1 aperture
    assert (gpu.memory_total_mb, gpu.memory_used_mb, gpu.memory_free_mb) == (15360, 2, 14957)
    assert (gpu.utilization_gpu_percent, gpu.utilization_memory_percent) == (3, 0)
    assert gpu.throttle_reasons == ("gpu_idle", "sw_thermal_slowdown")
    assert gpu.ecc == EccCounts(
        corrected_volatile=7, uncorrected_volatile=3, uncorrected_aggregate=7
    )
    assert gpu.retired_pages == RetiredPages(single_bit=0, double_bit=6, pending=False)
    assert (gpu.power_draw_watts, gpu.power_limit_watts) == (9.66, 65.0)
    assert (gpu.pcie_link_gen, gpu.pcie_link_gen_max) == (1, 3)
    assert (gpu.pcie_link_width, gpu.pcie_link_width_max) == (8, 16)
    assert (gpu.clock_sm_mhz, gpu.clock_sm_max_mhz) == (300, 1590)
    assert gpu.temperature_memory_celsius is None
    assert gpu.processes == (
        GpuProcess(
            pid=1377,
            process_name="/usr/lib/xorg/Xorg",
            used_memory_mb=2,
            type=GpuProcessType.GRAPHICS,
        ),
        GpuProcess(pid=2001, process_name="tritonserver: worker", used_memory_mb=None),
    )


def test_a100_mig_xml_v12_joined_with_its_listing() -> None:
    report = smi.parse_xml(recorded("a100-mig-535.xml"))
    report = smi.with_listing(report, smi.parse_listing(recorded("a100-mig-535-list.txt")))
    cut, whole = report.gpus
    assert cut.mig_enabled is True
    assert (cut.utilization_gpu_percent, cut.utilization_memory_percent) == (None, None)
    assert cut.mig_instances == (
        MigInstance(
            index=0,
            gpu_instance_id=1,
            compute_instance_id=0,
            uuid="MIG-bbbbbbbb-0000-5000-8000-000000000001",
            profile="3g.20gb",
            memory_total_mb=19968,
            memory_used_mb=12011,
        ),
        MigInstance(
            index=1,
            gpu_instance_id=5,
            compute_instance_id=0,
            uuid="MIG-bbbbbbbb-0000-5000-8000-000000000002",
            profile="1c.2g.10gb",
            memory_total_mb=9856,
            memory_used_mb=13,
        ),
    )
    assert cut.processes == (
        GpuProcess(
            pid=91011,
            process_name="[Not Found]",
            used_memory_mb=11990,
            gpu_instance_id=1,
            compute_instance_id=0,
        ),
    )
    assert cut.ecc == EccCounts(
        corrected_volatile=3, uncorrected_volatile=1, uncorrected_aggregate=6
    )
    assert cut.row_remapping is None
    assert (cut.recovery_action, whole.recovery_action) == ("Drain and Reset", "None")
    assert (cut.power_draw_watts, cut.power_limit_watts) == (181.22, 400.0)
    assert (cut.fabric_state, cut.temperature_limit_margin_celsius) == (None, None)
    assert whole.mig_enabled is False
    assert whole.mig_instances == ()
    assert whole.row_remapping == RowRemapping(
        correctable=3, uncorrectable=2, pending=True, failure=False
    )
    assert (whole.index, whole.utilization_gpu_percent) == (1, 0)
    assert report.warnings == ()


def test_b200_xml_v13_that_waits_for_a_reset() -> None:
    report = smi.parse_xml(recorded("b200-575.xml"))
    first, second = report.gpus
    assert first.recovery_action == "GPU Reset"
    assert first.ecc == EccCounts(corrected_volatile=10, uncorrected_volatile=7)
    assert first.row_remapping == RowRemapping(pending=True)
    assert first.temperature_limit_margin_celsius == -1
    # the card's own draw, not that of its memory or its module
    assert (first.power_draw_watts, first.power_limit_watts) == (845.55, 1000.0)
    assert first.fabric_state == "In Progress"
    assert second.recovery_action == "None"
    assert second.fabric_state == "Completed (Insufficient Resources)"
    assert (second.power_draw_watts, second.power_limit_watts) == (140.0, 900.0)
    assert second.processes == ()
    assert report.warnings == ("nvidia-smi counts 3 attached GPUs but reports 2",)


def test_p40_csv_with_old_field_names() -> None:
    report = smi.parse_query_gpu(recorded("p40-418.csv"))
    cool, hot = report.gpus
    assert (cool.index, cool.name, cool.temperature_celsius) == (0, "Tesla P40", 41)
    assert (cool.memory_used_mb, cool.memory_total_mb) == (10, 22919)
    assert cool.throttle_reasons == ("gpu_idle",)
    assert cool.power_draw_watts == 50.12
    assert cool.ecc == EccCounts(uncorrected_volatile=0)
    assert cool.fan_speed_percent is None
    assert hot.throttle_reasons == ("hw_slowdown", "sw_thermal_slowdown", "hw_thermal_slowdown")
    assert (hot.power_draw_watts, hot.ecc) == (None, None)
    assert report.warnings == ("GPU 1: Unknown Error in place of power.draw",)


def test_geforce_csv_without_index_or_uuid() -> None:
    report = smi.parse_query_gpu(recorded("rtx3090-550.csv"))
    (gpu,) = report.gpus
    assert (gpu.index, gpu.uuid, gpu.name) == (0, None, "NVIDIA GeForce RTX 3090")
    assert (gpu.memory_used_mb, gpu.utilization_gpu_percent) == (0, 0)  # zeros stay zeros
    assert (gpu.temperature_celsius, gpu.temperature_memory_celsius) == (71, None)
    assert (gpu.power_draw_watts, gpu.power_limit_watts) == (338.9, 350.0)
    assert (gpu.ecc, gpu.mig_enabled, gpu.fabric_state, gpu.recovery_action) == (None,) * 4
    assert gpu.throttle_reasons == ("sw_thermal_slowdown",)
    assert gpu.fan_speed_percent == 61
    assert report.warnings == ()


def test_old_mig_uuids_tell_the_instance_ids() -> None:
    listing = smi.parse_listing(recorded("a30-mig-460-list.txt"))
    (card,) = listing.gpus
    assert (card.index, card.name) == (0, "A30")
    assert [
        (mig.profile, mig.gpu_instance_id, mig.compute_instance_id) for mig in card.mig_devices
    ] == [
        ("1g.6gb", 3, 0),
        ("2g.12gb", 1, 0),
    ]
    report = smi.parse_query_gpu("index, mig.mode.current\n0, Enabled\n")
    joined = smi.with_listing(report, listing).gpus[0]
    assert [(mig.index, mig.gpu_instance_id, mig.profile) for mig in joined.mig_instances] == [
        (0, 3, "1g.6gb"),
        (1, 1, "2g.12gb"),
    ]
    assert joined.mig_instances[0].uuid == "MIG-GPU-c0ffee00-0000-4000-8000-000000000001/3/0"


@pytest.mark.parametrize("name", ["v100-470.xml", "a100-mig-535.xml", "b200-575.xml"])
def test_a_cut_off_document_is_refused(name: str) -> None:
    text = recorded(name)
    with pytest.raises(Exception, match="not complete"):
        smi.parse_xml(text[: len(text) // 2])

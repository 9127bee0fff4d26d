"""-L, nvlink, pmon and dmon, and the log formats' rough edges."""

import pytest

from aiops_mcp.backends import nvidia_smi as smi
from aiops_mcp.errors import BackendMisbehaved
from aiops_mcp.models.gpu import GpuProcessType, NvlinkState

LISTING = """\
GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-1)
  MIG 1g.10gb+me  Device  0: (UUID: MIG-a)
GPU 1: Tesla K80
Unable to determine the device handle for GPU2: 0000:0C:00.0: Unknown Error
"""


def test_a_listing_with_mig_a_card_without_uuid_and_a_lost_one() -> None:
    listing = smi.parse_listing(LISTING)
    assert [(gpu.index, gpu.name, gpu.uuid) for gpu in listing.gpus] == [
        (0, "NVIDIA A100-SXM4-80GB", "GPU-1"),
        (1, "Tesla K80", None),
    ]
    (mig,) = listing.gpus[0].mig_devices
    assert (mig.index, mig.profile, mig.uuid, mig.gpu_instance_id) == (
        0,
        "1g.10gb+me",
        "MIG-a",
        None,
    )
    assert listing.gpus[1].mig_devices == ()
    assert listing.lost == (smi.LostGpu("0000:0C:00.0", "Unknown Error", 2),)
    assert len(listing.warnings) == 1


def test_a_listing_does_not_touch_cards_without_mig() -> None:
    report = smi.parse_query_gpu("index\n0\n1\n5\n")
    joined = smi.with_listing(report, smi.parse_listing(LISTING))
    assert [len(gpu.mig_instances) for gpu in joined.gpus] == [1, 0, 0]
    assert [card.index for card in joined.lost] == [2]
    assert joined.warnings == smi.parse_listing(LISTING).warnings


@pytest.mark.parametrize("text", ["", "hello", "index, name\n0, A10\n"])
def test_other_text_is_no_listing(text: str) -> None:
    with pytest.raises(BackendMisbehaved, match="-L"):
        smi.parse_listing(text)


NVLINK = """\
GPU 0: NVIDIA H100 (UUID: GPU-1)
\t Link 0: 26.562 GB/s
\t Link 1: <inactive>
\t Link 2: 26.562 GB/s
GPU 1: NVIDIA H100 PCIe (UUID: GPU-2)
GPU 2: NVIDIA H100 (UUID: GPU-3)
\t Link 0: <inactive>
"""
NVLINK_ERRORS = """\
GPU 0: NVIDIA H100 (UUID: GPU-1)
\t Link 0: Replay Errors: 1
\t Link 0: Recovery Errors: 2
\t Link 0: CRC Errors: 30

\t Link 1: Replay Errors: 4
\t Link 1: Recovery Errors: 0
\t Link 1: CRC Errors: 500
"""


def test_nvlink_states_and_error_sums() -> None:
    assert smi.parse_nvlink(NVLINK, NVLINK_ERRORS) == {
        0: NvlinkState(
            active_links=2, inactive_links=1, crc_errors=530, replay_errors=5, recovery_errors=2
        ),
        2: NvlinkState(active_links=0, inactive_links=1),
    }
    assert smi.parse_nvlink(NVLINK)[0] == NvlinkState(active_links=2, inactive_links=1)


def test_nvlink_goes_to_its_card() -> None:
    report = smi.parse_query_gpu("index\n0\n1\n")
    joined = smi.with_nvlink(report, smi.parse_nvlink(NVLINK))
    assert joined.gpus[0].nvlink == NvlinkState(active_links=2, inactive_links=1)
    assert joined.gpus[1].nvlink is None


def test_pmon_of_an_old_driver_with_memory_and_an_idle_card() -> None:
    text = (
        "# gpu        pid  type    fb   ccpm    sm   mem   enc   dec   command\n"
        "# Idx          #   C/G    MB     MB     %     %     %     %   name\n"
        "    0       1000     C   512      0    45     3     -     -   my prog\n"
        "    1          -     -     -      -     -     -     -     -   -\n"
        "# gpu        pid  type    fb   ccpm    sm   mem   enc   dec   command\n"
        "    0       1001   C+G     -      0     -     3     -     -   x\n"
    )
    first, second = smi.parse_pmon(text)
    assert (first.gpu_index, first.pid, first.type) == (0, 1000, GpuProcessType.COMPUTE)
    assert (first.memory_mb, first.sm_percent, first.memory_percent) == (512, 45, 3)
    assert first.command == "my prog"
    assert (second.pid, second.type, second.sm_percent) == (1001, GpuProcessType.MIXED, None)


def test_dmon_of_an_old_driver() -> None:
    text = (
        "# gpu   pwr  temp    sm   mem   enc   dec  mclk  pclk\n"
        "# Idx     W     C     %     %     %     %   MHz   MHz\n"
        "    0    70    41     -     5     0     0  2619  1980\n"
        "    x    70    41     -     5     0     0  2619  1980\n"
    )
    (sample,) = smi.parse_dmon(text)
    assert (sample.power_watts, sample.temperature_celsius, sample.sm_percent) == (70, 41, None)
    assert (sample.memory_clock_mhz, sample.sm_clock_mhz, sample.memory_percent) == (2619, 1980, 5)
    assert sample.memory_temperature_celsius is None


@pytest.mark.parametrize("parse", [smi.parse_pmon, smi.parse_dmon])
def test_monitors_without_a_header_are_refused(parse: object) -> None:
    with pytest.raises(BackendMisbehaved, match="mon"):
        parse("    0  1  2\n")  # type: ignore[operator]


def test_text_that_is_no_log_is_refused() -> None:
    with pytest.raises(BackendMisbehaved, match="-q"):
        smi.parse_text("hello\nworld : 1\n")
    with pytest.raises(BackendMisbehaved, match="not complete"):
        smi.parse_xml("<html></html>")


def test_a_part_of_the_log_is_a_part_of_the_card() -> None:
    text = (
        "==============NVSMI LOG==============\n\nAttached GPUs : 1\n"
        "GPU 00000000:0B:00.0\n    FB Memory Usage\n        Total : 10 MiB\n        Used :\n"
    )
    (gpu,) = smi.parse_text(text).gpus
    assert (gpu.memory_total_mb, gpu.memory_used_mb, gpu.name) == (10, None, None)
    assert gpu.pci_bus_id == "00000000:0B:00.0"


def test_xml_keeps_messages_around_it_and_drops_its_dtd() -> None:
    text = (
        "Unable to determine the device handle for GPU1: 0000:0C:00.0: Unknown Error\n"
        '<?xml version="1.0" ?>\n'
        '<!DOCTYPE nvidia_smi_log [<!ENTITY x "boom">]>\n'
        "<nvidia_smi_log><attached_gpus>2</attached_gpus>"
        '<gpu id="00000000:0B:00.0"><product_name>A\x01B</product_name></gpu></nvidia_smi_log>\n'
        "WARNING: infoROM is corrupted at gpu 0000:0B:00.0\n"
    )
    report = smi.parse_xml(text)
    assert [gpu.name for gpu in report.gpus] == ["AB"]
    assert [card.index for card in report.lost] == [1]
    assert report.warnings == (
        str(report.lost[0]),
        "WARNING: infoROM is corrupted at gpu 0000:0B:00.0",
    )


def test_broken_xml_is_refused() -> None:
    with pytest.raises(BackendMisbehaved, match="cannot be parsed"):
        smi.parse_xml("<nvidia_smi_log><gpu></nvidia_smi_log>")
    with pytest.raises(BackendMisbehaved, match="cannot be parsed"):
        smi.parse_xml("<nvidia_smi_log>&boom;<<</nvidia_smi_log>")


def test_odd_process_entries_are_left_out_or_named() -> None:
    text = (
        "<nvidia_smi_log><gpu><processes>"
        "<process_info><pid>N/A</pid></process_info>"
        "<process_info><pid>7</pid><type>X</type></process_info>"
        "</processes></gpu></nvidia_smi_log>"
    )
    (process,) = smi.parse_xml(text).gpus[0].processes
    assert (process.pid, process.process_name) == (7, "[Unknown]")
    assert process.type is GpuProcessType.COMPUTE


def test_the_recovery_action_stands_over_the_older_reset_status() -> None:
    status = "<gpu_reset_status><reset_required>Yes</reset_required></gpu_reset_status>"
    action = "<gpu_recovery_action>Node Reboot</gpu_recovery_action>"
    text = "<nvidia_smi_log><gpu>{}</gpu><gpu>{}</gpu></nvidia_smi_log>"
    newer, older = smi.parse_xml(text.format(status + action, status)).gpus
    assert (newer.recovery_action, older.recovery_action) == ("Node Reboot", "GPU Reset")

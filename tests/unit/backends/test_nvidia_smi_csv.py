"""CSV: header or none, units or none, any fields; and what stands in place of data."""

import pytest

from aiops_mcp.backends import nvidia_smi as smi
from aiops_mcp.errors import BackendMisbehaved
from aiops_mcp.models.gpu import GpuProcess, RetiredPages, RowRemapping

FIELDS = ("index", "gpu_name", "memory.used", "clocks_throttle_reasons.active", "remapped_rows.dbe")
ROW = "1, NVIDIA A10, 5 MiB, 0x0000000000000004, 2"


@pytest.mark.parametrize(
    "text",
    [
        f"{ROW}\n",
        "1, NVIDIA A10, 5, 0x0000000000000004, 2\n",
        "1,NVIDIA A10,5,0x0000000000000004,2",
        f"\r\n{ROW}\r\n",
        "index, name, memory.used [MiB], clocks_event_reasons.active, remapped_rows.uncorrectable\n"
        + ROW,
        "index, gpu_name, memory.used [MiB], clocks_throttle_reasons.active, remapped_rows.dbe\n"
        + ROW,
    ],
)
def test_all_shapes_of_the_same_row(text: str) -> None:
    report = smi.parse_query_gpu(text, FIELDS)
    (gpu,) = report.gpus
    assert (gpu.index, gpu.name, gpu.memory_used_mb) == (1, "NVIDIA A10", 5)
    assert gpu.throttle_reasons == ("sw_power_cap",)
    assert gpu.row_remapping == RowRemapping(uncorrectable=2)
    assert gpu.temperature_celsius is None
    assert report.warnings == ()


def test_a_header_may_spell_a_field_otherwise() -> None:
    report = smi.parse_query_gpu(
        "index, inforom.img, temperature.gpu\n0, G520, 40\n",
        ("index", "inforom.image", "temperature.gpu"),
    )
    assert [(gpu.index, gpu.temperature_celsius) for gpu in report.gpus] == [(0, 40)]


def test_a_row_of_lower_case_words_is_no_header() -> None:
    apps, _ = smi.parse_compute_apps("train.py, 7\n", ("process_name", "pid"))
    assert [app.process.process_name for app in apps] == ["train.py"]


def test_a_header_that_repeats_in_a_loop_is_no_card() -> None:
    text = "index, temperature.gpu\n0, 40\nindex, temperature.gpu\n1, 41\n"
    assert [gpu.temperature_celsius for gpu in smi.parse_query_gpu(text).gpus] == [40, 41]


def test_the_place_is_the_index_where_it_was_not_asked_for() -> None:
    report = smi.parse_query_gpu("temperature.gpu\n40\n41\n")
    assert [(gpu.index, gpu.temperature_celsius) for gpu in report.gpus] == [(0, 40), (1, 41)]


@pytest.mark.parametrize(
    ("row", "draw"),
    [
        ("200.00, 100.00, 150.00", 200.0),
        ("[N/A], 100.00, 150.00", 100.0),
        ("[N/A], [N/A], 150.00", 150.0),
        ("[N/A], [Not Supported], [N/A]", None),
    ],
)
def test_the_instant_draw_is_preferred(row: str, draw: float | None) -> None:
    header = "power.draw.instant [W], power.draw [W], power.draw.average [W]\n"
    assert smi.parse_query_gpu(header + row).gpus[0].power_draw_watts == draw


def test_the_enforced_limit_is_preferred() -> None:
    gpu = smi.parse_query_gpu("power.limit [W], enforced.power.limit [W]\n300.00, 250.00").gpus[0]
    assert gpu.power_limit_watts == 250
    gpu = smi.parse_query_gpu("power.limit [W], enforced.power.limit [W]\n300.00, [N/A]").gpus[0]
    assert gpu.power_limit_watts == 300


def test_a_comma_in_a_name_stays_in_the_name() -> None:
    report = smi.parse_query_gpu("index, name, temperature.gpu\n0, Card, rev. B, 40\n")
    assert (report.gpus[0].name, report.gpus[0].temperature_celsius) == ("Card, rev. B", 40)
    assert report.warnings == ()


def test_a_short_row_under_a_header_keeps_what_it_has() -> None:
    report = smi.parse_query_gpu("index, temperature.gpu, pstate\n0, 40\n")
    assert (report.gpus[0].temperature_celsius, report.gpus[0].performance_state) == (40, None)
    assert report.warnings == ("GPU 0: its row has not as many cells as fields",)


def test_retired_pages_and_the_recovery_action() -> None:
    text = (
        "retired_pages.sbe, retired_pages.dbe, retired_pages.pending, gpu_recovery_action\n"
        "1, 2, Yes, Reset\n3, 4, No, None\n"
    )
    first, second = smi.parse_query_gpu(text).gpus
    assert first.retired_pages == RetiredPages(single_bit=1, double_bit=2, pending=True)
    assert (first.recovery_action, second.recovery_action) == ("GPU Reset", "None")


def test_single_reason_fields_and_the_mask_are_one_list() -> None:
    text = (
        "clocks_event_reasons.active, clocks_event_reasons.hw_thermal_slowdown, "
        "clocks_event_reasons.sw_power_cap\n0x0000000000000008, Active, Not Active\n"
    )
    assert smi.parse_query_gpu(text).gpus[0].throttle_reasons == (
        "hw_slowdown",
        "hw_thermal_slowdown",
    )


LOST = [
    (
        "Unable to determine the device handle for GPU 0000:0B:00.0: Unknown Error",
        None,
        "0000:0B:00.0",
    ),
    (
        "Unable to determine the device handle for GPU0000:65:00.0: Unknown Error",
        None,
        "0000:65:00.0",
    ),
    (
        "Unable to determine the device handle for GPU1: 0000:0A:00.0: Unknown Error",
        1,
        "0000:0A:00.0",
    ),
    (
        (
            "Unable to determine the device handle for gpu 0000:03:00.0: "
            "GPU is lost.  Reboot the system to recover this GPU"
        ),
        None,
        "0000:03:00.0",
    ),
    ("Unable to detect the device handle for GPU0000:B1:00.0: Unknown Error", None, "0000:B1:00.0"),
]


@pytest.mark.parametrize(("line", "index", "bus"), LOST)
def test_a_card_off_the_bus_is_data(line: str, index: int | None, bus: str) -> None:
    report = smi.parse_query_gpu(f"index, temperature.gpu\n0, 40\n{line}\n2, 41\n")
    assert [gpu.index for gpu in report.gpus] == [0, 2]
    (lost,) = report.lost
    assert (lost.index, lost.pci_bus_id) == (index, bus)
    (warning,) = report.warnings
    assert bus in warning
    assert "fallen off the bus" in warning
    assert ("GPU 1" in warning) is (index == 1)


@pytest.mark.parametrize(("line", "index", "bus"), LOST)
def test_a_lost_card_alone_is_no_error(line: str, index: int | None, bus: str) -> None:
    for parse in (smi.parse_query_gpu, smi.parse_xml, smi.parse_text):
        report = parse(line + "\n")
        assert report.gpus == ()
        assert report.lost == (smi.LostGpu(bus, report.lost[0].reason, index),)
    assert smi.parse_listing(line).lost[0].pci_bus_id == bus
    both = smi.parse_query_gpu(f"{line}\nNo devices were found\n")
    assert (both.gpus, len(both.lost)) == ((), 1)


def test_a_notice_beside_the_data_is_a_warning() -> None:
    text = "index, temperature.gpu\n0, 40\nWARNING: infoROM is corrupted at gpu 0000:3B:00.0\n"
    report = smi.parse_query_gpu(text)
    assert [gpu.temperature_celsius for gpu in report.gpus] == [40]
    assert report.warnings == ("WARNING: infoROM is corrupted at gpu 0000:3B:00.0",)


FAILURES = [
    (
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
        "Make sure that the latest NVIDIA driver is installed and running."
    ),
    "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.161",
    "Failed to initialize NVML: Unknown Error",
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.",
    "No devices were found",
    "No devices found.",
    "sh: 1: nvidia-smi: not found",
    "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.",
]


@pytest.mark.parametrize("text", FAILURES)
def test_a_failure_is_an_error_in_its_own_words(text: str) -> None:
    for parse in (smi.parse_query_gpu, smi.parse_xml, smi.parse_text, smi.parse_listing):
        with pytest.raises(smi.NvidiaSmiFailed) as caught:
            parse(text + "\n")
        assert caught.value.hint
        assert "nvidia-smi" in caught.value.message
        assert not isinstance(caught.value, smi.UnknownField)


def test_a_version_mismatch_wants_a_reboot() -> None:
    with pytest.raises(smi.NvidiaSmiFailed, match="version mismatch.*reboot"):
        smi.parse_query_gpu("Failed to initialize NVML: Driver/library version mismatch\n")


def test_an_unknown_field_is_named() -> None:
    text = 'Field "gpu_recovery_action" is not a valid field to query.\n\n'
    assert smi.unknown_field(text) == "gpu_recovery_action"
    assert smi.unknown_field("0, 40") is None
    with pytest.raises(smi.UnknownField) as caught:
        smi.parse_query_gpu(text)
    assert caught.value.field == "gpu_recovery_action"
    assert caught.value.details == {"field": "gpu_recovery_action"}


@pytest.mark.parametrize(
    "text", ["<html><body>Bad gateway</body></html>", "0, NVIDIA A10, 40", "{}", "GPU 0: A10"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(BackendMisbehaved):
        smi.parse_query_gpu(text)


def test_other_text_is_refused_without_a_header_too() -> None:
    with pytest.raises(BackendMisbehaved, match="with 5 fields"):
        smi.parse_query_gpu("<html>Bad gateway</html>", FIELDS)


def test_no_rows_are_no_cards() -> None:
    assert smi.parse_query_gpu("").gpus == ()
    assert smi.parse_query_gpu("index, name\n").gpus == ()


def test_compute_apps_with_commas_and_blanks() -> None:
    text = (
        "gpu_uuid, pid, process_name, used_gpu_memory [MiB]\n"
        "GPU-1, 10, python, -m train, --lr 1,0, 500 MiB\n"
        "GPU-1, 11, [Not Found], [N/A]\n"
        "GPU-2, 12, [Insufficient Permissions], [Insufficient Permissions]\n"
    )
    apps, warnings = smi.parse_compute_apps(text)
    assert [app.gpu_uuid for app in apps] == ["GPU-1", "GPU-1", "GPU-2"]
    assert [app.process for app in apps] == [
        GpuProcess(pid=10, process_name="python, -m train, --lr 1,0", used_memory_mb=500),
        GpuProcess(pid=11, process_name="[Not Found]"),
        GpuProcess(pid=12, process_name="[Insufficient Permissions]"),
    ]
    assert warnings == ("compute apps: Insufficient Permissions in place of used_gpu_memory of 12",)


def test_compute_apps_without_header_under_their_second_names() -> None:
    apps, _ = smi.parse_compute_apps(
        "10, 00000000:0B:00.0, 7\nx, y, z\n", ("pid", "gpu_bus_id", "used_memory")
    )
    assert len(apps) == 1
    assert (apps[0].pci_bus_id, apps[0].process.used_memory_mb) == ("00000000:0B:00.0", 7)
    assert apps[0].process.process_name == "[Unknown]"
    assert smi.parse_compute_apps("") == ((), ())


def test_compute_apps_join_their_card_by_uuid_or_bus() -> None:
    report = smi.parse_query_gpu(
        "index, uuid, pci.bus_id\n0, GPU-1, 00000000:0A:00.0\n1, [N/A], 00000000:0B:00.0\n"
    )
    apps, _ = smi.parse_compute_apps(
        "gpu_uuid, gpu_bus_id, pid, process_name\n"
        "GPU-1, 00000000:0A:00.0, 1, a\n[N/A], 0000:0B:00.0, 2, b\nGPU-9, [N/A], 3, c\n"
    )
    first, second = smi.with_compute_apps(report, apps).gpus
    assert [process.pid for process in first.processes] == [1]
    assert [process.pid for process in second.processes] == [2]


def test_the_query_plan_gets_shorter_and_older() -> None:
    plan = smi.query_plan()
    assert [len(fields) for fields in plan] == sorted((len(f) for f in plan), reverse=True)
    assert "gpu_recovery_action" in plan[0]
    assert "clocks_event_reasons.active" in plan[0]
    assert not any(field.startswith("clocks_event") for field in plan[-1])
    assert "clocks_throttle_reasons.active" in plan[-1]
    for fields in plan:
        assert {"index", "uuid", "name", "pci.bus_id", "temperature.gpu"} <= set(fields)
        assert len(set(fields)) == len(fields)
    assert smi.query_plan(560) == plan[1:]
    assert smi.query_plan(535) == plan[2:]
    assert smi.query_plan(418) == plan[3:]
    assert smi.query_plan(595) == plan


def test_commands() -> None:
    assert smi.query_command(("index", "name")) == (
        "nvidia-smi",
        "--query-gpu=index,name",
        "--format=csv,nounits",
    )
    assert smi.compute_apps_command()[1].startswith("--query-compute-apps=gpu_uuid,pid,")


def test_merged_reports_fill_gaps_and_keep_readings() -> None:
    query = smi.parse_query_gpu(
        "index, uuid, pci.bus_id, temperature.gpu, utilization.gpu [%]\n"
        "0, GPU-1, 00000000:0A:00.0, 40, [N/A]\n3, GPU-4, 00000000:0D:00.0, 44, 7\n"
    )
    log = smi.parse_query_gpu(
        "index, uuid, pci.bus_id, temperature.gpu, utilization.gpu [%], pstate\n"
        "0, GPU-9, 00000000:0E:00.0, 50, 1, P5\n0, GPU-1, 00000000:0A:00.0, 41, 2, P2\n"
    )
    merged = smi.merge_reports(query, log)
    assert [
        (g.uuid, g.temperature_celsius, g.utilization_gpu_percent, g.performance_state)
        for g in merged.gpus
    ] == [("GPU-1", 40, 2, "P2"), ("GPU-4", 44, 7, None), ("GPU-9", 50, 1, "P5")]


def test_cards_merge_by_bus_id_and_else_by_index() -> None:
    one = smi.parse_query_gpu(
        "index, uuid, pci.bus_id\n0, [N/A], 00000000:0A:00.0\n1, [N/A], [N/A]\n"
    )
    other = smi.parse_query_gpu(
        "index, uuid, pci.bus_id, pstate\n5, GPU-5, 0000:0A:00.0, P2\n1, GPU-6, [N/A], P8\n"
    )
    merged = smi.merge_reports(one, other)
    assert [(g.index, g.uuid, g.performance_state) for g in merged.gpus] == [
        (0, "GPU-5", "P2"),
        (1, "GPU-6", "P8"),
    ]


@pytest.mark.parametrize(
    ("second_name", "attribute"),
    [
        ("gpu.power.current_limit", "power_limit_watts"),
        ("gpu.power.requested_limit", "power_limit_watts"),
        ("gpu.power.draw.instant", "power_draw_watts"),
        ("gpu.power.draw.average", "power_draw_watts"),
        ("clocks.sm", "clock_sm_mhz"),
    ],
)
def test_second_names_of_fields(second_name: str, attribute: str) -> None:
    gpu = smi.parse_query_gpu("12.50\n", (second_name,)).gpus[0]
    assert getattr(gpu, attribute) == 12.5

"""The simulated nvidia-smi: command line, exit codes and texts as the real program's."""

from datetime import UTC, datetime

import pytest

from aiops_mcp.simulation.nvidia_smi import (
    SimulatedDriver,
    SimulatedGpu,
    SimulatedMigDevice,
    SimulatedProcess,
    driver_failure,
    run_nvidia_smi,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, 891000, tzinfo=UTC)
BUSY = SimulatedGpu(
    index=0,
    uuid="GPU-1",
    name="NVIDIA H100 80GB HBM3",
    pci_bus_id="00000000:0B:00.0",
    memory_total_mb=81559,
    memory_used_mb=70000,
    memory_reserved_mb=559,
    utilization_gpu=99,
    power_draw=612.5,
    power_limit=700,
    nvlink_links=3,
    nvlink_inactive=1,
    nvlink_crc_errors=7,
    processes=(SimulatedProcess(4711, "/usr/bin/python", 69000, sm_percent=98),),
)
CUT = SimulatedGpu(
    index=1,
    uuid="GPU-2",
    name="NVIDIA H100 80GB HBM3",
    pci_bus_id="00000000:0C:00.0",
    memory_total_mb=81559,
    mig_enabled=True,
    mig_devices=(SimulatedMigDevice(2, "3g.40gb", "MIG-1", 40448, 5),),
    processes=(SimulatedProcess(4712, "trainer", None, gpu_instance_id=2, compute_instance_id=0),),
)
LOST = SimulatedGpu(2, "GPU-3", "NVIDIA H100 80GB HBM3", "00000000:0D:00.0", 81559, lost=True)
NODE = SimulatedDriver((BUSY, CUT, LOST))
LOST_LINE = "Unable to determine the device handle for GPU2: 0000:0D:00.0: Unknown Error"


def run(*arguments: str, driver: SimulatedDriver = NODE) -> tuple[str, int]:
    output = run_nvidia_smi(driver, arguments, NOW)
    return output.stdout, output.exit_code


def test_query_with_units_and_blanks() -> None:
    fields = (
        "timestamp,index,gpu_name,memory.free,utilization.gpu,power.draw,temperature.memory,count"
    )
    assert run(f"--query-gpu={fields}", "--format=csv") == (
        (
            "timestamp, index, name, memory.free [MiB], utilization.gpu [%], power.draw [W], "
            "temperature.memory, count\n"
            "2026/03/04 05:06:07.891, 0, NVIDIA H100 80GB HBM3, 11000 MiB, 99 %, 612.50 W, N/A, 3\n"
            "2026/03/04 05:06:07.891, 1, NVIDIA H100 80GB HBM3, 81559 MiB, [N/A], 50.00 W, N/A, 3\n"
            f"{LOST_LINE}\n"
        ),
        0,
    )


def test_query_without_header_and_units_of_one_card() -> None:
    text = run("--query-gpu=power.limit,display_mode", "--format=csv,noheader,nounits", "-i", "0")
    assert text == ("700.00, [Requested functionality has been deprecated]\n", 0)
    assert run("-L", "--id=0000:0C:00.0")[0].startswith("GPU 1: ")
    assert run("-L", "-i", "7") == ("No devices were found\n", 6)


@pytest.mark.parametrize(
    ("version", "field", "known"),
    [
        ("470.223.02", "clocks_event_reasons.active", False),
        ("470.223.02", "clocks_throttle_reasons.active", True),
        ("550.90.07", "clocks_event_reasons.active", True),
        ("550.90.07", "clocks_throttle_reasons.active", True),
        ("550.90.07", "gpu_recovery_action", False),
        ("590.48.01", "gpu_recovery_action", True),
        ("590.48.01", "no.such.field", False),
        ("418.67", "remapped_rows.pending", False),
        ("525.105.17", "power.draw.instant", False),
    ],
)
def test_fields_by_driver(version: str, field: str, known: bool) -> None:
    driver = SimulatedDriver((BUSY,), version)
    text, code = run(f"--query-gpu=index,{field}", "--format=csv", driver=driver)
    if known:
        assert code == 0
        name = field if driver.major < 535 else field.replace("_throttle_", "_event_")
        assert text.splitlines()[0] == f"index, {name}"
    else:
        assert (text, code) == (f'Field "{field}" is not a valid field to query.\n\n', 2)


def test_compute_apps() -> None:
    arguments = "--query-compute-apps=gpu_uuid,pid,name,used_memory"
    assert run(arguments, "--format=csv") == (
        (
            "gpu_uuid, pid, process_name, used_gpu_memory [MiB]\n"
            "GPU-1, 4711, /usr/bin/python, 69000 MiB\n"
            "GPU-2, 4712, trainer, [N/A]\n"
        ),
        0,
    )
    idle = SimulatedDriver((LOST, SimulatedGpu(0, "GPU-9", "L4", "00000000:0E:00.0", 100)))
    assert run(arguments, "--format=csv,noheader", driver=idle) == ("", 0)
    assert run("--query-compute-apps=gpu_uuid,cpu", "--format=csv")[1] == 2
    assert "timestamp" in run("--query-compute-apps=timestamp,pid", "--format=csv")[0]


def test_failures() -> None:
    failed = SimulatedDriver((BUSY,), failure=driver_failure())
    assert run("-L", driver=failed) == (driver_failure(), 9)
    assert run("-L", driver=SimulatedDriver(())) == ("No devices were found\n", 6)
    text, code = run("--reset-everything")
    assert (code, "--reset-everything" in text) == (2, True)
    assert run("-L", driver=SimulatedDriver((LOST,))) == (f"{LOST_LINE}\n", 15)


def test_the_listing_and_the_version() -> None:
    assert run("-L") == (
        (
            "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\n"
            "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-2)\n"
            "  MIG 3g.40gb     Device  0: (UUID: MIG-1)\n"
            f"{LOST_LINE}\n"
        ),
        0,
    )
    assert "DRIVER version      : 570.124.06\n" in run("--version")[0]


def test_nvlink() -> None:
    status, _ = run("nvlink", "-s")
    assert status == (
        "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\n"
        "\t Link 0: 26.562 GB/s\n\t Link 1: 26.562 GB/s\n\t Link 2: <inactive>\n"
        "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-2)\n"
    )
    assert "\t Link 0: CRC Errors: 7\n" in run("nvlink", "-e")[0]
    assert "\t Link 1: CRC Errors: 0\n" in run("nvlink", "-e")[0]


def test_the_table_shows_cards_slices_and_processes() -> None:
    text, code = run()
    lines = text.splitlines()
    assert code == 0
    assert lines[0] == LOST_LINE
    assert "Driver Version: 570.124.06" in text
    assert len({len(line) for line in lines if line.startswith(("|", "+"))}) == 1
    assert any("70000MiB /  81559MiB" in line and "99%" in line for line in lines)
    assert any("3g.40gb" in line for line in lines)
    assert any("4711" in line and "69000MiB" in line for line in lines)
    alone = run(driver=SimulatedDriver((SimulatedGpu(0, "G", "L4", "00000000:0E:00.0", 9),)))
    assert "No running processes found" in alone[0]
    assert "MIG devices" not in alone[0]


def test_monitors() -> None:
    pmon, dmon = run("pmon", "-c", "1")[0], run("dmon", "-c", "1")[0]
    assert pmon.splitlines()[2].split() == ["0", "4711", "C", "98", *"-----", "python"]
    assert pmon.splitlines()[3].split()[:4] == ["1", "4712", "C", "-"]
    assert dmon.splitlines()[2].split()[:6] == ["0", "612", "35", "-", "99", "0"]
    assert dmon.splitlines()[3].split()[4:6] == ["-", "-"]


@pytest.mark.parametrize(
    ("version", "schema"), [("525.105.17", "v11"), ("535.161.08", "v12"), ("590.48.01", "v13")]
)
def test_the_xml_names_its_schema(version: str, schema: str) -> None:
    text, _ = run("-q", "-x", driver=SimulatedDriver((BUSY,), version))
    assert f"nvsmi_device_{schema}.dtd" in text
    assert ("<power_readings>" in text) is (schema == "v11")
    assert ("<instant_power_draw>" in text) is (schema == "v13")
    assert ("<gpu_reset_status>" in text) is (schema == "v12")


def test_free_memory_is_never_negative() -> None:
    full = SimulatedGpu(
        0, "G", "L4", "00000000:0E:00.0", 100, memory_used_mb=99, memory_reserved_mb=9
    )
    text = run("--query-gpu=memory.free", "--format=csv,noheader", driver=SimulatedDriver((full,)))
    assert text == ("0 MiB\n", 0)
    assert "<free>0 MiB</free>" in run("-q", "-x", driver=SimulatedDriver((full,)))[0]

"""``nvidia-smi -q``, as text and as XML: one description of the log, two ways to write it.

The element names follow nvsmi_device_v11.dtd (to driver 525), v12 (530 on) and v13 (570 on).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from aiops_mcp.simulation.nvidia_smi_state import (
    SimulatedDriver,
    SimulatedGpu,
    SimulatedMigDevice,
    SimulatedProcess,
    lost_line,
)

_NA = "N/A"


@dataclass(frozen=True)
class _Entry:
    """A line of the log: its XML tag, its text label, and a value or the entries below it."""

    tag: str
    label: str
    value: str | None = None
    below: tuple["_Entry", ...] = ()


def _leaf(tag: str, label: str, value: object, unit: str = "") -> _Entry:
    text = _NA if value is None else f"{value} {unit}".rstrip()
    return _Entry(tag, label, text)


def _group(tag: str, label: str, *below: _Entry) -> _Entry:
    return _Entry(tag, label, None, below)


def schema_version(driver: SimulatedDriver) -> int:
    """The nvsmi_device DTD's version that this driver writes: 11, 12 or 13."""
    return 11 if driver.major < 530 else 12 if driver.major < 570 else 13


def render_xml(driver: SimulatedDriver, now: datetime) -> str:
    """``nvidia-smi -q -x``; the line of a lost card stands before the document, as on stdout."""
    gpus = driver.answering
    lines = [lost_line(gpu) for gpu in driver.gpus if gpu.lost]
    lines += [
        '<?xml version="1.0" ?>',
        f'<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v{schema_version(driver)}.dtd">',
        "<nvidia_smi_log>",
    ]
    for entry in _preamble(driver, now):
        lines += _xml_lines(entry, 1)
    for gpu in gpus:
        lines.append(f'\t<gpu id="{gpu.pci_bus_id}">')
        for entry in _card(driver, gpu):
            lines += _xml_lines(entry, 2)
        lines.append("\t</gpu>")
    return "\n".join([*lines, "</nvidia_smi_log>"]) + "\n"


def render_text(driver: SimulatedDriver, now: datetime) -> str:
    """``nvidia-smi -q``."""
    lines = [lost_line(gpu) for gpu in driver.gpus if gpu.lost]
    lines += ["", "==============NVSMI LOG==============", ""]
    for entry in _preamble(driver, now):
        if entry.tag == "attached_gpus":
            lines.append("")
        lines += _text_lines(entry, 0)
    for gpu in driver.answering:
        lines.append(f"GPU {gpu.pci_bus_id}")
        for entry in _card(driver, gpu):
            lines += _text_lines(entry, 1)
        lines.append("")
    return "\n".join(lines) + "\n"


def _xml_lines(entry: _Entry, depth: int) -> list[str]:
    indent = "\t" * depth
    if entry.value is not None and not entry.below:
        return [f"{indent}<{entry.tag}>{escape(entry.value)}</{entry.tag}>"]
    inner = [line for below in entry.below for line in _xml_lines(below, depth + 1)]
    return [f"{indent}<{entry.tag}>", *inner, f"{indent}</{entry.tag}>"]


def _text_lines(entry: _Entry, depth: int) -> list[str]:
    if entry.label == "":
        return [line for below in entry.below for line in _text_lines(below, depth)]
    indent = " " * (4 * depth)
    if entry.value is None:
        lines = [f"{indent}{entry.label}"]
    else:
        lines = [f"{indent}{entry.label}".ljust(55) + f": {entry.value}"]
    return lines + [line for below in entry.below for line in _text_lines(below, depth + 1)]


def _preamble(driver: SimulatedDriver, now: datetime) -> list[_Entry]:
    return [
        _leaf("timestamp", "Timestamp", now.strftime("%a %b %e %H:%M:%S %Y")),
        _leaf("driver_version", "Driver Version", driver.driver_version),
        _leaf("cuda_version", "CUDA Version", driver.cuda_version),
        _leaf("attached_gpus", "Attached GPUs", len(driver.gpus)),
    ]


def _card(driver: SimulatedDriver, gpu: SimulatedGpu) -> Iterable[_Entry]:
    version = schema_version(driver)
    whole = not gpu.mig_enabled
    yield _leaf("product_name", "Product Name", gpu.name)
    mig = None if gpu.mig_enabled is None else "Enabled" if gpu.mig_enabled else "Disabled"
    yield _group(
        "mig_mode",
        "MIG Mode",
        _leaf("current_mig", "Current", mig),
        _leaf("pending_mig", "Pending", mig),
    )
    yield _mig_devices(gpu)
    yield _leaf("uuid", "GPU UUID", gpu.uuid)
    yield _leaf("minor_number", "Minor Number", gpu.index)
    if version >= 13:
        yield _leaf("gpu_recovery_action", "GPU Recovery Action", gpu.recovery_action)
    elif version == 12:
        reset = "Yes" if gpu.recovery_action == "GPU Reset" else "No"
        drain = "Yes" if gpu.recovery_action == "Drain and Reset" else "No"
        yield _group(
            "gpu_reset_status",
            "GPU Reset Status",
            _leaf("reset_required", "Reset Required", reset),
            _leaf("drain_and_reset_recommended", "Drain and Reset Recommended", drain),
        )
    yield _pci(gpu)
    yield _leaf("fan_speed", "Fan Speed", gpu.fan_speed, "%")
    yield _leaf("performance_state", "Performance State", gpu.performance_state)
    yield _reasons(gpu, "event" if driver.major >= 535 else "throttle")
    yield _group(
        "fb_memory_usage",
        "FB Memory Usage",
        _leaf("total", "Total", gpu.memory_total_mb, "MiB"),
        _leaf("reserved", "Reserved", gpu.memory_reserved_mb, "MiB"),
        _leaf("used", "Used", gpu.memory_used_mb, "MiB"),
        _leaf("free", "Free", gpu.memory_free_mb, "MiB"),
    )
    yield _leaf("compute_mode", "Compute Mode", "Default")
    # Labels say Gpu in old drivers and GPU in new ones
    label = "Gpu" if version == 11 else "GPU"
    yield _group(
        "utilization",
        "Utilization",
        _leaf("gpu_util", label, gpu.utilization_gpu if whole else None, "%"),
        _leaf("memory_util", "Memory", gpu.utilization_memory if whole else None, "%"),
    )
    yield _ecc_errors(gpu)
    yield _remapped_rows(gpu)
    yield _group(
        "temperature",
        "Temperature",
        _leaf("gpu_temp", "GPU Current Temp", gpu.temperature, "C"),
        _leaf("gpu_temp_tlimit", "GPU T.Limit Temp", gpu.temperature_margin, "C"),
        _leaf("memory_temp", "Memory Current Temp", gpu.temperature_memory, "C"),
    )
    yield _power(gpu, version)
    yield _group(
        "clocks",
        "Clocks",
        _leaf("graphics_clock", "Graphics", gpu.clock_sm, "MHz"),
        _leaf("sm_clock", "SM", gpu.clock_sm, "MHz"),
        _leaf("mem_clock", "Memory", gpu.clock_memory, "MHz"),
    )
    yield _group(
        "max_clocks",
        "Max Clocks",
        _leaf("graphics_clock", "Graphics", gpu.clock_sm_max, "MHz"),
        _leaf("sm_clock", "SM", gpu.clock_sm_max, "MHz"),
    )
    if version >= 12:
        yield _group(
            "fabric",
            "Fabric",
            _leaf("state", "State", gpu.fabric_state),
            _leaf("status", "Status", "Success" if gpu.fabric_state else None),
        )
    yield _processes(gpu.processes)


def _mig_devices(gpu: SimulatedGpu) -> _Entry:
    if not gpu.mig_devices:
        # only the XML has this line: the text leaves it out
        return _Entry("mig_devices", "", "None")
    return _group(
        "mig_devices", "", *(_mig_device(i, mig) for i, mig in enumerate(gpu.mig_devices))
    )


def _mig_device(index: int, mig: SimulatedMigDevice) -> _Entry:
    free = max(0, mig.memory_total_mb - mig.memory_used_mb)
    return _group(
        "mig_device",
        "MIG Device",
        _leaf("index", "Index", index),
        _leaf("gpu_instance_id", "GPU Instance ID", mig.gpu_instance_id),
        _leaf("compute_instance_id", "Compute Instance ID", mig.compute_instance_id),
        _group(
            "device_attributes",
            "Device Attributes",
            _group(
                "shared",
                "Shared",
                _leaf("multiprocessor_count", "Multiprocessor count", mig.multiprocessors),
            ),
        ),
        _group(
            "fb_memory_usage",
            "FB Memory Usage",
            _leaf("total", "Total", mig.memory_total_mb, "MiB"),
            _leaf("used", "Used", mig.memory_used_mb, "MiB"),
            _leaf("free", "Free", free, "MiB"),
        ),
    )


def _pci(gpu: SimulatedGpu) -> _Entry:
    return _group(
        "pci",
        "PCI",
        _leaf("pci_bus_id", "Bus Id", gpu.pci_bus_id),
        _group(
            "pci_gpu_link_info",
            "GPU Link Info",
            _group(
                "pcie_gen",
                "PCIe Generation",
                _leaf("max_link_gen", "Max", gpu.pcie_gen_max),
                _leaf("current_link_gen", "Current", gpu.pcie_gen),
            ),
            _group(
                "link_widths",
                "Link Width",
                _leaf("max_link_width", "Max", f"{gpu.pcie_width_max}x"),
                _leaf("current_link_width", "Current", f"{gpu.pcie_width}x"),
            ),
        ),
    )


_REASONS: tuple[tuple[str, str, int], ...] = (
    ("gpu_idle", "Idle", 0x1),
    ("applications_clocks_setting", "Applications Clocks Setting", 0x2),
    ("sw_power_cap", "SW Power Cap", 0x4),
    ("hw_slowdown", "HW Slowdown", 0x8),
    ("hw_thermal_slowdown", "HW Thermal Slowdown", 0x40),
    ("hw_power_brake_slowdown", "HW Power Brake Slowdown", 0x80),
    ("sync_boost", "Sync Boost", 0x10),
    ("sw_thermal_slowdown", "SW Thermal Slowdown", 0x20),
    ("display_clocks_setting", "Display Clock Setting", 0x100),
)


def _reasons(gpu: SimulatedGpu, word: str) -> _Entry:
    return _group(
        f"clocks_{word}_reasons",
        f"Clocks {word.title()} Reasons",
        *(
            _leaf(
                f"clocks_{word}_reason_{tag}",
                label,
                "Active" if gpu.throttle_reasons & bit else "Not Active",
            )
            for tag, label, bit in _REASONS
        ),
    )


def _ecc_errors(gpu: SimulatedGpu) -> _Entry:
    def counts(corrected: int | None, uncorrected: int) -> Sequence[_Entry]:
        on = bool(gpu.ecc_enabled)
        return (
            _leaf("sram_correctable", "SRAM Correctable", 0 if on else None),
            _leaf("sram_uncorrectable", "SRAM Uncorrectable", 0 if on else None),
            _leaf("dram_correctable", "DRAM Correctable", corrected if on else None),
            _leaf("dram_uncorrectable", "DRAM Uncorrectable", uncorrected if on else None),
        )

    return _group(
        "ecc_errors",
        "ECC Errors",
        _group(
            "volatile",
            "Volatile",
            *counts(gpu.ecc_corrected_volatile, gpu.ecc_uncorrected_volatile),
        ),
        _group("aggregate", "Aggregate", *counts(None, gpu.ecc_uncorrected_aggregate)),
    )


def _remapped_rows(gpu: SimulatedGpu) -> _Entry:
    if gpu.mig_enabled or gpu.remapped_correctable is None:
        return _leaf("remapped_rows", "Remapped Rows", None)
    pending = "Yes" if gpu.remapped_pending else "No"
    failure = "Yes" if gpu.remapped_failure else "No"
    return _group(
        "remapped_rows",
        "Remapped Rows",
        _leaf("remapped_row_corr", "Correctable Error", gpu.remapped_correctable),
        _leaf("remapped_row_unc", "Uncorrectable Error", gpu.remapped_uncorrectable),
        _leaf("remapped_row_pending", "Pending", pending),
        _leaf("remapped_row_failure", "Remapping Failure Occurred", failure),
    )


def _power(gpu: SimulatedGpu, version: int) -> _Entry:
    draw = None if gpu.power_draw is None else f"{gpu.power_draw:.2f}"
    limit = None if gpu.power_limit is None else f"{gpu.power_limit:.2f}"
    if version == 11:
        return _group(
            "power_readings",
            "Power Readings",
            _leaf("power_state", "Power State", gpu.performance_state),
            _leaf("power_draw", "Power Draw", draw, "W"),
            _leaf("power_limit", "Power Limit", limit, "W"),
            _leaf("enforced_power_limit", "Enforced Power Limit", limit, "W"),
        )
    draws = [_leaf("power_draw", "Power Draw", draw, "W")]
    if version >= 13:
        draws = [
            _leaf("average_power_draw", "Average Power Draw", draw, "W"),
            _leaf("instant_power_draw", "Instantaneous Power Draw", draw, "W"),
        ]
    return _group(
        "gpu_power_readings",
        "GPU Power Readings",
        *draws,
        _leaf("current_power_limit", "Current Power Limit", limit, "W"),
        _leaf("requested_power_limit", "Requested Power Limit", limit, "W"),
    )


def _processes(processes: Sequence[SimulatedProcess]) -> _Entry:
    if not processes:
        return _Entry("processes", "Processes", "None")
    return _group("processes", "Processes", *(_process(process) for process in processes))


def _process(process: SimulatedProcess) -> _Entry:
    return _group(
        "process_info",
        "",
        _leaf("gpu_instance_id", "GPU instance ID", process.gpu_instance_id),
        _leaf("compute_instance_id", "Compute instance ID", process.compute_instance_id),
        _leaf("pid", "Process ID", process.pid),
        _leaf("type", "    Type", process.type),
        _leaf("process_name", "    Name", process.name),
        _leaf("used_memory", "    Used GPU Memory", process.used_memory_mb, "MiB"),
    )

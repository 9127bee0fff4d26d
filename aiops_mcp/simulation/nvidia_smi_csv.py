"""``nvidia-smi --query-gpu`` and ``--query-compute-apps``: CSV with each field's own quirks.

A driver knows only the fields of its age; one that it does not know fails the whole call.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from aiops_mcp.simulation.nvidia_smi_state import (
    SimulatedDriver,
    SimulatedGpu,
    SimulatedProcess,
    lost_line,
)

_Value = Callable[[SimulatedDriver, SimulatedGpu], object]
_DEPRECATED = "[Requested functionality has been deprecated]"

_REASONS = {
    "gpu_idle": 0x1,
    "applications_clocks_setting": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
}


def _reason(bit: int) -> _Value:
    return lambda _, gpu: "Active" if gpu.throttle_reasons & bit else "Not Active"


def _whole_card(value: Callable[[SimulatedGpu], object]) -> _Value:
    """A reading that a card cut into MIG slices no longer gives for the whole."""
    return lambda _, gpu: None if gpu.mig_enabled else value(gpu)


def _ecc(value: Callable[[SimulatedGpu], object]) -> _Value:
    return lambda _, gpu: value(gpu) if gpu.ecc_enabled else None


def _of(value: Callable[[SimulatedGpu], object]) -> _Value:
    return lambda _, gpu: value(gpu)


def _mode(flag: bool | None) -> str | None:
    return None if flag is None else ("Enabled" if flag else "Disabled")


def _yes(flag: bool) -> str:
    return "Yes" if flag else "No"


def _remapped(value: Callable[[SimulatedGpu], object]) -> _Value:
    return lambda _, gpu: (
        None if gpu.mig_enabled or gpu.remapped_correctable is None else value(gpu)
    )


# canonical name -> (unit printed in header and value, first driver branch, value)
_FIELDS: dict[str, tuple[str, int, _Value]] = {
    "timestamp": ("", 0, lambda _, __: ""),
    "driver_version": ("", 0, lambda driver, _: driver.driver_version),
    "count": ("", 0, lambda driver, _: len(driver.gpus)),
    "name": ("", 0, _of(lambda g: g.name)),
    "uuid": ("", 0, _of(lambda g: g.uuid)),
    "serial": ("", 0, _of(lambda _: None)),
    "pci.bus_id": ("", 0, _of(lambda g: g.pci_bus_id)),
    "index": ("", 0, _of(lambda g: g.index)),
    "pcie.link.gen.current": ("", 0, _of(lambda g: g.pcie_gen)),
    "pcie.link.gen.max": ("", 0, _of(lambda g: g.pcie_gen_max)),
    "pcie.link.width.current": ("", 0, _of(lambda g: g.pcie_width)),
    "pcie.link.width.max": ("", 0, _of(lambda g: g.pcie_width_max)),
    "display_mode": ("", 0, lambda d, _: _DEPRECATED if d.major >= 565 else "Disabled"),
    "persistence_mode": ("", 0, _of(lambda _: "Enabled")),
    "gpu_recovery_action": ("", 565, _of(lambda g: g.recovery_action)),
    "fan.speed": ("%", 0, _of(lambda g: g.fan_speed)),
    "pstate": ("", 0, _of(lambda g: g.performance_state)),
    "clocks_event_reasons.active": ("", 0, _of(lambda g: f"0x{g.throttle_reasons:016X}")),
    "clocks_event_reasons.supported": ("", 0, _of(lambda _: "0x00000000000001FF")),
    "memory.total": ("MiB", 0, _of(lambda g: g.memory_total_mb)),
    "memory.reserved": ("MiB", 470, _of(lambda g: g.memory_reserved_mb)),
    "memory.used": ("MiB", 0, _of(lambda g: g.memory_used_mb)),
    "memory.free": ("MiB", 0, _of(lambda g: g.memory_free_mb)),
    "compute_mode": ("", 0, _of(lambda _: "Default")),
    "utilization.gpu": ("%", 0, _whole_card(lambda g: g.utilization_gpu)),
    "utilization.memory": ("%", 0, _whole_card(lambda g: g.utilization_memory)),
    "ecc.mode.current": ("", 0, _of(lambda g: _mode(g.ecc_enabled))),
    "ecc.errors.corrected.volatile.total": ("", 0, _ecc(lambda g: g.ecc_corrected_volatile)),
    "ecc.errors.uncorrected.volatile.total": ("", 0, _ecc(lambda g: g.ecc_uncorrected_volatile)),
    "ecc.errors.uncorrected.aggregate.total": ("", 0, _ecc(lambda g: g.ecc_uncorrected_aggregate)),
    "retired_pages.single_bit_ecc.count": ("", 0, _of(lambda _: None)),
    "retired_pages.double_bit.count": ("", 0, _of(lambda _: None)),
    "retired_pages.pending": ("", 0, _of(lambda _: None)),
    "remapped_rows.correctable": ("", 450, _remapped(lambda g: g.remapped_correctable)),
    "remapped_rows.uncorrectable": ("", 450, _remapped(lambda g: g.remapped_uncorrectable)),
    "remapped_rows.pending": ("", 450, _remapped(lambda g: _yes(g.remapped_pending))),
    "remapped_rows.failure": ("", 450, _remapped(lambda g: _yes(g.remapped_failure))),
    "temperature.gpu": ("", 0, _of(lambda g: g.temperature)),
    "temperature.gpu.tlimit": ("", 545, _of(lambda g: g.temperature_margin)),
    # the real program writes this blank without its brackets
    "temperature.memory": (
        "",
        0,
        _of(lambda g: "N/A" if g.temperature_memory is None else g.temperature_memory),
    ),
    "power.management": ("", 0, lambda d, _: _DEPRECATED if d.major >= 565 else "Enabled"),
    "power.draw": ("W", 0, _of(lambda g: _watts(g.power_draw))),
    "power.draw.average": ("W", 530, _of(lambda g: _watts(g.power_draw))),
    "power.draw.instant": ("W", 530, _of(lambda g: _watts(g.power_draw))),
    "power.limit": ("W", 0, _of(lambda g: _watts(g.power_limit))),
    "enforced.power.limit": ("W", 0, _of(lambda g: _watts(g.power_limit))),
    "clocks.current.sm": ("MHz", 0, _of(lambda g: g.clock_sm)),
    "clocks.current.memory": ("MHz", 0, _of(lambda g: g.clock_memory)),
    "clocks.max.sm": ("MHz", 0, _of(lambda g: g.clock_sm_max)),
    "mig.mode.current": ("", 450, _of(lambda g: _mode(g.mig_enabled))),
    "fabric.state": ("", 530, _of(lambda g: g.fabric_state or "N/A")),
    "fabric.status": ("", 530, _of(lambda g: "Success" if g.fabric_state else "N/A")),
    **{f"clocks_event_reasons.{name}": ("", 0, _reason(bit)) for name, bit in _REASONS.items()},
}
_ALIASES = {
    "gpu_name": "name",
    "gpu_uuid": "uuid",
    "gpu_serial": "serial",
    "gpu_bus_id": "pci.bus_id",
    "clocks.sm": "clocks.current.sm",
    "clocks.mem": "clocks.current.memory",
    "remapped_rows.sbe": "remapped_rows.correctable",
    "remapped_rows.dbe": "remapped_rows.uncorrectable",
}
_EVENT_REASONS_SINCE = 535  # before it they are called clocks_throttle_reasons


def _watts(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _canonical(field: str) -> str:
    renamed = _ALIASES.get(field, field)
    return renamed.replace("clocks_throttle_reasons.", "clocks_event_reasons.")


def _known(driver: SimulatedDriver, field: str) -> bool:
    known = _FIELDS.get(_canonical(field))
    if known is None or driver.major < known[1]:
        return False
    return not field.startswith("clocks_event_") or driver.major >= _EVENT_REASONS_SINCE


def first_unknown_field(driver: SimulatedDriver, fields: Iterable[str]) -> str | None:
    """The first field that this driver does not know, or ``None``."""
    return next((field for field in fields if not _known(driver, field)), None)


def unknown_field_text(field: str) -> str:
    """What nvidia-smi prints (on stdout) for a field it does not know."""
    return f'Field "{field}" is not a valid field to query.\n\n'


def render_query_gpu(
    driver: SimulatedDriver, fields: Sequence[str], formats: set[str], now: datetime
) -> str:
    """CSV of ``--query-gpu``; a lost card gives its error line instead of a row."""
    lines: list[str] = []
    if "noheader" not in formats:
        lines.append(", ".join(_header(driver, field) for field in fields))
    for gpu in driver.gpus:
        if gpu.lost:
            lines.append(lost_line(gpu))
        else:
            lines.append(", ".join(_cell(driver, gpu, field, formats, now) for field in fields))
    return "\n".join(lines) + "\n"


def _header(driver: SimulatedDriver, field: str) -> str:
    name = _canonical(field)
    unit = _FIELDS[name][0]
    if driver.major < _EVENT_REASONS_SINCE:
        name = name.replace("clocks_event_reasons.", "clocks_throttle_reasons.")
    return f"{name} [{unit}]" if unit else name


def _cell(
    driver: SimulatedDriver, gpu: SimulatedGpu, field: str, formats: set[str], now: datetime
) -> str:
    name = _canonical(field)
    unit, _, value_of = _FIELDS[name]
    if name == "timestamp":
        return _stamp(now)
    value = value_of(driver, gpu)
    if value is None:
        return "[N/A]"
    return f"{value} {unit}" if unit and "nounits" not in formats else f"{value}"


def _stamp(now: datetime) -> str:
    return now.strftime("%Y/%m/%d %H:%M:%S.") + f"{now.microsecond // 1000:03d}"


_AppValue = Callable[[SimulatedGpu, SimulatedProcess], object]
_APP_FIELDS: dict[str, tuple[str, _AppValue]] = {
    "timestamp": ("", lambda _, __: ""),
    "gpu_name": ("", lambda gpu, _: gpu.name),
    "gpu_bus_id": ("", lambda gpu, _: gpu.pci_bus_id),
    "gpu_serial": ("", lambda _, __: None),
    "gpu_uuid": ("", lambda gpu, _: gpu.uuid),
    "pid": ("", lambda _, process: process.pid),
    "process_name": ("", lambda _, process: process.name),
    "used_gpu_memory": ("MiB", lambda _, process: process.used_memory_mb),
}
_APP_ALIASES = {"name": "process_name", "used_memory": "used_gpu_memory"}


def first_unknown_app_field(fields: Iterable[str]) -> str | None:
    """The first field that ``--query-compute-apps`` does not know, or ``None``."""
    return next((f for f in fields if _APP_ALIASES.get(f, f) not in _APP_FIELDS), None)


def render_compute_apps(
    driver: SimulatedDriver, fields: Sequence[str], formats: set[str], now: datetime
) -> str:
    """CSV of ``--query-compute-apps``: compute contexts only, each with its whole card's UUID."""
    names = [_APP_ALIASES.get(field, field) for field in fields]
    lines: list[str] = []
    if "noheader" not in formats:
        units = [_APP_FIELDS[name][0] for name in names]
        lines.append(", ".join(f"{n} [{u}]" if u else n for n, u in zip(names, units, strict=True)))
    for gpu in driver.answering:
        for process in gpu.processes:
            if "C" in process.type:
                cells = (_app_cell(gpu, process, name, formats, now) for name in names)
                lines.append(", ".join(cells))
    return "\n".join(lines) + "\n" if lines else ""


def _app_cell(
    gpu: SimulatedGpu, process: SimulatedProcess, name: str, formats: set[str], now: datetime
) -> str:
    unit, value_of = _APP_FIELDS[name]
    if name == "timestamp":
        return _stamp(now)
    value = value_of(gpu, process)
    if value is None:
        return "[N/A]"
    return f"{value} {unit}" if unit and "nounits" not in formats else f"{value}"

"""The short outputs of ``nvidia-smi``: the table, ``-L``, ``nvlink``, ``pmon`` and ``dmon``."""

from collections.abc import Sequence
from datetime import datetime

from aiops_mcp.simulation.nvidia_smi_state import (
    SimulatedDriver,
    SimulatedGpu,
    SimulatedProcess,
    lost_line,
)

_WIDTH = 91


def render_version(driver: SimulatedDriver) -> str:
    """``nvidia-smi --version``."""
    return (
        f"NVIDIA-SMI version  : {driver.driver_version}\n"
        f"NVML version        : {driver.driver_version.rsplit('.', 1)[0]}\n"
        f"DRIVER version      : {driver.driver_version}\n"
        f"CUDA Version        : {driver.cuda_version}\n"
    )


def render_listing(driver: SimulatedDriver) -> str:
    """``nvidia-smi -L``: cards, and under each its MIG devices."""
    lines: list[str] = []
    for gpu in driver.gpus:
        if gpu.lost:
            lines.append(lost_line(gpu))
            continue
        lines.append(_heading(gpu))
        lines += [
            f"  MIG {mig.profile:<11} Device {index:>2}: (UUID: {mig.uuid})"
            for index, mig in enumerate(gpu.mig_devices)
        ]
    return "\n".join(lines) + "\n"


def _heading(gpu: SimulatedGpu) -> str:
    return f"GPU {gpu.index}: {gpu.name} (UUID: {gpu.uuid})"


def render_nvlink(driver: SimulatedDriver, *, errors: bool) -> str:
    """``nvidia-smi nvlink -s`` (speeds), or ``-e`` (error counters, all on the first link)."""
    lines: list[str] = []
    for gpu in driver.answering:
        lines.append(_heading(gpu))
        for link in range(gpu.nvlink_links):
            if errors:
                counts = (
                    ("Replay", gpu.nvlink_replay_errors),
                    ("Recovery", gpu.nvlink_recovery_errors),
                    ("CRC", gpu.nvlink_crc_errors),
                )
                lines += [
                    f"\t Link {link}: {what} Errors: {count if link == 0 else 0}"
                    for what, count in counts
                ]
            else:
                down = link >= gpu.nvlink_links - gpu.nvlink_inactive
                lines.append(f"\t Link {link}: {'<inactive>' if down else '26.562 GB/s'}")
    return "\n".join(lines) + "\n"


def render_pmon(driver: SimulatedDriver) -> str:
    """One sample of ``nvidia-smi pmon``."""
    lines = [
        "# gpu         pid   type     sm    mem    enc    dec    jpg    ofa    command ",
        "# Idx           #    C/G      %      %      %      %      %      %    name ",
    ]
    for gpu in driver.answering:
        rows = [_pmon_row(gpu, process) for process in gpu.processes]
        lines += rows or [
            f"{gpu.index:>5}          -      -      -      -      -      -      -      -    -"
        ]
    return "\n".join(lines) + "\n"


def _pmon_row(gpu: SimulatedGpu, process: SimulatedProcess) -> str:
    busy = "-" if process.sm_percent is None or gpu.mig_enabled else str(process.sm_percent)
    blank = "      -" * 5
    command = process.name.rsplit("/", 1)[-1][:15]
    return f"{gpu.index:>5} {process.pid:>10} {process.type:>5} {busy:>6}{blank}    {command:<15}"


def render_dmon(driver: SimulatedDriver) -> str:
    """One sample of ``nvidia-smi dmon``."""
    lines = [
        "# gpu    pwr  gtemp  mtemp     sm    mem    enc    dec    jpg    ofa   mclk   pclk ",
        "# Idx      W      C      C      %      %      %      %      %      %    MHz    MHz ",
    ]
    for gpu in driver.answering:
        whole = not gpu.mig_enabled
        cells = [
            gpu.index,
            None if gpu.power_draw is None else round(gpu.power_draw),
            gpu.temperature,
            gpu.temperature_memory,
            gpu.utilization_gpu if whole else None,
            gpu.utilization_memory if whole else None,
            *(0 if whole else None for _ in range(4)),
            gpu.clock_memory,
            gpu.clock_sm,
        ]
        lines.append(" ".join(f"{'-' if cell is None else cell:>6}" for cell in cells)[1:] + " ")
    return "\n".join(lines) + "\n"


def render_table(driver: SimulatedDriver, now: datetime) -> str:
    """Plain ``nvidia-smi``: one box of cards, one of MIG devices, one of processes."""
    head = (
        f"NVIDIA-SMI {driver.driver_version:<22} Driver Version: {driver.driver_version:<14} "
        f"CUDA Version: {driver.cuda_version}"
    )
    rule = f"+{'-' * 41}+{'-' * 24}+{'-' * 22}+"
    lines = [lost_line(gpu) for gpu in driver.gpus if gpu.lost]
    lines += [now.strftime("%a %b %e %H:%M:%S %Y"), _edge(), _line(head), rule]
    lines += [
        _cells("GPU  Name                 Persistence-M", "Bus-Id          Disp.A", "Volatile ECC"),
        _cells("Fan  Temp   Perf          Pwr:Usage/Cap", "        Memory-Usage", "GPU-Util"),
        "|" + rule[1:-1].replace("-", "=") + "|",
    ]
    for gpu in driver.answering:
        lines += [*_table_rows(gpu), rule]
    migs = [(gpu, mig) for gpu in driver.answering for mig in gpu.mig_devices]
    if migs:
        lines += ["", _edge(), _line("MIG devices:"), _edge("=")]
        lines += [
            _line(
                f"{gpu.index:>2} {mig.gpu_instance_id:>4} {mig.compute_instance_id:>3}  "
                f"{mig.profile:<12} {mig.memory_used_mb:>6}MiB / {mig.memory_total_mb}MiB"
            )
            for gpu, mig in migs
        ]
        lines.append(_edge())
    return "\n".join([*lines, "", *_process_table(driver.answering)]) + "\n"


def _edge(mark: str = "-") -> str:
    return f"+{mark * (_WIDTH - 2)}+"


def _line(text: str) -> str:
    return f"| {text:<{_WIDTH - 4}} |"


def _cells(*texts: str) -> str:
    widths = (41, 24, 22)
    return "|" + "|".join(f" {t:<{w - 1}}"[:w] for t, w in zip(texts, widths, strict=True)) + "|"


def _table_rows(gpu: SimulatedGpu) -> Sequence[str]:
    fan = "N/A" if gpu.fan_speed is None else f"{gpu.fan_speed}%"
    heat = "N/A" if gpu.temperature is None else f"{gpu.temperature}C"
    draw = "N/A" if gpu.power_draw is None else f"{gpu.power_draw:.0f}W"
    cap = "N/A" if gpu.power_limit is None else f"{gpu.power_limit:.0f}W"
    busy = None if gpu.mig_enabled else gpu.utilization_gpu
    errors = gpu.ecc_uncorrected_volatile if gpu.ecc_enabled else "N/A"
    power = f"{draw} / {cap:>5}"
    return (
        _cells(
            f"{gpu.index:>3}  {gpu.name[:24]:<24}    On", f"{gpu.pci_bus_id} Off", f"{errors:>20}"
        ),
        _cells(
            f"{fan:<4} {heat:>4}    {gpu.performance_state:<3} {power:>22}",
            f"{gpu.memory_used_mb:>8}MiB / {gpu.memory_total_mb:>6}MiB",
            f"{'N/A' if busy is None else f'{busy}%':>8}      Default",
        ),
    )


def _process_table(gpus: Sequence[SimulatedGpu]) -> list[str]:
    lines = [
        _edge(),
        _line("Processes:"),
        _line(" GPU   GI   CI              PID   Type   Process name                  GPU Memory"),
        _edge("="),
    ]
    rows = [
        _line(
            f"{gpu.index:>4}  {_or_na(p.gpu_instance_id):>4} {_or_na(p.compute_instance_id):>4} "
            f"{p.pid:>16} {p.type:>6}   {p.name[:30]:<30} {_or_na(p.used_memory_mb):>9}MiB"
        )
        for gpu in gpus
        for p in gpu.processes
    ]
    return [*lines, *(rows or [_line(" No running processes found")]), _edge()]


def _or_na(value: int | None) -> str:
    return "N/A" if value is None else str(value)

"""``nvidia-smi pmon`` and ``dmon``: columns under a ``#`` header that differs between drivers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiops_mcp.backends.gpu_codes import process_type
from aiops_mcp.backends.nvidia_smi_messages import sort_lines
from aiops_mcp.backends.nvidia_smi_values import (
    CELSIUS,
    MEBIBYTES,
    MEGAHERTZ,
    PERCENT,
    WATTS,
    Notes,
    Reader,
)
from aiops_mcp.errors import BackendMisbehaved
from aiops_mcp.models.gpu import GpuProcessType


@dataclass(frozen=True)
class ProcessSample:
    """A line of ``pmon``; ``command`` is cut to 15 characters by nvidia-smi."""

    gpu_index: int
    pid: int
    type: GpuProcessType | None
    command: str
    sm_percent: float | None = None
    memory_percent: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class DeviceSample:
    """A line of ``dmon``."""

    gpu_index: int
    power_watts: float | None = None
    temperature_celsius: float | None = None
    memory_temperature_celsius: float | None = None
    sm_percent: float | None = None
    memory_percent: float | None = None
    memory_clock_mhz: float | None = None
    sm_clock_mhz: float | None = None


def parse_pmon(output: str) -> tuple[ProcessSample, ...]:
    """``nvidia-smi pmon -c N``, every sample in the order printed; idle cards give no line.

    Raises:
        NvidiaSmiFailed: nvidia-smi told of a failure instead.
        BackendMisbehaved: there is no ``# gpu`` header.
    """
    samples: list[ProcessSample] = []
    for cells in _rows(output, "pmon"):
        read = Reader(f"GPU {cells['gpu']}", Notes())
        index = read.integer(cells["gpu"], "gpu")
        pid = read.integer(cells.get("pid"), "pid")
        if index is None or pid is None:
            continue
        word = cells.get("type", "-")
        samples.append(
            ProcessSample(
                gpu_index=index,
                pid=pid,
                type=process_type(word),
                command=cells.get("command", ""),
                sm_percent=read.number(cells.get("sm"), "sm", PERCENT),
                memory_percent=read.number(cells.get("mem"), "mem", PERCENT),
                memory_mb=read.number(cells.get("fb"), "fb", MEBIBYTES),
            )
        )
    return tuple(samples)


def parse_dmon(output: str) -> tuple[DeviceSample, ...]:
    """``nvidia-smi dmon -c N``, every sample in the order printed; raises as ``parse_pmon``."""
    samples: list[DeviceSample] = []
    for cells in _rows(output, "dmon"):
        read = Reader(f"GPU {cells['gpu']}", Notes())
        index = read.integer(cells["gpu"], "gpu")
        if index is None:
            continue
        # gtemp was called temp before memory got a sensor of its own
        heat = cells.get("gtemp", cells.get("temp"))
        samples.append(
            DeviceSample(
                gpu_index=index,
                power_watts=read.number(cells.get("pwr"), "pwr", WATTS),
                temperature_celsius=read.number(heat, "gtemp", CELSIUS),
                memory_temperature_celsius=read.number(cells.get("mtemp"), "mtemp", CELSIUS),
                sm_percent=read.number(cells.get("sm"), "sm", PERCENT),
                memory_percent=read.number(cells.get("mem"), "mem", PERCENT),
                memory_clock_mhz=read.number(cells.get("mclk"), "mclk", MEGAHERTZ),
                sm_clock_mhz=read.number(cells.get("pclk"), "pclk", MEGAHERTZ),
            )
        )
    return tuple(samples)


def _rows(output: str, command: str) -> Iterator[dict[str, str]]:
    columns: Sequence[str] = ()
    for line in sort_lines(output).lines:
        words = line.split()
        if not words:
            continue
        if words[0].startswith("#"):
            heading = line.replace("#", " ", 1).split()
            if heading[:1] == ["gpu"]:  # the second header line holds units
                columns = heading
        elif columns:
            # a command may hold blanks, and it stands last
            cells = line.split(maxsplit=len(columns) - 1)
            yield {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
    if not columns:
        raise BackendMisbehaved(
            f"This is no output of nvidia-smi {command}: {output.strip()[:80]!r}.",
            "Look at what the command printed on the node.",
        )

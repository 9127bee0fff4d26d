"""CSV of ``nvidia-smi --query-gpu`` and ``--query-compute-apps``: any fields, any options.

Header or none, units or none; cells are parted by a comma and are never quoted, so a comma may
also stand inside a name.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiops_mcp.backends.nvidia_smi_fields import (
    GpuReport,
    canonical_field,
    card_label,
    gpu_from_fields,
)
from aiops_mcp.backends.nvidia_smi_messages import sort_lines
from aiops_mcp.backends.nvidia_smi_values import COUNT, MEBIBYTES, Notes, Reader
from aiops_mcp.errors import BackendMisbehaved
from aiops_mcp.models.gpu import GPU, GpuProcess

_HEADER_CELL = re.compile(r"[a-z][A-Za-z0-9_.]*(\s*\[[^\]]*\])?")
_APP_ALIASES = {"name": "process_name", "used_memory": "used_gpu_memory"}


@dataclass(frozen=True)
class ComputeApp:
    """A row of ``--query-compute-apps``. Under MIG ``gpu_uuid`` is the whole card's UUID."""

    gpu_uuid: str | None
    pci_bus_id: str | None
    process: GpuProcess


def parse_query_gpu(output: str, fields: Sequence[str] | None = None) -> GpuReport:
    """Cards from ``--query-gpu``; ``fields`` are those asked for, needed where there is no header.

    Raises:
        NvidiaSmiFailed: nvidia-smi told of a failure instead (UnknownField for a refused field).
        BackendMisbehaved: the text is no such CSV, or it has no header and ``fields`` is not given.
    """
    data = sort_lines(output)
    notes = Notes()
    wanted = None if fields is None else [canonical_field(field) for field in fields]
    rows = _rows(data.lines, wanted, canonical_field, wide="name")
    gpus: list[GPU] = []
    for position, (cells, complete) in enumerate(rows):
        if not complete:
            notes.add(f"{card_label(position, cells)}: its row has not as many cells as fields")
        gpus.append(gpu_from_fields(cells, position, notes))
    return GpuReport(tuple(gpus), data.lost, (*data.warnings, *notes.warnings()))


def parse_compute_apps(
    output: str, fields: Sequence[str] | None = None
) -> tuple[tuple[ComputeApp, ...], tuple[str, ...]]:
    """Compute processes from ``--query-compute-apps``, and warnings.

    Raises as ``parse_query_gpu``; an output without rows is simply no process.
    """
    data = sort_lines(output)
    notes = Notes()
    wanted = None if fields is None else [_app_field(field) for field in fields]
    apps: list[ComputeApp] = []
    for cells, _ in _rows(data.lines, wanted, _app_field, wide="process_name"):
        read = Reader("compute apps", notes)
        pid = read.integer(cells.get("pid"), "pid", COUNT)
        if pid is None:
            continue
        apps.append(
            ComputeApp(
                gpu_uuid=read.text(cells.get("gpu_uuid"), "gpu_uuid"),
                pci_bus_id=read.text(cells.get("gpu_bus_id"), "gpu_bus_id"),
                process=GpuProcess(
                    pid=pid,
                    # "[Not Found]" and the like stay: they say why there is no name
                    process_name=cells.get("process_name", "").strip() or "[Unknown]",
                    used_memory_mb=read.number(
                        cells.get("used_gpu_memory"), f"used_gpu_memory of {pid}", MEBIBYTES
                    ),
                ),
            )
        )
    return tuple(apps), (*data.warnings, *notes.warnings())


def _app_field(name: str) -> str:
    bare = name.split("[", 1)[0].strip()
    return _APP_ALIASES.get(bare, bare)


def _rows(
    lines: Sequence[str], wanted: list[str] | None, canonical: Callable[[str], str], *, wide: str
) -> list[tuple[dict[str, str], bool]]:
    """Each row as field → cell, and whether it had a cell for each field."""
    written = [line for line in lines if line.strip()]
    if not written:
        return []
    first = [cell.strip() for cell in written[0].split(",")]
    names = [canonical(cell) for cell in first]
    header = _is_header(first, names, wanted)
    if not header and wanted is None:
        raise BackendMisbehaved(
            f"nvidia-smi's CSV has no header: {written[0][:80]!r}.",
            "Either it is no CSV of nvidia-smi, or the fields asked for must be given.",
        )
    if not header:
        names = wanted or []
    body = [line for line in written if not (header and line.strip() == written[0].strip())]
    rows = [_row(line, names, wide) for line in body]
    if not header and rows and not any(complete for _, complete in rows):
        raise BackendMisbehaved(
            f"This is no CSV of nvidia-smi with {len(names)} fields: {written[0].strip()[:80]!r}.",
            "Look at what the command printed on the node.",
        )
    return rows


def _is_header(first: Sequence[str], names: Sequence[str], wanted: Sequence[str] | None) -> bool:
    if not all(_HEADER_CELL.fullmatch(cell) for cell in first):
        return False
    # most, not all: the header may spell a field otherwise than it was asked for
    return wanted is None or 2 * sum(name in wanted for name in names) > len(wanted)


def _row(line: str, names: Sequence[str], wide: str) -> tuple[dict[str, str], bool]:
    cells = line.strip().split(", ")
    if len(cells) < len(names):
        cells = line.strip().split(",")
    surplus = len(cells) - len(names)
    if surplus > 0 and wide in names:
        at = names.index(wide)
        cells[at : at + surplus + 1] = [", ".join(cells[at : at + surplus + 1])]
    complete = len(cells) == len(names)
    return {name: cell.strip() for name, cell in zip(names, cells, strict=False)}, complete

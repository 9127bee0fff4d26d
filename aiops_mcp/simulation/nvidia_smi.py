"""What ``nvidia-smi`` prints on a simulated node, from a plain state of its cards.

Pure: it knows no world, no clock and no Kubernetes. Texts and exit codes follow the real program
(drivers 470 to 595; the manual's section RETURN VALUE), so that the same reader reads both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from aiops_mcp.simulation import nvidia_smi_csv as csv
from aiops_mcp.simulation import nvidia_smi_log as log
from aiops_mcp.simulation import nvidia_smi_monitors as monitors
from aiops_mcp.simulation.nvidia_smi_state import (
    SimulatedDriver,
    SimulatedGpu,
    SimulatedMigDevice,
    SimulatedProcess,
    driver_failure,
    short_bus_id,
)

__all__ = [
    "SimulatedDriver",
    "SimulatedGpu",
    "SimulatedMigDevice",
    "SimulatedProcess",
    "SmiOutput",
    "driver_failure",
    "run_nvidia_smi",
]

EXIT_INVALID_ARGUMENT = 2
EXIT_NOT_FOUND = 6
EXIT_NO_DRIVER = 9
EXIT_GPU_LOST = 15


@dataclass(frozen=True)
class SmiOutput:
    """What the program wrote and how it ended."""

    stdout: str
    exit_code: int = 0


@dataclass
class _Arguments:
    listing: bool = False
    query: bool = False
    xml: bool = False
    gpu_fields: list[str] | None = None
    app_fields: list[str] | None = None
    formats: set[str] = field(default_factory=set[str])
    select: set[str] | None = None
    unknown: str | None = None


def run_nvidia_smi(driver: SimulatedDriver, arguments: Sequence[str], now: datetime) -> SmiOutput:
    """Answer ``nvidia-smi ARGUMENTS`` (without the program's name) as the real one would.

    Covers no arguments (the table), ``-L``, ``-q``, ``-q -x``, ``--query-gpu``,
    ``--query-compute-apps``, ``-i``, ``nvlink -s|-e``, ``pmon``, ``dmon`` and ``--version``.
    """
    if driver.failure is not None:
        return SmiOutput(driver.failure, EXIT_NO_DRIVER)
    if not driver.gpus:
        return SmiOutput("No devices were found\n", EXIT_NOT_FOUND)
    tool = arguments[0] if arguments else ""
    if tool == "nvlink":
        return SmiOutput(monitors.render_nvlink(driver, errors="-e" in arguments))
    simple = {
        "pmon": monitors.render_pmon,
        "dmon": monitors.render_dmon,
        "--version": monitors.render_version,
    }
    if tool in simple:
        return SmiOutput(simple[tool](driver))
    return _answer(driver, _parse(arguments), now)


def _answer(driver: SimulatedDriver, asked: _Arguments, now: datetime) -> SmiOutput:
    if asked.unknown is not None:
        return SmiOutput(
            f"Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n"
            f'Option "{asked.unknown}" is not recognized.\n',
            EXIT_INVALID_ARGUMENT,
        )
    chosen = _select(driver, asked.select)
    if not chosen.gpus:
        return SmiOutput("No devices were found\n", EXIT_NOT_FOUND)
    if asked.gpu_fields is not None:
        bad = csv.first_unknown_field(chosen, asked.gpu_fields)
        if bad is not None:
            return SmiOutput(csv.unknown_field_text(bad), EXIT_INVALID_ARGUMENT)
        text = csv.render_query_gpu(chosen, asked.gpu_fields, asked.formats, now)
    elif asked.app_fields is not None:
        bad = csv.first_unknown_app_field(asked.app_fields)
        if bad is not None:
            return SmiOutput(csv.unknown_field_text(bad), EXIT_INVALID_ARGUMENT)
        text = csv.render_compute_apps(chosen, asked.app_fields, asked.formats, now)
    elif asked.listing:
        text = monitors.render_listing(chosen)
    elif asked.query and asked.xml:
        text = log.render_xml(chosen, now)
    elif asked.query:
        text = log.render_text(chosen, now)
    else:
        text = monitors.render_table(chosen, now)
    lost = [gpu for gpu in chosen.gpus if gpu.lost]
    return SmiOutput(text, EXIT_GPU_LOST if lost and not chosen.answering else 0)


def _select(driver: SimulatedDriver, wanted: set[str] | None) -> SimulatedDriver:
    if wanted is None:
        return driver
    gpus = tuple(
        gpu
        for gpu in driver.gpus
        if {str(gpu.index), gpu.uuid, gpu.pci_bus_id, short_bus_id(gpu)} & wanted
    )
    return replace(driver, gpus=gpus)


def _parse(arguments: Sequence[str]) -> _Arguments:
    asked = _Arguments()
    words = iter(arguments)
    for word in words:
        flag, _, value = word.partition("=")
        if flag in ("-L", "--list-gpus"):
            asked.listing = True
        elif flag in ("-q", "--query"):
            asked.query = True
        elif flag in ("-x", "--xml-format"):
            asked.xml = True
        elif flag == "--query-gpu":
            asked.gpu_fields = _listed(value)
        elif flag == "--query-compute-apps":
            asked.app_fields = _listed(value)
        elif flag == "--format":
            asked.formats = set(_listed(value))
        elif flag in ("-i", "--id"):
            asked.select = set(_listed(value or next(words, "")))
        elif asked.unknown is None:
            asked.unknown = word
    return asked


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]

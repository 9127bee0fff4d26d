"""nvidia-smi: what to ask it, how to ask again, and how its outputs make one picture.

Pure: text in, models out. How the command is run on a node is gpu_collector's business. Formats
were read from drivers 470 to 595; ``nvidia-smi --help-query-gpu`` names the fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiops_mcp.backends.gpu_sources import bus_key, fill_gaps, same_bus
from aiops_mcp.backends.nvidia_smi_csv import ComputeApp, parse_compute_apps, parse_query_gpu
from aiops_mcp.backends.nvidia_smi_fields import GpuReport
from aiops_mcp.backends.nvidia_smi_listing import (
    ListedGpu,
    ListedMig,
    Listing,
    parse_listing,
    parse_nvlink,
)
from aiops_mcp.backends.nvidia_smi_log import parse_text, parse_xml
from aiops_mcp.backends.nvidia_smi_messages import (
    LostGpu,
    NvidiaSmiFailed,
    UnknownField,
    unknown_field,
)
from aiops_mcp.backends.nvidia_smi_monitors import parse_dmon, parse_pmon
from aiops_mcp.models.gpu import GPU, MigInstance, NvlinkState

__all__ = [
    "ComputeApp",
    "GpuReport",
    "Listing",
    "LostGpu",
    "NvidiaSmiFailed",
    "UnknownField",
    "compute_apps_command",
    "merge_reports",
    "parse_compute_apps",
    "parse_dmon",
    "parse_listing",
    "parse_nvlink",
    "parse_pmon",
    "parse_query_gpu",
    "parse_text",
    "parse_xml",
    "query_command",
    "query_plan",
    "unknown_field",
    "with_compute_apps",
    "with_listing",
    "with_nvlink",
]

COMPUTE_APP_FIELDS = ("gpu_uuid", "pid", "process_name", "used_gpu_memory")

_CORE = (
    "index",
    "uuid",
    "name",
    "pci.bus_id",
    "driver_version",
    "pstate",
    "temperature.gpu",
    "utilization.gpu",
    "utilization.memory",
    "memory.total",
    "memory.used",
    "memory.free",
    "power.draw",
    "power.limit",
    "enforced.power.limit",
    "fan.speed",
    "clocks.current.sm",
    "clocks.max.sm",
    "pcie.link.gen.current",
    "pcie.link.gen.max",
    "pcie.link.width.current",
    "pcie.link.width.max",
    "ecc.errors.corrected.volatile.total",
    "ecc.errors.uncorrected.volatile.total",
    "ecc.errors.uncorrected.aggregate.total",
    "retired_pages.single_bit_ecc.count",
    "retired_pages.double_bit.count",
    "retired_pages.pending",
)
_SINCE_470 = (
    "temperature.memory",
    "remapped_rows.correctable",
    "remapped_rows.uncorrectable",
    "remapped_rows.pending",
    "remapped_rows.failure",
    "mig.mode.current",
)
_SINCE_550 = (
    "temperature.gpu.tlimit",
    "power.draw.instant",
    "clocks_event_reasons.active",
    "fabric.state",
    "fabric.status",
)
_SINCE_570 = ("gpu_recovery_action",)
_OLD_REASONS = "clocks_throttle_reasons.active"


@dataclass(frozen=True)
class QueryStep:
    """A list of fields that drivers from ``since`` (a branch such as 550) on know."""

    since: int
    fields: tuple[str, ...]


_STEPS = (
    QueryStep(570, (*_CORE, *_SINCE_470, *_SINCE_550, *_SINCE_570)),
    QueryStep(550, (*_CORE, *_SINCE_470, *_SINCE_550)),
    QueryStep(470, (*_CORE, *_SINCE_470, _OLD_REASONS)),
    QueryStep(0, (*_CORE, _OLD_REASONS)),
)


def query_plan(driver_branch: int | None = None) -> tuple[tuple[str, ...], ...]:
    """Field lists for ``--query-gpu``, fullest first, each known to older drivers than the last.

    With the node's driver branch (such as 535) the lists that are too new for it are left out. One
    unknown field fails the whole call; after the last list, drop the field that is refused.
    """
    return tuple(
        step.fields for step in _STEPS if driver_branch is None or step.since <= driver_branch
    )


def query_command(fields: Sequence[str]) -> tuple[str, ...]:
    """The ``--query-gpu`` command line; the header stays in, so that the answer names itself."""
    return ("nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,nounits")


def compute_apps_command() -> tuple[str, ...]:
    """The ``--query-compute-apps`` command line."""
    fields = ",".join(COMPUTE_APP_FIELDS)
    return ("nvidia-smi", f"--query-compute-apps={fields}", "--format=csv,nounits")


def merge_reports(main: GpuReport, other: GpuReport) -> GpuReport:
    """``main`` with what only ``other`` knows; readings of ``main`` stand.

    Cards are matched by UUID, and by PCI bus id where a UUID is missing; cards that only ``other``
    has come last.
    """
    rest = list(other.gpus)
    merged: list[GPU] = []
    for gpu in main.gpus:
        twin = next((candidate for candidate in rest if _same_card(gpu, candidate)), None)
        if twin is not None:
            rest.remove(twin)
        merged.append(gpu if twin is None else fill_gaps(gpu, twin))
    lost = {bus_key(card.pci_bus_id): card for card in (*other.lost, *main.lost)}
    warnings = tuple(dict.fromkeys((*main.warnings, *other.warnings)))
    return GpuReport((*merged, *rest), tuple(lost.values()), warnings)


def _same_card(one: GPU, other: GPU) -> bool:
    if one.uuid and other.uuid:
        # masked captures give every card one UUID, so the bus id has a say where both tell it
        told = bool(one.pci_bus_id and other.pci_bus_id)
        return one.uuid == other.uuid and (not told or same_bus(one.pci_bus_id, other.pci_bus_id))
    if one.pci_bus_id and other.pci_bus_id:
        return same_bus(one.pci_bus_id, other.pci_bus_id)
    return one.index == other.index


def with_listing(report: GpuReport, listing: Listing) -> GpuReport:
    """The report with MIG UUIDs and profiles from ``-L``, matched by card and device number."""
    cards = {card.index: card for card in listing.gpus}
    gpus = tuple(_with_mig(gpu, cards.get(gpu.index)) for gpu in report.gpus)
    warnings = tuple(dict.fromkeys((*report.warnings, *listing.warnings)))
    return GpuReport(gpus, report.lost or listing.lost, warnings)


def _with_mig(gpu: GPU, listed: ListedGpu | None) -> GPU:
    if listed is None or not listed.mig_devices:
        return gpu
    by_index: dict[int | None, ListedMig] = {mig.index: mig for mig in listed.mig_devices}
    known = {mig.index for mig in gpu.mig_instances}
    instances = [_named_mig(mig, by_index.get(mig.index)) for mig in gpu.mig_instances]
    instances += [
        _named_mig(MigInstance(index=mig.index), mig)
        for mig in listed.mig_devices
        if mig.index not in known
    ]
    return gpu.model_copy(update={"mig_instances": tuple(instances)})


def _named_mig(mig: MigInstance, listed: ListedMig | None) -> MigInstance:
    if listed is None:
        return mig
    update: dict[str, object] = {"profile": listed.profile, "uuid": mig.uuid or listed.uuid}
    if mig.gpu_instance_id is None:
        update["gpu_instance_id"] = listed.gpu_instance_id
        update["compute_instance_id"] = listed.compute_instance_id
    return mig.model_copy(update=update)


def with_compute_apps(report: GpuReport, apps: Iterable[ComputeApp]) -> GpuReport:
    """The report with processes from ``--query-compute-apps`` where a card has none yet.

    Under MIG those rows name the whole card; which slice a process runs on stays unknown.
    """
    rows = list(apps)
    gpus = tuple(
        gpu
        if gpu.processes
        else gpu.model_copy(
            update={"processes": tuple(app.process for app in rows if _runs_on(app, gpu))}
        )
        for gpu in report.gpus
    )
    return GpuReport(gpus, report.lost, report.warnings)


def _runs_on(app: ComputeApp, gpu: GPU) -> bool:
    if app.gpu_uuid and gpu.uuid:
        return app.gpu_uuid == gpu.uuid
    return same_bus(app.pci_bus_id, gpu.pci_bus_id)


def with_nvlink(report: GpuReport, links: Mapping[int, NvlinkState]) -> GpuReport:
    """The report with NVLink states by card index."""
    gpus = tuple(
        gpu.model_copy(update={"nvlink": links[gpu.index]}) if gpu.index in links else gpu
        for gpu in report.gpus
    )
    return GpuReport(gpus, report.lost, report.warnings)

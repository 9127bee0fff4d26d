"""From nvidia-smi's field names to a ``GPU``; CSV, XML and ``-q`` all come through here.

The names are those of ``nvidia-smi --help-query-gpu``. A field that is absent, blank or odd leaves
its place in the model ``None``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aiops_mcp.backends.gpu_codes import CLOCK_EVENT_BITS, clock_events, recovery_action
from aiops_mcp.backends.nvidia_smi_messages import LostGpu
from aiops_mcp.backends.nvidia_smi_values import (
    CELSIUS,
    COUNT,
    LINK,
    MEBIBYTES,
    MEGAHERTZ,
    PERCENT,
    WATTS,
    Notes,
    Quantity,
    Reader,
    plain,
)
from aiops_mcp.models.gpu import (
    GPU,
    EccCounts,
    GpuProcess,
    MigInstance,
    RetiredPages,
    RowRemapping,
)

_ALIASES = {
    "gpu_name": "name",
    "gpu_uuid": "uuid",
    "gpu_bus_id": "pci.bus_id",
    "clocks.sm": "clocks.current.sm",
    "gpu.power.draw.average": "power.draw.average",
    "gpu.power.draw.instant": "power.draw.instant",
    "gpu.power.requested_limit": "power.limit",
    "gpu.power.current_limit": "enforced.power.limit",
    "remapped_rows.sbe": "remapped_rows.correctable",
    "remapped_rows.dbe": "remapped_rows.uncorrectable",
    "retired_pages.sbe": "retired_pages.single_bit_ecc.count",
    "retired_pages.dbe": "retired_pages.double_bit.count",
}
_EVENTS = "clocks_event_reasons."
_OLD_EVENTS = "clocks_throttle_reasons."


@dataclass(frozen=True)
class GpuReport:
    """What one run of nvidia-smi told. ``lost`` cards have no entry in ``gpus``."""

    gpus: tuple[GPU, ...]
    lost: tuple[LostGpu, ...] = ()
    warnings: tuple[str, ...] = ()


def canonical_field(name: str) -> str:
    """A query field's one name: without its unit in brackets, old names and aliases resolved."""
    bare = name.split("[", 1)[0].strip()
    bare = bare.replace(_OLD_EVENTS, _EVENTS)
    return _ALIASES.get(bare, bare)


def card_label(position: int, fields: Mapping[str, str]) -> str:
    """How notes name a card: by its index, or by its place where the index was not asked for."""
    index = fields.get("index", "").strip()
    return f"GPU {index if index.isdecimal() else position}"


def gpu_from_fields(
    fields: Mapping[str, str],
    position: int,
    notes: Notes,
    *,
    processes: tuple[GpuProcess, ...] = (),
    mig_instances: tuple[MigInstance, ...] = (),
) -> GPU:
    """One card from canonical field names and raw values; ``position`` counts from 0."""
    read = _FieldReader(Reader(card_label(position, fields), notes), fields)
    index = read.integer("index")
    return GPU(
        index=position if index is None else index,
        uuid=read.text("uuid"),
        name=read.text("name"),
        driver_version=read.text("driver_version"),
        cuda_version=read.text("cuda_version"),
        pci_bus_id=read.text("pci.bus_id"),
        memory_total_mb=read.number("memory.total", MEBIBYTES),
        memory_used_mb=read.number("memory.used", MEBIBYTES),
        memory_free_mb=read.number("memory.free", MEBIBYTES),
        utilization_gpu_percent=read.number("utilization.gpu", PERCENT),
        utilization_memory_percent=read.number("utilization.memory", PERCENT),
        temperature_celsius=read.number("temperature.gpu", CELSIUS),
        temperature_memory_celsius=read.number("temperature.memory", CELSIUS),
        temperature_limit_margin_celsius=read.number("temperature.gpu.tlimit", CELSIUS),
        power_draw_watts=read.first(
            ("power.draw.instant", "power.draw", "power.draw.average"), WATTS
        ),
        power_limit_watts=read.first(("enforced.power.limit", "power.limit"), WATTS),
        fan_speed_percent=read.number("fan.speed", PERCENT),
        performance_state=read.text("pstate"),
        clock_sm_mhz=read.number("clocks.current.sm", MEGAHERTZ),
        clock_sm_max_mhz=read.number("clocks.max.sm", MEGAHERTZ),
        throttle_reasons=_throttle_reasons(read),
        ecc_enabled=read.flag("ecc.mode.current"),
        ecc=_ecc(read),
        row_remapping=_row_remapping(read),
        retired_pages=_retired_pages(read),
        pcie_link_gen=read.integer("pcie.link.gen.current", LINK),
        pcie_link_gen_max=read.integer("pcie.link.gen.max", LINK),
        pcie_link_width=read.integer("pcie.link.width.current", LINK),
        pcie_link_width_max=read.integer("pcie.link.width.max", LINK),
        recovery_action=_recovery_action(read),
        fabric_state=_fabric_state(read),
        mig_enabled=read.flag("mig.mode.current"),
        mig_instances=mig_instances,
        processes=processes,
    )


@dataclass(frozen=True)
class _FieldReader:
    reader: Reader
    fields: Mapping[str, str]

    def text(self, name: str) -> str | None:
        return self.reader.text(self.fields.get(name), name)

    def number(self, name: str, quantity: Quantity) -> float | None:
        return self.reader.number(self.fields.get(name), name, quantity)

    def integer(self, name: str, quantity: Quantity = COUNT) -> int | None:
        return self.reader.integer(self.fields.get(name), name, quantity)

    def flag(self, name: str) -> bool | None:
        return self.reader.flag(self.fields.get(name), name)

    def first(self, names: tuple[str, ...], quantity: Quantity) -> float | None:
        values = (self.number(name, quantity) for name in names)
        return next((value for value in values if value is not None), None)


def _throttle_reasons(read: _FieldReader) -> tuple[str, ...]:
    name = f"{_EVENTS}active"
    mask = read.reader.mask(read.fields.get(name), name) or 0
    for reason, bit in CLOCK_EVENT_BITS.items():
        if read.flag(_EVENTS + reason):
            mask |= bit
    return clock_events(mask)


def _ecc(read: _FieldReader) -> EccCounts | None:
    counts = EccCounts(
        corrected_volatile=read.integer("ecc.errors.corrected.volatile.total"),
        uncorrected_volatile=read.integer("ecc.errors.uncorrected.volatile.total"),
        uncorrected_aggregate=read.integer("ecc.errors.uncorrected.aggregate.total"),
    )
    return None if counts == EccCounts() else counts


def _row_remapping(read: _FieldReader) -> RowRemapping | None:
    remapping = RowRemapping(
        correctable=read.integer("remapped_rows.correctable"),
        uncorrectable=read.integer("remapped_rows.uncorrectable"),
        pending=read.flag("remapped_rows.pending"),
        failure=read.flag("remapped_rows.failure"),
    )
    return None if remapping == RowRemapping() else remapping


def _retired_pages(read: _FieldReader) -> RetiredPages | None:
    pages = RetiredPages(
        single_bit=read.integer("retired_pages.single_bit_ecc.count"),
        double_bit=read.integer("retired_pages.double_bit.count"),
        pending=read.flag("retired_pages.pending"),
    )
    return None if pages == RetiredPages() else pages


def _recovery_action(read: _FieldReader) -> str | None:
    # "None" here is a reading (nothing needs to be done), where elsewhere it is a blank
    raw = read.fields.get("gpu_recovery_action", "").strip()
    if raw.lower() == "none":
        return "None"
    word = read.text("gpu_recovery_action")
    return None if word is None else recovery_action(word)


def _fabric_state(read: _FieldReader) -> str | None:
    state = read.text("fabric.state")
    # what would be an error elsewhere, such as Insufficient Resources, is the reading here
    status = plain(read.fields.get("fabric.status"))
    if state is None or status.lower() in ("", "n/a", "not supported", "success"):
        return state
    return f"{state} ({status})"

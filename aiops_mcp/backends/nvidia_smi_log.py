"""Cards from ``nvidia-smi -q``, as XML (nvsmi_device v11, v12, v13) or as text.

Both become an element tree first; one table then says where each reading lies in either.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator

from aiops_mcp.backends.gpu_codes import CLOCK_EVENT_BITS, process_type
from aiops_mcp.backends.nvidia_smi_fields import GpuReport, gpu_from_fields
from aiops_mcp.backends.nvidia_smi_messages import Sorted
from aiops_mcp.backends.nvidia_smi_text import read_text
from aiops_mcp.backends.nvidia_smi_values import (
    MEBIBYTES,
    PERCENT,
    Notes,
    Reader,
    is_blank,
)
from aiops_mcp.backends.nvidia_smi_xml import read_xml
from aiops_mcp.models.gpu import GpuProcess, GpuProcessType, MigInstance

# query field → where it stands, XML first, then the text's labels as tags
_PATHS: dict[str, tuple[str, ...]] = {
    "name": ("product_name",),
    "uuid": ("uuid", "gpu_uuid"),
    "pci.bus_id": ("pci/pci_bus_id", "pci/bus_id"),
    "memory.total": ("fb_memory_usage/total",),
    "memory.used": ("fb_memory_usage/used",),
    "memory.free": ("fb_memory_usage/free",),
    "utilization.gpu": ("utilization/gpu_util", "utilization/gpu"),
    "utilization.memory": ("utilization/memory_util", "utilization/memory"),
    "temperature.gpu": ("temperature/gpu_temp", "temperature/gpu_current_temp"),
    "temperature.gpu.tlimit": ("temperature/gpu_temp_tlimit", "temperature/gpu_t_limit_temp"),
    "temperature.memory": ("temperature/memory_temp", "temperature/memory_current_temp"),
    "power.draw.instant": (
        "gpu_power_readings/instant_power_draw",
        "gpu_power_readings/instantaneous_power_draw",
        "power_readings/instant_power_draw",
    ),
    "power.draw": ("gpu_power_readings/power_draw", "power_readings/power_draw"),
    "power.draw.average": (
        "gpu_power_readings/average_power_draw",
        "power_readings/average_power_draw",
    ),
    "enforced.power.limit": (
        "gpu_power_readings/current_power_limit",
        "power_readings/enforced_power_limit",
        "gpu_power_readings/enforced_power_limit",
        "power_readings/current_power_limit",
    ),
    "power.limit": (
        "gpu_power_readings/requested_power_limit",
        "power_readings/power_limit",
        "gpu_power_readings/power_limit",
    ),
    "fan.speed": ("fan_speed",),
    "pstate": ("performance_state",),
    "clocks.current.sm": ("clocks/sm_clock", "clocks/sm"),
    "clocks.max.sm": ("max_clocks/sm_clock", "max_clocks/sm"),
    "pcie.link.gen.current": (
        "pci/pci_gpu_link_info/pcie_gen/current_link_gen",
        "pci/gpu_link_info/pcie_generation/current",
    ),
    "pcie.link.gen.max": (
        "pci/pci_gpu_link_info/pcie_gen/max_link_gen",
        "pci/gpu_link_info/pcie_generation/max",
    ),
    "pcie.link.width.current": (
        "pci/pci_gpu_link_info/link_widths/current_link_width",
        "pci/gpu_link_info/link_width/current",
    ),
    "pcie.link.width.max": (
        "pci/pci_gpu_link_info/link_widths/max_link_width",
        "pci/gpu_link_info/link_width/max",
    ),
    "mig.mode.current": ("mig_mode/current_mig", "mig_mode/current"),
    "ecc.mode.current": ("ecc_mode/current_ecc", "ecc_mode/current"),
    "remapped_rows.correctable": (
        "remapped_rows/remapped_row_corr",
        "remapped_rows/correctable_error",
    ),
    "remapped_rows.uncorrectable": (
        "remapped_rows/remapped_row_unc",
        "remapped_rows/uncorrectable_error",
    ),
    "remapped_rows.pending": ("remapped_rows/remapped_row_pending", "remapped_rows/pending"),
    "remapped_rows.failure": (
        "remapped_rows/remapped_row_failure",
        "remapped_rows/remapping_failure_occurred",
    ),
    "retired_pages.single_bit_ecc.count": (
        "retired_pages/multiple_single_bit_retirement/retired_count",
        "retired_pages/single_bit_ecc",
    ),
    "retired_pages.double_bit.count": (
        "retired_pages/double_bit_retirement/retired_count",
        "retired_pages/double_bit_ecc",
    ),
    "retired_pages.pending": (
        "retired_pages/pending_retirement",
        "retired_pages/pending_blacklist",
        "retired_pages/pending_page_blacklist",
    ),
    "gpu_recovery_action": ("gpu_recovery_action",),
    "fabric.state": ("fabric/state",),
    "fabric.status": ("fabric/status",),
}
# how -q words the clock-event reasons where the XML uses the query's own names
_REASON_LABELS = {
    "idle": "gpu_idle",
    "display_clock_setting": "display_clocks_setting",
}


def parse_xml(output: str) -> GpuReport:
    """Cards, MIG devices and processes from ``nvidia-smi -q -x``.

    Raises:
        NvidiaSmiFailed: nvidia-smi told of a failure instead.
        BackendMisbehaved: there is no complete XML document of nvidia-smi.
    """
    return _report(*read_xml(output))


def parse_text(output: str) -> GpuReport:
    """Cards, MIG devices and processes from ``nvidia-smi -q``; raises as ``parse_xml``."""
    return _report(*read_text(output))


def _report(root: ET.Element, said: Sorted) -> GpuReport:
    notes = Notes()
    versions = {name: root.findtext(name, "") for name in ("driver_version", "cuda_version")}
    gpus = tuple(
        gpu_from_fields(
            _fields(element) | versions,
            position,
            notes,
            processes=tuple(_processes(element, Reader(f"GPU {position}", notes))),
            mig_instances=tuple(_mig_instances(element, Reader(f"GPU {position}", notes))),
        )
        for position, element in enumerate(root.findall("gpu"))
    )
    attached = root.findtext("attached_gpus", "").strip()
    if attached.isdecimal() and int(attached) > len(gpus) + len(said.lost):
        notes.add(f"nvidia-smi counts {attached} attached GPUs but reports {len(gpus)}")
    return GpuReport(gpus, said.lost, (*said.warnings, *notes.warnings()))


def _fields(card: ET.Element) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, paths in _PATHS.items():
        text = _first(card, paths)
        if text is not None:
            fields[name] = text
    fields.setdefault("pci.bus_id", card.get("id", ""))
    _add_reset_status(card, fields)
    fields |= _clock_events(card)
    fields |= _ecc_totals(card)
    if "requires reset" in (card.findtext("remapped_rows") or ""):
        fields.setdefault("remapped_rows.pending", "Yes")  # the rows themselves are not told then
    return fields


def _first(card: ET.Element, paths: Iterable[str]) -> str | None:
    """The first path's text that is no blank, else the first that is there at all."""
    found = [text.strip() for path in paths if (text := card.findtext(path)) is not None]
    return next((text for text in found if not is_blank(text)), found[0] if found else None)


def _add_reset_status(card: ET.Element, fields: dict[str, str]) -> None:
    """``gpu_reset_status`` of v12 and before, in the words of v13's ``gpu_recovery_action``."""
    status = card.find("gpu_reset_status")
    if status is None or "gpu_recovery_action" in fields:
        return
    required = (status.findtext("reset_required") or "").strip().lower()
    drain = (status.findtext("drain_and_reset_recommended") or "").strip().lower()
    if "yes" in (required, drain):
        fields["gpu_recovery_action"] = "GPU Reset" if required == "yes" else "Drain and Reset"
    elif required == "no":
        fields["gpu_recovery_action"] = "None"


def _clock_events(card: ET.Element) -> dict[str, str]:
    fields: dict[str, str] = {}
    for group in ("clocks_event_reasons", "clocks_throttle_reasons"):
        section = card.find(group)
        for element in section.iter() if section is not None else ():
            bare = element.tag.removeprefix("clocks_event_reason_")
            bare = bare.removeprefix("clocks_throttle_reason_")
            reason = _REASON_LABELS.get(bare, bare)
            if reason in CLOCK_EVENT_BITS:
                fields[f"clocks_event_reasons.{reason}"] = element.text or ""
    return fields


def _ecc_totals(card: ET.Element) -> dict[str, str]:
    """CSV's totals, which -q leaves to the reader to add up."""
    fields: dict[str, str] = {}
    for window in ("volatile", "aggregate"):
        section = card.find(f"ecc_errors/{window}")
        if section is None:
            continue
        for kind, old in (("corrected", "single_bit"), ("uncorrected", "double_bit")):
            total = _old_total(section.find(old))
            if total is None:
                total = _sum(_new_counts(section, kind))
            if total is not None:
                fields[f"ecc.errors.{kind}.{window}.total"] = str(total)
    return fields


def _old_total(section: ET.Element | None) -> int | None:
    """v11 and before, on cards without row remapping: counts for each memory, and a total."""
    if section is None:
        return None
    total = (section.findtext("total") or "").strip()
    return int(total) if total.isdecimal() else _sum(element.text for element in section)


def _new_counts(section: ET.Element, kind: str) -> Iterator[str | None]:
    counts = {element.tag: (element.text or "").strip() for element in section}
    if kind == "corrected":
        yield from (counts.get(tag) for tag in ("sram_correctable", "dram_correctable"))
        return
    yield counts.get("dram_uncorrectable")
    sram = counts.get("sram_uncorrectable", "")
    if sram.isdecimal():
        yield sram
    else:
        parts = ("parity", "secded", "sec_ded")
        yield from (counts.get(f"sram_uncorrectable_{part}") for part in parts)


def _sum(texts: Iterable[str | None]) -> int | None:
    counts = [int(text) for text in texts if text and text.strip().isdecimal()]
    return sum(counts) if counts else None


def _mig_instances(card: ET.Element, read: Reader) -> Iterator[MigInstance]:
    for device in (*card.findall("mig_devices/mig_device"), *card.findall("mig_device")):
        index = read.integer(device.findtext("index"), "MIG device index")
        what = f"MIG device {index}"

        def memory(part: str, device: ET.Element = device, what: str = what) -> float | None:
            text = _first(device, (f"fb_memory_usage/{part}", f"shared_fb_memory_usage/{part}"))
            return read.number(text, f"memory of {what}", MEBIBYTES)

        yield MigInstance(
            index=index,
            gpu_instance_id=read.integer(device.findtext("gpu_instance_id"), f"id of {what}"),
            compute_instance_id=read.integer(
                device.findtext("compute_instance_id"), f"compute instance of {what}"
            ),
            uuid=read.text(_first(device, ("uuid", "mig_uuid")), f"uuid of {what}"),
            memory_total_mb=memory("total"),
            memory_used_mb=memory("used"),
            utilization_percent=read.number(
                device.findtext("utilization/gpu_util"), f"utilization of {what}", PERCENT
            ),
        )


def _processes(card: ET.Element, read: Reader) -> Iterator[GpuProcess]:
    section = card.find("processes")
    if section is None:
        return
    for info in section.findall("process_info"):
        yield from _process(info, info.findtext("pid"), info, read)
    # the text has no element around a process: its instance ids stand before its pid
    before = ET.Element("before")
    for element in section:
        if element.tag == "process_id":
            yield from _process(element, element.text, before, read)
            before = ET.Element("before")
        elif element.tag != "process_info":
            before.append(element)


def _process(
    info: ET.Element, pid_text: str | None, instance: ET.Element, read: Reader
) -> Iterator[GpuProcess]:
    pid = read.integer(pid_text, "process id")
    if pid is None:
        return
    word = read.text(info.findtext("type"), f"type of process {pid}")
    kind = process_type(word) if word else None
    name = _first(info, ("process_name", "name"))
    used = _first(info, ("used_memory", "used_gpu_memory"))
    yield GpuProcess(
        pid=pid,
        process_name=name or "[Unknown]",
        used_memory_mb=read.number(used, f"memory of process {pid}", MEBIBYTES),
        type=kind or GpuProcessType.COMPUTE,
        gpu_instance_id=read.integer(instance.findtext("gpu_instance_id"), "gpu_instance_id"),
        compute_instance_id=read.integer(
            instance.findtext("compute_instance_id"), "compute_instance_id"
        ),
    )

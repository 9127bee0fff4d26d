"""XIDs: the codes with which NVIDIA's driver reports a GPU's errors, and what to do about them.

Data, after NVIDIA's XID catalog and the device plugin's list of application errors; the classes are
ours. ``action`` is the immediate one, then what follows if that does not help.
"""

import re
from enum import StrEnum

from aiops_mcp.models.entity import Entity


class XidClass(StrEnum):
    """Where an XID's cause lies."""

    APPLICATION = "APPLICATION"
    HARDWARE = "HARDWARE"
    DRIVER = "DRIVER"
    MEMORY = "MEMORY"
    LINK = "LINK"
    SECONDARY = "SECONDARY"


class Xid(Entity):
    """One code of the catalog."""

    code: int
    meaning: str
    xid_class: XidClass
    action: str


class XidEvent(Entity):
    """An XID as the kernel log tells it; ``pid`` and ``process_name`` where it names a process."""

    code: int
    pci_bus_id: str
    pid: int | None = None
    process_name: str | None = None
    detail: str = ""


_A, _H, _D = XidClass.APPLICATION, XidClass.HARDWARE, XidClass.DRIVER
_M, _L, _S = XidClass.MEMORY, XidClass.LINK, XidClass.SECONDARY

_DEBUG = "restart and debug the application; always the same GPU: that GPU"
_NVLINK5 = "reset the GPU; look at the fabric manager, then ask support"
_CATALOG: tuple[tuple[tuple[int, ...], str, XidClass, str], ...] = (
    ((8,), "GPU stopped processing", _D, "restart the application; support if it repeats"),
    ((11, 25, 32), "invalid or corrupt push buffer", _A, "restart the application; then PCIe"),
    ((13,), "graphics engine exception", _A, _DEBUG),
    ((31,), "GPU memory page fault", _A, _DEBUG),
    ((38,), "driver firmware error", _D, "ignore it once; support if it repeats"),
    ((39, 40, 41), "copy engine exception", _A, "restart the application"),
    ((43,), "GPU stopped processing for a user's fault", _A, "fix the application"),
    ((44,), "fault in a context switch", _D, "support if it repeats"),
    (
        (45,),
        "cleanup after an earlier error",
        _S,
        "follow the other XID; alone: restart the fabric manager",
    ),
    ((46,), "GPU stopped processing: timeout", _H, "reset the GPU; then support"),
    ((48,), "double-bit ECC error", _M, "drain the node and reset the GPU; RMA if it repeats"),
    ((54,), "auxiliary power is not connected", _H, "check the power cables"),
    ((62,), "internal microcontroller halted", _H, "reset the GPU; then support"),
    ((63,), "row remapping or page retirement recorded", _M, "reset at the next window"),
    ((64,), "row remapping or page retirement failed", _M, "reset the GPU; then RMA"),
    ((68,), "video decoder exception", _A, "restart the application"),
    ((69,), "graphics engine class error", _A, "restart the application"),
    ((74,), "NVLink error", _L, "look at the link counters, reset; bridge or NVSwitch"),
    ((79,), "GPU has fallen off the bus", _H, "drain and reboot; power, riser, heat; then RMA"),
    ((80,), "corrupted data sent to the GPU", _A, "restart and check the application"),
    ((92,), "high rate of single-bit ECC errors", _M, "watch it; support"),
    ((94,), "contained memory error", _M, "restart that application; reset when convenient"),
    ((95,), "uncontained memory error", _M, "stop all work on the GPU and reset it now"),
    ((109,), "context switch timeout", _D, "reset the GPU; then support"),
    ((110,), "security fault", _D, "reset the GPU"),
    ((119,), "GSP RPC timeout", _D, "reset the GPU, else reboot; update the driver"),
    ((120,), "GSP error", _D, "reset the GPU, else reboot; update the driver"),
    ((121,), "C2C link error, corrected", _L, "ignore it; reset at the next window"),
    ((136,), "link training failed", _L, "reset the GPU; check the link"),
    ((137,), "NVLink privilege error", _L, "restart the application; then reset"),
    ((140,), "unrecovered ECC error", _M, "reset the GPU; then support"),
    ((143,), "GPU initialisation failed", _H, "reset the GPU; then support"),
    ((*range(144, 151), 155), "NVLink 5 error", _L, _NVLINK5),
    ((154,), "recovery action changed", _S, "do what it names"),
    ((156,), "resource retirement event", _M, "reset the GPU"),
    ((157,), "resource retirement failed", _M, "support"),
    ((158,), "GPU fatal timeout", _H, "reset the GPU; then support"),
    ((167,), "PCIe fatal timeout", _H, "reboot the node"),
    ((171,), "uncorrectable DRAM error, detail of 48", _M, "as 48: drain and reset"),
    ((172,), "uncorrectable SRAM error, detail of 48", _M, "as 48: drain and reset"),
)
_BY_CODE = {
    code: Xid(code=code, meaning=meaning, xid_class=xid_class, action=action)
    for codes, meaning, xid_class, action in _CATALOG
    for code in codes
}
_LINE = re.compile(
    r"NVRM: Xid \(PCI:(?P<bus>[0-9A-Fa-f:.]+)\): (?P<code>\d+)(?:, pid='?(?P<pid>[^,']+)'?)?"
    r"(?:, name=(?P<name>[^,]+))?(?:, (?P<detail>.*))?"
)


def xid(code: int) -> Xid | None:
    """What a code means; ``None`` for one that the catalog does not name."""
    return _BY_CODE.get(code)


def xid_event(line: str) -> XidEvent | None:
    """The XID in a line of the kernel log; ``None`` where there is none.

    A line reads ``NVRM: Xid (PCI:0000:83:00): 79, pid=1234, name=python, GPU has fallen off …``.
    """
    match = _LINE.search(line)
    if match is None:
        return None
    pid, name = match["pid"] or "", match["name"] or ""
    return XidEvent(
        code=int(match["code"]),
        pci_bus_id=match["bus"],
        pid=int(pid) if pid.isdecimal() else None,
        process_name=None if name in ("", "<unknown>") else name,
        detail=(match["detail"] or "").strip(),
    )


def leading_xid(codes: tuple[int, ...]) -> int | None:
    """Of several XIDs within seconds, oldest first, the one to follow.

    45 only cleans up after another, and 154 only tells what to do.
    """
    causes = [code for code in codes if (known := xid(code)) is None or known.xid_class is not _S]
    return next(iter(causes or codes), None)

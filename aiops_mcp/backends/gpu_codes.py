"""Codes that GPU sources share: clock-event bits, recovery actions, process types.

Sources: nvml.h (nvmlClocksEventReason*, nvmlDeviceGpuRecoveryAction), NVIDIA DCGM dcgm_fields.h.
"""

from collections.abc import Iterable

from aiops_mcp.models.gpu import GpuProcessType

CLOCK_EVENT_BITS: dict[str, int] = {
    "gpu_idle": 0x1,
    "applications_clocks_setting": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
    "display_clocks_setting": 0x100,
}
"""Why the clocks are where they are, by the names that nvidia-smi gives the bits."""

_RECOVERY_ACTIONS = ("None", "GPU Reset", "Node Reboot", "Drain P2P", "Drain and Reset")
_SHORT_ACTIONS = {"reset": "GPU Reset", "reboot": "Node Reboot"}


def clock_events(mask: int) -> tuple[str, ...]:
    """Names of the bits set in a clock-event (throttle) mask, lowest bit first.

    A bit without a name, as newer drivers may add, stands as ``bit_0x200``.
    """
    named = [name for name, bit in CLOCK_EVENT_BITS.items() if mask & bit]
    unnamed = mask & ~sum(CLOCK_EVENT_BITS.values())
    bits = (1 << place for place in range(64))
    return (*named, *(f"bit_{bit:#x}" for bit in bits if unnamed & bit))


def clock_event_mask(names: Iterable[str]) -> int:
    """The mask of the named bits; unknown names are left out."""
    return sum({CLOCK_EVENT_BITS[name] for name in names if name in CLOCK_EVENT_BITS})


def recovery_action(text: str) -> str:
    """One spelling for a recovery action, from a word or from NVML's number."""
    if text.isdecimal() and int(text) < len(_RECOVERY_ACTIONS):
        return _RECOVERY_ACTIONS[int(text)]
    lowered = text.lower()
    known = {action.lower(): action for action in _RECOVERY_ACTIONS} | _SHORT_ACTIONS
    return known.get(lowered, text)


def process_type(text: str) -> GpuProcessType | None:
    """``C``, ``G``, ``C+G`` and MPS's ``M+C``; ``None`` for anything else."""
    parts = {part.strip().upper() for part in text.split("+")}
    if {"C", "G"} <= parts:
        return GpuProcessType.MIXED
    if "G" in parts:
        return GpuProcessType.GRAPHICS
    return GpuProcessType.COMPUTE if parts & {"C", "M"} else None

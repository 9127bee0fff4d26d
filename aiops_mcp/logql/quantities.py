"""Durations and sizes as LogQL writes them, in nanoseconds and bytes. Pure; no grammar."""

import re
from decimal import Decimal

NANOSECOND_OF = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
    "y": 31_536_000_000_000_000,
}
LONGEST_NS = 2**63 - 1
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)", re.ASCII)
_DURATION = re.compile(rf"[+-]?(?:{_PART.pattern})+", re.ASCII)
_BYTES = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgtpe]?i?b?)", re.ASCII | re.IGNORECASE)
_POWERS = "kmgtpe"
_MOST_DIGITS = 40


def parse_duration(text: str) -> int | None:
    """The nanoseconds of ``1h30m``, ``1.5s`` or ``250us``; None when it is no duration."""
    if len(text) > _MOST_DIGITS or not _DURATION.fullmatch(text):
        return None
    total = sum(Decimal(number) * NANOSECOND_OF[unit] for number, unit in _PART.findall(text))
    whole = int(total)
    if whole > LONGEST_NS:
        return None
    return -whole if text[0] == "-" else whole


def format_duration(nanoseconds: int) -> str:
    """The shortest text that ``parse_duration`` reads back."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    parts: list[str] = []
    for unit in ("h", "m", "s", "ms", "us", "ns"):
        count, rest = divmod(rest, NANOSECOND_OF[unit])
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)


def parse_bytes(text: str) -> int | None:
    """The bytes of ``20MB``, ``1.5KiB`` or ``42B``; None when it is no size."""
    found = _BYTES.fullmatch(text) if len(text) <= _MOST_DIGITS else None
    if found is None:
        return None
    unit = found[2].lower()
    power = _POWERS.find(unit[0]) + 1 if unit and unit[0] in _POWERS else 0
    factor = 1024 if "i" in unit else 1000
    size = int(Decimal(found[1]) * factor**power)
    return size if size <= 2**64 - 1 else None

"""One line of a log, and how levels are read from text."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

NANO = 1_000_000_000
_KLOG = re.compile(r"([IWEF])\d{4} ")
_NAMED = re.compile(
    r'(?:\blevel=|"level":\s*"|\b)(trace|debug|info|warn(?:ing)?|error|err|fatal|panic|critical)\b',
    re.IGNORECASE,
)
_KLOG_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "critical"}
_LEVELS = {"warn": "warning", "err": "error", "fatal": "critical", "panic": "critical"}


@dataclass(frozen=True, slots=True)
class Line:
    """``text`` may hold surrogate escapes where the program wrote bytes that are no UTF-8."""

    ns: int
    text: str
    level: str = "info"
    stream: str = "stdout"
    unit: str = ""

    @property
    def stamp(self) -> str:
        """The time as the kubelet writes it, RFC 3339 with nanoseconds."""
        when = datetime.fromtimestamp(self.ns // NANO, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{when}.{self.ns % NANO:09d}Z"

    @property
    def raw(self) -> bytes:
        """The bytes that the program wrote."""
        return self.text.encode("utf-8", "surrogateescape")

    @property
    def readable(self) -> str:
        """The text with bytes that are no UTF-8 replaced, as JSON must have it."""
        return self.raw.decode("utf-8", "replace")


def nanoseconds(moment: float) -> int:
    """Unix seconds as nanoseconds, rounded to microseconds, which a float still holds."""
    return round(moment * 1_000_000) * 1000


def level_of(text: str) -> str:
    """The level that a line tells of itself, as Loki detects it; ``unknown`` without one."""
    start = text[:300]
    klog = _KLOG.match(start)
    if klog:
        return _KLOG_LEVELS[klog[1]]
    found = _NAMED.search(start)
    if found is None:
        return "unknown"
    name = found[1].lower()
    return _LEVELS.get(name, name)

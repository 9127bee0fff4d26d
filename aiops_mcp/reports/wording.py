"""How numbers, times and lengths of time are written in reports. Pure."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aiops_mcp.models.alerts import AlertSeverity, span_text
from aiops_mcp.models.reports import Tone

_SMALL = 1e-4
TONES = {
    "CRITICAL": Tone.CRITICAL,
    "FAILING": Tone.CRITICAL,
    "OFFLINE": Tone.CRITICAL,
    "HIGH": Tone.CRITICAL,
    "WARNING": Tone.WARNING,
    "DEGRADED": Tone.WARNING,
    "MEDIUM": Tone.WARNING,
    "HOLDOVER": Tone.WARNING,
    "FREERUN": Tone.CRITICAL,
    "ONLINE": Tone.OK,
    "HEALTHY": Tone.OK,
    "LOCKED": Tone.OK,
    "INFO": Tone.MUTED,
    "LOW": Tone.MUTED,
    "UNKNOWN": Tone.MUTED,
}
"""Words that tell a severity or a state."""


def tone_of(severity: AlertSeverity | None) -> Tone:
    return TONES[severity.value] if severity else Tone.PLAIN


def number(value: float) -> str:
    """Three significant digits and thousands apart: ``1,284``, ``0.0123``, ``5.71``."""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "infinite"
    size = abs(value)
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}" if size < 1e15 else f"{value:.3g}"
    return f"{value:.3g}" if size >= _SMALL else f"{value:.1e}"


def percent(share: float) -> str:
    """A share of 0 to 1 as per cent: ``64%``, ``0.42%``."""
    if not math.isfinite(share):
        return "unknown"
    value = share * 100
    return f"{value:.0f}%" if abs(value) >= 10 or value == 0 else f"{value:.2g}%"


def moment(at: datetime | None) -> str:
    """``25 Nov 07:44`` in UTC; a report says once that its times are UTC."""
    return f"{at.astimezone(UTC):%d %b %H:%M}".lstrip("0") if at else ""


def day_and_time(at: datetime) -> str:
    """``25 Nov 2026, 07:44 UTC``."""
    return f"{at.astimezone(UTC):%d %b %Y, %H:%M} UTC".lstrip("0")


def lasted(since: datetime | None, until: datetime) -> str:
    """How long something has lasted: ``3h10m``; empty where its begin is unknown."""
    return span_text(until - since) if since else ""


def span(seconds: float) -> str:
    return span_text(timedelta(seconds=seconds))


def count(number_of: int, one: str, many: str = "") -> str:
    """``1 alert``, ``3 alerts``, ``no alerts``."""
    word = one if number_of == 1 else (many or f"{one}s")
    return f"{number_of:,} {word}" if number_of else f"no {word}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """``a, b and 3 more``."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]

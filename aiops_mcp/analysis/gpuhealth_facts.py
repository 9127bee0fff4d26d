"""A card's facts for the rules, and the thresholds that they are held against. Pure.

Thresholds without a vendor's source are ours; each may be overridden by its name.
"""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from aiops_mcp.errors import InputError
from aiops_mcp.models.gpu import GPU, EccCounts, NvlinkState, RetiredPages, RowRemapping
from aiops_mcp.models.gpu_health import CardHistory


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Celsius, percent, rows, pages; rates per hour; shares of time 0 to 1."""

    temperature: float = 85.0
    temperature_critical: float = 90.0
    temperature_memory: float = 95.0
    temperature_margin: float = 5.0
    thermal_share: float = 0.01
    violation_share: float = 0.05
    clock_percent: float = 70.0
    busy_percent: float = 80.0
    corrected_per_hour: float = 100.0
    remapped_rows: float = 400.0
    retired_pages: float = 60.0
    nvlink_crc_per_second: float = 100.0
    nvlink_errors_per_hour: float = 10.0
    pcie_replays_per_minute: float = 8.0
    xid_fresh_hours: float = 1.0
    peer_deviations: float = 3.5
    peer_percent: float = 10.0
    idle_percent: float = 2.0
    idle_minutes: float = 30.0
    memory_held_percent: float = 10.0

    def overridden(self, values: dict[str, float]) -> "Thresholds":
        """With some of them replaced.

        Raises:
            InputError: there is no threshold of that name.
        """
        known = {field.name for field in fields(self)}
        wrong = sorted(values.keys() - known)
        if wrong:
            raise InputError(
                f"There is no GPU threshold {wrong[0]!r}.", f"There are: {', '.join(sorted(known))}"
            )
        return replace(self, **values)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """One card now and over the window before."""

    gpu: GPU
    history: CardHistory | None
    limits: Thresholds
    now: datetime

    @property
    def ecc(self) -> EccCounts:
        return self.gpu.ecc or EccCounts()

    @property
    def rows(self) -> RowRemapping:
        return self.gpu.row_remapping or RowRemapping()

    @property
    def pages(self) -> RetiredPages:
        return self.gpu.retired_pages or RetiredPages()

    @property
    def nvlink(self) -> NvlinkState:
        return self.gpu.nvlink or NvlinkState()

    @property
    def busy(self) -> bool:
        return (self.gpu.utilization_gpu_percent or 0.0) >= self.limits.busy_percent

    def grown(self, *names: str) -> float:
        """By how much counters grew over the window; 0 where nothing tells."""
        return sum(self.history.increases.get(name, 0.0) for name in names) if self.history else 0.0

    def per_hour(self, *names: str) -> float:
        if self.history is None or self.history.window_seconds <= 0:
            return 0.0
        return self.grown(*names) * 3600.0 / self.history.window_seconds

    def throttled(self, cause: str) -> float:
        return self.history.throttled.get(cause, 0.0) if self.history else 0.0

    def over(self) -> str:
        minutes = (self.history.window_seconds if self.history else 0.0) / 60.0
        return f"in {minutes:.0f} min"


def fresh(limits: Thresholds, now: datetime) -> datetime:
    """XIDs from this moment on make a card failing; older ones only tell of its past."""
    return now - timedelta(hours=limits.xid_fresh_hours)

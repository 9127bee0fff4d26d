"""The rules by which a card is judged: data, each with its evidence, threshold, action and source.

Pure. A rule reads one card's facts and answers with the evidence, or with nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aiops_mcp.analysis.gpuhealth_facts import CardFacts
from aiops_mcp.models.gpu_health import GpuReason, Verdict

Evidence = Callable[[CardFacts], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """``limit`` names the threshold; ``bound`` is one that is no setting."""

    name: str
    verdict: Verdict
    what: str
    evidence: Evidence
    action: str
    source: str
    limit: str | None = None
    bound: str | None = None

    def reason(self, facts: CardFacts) -> GpuReason | None:
        """The reason it gives for this card, or none."""
        evidence = self.evidence(facts)
        if evidence is None:
            return None
        threshold = self.bound
        if self.limit is not None:
            threshold = f"{self.limit} {getattr(facts.limits, self.limit):g}"
        return GpuReason(
            rule=self.name,
            verdict=self.verdict,
            what=self.what,
            evidence=evidence,
            threshold=threshold,
            action=self.action,
            source=self.source,
        )


def _when(condition: bool, evidence: str) -> str | None:
    return evidence if condition else None


def _recovery(facts: CardFacts) -> str | None:
    action = facts.gpu.recovery_action
    return _when(bool(action) and str(action).lower() != "none", f"recovery action: {action}")


def _double_bit(facts: CardFacts) -> str | None:
    grown = max(facts.grown("ECC_DBE_VOL_TOTAL"), facts.grown("ECC_DBE_AGG_TOTAL"))
    return _when(grown > 0, f"{grown:.0f} more {facts.over()}")


def _old_double_bit(facts: CardFacts) -> str | None:
    count = facts.ecc.uncorrected_volatile or 0
    return _when(count > 0 and _double_bit(facts) is None, f"{count} since the driver was loaded")


def _aggregate(facts: CardFacts) -> str | None:
    """Over its life; worth knowing where nothing newer is."""
    count = facts.ecc.uncorrected_aggregate or 0
    newer = _double_bit(facts) or _old_double_bit(facts)
    return _when(count > 0 and newer is None, f"{count} over its life, none since the last reset")


def _single_bit(facts: CardFacts) -> str | None:
    rate = facts.per_hour("ECC_SBE_VOL_TOTAL")
    return _when(rate > facts.limits.corrected_per_hour, f"{rate:.0f} an hour")


def _rows_left(facts: CardFacts) -> str | None:
    rows = (facts.rows.uncorrectable or 0) + (facts.rows.correctable or 0)
    return _when(rows >= facts.limits.remapped_rows, f"{rows} rows remapped, of 512 possible")


def _pages(facts: CardFacts) -> str | None:
    pages = (facts.pages.single_bit or 0) + (facts.pages.double_bit or 0)
    return _when(pages >= facts.limits.retired_pages, f"{pages} pages retired, of 64 possible")


def _links_down(facts: CardFacts) -> str | None:
    active, inactive = facts.nvlink.active_links or 0, facts.nvlink.inactive_links or 0
    # none at all is a card without a bridge or switch
    return _when(active > 0 and inactive > 0, f"{inactive} of {active + inactive} links inactive")


_CRC = ("NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", "NVLINK_CRC_DATA_ERROR_COUNT_TOTAL")
_REPLAY = "NVLINK_REPLAY_ERROR_COUNT_TOTAL"
_RECOVERY = "NVLINK_RECOVERY_ERROR_COUNT_TOTAL"


def _crc_storm(facts: CardFacts) -> str | None:
    rate = facts.per_hour(*_CRC) / 3600.0
    return _when(rate > facts.limits.nvlink_crc_per_second, f"{rate:.0f} CRC errors a second")


def _link_errors(facts: CardFacts) -> str | None:
    rate = facts.per_hour(*_CRC, _REPLAY)
    some = rate > facts.limits.nvlink_errors_per_hour and _crc_storm(facts) is None
    return _when(some, f"{facts.grown(*_CRC, _REPLAY):.0f} CRC and replay errors {facts.over()}")


def _link_recoveries(facts: CardFacts) -> str | None:
    grown = facts.grown(_RECOVERY)
    return _when(grown > 0, f"{grown:.0f} link recoveries {facts.over()}")


def _narrow(facts: CardFacts) -> str | None:
    now, most = facts.gpu.pcie_link_width, facts.gpu.pcie_link_width_max
    return _when(now is not None and most is not None and now < most, f"x{now} of x{most}")


def _slow_bus(facts: CardFacts) -> str | None:
    """Only under load: an idle card lowers the generation to save power."""
    now, most = facts.gpu.pcie_link_gen, facts.gpu.pcie_link_gen_max
    lower = now is not None and most is not None and now < most
    return _when(lower and facts.busy, f"generation {now} of {most} under load")


def _replays(facts: CardFacts) -> str | None:
    rate = facts.per_hour("PCIE_REPLAY_COUNTER") / 60.0
    return _when(rate > facts.limits.pcie_replays_per_minute, f"{rate:.1f} replays a minute")


def _too_hot(facts: CardFacts) -> str | None:
    """Where the card tells its own margin, nothing of it is left."""
    margin, heat = facts.gpu.temperature_limit_margin_celsius, facts.gpu.temperature_celsius
    if margin is not None:
        return _when(margin <= 0, f"{heat or 0:.0f} C, no margin to its slowdown")
    return _when(
        heat is not None and heat > facts.limits.temperature_critical, f"{heat or 0:.0f} C"
    )


def _hot(facts: CardFacts) -> str | None:
    """By the vendor's margin where the card tells it: each model's limit differs."""
    margin, heat = facts.gpu.temperature_limit_margin_celsius, facts.gpu.temperature_celsius
    if margin is not None:
        near = 0 < margin < facts.limits.temperature_margin
        at = f"{heat:.0f} C, " if heat is not None else ""
        return _when(near, f"{at}{margin:.0f} C below its slowdown")
    warm = heat is not None and heat > facts.limits.temperature
    return _when(warm and _too_hot(facts) is None, f"{heat or 0:.0f} C")


def _hot_memory(facts: CardFacts) -> str | None:
    heat = facts.gpu.temperature_memory_celsius
    return _when(heat is not None and heat > facts.limits.temperature_memory, f"{heat or 0:.0f} C")


_HARDWARE_THERMAL = "hw_thermal_slowdown"
_THERMAL = frozenset({_HARDWARE_THERMAL, "sw_thermal_slowdown"})


def _throttle_text(facts: CardFacts, reasons: tuple[str, ...], cause: str) -> str:
    now = ", ".join(reasons)
    share = facts.throttled(cause)
    spent = f"{share:.0%} of the time {facts.over()}" if share >= 0.0005 else ""
    return "; ".join(part for part in (now, spent) if part)


def _hw_thermal(facts: CardFacts) -> str | None:
    active = _HARDWARE_THERMAL in facts.gpu.throttle_reasons
    return _when(active, _throttle_text(facts, (_HARDWARE_THERMAL,), "thermal"))


def _thermal(facts: CardFacts) -> str | None:
    now = tuple(one for one in facts.gpu.throttle_reasons if one in _THERMAL)
    slowed = bool(now) or facts.throttled("thermal") > facts.limits.thermal_share
    return _when(slowed and _hw_thermal(facts) is None, _throttle_text(facts, now, "thermal"))


def _power_brake(facts: CardFacts) -> str | None:
    return _when("hw_power_brake_slowdown" in facts.gpu.throttle_reasons, "hw_power_brake_slowdown")


def _hw_slowdown(facts: CardFacts) -> str | None:
    """Alone; with the thermal bit or the power brake those say more."""
    reasons = facts.gpu.throttle_reasons
    alone = not {_HARDWARE_THERMAL, "hw_power_brake_slowdown"} & set(reasons)
    return _when("hw_slowdown" in reasons and alone, "hw_slowdown")


def _other_violation(facts: CardFacts) -> str | None:
    shares = {c: facts.throttled(c) for c in ("reliability", "board limit")}
    over = [
        f"{cause} {share:.0%}"
        for cause, share in shares.items()
        if share > facts.limits.violation_share
    ]
    return _when(bool(over), f"{', '.join(over)} of the time {facts.over()}")


def _at_power_limit(facts: CardFacts) -> str | None:
    share = facts.throttled("power")
    return _when(
        "sw_power_cap" in facts.gpu.throttle_reasons or share > facts.limits.violation_share,
        _throttle_text(facts, ("sw_power_cap",), "power"),
    )


def _slow_clock(facts: CardFacts) -> str | None:
    """Without a reason that explains it; heat, power and set clocks tell of themselves."""
    clock, most = facts.gpu.clock_sm_mhz, facts.gpu.clock_sm_max_mhz
    if clock is None or not most or not facts.busy or facts.gpu.throttle_reasons:
        return None
    share = 100.0 * clock / most
    return _when(share < facts.limits.clock_percent, f"{clock:.0f} of {most:.0f} MHz under load")


def _fabric(facts: CardFacts) -> str | None:
    state = facts.gpu.fabric_state
    fine = state is None or state.lower() in {"completed", "n/a", "not supported"}
    return _when(not fine, f"fabric state: {state}")


_NVIDIA = "NVIDIA"
_OURS = "ours"
_DRAIN_RESET = "drain the node and reset the GPU; RMA if it repeats"
_F, _D, _H = Verdict.FAILING, Verdict.DEGRADED, Verdict.HEALTHY

CARD_RULES: tuple[Rule, ...] = (
    Rule("recovery", _F, "the driver asks for recovery", _recovery,
         "do what it names, after draining", _NVIDIA),
    Rule("ecc-double-bit", _F, "uncorrectable memory errors", _double_bit,
         _DRAIN_RESET, _NVIDIA, bound="any"),
    Rule("ecc-double-bit-before", _D, "uncorrectable memory errors before the window",
         _old_double_bit, "reset the GPU at the next window; RMA if it repeats", _NVIDIA,
         bound="any"),
    Rule("ecc-aggregate", _H, "uncorrectable memory errors in its past", _aggregate,
         "nothing; RMA if more come", _NVIDIA),
    Rule("ecc-single-bit", _D, "many corrected memory errors", _single_bit,
         "watch it; support if the rate stays", _OURS, limit="corrected_per_hour"),
    Rule("row-remap-failed", _F, "row remapping failed",
         lambda facts: _when(facts.rows.failure is True, "remapping failure: yes"),
         "drain the node; RMA", _NVIDIA),
    Rule("row-remap-pending", _D, "row remapping is pending",
         lambda facts: _when(facts.rows.pending is True, "pending: yes"),
         "reset the GPU at the next window", _NVIDIA),
    Rule("rows-remapped", _D, "few spare rows are left", _rows_left,
         "plan its replacement", _NVIDIA, limit="remapped_rows"),
    Rule("pages-pending", _D, "page retirement is pending",
         lambda facts: _when(facts.pages.pending is True, "pending: yes"),
         "reset the GPU at the next window", _NVIDIA),
    Rule("pages-retired", _F, "as many pages are retired as may be", _pages,
         "RMA", _NVIDIA, limit="retired_pages"),
    Rule("nvlink-inactive", _D, "NVLinks are inactive", _links_down,
         "drain and reset; then bridge, NVSwitch, fabric manager", _NVIDIA, bound="any"),
    Rule("nvlink-crc", _F, "a storm of NVLink CRC errors", _crc_storm,
         "drain and reset; then bridge or NVSwitch; support", _NVIDIA,
         limit="nvlink_crc_per_second"),
    Rule("nvlink-recovery", _D, "NVLinks had to recover", _link_recoveries,
         "look at link, bridge, NVSwitch; reset at the next window", _NVIDIA, bound="any"),
    Rule("nvlink-errors", _D, "NVLink errors", _link_errors,
         "look at link, bridge, NVSwitch", _OURS, limit="nvlink_errors_per_hour"),
    Rule("pcie-width", _D, "the PCIe link is narrower than it could be", _narrow,
         "reseat the card; riser or slot", _NVIDIA),
    Rule("pcie-generation", _D, "the PCIe link is slower than it could be", _slow_bus,
         "BIOS setting, riser or slot", _NVIDIA),
    Rule("pcie-replays", _D, "PCIe transfers are repeated", _replays,
         "reseat the card; cable or riser", _NVIDIA, limit="pcie_replays_per_minute"),
    Rule("hw-thermal", _F, "the hardware slows it down for heat", _hw_thermal,
         "look at fans, airflow and inlet; drain if it stays", _NVIDIA),
    Rule("thermal", _D, "it is slowed down for heat", _thermal,
         "look at cooling and inlet temperature", _NVIDIA, limit="thermal_share"),
    Rule("too-hot", _F, "it is too hot", _too_hot,
         "look at fans, airflow and inlet; drain if it stays", _OURS,
         limit="temperature_critical"),
    Rule("hot", _D, "it is hot", _hot, "look at cooling", _OURS, limit="temperature"),
    Rule("hot-memory", _D, "its memory is hot", _hot_memory, "look at cooling", _OURS,
         limit="temperature_memory"),
    Rule("power-brake", _F, "a power brake slows it down", _power_brake,
         "look at power supplies and the rack's power", _NVIDIA),
    Rule("hw-slowdown", _D, "the hardware slows it down", _hw_slowdown,
         "look at power and heat; reset if it stays", _NVIDIA),
    Rule("violation", _D, "limits slow it down", _other_violation,
         "look at power and firmware", _NVIDIA, limit="violation_share"),
    Rule("slow-clock", _D, "its clock is low under load", _slow_clock,
         "compare with its peers; look for set clocks", _OURS, limit="clock_percent"),
    Rule("fabric", _F, "it has not joined the NVLink fabric", _fabric,
         "look at the fabric manager; then reset", _NVIDIA, bound="Completed"),
    Rule("power-limit", _H, "it is at its power limit, which is normal", _at_power_limit,
         "nothing", _NVIDIA),
)  # fmt: skip
"""In the order in which they are told where verdicts are equal."""

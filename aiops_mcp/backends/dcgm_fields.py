"""DCGM exporter's metrics that are read, under their old and their new names.

DCGM 4.6 renamed fields and kept the old names as aliases of the same field, with the same unit: a
``GPU_UTIL_RATIO`` is still a percentage. Source: NVIDIA DCGM dcgm_fields.h, dcgm-exporter
etc/default-counters.csv.
"""

from collections.abc import Iterable

_DEVICE = "DCGM_FI_DEV_"
_PROFILING = "DCGM_FI_PROF_"

XID_COUNT = "DCGM_EXP_XID_ERRORS_COUNT"
"""Exporter's own: XIDs in the last minutes, the code in the label ``xid``."""

_DEVICE_FIELDS: dict[str, tuple[str, ...]] = {
    "GPU_UTIL": ("GPU_UTIL_RATIO",),
    "MEM_COPY_UTIL": ("MEM_COPY_UTIL_RATIO",),
    "FB_TOTAL": (),
    "FB_USED": (),
    "FB_FREE": (),
    "FB_RESERVED": (),
    "GPU_TEMP": ("GPU_TEMP_CELSIUS",),
    "MEMORY_TEMP": ("MEMORY_TEMP_CELSIUS",),
    "GPU_TEMP_LIMIT": ("GPU_TEMP_MARGIN_CELSIUS",),
    "POWER_USAGE": ("BOARD_POWER_WATTS",),
    "ENFORCED_POWER_LIMIT": ("BOARD_POWER_LIMIT_ENFORCED_WATTS",),
    "POWER_MGMT_LIMIT": ("BOARD_POWER_LIMIT_REQUESTED_WATTS",),
    "FAN_SPEED": (),
    "PSTATE": ("GPU_PSTATE",),
    "SM_CLOCK": (),
    "MAX_SM_CLOCK": (),
    "CLOCKS_EVENT_REASONS": ("CLOCK_THROTTLE_REASONS",),
    "XID_ERRORS": ("XID_ERROR",),
    "ECC_SBE_VOL_TOTAL": (),
    "ECC_DBE_VOL_TOTAL": (),
    "ECC_DBE_AGG_TOTAL": (),
    "CORRECTABLE_REMAPPED_ROWS": ("ROW_REMAP_CORRECTABLE_TOTAL",),
    "UNCORRECTABLE_REMAPPED_ROWS": ("ROW_REMAP_UNCORRECTABLE_TOTAL",),
    "ROW_REMAP_PENDING": (),
    "ROW_REMAP_FAILURE": ("ROW_REMAP_FAILED",),
    "RETIRED_SBE": ("PAGE_RETIRED_SBE_TOTAL",),
    "RETIRED_DBE": ("PAGE_RETIRED_DBE_TOTAL",),
    "RETIRED_PENDING": ("PAGE_RETIRED_PENDING",),
    "PCIE_LINK_GEN": (),
    "PCIE_MAX_LINK_GEN": (),
    "PCIE_LINK_WIDTH": (),
    "PCIE_MAX_LINK_WIDTH": (),
    "NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": ("NVLINK_CRC_FLIT_ERROR_TOTAL",),
    "NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": ("NVLINK_CRC_DATA_ERROR_TOTAL",),
    "NVLINK_REPLAY_ERROR_COUNT_TOTAL": ("NVLINK_REPLAY_ERROR_TOTAL",),
    "NVLINK_RECOVERY_ERROR_COUNT_TOTAL": ("NVLINK_RECOVERY_ERROR_TOTAL",),
    "GET_GPU_RECOVERY_ACTION": ("GPU_RECOVERY_ACTION",),
    "MIG_MODE": (),
}
_PROFILING_FIELDS: dict[str, tuple[str, ...]] = {
    "GR_ENGINE_ACTIVE": ("GR_ENGINE_UTIL_RATIO",),
}

_OVER_TIME_FIELDS: dict[str, tuple[str, ...]] = {
    "THERMAL_VIOLATION": (),
    "POWER_VIOLATION": (),
    "RELIABILITY_VIOLATION": (),
    "BOARD_LIMIT_VIOLATION": (),
    "ECC_SBE_AGG_TOTAL": (),
    "PCIE_REPLAY_COUNTER": ("PCIE_REPLAY_TOTAL",),
}
"""Read only as a history: a single value of them says nothing."""


def _spelled(*tables: tuple[str, dict[str, tuple[str, ...]]]) -> dict[str, str]:
    return {
        prefix + spelling: name
        for prefix, fields in tables
        for name, renamed in fields.items()
        for spelling in (name, *renamed)
    }


METRIC_NAMES: dict[str, str] = _spelled(
    (_DEVICE, _DEVICE_FIELDS), (_PROFILING, _PROFILING_FIELDS)
) | {XID_COUNT: "XID_COUNT"}
"""Metric name → our short name of the field, for every spelling."""

PER_INSTANCE = frozenset({"FB_TOTAL", "FB_USED", "FB_FREE", "FB_RESERVED", "GR_ENGINE_ACTIVE"})
"""Fields that under MIG are a slice's own; all others repeat the whole card's value."""


def dcgm_query() -> str:
    """One PromQL instant query for all of them."""
    return '{__name__=~"' + "|".join(METRIC_NAMES) + '"}'


ALL_NAMES: dict[str, str] = METRIC_NAMES | _spelled((_DEVICE, _OVER_TIME_FIELDS))
"""With those that are read only over time."""


def selector(fields: Iterable[str]) -> str:
    """A PromQL selector of the metrics of some fields, by our short names, in every spelling."""
    wanted = set(fields)
    return '{__name__=~"' + "|".join(k for k, v in ALL_NAMES.items() if v in wanted) + '"}'


def is_blank(value: float) -> bool:
    """Whether a sample is one of DCGM's "no value" marks (dcgm_structs.h: *_BLANK and +1 to +3)."""
    return not (
        abs(value) < 9.2e18
        and not 2147483632 <= value <= 2147483635
        and not 140737488355328 <= value <= 140737488355331
    )

"""Figures of 5G core functions, from the metrics that Open5GS and 3GPP's names give them. Pure.

Formulas are those of 3GPP TS 28.554; what is too low or too high is our judgement (operators set
their own), and stands in one table.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiops_mcp.analysis.counters import Points, points_of, rate
from aiops_mcp.fleet.cnf_dpdk import pod_of
from aiops_mcp.models.cnf import CnfKpi
from aiops_mcp.models.metrics import Series

LOOK_BACK_SECONDS = 3600.0
STEP_SECONDS = 60.0
RECENT_SECONDS = 600.0
FELL_BY = 0.3
"""A figure of traffic or sessions that is lower by this share than before is trouble."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Successes of attempts, in percent; trouble under ``least``."""

    name: str
    part: str
    whole: str
    least: float


@dataclass(frozen=True, slots=True)
class Level:
    """A gauge, or a counter's rate; trouble where it fell against the time before."""

    name: str
    metric: str
    unit: str
    is_counter: bool = False


RATIOS = (
    Ratio(
        "registration success",
        "fivegs_amffunction_rm_reginitsucc",
        "fivegs_amffunction_rm_reginitreq",
        98.0,
    ),
)
LEVELS = (
    Level("registered subscribers", "fivegs_amffunction_rm_registeredsubnbr", "subscribers"),
    Level("PFCP sessions", "pfcp_sessions_active", "sessions"),
    Level("PFCP peers", "pfcp_peers_active", "peers"),
    Level("UPF sessions", "fivegs_upffunction_upf_sessionnbr", "sessions"),
    Level("GTP-U in", "fivegs_ep_n3_gtp_indatapktn3upf", "packets/s", is_counter=True),
    Level("GTP-U out", "fivegs_ep_n3_gtp_outdatapktn3upf", "packets/s", is_counter=True),
)
QUERY = '{{__name__=~"{}"}}'.format(
    "|".join(
        [name for ratio in RATIOS for name in (ratio.part, ratio.whole)]
        + [level.metric for level in LEVELS]
    )
)

PodKey = tuple[str, str]


def kpis_by_pod(series: Iterable[Series]) -> Mapping[PodKey, Mapping[str, Points]]:
    """The points of each known metric by namespace and pod, from the range answer to ``QUERY``."""
    pods: dict[PodKey, dict[str, Points]] = defaultdict(dict)
    for one in series:
        points = points_of(one.values)
        if points:
            pods[pod_of(one.metric)][one.metric.get("__name__", "")] = points
    return pods


def kpis_of(pods: Iterable[Mapping[str, Points]]) -> tuple[CnfKpi, ...]:
    """The figures of a workload: those of its pods together."""
    told = list(pods)
    found = [_ratio(ratio, told) for ratio in RATIOS] + [_level(level, told) for level in LEVELS]
    return tuple(kpi for kpi in found if kpi is not None)


def _ratio(ratio: Ratio, pods: Iterable[Mapping[str, Points]]) -> CnfKpi | None:
    told = list(pods)
    part, part_before = _rates(ratio.part, told)
    whole, whole_before = _rates(ratio.whole, told)
    if part is None or not whole:
        return None
    percent = 100 * part / whole
    earlier = 100 * part_before / whole_before if part_before is not None and whole_before else None
    trouble = f"{ratio.name} {percent:.1f} %, under {ratio.least:g}"
    return CnfKpi(
        name=ratio.name,
        value=round(percent, 2),
        unit="%",
        earlier=None if earlier is None else round(earlier, 2),
        trouble=trouble if percent < ratio.least else None,
    )


def _level(level: Level, pods: Iterable[Mapping[str, Points]]) -> CnfKpi | None:
    told = list(pods)
    now, before = (_rates if level.is_counter else _means)(level.metric, told)
    if now is None:
        return None
    fell = before is not None and before > 0 and now < before * (1 - FELL_BY)
    return CnfKpi(
        name=level.name,
        value=round(now, 1),
        unit=level.unit,
        earlier=None if before is None else round(before, 1),
        trouble=f"{level.name} {now:.4g}, was {before:.4g}" if fell else None,
    )


def _rates(metric: str, pods: Iterable[Mapping[str, Points]]) -> tuple[float | None, float | None]:
    """A counter's rate over the last minutes and before, over all pods."""
    now: list[float] = []
    before: list[float] = []
    for told in pods:
        points = told.get(metric, ())
        if points:
            recent = points[-1][0] - RECENT_SECONDS
            now += _known(rate(points, since=recent))
            before += _known(rate(points, until=recent))
    return sum(now) if now else None, sum(before) if before else None


def _means(metric: str, pods: Iterable[Mapping[str, Points]]) -> tuple[float | None, float | None]:
    """A gauge's newest value, and its mean before the last minutes, over all pods."""
    now: list[float] = []
    before: list[float] = []
    for told in pods:
        points = told.get(metric, ())
        if points:
            now.append(points[-1][1])
            old = [value for moment, value in points if moment <= points[-1][0] - RECENT_SECONDS]
            before += [sum(old) / len(old)] if old else []
    return sum(now) if now else None, sum(before) if before else None


def _known(value: float | None) -> list[float]:
    return [] if value is None else [value]

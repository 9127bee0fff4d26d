"""Figures of 5G core functions, from the metrics that Open5GS and 3GPP's names give them. Pure.

Formulas are those of 3GPP TS 28.554; what is too low or too high is our judgement (operators set
their own), and stands in one table.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiops_mcp.analysis.counters import Points, points_of, rate
from aiops_mcp.fleet.cnf_dpdk import LOSS_QUERY, field_of, pod_of
from aiops_mcp.models.cnf import CnfKpi
from aiops_mcp.models.metrics import Series

LOOK_BACK_SECONDS = 7200.0
STEP_SECONDS = 60.0
RECENT_SECONDS = 600.0
EARLIER_SECONDS = 3600.0
"""What was before is the first hour of the two: an incident of the last hour is not in it."""
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
LOSSES = {"imissed": "packets missed", "rx_nombuf": "receive buffers missing"}
_NAMES = (
    *(name for ratio in RATIOS for name in (ratio.part, ratio.whole)),
    *(level.metric for level in LEVELS),
)
QUERY = f'{{__name__=~"{"|".join(_NAMES)}"}} or {LOSS_QUERY}'

PodKey = tuple[str, str]
Figures = Mapping[str, Sequence[Points]]


def kpis_by_pod(series: Iterable[Series]) -> Mapping[PodKey, Figures]:
    """The points of each known metric by namespace and pod, from the range answer to ``QUERY``.

    A pod may have several series of a metric, one a port.
    """
    pods: dict[PodKey, dict[str, list[Points]]] = defaultdict(lambda: defaultdict(list))
    for one in series:
        points = points_of(one.values)
        name = one.metric.get("__name__", "")
        if points:
            pods[pod_of(one.metric)][field_of(name) or name].append(points)
    return pods


def kpis_of(pods: Iterable[Figures]) -> tuple[CnfKpi, ...]:
    """The figures of a workload: those of its pods together."""
    told = list(pods)
    found = [_ratio(ratio, told) for ratio in RATIOS] + [_level(level, told) for level in LEVELS]
    found += [_loss(field, name, told) for field, name in LOSSES.items()]
    return tuple(kpi for kpi in found if kpi is not None)


def _ratio(ratio: Ratio, pods: Iterable[Figures]) -> CnfKpi | None:
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


def _level(level: Level, pods: Iterable[Figures]) -> CnfKpi | None:
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
        trouble=f"{level.name} {now:,.0f}, was {before:,.0f}" if fell else None,
    )


def _loss(field: str, name: str, pods: Iterable[Figures]) -> CnfKpi | None:
    now, before = _rates(field, pods)
    if now is None:
        return None
    return CnfKpi(
        name=name,
        value=round(now, 1),
        unit="packets/s",
        earlier=None if before is None else round(before, 1),
        trouble=f"{now:,.0f} {name}/s" if now > 0 else None,
    )


def _rates(metric: str, pods: Iterable[Figures]) -> tuple[float | None, float | None]:
    """A counter's rate over the last minutes and before, over all pods."""
    now: list[float] = []
    before: list[float] = []
    for points in _series(metric, pods):
        now += _known(rate(points, since=points[-1][0] - RECENT_SECONDS))
        before += _known(rate(points, until=points[-1][0] - EARLIER_SECONDS))
    return sum(now) if now else None, sum(before) if before else None


def _means(metric: str, pods: Iterable[Figures]) -> tuple[float | None, float | None]:
    """A gauge's newest value, and its mean before, over all pods."""
    now: list[float] = []
    before: list[float] = []
    for points in _series(metric, pods):
        now.append(points[-1][1])
        old = [value for moment, value in points if moment <= points[-1][0] - EARLIER_SECONDS]
        before += [sum(old) / len(old)] if old else []
    return sum(now) if now else None, sum(before) if before else None


def _series(metric: str, pods: Iterable[Figures]) -> Iterable[Points]:
    return (points for told in pods for points in told.get(metric, ()))


def _known(value: float | None) -> list[float]:
    return [] if value is None else [value]

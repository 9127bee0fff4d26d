"""The series of one cluster as a root-cause question needs them, and which of them are told.

Pure but for reading (``read_measured``). Every vital sign is read and judged by what an operator
would act on; of all series those that moved and those near to them are chosen, since what is well
speaks as much as what is not.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from aiops_mcp.analysis.anomaly import Kind
from aiops_mcp.analysis.rootcause_problem import Edge, Signal, SignalKind
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.anomalies import judged_grid
from aiops_mcp.fleet.anomaly_findings import Place, findings_of
from aiops_mcp.fleet.cache import AnswerCache
from aiops_mcp.fleet.rca_names import Names
from aiops_mcp.fleet.series_grid import SeriesGrid, Span, Vector
from aiops_mcp.fleet.sign_series import over_signs
from aiops_mcp.fleet.vital_signs import Bad, SignKind, VitalSign
from aiops_mcp.models.anomaly import AnomalyDetection, AnomalySeverity, Sensitivity

MOST_TOLD: Final = 50
"""Signals of one answer (contract)."""
MOST_KEPT: Final = 4_000
"""Series of one cluster that are held at once; what moved goes first."""

_SEVERITIES: Final = (AnomalySeverity.HIGH, AnomalySeverity.MEDIUM, AnomalySeverity.LOW)
_KINDS: Final[Mapping[SignKind, SignalKind]] = {
    SignKind.LATENCY: SignalKind.LATENCY,
    SignKind.ERRORS: SignalKind.ERRORS,
    SignKind.TRAFFIC: SignalKind.TRAFFIC,
    SignKind.SATURATION: SignalKind.SATURATION,
    SignKind.RESOURCE: SignalKind.RESOURCE,
    SignKind.OTHER: SignalKind.OTHER,
}
_MEMORY: Final = "memory use"


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One series with what it is of, and what was found in it."""

    sign: VitalSign
    component: str
    detail: str
    callee: str
    times: Vector
    values: Vector
    findings: tuple[AnomalyDetection, ...] = ()

    @property
    def is_turned(self) -> bool:
        """Whether the ranking takes its values negated: it is bad when it falls."""
        return self.sign.bad is Bad.DOWN and self.sign.kind is not SignKind.TRAFFIC

    @property
    def signal(self) -> Signal:
        """As the ranking takes it; what is bad when it falls is turned round."""
        kind = _KINDS[self.sign.kind]
        if self.callee and kind in (SignalKind.LATENCY, SignalKind.ERRORS):
            kind = SignalKind.WAITING
        if self.sign.name == _MEMORY:
            kind = SignalKind.MEMORY
        values = -self.values if self.is_turned else self.values
        told = f"{self.sign.name} {self.detail}".strip()
        return Signal(self.component, told, kind, self.times, values, self.callee)


@dataclass(frozen=True, slots=True)
class MeasuredCluster:
    """All that was read of one cluster; ``series`` counts those that were judged."""

    found: tuple[Measured, ...]
    notes: tuple[str, ...]
    series: int

    def named(self, names: Names) -> tuple[Measured, ...]:
        """With the names by which things go here."""
        return tuple(
            Measured(
                one.sign,
                names.of(one.component),
                one.detail,
                names.called(one.callee, one.component.partition("/")[0]) if one.callee else "",
                one.times,
                one.values,
                tuple(
                    each.model_copy(update={"component": names.of(each.component)})
                    for each in one.findings
                ),
            )
            for one in self.found
        )


async def read_measured(
    access: Access, cache: AnswerCache, signs: Sequence[VitalSign], span: Span, *, ttl: float
) -> MeasuredCluster:
    """Every series of the signs, judged. Errors as of `sign_series.over_signs`."""

    def visit(sign: VitalSign, grid: SeriesGrid) -> tuple[Measured, ...]:
        return tuple(_measured(access, sign, grid))

    read = await over_signs(access, cache, signs, span, visit, ttl=ttl)
    every = [one for part in read.found for one in part]
    kept = sorted(every, key=lambda one: not one.findings)[:MOST_KEPT]
    notes = list(read.notes)
    if len(kept) < len(every):
        notes.append(f"{len(every) - len(kept)} calm series were let go of")
    return MeasuredCluster(tuple(kept), tuple(notes), len(every))


def _measured(access: Access, sign: VitalSign, grid: SeriesGrid) -> Iterable[Measured]:
    place = Place(
        access.cluster.id,
        access.cluster.name,
        sign.query(60.0),
        datetime.fromtimestamp(float(grid.times[-1]), UTC),
    )
    judged = (
        [] if sign.by_limit_only else judged_grid(grid, Sensitivity.MEDIUM, Kind(sign.type.upper()))
    )
    for row, labels in enumerate(grid.labels):
        one = SeriesGrid((labels,), grid.times, grid.values[row : row + 1])
        found = () if sign.evidence else findings_of(sign, one, judged[row : row + 1], place)
        callee = labels.get(sign.callee, "") if sign.callee else ""
        yield Measured(
            sign,
            sign.component_of(labels),
            sign.detail_of(labels),
            callee,
            grid.times,
            grid.values[row],
            tuple(found),
        )


def onset_of(
    findings: Iterable[AnomalyDetection], others: Iterable[float], since: float, within: float
) -> float | None:
    """When most began: the first begin of the stretch of ``within`` seconds with most of them.

    A grave anomaly counts twice. What began before ``since`` is another story.
    """
    begins = [
        (one.started_at.timestamp(), 2.0 if one.severity is AnomalySeverity.HIGH else 1.0)
        for one in findings
        if one.severity is not AnomalySeverity.LOW
    ]
    begins += [(at, 2.0) for at in others]
    begins = sorted((at, weight) for at, weight in begins if at >= since)
    best, onset = 0.0, None
    for place, (first, _) in enumerate(begins):
        weight = sum(weight for at, weight in begins[place:] if at <= first + within)
        if weight > best:
            best, onset = weight, first
    return onset


def chosen(
    measured: Sequence[Measured],
    edges: Iterable[Edge],
    *,
    around: Collection[str] = (),
    most: int = MOST_TOLD,
) -> list[Measured]:
    """What is judged further: what moved, then what is near to it, at most ``most``.

    Of what moved the gravest first, each component at least once; ``around`` are components that
    matter whatever their series say.
    """
    moved = sorted((one for one in measured if one.findings), key=_gravity)
    firsts: dict[str, Measured] = {}
    for one in moved:
        firsts.setdefault(one.component, one)
    own = set(firsts) | set(around)
    near = {edge.source for edge in edges if edge.target in own}
    near |= {edge.target for edge in edges if edge.source in own}
    ordered = [
        *firsts.values(),
        *moved,
        *(one for one in measured if one.component in own),
        *(one for one in measured if one.callee and one.callee in own),
        *(one for one in measured if one.component in near),
    ]
    return list({id(one): one for one in ordered}.values())[:most]


def medians(one: Measured, when: float) -> tuple[float | None, float | None]:
    """The medians before and from ``when`` on; None where there is nothing."""
    split = int(np.searchsorted(one.times, when))
    return _median(one.values[:split]), _median(one.values[split:])


def _median(values: Vector) -> float | None:
    known = values[np.isfinite(values)]
    found = float(np.median(known)) if len(known) else math.nan
    return found if math.isfinite(found) else None


def _gravity(one: Measured) -> tuple[int, float]:
    worst = min(_SEVERITIES.index(each.severity) for each in one.findings)
    return worst, -max(abs(each.deviation or 0.0) for each in one.findings)

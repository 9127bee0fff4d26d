"""The series of one cluster for a correlation: what changed its level, who is odd, what to compare.

Each sign is read and let go of; of its series those are kept that moved, up to a bound. Pure but
for reading. Knows no alert and no other cluster.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aiops_mcp.analysis.correlate_peers import odd_ones
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.anomaly_findings import departure_matters
from aiops_mcp.fleet.cache import AnswerCache
from aiops_mcp.fleet.metric_changes import changes_of
from aiops_mcp.fleet.rca_names import Names
from aiops_mcp.fleet.rca_topology import Topology, read_topology
from aiops_mcp.fleet.series_grid import Matrix, SeriesGrid, Span, Vector
from aiops_mcp.fleet.sign_series import over_signs
from aiops_mcp.fleet.vital_signs import Area, SignKind, VitalSign
from aiops_mcp.models.anomaly import SeriesChange
from aiops_mcp.models.correlation import OddPeer

MOST_ROWS: Final = 1_000
"""Series of one cluster that are held for comparing; those that moved most go first."""
PEERS: Final = frozenset({"node", "gpu"})
"""Things of one kind that are expected to be alike; services and workloads are not."""
COMPARABLE: Final = frozenset({SignKind.ERRORS, SignKind.SATURATION})
"""Signs by which clusters are expected to be alike, whatever their size and their services."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One series that can be compared with others of the same grid."""

    sign: VitalSign
    cluster: str
    component: str
    detail: str
    values: Vector
    strength: float

    @property
    def told(self) -> str:
        return f"{self.sign.name} {self.detail}".strip()


@dataclass(frozen=True, slots=True)
class SignSeen:
    """What one sign gave: its changes, its moving series, its odd ones, and its middle."""

    sign: VitalSign
    changes: tuple[SeriesChange, ...]
    rows: tuple[Row, ...]
    odd: tuple[OddPeer, ...]
    middle: Vector
    series: int


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """All that the series of one cluster told; components bear the names they go by there."""

    cluster: str
    changes: tuple[SeriesChange, ...]
    rows: tuple[Row, ...]
    odd: tuple[OddPeer, ...]
    middles: Mapping[str, tuple[VitalSign, Vector]]
    series: int
    topology: Topology
    notes: tuple[str, ...]


async def read_cluster(
    access: Access,
    cache: AnswerCache,
    signs: Sequence[VitalSign],
    span: Span,
    *,
    clusters: frozenset[str],
    ttl: float,
) -> ClusterSeen:
    """Every sign of one cluster, and who depends on whom. Errors as `over_signs`."""

    def visit(sign: VitalSign, grid: SeriesGrid) -> SignSeen:
        return sign_seen(sign, grid, access)

    topology = await read_topology(
        await access.prometheus(), Names(clusters=clusters), float(span.end)
    )
    read = await over_signs(access, cache, signs, span, visit, ttl=ttl)
    name, names = access.cluster.name, topology.names
    rows = sorted((row for one in read.found for row in one.rows), key=lambda row: -row.strength)
    missing = [f"{name}: {text}" for text in topology.missing]
    return ClusterSeen(
        cluster=name,
        changes=tuple(
            each.model_copy(update={"component": names.of(each.component)})
            for one in read.found
            for each in one.changes
        ),
        rows=tuple(
            Row(row.sign, name, names.of(row.component), row.detail, row.values, row.strength)
            for row in rows[:MOST_ROWS]
        ),
        odd=tuple(
            each.model_copy(update={"component": names.of(each.component)})
            for one in read.found
            for each in one.odd
        ),
        middles={one.sign.name: (one.sign, one.middle) for one in read.found},
        series=sum(one.series for one in read.found),
        topology=topology,
        notes=(*read.notes, *missing),
    )


def sign_seen(sign: VitalSign, grid: SeriesGrid, access: Access) -> SignSeen:
    """What the series of one sign tell of one cluster."""
    cluster = access.cluster
    found = changes_of(grid, lambda _: sign, cluster.id, cluster.name, matter=True)
    strengths = {_key(each.labels): each.strength for each in found.changes}
    moving = [row for row in range(len(grid)) if _moves(grid.values[row])]
    rows = [
        Row(
            sign,
            cluster.name,
            sign.component_of(grid.labels[row]),
            sign.detail_of(grid.labels[row]),
            grid.values[row].copy(),
            strengths.get(_key(grid.labels[row]), 0.0),
        )
        for row in moving
    ]
    rows.sort(key=lambda row: -row.strength)
    return SignSeen(
        sign,
        found.changes,
        tuple(rows[:MOST_ROWS]),
        tuple(peers_of(sign, grid, cluster.name)) if sign.of in PEERS and not sign.evidence else (),
        _middle(grid.values),
        len(grid),
    )


def peers_of(sign: VitalSign, grid: SeriesGrid, cluster: str) -> list[OddPeer]:
    """Those that stand off the others in the direction that is bad, and by so much that matters.

    Series of one thing (filesystems, interfaces) are not each other's peers: alike details are.
    """
    by_detail: dict[str, list[int]] = {}
    for row, labels in enumerate(grid.labels):
        by_detail.setdefault(sign.detail_of(labels), []).append(row)
    found: list[OddPeer] = []
    for detail, rows in by_detail.items():
        for odd in odd_ones(grid.values[rows]).odd:
            if not departure_matters(sign, odd.peers, odd.value):
                continue
            found.append(
                OddPeer(
                    of=sign.of,
                    cluster_name=cluster,
                    component=sign.component_of(grid.labels[rows[odd.index]]),
                    what=f"{sign.name} {detail}".strip(),
                    unit=sign.unit,
                    value=odd.value,
                    peers=odd.peers,
                    peer_count=len(rows) - 1,
                    deviation=odd.deviation,
                )
            )
    return found


def odd_clusters(seen: Sequence[ClusterSeen]) -> list[OddPeer]:
    """Clusters whose middle of a sign stands off that of the others."""
    found: list[OddPeer] = []
    names = {name: sign for one in seen for name, (sign, _) in one.middles.items()}
    for name, sign in names.items():
        if not _is_comparable(sign):
            continue
        having = [one for one in seen if name in one.middles]
        values: Matrix = np.array([one.middles[name][1] for one in having])
        for odd in odd_ones(values).odd:
            if departure_matters(sign, odd.peers, odd.value):
                cluster = having[odd.index].cluster
                found.append(
                    OddPeer(
                        of="cluster",
                        cluster_name=cluster,
                        component=cluster,
                        what=f"{name} (median)",
                        unit=sign.unit,
                        value=odd.value,
                        peers=odd.peers,
                        peer_count=len(having) - 1,
                        deviation=odd.deviation,
                    )
                )
    return found


def _is_comparable(sign: VitalSign) -> bool:
    # What answers slowly depends on what it is; control planes are the same everywhere.
    is_slow_platform = sign.area is Area.CONTROL_PLANE and sign.kind is SignKind.LATENCY
    return not sign.evidence and (sign.kind in COMPARABLE or is_slow_platform)


def _middle(values: Matrix) -> Vector:
    """The median over the series at each step; NaN where none has a value."""
    has = np.isfinite(values).any(axis=0)
    middle = np.full(values.shape[1], math.nan)
    if has.any():
        middle[has] = np.nanmedian(values[:, has], axis=0)
    return middle


def _moves(values: Vector) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 1 and bool((known != known[0]).any())


def _key(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())

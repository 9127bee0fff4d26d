"""info(): labels of info metrics joined onto other series.

Rules from Prometheus ``promql/info.go``: joined on ``instance`` and ``job``; of several info
series of one metric and target the one with the newest sample counts.
"""

from collections.abc import Callable, Sequence

import numpy as np

from aiops_mcp.promql.tree import METRIC_NAME, Matcher, Selector
from aiops_mcp.simulation.promql.frames import QueryFailed, Vector, joined
from aiops_mcp.simulation.promql.matching import Labels, keep, labels_from, matches
from aiops_mcp.simulation.promql.store import Floats, Mask

_IDENTITY = ("instance", "job")
_ANY_INFO = Matcher(METRIC_NAME, "=~", ".+_info")
_DEFAULT = Matcher(METRIC_NAME, "=", "target_info")


def enriched(
    vector: Vector,
    matchers: Sequence[Matcher],
    read: Callable[[Selector], tuple[Vector, Floats]],
) -> Vector:
    """The vector with the data labels of matching info series added.

    ``read`` gives a selector's values and the times of its samples.

    Raises:
        QueryFailed: where two info series of one metric match, with samples of one time.
    """
    names = [matcher for matcher in matchers if matcher.name == METRIC_NAME]
    data = [matcher for matcher in matchers if matcher.name != METRIC_NAME]
    positive = any(matcher.op in ("=", "=~") for matcher in names)
    chosen = names if positive else [*names, _ANY_INFO if names else _DEFAULT]
    info, stamps = read(Selector("", (*chosen, *data)))
    # Series that are themselves info series of this query are not enriched.
    left_alone = chosen if positive or not matchers else []
    # Without a match, a series stays only if its missing labels fulfil what was asked.
    required = any(not matches(matcher, "") for matcher in data)
    partners = _by_identity(info, stamps, {keep(labels, _IDENTITY) for labels in vector.labels})
    labels: list[Labels] = []
    values: list[Floats] = []
    present: list[Mask] = []
    for row, base in enumerate(vector.labels):
        name = dict(base).get(METRIC_NAME, "")
        is_info = bool(left_alone) and all(matches(matcher, name) for matcher in left_alone)
        rows = {} if is_info else partners.get(keep(base, _IDENTITY), {})
        remaining = vector.present[row]
        for here, added in _combinations(info, rows, {matcher.name for matcher in data}):
            if (remaining & here).any():
                labels.append(labels_from({**added, **dict(base)}))
                values.append(vector.values[row])
                present.append(remaining & here)
                remaining = remaining & ~here
        if not required or is_info:
            labels.append(base)
            values.append(vector.values[row])
            present.append(remaining)
    if not labels:
        return Vector([], vector.values[:0], vector.present[:0])
    return joined(labels, np.stack(values), np.stack(present))


def _by_identity(
    info: Vector, stamps: Floats, wanted: set[Labels]
) -> dict[Labels, dict[int, Mask]]:
    """Rows of info series by target, and where each is its metric's newest."""
    groups: dict[Labels, dict[str, list[int]]] = {}
    for row, labels in enumerate(info.labels):
        identity = keep(labels, _IDENTITY)
        if identity and identity in wanted:
            name = dict(labels)[METRIC_NAME]
            groups.setdefault(identity, {}).setdefault(name, []).append(row)
    return {
        identity: {
            row: mask
            for name, rows in metrics.items()
            for row, mask in _newest(info, stamps, name, rows).items()
        }
        for identity, metrics in groups.items()
    }


def _newest(info: Vector, stamps: Floats, name: str, rows: Sequence[int]) -> dict[int, Mask]:
    times = np.where(info.present[rows], stamps[rows], -np.inf)
    newest = info.present[rows] & (times == times.max(axis=0))
    if (newest.sum(axis=0) > 1).any():
        raise QueryFailed(f"found duplicate series for info metric: {name}")
    return dict(zip(rows, newest, strict=True))


def _combinations(
    info: Vector, rows: dict[int, Mask], wanted: set[str]
) -> list[tuple[Mask, dict[str, str]]]:
    """Times at which the same info series count, and the labels they add together."""
    if not rows:
        return []
    patterns, which = np.unique(np.stack(list(rows.values())), axis=1, return_inverse=True)
    which = which.reshape(-1)
    result: list[tuple[Mask, dict[str, str]]] = []
    for number in range(patterns.shape[1]):
        alive = [row for row, here in zip(rows, patterns[:, number], strict=True) if here]
        if alive:
            added = _added([info.labels[row] for row in alive], wanted)
            result.append((np.asarray(which == number), added))
    return result


def _added(series: Sequence[Labels], wanted: set[str]) -> dict[str, str]:
    added: dict[str, str] = {}
    for labels in series:
        for name, value in labels:
            if name in (METRIC_NAME, *_IDENTITY) or (wanted and name not in wanted):
                continue
            if added.setdefault(name, value) != value:
                raise QueryFailed(f"conflicting label: {name}")
    return added

"""info(): labels of info metrics joined onto other series.

Rules from Prometheus ``promql/info.go``: joined on ``instance`` and ``job``; where several info
series of one metric match, the sample's series counts only if it is alone.
"""

from collections.abc import Callable, Sequence

import numpy as np

from aiops_mcp.promql.tree import METRIC_NAME, Matcher, Selector
from aiops_mcp.simulation.promql.frames import QueryFailed, Vector, joined
from aiops_mcp.simulation.promql.matching import Labels, keep, labels_from, matches
from aiops_mcp.simulation.promql.store import Floats, Mask

_IDENTITY = ("instance", "job")


def enriched(
    vector: Vector, matchers: Sequence[Matcher], read: Callable[[Selector], Vector]
) -> Vector:
    """The vector with the data labels of matching info series added.

    Raises:
        QueryFailed: where two info series of one metric match at one time.
    """
    named = [matcher for matcher in matchers if matcher.name == METRIC_NAME]
    data = [matcher for matcher in matchers if matcher.name != METRIC_NAME]
    names = named or [Matcher(METRIC_NAME, "=", "target_info")]
    info = read(Selector("", (*names, *data)))
    wanted = {matcher.name for matcher in data}
    # A series that lacks a data label asked for with a non-empty value is left out.
    required = any(not matches(matcher, "") for matcher in data)
    by_identity: dict[Labels, list[int]] = {}
    for row, one in enumerate(info.labels):
        by_identity.setdefault(keep(one, _IDENTITY), []).append(row)
    labels: list[Labels] = []
    values: list[Floats] = []
    present: list[Mask] = []
    for row, base in enumerate(vector.labels):
        remaining = vector.present[row]
        is_info = all(matches(m, dict(base).get(METRIC_NAME, "")) for m in names)
        partners = [] if is_info else by_identity.get(keep(base, _IDENTITY), [])
        for here, added in _combinations(info, partners, wanted):
            both = remaining & here
            if both.any():
                labels.append(labels_from({**added, **dict(base)}))
                values.append(vector.values[row])
                present.append(both)
                remaining = remaining & ~here
        if not required or is_info:
            labels.append(base)
            values.append(vector.values[row])
            present.append(remaining)
    if not labels:
        return Vector([], vector.values[:0], vector.present[:0])
    return joined(labels, np.stack(values), np.stack(present))


def _combinations(
    info: Vector, rows: Sequence[int], wanted: set[str]
) -> list[tuple[Mask, dict[str, str]]]:
    """Times at which the same info series are there, and the labels they add together."""
    if not rows:
        return []
    patterns, which = np.unique(info.present[list(rows)], axis=1, return_inverse=True)
    which = which.reshape(-1)
    result: list[tuple[Mask, dict[str, str]]] = []
    for number in range(patterns.shape[1]):
        alive = [row for row, here in zip(rows, patterns[:, number], strict=True) if here]
        if alive:
            result.append((which == number, _added([info.labels[row] for row in alive], wanted)))
    return result


def _added(series: Sequence[Labels], wanted: set[str]) -> dict[str, str]:
    seen: set[str] = set()
    added: dict[str, str] = {}
    for labels in series:
        values = dict(labels)
        name = values.pop(METRIC_NAME, "")
        if name in seen:
            raise QueryFailed(f"found duplicate series for info metric {name}")
        seen.add(name)
        for label, value in values.items():
            if label in _IDENTITY or (wanted and label not in wanted):
                continue
            if added.setdefault(label, value) != value:
                raise QueryFailed(f"conflicting label: {label}")
    return added

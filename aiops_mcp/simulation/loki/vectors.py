"""Vector aggregations and label_replace over series."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from aiops_mcp.logql import tree
from aiops_mcp.logql.regexes import compiled
from aiops_mcp.simulation.loki.series import Floats, Key, Series, grouped, key_from


def _counted(block: Floats) -> Floats:
    return np.sum(~np.isnan(block), axis=0).astype(float)


_REDUCE: dict[str, Callable[[Floats], Floats]] = {
    "sum": lambda block: np.nansum(block, axis=0),
    "avg": lambda block: np.nanmean(block, axis=0),
    "min": lambda block: np.nanmin(block, axis=0),
    "max": lambda block: np.nanmax(block, axis=0),
    "stddev": lambda block: np.nanstd(block, axis=0),
    "stdvar": lambda block: np.nanvar(block, axis=0),
    "count": _counted,
}


def aggregate(node: tree.VectorAggregation, series: Sequence[Series]) -> list[Series]:
    """One vector aggregation."""
    if node.op in ("sort", "sort_desc"):
        return sorted(series, key=_last, reverse=node.op == "sort_desc")
    groups: dict[Key, list[Series]] = {}
    grouping = node.grouping or tree.Grouping()
    for one in series:
        key = grouped(dict(one.labels), grouping.labels, without=grouping.without)
        groups.setdefault(key, []).append(one)
    if node.op in ("topk", "bottomk", "approx_topk"):
        ranked = [_ranked(node, members) for members in groups.values()]
        return [one for members in ranked for one in members]
    return [Series(key, _reduced(node.op, members)) for key, members in groups.items()]


def _last(one: Series) -> float:
    known = one.values[~np.isnan(one.values)]
    return float(known[-1]) if len(known) else float("-inf")


def _reduced(op: str, members: Sequence[Series]) -> Floats:
    block = np.stack([one.values for one in members])
    with warnings.catch_warnings():
        # Steps without any value are left out below.
        warnings.simplefilter("ignore", RuntimeWarning)
        values = _REDUCE[op](block)
    return np.where(np.isnan(block).all(axis=0), np.nan, values)


def _ranked(node: tree.VectorAggregation, members: Sequence[Series]) -> list[Series]:
    """At each step only the first or last few stay, in order at the last step."""
    block = np.stack([one.values for one in members])
    sign = 1.0 if node.op == "bottomk" else -1.0
    order = np.argsort(np.where(np.isnan(block), np.inf, sign * block), axis=0, kind="stable")
    kept = np.zeros(block.shape, dtype=bool)
    np.put_along_axis(kept, order[: node.parameter or 1], values=True, axis=0)
    values = np.where(kept, block, np.nan)
    return [
        Series(members[row].labels, values[row])
        for row in map(int, order[:, -1])
        if not np.isnan(values[row]).all()
    ]


def label_replace(node: tree.LabelReplace, series: Sequence[Series]) -> list[Series]:
    """Set a label from another one by an anchored expression."""
    regex = compiled(node.pattern)
    found: list[Series] = []
    for one in series:
        labels = dict(one.labels)
        match = regex.fullmatch(labels.get(node.source, "")) if regex else None
        if match:
            labels[node.target] = _expanded(node.replacement, match.groups())
        found.append(Series(key_from(labels), one.values))
    return found


def _expanded(replacement: str, groups: Sequence[str | None]) -> str:
    for number, value in reversed(list(enumerate(groups, start=1))):
        replacement = replacement.replace(f"${number}", value or "")
    return replacement

"""Binary operations between series and numbers."""

import operator
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from aiops_mcp.logql import tree
from aiops_mcp.simulation.loki.series import Floats, Key, QueryRefused, Series, grouped, key_from

Operand = float | list[Series]
_ARITHMETIC: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
}
_COMPARE: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def combine(node: tree.Binary, left: Operand, right: Operand) -> Operand:
    """The operation on two operands.

    Raises:
        QueryRefused: series cannot be matched one to one, or a set operation meets a number.
    """
    with np.errstate(all="ignore"):
        if isinstance(left, list) and isinstance(right, list):
            sets = node.op in tree.SET_OPERATORS
            return _sets(node, left, right) if sets else _matched(node, left, right)
        if node.op in tree.SET_OPERATORS:
            raise QueryRefused(f"unexpected literal for logical/set operation ({node.op})")
        if isinstance(left, list):
            return _with_number(node, left, _lone(right), swapped=False)
        if isinstance(right, list):
            return _with_number(node, right, left, swapped=True)
        return float(_computed(node, np.array([left]), np.array([right]), keep=False)[0])


def _lone(operand: Operand) -> float:
    return operand if not isinstance(operand, list) else float("nan")


def _computed(node: tree.Binary, left: Floats, right: Floats, *, keep: bool) -> Floats:
    """With ``keep`` a comparison keeps the left values that pass."""
    if node.op in _ARITHMETIC:
        return _ARITHMETIC[node.op](left, right)
    passes = _COMPARE[node.op](left, right)
    if node.return_bool or not keep:
        numbers = np.where(passes, 1.0, 0.0)
        return np.where(np.isnan(left) | np.isnan(right), np.nan, numbers)
    return np.where(passes, left, np.nan)


def _with_number(
    node: tree.Binary, series: Sequence[Series], number: float, *, swapped: bool
) -> list[Series]:
    found: list[Series] = []
    for one in series:
        other = np.full(len(one.values), number)
        if not swapped:
            values = _computed(node, one.values, other, keep=True)
        elif node.op in _COMPARE and not node.return_bool:
            values = np.where(_COMPARE[node.op](other, one.values), one.values, np.nan)
        else:
            values = _computed(node, other, one.values, keep=True)
        # What was absent stays absent, also where the operation would make a number of it.
        values = np.where(np.isnan(one.values), np.nan, values)
        if not np.isnan(values).all():
            found.append(Series(one.labels, values))
    return found


def _signature(node: tree.Binary, labels: Key) -> Key:
    matching = node.matching or tree.Matching()
    return grouped(dict(labels), matching.labels, without=not matching.on)


def _matched(node: tree.Binary, left: Sequence[Series], right: Sequence[Series]) -> list[Series]:
    matching = node.matching or tree.Matching()
    many, one = (right, left) if matching.group == "right" else (left, right)
    ones: dict[Key, Series] = {}
    for each in one:
        if ones.setdefault(_signature(node, each.labels), each) is not each:
            raise QueryRefused(
                "found duplicate series on the "
                f"{'left' if matching.group == 'right' else 'right'} hand-side;"
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )
    seen: set[Key] = set()
    found: list[Series] = []
    for each in many:
        signature = _signature(node, each.labels)
        other = ones.get(signature)
        if other is None:
            continue
        if not matching.group and signature in seen:
            raise QueryRefused(
                "multiple matches for labels: many-to-one matching must be explicit "
                "(group_left/group_right)"
            )
        seen.add(signature)
        pair = (other, each) if matching.group == "right" else (each, other)
        values = _computed(node, pair[0].values, pair[1].values, keep=True)
        if not np.isnan(values).all():
            found.append(Series(_joined(matching, each, other, signature), values))
    return found


def _joined(matching: tree.Matching, each: Series, other: Series, signature: Key) -> Key:
    if not matching.group:
        return signature
    extra = {name: value for name, value in other.labels if name in matching.include}
    return key_from({**dict(each.labels), **extra})


def _sets(node: tree.Binary, left: Sequence[Series], right: Sequence[Series]) -> list[Series]:
    here = _presence(node, left)
    there = _presence(node, right)
    found: list[Series] = []
    if node.op == "or":
        found = list(left)
        for one in right:
            values = np.where(_at(here, node, one), np.nan, one.values)
            found += [] if np.isnan(values).all() else [Series(one.labels, values)]
        return found
    for one in left:
        known = _at(there, node, one)
        values = np.where(known == (node.op == "and"), one.values, np.nan)
        found += [] if np.isnan(values).all() else [Series(one.labels, values)]
    return found


def _presence(node: tree.Binary, series: Sequence[Series]) -> dict[Key, Floats]:
    found: dict[Key, Floats] = {}
    for one in series:
        key = _signature(node, one.labels)
        present = (~np.isnan(one.values)).astype(float)
        found[key] = np.maximum(found[key], present) if key in found else present
    return found


def _at(presence: Mapping[Key, Floats], node: tree.Binary, one: Series) -> Floats:
    present = presence.get(_signature(node, one.labels))
    return np.zeros(len(one.values)) if present is None else present

"""Operators between scalars and vectors, and the matching of two vectors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from aiops_mcp.promql.tree import COMPARISONS, METRIC_NAME, Binary, Matching
from aiops_mcp.simulation.promql.frames import Grid, QueryFailed, Scalar, Vector, joined
from aiops_mcp.simulation.promql.matching import Labels, drop, keep, labels_from, without_name
from aiops_mcp.simulation.promql.store import Floats, Mask

Operator: TypeAlias = Callable[[Floats, Floats], Any]

OPERATORS: Mapping[str, Operator] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}


def scalars(node: Binary, left: Scalar, right: Scalar) -> Scalar:
    return Scalar(np.asarray(OPERATORS[node.op](left.values, right.values), dtype=np.float64))


def with_scalar(node: Binary, vector: Vector, scalar: Scalar, *, swapped: bool) -> Vector:
    """Vector and scalar; ``swapped`` when the scalar stands on the left."""
    sides = (scalar.values, vector.values) if swapped else (vector.values, scalar.values)
    result = OPERATORS[node.op](*sides)
    if node.op in COMPARISONS and not node.return_bool:
        return Vector(vector.labels, vector.values, vector.present & result)
    names = [without_name(labels) for labels in vector.labels]
    return joined(names, np.asarray(result, dtype=np.float64), vector.present)


def _signature(matching: Matching) -> Callable[[Labels], Labels]:
    if matching.on:
        return lambda labels: keep(labels, matching.labels)
    return lambda labels: drop(labels, (*matching.labels, METRIC_NAME))


def set_operation(node: Binary, left: Vector, right: Vector) -> Vector:
    """and, or, unless."""
    signature = _signature(node.matching)
    left_keys = [signature(labels) for labels in left.labels]
    right_keys = [signature(labels) for labels in right.labels]
    if node.op == "or":
        taken = _anywhere(left_keys, left.present)
        added = right.present.copy()
        for row, key in enumerate(right_keys):
            if key in taken:
                added[row] &= ~taken[key]
        return joined(
            [*left.labels, *right.labels],
            np.concatenate([left.values, right.values]),
            np.concatenate([left.present, added]),
        )
    there = _anywhere(right_keys, right.present)
    present = left.present.copy()
    for row, key in enumerate(left_keys):
        if node.op == "and":
            present[row] &= there.get(key, False)
        elif key in there:
            present[row] &= ~there[key]
    return Vector(left.labels, left.values, present)


def _anywhere(keys: Sequence[Labels], present: Mask) -> dict[Labels, Mask]:
    """Where any series with a signature is present."""
    found: dict[Labels, Mask] = {}
    for key, here in zip(keys, present, strict=True):
        found[key] = found[key] | here if key in found else here
    return found


@dataclass(slots=True)
class _Pairs:
    """Rows that meet: indexes into both sides, result labels, the signature of each pair."""

    many: list[int]
    one: list[int]
    labels: list[Labels]
    keys: list[Labels]


class VectorMatch:
    """One arithmetic or comparison operator between two vectors."""

    def __init__(self, node: Binary, left: Vector, right: Vector, grid: Grid) -> None:
        matching = node.matching
        self._node = node
        self._matching = matching
        self._swapped = matching.cardinality == "one-to-many"
        self._grouped = matching.cardinality in ("many-to-one", "one-to-many")
        self._grid = grid
        fill_many, fill_one = matching.fill_left, matching.fill_right
        many, one = left, right
        if self._swapped:
            many, one, fill_many, fill_one = right, left, fill_one, fill_many
        self._signature = _signature(matching)
        self._many, self._one = many, one
        self._fill_many, self._fill_one = fill_many, fill_one

    def run(self) -> Vector:
        """The result.

        Raises:
            QueryFailed: for matches that are not unique.
        """
        if self._fill_many is not None or self._fill_one is not None:
            self._fill()
        many_keys = [self._signature(labels) for labels in self._many.labels]
        one_keys = [self._signature(labels) for labels in self._one.labels]
        self._check_one_side(one_keys)
        pairs = self._pair(many_keys, one_keys)
        matched = self._many.present[pairs.many] & self._one.present[pairs.one]
        self._check_pairs(pairs, matched)
        many, one = self._many.values[pairs.many], self._one.values[pairs.one]
        left, right = (one, many) if self._swapped else (many, one)
        result = OPERATORS[self._node.op](left, right)
        if self._node.op in COMPARISONS and not self._node.return_bool:
            return joined(pairs.labels, left, matched & result)
        return joined(pairs.labels, np.asarray(result, dtype=np.float64), matched)

    def _check_one_side(self, keys: Sequence[Labels]) -> None:
        """Two series of the "one" side with one signature at a time at which there is a match."""
        rows: dict[Labels, list[int]] = {}
        for row, key in enumerate(keys):
            rows.setdefault(key, []).append(row)
        asked = self._many.present.any(axis=0)
        for key, members in rows.items():
            if len(members) > 1 and (asked & (self._one.present[members].sum(axis=0) > 1)).any():
                side = "left" if self._swapped else "right"
                first, second = (_shown(self._one.labels[row]) for row in members[:2])
                raise QueryFailed(
                    f"found duplicate series for the match group {_shown(key)} on the {side} "
                    f"hand-side of the operation: [{first}, {second}];many-to-many matching not "
                    "allowed: matching labels must be unique on one side"
                )

    def _pair(self, many_keys: Sequence[Labels], one_keys: Sequence[Labels]) -> _Pairs:
        partners: dict[Labels, list[int]] = {}
        for row, key in enumerate(one_keys):
            partners.setdefault(key, []).append(row)
        pairs = _Pairs([], [], [], [])
        for row, key in enumerate(many_keys):
            for partner in partners.get(key, ()):
                pairs.many.append(row)
                pairs.one.append(partner)
                pairs.keys.append(key)
                labels = self._result_labels(self._many.labels[row], self._one.labels[partner])
                pairs.labels.append(labels)
        return pairs

    def _result_labels(self, many: Labels, one: Labels) -> Labels:
        matching = self._matching
        if self._node.op not in COMPARISONS or self._node.return_bool:
            many = without_name(many)
        if not self._grouped:
            return keep(many, matching.labels) if matching.on else drop(many, matching.labels)
        if not matching.include:
            return many
        given = dict(one)
        values = dict(many)
        values.update((name, given.get(name, "")) for name in matching.include)
        return labels_from(values)

    def _check_pairs(self, pairs: _Pairs, matched: Mask) -> None:
        groups: dict[Any, list[int]] = {}
        for number, key in enumerate(pairs.keys):
            groups.setdefault((key, pairs.labels[number] if self._grouped else None), []).append(
                number
            )
        for members in groups.values():
            if len(members) > 1 and (matched[members].sum(axis=0) > 1).any():
                if self._grouped:
                    raise QueryFailed(
                        "multiple matches for labels: grouping labels must ensure unique matches"
                    )
                raise QueryFailed(
                    "multiple matches for labels: many-to-one matching must be explicit "
                    "(group_left/group_right)"
                )

    def _fill(self) -> None:
        """Give either side stand-ins, present where its partner has no match."""
        many_keys = [self._signature(labels) for labels in self._many.labels]
        one_keys = [self._signature(labels) for labels in self._one.labels]
        there_many = _anywhere(many_keys, self._many.present)
        there_one = _anywhere(one_keys, self._one.present)
        self._one = _filled(self._one, there_many, there_one, self._fill_one)
        self._many = _filled(self._many, there_one, there_many, self._fill_many)


def _filled(
    side: Vector, other: Mapping[Labels, Mask], own: Mapping[Labels, Mask], fill: float | None
) -> Vector:
    if fill is None or not other:
        return side
    nowhere = np.zeros(side.present.shape[1], dtype=np.bool_)
    present = np.stack([here & ~own.get(key, nowhere) for key, here in other.items()])
    return Vector(
        [*side.labels, *other],
        np.concatenate([side.values, np.full(present.shape, fill)]),
        np.concatenate([side.present, present]),
    )


def _shown(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"

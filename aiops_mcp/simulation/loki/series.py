"""Numbers over the steps of a query, by labels. NaN stands for no value at a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Key = tuple[tuple[str, str], ...]


class QueryRefused(ValueError):
    """What Loki answers with 400 while it runs a query."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series; ``labels`` are sorted pairs."""

    labels: Key
    values: Floats


def key_from(labels: Mapping[str, str]) -> Key:
    """Labels as sorted pairs, those without a value left out."""
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def grouped(labels: Mapping[str, str], names: Sequence[str], *, without: bool) -> Key:
    """What a ``by`` or ``without`` clause leaves of labels."""
    if without:
        left_out = set(names)
        return key_from({name: labels[name] for name in labels if name not in left_out})
    return key_from({name: labels[name] for name in names if name in labels})


def shown(key: Key) -> str:
    """Labels as Loki writes them in messages."""
    return "{" + ", ".join(f'{name}="{value}"' for name, value in key) + "}"

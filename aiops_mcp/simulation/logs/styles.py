"""Which way of writing each workload has, from ``log_texts.yaml``."""

import re
from bisect import bisect_right
from functools import cache, cached_property
from itertools import accumulate

from pydantic import Field

from aiops_mcp.simulation.topology import Spec, WorkloadSpec, load_yaml


class LineSpec(Spec):
    """One template, drawn as often as its weight."""

    text: str
    level: str = "info"
    weight: float = 1.0
    unit: str = ""


class Style(Spec):
    """Seconds between ordinary lines of one writer, and how it tells of requests."""

    every: float = Field(gt=0)
    lines: tuple[LineSpec, ...] = Field(min_length=1)
    stream: str = "stdout"
    request: str = ""
    failure: str = ""

    @cached_property
    def _sums(self) -> list[float]:
        return list(accumulate(line.weight for line in self.lines))

    def drawn(self, share: float) -> LineSpec:
        """The line at a share in [0, 1) of the weights."""
        return self.lines[bisect_right(self._sums, share * self._sums[-1])]


class _Name(Spec):
    pattern: str
    style: str


class _Texts(Spec):
    styles: dict[str, Style]
    journal: Style
    names: tuple[_Name, ...]


@cache
def _texts() -> _Texts:
    return _Texts.model_validate(load_yaml("log_texts.yaml"))


@cache
def _style_named(name: str) -> Style:
    texts = _texts()
    found = next((one.style for one in texts.names if re.fullmatch(one.pattern, name)), "klog")
    return texts.styles[found]


def style_of(work: WorkloadSpec) -> Style:
    """How a workload's containers write."""
    style = _style_named(work.name)
    return style if style.request or work.http is None else _texts().styles["logfmt"]


def journal_style() -> Style:
    """How a node's journal reads."""
    return _texts().journal

"""What matters in a cluster, as data: the expressions of ``vital_signs.yaml`` and how to read them.

Pure. Each sign says what its series are of, which way is bad, and from where on it matters. It must
not know who asks it, nor how a series is judged.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from aiops_mcp.promql import parse, selectors
from aiops_mcp.promql.tree import METRIC_NAME, Matcher

LEAST_RATE_SECONDS = 120.0
"""Four scrapes of 30 s, as Grafana's ``$__rate_interval``: fewer make a rate jump or vanish."""

LEAST_EVENTS_SECONDS = 600.0
"""Restarts come minutes apart (the kubelet's back-off is five): in less they blink."""

_HASH = "[bcdfghjklmnpqrstvwxz2456789]"
"""The letters of generated names (k8s.io/apimachinery util/rand): no word is made of them."""
POD_OWNER = f"(.+?)((-{_HASH}{{6,10}}|-[0-9]{{8,10}})?-{_HASH}{{5}}|-[0-9]{{1,4}})?"
"""Matches a pod's name (of a Deployment, CronJob, DaemonSet, StatefulSet); its first group is the
name of the workload."""

MOST_DETAILS = 3
"""A series with more labels than that beside its component is not told by them."""

_PORT = re.compile(r":[0-9]{2,5}$")


class SignKind(StrEnum):
    LATENCY = "latency"
    ERRORS = "errors"
    TRAFFIC = "traffic"
    SATURATION = "saturation"
    RESOURCE = "resource"
    OTHER = "other"


class Area(StrEnum):
    SERVICES = "services"
    WORKLOADS = "workloads"
    NODES = "nodes"
    CONTROL_PLANE = "control-plane"
    PLATFORM = "platform"
    STORAGE = "storage"
    GPU = "gpu"
    MODELS = "models"
    TELCO = "telco"


class Bad(StrEnum):
    """Which way from what is expected is trouble."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


def _floor(value: object) -> object:
    return 0.0 if value is None else value


class VitalSign(BaseModel):
    """One expression that matters; its series are all of one kind of thing.

    ``component`` are the labels that name the thing (``called`` names it where there is one a
    cluster), ``callee`` the label of what it calls. A departure counts when it is at least
    ``least`` (in the unit) and ``least_share`` of what was expected, and lies beyond
    ``matters_from``; beyond ``limit`` it is trouble whatever was before. ``evidence``: explains
    others, and is no trouble by itself. ``per_workload`` folds pods into their workloads. At
    ``runs_out`` there is nothing left; a ``countdown`` tells the days until then itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    expression: str
    area: Area
    of: str
    component: tuple[str, ...] = ()
    called: str = ""
    callee: str | None = None
    kind: SignKind
    unit: str
    type: Literal["gauge", "counter"] = "gauge"
    bad: Bad = Bad.UP
    least: Annotated[float, BeforeValidator(_floor)] = 0.0
    least_share: float = Field(default=0.0, ge=0)
    matters_from: float | None = None
    limit: float | None = None
    by_limit_only: bool = False
    runs_out: float | None = None
    countdown: bool = False
    evidence: bool = False
    per_workload: Literal["sum", "max", "min"] | None = None

    def query(self, step_seconds: float = 60.0) -> str:
        """The PromQL to ask at steps of ``step_seconds``."""
        window = max(LEAST_RATE_SECONDS, step_seconds + LEAST_RATE_SECONDS / 4)
        events = max(LEAST_EVENTS_SECONDS, window)
        text = " ".join(self.expression.split())
        text = text.replace("$rate", f"{math.ceil(window)}s")
        text = text.replace("$events", f"{math.ceil(events)}s")
        if self.per_workload is None:
            return text
        return (
            f"{self.per_workload} by (namespace, workload) "
            f'(label_replace({text}, "workload", "$1", "pod", "{POD_OWNER}"))'
        )

    def component_of(self, labels: Mapping[str, str]) -> str:
        """The name of what a series is of: ``shop/frontend``, ``worker-3``; a port is left out."""
        if self.called:
            return self.called
        return "/".join(_PORT.sub("", labels.get(name, "")) for name in self.component).strip("/")

    def detail_of(self, labels: Mapping[str, str]) -> str:
        """What tells a series from others of its component: ``to catalogue-db``, ``/var``."""
        if self.callee is not None:
            return f"to {labels.get(self.callee, '?')}"
        named = {"__name__", "workload", *self.component}
        others = [value for name, value in sorted(labels.items()) if name not in named]
        return " ".join(others) if len(others) <= MOST_DETAILS else ""

    def is_there(self, names: Collection[str]) -> bool:
        """Whether a cluster that has metrics of these ``names`` can answer."""
        return all(_any_matches(wanted, names) for wanted in _wanted(self.expression))


@cache
def vital_signs() -> tuple[VitalSign, ...]:
    """All of them, in the order of the file."""
    text = files("aiops_mcp.fleet").joinpath("vital_signs.yaml").read_text(encoding="utf-8")
    return tuple(VitalSign.model_validate(one) for one in yaml.safe_load(text))


def sign_named(name: str) -> VitalSign:
    """The sign of this name.

    Raises:
        KeyError: there is none.
    """
    return _by_name()[name]


def signs_of(
    areas: Iterable[Area] = (), *, kinds: Iterable[SignKind] = (), evidence: bool = False
) -> tuple[VitalSign, ...]:
    """Those of some areas and kinds (none: all); what only explains others when asked for."""
    chosen_areas, chosen_kinds = frozenset(areas), frozenset(kinds)
    return tuple(
        sign
        for sign in vital_signs()
        if (not chosen_areas or sign.area in chosen_areas)
        and (not chosen_kinds or sign.kind in chosen_kinds)
        and (evidence or not sign.evidence)
    )


@cache
def names_pattern() -> str:
    """A regular expression that matches every metric that some sign reads."""
    parts = {one.value for sign in vital_signs() for one in _wanted(sign.expression)}
    return "|".join(sorted(parts))


@cache
def _by_name() -> Mapping[str, VitalSign]:
    return {sign.name: sign for sign in vital_signs()}


@cache
def _wanted(expression: str) -> tuple[Matcher, ...]:
    """What each selector of an expression asks of the metric's name."""
    node = parse(expression.replace("$rate", "2m").replace("$events", "10m"))
    found = (
        Matcher(METRIC_NAME, "=", use.selector.name)
        if use.selector.name
        else next((one for one in use.selector.matchers if one.name == METRIC_NAME), None)
        for use in selectors(node)
    )
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _any_matches(wanted: Matcher, names: Collection[str]) -> bool:
    if wanted.op == "=":
        return wanted.value in names
    pattern = re.compile(wanted.value)
    return any(pattern.fullmatch(name) for name in names)

"""Alerting and recording rules as written down, and the templates of their annotations.

Source of the template functions: prometheus ``template/template.go``. It must not know the store.
"""

import re
from collections.abc import Mapping
from functools import cache
from math import isfinite

from pydantic import Field, model_validator

from aiops_mcp.promql import parse, tree
from aiops_mcp.simulation.topology import Seconds, Spec, load_yaml


class Rule(Spec):
    """One rule: an alert with ``for`` (seconds), or a recording rule."""

    alert: str = ""
    record: str = ""
    expr: str
    wait: Seconds = Field(default=0.0, alias="for")
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_kind(self) -> "Rule":
        if bool(self.alert) == bool(self.record):
            raise ValueError("a rule is either an alert or a record")
        return self


class RuleGroup(Spec):
    name: str
    rules: tuple[Rule, ...]


@cache
def default_rules() -> tuple[RuleGroup, ...]:
    """The rules of ``rules.yaml``."""
    return tuple(RuleGroup.model_validate(group) for group in load_yaml("rules.yaml"))


@cache
def parsed(expr: str) -> tree.Node:
    """An expression's tree, parsed once a process."""
    return parse(expr)


_PLACEHOLDER = re.compile(
    r"\{\{\s*\$(?P<what>labels\.(?P<label>\w+)|value)\s*(?:\|\s*(?P<form>\w+))?\s*\}\}"
)


def rendered(template: str, labels: Mapping[str, str], value: float) -> str:
    """A template with ``$labels.x`` and ``$value`` filled in."""

    def fill(match: re.Match[str]) -> str:
        if match["label"]:
            return labels.get(match["label"], "")
        match match["form"]:
            case "humanize":
                return humanize(value)
            case "humanizePercentage":
                return f"{value * 100:.4g}%"
            case "humanizeDuration":
                return humanize_duration(value)
            case _:
                return f"{value:.15g}"

    return _PLACEHOLDER.sub(fill, template)


def humanize(value: float) -> str:
    """A number with four digits and an SI prefix."""
    if value == 0 or not isfinite(value):
        return f"{value:.4g}"
    prefix = ""
    if abs(value) >= 1:
        for step in "kMGTPEZY":
            if abs(value) < 1000:
                break
            prefix, value = step, value / 1000
    else:
        for step in "mµnpfazy":
            if abs(value) >= 1:
                break
            prefix, value = step, value * 1000
    return f"{value:.4g}{prefix}"


def humanize_duration(seconds: float) -> str:
    """Seconds as ``1d 2h 3m 4s``, or with a prefix below one."""
    if not isfinite(seconds):
        return f"{seconds:.4g}"
    if abs(seconds) < 1:
        return f"{humanize(seconds)}s"
    sign, whole = ("-", -int(seconds)) if seconds < 0 else ("", int(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {whole % 60}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {whole % 60}s"
    if minutes:
        return f"{sign}{minutes}m {whole % 60}s"
    return f"{sign}{seconds:.4g}s" if seconds != whole else f"{sign}{whole}s"


def exponent(value: float) -> str:
    """A value as Prometheus writes it in alerts: ``1e+00``."""
    if not isfinite(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    for digits in range(17):
        text = f"{value:.{digits}e}"
        if float(text) == value:
            return text
    return f"{value:.17e}"

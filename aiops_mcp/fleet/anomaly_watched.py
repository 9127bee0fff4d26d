"""Which series are watched for anomalies, as the settings say it. Pure.

A line is ``all``, an area (services, nodes, gpu …), the name of a vital sign, or an expression:
``name=PromQL``, with ``;least=``, ``;limit=``, ``;bad=up|down|both`` behind it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiops_mcp.errors import InputError, InvalidPromql
from aiops_mcp.fleet.asked_series import sign_for
from aiops_mcp.fleet.vital_signs import Area, Bad, VitalSign, sign_named, signs_of
from aiops_mcp.promql import result_type
from aiops_mcp.promql.parse import parse

ALL = "all"
_FORM = (
    f"Write {ALL}, an area ({', '.join(Area)}), the name of a vital sign, or "
    "name=PromQL;least=0.1;limit=0.9;bad=up."
)
_NAME = re.compile(r"[A-Za-z_][\w:. -]{0,99}")
_OPTION = re.compile(r";\s*(least|limit|bad)\s*=\s*([^;]*?)\s*$")


@dataclass(frozen=True, slots=True)
class Watched:
    """One expression; ``own`` ones are asked of every cluster, and named by their labels."""

    sign: VitalSign
    own: bool = False

    def sign_of(self, labels: Mapping[str, str]) -> VitalSign:
        """How a series of it is judged, and what it is of."""
        if not self.own:
            return self.sign
        by_labels = sign_for(self.sign.expression, labels)
        update = {"component": by_labels.component, "of": by_labels.of}
        return self.sign.model_copy(update=update)


def read_watched(lines: Sequence[str]) -> tuple[Watched, ...]:
    """All that the settings name, each once.

    Raises:
        InputError: a line cannot be read, or its PromQL is none.
    """
    found: dict[str, Watched] = {}
    for line in lines:
        for one in _read_line(line.strip()):
            found.setdefault(one.sign.name, one)
    return tuple(found.values())


def _read_line(line: str) -> tuple[Watched, ...]:
    if line.lower() == ALL:
        return tuple(Watched(sign) for sign in signs_of())
    if line.lower() in set(Area):
        return tuple(Watched(sign) for sign in signs_of([Area(line.lower())]))
    try:
        return (Watched(sign_named(line)),)
    except KeyError:
        return (Watched(_read_expression(line), own=True),)


def _read_expression(line: str) -> VitalSign:
    rest, options = line, dict[str, str]()
    while found := _OPTION.search(rest):
        options.setdefault(found[1], found[2])
        rest = rest[: found.start()]
    name, equals, query = rest.partition("=")
    if not equals or not _NAME.fullmatch(name.strip()) or not query.strip():
        raise InputError(f"AIOPS_ANOMALY_WATCH: {line[:80]!r} cannot be read.", _FORM)
    try:
        kind, sign = result_type(parse(query)), sign_for(query.strip(), {})
    except InvalidPromql as error:
        raise InputError(
            f"AIOPS_ANOMALY_WATCH: {name.strip()} is no PromQL: {error.message}", _FORM
        ) from error
    if kind not in ("vector", "scalar"):
        raise InputError(
            f"AIOPS_ANOMALY_WATCH: {name.strip()} gives no value at one time.",
            "Wrap the range in a function, such as rate(...[5m]).",
        )
    update: dict[str, object] = {"name": name.strip()}
    for option in ("least", "limit"):
        if option in options:
            update[option] = _number(options[option], line)
    if "bad" in options:
        update["bad"] = _direction(options["bad"], line)
    return sign.model_copy(update=update)


def _number(text: str, line: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(
            f"AIOPS_ANOMALY_WATCH: {text!r} in {line[:80]!r} is no number.", _FORM
        ) from error


def _direction(text: str, line: str) -> Bad:
    try:
        return Bad(text.lower())
    except ValueError as error:
        raise InputError(
            f"AIOPS_ANOMALY_WATCH: {text!r} in {line[:80]!r} is no direction.", _FORM
        ) from error

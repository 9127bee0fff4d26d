"""Label and field selectors, as the API server reads them."""

import re
from collections.abc import Callable, Mapping

from aiops_mcp.simulation.kubernetes.view import Json, field_of

Test = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"^(?P<key>[^\s,()!=]+)\s+(?P<op>in|notin)\s+\((?P<values>[^)]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s,()!=]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s,()!=]*)$")
_EXISTS = re.compile(r"^(?P<no>!?)\s*(?P<key>[^\s,()!=]+)$")
_PARTS = re.compile(r",(?![^(]*\))")


class BadSelector(ValueError):
    """A selector that cannot be parsed."""


def label_test(selector: str) -> Test:
    """A test of labels for ``a=b,c!=d,e in (f,g),h,!i``.

    Raises:
        BadSelector: it cannot be parsed.
    """
    tests = [_label_test(part.strip()) for part in _PARTS.split(selector) if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _label_test(part: str) -> Test:
    if match := _SET.match(part):
        key, values = match["key"], {one.strip() for one in match["values"].split(",")}
        wanted = match["op"] == "in"
        if wanted:
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.match(part):
        key, value = match["key"], match["value"]
        if match["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.match(part):
        key = match["key"]
        if match["no"]:
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise BadSelector(f"unable to parse requirement: found '{part}'")


def field_test(selector: str) -> Callable[[Json], bool]:
    """A test of an object's fields for ``metadata.name=a,status.phase!=Failed``.

    Raises:
        BadSelector: it cannot be parsed.
    """
    tests: list[tuple[list[str], str, bool]] = []
    for part in filter(None, (one.strip() for one in selector.split(","))):
        match = re.match(r"^([\w.]+)\s*(==|=|!=)\s*(.*)$", part)
        if match is None:
            raise BadSelector(f"invalid field selector: '{part}'; can't understand '{part}'")
        tests.append((match[1].split("."), match[3], match[2] != "!="))
    return lambda thing: all(
        (str(field_of(thing, *steps) or "") == value) is equal for steps, value, equal in tests
    )

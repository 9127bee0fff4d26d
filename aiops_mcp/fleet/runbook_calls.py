"""Places in the calls of a runbook, and what is filled in for them. Pure.

``{{cluster}}`` stands for what is known when the runbook is followed; ``{{namespace|.+}}`` has a
default for when it is not. An argument whose place nobody knows is left out.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

PLACES: Final = ("cluster", "namespace", "component", "node", "pod", "alert")
EXAMPLES: Final[Mapping[str, str]] = {
    "cluster": "prod-1",
    "namespace": "shop",
    "component": "shop/payment",
    "node": "worker-1",
    "pod": "payment-5d4f",
    "alert": "KubePodCrashLooping",
}

_PLACE = re.compile(r"\{\{ *([^{}|]*?) *(?:\|([^{}]*))?\}\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,252}")


def is_name(value: str) -> bool:
    """Whether a value may stand for a place: a name, that no query takes for anything else."""
    return _NAME.fullmatch(value) is not None


def places_in(value: Any) -> Iterator[str]:
    """Names of all places in a value, those with a default too."""
    if isinstance(value, str):
        yield from (match.group(1) for match in _PLACE.finditer(value))
    elif isinstance(value, dict):
        for each in cast("dict[str, Any]", value).values():
            yield from places_in(each)
    elif isinstance(value, list | tuple):
        for each in cast("list[Any]", value):
            yield from places_in(each)


def filled(
    arguments: Mapping[str, Any], known: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The arguments with their places filled in, and of those left out the place nobody knows.

    >>> filled({"clusters": ["{{cluster}}"], "namespace": "{{namespace}}"}, {"cluster": "a"})
    ({'clusters': ['a']}, {'namespace': 'namespace'})
    """
    made: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name, value in arguments.items():
        unknown = next((place for place in _needed(value) if place not in known), None)
        if unknown is None:
            made[name] = _with(value, known)
        else:
            left_out[name] = unknown
    return made, left_out


def _needed(value: Any) -> Iterator[str]:
    """Places without a default."""
    if isinstance(value, str):
        yield from (found.group(1) for found in _PLACE.finditer(value) if found.group(2) is None)
    elif isinstance(value, dict):
        for each in cast("dict[str, Any]", value).values():
            yield from _needed(each)
    elif isinstance(value, list | tuple):
        for each in cast("list[Any]", value):
            yield from _needed(each)


def _with(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACE.sub(lambda found: known.get(found.group(1), found.group(2) or ""), value)
    if isinstance(value, dict):
        return {name: _with(each, known) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_with(each, known) for each in cast("list[Any]", value)]
    return value

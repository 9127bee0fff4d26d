"""Reading into Kubernetes objects, whose every part may be missing. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

Object = Mapping[str, Any]


def part(value: Object, *path: str) -> Object:
    """The mapping at a path; empty where something on the way is missing or is no mapping."""
    for key in path:
        inner = value.get(key)
        value = cast("Object", inner) if isinstance(inner, Mapping) else {}
    return value


def items(value: Object, *path: str) -> Sequence[Object]:
    """The mappings of the list at a path; none where something on the way is missing."""
    found = part(value, *path[:-1]).get(path[-1])
    if not isinstance(found, list | tuple):
        return ()
    many = cast("Sequence[Any]", found)
    return [cast("Object", item) for item in many if isinstance(item, Mapping)]


def text(value: Object, *path: str) -> str:
    """The text at a path; empty where there is none."""
    found = part(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, str) else ""


def count(value: Object, *path: str) -> int:
    """The whole number at a path; 0 where there is none. Quantities may be written as text."""
    return whole(part(value, *path[:-1]).get(path[-1])) or 0


def whole(value: Any) -> int | None:
    """A whole number, however it is written; null where it is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None

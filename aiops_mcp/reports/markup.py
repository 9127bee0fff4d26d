"""HTML and SVG written so that text can only come out escaped. Pure."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is markup already. Made by `element` and `raw` alone; all else is escaped."""

    __slots__ = ()


Child = str | Iterable[Markup]
_VOID = frozenset({"meta", "rect", "line", "polyline", "path", "circle", "br"})


def element(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """``<name …>children</name>``; of an attribute's name a last ``_`` is cut, others are ``-``."""
    given = "".join(
        f' {_attribute(key)}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{given}/>" if name != "meta" else f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Children after each other: markup as it is, text escaped."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(escape(child, quote=False))
        else:
            parts.extend(child)
    return Markup("".join(parts))


def raw(constant: str) -> Markup:
    """Markup that stands in this program; never anything that was told to it."""
    return Markup(constant)


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".")

"""Fills a line's template: the time in programs' many forms, and values drawn by a number.

``{x:1-90}`` draws a whole number, ``{x:0.1-9.9}`` one with as many digits, ``{x:a|b}`` a word.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from aiops_mcp.simulation.noise import key_of

_FORMS = {
    "iso": "%Y-%m-%dT%H:%M:%S.%f",
    "klog": "%m%d %H:%M:%S.%f",
    "clf": "%d/%b/%Y:%H:%M:%S +0000",
    "java": "%Y-%m-%d %H:%M:%S.%f",
    "slash": "%m/%d %H:%M:%S",
    "short": "%d %b %Y %H:%M:%S.%f",
}
_MILLISECONDS = frozenset({"iso", "java", "short"})


class _Value:
    def __init__(self, draw: int) -> None:
        self._draw = draw

    def __format__(self, spec: str) -> str:
        if "|" in spec:
            words = spec.split("|")
            return words[self._draw % len(words)]
        low, _, high = spec.partition("-")
        digits = len(low.partition(".")[2])
        first, last = (round(float(one) * 10**digits) for one in (low, high))
        number = first + self._draw % (last - first + 1)
        return f"{number / 10**digits:.{digits}f}" if digits else str(number)


class Values(Mapping[str, Any]):
    """What a template's names stand for in one line; ``moment`` is unix seconds."""

    def __init__(self, moment: float, draw: int, known: Mapping[str, Any]) -> None:
        self._moment = moment
        self._draw = draw
        self._known = known

    def __getitem__(self, name: str) -> Any:
        if name in self._known:
            return self._known[name]
        form = _FORMS.get(name)
        if form is not None:
            text = datetime.fromtimestamp(self._moment, UTC).strftime(form)
            text = text[:-3] if name in _MILLISECONDS else text
            return f"{text}Z" if name == "iso" else text
        if name == "epoch":
            return str(int(self._moment) % 1_000_000)
        return _Value(key_of(self._draw, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def filled(template: str, moment: float, draw: int, known: Mapping[str, Any]) -> str:
    """The template's text for one line."""
    return template.format_map(Values(moment, draw, known))

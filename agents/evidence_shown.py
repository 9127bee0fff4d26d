"""The numbers that one result holds: where they stand, in which unit, what counting gives. Pure.

Read as far as claims want it: most are settled by the first look.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from agents.evidence_numbers import FRACTION, Amount, kind_of

_SHOWN: Final = re.compile(
    r"(?<![\w.:-])[-+\u2212~<>≤≥]?(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?P<part>\.\d+)?"
    r"(?P<exp>[eE][+-]?\d+)?(?![-:]\d|\.\d|T\d)\s?(?P<unit>[%µA-Za-z]{0,12})"
)
_EMBEDDED: Final = re.compile(
    r"(?<=[A-Za-z][-/=_ ])\d{1,6}(?![\w-])|(?<=[\w-]/)\d{1,4}(?![\w-])|(?<=:)\d{2,5}(?![\w:-])"
)
"""The number at the end of a name, after a word, a slash, or of a port."""
_RANGE: Final = re.compile(r"(?<![\w.:/-])(\d{1,3})-(\d{1,3})(?![\w.:/-])")
_OF: Final = re.compile(r"\b(\d{1,6}) of (\d{1,6})\b")
_OF_ALL: Final = re.compile(r"\b[Oo]f (\d{1,6}) \w+ (\d{1,6})\b")
_PARTS: Final = re.compile(r"\b(\d+)d(\d+)h\b|\b(\d+)h(\d+)m\b|\b(\d+)m(\d+)s\b")
_MOMENT: Final = re.compile(
    r"(?:\d{4}-)?\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
    r"|\d{4}-\d{2}-\d{2}|\b\d{1,2}:\d{2}(?::\d{2})?Z?\b"
)
_HINTS: Final = (
    ("time", 1e-9, re.compile(r"\bnanoseconds?\b|_ns\b|\bns\b")),
    ("time", 1e-3, re.compile(r"\bmilliseconds?\b|_ms\b|\bms\b")),
    ("time", 1.0, re.compile(r"\bseconds?\b|_s\b|\d ?s\b")),
    ("time", 60.0, re.compile(r"\bminutes?\b|_min\b|\bmin\b")),
    ("time", 86400.0, re.compile(r"\bdays?\b|_days\b")),
    ("percent", 1.0, re.compile(r"%|\bpercent\b")),
    ("percent", 100.0, re.compile(r"\bratio\b|\bscore\b|\bsure\b|_ratio\b")),
    ("bytes", 1.0, re.compile(r"\bbytes\b")),
    ("bytes", 1024.0**2, re.compile(r"\bMiB\b|_mib\b", re.IGNORECASE)),
)
"""Units that a line or the names of its columns tell of numbers that stand without one."""
_BEFORE_AFTER: Final = re.compile(
    r"(-?\d[\d,]*(?:\.\d+)?)\s?([%\w]{0,8})\s*(?:->|\u2192|instead of|beyond)\s*"
    r"(-?\d[\d,]*(?:\.\d+)?)\s?([%\w]{0,8})"
)
_PAIRED_COLUMNS: Final = (("before", "after"), ("expected", "actual"))
_CLAUSES: Final = re.compile(r" \| |; |\. ")
_PLAIN: Final = re.compile(r"\d+(?:\.\d+)?")
_NONE: Final = re.compile(r"(?m)^(?:No|Nothing|All|None)\b")

Hints = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two numbers each of which one says: the one became the other, or is part of it."""

    one: Amount
    other: Amount
    hints: Hints = ()


class Shown:
    """The numbers of one result."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = _MOMENT.sub(" ", text).split("\n")
        self._hints: dict[int, Hints] = {}

    @cached_property
    def _ordered(self) -> tuple[list[float], list[tuple[Amount, int]]]:
        found = [(amount, at) for at, line in enumerate(self._lines) for amount in _amounts(line)]
        found.sort(key=lambda one: one[0].raw)
        return [one.raw for one, _ in found], found

    def between(self, low: float, high: float) -> Iterator[tuple[Amount, int]]:
        """Numbers whose digits are in that range, each with its line."""
        raws, found = self._ordered
        for at in range(bisect_left(raws, low), len(raws)):
            if raws[at] > high:
                return
            yield found[at]

    def has_raw(self, raw: float) -> bool:
        raws, _ = self._ordered
        at = bisect_left(raws, raw)
        return at < len(raws) and raws[at] == raw

    def hints(self, at: int) -> Hints:
        """Units that a line and the names of its columns tell of numbers without one."""
        if at not in self._hints:
            header = _hints_in(self._lines[1]) if len(self._lines) > 1 else ()
            self._hints[at] = tuple(dict.fromkeys((*_hints_in(self._lines[at]), *header)))
        return self._hints[at]

    @cached_property
    def embedded(self) -> frozenset[str]:
        """Numbers at the end of names, and those that a range such as 0-3 holds."""
        return frozenset([*_EMBEDDED.findall(self._text), *_ranged(self._text)])

    @cached_property
    def fractions(self) -> frozenset[str]:
        """``1/2``, also where it is told as ``1 of 2``."""
        found = {*FRACTION.findall(self._text), *_OF.findall(self._text)}
        return frozenset(f"{one}/{two}" for one, two in found)

    @cached_property
    def says_none(self) -> bool:
        return _NONE.search(self._text) is not None

    @cached_property
    def counts(self) -> frozenset[float]:
        """Rows, rows alike, sums of columns, and what is left of ``n of m``."""
        rows = [line.split(" | ") for line in self._text.split("\n") if " | " in line][1:]
        found: set[float] = {len(rows)}
        for column in zip(*rows, strict=False):
            values = Counter(column)
            found |= set(values.values()) | {len(values)}
            if len(column) > 1 and all(map(_PLAIN.fullmatch, column)):
                found.add(round(sum(map(float, column)), 6))
        found |= {int(whole) - int(part) for part, whole in _OF.findall(self._text)}
        return frozenset(found)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(self._pairs())

    def _pairs(self) -> Iterator[Pair]:
        columns = self._lines[1].split(" | ") if len(self._lines) > 2 else []
        places = [
            (columns.index(one), columns.index(two))
            for one, two in _PAIRED_COLUMNS
            if one in columns and two in columns
        ]
        for at, line in enumerate(self._lines):
            for first, unit, second, other in _BEFORE_AFTER.findall(line):
                yield Pair(
                    _read(first, unit or other), _read(second, other or unit), self.hints(at)
                )
            yield from self._side_by_side(at, line)
            parts = _OF.findall(line) + [(part, whole) for whole, part in _OF_ALL.findall(line)]
            for part, whole in parts:
                yield Pair(_read(part, ""), _read(whole, ""))
            cells = line.split(" | ") if places else []
            for left, right in places:
                if len(cells) == len(columns) and _are_plain(cells[left], cells[right]):
                    yield Pair(_read(cells[left], ""), _read(cells[right], ""), self.hints(at))

    def _side_by_side(self, at: int, line: str) -> Iterator[Pair]:
        """The two numbers of a clause that has no more: ``706 MHz, peers 1263``."""
        for clause in _CLAUSES.split(line):
            found = _SHOWN.findall(clause) if " " in clause else ()
            if len(found) == 2:
                (*one, unit), (*two, other) = found
                yield Pair(
                    _read("".join(one), unit), _read("".join(two), other or unit), self.hints(at)
                )


@lru_cache(maxsize=256)
def shown_numbers(text: str) -> Shown:
    """The numbers of a result, kept for the claims to come."""
    return Shown(text)


def _are_plain(*cells: str) -> bool:
    return all(map(_PLAIN.fullmatch, cells))


def _read(digits: str, unit: str) -> Amount:
    raw = abs(float(digits.replace(",", "")))
    kind, factor = kind_of(unit)
    return Amount(raw * factor, 0.0, kind, raw)


def _amounts(line: str) -> Iterator[Amount]:
    for whole, part, exponent, unit in _SHOWN.findall(line):
        raw = float(whole.replace(",", "") + part + exponent)
        kind, factor = kind_of(unit)
        yield Amount(raw * factor, 0.0, kind, raw)
    if "/" in line:
        for pair in FRACTION.findall(line):
            for one in pair:
                yield Amount(float(one), 0.0, "", float(one))
    for match in _PARTS.finditer(line):
        yield _duration(match)


def _hints_in(text: str) -> Hints:
    return tuple((kind, factor) for kind, factor, words in _HINTS if words.search(text))


def _ranged(text: str) -> Iterator[str]:
    for first, last in _RANGE.findall(text):
        if int(first) < int(last) <= int(first) + 64:
            yield from map(str, range(int(first), int(last) + 1))


def _duration(match: re.Match[str]) -> Amount:
    days, hours, more_hours, minutes, more_minutes, seconds = (
        int(one or 0) for one in match.groups()
    )
    total = days * 86400 + (hours + more_hours) * 3600 + (minutes + more_minutes) * 60 + seconds
    return Amount(float(total), 30.0, "time", float(total))

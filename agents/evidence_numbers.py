"""Numbers of an answer and of results, read with their units. Pure.

Whether the ones stand on the others is in ``evidence_held``.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TIME: Final = {
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("week", "weeks"), 604800.0),
}
_BYTES: Final = {
    **dict.fromkeys(("byte", "bytes"), 1.0),
    **{
        f"{prefix}{end}": 1000.0**power for power, prefix in enumerate("kmgtp", 1) for end in ("b",)
    },
    **{
        f"{prefix}{end}": 1024.0**power
        for power, prefix in enumerate("kmgtp", 1)
        for end in ("i", "ib")
    },
}
_PERCENT: Final = frozenset({"%", "percent", "pp", "percentage"})
_MULTIPLES: Final = {
    "k": 1e3,
    "thousand": 1e3,
    "M": 1e6,
    "million": 1e6,
    "G": 1e9,
    "bn": 1e9,
    "billion": 1e9,
}
_UNIT: Final = r"%|[A-Za-zµ]+(?:/[A-Za-z]+)?"
_CLAIM: Final = re.compile(
    r"(?<![\w./:@#$\\^-])(?<!\d,)[-+\u2212]?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<part>\.\d+)?"
    r"(?P<exp>[eE][+-]?\d+)?(?!\.?\d|[/:_]\d|,\d{3})"
    rf"(?:[ \u00a0-]?(?P<unit>{_UNIT}))?(?![\w])"
)
_FRACTION: Final = re.compile(r"(?<![\w./:-])(\d{1,6})/(\d{1,6})(?![\w./:-])")
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
_PARTS: Final = re.compile(r"\b(\d+)d(\d+)h\b|\b(\d+)h(\d+)m\b|\b(\d+)m(\d+)s\b")
_MOMENT: Final = re.compile(
    r"(?:\d{4}-)?\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
    r"|\d{4}-\d{2}-\d{2}|\b\d{1,2}:\d{2}(?::\d{2})?Z?\b"
)
_ABOUT: Final = re.compile(
    r"(?:~|≈|about|around|approximately|approx\.?|roughly|nearly|almost|close to|some|circa)\s*$",
    re.IGNORECASE,
)
_OVER: Final = re.compile(
    r"(?:>|≥|over|more than|above|at least|exceed(?:s|ed|ing)?|beyond|up from|greater than)\s*$",
    re.IGNORECASE,
)
_UNDER: Final = re.compile(
    r"(?:<|≤|under|less than|below|at most|fewer than|within|up to|no more than)\s*$",
    re.IGNORECASE,
)
_KIND_BEFORE: Final = re.compile(
    r"\b(?:gpus?|cards?|devices?|index|xid|error|exit|code|status|http|signal|rack|numa|socket|"
    r"port|revision|generation|worker|replica|instance|shard|partition|layer|tier|level|step|"
    r"phase|version|release|kubernetes|openshift|line|row|result|note|section|day|page|part|"
    r"number|no\.?|priority|severity|sev|p|rfc|band|cell|slot|channel|vlan|class|clause|node)"
    r"(?:\s*[:#=])?[\s\u00a0]*$",
    re.IGNORECASE,
)
RATIO_UNITS: Final = frozenset({"x", "times", "fold", "\u00d7"})
_BEFORE_AFTER: Final = re.compile(
    r"(-?\d[\d,]*(?:\.\d+)?)\s?([%\w]{0,8})\s*(?:->|\u2192|instead of|beyond)\s*"
    r"(-?\d[\d,]*(?:\.\d+)?)\s?([%\w]{0,8})"
)
_PAIRED_COLUMNS: Final = (("before", "after"), ("expected", "actual"))


@dataclass(frozen=True, slots=True)
class Amount:
    """A number: its value in base units of its ``kind`` (time: s, bytes: B, percent: %, or none).

    ``half`` is half of its last digit, in the same units.
    """

    value: float
    half: float
    kind: str = ""
    raw: float = 0.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A number as an answer has it; ``is_small`` ones are found by chance in most results."""

    start: int
    end: int
    text: str
    amount: Amount
    unit: str
    bound: str
    is_identifier: bool

    @property
    def is_small(self) -> bool:
        return self.amount.raw < 20 and self.amount.raw.is_integer() and not self.amount.kind


@dataclass(frozen=True, slots=True)
class Line:
    """The numbers of one line; ``hints`` are units (kind, factor) of those without one."""

    amounts: tuple[Amount, ...]
    hints: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """The numbers that one result holds, by line; ``embedded`` are those at the end of names."""

    lines: tuple[Line, ...]
    counts: frozenset[float]
    embedded: frozenset[str]
    fractions: frozenset[str]
    raws: frozenset[float]
    pairs: tuple[Line, ...]
    """Two numbers each of which one says: the one became the other, or is part of it."""
    says_none: bool


def claimed_fractions(text: str) -> Iterator[tuple[int, int, str]]:
    """``1/2`` in a sentence: where, and the text."""
    for match in _FRACTION.finditer(text):
        yield match.start(), match.end(), match[0]


def claimed_numbers(text: str) -> Iterator[Claimed]:
    """The numbers of a sentence that can be compared; versions, ordinals and names are not."""
    for match in _CLAIM.finditer(text):
        unit = match["unit"] or ""
        end = (
            match.end()
            if _is_unit(unit)
            else match.end("exp")
            if match["exp"]
            else (match.end("part") if match["part"] else match.end("whole"))
        )
        before = text[: match.start()]
        after = text[end : end + 12]
        if re.match(r"\s?[+*=]\s?\d", after) or before.rstrip().endswith(("+", "*")):
            continue  # somebody reckons
        if re.match(r"\s?(?:-|\u2013|to|\.\.)\s?\d", after) and not unit:
            unit = _unit_of_range(text[end : end + 40])
        yield Claimed(
            start=match.start(),
            end=end,
            text=text[match.start() : end],
            amount=_amount(match, unit),
            unit=unit,
            bound=_bound(before),
            is_identifier=_KIND_BEFORE.search(before[-24:]) is not None,
        )


def _is_unit(told: str) -> bool:
    unit = told.partition("/")[0]
    return bool(unit) and (
        (unit.lower() in _TIME and (len(unit) > 1 or unit.islower()))
        or unit.lower() in _BYTES
        or unit in _MULTIPLES
        or unit.lower() in _PERCENT
        or unit.lower() in RATIO_UNITS
    )


def _unit_of_range(text: str) -> str:
    match = re.match(rf"\s?(?:-|\u2013|to|\.\.)\s?[\d.,]+\s?({_UNIT})", text)
    return match[1] if match and _is_unit(match[1]) else ""


def _bound(before: str) -> str:
    tail = before[-24:]
    for name, pattern in (("about", _ABOUT), ("over", _OVER), ("under", _UNDER)):
        if pattern.search(tail):
            return name
    return ""


def _amount(match: re.Match[str], unit: str) -> Amount:
    digits = (match["whole"].replace(",", "")) + (match["part"] or "")
    exponent = match["exp"] or ""
    raw = float(digits + exponent)
    scale = 10.0 ** int(exponent[1:]) if exponent else 1.0
    half = 0.5 * 10.0 ** -(len(match["part"]) - 1 if match["part"] else 0) * scale
    kind, factor = _kind(unit)
    return Amount(raw * factor, half * factor, kind, raw)


def _kind(told: str) -> tuple[str, float]:
    unit = told.partition("/")[0]
    low = unit.lower()
    if unit in _MULTIPLES:
        return "", _MULTIPLES[unit]
    if low in _PERCENT:
        return "percent", 1.0
    if low in _TIME and (len(unit) > 1 or unit.islower()):
        return "time", _TIME[low]
    if low in _BYTES:
        return "bytes", _BYTES[low]
    return "", 1.0


@lru_cache(maxsize=256)
def shown_numbers(text: str) -> Shown:
    """The numbers of a result."""
    plain = _MOMENT.sub(" ", text).split("\n")
    header = _hints(" ".join(plain[1:2]))
    lines = tuple(
        Line(tuple(_amounts(line)), tuple(dict.fromkeys((*_hints(line), *header))))
        for line in plain
    )
    fractions = {f"{one}/{two}" for one, two in _FRACTION.findall(text)}
    fractions |= {f"{one}/{two}" for one, two in _OF.findall(text)}
    return Shown(
        lines=lines,
        counts=_counts(text),
        embedded=frozenset([*_EMBEDDED.findall(text), *_ranged(text)]),
        fractions=frozenset(fractions),
        raws=frozenset(one.raw for line in lines for one in line.amounts),
        pairs=tuple(_pairs(plain)),
        says_none=re.search(r"(?m)^(?:No|Nothing|All|None)\b", text) is not None,
    )


def _pairs(lines: Sequence[str]) -> Iterator[Line]:
    columns = lines[1].split(" | ") if len(lines) > 2 else []
    places = [
        (columns.index(one), columns.index(two))
        for one, two in _PAIRED_COLUMNS
        if one in columns and two in columns
    ]
    for line in lines:
        hints = tuple(_hints(line))
        for first, unit, second, other_unit in _BEFORE_AFTER.findall(line):
            yield Line((_read(first, unit or other_unit), _read(second, other_unit or unit)), hints)
        parts = [*_OF.findall(line), *((part, whole) for whole, part in _OF_ALL.findall(line))]
        for part, whole in parts:
            yield Line((_read(part, ""), _read(whole, "")), ())
        cells = line.split(" | ") if places else []
        for one, two in places:
            if len(cells) == len(columns) and all(map(_PLAIN.fullmatch, (cells[one], cells[two]))):
                yield Line((_read(cells[one], ""), _read(cells[two], "")), hints)


def _read(digits: str, unit: str) -> Amount:
    raw = abs(float(digits.replace(",", "")))
    kind, factor = _kind(unit)
    return Amount(raw * factor, 0.0, kind, raw)


def _amounts(line: str) -> Iterator[Amount]:
    for match in _SHOWN.finditer(line):
        yield _amount(match, match["unit"])
    if "/" in line:
        for pair in _FRACTION.findall(line):
            for one in pair:
                yield Amount(float(one), 0.5, "", float(one))
    for match in _PARTS.finditer(line):
        yield _duration(match)


def _hints(text: str) -> list[tuple[str, float]]:
    return [(kind, factor) for kind, factor, words in _HINTS if words.search(text)]


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


def _counts(text: str) -> frozenset[float]:
    """What counting gives: rows, rows alike, sums of columns, what is left of ``n of m``."""
    rows = [line.split(" | ") for line in text.split("\n") if " | " in line][1:]
    found: set[float] = {len(rows)}
    for column in zip(*rows, strict=False):
        values = Counter(column)
        found |= set(values.values()) | {len(values)}
        if len(column) > 1 and all(_PLAIN.fullmatch(cell) for cell in column):
            found.add(round(sum(map(float, column)), 6))
    found |= {int(whole) - int(part) for part, whole in _OF.findall(text)}
    return frozenset(found)


_PLAIN: Final = re.compile(r"\d+(?:\.\d+)?")

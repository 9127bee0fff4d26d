"""Numbers of an answer beside those of the results: rounded, in other units, counted. Pure.

A number is compared by its value, never as text: 0.3333 supports 33 %, 2103 supports 2.1k, 1.765 s
supports 1,765 ms. Two numbers of one line support their difference, sum, ratio and change in
percent; the rows of a table support their counts.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
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
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}
_BYTES: Final = {
    **dict.fromkeys(("b", "byte", "bytes"), 1.0),
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
_EMBEDDED: Final = re.compile(r"\d+")
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
_RATIO_UNITS: Final = frozenset({"x", "times", "fold", "\u00d7"})
_LONGEST_PAIRED: Final = 24


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
class Shown:
    """The numbers that one result holds, by line; ``embedded`` are those within names."""

    amounts: tuple[Amount, ...]
    lines: tuple[tuple[Amount, ...], ...]
    counts: frozenset[int]
    embedded: frozenset[str]
    says_none: bool


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


def _is_unit(unit: str) -> bool:
    return bool(unit) and (
        unit.lower() in _TIME
        or unit.lower() in _BYTES
        or unit in _MULTIPLES
        or unit.lower() in _PERCENT
        or unit.lower() in _RATIO_UNITS
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


def _kind(unit: str) -> tuple[str, float]:
    low = unit.lower()
    if unit in _MULTIPLES:
        return "", _MULTIPLES[unit]
    if low in _PERCENT:
        return "percent", 1.0
    if low in _TIME and unit not in ("M", "D", "H", "S"):
        return "time", _TIME[low]
    if low in _BYTES:
        return "bytes", _BYTES[low]
    return "", 1.0


@lru_cache(maxsize=256)
def shown_numbers(text: str) -> Shown:
    """The numbers of a result."""
    lines: list[tuple[Amount, ...]] = []
    for line in text.split("\n"):
        plain = _MOMENT.sub(" ", line)
        found = [_amount(match, match["unit"]) for match in _SHOWN.finditer(plain)]
        found += [
            amount
            for first, second in _FRACTION.findall(plain)
            for amount in (
                Amount(float(first), 0.5, "", float(first)),
                Amount(float(second), 0.5, "", float(second)),
            )
        ]
        found += [_duration(match) for match in _PARTS.finditer(plain)]
        lines.append(tuple(found))
    return Shown(
        amounts=tuple(amount for line in lines for amount in line),
        lines=tuple(lines),
        counts=_counts(text),
        embedded=frozenset(_EMBEDDED.findall(text)),
        says_none=re.search(r"(?m)^(?:No|Nothing|All|None)\b", text) is not None,
    )


def _duration(match: re.Match[str]) -> Amount:
    groups = [int(one) if one else 0 for one in match.groups()]
    seconds = (
        groups[0] * 86400
        + groups[1] * 3600
        + groups[2] * 3600
        + groups[3] * 60
        + groups[4] * 60
        + groups[5]
    )
    return Amount(float(seconds), 30.0, "time", float(seconds))


def _counts(text: str) -> frozenset[int]:
    """How many rows a table has, how many with one value in a column, and how many values."""
    rows = [line.split(" | ") for line in text.split("\n") if " | " in line][1:]
    found = {len(rows)}
    for column in zip(*rows, strict=False):
        values = Counter(column)
        found |= set(values.values()) | {len(values)}
    return frozenset(found)


def is_shown(claim: Claimed, shown: Shown, *, derive: bool) -> bool:
    """Whether a result holds the number; ``derive``: or it follows from those that it holds."""
    if claim.amount.raw == 0 and (shown.says_none or any(one.raw == 0 for one in shown.amounts)):
        return True
    if any(_same(claim, one) for one in shown.amounts):
        return True
    if claim.is_identifier and claim.text.lstrip("+-\u2212") in shown.embedded:
        return True
    if claim.amount.raw in shown.counts and claim.amount.kind == "":
        return True
    return derive and any(_follows(claim, line) for line in shown.lines)


def _same(claim: Claimed, one: Amount) -> bool:
    amount = claim.amount
    if _near(claim, amount.raw, one.raw, _raw_half(amount)):
        return _can_be_one(amount, one)
    alike = amount.kind == one.kind or not (amount.kind and one.kind)
    if alike and _near(claim, amount.value, one.value, amount.half):
        return True
    return _same_in_other_units(claim, one)


def _same_in_other_units(claim: Claimed, one: Amount) -> bool:
    """A ratio as a percentage, and units that stand in the name of a column."""
    amount = claim.amount
    scales: tuple[float, ...] = ()
    if amount.kind == "percent" and not one.kind:
        scales = (100.0,)
    elif one.kind == "percent" and not amount.kind:
        scales = (0.01,)
    elif amount.kind == "time" and not one.kind:
        scales = (1e-9, 1e-3, 60.0, 3600.0)
    elif amount.kind == "bytes":
        return _same_bytes(claim, one)
    return any(_near(claim, amount.value, one.raw * scale, amount.half) for scale in scales)


def _same_bytes(claim: Claimed, one: Amount) -> bool:
    """GB are said for GiB, and columns tell MiB or bytes."""
    amount = claim.amount
    loose = max(amount.half, amount.value * 0.075) if one.kind == "bytes" else amount.half
    if one.kind == "bytes":
        return _near(claim, amount.value, one.value, loose)
    raw_half = _raw_half(amount)
    return any(
        _near(claim, amount.raw, one.raw / base**power, raw_half)
        for base in (1000.0, 1024.0)
        for power in (1, 2, 3, 4)
    )


def _raw_half(amount: Amount) -> float:
    return amount.half * (amount.raw / amount.value) if amount.value else amount.half


def _can_be_one(amount: Amount, one: Amount) -> bool:
    """Equal digits of two kinds are no evidence, unless one of them has no unit."""
    return (
        amount.kind == one.kind == ""
        or not (amount.kind and one.kind)
        or (amount.kind == one.kind and math.isclose(amount.value, one.value, rel_tol=0.01))
    )


def _near(claim: Claimed, said: float, held: float, half: float) -> bool:
    said, held = abs(said), abs(held)
    slack = half * 1.0001 + 1e-12
    if claim.bound == "about":
        slack = max(slack, said * 0.1)
    if abs(said - held) <= slack:
        return True
    if claim.bound == "over":
        return said <= held <= said * 1.35 + half
    if claim.bound == "under":
        return said * 0.65 - half <= held <= said
    return False


def _follows(claim: Claimed, line: tuple[Amount, ...]) -> bool:
    """Difference, sum, ratio or change of two numbers of a line."""
    if len(line) < 2 or len(line) > _LONGEST_PAIRED:
        return False
    wants_ratio = claim.unit.lower() in _RATIO_UNITS or claim.amount.kind == "percent"
    for at, one in enumerate(line):
        for other in line[at + 1 :]:
            low, high = sorted((abs(one.value), abs(other.value)))
            if wants_ratio:
                if low and _near(claim, claim.amount.raw, high / low, claim.amount.half):
                    return True
                if _is_change(claim, low, high):
                    return True
            elif not claim.is_small and (
                _near(claim, claim.amount.value, high - low, claim.amount.half)
                or _near(claim, claim.amount.value, high + low, claim.amount.half)
            ):
                return True
    return False


def _is_change(claim: Claimed, low: float, high: float) -> bool:
    """Percent of the one more or less than of the other, or its share."""
    if claim.amount.kind != "percent" or not high:
        return False
    shares = [100 * low / high, 100 * (high - low) / high]
    if low:
        shares.append(100 * (high - low) / low)
    return any(_near(claim, claim.amount.raw, share, claim.amount.half) for share in shares)

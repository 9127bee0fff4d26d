"""Numbers of an answer and of results, read with their units. Pure.

Whether the ones stand on the others is in ``evidence_held``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TIME_UNITS: Final = {
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("week", "weeks"), 604800.0),
}
BYTE_UNITS: Final = {
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
FRACTION: Final = re.compile(r"(?<![\w./:-])(\d{1,6})/(\d{1,6})(?![\w./:-])")
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
_VERSIONED: Final = re.compile(
    r"\b(?:TLS|SSL|HTTP|Python|Java|Go|Node\.js|Kubernetes|OpenShift|OpenAPI|OAuth|CUDA|PCIe|"
    r"Helm|Linux|kernel|RHEL|Ubuntu|MicroShift|Prometheus|version|release)\s*v?$",
    re.IGNORECASE,
)
_RECKONED: Final = re.compile(r"\s?[+*=]\s?\d")
_RANGE_GOES_ON: Final = re.compile(r"\s?(?:-|\u2013|to|\.\.)\s?\d")
RATIO_UNITS: Final = frozenset({"x", "times", "fold", "\u00d7"})


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


def claimed_fractions(text: str) -> Iterator[tuple[int, int, str]]:
    """``1/2`` in a sentence: where, and the text."""
    for match in FRACTION.finditer(text):
        yield match.start(), match.end(), match[0]


def claimed_numbers(text: str) -> Iterator[Claimed]:
    """The numbers of a sentence that can be compared; versions, ordinals and names are not."""
    for match in _CLAIM.finditer(text):
        unit = match["unit"] or ""
        number_end = max(match.end(part) for part in ("whole", "part", "exp"))
        is_unit = _is_unit(unit)
        before = text[: match.start()]
        if (unit and not is_unit and number_end == match.start("unit")) or _is_no_claim(
            before, text[number_end:]
        ):
            continue  # such as 95th, 5xx, TLS 1.3
        end = match.end() if is_unit else number_end
        if not is_unit and _RANGE_GOES_ON.match(text, end):
            unit = _unit_of_range(text[end : end + 40])
        yield Claimed(
            start=match.start(),
            end=end,
            text=text[match.start() : end],
            amount=amount_of(match, unit),
            unit=unit,
            bound=_bound(before),
            is_identifier=_KIND_BEFORE.search(before[-24:]) is not None,
        )


def _is_no_claim(before: str, after: str) -> bool:
    """Versions after their product, and what somebody reckons."""
    if _RECKONED.match(after) or before.rstrip().endswith(("+", "*")):
        return True
    return _VERSIONED.search(before[-16:]) is not None


def _is_unit(told: str) -> bool:
    unit = told.partition("/")[0]
    return bool(unit) and (
        (unit.lower() in TIME_UNITS and (len(unit) > 1 or unit.islower()))
        or unit.lower() in BYTE_UNITS
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


def amount_of(match: re.Match[str], unit: str) -> Amount:
    digits = (match["whole"].replace(",", "")) + (match["part"] or "")
    exponent = match["exp"] or ""
    raw = float(digits + exponent)
    scale = 10.0 ** int(exponent[1:]) if exponent else 1.0
    half = 0.5 * 10.0 ** -(len(match["part"]) - 1 if match["part"] else 0) * scale
    kind, factor = kind_of(unit)
    return Amount(raw * factor, half * factor, kind, raw)


def kind_of(told: str) -> tuple[str, float]:
    unit = told.partition("/")[0]
    low = unit.lower()
    if unit in _MULTIPLES:
        return "", _MULTIPLES[unit]
    if low in _PERCENT:
        return "percent", 1.0
    if low in TIME_UNITS and (len(unit) > 1 or unit.islower()):
        return "time", TIME_UNITS[low]
    if low in BYTE_UNITS:
        return "bytes", BYTE_UNITS[low]
    return "", 1.0

"""Single values as nvidia-smi writes them: numbers with units, flags, and the many blanks.

Nothing here raises on an odd value: the answer is ``None`` and the oddity is noted.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

# Blanks that mean "this card or driver does not have it": normal, so not worth a warning.
_SILENT = frozenset(
    {
        "",
        "-",
        "n/a",
        "na",
        "none",
        "not supported",
        "not available",
        "not applicable",
        "not found",
        "unsupported",
        "requested functionality has been deprecated",
        "function not found",
        "no data",
    }
)
# NVML errors in place of a reading. CSV brackets them, -q and XML do not.
_FAULTS = frozenset(
    {
        "err!",
        "error",
        "unknown",
        "unknown error",
        "gpu is lost",
        "gpu requires reset",
        "gpu access blocked by the operating system",
        "insufficient permissions",
        "insufficient external power",
        "insufficient resources",
        "driver not loaded",
        "timeout",
        "in use",
        "invalid argument",
        "irq issue",
        "corrupted inforom",
        "uninitialized",
    }
)
_BRACKETED = re.compile(r"\[(.*)\]")
_NUMBER = re.compile(r"([-+]?[0-9]+(?:\.[0-9]*)?|[-+]?\.[0-9]+)\s*([A-Za-z%°/]*)")


@dataclass(frozen=True)
class Quantity:
    """A kind of reading: its units as factors to ours, and the range a real one lies in."""

    units: dict[str, float]
    low: float
    high: float


# Beyond the range lie NVML's "no value" marks, such as 4294967295 mW or 2**64 - 1.
MEBIBYTES = Quantity(
    {
        "": 1.0,
        "mib": 1.0,
        "mb": 1.0,
        "kib": 1 / 1024,
        "kb": 1 / 1024,
        "gib": 1024.0,
        "gb": 1024.0,
        "b": 1 / 1048576,
        "bytes": 1 / 1048576,
    },
    0,
    1e9,
)
PERCENT = Quantity({"": 1.0, "%": 1.0}, 0, 1000)
CELSIUS = Quantity({"": 1.0, "c": 1.0, "°c": 1.0}, -273, 500)
WATTS = Quantity({"": 1.0, "w": 1.0, "mw": 0.001, "kw": 1000.0}, 0, 100_000)
MEGAHERTZ = Quantity({"": 1.0, "mhz": 1.0, "ghz": 1000.0, "khz": 0.001}, 0, 100_000)
COUNT = Quantity({"": 1.0}, 0, 4_294_967_294)
LINK = Quantity({"": 1.0, "x": 1.0}, 0, 1024)

_TRUE = frozenset({"yes", "true", "1", "enabled", "active", "on", "pending"})
_FALSE = frozenset({"no", "false", "0", "disabled", "not active", "off"})


@dataclass
class Notes:
    """What was odd while reading one output; ``warnings`` tells it in full sentences."""

    _odd: list[str] = field(default_factory=list[str])
    _faults: dict[tuple[str, str], list[str]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], list[str]](list)
    )

    def add(self, sentence: str) -> None:
        """Note a sentence, once."""
        if sentence not in self._odd:
            self._odd.append(sentence)

    def fault(self, card: str, what: str, reading: str) -> None:
        """Note that a reading of a card failed with an NVML error."""
        self._faults[card, what].append(reading)

    def warnings(self) -> tuple[str, ...]:
        """Faults first, one line for each card and error, then the rest."""
        lines = [
            f"{card}: {what} in place of {_named(readings)}"
            for (card, what), readings in self._faults.items()
        ]
        return (*lines, *self._odd)


def _named(readings: list[str]) -> str:
    head = ", ".join(readings[:3])
    return head if len(readings) <= 3 else f"{head} and {len(readings) - 3} more readings"


def plain(text: str | None) -> str:
    """The text without blanks around it and without the brackets of an error."""
    stripped = (text or "").strip()
    bracketed = _BRACKETED.fullmatch(stripped)
    return bracketed.group(1).strip() if bracketed else stripped


def is_blank(text: str | None) -> bool:
    """Whether the text stands for "no value": N/A in any spelling, or an NVML error."""
    stripped = (text or "").strip()
    if _BRACKETED.fullmatch(stripped):
        return True
    lowered = stripped.lower().rstrip(".")
    return lowered in _SILENT or lowered in _FAULTS


@dataclass(frozen=True)
class Reader:
    """Reads one card's values; ``card`` names it in the notes."""

    card: str
    notes: Notes

    def text(self, text: str | None, reading: str) -> str | None:
        """A word such as ``P0``; ``None`` for every blank."""
        if text is None:
            return None
        if not is_blank(text):
            return text.strip()
        self._note_fault(text, reading)
        return None

    def number(self, text: str | None, reading: str, quantity: Quantity) -> float | None:
        """A number in the unit of our models, whether the text carries its unit or not."""
        word = self.text(text, reading)
        if word is None:
            return None
        match = _NUMBER.fullmatch(word)
        factor = quantity.units.get(match.group(2).lower()) if match else None
        if match is None or factor is None:
            self._odd(word, reading)
            return None
        value = float(match.group(1)) * factor
        if not quantity.low <= value <= quantity.high:
            self._odd(word, reading)
            return None
        return round(value, 6)

    def integer(self, text: str | None, reading: str, quantity: Quantity = COUNT) -> int | None:
        """A whole number."""
        value = self.number(text, reading, quantity)
        if value is None:
            return None
        if value != int(value):
            self._odd(str(text), reading)
            return None
        return int(value)

    def flag(self, text: str | None, reading: str) -> bool | None:
        """Yes or no, in any of nvidia-smi's words for them."""
        word = self.text(text, reading)
        if word is None:
            return None
        lowered = word.lower()
        if lowered in _TRUE or lowered in _FALSE:
            return lowered in _TRUE
        self._odd(word, reading)
        return None

    def mask(self, text: str | None, reading: str) -> int | None:
        """A bit mask, hexadecimal (``0x0000000000000001``) or decimal."""
        word = self.text(text, reading)
        if word is None:
            return None
        try:
            return int(word, 16 if word.lower().startswith("0x") else 10)
        except ValueError:
            self._odd(word, reading)
            return None

    def _note_fault(self, text: str, reading: str) -> None:
        what = plain(text)
        lowered = what.lower().rstrip(".")
        if lowered not in _SILENT:
            self.notes.fault(self.card, what, reading)

    def _odd(self, word: str, reading: str) -> None:
        shown = word if len(word) <= 40 else f"{word[:40]}…"
        self.notes.add(f"{self.card}: {reading} is {shown!r}, which is no value for it")

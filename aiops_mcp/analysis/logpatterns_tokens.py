"""A masked log line as tokens: words, and runs of values that count as one. Pure.

Knows the marks of values (``logpatterns_values``) and nothing of templates.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiops_mcp.analysis.logpatterns_values import (
    MARK,
    MARKS,
    SEPARATORS,
    TYPES,
    WILDCARD,
    ValueType,
    common,
)

MOST_TOKENS: Final = 300
_BYTE_WORDS: Final = frozenset(("b", "byte", "bytes", "kb", "mb", "gb", "tb", "kib", "mib", "gib"))
_UNIT: Final = (
    r"(?i:bytes?|[kmgt]i?b|b|[nmu]s|µs|secs?|seconds?|minutes?|mins?|hours?|days?|m?s"
    r"|m(?:illi|icro)s(?:ec(?:ond)?s?)?)"
)
_ONE: Final = rf"(?:[A-Za-z][\w+.-]*+://)?{MARK}"
_VALUE: Final = rf"(?:{_ONE}(?:\s{_UNIT}(?!\w))?)"
_RUN: Final = rf"{_VALUE}(?:(?:[\s,:/;.@+-]{{0,3}}|\s?\()(?:{_VALUE})(?:\s?\))?)*"
_WORD: Final = rf"[^{SEPARATORS}{MARK[1:-1]}]++(?!://{MARK})"
_PARTS: Final = re.compile(rf"({_WORD})|([{SEPARATORS}]++)|({_RUN})")
_WITH_UNIT: Final = re.compile(rf"({MARK})\s({_UNIT})(?!\w)")
_ANY_MARK: Final = re.compile(MARK)
_DAY_MONTH: Final = (
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
)
_TIME: Final = MARKS[ValueType.TIME]
_DATE: Final = re.compile(
    rf"(?<!\w){_DAY_MONTH}(?:,?\s{_DAY_MONTH})?,?\s{MARK},?\s(?:{MARK}\s)?{_TIME}"
    rf"(?:\s(?:[A-Z]{{3,4}}|{MARK}))?(?:\s{MARK})?(?!\w)"
    rf"|{_TIME}\s{_TIME}"
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """``words`` and the ``separators`` behind each alternate; ``shown``: a value as it was."""

    words: list[str]
    separators: list[str]
    shown: list[str]


def tokens_of(masked: Iterable[str]) -> Tokens:
    """A line's masked words as tokens; values side by side, with their units, are one value.

    A line that begins with a separator has an empty first token. What is beyond 300 tokens is
    left out.
    """
    line = " ".join(masked)
    if _TIME in line:
        line = _DATE.sub(_TIME, line)
    words: list[str] = []
    separators: list[str] = []
    shown: list[str] = []
    for word, separator, value in _PARTS.findall(line):
        if separator:
            if words:
                separators[-1] = separator
            else:
                words, separators, shown = [""], [separator], [""]
            continue
        if len(words) >= MOST_TOKENS:
            break
        words.append(word or WILDCARD)
        shown.append(word or (_WITH_UNIT.sub(_typed, value) if " " in value else value))
        separators.append("")
    if not words:
        return Tokens([""], [""], [""])
    return Tokens(words, separators, shown)


def _typed(found: re.Match[str]) -> str:
    unit = found.group(2).lower()
    type_ = ValueType.BYTES if unit in _BYTE_WORDS else ValueType.DURATION
    return f"{MARKS[type_]} {found.group(2)}"


def joined(own: str, other: str) -> str:
    """How a value is shown that was shown in both ways: alike, or as one value of their type."""
    if own == other:
        return own
    mine, others = types_in(own), types_in(other)
    if mine and others and _ANY_MARK.sub(_TIME, own) == _ANY_MARK.sub(_TIME, other):
        pairs = iter([MARKS[common(pair)] for pair in zip(mine, others, strict=True)])
        return _ANY_MARK.sub(lambda _: next(pairs), own)
    whole = mine if len(mine) == 1 else [ValueType.WORD]
    also = others if len(others) == 1 else [ValueType.WORD]
    return MARKS[common((whole[0], also[0]))]


def types_in(text: str) -> list[ValueType]:
    """The types of the values marked in a text, in order."""
    return [TYPES[mark] for mark in _ANY_MARK.findall(text)]


def readable(text: str) -> str:
    """A text with ``<*>`` for each mark."""
    return _ANY_MARK.sub(WILDCARD, text)


def line_of(shown: Sequence[str], separators: Sequence[str]) -> str:
    """The line that tokens and separators make, values still marked."""
    parts: list[str] = []
    for word, separator in zip(shown, separators, strict=True):
        parts.extend((word, separator))
    return "".join(parts).strip()

"""Values in log lines that are known by their shape: numbers, times, addresses, ids, paths. Pure.

Works on one word (no whitespace) at a time. A value becomes one private character that says its
type; whole names with digits are values, since identifiers hold digits and events seldom do
(Zhu et al., "Tools and Benchmarks for Automated Log Parsing", ICSE-SEIP 2019; the corrections of
Khan et al., "Guidelines for Assessing the Accuracy of Log Message Template Identification
Techniques", ICSE 2022). Knows nothing of templates.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

WILDCARD: Final = "<*>"


class ValueType(StrEnum):
    """What a variable part of a template holds."""

    NUMBER = "number"
    DURATION = "duration"
    BYTES = "bytes"
    IP = "ip"
    HOST = "host"
    PATH = "path"
    UUID = "uuid"
    HEX = "hex"
    TIME = "time"
    WORD = "word"


_FIRST: Final = 0xE000
MARKS: Final = {type_: chr(_FIRST + place) for place, type_ in enumerate(ValueType)}
TYPES: Final = {mark: type_ for type_, mark in MARKS.items()}
MARK: Final = f"[{chr(_FIRST)}-{chr(_FIRST + len(MARKS) - 1)}]"
"""A regular expression for one value."""

SEPARATORS: Final = r"\s=:,;()\[\]{}\"'|<>"
_PIECE: Final = rf"[^{SEPARATORS}]"
_EDGE: Final = rf"(?<!{_PIECE})"
_HEX: Final = r"[0-9a-fA-F]"
_TIME_UNIT: Final = r"(?:ns|us|µs|ms|s|sec|m|min|h|d)"
_BYTE_UNIT: Final = r"(?:[kKmMgGtT]i?[bB]|[bB])"
_URL: Final = r"""(?P<scheme>[A-Za-z][\w+.-]*+://)(?P<url>[^\s,;"'<>()\[\]{}|]++)"""
_PATH: Final = r"""(?P<path>(?:[A-Za-z]:(?=[/\\])|[.~]{1,2}(?=[/\\]))?[/\\]+
    [^\s,;:="'<>()\[\]{}|/\\][^\s,;:="'<>()\[\]{}|]*(?<!\.))"""
_MORE: Final = rf"[.]*[^{SEPARATORS}.!?]"
# No alternative can match one text in two ways, and most begin where a piece begins: linear.
_VALUE: Final = re.compile(
    rf"""
    (?P<any><\*>) | {_EDGE}(?:
    {_URL}
  | (?P<uuid>{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}})(?!{_MORE})
  | (?P<time>\d{{4}}[-/]\d\d?[-/]\d\d?(?:[T:_-]\d\d?[:.,]\d\d[:.,]\d\d(?:[.,]\d+)?)?
        (?:Z|[+-]\d\d:?\d\d)?(?!{_MORE})
      | \d{{1,2}}:\d\d(?::\d\d)?(?:[.,]\d+)?Z?(?!{_MORE}|:\w))
  | /?(?P<ip>(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?:/\d{{1,2}})?)(?!{_MORE})
  | (?P<ip6>(?:{_HEX}{{0,4}}:){{3,15}}{_HEX}{{1,4}}(?:%\w+)?)(?!{_MORE}|:)
  | (?P<host>(?:[\w-]+\.)+[A-Za-z][\w-]*+)(?=:\d+(?!{_MORE}))
  | {_PATH}
  | (?P<hex>0[xX]{_HEX}++|(?=\d*[a-fA-F]){_HEX}{{8,}}+)(?!{_PIECE})
  | [~]?(?P<bytes>[-+]?\d+(?:\.\d+)?{_BYTE_UNIT})(?!{_MORE})
  | [~]?(?P<duration>[-+]?\d+(?:\.\d+)?{_TIME_UNIT}(?:\d+{_TIME_UNIT})*)(?!{_MORE})
  | [~]?(?P<number>[-+]?\d+(?:[.,]\d+)*+(?:[eE][-+]?\d+)?%?)(?!{_MORE})
  | (?P<name>[^\d{SEPARATORS}]*+\d{_PIECE}*)(?<![.!?])
  | (?P<word>(?i:true|false|null|nil|none))(?!{_PIECE}))
    """,
    re.VERBOSE,
)
_VALUE_WITHOUT_DIGITS: Final = re.compile(
    rf"""
    (?P<any><\*>) | {_EDGE}(?:
    {_URL}
  | {_PATH}
  | (?P<hex>[a-fA-F]{{8,}}+|[a-fA-F]{{2}}(?::[a-fA-F]{{2}}){{5,}}+)(?!{_PIECE})
  | (?P<word>(?i:true|false|null|nil|none))(?!{_PIECE}))
    """,
    re.VERBOSE,
)
_GROUPS: Final = {
    "time": ValueType.TIME,
    "uuid": ValueType.UUID,
    "ip": ValueType.IP,
    "ip6": ValueType.IP,
    "host": ValueType.HOST,
    "path": ValueType.PATH,
    "url": ValueType.PATH,
    "hex": ValueType.HEX,
    "bytes": ValueType.BYTES,
    "duration": ValueType.DURATION,
    "number": ValueType.NUMBER,
    "name": ValueType.WORD,
    "word": ValueType.WORD,
    "any": ValueType.WORD,
}
_LETTERS_OF_A_VALUE: Final = re.compile(r"(?i:[a-f]{8,}+|true|false|null|nil|none)")
_HEX_WORD: Final = re.compile(r"(?=[0-9]*[a-f])[0-9a-f]{8,}+")
_NUMBER_MARK: Final = MARKS[ValueType.NUMBER]
_HEX_MARK: Final = MARKS[ValueType.HEX]
_ONE_DIGIT: Final = re.compile(r"[^\W\d_][^\d]*\d[^\d]*")
_LEADERS: Final = re.compile(r"(\.{3,})")
_DIGIT: Final = re.compile(r"\d")
_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_MOST_WORDS: Final = 20_000
_LONGEST_WORD: Final = 120


def mask_word(word: str) -> str:
    """A word without whitespace, each value in it as the mark of its type.

    A name with a single digit stays (``ipv6``, ``ssh2``, ``eth0``): it may be a proper name.
    """
    values = _VALUE if _DIGIT.search(word) else _VALUE_WITHOUT_DIGITS
    if "..." not in word:
        return values.sub(_mark, word)
    return "".join(
        part if part.startswith("...") else values.sub(_mark, part) for part in _LEADERS.split(word)
    )


def _mark(found: re.Match[str]) -> str:
    group = found.lastgroup or "any"
    text = found.group()
    if group == "name" and _ONE_DIGIT.fullmatch(text):
        return text
    if group == "url":
        return found.group("scheme") + MARKS[ValueType.PATH]
    return MARKS[_GROUPS[group]]


def shape_of(line: str) -> bytes:
    """What lines have in common that differ in digits alone: long numbers are shortened.

    One digit and several are told apart, as they are where names are masked.
    """
    shape = line.encode("utf-8", "surrogatepass").translate(_DIGITS)
    return shape.replace(b"0000", b"00").replace(b"000", b"00")


def has_digit(text: str) -> bool:
    return _DIGIT.search(text) is not None


class Masks(dict[str, str]):
    """Words and what they are masked to, made as they are asked for; forgets all when full.

    Words of one shape are masked alike, so each shape is judged once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shapes: dict[bytes, str] = {}

    def __missing__(self, word: str) -> str:
        if word.isdecimal():
            return _NUMBER_MARK
        if _HEX_WORD.fullmatch(word):
            return _HEX_MARK  # Such ids seldom come again, and each has another shape.
        if word.isalpha() and not _LETTERS_OF_A_VALUE.fullmatch(word):
            masked = word
        else:
            masked = self._of_its_shape(word)
        if len(word) <= _LONGEST_WORD:
            if len(self) >= _MOST_WORDS:
                self.clear()
            self[word] = masked
        return masked

    def _of_its_shape(self, word: str) -> str:
        shape = shape_of(word)
        masked = self._shapes.get(shape)
        if masked is None:
            masked = mask_word(word)
            if len(word) <= _LONGEST_WORD and not has_digit(masked):
                if len(self._shapes) >= _MOST_WORDS:
                    self._shapes.clear()
                self._shapes[shape] = masked
        return masked


def common(types: Iterable[ValueType]) -> ValueType:
    """The type of a place that held values of these types."""
    found = set(types)
    if len(found) == 1:
        return found.pop()
    if found == {ValueType.NUMBER, ValueType.HEX}:
        return ValueType.HEX
    if found == {ValueType.IP, ValueType.HOST}:
        return ValueType.HOST
    return ValueType.WORD

"""Which statement of a program wrote a log line, and for which trace. Pure.

A line that names its place in the source (``OrderService#42``, ``handler.go:118``) is of that
statement, whatever its values; another is of its template. Two lines of one place with different
exceptions are two statements.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiops_mcp.analysis.loglevels import LogLevel, text_level
from aiops_mcp.analysis.logpatterns import Template, TemplateMiner

_FRONT: Final = 400
"""Characters of a line in which its source and its trace stand; further on others are quoted."""
_WORDS: Final = 110
"""Characters of a statement as it is shown."""
_LONGEST: Final = 4000

_TRACE = re.compile(
    r"(?i)(?<![a-z])trace[_.-]?id[\"']?\s{0,4}[:=]\s{0,4}[\"']?([0-9a-f]{16,32})(?![0-9a-f])"
)
_SOURCE = re.compile(
    r"(?<![\w.$#/-])([A-Za-z_$][\w.$\[\]/-]{0,120}?"
    r"(?:#|\.(?:java|kt|scala|go|py|js|ts|rb|rs|cs|php|c|cc|cpp):)\d{1,6})(?!\w)"
)
_EXCEPTION = re.compile(
    r"(?<![\w.])(?:[\w$]{1,80}\.){0,12}([A-Z]\w{0,80}(?:Exception|Error))(?!\w)"
)
_THROWN = re.compile(r"(?:Caused by: |Exception in thread |[\w.$]{1,200}(?:Exception|Error)\b)")
_CONTINUES = re.compile(r"\s+at [\w$.<>/]|\s*\.\.\. \d+ (?:more|common)|\s+File \"")
_IDS = re.compile(
    r"(?i)(?:(?:trace|span)[_.-]?id\s*[:=]\s*)?(?<![0-9a-z])[0-9a-f-]{16,}(?![0-9a-z])"
)
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line: Unix seconds, the component that wrote it, and its trace if the store knows it.

    A trace id that stands in the text is found there. ``level`` is read from the text if UNKNOWN.
    """

    time: float
    component: str
    text: str
    trace: str = ""
    level: LogLevel = LogLevel.UNKNOWN


class Written(NamedTuple):
    """A line as its statement's number, see ``Statements``."""

    time: float
    statement: int
    trace: str


class Statements:
    """Numbers for statements; one for a component and source, as often as it is asked.

    Memory is bounded by the number of sources and of templates, not of lines.
    """

    def __init__(self) -> None:
        self.components: list[str] = []
        self.grave: list[bool] = []
        self._words: list[str] = []
        self._numbers: dict[tuple[str, str, bool], int] = {}
        self._miner = TemplateMiner()

    def words(self, statement: int) -> str:
        """The statement as a reader would know it: text that a pod wrote, not to be obeyed."""
        return self._words[statement]

    def read(self, lines: Iterable[LogLine]) -> list[Written]:
        """The lines by time; those that only continue a stack trace are left out."""
        found: list[tuple[LogLine, str, bool, str | Template]] = []
        for line in lines:
            if _CONTINUES.match(line.text):
                continue
            front = line.text[:_FRONT]
            level = line.level or text_level(line.text)
            grave = level >= LogLevel.ERROR or _THROWN.match(front) is not None
            trace = line.trace or _first(_TRACE, front)
            found.append((line, trace, grave, self._source(line.text, grave)))
        # A template may have joined another since: what it is now counts.
        written = [
            Written(line.time, self._number(line, grave, source), trace)
            for line, trace, grave, source in found
        ]
        return sorted(written, key=lambda each: each.time)

    def _source(self, text: str, grave: bool) -> str | Template:
        source = _first(_SOURCE, text[:_FRONT])
        if not source:
            return self._miner.add(text[:_LONGEST])
        thrown = _EXCEPTION.findall(text[:_LONGEST]) if grave else []
        return f"{source} {thrown[-1]}" if thrown else source

    def _number(self, line: LogLine, grave: bool, source: str | Template) -> int:
        name = source if isinstance(source, str) else source.now().text
        key = (line.component, name, grave)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._words)
            self.components.append(line.component)
            self.grave.append(grave)
            self._words.append(_shown(line.text if isinstance(source, str) else name))
        return number


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group(1) if found else ""


def _shown(text: str) -> str:
    """A line without its ids, from its source on, and short."""
    front = _BLANK.sub(" ", _IDS.sub("…", text[:_FRONT])).strip()
    source = _SOURCE.search(front)
    front = front[source.start() :] if source else front
    return front if len(front) <= _WORDS else front[: _WORDS - 1] + "…"

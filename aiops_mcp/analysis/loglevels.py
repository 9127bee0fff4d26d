"""How grave a log line is, read from its labels or from its text. Pure.

Read in this order: a level label; ``level=…`` of logfmt; a level field of JSON (names, or pino's
and bunyan's numbers); klog's letter; syslog's priority; a level word near the front.
"""

import re
from collections.abc import Mapping
from enum import IntEnum


class LogLevel(IntEnum):
    """Graver is higher; UNKNOWN is below all."""

    UNKNOWN = 0
    DEBUG = 1
    INFO = 2
    WARNING = 3
    ERROR = 4
    CRITICAL = 5


LEVEL_LABELS = ("level", "detected_level", "severity", "severity_text", "lvl", "log_level")

_WORDS = {
    "trace": LogLevel.DEBUG,
    "debug": LogLevel.DEBUG,
    "dbg": LogLevel.DEBUG,
    "verbose": LogLevel.DEBUG,
    "fine": LogLevel.DEBUG,
    "info": LogLevel.INFO,
    "inf": LogLevel.INFO,
    "information": LogLevel.INFO,
    "informational": LogLevel.INFO,
    "notice": LogLevel.INFO,
    "log": LogLevel.INFO,
    "normal": LogLevel.INFO,
    "warn": LogLevel.WARNING,
    "wrn": LogLevel.WARNING,
    "warning": LogLevel.WARNING,
    "error": LogLevel.ERROR,
    "err": LogLevel.ERROR,
    "eror": LogLevel.ERROR,
    "severe": LogLevel.ERROR,
    "failure": LogLevel.ERROR,
    "critical": LogLevel.CRITICAL,
    "crit": LogLevel.CRITICAL,
    "fatal": LogLevel.CRITICAL,
    "panic": LogLevel.CRITICAL,
    "dpanic": LogLevel.CRITICAL,
    "alert": LogLevel.CRITICAL,
    "emerg": LogLevel.CRITICAL,
    "emergency": LogLevel.CRITICAL,
}
_KLOG = {
    "I": LogLevel.INFO,
    "W": LogLevel.WARNING,
    "E": LogLevel.ERROR,
    "F": LogLevel.CRITICAL,
}
_SYSLOG = (
    LogLevel.CRITICAL,
    LogLevel.CRITICAL,
    LogLevel.CRITICAL,
    LogLevel.ERROR,
    LogLevel.WARNING,
    LogLevel.INFO,
    LogLevel.INFO,
    LogLevel.DEBUG,
)
_FRONT = 200
"""Characters of a line in which its level stands; further on a word is only talked about."""

_NAMES = r"level|lvl|severity|severity_text|log_level|loglevel|levelname|log\.level"
_LOGFMT = re.compile(rf"(?:^|[\s,;])(?:{_NAMES})=\"?([A-Za-z]+)", re.ASCII)
_JSON = re.compile(rf"\"(?:{_NAMES})\"\s*:\s*(?:\"([A-Za-z]+)\"|(\d{{1,3}})\b)", re.ASCII)
_KLOG_LINE = re.compile(r"^([IWEF])\d{4}\s\d\d:\d\d:\d\d", re.ASCII)
_PRIORITY = re.compile(r"^<(\d{1,3})>", re.ASCII)
_BARE = re.compile(
    r"(?<![A-Za-z0-9_./=:-])[\[(<|]?(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|FATAL|"
    r"CRITICAL|CRIT|PANIC|ALERT|EMERG)[\])>|:]?(?![A-Za-z0-9_/=.-])",
    re.ASCII,
)
_LOWER = re.compile(
    r"(?:^|[\s\[|])(debug|info|warn|warning|error|fatal|critical|panic)(?:[\]|:]|\s+-\s|:\s)",
    re.ASCII | re.IGNORECASE,
)
_GRAVE = re.compile(
    r"^(?:panic:|fatal error:|Traceback \(most recent call last\)|Exception in thread)", re.ASCII
)
_KERNEL = re.compile(r"NVRM: Xid|Kernel panic|Out of memory: Killed|segfault at", re.ASCII)


def level_of(labels: Mapping[str, str], text: str) -> LogLevel:
    """The level of one line; UNKNOWN where nothing tells."""
    for name in LEVEL_LABELS:
        if name in labels:
            found = _named(labels[name])
            if found is not LogLevel.UNKNOWN:
                return found
    return text_level(text)


def text_level(text: str) -> LogLevel:
    """The level that a line's text tells."""
    front = text[:_FRONT]
    return (
        _in_json(text[:2000])
        or _in_logfmt(front)
        or _in_header(front)
        or _in_words(front)
        or LogLevel.UNKNOWN
    )


def _named(word: str) -> LogLevel:
    if word.isascii() and word.isdigit():
        return _numbered(int(word))
    return _WORDS.get(word.strip().lower(), LogLevel.UNKNOWN)


def _in_json(text: str) -> LogLevel:
    if not text.lstrip().startswith("{"):
        return LogLevel.UNKNOWN
    found = _JSON.search(text)
    if found is None:
        return LogLevel.UNKNOWN
    return _named(found.group(1)) if found.group(1) else _numbered(int(found.group(2)))


def _numbered(number: int) -> LogLevel:
    """Numbers of pino and bunyan (10 to 60), else syslog's (0 to 7)."""
    if number < len(_SYSLOG):
        return _SYSLOG[number]
    for least, level in (
        (60, LogLevel.CRITICAL),
        (50, LogLevel.ERROR),
        (40, LogLevel.WARNING),
        (30, LogLevel.INFO),
        (10, LogLevel.DEBUG),
    ):
        if number >= least:
            return level
    return LogLevel.UNKNOWN


def _in_logfmt(front: str) -> LogLevel:
    found = _LOGFMT.search(front)
    return _named(found.group(1)) if found else LogLevel.UNKNOWN


def _in_header(front: str) -> LogLevel:
    if found := _KLOG_LINE.match(front):
        return _KLOG[found.group(1)]
    if found := _PRIORITY.match(front):
        return _SYSLOG[int(found.group(1)) % 8]
    return LogLevel.UNKNOWN


def _in_words(front: str) -> LogLevel:
    if _GRAVE.match(front):
        return LogLevel.CRITICAL
    if found := _BARE.search(front) or _LOWER.search(front):
        return _named(found.group(1))
    return LogLevel.ERROR if _KERNEL.search(front) else LogLevel.UNKNOWN

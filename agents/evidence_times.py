"""Times of an answer beside those of the results, to the minute. Pure.

Results tell times in UTC: ``11-25T11:25Z`` or ``2026-11-25T12:00:00Z``. How long something lasts is
compared with what lies between a time of a result and the time of the answer.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_CLAIM: Final = re.compile(
    r"(?<![\w:.-])(?:(?:(?P<year>\d{4})-)?(?P<month>\d{2})-(?P<day>\d{2})(?:[T ]|,? (?:at )?))?"
    r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.\d+)?)?"
    r"\s?(?P<zone>Z\b|UTC\b|GMT\b|[AaPp]\.?[Mm]\b|[A-Z]{2,4}T\b)?(?!\w|:\d)"
)
_DATE: Final = re.compile(r"(?<![\w-])(\d{4})-(\d{2})-(\d{2})(?![\w:-])")
_MONTHS: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]*\.?"
_WORDED: Final = re.compile(
    rf"\b(?:{_MONTHS}\s+\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s+\d{{4}})?|\d{{1,2}}(?:st|nd|rd|th)?\s+{_MONTHS}(?:\s+\d{{4}})?)\b",
    re.IGNORECASE,
)
_SHOWN: Final = re.compile(
    r"(?:(\d{4})-)?(?:(\d{2})-(\d{2})[T ])(\d{2}):(\d{2})(?::(\d{2}))?"
    r"|(?<![\d:T-])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\d:])"
)
_LASTED: Final = re.compile(
    r"(?<![\w.-])(?=\d+[dhms])(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?(?![\w-])"
)
_AROUND: Final = re.compile(
    r"(?:~|about|around|roughly|approximately|near|circa)\s*$", re.IGNORECASE
)


_FULL: Final = re.compile(r"(\d\d)-(\d\d)T(\d\d):(\d\d)")
_BEFORE_TIME: Final = frozenset(("", " ", "T", "(", "=", "\n"))


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as an answer has it: a date where one stands with it."""

    start: int
    end: int
    text: str
    date: tuple[int, int] | None
    minute: int
    is_around: bool
    is_local: bool


def times_in(text: str) -> Iterator[Moment]:
    """The times of day in a sentence."""
    for match in _CLAIM.finditer(text):
        hour, zone = int(match["hour"]), (match["zone"] or "").lower().replace(".", "")
        if zone == "pm" and hour < 12:
            hour += 12
        yield Moment(
            start=match.start(),
            end=match.start() + len(match[0].rstrip()),
            text=match[0].strip(),
            date=(int(match["month"]), int(match["day"])) if match["month"] else None,
            minute=hour * 60 + int(match["minute"]),
            is_around=_is_around(text, match),
            is_local=bool(zone) and zone not in ("z", "utc", "gmt"),
        )


def _is_around(text: str, match: re.Match[str]) -> bool:
    before, after = text[: match.start()][-16:], text[match.end() :]
    return _AROUND.search(before) is not None or after.lstrip().startswith("or so")


def dates_in(text: str) -> Iterator[tuple[int, int, str, tuple[int, int]]]:
    """Dates without a time: where, the text, and month and day."""
    for match in _DATE.finditer(text):
        yield match.start(), match.end(), match[0], (int(match[2]), int(match[3]))


def without_times(text: str) -> str:
    """The text with times and dates blanked: their digits are no numbers."""
    for pattern in (_CLAIM, _DATE, _WORDED):
        text = pattern.sub(lambda match: " " * len(match[0]), text)
    return re.sub(r"(?<![\w-])\d{2}-\d{2}(?![\w-])", "     ", text)


def has_time(text: str, moment: Moment) -> bool:
    """Whether a result holds just that time: the first look, which settles most."""
    digits = f"{moment.minute // 60:02}:{moment.minute % 60:02}"
    if moment.date is not None:
        return f"{moment.date[0]:02}-{moment.date[1]:02}T{digits}" in text
    at = text.find(digits)
    while at >= 0:
        if (
            text[at - 1 : at] in ("", " ", "T", "(", "=", "\n")
            and not text[at + 5 : at + 6].isdigit()
        ):
            return True
        at = text.find(digits, at + 1)
    return False


def has_date(text: str, day: tuple[int, int]) -> bool:
    """Whether a result holds that day."""
    return f"{day[0]:02}-{day[1]:02}" in text and day in times_shown(text)[0]


@lru_cache(maxsize=256)
def times_shown(
    text: str,
) -> tuple[frozenset[tuple[int, int]], frozenset[int], frozenset[tuple[int, int, int]]]:
    """What a result holds: dates (month, day), minutes of a day, and both together."""
    dates: set[tuple[int, int]] = set()
    minutes: set[int] = set()
    both: set[tuple[int, int, int]] = set()
    for match in _SHOWN.finditer(text):
        if match[4]:
            month, day, minute = int(match[2]), int(match[3]), int(match[4]) * 60 + int(match[5])
            seconds = int(match[6] or 0)
            dates.add((month, day))
            both.add((month, day, minute))
        else:
            minute, seconds = int(match[7]) * 60 + int(match[8]), int(match[9] or 0)
        minutes.add(minute)
        if seconds >= 30:
            minutes.add((minute + 1) % 1440)
    dates |= {(int(match[2]), int(match[3])) for match in _DATE.finditer(text)}
    return frozenset(dates), frozenset(minutes), frozenset(both)


def minutes_shown(texts: Sequence[str], now: datetime | None) -> frozenset[int]:
    """Minutes of the day that results hold, and those so long before ``now`` as they say."""
    found = {minute for text in texts for minute in times_shown(text)[1]}
    if now is not None:
        for text in texts:
            found |= {_minute(now - ago) for ago in lasted_in(text)}
    return frozenset(found)


def _minute(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute


@lru_cache(maxsize=256)
def lasted_in(text: str) -> frozenset[timedelta]:
    """Durations such as ``35m``, ``1h20m`` or ``2d``."""
    found: set[timedelta] = set()
    for match in _LASTED.finditer(text):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        if (
            whole := timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        ) and whole.days < 400:
            found.add(whole)
    return frozenset(found)


@lru_cache(maxsize=64)
def ages_shown(text: str, now: datetime) -> frozenset[int]:
    """Minutes between the times that a result holds and the time it was made at."""
    found: set[int] = set()
    for month, day, hour, minute in {tuple(map(int, one)) for one in _FULL.findall(text)}:
        for year in (now.year, now.year - 1):
            try:
                at = datetime(year, month, day, hour, minute, tzinfo=UTC)
            except ValueError:
                continue
            if at <= now + timedelta(minutes=1):
                found.add(int((now - at).total_seconds() // 60))
                break
    return frozenset(found)

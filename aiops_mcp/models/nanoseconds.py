"""Moments to the nanosecond: whole numbers inside, ISO 8601 with nine digits outside.

A ``datetime`` ends at microseconds, which would give lines of one burst the same time.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?(Z|z|[+-]\d\d:?\d\d)?", re.ASCII
)


def to_ns(moment: datetime) -> int:
    """Nanoseconds since 1970; exact to the microsecond, all that a ``datetime`` knows."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


def to_datetime(ns: int) -> datetime:
    """The moment in UTC; what is below a microsecond is cut off."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def iso_ns(ns: int) -> str:
    """``2026-11-25T03:00:00.123456789Z``."""
    seconds, fraction = divmod(ns, SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def parse_iso_ns(text: str) -> int:
    """Nanoseconds of an RFC 3339 time with up to nine digits; a time without zone is UTC.

    Raises:
        ValueError: it is no such time.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no ISO 8601 time")
    whole, fraction, zone = found.groups()
    offset = "+00:00" if zone is None or zone in "Zz" else zone
    moment = datetime.fromisoformat(whole.upper() + offset)
    return to_ns(moment) + int((fraction or "0").ljust(9, "0"))


def _read(value: Any) -> Any:
    if isinstance(value, str):
        return parse_iso_ns(value)
    return to_ns(value) if isinstance(value, datetime) else value


Nanoseconds = Annotated[
    int,
    BeforeValidator(_read),
    PlainSerializer(iso_ns, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Nanoseconds since 1970; in JSON an ISO 8601 time in UTC with nine digits."""

"""Moments as people and models write them: ISO 8601, unix seconds, or relative to now."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from aiops_mcp.models.entity import duration_seconds

When = Annotated[
    str,
    Field(
        description="ISO 8601, unix seconds, or relative: -6h, now",
        max_length=40,
        examples=["-6h", "2026-11-25T03:00:00Z"],
    ),
]

_RELATIVE = re.compile(r"^(?:now)?\s*-?\s*([0-9]+[smhdw])(?:\s+ago)?$")


def resolve_moment(text: str, now: datetime) -> datetime:
    """The moment meant, in UTC. ``-6h``, ``now-6h`` and ``6h`` are six hours before ``now``.

    Raises:
        ValueError: it cannot be read; the message says which forms can.
    """
    stripped = text.strip()
    if stripped in ("", "now"):
        return now
    if relative := _RELATIVE.match(stripped):
        try:
            return now - timedelta(seconds=duration_seconds(relative.group(1)))
        except OverflowError as error:
            raise ValueError(f"{text!r} lies before all time") from error
    try:
        return datetime.fromtimestamp(float(stripped), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no time; write 2026-11-25T03:00:00Z, unix seconds, -6h or now"
        ) from error
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} lies outside of all time") from error

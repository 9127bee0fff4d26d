"""How long ago, as kubectl says it. Pure."""

from datetime import UTC, datetime


def short_age(seconds: float) -> str:
    """``45s``, ``12m``, ``5h``, ``3d``: one unit, which is all that a reader uses."""
    seconds = max(0.0, seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (seconds >= size and unit == "m"):
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"


def age_of(moment: datetime | None, now: datetime) -> str | None:
    """How long ago a moment was; None for none."""
    return None if moment is None else short_age((now - moment).total_seconds())


def parsed_time(text: object) -> datetime | None:
    """An RFC 3339 time of the Kubernetes API in UTC; None for null or what is no time."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

"""What every noun shares: frozen, closed, and timestamps that carry their zone."""

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Entity(BaseModel):
    """A frozen value; unknown fields are refused, so that a typing error is never dropped."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="null", defer_build=True
    )


def _with_zone(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Timestamp = Annotated[datetime, AfterValidator(_with_zone)]
"""A moment in UTC; a value without zone is read as UTC."""

Duration = Annotated[str, Field(pattern=r"^[0-9]+[smhdw]$", examples=["1m", "6h"])]
"""A length of time such as ``30s`` or ``6h`` (contract: ``^[0-9]+[smhdw]$``)."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration_seconds(text: str) -> int:
    """Seconds in a contract duration: ``duration_seconds("2h") == 7200``.

    Raises:
        ValueError: the text is not ``^[0-9]+[smhdw]$``.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in _SECONDS or not (number.isascii() and number.isdigit()):
        raise ValueError(f"{text!r} is not a duration; write a whole number and s, m, h, d or w")
    return int(number) * _SECONDS[unit]


ItemT = TypeVar("ItemT")


class Page(Entity, Generic[ItemT]):
    """One page of a list; ``page`` counts from 1, ``page_size`` is 1 to 100."""

    items: tuple[ItemT, ...]
    total: int
    page: int
    page_size: int
    total_pages: int

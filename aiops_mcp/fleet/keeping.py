"""How lists of entities are kept for a far-edge cluster's absence."""

from typing import TypeVar

from pydantic import TypeAdapter

from aiops_mcp.fleet.last_seen import LastSeen

T = TypeVar("T")


def json_codec(key: str, adapter: TypeAdapter[T]) -> LastSeen[T]:
    """JSON of a value; what an older version wrote is refused when it does not fit."""
    return LastSeen(key, adapter.dump_json, adapter.validate_json)

"""How lists of entities are kept for a far-edge cluster's absence."""

from typing import TypeVar

from pydantic import TypeAdapter

from aiops_mcp.fleet.last_seen import LastSeen
from aiops_mcp.models.entity import Entity

EntityT = TypeVar("EntityT", bound=Entity)


def entities_codec(key: str, kind: type[EntityT]) -> LastSeen[tuple[EntityT, ...]]:
    """JSON of the entities; what an older version wrote is refused when it does not fit."""
    adapter = TypeAdapter(tuple[kind, ...])
    return LastSeen(key, adapter.dump_json, adapter.validate_json)

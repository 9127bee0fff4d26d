"""Who hears of what is said in a chat."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.surfaces.stream_routing import may_hear


def said_by(user: str | None) -> Event:
    return Event(
        event_id=uuid4(),
        event_type=EventType.CHAT_MESSAGE,
        source="agents.chat",
        timestamp=datetime(2026, 11, 25, tzinfo=UTC),
        payload={"user_id": user} if user else {},
    )


@pytest.mark.parametrize("clusters", [None, frozenset({"edge-1"})])
@pytest.mark.parametrize("role", list(Role))
def test_only_its_user_hears_of_a_message(role: Role, clusters: frozenset[str] | None) -> None:
    ann = Principal(subject="ann", role=role, clusters=clusters)
    assert may_hear(ann, said_by("ann"))
    assert not may_hear(ann, said_by("bob"))
    assert not may_hear(ann, said_by(None))

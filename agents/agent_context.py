"""What operations with an agent may reach, beside everything that the fleet's own may."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops_mcp.context import Context

if TYPE_CHECKING:
    from agents.chat import Chats
    from agents.model import ModelHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentContext(Context):
    """``models_health`` asks every model server that is set how it is."""

    chats: "Chats"
    models_health: "Callable[[], Awaitable[Sequence[ModelHealth]]]"

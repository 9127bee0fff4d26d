"""What the operations of chats answer with, beside sessions and messages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from aiops_mcp.models.chat import ChatMessage, ChatSession, TokenUse
from aiops_mcp.models.entity import Entity, Page

if TYPE_CHECKING:
    from agents.model import ModelHealth


class ChatSessionPage(Page[ChatSession]):
    """The caller's sessions."""

    @classmethod
    def of(cls, items: Sequence[ChatSession], total: int, page: int, size: int) -> Self:
        pages = -(-total // size)
        return cls(items=tuple(items), total=total, page=page, page_size=size, total_pages=pages)


class ChatMessagePage(Page[ChatMessage]):
    """Messages of a session."""

    @classmethod
    def of(cls, items: Sequence[ChatMessage], total: int, page: int, size: int) -> Self:
        pages = -(-total // size)
        return cls(items=tuple(items), total=total, page=page, page_size=size, total_pages=pages)


class ConsentTaken(Entity):
    tool_call_id: str
    granted: bool


class ChatUsage(Entity):
    """Tokens of one user, and their sums."""

    uses: tuple[TokenUse, ...]
    answers: int
    prompt_tokens: int
    completion_tokens: int

    @classmethod
    def of(cls, uses: Sequence[TokenUse]) -> Self:
        return cls(
            uses=tuple(uses),
            answers=sum(each.answers for each in uses),
            prompt_tokens=sum(each.prompt_tokens for each in uses),
            completion_tokens=sum(each.completion_tokens for each in uses),
        )


class ChatModel(Entity):
    """A server of language models. ``model`` is asked of it where it serves several."""

    url: str
    model: str | None
    models: tuple[str, ...]
    context_tokens: int | None
    is_reachable: bool
    latency_ms: float | None
    error: str | None

    @classmethod
    def of(cls, health: "ModelHealth") -> Self:
        return cls(
            url=health.url,
            model=health.model,
            models=health.models,
            context_tokens=health.context,
            is_reachable=health.reachable,
            latency_ms=health.latency_ms,
            error=health.error,
        )


class ChatModels(Entity):
    """In order of preference; empty where none is set."""

    models: tuple[ChatModel, ...]

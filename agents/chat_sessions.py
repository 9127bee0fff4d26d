"""Chat sessions: whose they are, how long they live, what was said in them.

A session is its owner's alone: for everybody else it does not exist. Knows of no answer that is
being made, no HTTP and no model.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from aiops_mcp.errors import Conflict, ResourceNotFound, SessionExpired, SessionNotFound
from aiops_mcp.models.chat import ChatMessage, ChatSession, TimeScope
from aiops_mcp.models.persona import DEFAULT_PERSONA, Persona
from aiops_mcp.models.principal import Principal
from aiops_mcp.redaction import clean_text
from aiops_mcp.settings import Settings
from aiops_mcp.storage.chat import ChatTable
from aiops_mcp.storage.chat_rows import time_scope_json

EXPIRED_KEPT_FOR = timedelta(days=1)
"""So long an expired session is told from one that never was."""


class PersonaSource(Protocol):
    async def get(self, persona_id: str, principal: Principal) -> Persona:
        """Raises ``PersonaNotFound``."""
        ...


CheckClusters = Callable[[Sequence[str], Principal], Awaitable[None]]
"""Raises where a term names no cluster that the caller may see."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session begins with; without a title it gets one from its first message."""

    title: str | None = None
    persona_id: str = DEFAULT_PERSONA
    clusters: tuple[str, ...] = ()
    time_scope: TimeScope = field(default_factory=TimeScope)
    model: str | None = None


class ChatSessions:
    """The sessions of this server; ``principal`` is always the caller, who sees only own ones."""

    def __init__(
        self,
        table: ChatTable,
        personas: PersonaSource,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        check_clusters: CheckClusters,
    ) -> None:
        self._table = table
        self._personas = personas
        self._settings = settings
        self._clock = clock
        self._check_clusters = check_clusters

    async def create(self, new: NewSession, principal: Principal) -> ChatSession:
        """A new session.

        Raises:
            PersonaNotFound, ClusterNotFound: what it names is not there for the caller.
            Conflict: its user has as many as may be.
        """
        await self.check(new.persona_id, new.clusters, principal)
        now = self._clock()
        session = ChatSession(
            id=uuid4(),
            user_id=principal.subject,
            title=clean_text(new.title or "").strip(),
            persona_id=new.persona_id,
            cluster_context=new.clusters,
            time_scope=new.time_scope,
            model=new.model,
            created_at=now,
            updated_at=now,
            expires_at=self.expiry(now, now),
        )
        return await self._add(session, is_titled=bool(session.title))

    async def _add(
        self, session: ChatSession, *, is_titled: bool, messages: Sequence[ChatMessage] = ()
    ) -> ChatSession:
        most = self._settings.chat_sessions_per_user
        if not await self._table.add_session(
            session, is_titled=is_titled, most=most, messages=messages
        ):
            raise Conflict(
                f"You have {most} chat sessions, which is as many as may be.",
                "Delete some, or wait until they expire; AIOPS_CHAT_SESSIONS_PER_USER raises it.",
            )
        return session

    async def page(
        self, principal: Principal, *, offset: int, limit: int
    ) -> tuple[tuple[ChatSession, ...], int]:
        """Some of the caller's sessions, the last active first, and how many there are."""
        return await self._table.sessions(
            principal.subject, now=self._clock(), offset=offset, limit=limit
        )

    async def get(self, session_id: UUID, principal: Principal) -> ChatSession:
        """One session.

        Raises:
            SessionNotFound: the caller has none of this id.
            SessionExpired: its time is over.
        """
        now = self._clock()
        session = await self._table.session(session_id, now=now)
        if session is None or session.user_id != principal.subject:
            raise SessionNotFound(
                f"There is no chat session '{session_id}'.", "GET /chat/sessions lists yours."
            )
        if session.expires_at <= now:
            raise SessionExpired(
                f"The chat session '{session_id}' expired at "
                f"{session.expires_at:%Y-%m-%d %H:%M} UTC.",
                "Begin a new one.",
            )
        return session

    async def change(
        self, session_id: UUID, changes: Mapping[str, Any], principal: Principal
    ) -> ChatSession:
        """Change ``title``, ``persona_id``, ``cluster_context``, ``time_scope`` or ``model``.

        What is being answered goes on as it was asked. Raises as `get` and `create`.
        """
        session = await self.get(session_id, principal)
        changed = session.model_copy(update=dict(changes))
        await self.check(changed.persona_id, changed.cluster_context, principal)
        columns: dict[str, Any] = {"updated_at": self._clock()}
        for name, value in changes.items():
            match name:
                case "title":
                    columns |= {"title": clean_text(value).strip(), "is_titled": bool(value)}
                case "time_scope":
                    columns[name] = time_scope_json(value)
                case "cluster_context":
                    columns[name] = list(value)
                case _:
                    columns[name] = value
        await self._table.change_session(session_id, columns)
        return await self.get(session_id, principal)

    async def check(
        self, persona_id: str, clusters: Sequence[str], principal: Principal
    ) -> Persona:
        """The persona. Raises where there is no such persona or cluster for the caller."""
        persona = await self._personas.get(persona_id, principal)
        if clusters:
            await self._check_clusters(clusters, principal)
        return persona

    async def remove(self, session_id: UUID, principal: Principal) -> ChatSession:
        """Forget a session. Raises as `get`."""
        session = await self.get(session_id, principal)
        await self._table.remove_session(session_id)
        return session

    def expiry(self, begun: datetime, now: datetime) -> datetime:
        """The end of a session's life, of one begun at ``begun`` and last active ``now``."""
        idle = timedelta(hours=self._settings.chat_idle_hours)
        longest = timedelta(days=self._settings.chat_longest_days)
        return min(now + idle, begun + longest)

    async def messages(
        self, session_id: UUID, principal: Principal, *, offset: int = 0, limit: int | None = None
    ) -> tuple[ChatMessage, ...]:
        """Messages in the order of the conversation. Raises as `get`."""
        await self.get(session_id, principal)
        return await self._table.messages(session_id, now=self._clock(), offset=offset, limit=limit)

    async def message(
        self, session_id: UUID, message_id: UUID, principal: Principal
    ) -> ChatMessage:
        """One message. Raises as `get`, and ResourceNotFound."""
        await self.get(session_id, principal)
        found = await self._table.message(session_id, message_id, now=self._clock())
        if found is None:
            raise ResourceNotFound(
                f"There is no message '{message_id}' in this session.",
                "GET …/messages lists those there are.",
            )
        return found

    async def add_branch(
        self,
        session: ChatSession,
        at: UUID,
        history: Sequence[ChatMessage],
        principal: Principal,
    ) -> ChatSession:
        """A session that begins with messages of another. Raises as `create`."""
        now, made_id = self._clock(), uuid4()
        made = session.model_copy(
            update={
                "id": made_id,
                "user_id": principal.subject,
                "message_count": len(history),
                "tokens_used": 0,
                "parent_session_id": session.id,
                "parent_message_id": at,
                "is_working": False,
                "created_at": now,
                "updated_at": now,
                "expires_at": self.expiry(now, now),
            }
        )
        copied = [
            each.model_copy(update={"id": uuid4(), "session_id": made_id}) for each in history
        ]
        return await self._add(made, is_titled=False, messages=copied)

    async def prune(self) -> int:
        """Forget sessions that expired a day ago, and mark answers that nobody makes any more."""
        now = self._clock()
        await self._table.interrupt(now=now)
        return await self._table.prune(now - EXPIRED_KEPT_FOR)

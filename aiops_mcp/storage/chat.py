"""Chat sessions and their messages. Knows no owner's rights: the caller asks for what is whose.

An answer that is being made has a holder, the process that makes it, until ``held_until``. Times
come from the caller's clock. All methods raise ``StorageFailed``.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, insert, or_, select, update

from aiops_mcp.models.chat import ChatMessage, ChatSession, MessageState
from aiops_mcp.storage.chat_rows import (
    calls_row,
    message_of,
    message_row,
    session_of,
    session_row,
)
from aiops_mcp.storage.engine import Database, Transaction
from aiops_mcp.storage.tables import chat_messages, chat_sessions

_RUNNING = MessageState.RUNNING.value


class Begin(Enum):
    """What became of an answer that was to begin."""

    BEGUN = "begun"
    BUSY = "busy"
    """Another answer of the session is being made, or the last message is another one now."""
    FULL = "full"
    GONE = "gone"
    """There is no such session any more."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Who makes an answer, and until when that may be relied upon."""

    holder: str
    until: datetime


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An answer that begins, with the ``question`` it answers where that is new.

    ``replaces`` is the answer it takes the place of, which must be the last message; ``title``
    is given to a session whose title nobody set.
    """

    answer: ChatMessage
    hold: Hold
    question: ChatMessage | None = None
    replaces: UUID | None = None
    title: str | None = None
    expires_at: datetime | None = None


class ChatTable:
    """Reads and writes rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- sessions -----------------------------------------------------------------------------

    async def add_session(
        self,
        session: ChatSession,
        *,
        is_titled: bool,
        most: int,
        messages: Sequence[ChatMessage] = (),
    ) -> bool:
        """Keep a new session with the ``messages`` it begins with; false: its user has ``most``."""
        mine = and_(
            chat_sessions.c.user_id == session.user_id,
            chat_sessions.c.expires_at > session.created_at,
        )
        async with self._database.transaction() as transaction:
            count = await transaction.scalar(
                select(func.count()).select_from(chat_sessions).where(mine)
            )
            if (count or 0) >= most:
                return False
            await transaction.execute(
                insert(chat_sessions), [session_row(session, is_titled=is_titled)]
            )
            if messages:
                rows = [
                    message_row(each) | {"position": position}
                    for position, each in enumerate(messages, start=1)
                ]
                await transaction.execute(insert(chat_messages), rows)
        return True

    async def session(self, session_id: UUID, *, now: datetime) -> ChatSession | None:
        async with self._database.read() as transaction:
            found = await transaction.execute(
                _with_working(now).where(chat_sessions.c.id == session_id)
            )
            row = found.mappings().one_or_none()
        return session_of(row, is_working=bool(row["working"])) if row is not None else None

    async def sessions(
        self, user_id: str, *, now: datetime, offset: int, limit: int
    ) -> tuple[tuple[ChatSession, ...], int]:
        """Some sessions of a user that have not expired, newest activity first; and how many."""
        mine = and_(chat_sessions.c.user_id == user_id, chat_sessions.c.expires_at > now)
        async with self._database.read() as transaction:
            total = await transaction.scalar(
                select(func.count()).select_from(chat_sessions).where(mine)
            )
            found = await transaction.execute(
                _with_working(now)
                .where(mine)
                .order_by(chat_sessions.c.updated_at.desc(), chat_sessions.c.id)
                .offset(offset)
                .limit(limit)
            )
            rows = found.mappings().all()
        return tuple(session_of(row, is_working=bool(row["working"])) for row in rows), total or 0

    async def change_session(self, session_id: UUID, changes: Mapping[str, Any]) -> bool:
        """Change columns of a session; false where there is none."""
        async with self._database.transaction() as transaction:
            done = await transaction.execute(
                update(chat_sessions).where(chat_sessions.c.id == session_id).values(**changes)
            )
            return done.rowcount > 0

    async def remove_session(self, session_id: UUID) -> bool:
        """Forget a session and its messages."""
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(
                delete(chat_sessions).where(chat_sessions.c.id == session_id)
            )
            return gone.rowcount > 0

    async def prune(self, before: datetime) -> int:
        """Forget the sessions that expired before a moment; how many there were."""
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(
                delete(chat_sessions).where(chat_sessions.c.expires_at < before)
            )
            return gone.rowcount

    # --- messages -----------------------------------------------------------------------------

    async def messages(
        self, session_id: UUID, *, now: datetime, offset: int = 0, limit: int | None = None
    ) -> tuple[ChatMessage, ...]:
        """Messages of a session in the order of the conversation."""
        async with self._database.read() as transaction:
            found = await transaction.execute(
                select(chat_messages)
                .where(chat_messages.c.session_id == session_id)
                .order_by(chat_messages.c.position)
                .offset(offset)
                .limit(limit)
            )
            rows = found.mappings().all()
        return tuple(message_of(row, now=now) for row in rows)

    async def message(
        self, session_id: UUID, message_id: UUID, *, now: datetime
    ) -> ChatMessage | None:
        which = and_(chat_messages.c.session_id == session_id, chat_messages.c.id == message_id)
        return await self._one(which, now)

    async def last_message(self, session_id: UUID, *, now: datetime) -> ChatMessage | None:
        newest = (
            select(func.max(chat_messages.c.position))
            .where(chat_messages.c.session_id == session_id)
            .scalar_subquery()
        )
        which = and_(chat_messages.c.session_id == session_id, chat_messages.c.position == newest)
        return await self._one(which, now)

    async def _one(self, which: ColumnElement[bool], now: datetime) -> ChatMessage | None:
        async with self._database.read() as transaction:
            found = await transaction.execute(select(chat_messages).where(which))
            row = found.mappings().one_or_none()
        return message_of(row, now=now) if row is not None else None

    # --- an answer, from its beginning to its end -----------------------------------------------

    async def begin(self, new: NewAnswer, *, now: datetime, most: int) -> Begin:
        """Keep the beginning of an answer, the only one of its session that is being made.

        ``most`` is how many messages a session may have.
        """
        session_id = new.answer.session_id
        async with self._database.transaction() as transaction:
            found = await transaction.execute(
                select(chat_sessions).where(chat_sessions.c.id == session_id).with_for_update()
            )
            session = found.mappings().one_or_none()
            if session is None:
                return Begin.GONE
            if await _is_running(transaction, session_id, now):
                return Begin.BUSY
            added = [each for each in (new.question, new.answer) if each is not None]
            count, position = await _extent(transaction, session_id)
            count += len(added) - (new.replaces is not None)
            if count > most:
                return Begin.FULL
            if new.replaces is not None and not await _take_away(
                transaction, session_id, new.replaces
            ):
                return Begin.BUSY
            await _insert(transaction, added, new, position)
            await transaction.execute(
                update(chat_sessions)
                .where(chat_sessions.c.id == session_id)
                .values(**_begun(session, new, now, count))
            )
        return Begin.BEGUN

    async def save(self, message: ChatMessage, hold: Hold, *, with_calls: bool) -> bool:
        """Keep what there is of an answer and hold it further; false where it was stopped."""
        changes: dict[str, Any] = {"content": message.content, "held_until": hold.until}
        if with_calls:
            changes |= calls_row(message)
        async with self._database.transaction() as transaction:
            done = await transaction.execute(
                update(chat_messages)
                .where(
                    chat_messages.c.id == message.id,
                    chat_messages.c.holder == hold.holder,
                    chat_messages.c.state == _RUNNING,
                )
                .values(**changes)
            )
            return done.rowcount > 0

    async def finish(
        self, message: ChatMessage, holder: str, *, now: datetime, expires_at: datetime
    ) -> bool:
        """Keep the end of an answer; false where it, or its session, is gone."""
        row = message_row(message) | {"holder": None, "held_until": None}
        for name in ("id", "session_id", "created_at"):
            row.pop(name)
        async with self._database.transaction() as transaction:
            done = await transaction.execute(
                update(chat_messages)
                .where(chat_messages.c.id == message.id, chat_messages.c.holder == holder)
                .values(**row)
            )
            if not done.rowcount:
                return False
            await transaction.execute(
                update(chat_sessions)
                .where(chat_sessions.c.id == message.session_id)
                .values(
                    tokens_used=chat_sessions.c.tokens_used + message.tokens_used,
                    updated_at=now,
                    expires_at=expires_at,
                )
            )
        return True

    async def mark(self, message_id: UUID, state: MessageState) -> bool:
        """Let a running answer stand as it is, such as one whose process is elsewhere."""
        async with self._database.transaction() as transaction:
            done = await transaction.execute(
                update(chat_messages)
                .where(chat_messages.c.id == message_id, chat_messages.c.state == _RUNNING)
                .values(state=state.value)
            )
            return done.rowcount > 0

    async def holders(self) -> tuple[str, ...]:
        """The processes that, as it stands, make answers."""
        async with self._database.read() as transaction:
            found = await transaction.scalars(
                select(chat_messages.c.holder).where(chat_messages.c.state == _RUNNING).distinct()
            )
            return tuple(holder for holder in found if holder)

    async def interrupt(self, *, now: datetime, gone: Collection[str] = ()) -> int:
        """Mark the answers that nobody makes any more: of ``gone`` holders, or not held on to."""
        left = or_(chat_messages.c.held_until <= now, chat_messages.c.holder.in_(list(gone)))
        async with self._database.transaction() as transaction:
            done = await transaction.execute(
                update(chat_messages)
                .where(chat_messages.c.state == _RUNNING, left)
                .values(state=MessageState.INTERRUPTED.value, held_until=None)
            )
            return done.rowcount


def _with_working(now: datetime) -> Any:
    """Sessions, each with whether an answer of it is being made."""
    working = (
        select(chat_messages.c.id)
        .where(chat_messages.c.session_id == chat_sessions.c.id, *_held(now))
        .exists()
    )
    return select(chat_sessions, working.label("working"))


def _held(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return chat_messages.c.state == _RUNNING, chat_messages.c.held_until > now


async def _is_running(transaction: Transaction, session_id: UUID, now: datetime) -> bool:
    found = await transaction.scalar(
        select(chat_messages.c.id).where(chat_messages.c.session_id == session_id, *_held(now))
    )
    return found is not None


async def _extent(transaction: Transaction, session_id: UUID) -> tuple[int, int]:
    """How many messages there are, and the position of the last."""
    found = await transaction.execute(
        select(func.count(), func.max(chat_messages.c.position)).where(
            chat_messages.c.session_id == session_id
        )
    )
    count, last = found.one()
    return count, last or 0


async def _take_away(transaction: Transaction, session_id: UUID, message_id: UUID) -> bool:
    """Remove a message that is the last of its session."""
    _, last = await _extent(transaction, session_id)
    gone = await transaction.execute(
        delete(chat_messages).where(
            chat_messages.c.id == message_id, chat_messages.c.position == last
        )
    )
    return gone.rowcount > 0


async def _insert(
    transaction: Transaction, added: Sequence[ChatMessage], new: NewAnswer, position: int
) -> None:
    rows: list[dict[str, Any]] = []
    for place, message in enumerate(added, start=position + 1):
        is_held = message is new.answer
        rows.append(
            message_row(message)
            | {
                "position": place,
                "holder": new.hold.holder if is_held else None,
                "held_until": new.hold.until if is_held else None,
            }
        )
    await transaction.execute(insert(chat_messages), rows)


def _begun(session: RowMapping, new: NewAnswer, now: datetime, count: int) -> dict[str, Any]:
    changes: dict[str, Any] = {"message_count": count, "updated_at": now}
    if new.expires_at is not None:
        changes["expires_at"] = new.expires_at
    if new.title is not None and not session["is_titled"] and not session["title"]:
        changes["title"] = new.title
    return changes

"""Asking in a chat session: a message, the answer that is made of it, and what happens to both.

What a user writes is cleaned of secrets before it is kept or sent to a model. Whose a session is,
is decided in ``chat_sessions``. Knows no HTTP and no model library.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from agents.chat_answers import Answers, Wanted
from agents.chat_follow import LOOK_EVERY, follow_kept
from agents.chat_sessions import ChatSessions
from agents.chat_steps import StreamEvent
from agents.chat_text import preview_of, title_of
from agents.conversation import Question, Turn
from aiops_mcp.errors import (
    Conflict,
    ContextTooLarge,
    InputError,
    SessionNotFound,
    StorageFailed,
)
from aiops_mcp.events.bus import EventBus
from aiops_mcp.models.chat import (
    ChatMessage,
    ChatRole,
    ChatSession,
    MessageState,
    TokenUse,
)
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import Principal
from aiops_mcp.redaction import clean_text
from aiops_mcp.settings import Settings
from aiops_mcp.storage.chat import Begin, ChatTable, NewAnswer
from aiops_mcp.storage.chat_usage import ChatUsageTable

SOURCE = "agents.chat"
USAGE_DAYS = 30
NO_MODEL = "none"
_UNANSWERED = "(this question was not answered)"
_CUT_SHORT = "\n(the answer ends here: it was not finished)"


@dataclass(frozen=True, slots=True)
class ChatStore:
    """Where chats are kept."""

    table: ChatTable
    usage: ChatUsageTable


class Chats:
    """Questions and answers of this server; ``principal`` is always the caller."""

    def __init__(
        self,
        store: ChatStore,
        sessions: ChatSessions,
        answers: Answers,
        bus: EventBus,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        look_every: float = LOOK_EVERY,
    ) -> None:
        self.sessions = sessions
        self._look_every = look_every
        self._table = store.table
        self._usage = store.usage
        self._answers = answers
        self._bus = bus
        self._settings = settings
        self._clock = clock
        self._beginning: set[asyncio.Task[None]] = set()

    async def remove(self, session_id: UUID, principal: Principal) -> ChatSession:
        """Forget a session; an answer that is being made ends. Raises as `ChatSessions.get`."""
        last = await self._table.last_message(session_id, now=self._clock())
        session = await self.sessions.remove(session_id, principal)
        if last is not None and (run := self._answers.get(last.id)) is not None:
            run.end(MessageState.STOPPED)
        return session

    async def send(self, session_id: UUID, text: str, principal: Principal) -> ChatMessage:
        """Ask something: the answer as it begins, which is made by itself from here on.

        Raises:
            InputError: the text is empty.
            ContextTooLarge: the text, or the session with it, is longer than may be.
            Conflict: another answer of the session is being made.
            RateLimited: this process makes as many answers as it may.
        """
        cleaned = self._readable(text)
        session = await self.sessions.get(session_id, principal)
        question = self._message(session, ChatRole.USER, cleaned)
        return await self._begin(session, principal, question)

    async def retry(self, session_id: UUID, principal: Principal) -> ChatMessage:
        """Answer the last question anew, in the place of the last answer. Raises as `send`."""
        session = await self.sessions.get(session_id, principal)
        last = await self._table.last_message(session_id, now=self._clock())
        if last is None:
            raise Conflict("Nothing was asked in this session yet.", "Send a message first.")
        replaces = last.id if last.role is ChatRole.ASSISTANT else None
        return await self._begin(session, principal, None, replaces=replaces)

    async def branch(
        self, session_id: UUID, message_id: UUID, text: str | None, principal: Principal
    ) -> ChatSession:
        """A new session with what was said up to a message.

        With a ``text`` the message, which must be the user's, is left out and the text is asked
        in its place. Raises as `send`.
        """
        cleaned = self._readable(text) if text is not None else None
        session = await self.sessions.get(session_id, principal)
        at = await self.sessions.message(session_id, message_id, principal)
        if cleaned is not None and at.role is not ChatRole.USER:
            raise InputError(
                "Only a message of the user can be edited.",
                "Leave the content away to branch off after an answer.",
                details={"fields": [{"path": "message_id", "message": "no message of the user"}]},
            )
        if at.state is MessageState.RUNNING:
            raise Conflict("This answer is still being made.", "Wait for it, or stop it.")
        history = await self._upto(session_id, message_id, with_it=cleaned is None)
        made = await self.sessions.add_branch(session, at.id, history, principal)
        if cleaned is not None:
            await self._begin(made, principal, self._message(made, ChatRole.USER, cleaned))
        return await self.sessions.get(made.id, principal)

    async def _upto(
        self, session_id: UUID, message_id: UUID, *, with_it: bool
    ) -> list[ChatMessage]:
        history: list[ChatMessage] = []
        for each in await self._table.messages(session_id, now=self._clock()):
            if each.id == message_id:
                return [*history, each] if with_it else history
            history.append(each)
        return history

    def _readable(self, text: str) -> str:
        """The text as it may be kept. Raises InputError, ContextTooLarge."""
        if not text.strip():
            raise InputError(
                "The message is empty.",
                "Write what you want to know.",
                details={"fields": [{"path": "content", "message": "empty", "type": "missing"}]},
            )
        size, most = len(text.encode(errors="replace")), self._settings.chat_message_bytes
        if size > most:
            raise ContextTooLarge(
                f"The message is {size} bytes long, and {most} are taken.",
                "Shorten it to what matters; the agent reads logs and metrics itself. "
                "AIOPS_CHAT_MESSAGE_BYTES raises the limit.",
                details={"bytes": size, "max_bytes": most},
            )
        cleaned = clean_text(text).strip()
        if not cleaned:
            raise InputError("The message holds nothing that can be read.", "Write plain text.")
        return cleaned

    # --- answers ------------------------------------------------------------------------------

    async def _begin(
        self,
        session: ChatSession,
        principal: Principal,
        question: ChatMessage | None,
        *,
        replaces: UUID | None = None,
    ) -> ChatMessage:
        self._answers.check_room()
        # Before anything is kept: a persona or cluster may be gone since the session was made.
        persona = await self.sessions.check(session.persona_id, session.cluster_context, principal)
        answer = self._message(session, ChatRole.ASSISTANT, "").model_copy(
            update={"state": MessageState.RUNNING, "persona_id": session.persona_id}
        )
        wanted = self._wanted(session, persona, answer, question, principal)
        beginning = asyncio.create_task(self._keep_and_start(session, wanted, replaces))
        # A client that leaves now must not leave behind an answer that nobody makes.
        self._beginning.add(beginning)
        beginning.add_done_callback(self._beginning.discard)
        await asyncio.shield(beginning)
        if question is not None:
            await self._tell(question, principal)
        return answer

    async def _keep_and_start(
        self, session: ChatSession, wanted: Wanted, replaces: UUID | None
    ) -> None:
        now = self._clock()
        new = NewAnswer(
            answer=wanted.answer,
            hold=self._answers.hold(),
            question=wanted.asked,
            replaces=replaces,
            title=title_of(wanted.asked.content) if wanted.asked else None,
            expires_at=self.sessions.expiry(session.created_at, now),
        )
        became = await self._table.begin(new, now=now, most=self._settings.chat_messages)
        self._refuse(became, session)
        self._answers.start(wanted)

    def _refuse(self, became: Begin, session: ChatSession) -> None:
        if became is Begin.BUSY:
            raise Conflict(
                "An answer of this session is being made.",
                "Wait for it (GET …/stream follows it), or POST …/stop.",
            )
        if became is Begin.FULL:
            most = self._settings.chat_messages
            raise ContextTooLarge(
                f"The session has as many messages as it may ({most}).",
                "Begin a new session, or branch off an earlier message; "
                "AIOPS_CHAT_MESSAGES raises the limit.",
                details={"max_messages": most},
            )
        if became is Begin.GONE:
            raise SessionNotFound(f"There is no chat session '{session.id}' any more.")

    def _wanted(
        self,
        session: ChatSession,
        persona: Persona,
        answer: ChatMessage,
        question: ChatMessage | None,
        principal: Principal,
    ) -> Wanted:
        async def ask() -> Question:
            said = await self._table.messages(session.id, now=self._clock())
            *history, asked = [each for each in said if each.id != answer.id]
            return Question(
                text=asked.content,
                persona=persona,
                clusters=session.cluster_context,
                time_scope=session.time_scope,
                history=tuple(_turn(each) for each in history),
                model=session.model,
                principal=principal,
            )

        async def done(message: ChatMessage) -> None:
            await self._count(message, principal)
            await self._tell(message, principal)

        return Wanted(
            answer=answer,
            asked=question,
            question=ask,
            expires_at=lambda: self.sessions.expiry(session.created_at, self._clock()),
            done=done,
        )

    async def stop(self, session_id: UUID, principal: Principal) -> ChatMessage:
        """End the answer that is being made; what there is of it stays.

        Raises as `ChatSessions.get`, and Conflict where none is being made.
        """
        message = await self._running(session_id, principal)
        run = self._answers.get(message.id)
        if run is not None:
            run.end(MessageState.STOPPED)
            await run.finished.wait()
        else:  # by another replica, which sees it when it next keeps what it has
            await self._table.mark(message.id, MessageState.STOPPED)
        return await self.sessions.message(session_id, message.id, principal)

    async def consent(
        self, session_id: UUID, call_id: str, *, granted: bool, principal: Principal
    ) -> None:
        """Say yes or no to a writing tool that waits for it.

        Raises as `ChatSessions.get`, and Conflict where nothing waits for it.
        """
        message = await self._running(session_id, principal)
        run = self._answers.get(message.id)
        if run is None or not run.consent(call_id, granted=granted):
            raise Conflict(
                f"Nothing called '{call_id[:64]}' waits for consent here.",
                "It was answered already, its time is over, or another replica makes the answer.",
            )

    async def _running(self, session_id: UUID, principal: Principal) -> ChatMessage:
        await self.sessions.get(session_id, principal)
        last = await self._table.last_message(session_id, now=self._clock())
        if last is None or last.state is not MessageState.RUNNING:
            raise Conflict("No answer of this session is being made.")
        return last

    async def wait(self, message: ChatMessage, principal: Principal) -> ChatMessage:
        """Return the answer once it has ended. Made here; of others see `follow`."""
        run = self._answers.get(message.id)
        if run is not None:
            await run.finished.wait()
        return await self.sessions.message(message.session_id, message.id, principal)

    async def last_answer(self, session_id: UUID, principal: Principal) -> ChatMessage | None:
        """The last message, where it is an answer. Raises as `ChatSessions.get`."""
        await self.sessions.get(session_id, principal)
        last = await self._table.last_message(session_id, now=self._clock())
        return last if last is not None and last.role is ChatRole.ASSISTANT else None

    def follow(
        self, message: ChatMessage, *, after: int = 0
    ) -> AsyncGenerator[Sequence[StreamEvent]]:
        """The steps of an answer to its end, from after a number on, wherever it is made."""
        run = self._answers.get(message.id)
        if run is not None:
            return run.steps.follow(after)

        latest = message

        async def again() -> ChatMessage | None:
            nonlocal latest
            try:
                found = await self._table.message(message.session_id, message.id, now=self._clock())
            except StorageFailed:  # away for a moment: as it was, until it is back
                return latest
            latest = found or latest
            return found

        return follow_kept(message, again, every=self._look_every)

    # --- about them ---------------------------------------------------------------------------

    async def usage(self, principal: Principal) -> tuple[TokenUse, ...]:
        """Tokens of the caller's answers in the last 30 days."""
        since = self._clock() - timedelta(days=USAGE_DAYS)
        return await self._usage.of(principal.subject, since=f"{since:%Y-%m-%d}")

    async def _count(self, message: ChatMessage, principal: Principal) -> None:
        answer = message.answer
        if answer is None:
            return
        await self._usage.add(
            TokenUse(
                user_id=principal.subject[:255],
                day=f"{self._clock():%Y-%m-%d}",
                model=(message.model or NO_MODEL)[:255],
                answers=1,
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
            )
        )

    async def _tell(self, message: ChatMessage, principal: Principal) -> None:
        await self._bus.publish(
            Event(
                event_id=uuid4(),
                event_type=EventType.CHAT_MESSAGE,
                source=SOURCE,
                timestamp=self._clock(),
                payload={
                    "session_id": str(message.session_id),
                    "message_id": str(message.id),
                    "role": message.role.value,
                    "preview": preview_of(message.content),
                    "state": message.state.value,
                    "user_id": principal.subject,
                },
            )
        )

    def _message(self, session: ChatSession, role: ChatRole, content: str) -> ChatMessage:
        return ChatMessage(
            id=uuid4(),
            session_id=session.id,
            role=role,
            content=content,
            created_at=self._clock(),
        )


def _turn(message: ChatMessage) -> Turn:
    """A message as the model is told of it later."""
    if message.role is ChatRole.USER:
        return Turn("user", message.content)
    if message.state is MessageState.COMPLETE:
        return Turn("assistant", message.content)
    return Turn("assistant", message.content + _CUT_SHORT if message.content else _UNANSWERED)

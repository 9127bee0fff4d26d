"""The answers that this process makes: each a task of its own, which no client's leaving ends.

What there is of an answer is kept every other second, and with that the process holds on to it:
an answer that nobody holds any more was interrupted. Knows neither HTTP nor whose a session is.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from agents.chat_draft import Draft
from agents.chat_steps import Steps, StreamEvent
from agents.conversation import Answerer, ConsentWanted, Failed, Question, Step
from aiops_mcp.errors import AiopsError, Conflict, RateLimited, StorageFailed
from aiops_mcp.models.chat import ChatMessage, MessageState
from aiops_mcp.storage.chat import Hold

_log = logging.getLogger(__name__)

SAVE_EVERY = 2.0
HELD_FOR = timedelta(seconds=15)
CONSENT_SECONDS = 300.0
"""So long a writing tool waits for its user; then the answer goes on without it."""
CLOSE_SECONDS = 10.0
_FULL_RETRY_SECONDS = 5.0
_FINISH_ATTEMPTS = 5


class AnswerRows(Protocol):
    """Where answers are kept. Every method raises ``StorageFailed``."""

    async def save(self, message: ChatMessage, hold: Hold, *, with_calls: bool) -> bool: ...

    async def finish(
        self, message: ChatMessage, holder: str, *, now: datetime, expires_at: datetime
    ) -> bool: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """An answer that is to be made, kept as begun already.

    ``expires_at`` gives the end of the session's life once it is done; ``done`` is told of the
    message as it was kept.
    """

    answer: ChatMessage
    asked: ChatMessage | None
    question: Callable[[], Awaitable[Question]]
    expires_at: Callable[[], datetime]
    done: Callable[[ChatMessage], Awaitable[None]]


class Run:
    """One answer as it is made."""

    def __init__(
        self, wanted: Wanted, monotonic: Callable[[], float], consent_seconds: float
    ) -> None:
        self.wanted = wanted
        self._consent_seconds = consent_seconds
        self.steps = Steps()
        self.draft = Draft(wanted.answer, self.steps)
        self.finished = asyncio.Event()
        self.making: asyncio.Task[None] | None = None
        self.ended_as = MessageState.INTERRUPTED
        self._monotonic = monotonic
        self._began = monotonic()
        self._consents: dict[str, asyncio.Future[bool]] = {}
        self.draft.start(wanted.asked)

    def message(self, state: MessageState = MessageState.RUNNING) -> ChatMessage:
        latency = round((self._monotonic() - self._began) * 1000, 1)
        return self.draft.message(state, latency_ms=latency)

    def end(self, state: MessageState) -> None:
        """Let it stand as it is."""
        if self.making is not None and not self.making.done():
            self.ended_as = state
            self.making.cancel()

    def take(self, step: Step) -> None:
        """One step of the agent."""
        if isinstance(step, ConsentWanted):
            self._consent_to(step.call_id)  # before its user hears of it, who may be quick
        self.draft.take(step)

    def _consent_to(self, call_id: str) -> asyncio.Future[bool]:
        new: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        return self._consents.setdefault(call_id, new)

    async def ask_consent(self, wanted: ConsentWanted) -> bool:
        """What the user says to a writing tool; nothing said in time is a no."""
        said = self._consent_to(wanted.call_id)
        try:
            async with asyncio.timeout(self._consent_seconds):
                granted = await said
        except TimeoutError:
            granted = False
        finally:
            self._consents.pop(wanted.call_id, None)
        self.steps.tell("consent", {"tool_call_id": wanted.call_id, "granted": granted})
        return granted

    def consent(self, call_id: str, *, granted: bool) -> bool:
        """Answer what was asked; false where that call does not wait for it."""
        said = self._consents.get(call_id)
        if said is None or said.done():
            return False
        said.set_result(granted)
        return True


class Answers:
    """All answers of this process. ``holder`` names it."""

    def __init__(
        self,
        rows: AnswerRows,
        answerer: Answerer,
        *,
        holder: str,
        clock: Callable[[], datetime],
        most: int,
        monotonic: Callable[[], float] = time.monotonic,
        save_every: float = SAVE_EVERY,
        consent_seconds: float = CONSENT_SECONDS,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        self._rows = rows
        self._answerer = answerer
        self._holder = holder
        self._clock = clock
        self._most = most
        self._monotonic = monotonic
        self._save_every = save_every
        self._consent_seconds = consent_seconds
        self._close_seconds = close_seconds
        self._runs: dict[UUID, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_closing = False

    def __len__(self) -> int:
        return len(self._runs)

    def hold(self) -> Hold:
        """The hold of this process on an answer, from now."""
        return Hold(self._holder, self._clock() + HELD_FOR)

    def check_room(self) -> None:
        """Raises RateLimited where no more answers can be made now, Conflict where it ends."""
        if self.is_closing:
            raise Conflict("The server is stopping.", "Ask again once it is back.")
        if len(self._runs) >= self._most:
            raise RateLimited(
                f"{self._most} answers are being made here already.",
                "Come again, or raise AIOPS_CHAT_AT_ONCE.",
                retry_after=_FULL_RETRY_SECONDS,
            )

    def start(self, wanted: Wanted) -> Run:
        """Make an answer, in a task of its own."""
        run = Run(wanted, self._monotonic, self._consent_seconds)
        self._runs[wanted.answer.id] = run
        run.making = asyncio.create_task(self._make(run), name="chat answer")
        watching = asyncio.create_task(self._see_through(run), name="chat answer kept")
        self._tasks.add(watching)
        watching.add_done_callback(self._tasks.discard)
        if self.is_closing:
            run.end(MessageState.INTERRUPTED)
        return run

    def get(self, message_id: UUID) -> Run | None:
        return self._runs.get(message_id)

    async def follow(self, message_id: UUID, after: int) -> AsyncGenerator[Sequence[StreamEvent]]:
        """The steps of an answer that is made here; of another, none."""
        run = self._runs.get(message_id)
        if run is not None:
            async with aclosing(run.steps.follow(after)) as batches:
                async for batch in batches:
                    yield batch

    def interrupt_all(self) -> None:
        """Let every answer stand as it is, as the server goes away; begins no more."""
        self.is_closing = True
        for run in self._runs.values():
            run.end(MessageState.INTERRUPTED)

    async def close(self) -> None:
        """Interrupt what is under way, and return when all is kept.

        What does not let itself be ended is left: nobody holds it any more, so it is seen to be
        interrupted soon.
        """
        self.interrupt_all()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=self._close_seconds)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    # --- one answer ---------------------------------------------------------------------------

    async def _make(self, run: Run) -> None:
        try:
            question = await run.wanted.question()
            steps = self._answerer.answer(question, consent=run.ask_consent)
            async with aclosing(steps):
                async for step in steps:
                    run.take(step)
        except AiopsError as error:
            run.draft.take(Failed(error.code, str(error)))
        except Exception:  # noqa: BLE001 - the edge of a run: whatever it is, the user is told
            _log.exception("an answer failed")
            told = "Something went wrong on our side; the server's log has it. Ask again (retry)."
            run.draft.take(Failed("INTERNAL_ERROR", told))
        if not run.draft.is_whole:
            run.draft.take(Failed("INTERNAL_ERROR", "The answer ended without an end. Ask again."))

    async def _see_through(self, run: Run) -> None:
        """Keep what there is of an answer while it is made, and its end."""
        assert run.making is not None  # noqa: S101 - started just before
        saved_calls = 0
        while not run.making.done():
            await asyncio.wait({run.making}, timeout=self._save_every)
            if run.making.done():
                break
            calls = run.draft.calls
            try:
                is_ours = await self._rows.save(
                    run.message(), self.hold(), with_calls=calls != saved_calls
                )
            except StorageFailed as error:
                _log.warning("part of an answer could not be kept yet: %s", error)
                continue
            saved_calls = calls
            if not is_ours:  # stopped by way of another replica, or its session was deleted
                run.end(MessageState.STOPPED)
        message = run.message(run.ended_as)
        await self._keep(run, message)
        run.draft.finish(message)
        run.finished.set()
        self._runs.pop(message.id, None)

    async def _keep(self, run: Run, message: ChatMessage) -> None:
        """Keep the end, and tell of it. The database may be away for a moment."""
        for attempt in range(1, _FINISH_ATTEMPTS + 1):
            try:
                is_kept = await self._rows.finish(
                    message, self._holder, now=self._clock(), expires_at=run.wanted.expires_at()
                )
                if is_kept:
                    await run.wanted.done(message)
            except StorageFailed as error:
                _log.warning("the end of an answer could not be kept yet: %s", error)
                if self.is_closing or attempt == _FINISH_ATTEMPTS:
                    return
                await asyncio.sleep(self._save_every * attempt)
            else:
                return

"""Asking a fleet one question: who, how long, through which breaker, and what is already known.

``Fleet.ask`` is the one way to many clusters, ``Fleet.ask_one`` to a single one. A dead cluster is
data in the answer, never an exception. It does not know what is asked: the question is a function
over `ClusterAccess`.

Deadlines. Without ``deadline`` one waits for each cluster as long as its type's timeout
(``settings.check_timeout``), for one that is known to be away the shortest of these. A given
``deadline`` takes its place for every cluster, shorter or longer: it is what the caller said it
would wait. Both count from the start of the question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence, Sized
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from aiops_mcp.errors import (
    AiopsError,
    BackendMisbehaved,
    BackendRefused,
    BackendUnauthorized,
    CircuitOpen,
    ClusterUnreachable,
    QueryTimeout,
)
from aiops_mcp.fleet.access import (
    BackendMissing,
    Clients,
    ClusterAccess,
    Connect,
    CredentialsSource,
    address,
)
from aiops_mcp.fleet.answer import OFFLINE, ClusterAnswer, FleetAnswer
from aiops_mcp.fleet.breaker import Breaker, Breakers
from aiops_mcp.fleet.cache import AnswerCache
from aiops_mcp.fleet.fanout import fan_out
from aiops_mcp.fleet.last_seen import LastSeen, LastSeenAnswers, LastSeenStore
from aiops_mcp.fleet.selection import Selection, choose, is_away
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import AnswerStatus
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings

T = TypeVar("T")

Question = Callable[[ClusterAccess], Awaitable[T]]


class FleetRegistry(CredentialsSource, Protocol):
    """The part of the registry that asking needs."""

    async def list(self, principal: Principal) -> Sequence[Cluster]: ...


def _flat_size(value: object) -> int:
    return 1024 + 256 * (len(value) if isinstance(value, Sized) else 0)


@dataclass(frozen=True, slots=True)
class CacheRule(Generic[T]):
    """Keep a cluster's answer ``ttl`` seconds under ``key`` (without cluster and principal).

    ``size`` estimates a value's bytes; the default suits short lists only.
    """

    key: tuple[Hashable, ...]
    ttl: float
    size: Callable[[T], int] = field(default=_flat_size)


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    """One question with everything that is the same for all clusters."""

    question: Question[T]
    backend: str
    began: float
    deadline: float | None
    cache: CacheRule[T] | None


class Fleet:
    """The clusters, asked together. One per process; ``aclose`` ends its clients."""

    def __init__(
        self,
        registry: FleetRegistry,
        connect: Connect,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        last_seen: LastSeenStore | None = None,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self.clients = Clients(registry, connect, monotonic)
        self.cache = AnswerCache(settings.cache_bytes, monotonic)
        self.breakers = Breakers(
            settings.breaker_failures, settings.breaker_reset, settings.breaker_probes, monotonic
        )
        self.last_seen: LastSeenAnswers | None = None
        if last_seen is not None:
            max_age = settings.last_seen_hours * 3600
            self.last_seen = LastSeenAnswers(last_seen, max_age, monotonic)

    async def choose(self, selection: Sequence[str], principal: Principal) -> Selection:
        """The clusters a question would go to. Errors as in `selection.choose`."""
        return choose(await self._registry.list(principal), selection)

    async def ask(
        self,
        selection: Sequence[str],
        question: Question[T],
        *,
        principal: Principal,
        backend: str,
        deadline: float | None = None,
        cache: CacheRule[T] | None = None,
        keep_last_seen: LastSeen[T] | None = None,
        progress: Progress = no_progress,
    ) -> FleetAnswer[T]:
        """Put one question to the chosen clusters at once; partial by nature.

        ``backend`` names whose breaker counts the failures; ``deadline`` is in seconds.

        Raises:
            ClusterNotFound, InputError: the selection names nobody.
        """
        chosen = await self.choose(selection, principal)
        return await self.ask_chosen(
            chosen,
            question,
            backend=backend,
            deadline=deadline,
            cache=cache,
            keep_last_seen=keep_last_seen,
            progress=progress,
        )

    async def ask_chosen(
        self,
        chosen: Selection,
        question: Question[T],
        *,
        backend: str,
        deadline: float | None = None,
        cache: CacheRule[T] | None = None,
        keep_last_seen: LastSeen[T] | None = None,
        progress: Progress = no_progress,
        began: float | None = None,
    ) -> FleetAnswer[T]:
        """As `ask`, for clusters that were chosen before.

        ``began`` (event loop time) is when the caller's whole question began: deadlines count
        from there, so that a question in two parts ends no later than one in a single part.
        """
        asked_at = self._clock()
        began = asyncio.get_running_loop().time() if began is None else began
        asked = _Asked(question, backend, began, deadline, cache)
        clusters = chosen.asked
        until = began + max((self._patience(asked, cluster) for cluster in clusters), default=0.0)
        found = await fan_out(
            [self._call_for(cluster, asked) for cluster in clusters],
            concurrency=self._settings.concurrency,
            until=until,
            progress=progress,
        )
        answers = [
            answer or self._left_behind(cluster, asked)
            for cluster, answer in zip(clusters, found, strict=True)
        ]
        answers += [_offline(cluster) for cluster in chosen.offline]
        if keep_last_seen is not None and self.last_seen is not None:
            answers = await self.last_seen.fill(answers, keep_last_seen, asked_at)
            self.last_seen.keep(answers, keep_last_seen, asked_at)
        elapsed = (asyncio.get_running_loop().time() - began) * 1000
        return FleetAnswer(tuple(answers), asked_at, elapsed)

    async def ask_one(
        self,
        cluster: Cluster,
        question: Question[T],
        *,
        backend: str,
        deadline: float | None = None,
        cache: CacheRule[T] | None = None,
        keep_last_seen: LastSeen[T] | None = None,
    ) -> ClusterAnswer[T]:
        """Put one question to one cluster, whatever its state."""
        answer = await self.ask_chosen(
            Selection((cluster,)),
            question,
            backend=backend,
            deadline=deadline,
            cache=cache,
            keep_last_seen=keep_last_seen,
        )
        return answer.answers[0]

    def forget(self, cluster_id: UUID) -> None:
        """The cluster changed or went: drop its clients, breakers and cached answers."""
        self.clients.forget(cluster_id)
        self.breakers.forget(cluster_id.int)
        self.cache.forget(cluster_id.int)  # a UUID is slow to hash

    async def aclose(self) -> None:
        if self.last_seen is not None:
            await self.last_seen.aclose()
        await self.clients.aclose()

    # --- one cluster ----------------------------------------------------------------------

    def _call_for(
        self, cluster: Cluster, asked: _Asked[T]
    ) -> Callable[[], Coroutine[Any, Any, ClusterAnswer[T]]]:
        return lambda: self._answer_of(cluster, asked)

    def _patience(self, asked: _Asked[Any], cluster: Cluster) -> float:
        if asked.deadline is not None:
            return asked.deadline
        timeouts = self._settings.check_timeout
        own = timeouts[cluster.cluster_type]
        # It was named although it is known to be away: a short try is all that is meant.
        return min(own, *timeouts.values()) if is_away(cluster) else own

    async def _answer_of(self, cluster: Cluster, asked: _Asked[T]) -> ClusterAnswer[T]:
        loop = asyncio.get_running_loop()
        status, error = AnswerStatus.ERROR, None
        try:
            value = await self._cached(cluster, asked)
            elapsed = (loop.time() - asked.began) * 1000
            return ClusterAnswer(cluster, AnswerStatus.SUCCESS, value, elapsed_ms=elapsed)
        except BackendMissing as missing:
            reason = f"no {missing.backend}"
            return ClusterAnswer(cluster, AnswerStatus.ERROR, skipped=reason)
        except QueryTimeout as timeout:
            status, error = AnswerStatus.TIMEOUT, timeout
        except AiopsError as failure:
            error = failure
        elapsed = (loop.time() - asked.began) * 1000
        return ClusterAnswer(cluster, status, error=error, elapsed_ms=elapsed)

    async def _cached(self, cluster: Cluster, asked: _Asked[T]) -> T:
        rule = asked.cache
        if rule is None:
            return await self._through_breaker(cluster, asked)
        return await self.cache.get(
            (cluster.id.int, address(cluster), asked.backend, *rule.key),
            lambda: self._through_breaker(cluster, asked),
            ttl=rule.ttl,
            size=rule.size,
            flight=self._patience(asked, cluster),
        )

    async def _through_breaker(self, cluster: Cluster, asked: _Asked[T]) -> T:
        patience = self._patience(asked, cluster)
        deadline = asked.began + patience
        if asyncio.get_running_loop().time() >= deadline:
            raise _timed_out(cluster, asked.backend, patience, "was not asked: no slot came free")
        breaker = self.breakers.of(cluster.id.int, asked.backend)
        if not breaker.admit():
            raise _circuit_open(cluster, asked.backend, breaker)
        try:
            async with asyncio.timeout_at(deadline):
                value = await asked.question(self.clients.access(cluster))
        except TimeoutError as error:
            breaker.failed()
            raise _timed_out(cluster, asked.backend, patience, "did not answer") from error
        except AiopsError as error:
            self._judge(cluster, breaker, error)
            raise
        except BaseException:
            breaker.abandoned()
            raise
        breaker.succeeded()
        return value

    def _judge(self, cluster: Cluster, breaker: Breaker, error: AiopsError) -> None:
        """Whether a failure speaks of the backend's health or of the question."""
        if isinstance(error, BackendUnauthorized):
            # The next call builds its client from what is stored then.
            self.clients.forget(cluster.id)
        if isinstance(error, BackendRefused):
            (breaker.failed if error.http_status >= 500 else breaker.succeeded)()
        elif isinstance(error, (ClusterUnreachable, QueryTimeout, BackendMisbehaved)):
            breaker.failed()
        else:
            breaker.abandoned()

    def _left_behind(self, cluster: Cluster, asked: _Asked[T]) -> ClusterAnswer[T]:
        patience = self._patience(asked, cluster)
        error = _timed_out(cluster, asked.backend, patience, "did not answer, nor give up")
        return ClusterAnswer(cluster, AnswerStatus.TIMEOUT, error=error, elapsed_ms=patience * 1000)


def _offline(cluster: Cluster) -> ClusterAnswer[Any]:
    return ClusterAnswer(cluster, AnswerStatus.ERROR, skipped=OFFLINE)


def _timed_out(cluster: Cluster, backend: str, seconds: float, what: str) -> QueryTimeout:
    return QueryTimeout(
        f"{backend} of {cluster.name} {what} within {seconds:g} s.",
        "Ask for a shorter range or fewer series, or give a longer timeout.",
        details={"cluster": cluster.name, "backend": backend},
    )


def _circuit_open(cluster: Cluster, backend: str, breaker: Breaker) -> CircuitOpen:
    wait = breaker.retry_in()
    return CircuitOpen(
        f"{backend} of {cluster.name} was not asked: its last calls all failed.",
        f"It is tried again in {wait:.0f} s." if wait else "It is being tried right now.",
        details={"cluster": cluster.name, "backend": backend, "retry_after_seconds": wait},
    )

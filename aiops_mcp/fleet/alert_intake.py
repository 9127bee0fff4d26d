"""Takes in what Alertmanagers send by webhook: checked at once, recorded in its turn.

One worker a process tells the history, which knows what is new; the sender gets its answer when
that is done, so that nothing is taken that a dying process could lose. The queue is bounded: a
message that finds it full, or whose turn does not come in time, is refused. Alertmanager sends it
again, and what was recorded meanwhile is known then.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol
from uuid import UUID

from aiops_mcp.backends.alertmanager_alerts import to_alerts
from aiops_mcp.backends.alertmanager_answers import AlertmanagerAlert
from aiops_mcp.backends.alertmanager_webhook import WebhookMessage, parse_webhook
from aiops_mcp.errors import AiopsError, AuthFailed, ClusterNotFound
from aiops_mcp.fleet.alert_history import AlertHistory
from aiops_mcp.fleet.alert_looks import switch_is_back
from aiops_mcp.fleet.webhook_secrets import WebhookSecrets
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.principal import Principal, Role

_log = logging.getLogger(__name__)

INTAKE = Principal(subject="fleet.alert_intake", role=Role.ADMIN)
LARGE = 256 * 1024
"""Bytes of a message from which on reading it is worth a thread."""

DRAIN_SECONDS = 5.0
ANSWER_SECONDS = 8.0
"""Shorter than senders and proxies wait for an answer."""

BELIEVED_AFTER = timedelta(hours=1)
"""A message sent anew may come after the one of the alert's end, but not so long after."""


class IntakeFull(AiopsError):
    """Too many messages wait; the sender keeps this one and sends it again."""

    code: ClassVar[str] = "RATE_LIMITED"
    status: ClassVar[int] = 503
    retryable: ClassVar[bool] = True


class ResolvesClusters(Protocol):
    """The part of the registry that taking in needs."""

    async def resolve(self, name_or_id: str, principal: Principal) -> Cluster: ...


@dataclass(frozen=True, slots=True)
class _Received:
    cluster: Cluster
    message: WebhookMessage
    recorded: "asyncio.Future[None]"


class AlertIntake:
    """``switches`` are names of alerts that ought to fire always.

    ``look_at`` polls one cluster at once, for what a message left out.
    """

    def __init__(
        self,
        registry: ResolvesClusters,
        secrets: WebhookSecrets,
        history: AlertHistory,
        *,
        queue_size: int,
        severities: Mapping[str, AlertSeverity],
        clock: Callable[[], datetime],
        switches: Sequence[str] = (),
        answer_within: float = ANSWER_SECONDS,
        look_at: Callable[[Cluster], Awaitable[None]] | None = None,
    ) -> None:
        self._registry = registry
        self._secrets = secrets
        self._history = history
        self._severities = severities
        self._clock = clock
        self._switches = switches
        self._answer_within = answer_within
        self._look_at = look_at
        self._queue: asyncio.Queue[_Received] = asyncio.Queue(queue_size)
        self._unseen: set[UUID] = set()
        self._looking: dict[UUID, asyncio.Task[None]] = {}

    async def accept(self, secret: str | None, cluster: str | None, body: bytes) -> int:
        """Record a message of the cluster whose secret it is; how many alerts it tells of.

        Raises:
            AuthFailed: the secret is nobody's, or not of the cluster named; also when there is
            no such cluster.
            MalformedWebhook: the body is no such message.
            IntakeFull: too many wait, or its turn did not come in time.
            StorageFailed: the database is away.
        """
        sender = await self._sender(secret, cluster)
        if len(body) < LARGE:
            message = parse_webhook(body)
        else:
            message = await asyncio.to_thread(parse_webhook, body)
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(_Received(sender, message, recorded))
        except asyncio.QueueFull as error:
            raise IntakeFull(
                f"{self._queue.maxsize} webhook messages wait already.",
                "Send it again in a few seconds, as Alertmanager does by itself.",
            ) from error
        done, _ = await asyncio.wait({recorded}, timeout=self._answer_within)
        if not done:
            raise IntakeFull(
                f"The message was not recorded within {self._answer_within:g} s.",
                "Send it again, as Alertmanager does by itself: what is known is not told twice.",
            )
        recorded.result()
        return len(message.alerts)

    async def _sender(self, secret: str | None, cluster: str | None) -> Cluster:
        owner: UUID | None = await self._secrets.owner(secret) if secret else None
        if owner is not None:
            with suppress(ClusterNotFound):
                found = await self._registry.resolve(str(owner), INTAKE)
                if cluster is None or cluster in (found.name, str(found.id)):
                    return found
        raise AuthFailed(
            "The webhook's secret is not known here.",
            "Make one for the cluster with: aiops alerts webhook-secret CLUSTER",
        )

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Work on what was taken; at the end what still waits is worked on first."""
        worker = asyncio.create_task(self._work(), name="alert intake")
        try:
            yield
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._queue.join()
            tasks = [worker, *self._looking.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Return when everything taken so far has been worked on."""
        await self._queue.join()
        await asyncio.gather(*self._looking.values())

    async def _work(self) -> None:
        while True:
            received = await self._queue.get()
            try:
                await self._record(received.cluster, received.message)
                received.recorded.set_result(None)
                if received.message.truncated and self._look_at is not None:
                    self._look_for_the_rest(received.cluster, self._look_at)
            except AiopsError as error:
                _log.warning("A webhook of %s was not recorded: %s", received.cluster.name, error)
                _refuse(received, error)
            except Exception:  # noqa: BLE001 - one message must never end the work on the others
                _log.exception("A webhook of %s could not be worked on", received.cluster.name)
                _refuse(received, AiopsError("The message could not be worked on."))
            finally:
                self._queue.task_done()

    async def _record(self, cluster: Cluster, message: WebhookMessage) -> None:
        alerts = [self._alert(cluster, each) for each in message.alerts]
        # Where alerts are polled, the polls tell whether the switch and what had ended fire.
        is_polled = cluster.endpoints.alertmanager_url or cluster.endpoints.prometheus_url
        now = self._clock()
        back = () if is_polled else switch_is_back(cluster, alerts, self._switches, now)
        changed = await self._history.saw(cluster, alerts, back)
        if changed.late and not is_polled:
            until = now - BELIEVED_AFTER
            await self._history.fires_on(cluster, changed.late, ended_until=until)
        firing = [alert.fingerprint for alert in alerts if alert.state is AlertState.FIRING]
        if firing:
            await self._history.touch(cluster, firing)

    def _look_for_the_rest(
        self, cluster: Cluster, look_at: Callable[[Cluster], Awaitable[None]]
    ) -> None:
        """Poll beside the work on other messages: a cluster may take long to answer."""
        self._unseen.add(cluster.id)
        if cluster.id not in self._looking:
            task = asyncio.create_task(self._look(cluster, look_at))
            self._looking[cluster.id] = task
            task.add_done_callback(lambda _: self._looking.pop(cluster.id))

    async def _look(self, cluster: Cluster, look_at: Callable[[Cluster], Awaitable[None]]) -> None:
        while cluster.id in self._unseen:  # what came during a look may have been too late for it
            self._unseen.discard(cluster.id)
            await look_at(cluster)

    def _alert(self, cluster: Cluster, alert: AlertmanagerAlert) -> Alert:
        [made] = to_alerts(cluster, [alert], severities=self._severities)
        if alert.state != "resolved":
            return made
        return made.model_copy(update={"state": AlertState.RESOLVED, "ends_at": alert.ends_at})


def _refuse(received: _Received, error: AiopsError) -> None:
    """Tell the sender, unless it has its answer already."""
    if not received.recorded.done():
        received.recorded.set_exception(error)
        received.recorded.exception()  # whoever sent it may have left: then nobody retrieves it

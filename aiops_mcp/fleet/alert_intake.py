"""Takes in what Alertmanagers send by webhook: checked at once, worked on in its turn.

The sender gets its answer when the message is known to be good; one worker a process then tells
the history, which knows what is new. The queue is bounded: a message that finds it full is
refused, and Alertmanager sends it again.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

from aiops_mcp.backends.alertmanager import AlertmanagerAlert, to_alerts
from aiops_mcp.backends.alertmanager_webhook import WebhookMessage, parse_webhook
from aiops_mcp.errors import AiopsError, AuthFailed
from aiops_mcp.fleet.alert_history import AlertHistory
from aiops_mcp.fleet.webhook_secrets import WebhookSecrets
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.principal import Principal, Role

_log = logging.getLogger(__name__)

INTAKE = Principal(subject="fleet.alert_intake", role=Role.ADMIN)
LARGE = 256 * 1024
"""Bytes of a message from which on reading it is worth a thread."""

DRAIN_SECONDS = 5.0


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
    at: datetime


class AlertIntake:
    """``look_at`` polls one cluster at once, for what a message left out."""

    def __init__(
        self,
        registry: ResolvesClusters,
        secrets: WebhookSecrets,
        history: AlertHistory,
        *,
        clock: Callable[[], datetime],
        queue_size: int,
        severities: Mapping[str, AlertSeverity],
        look_at: Callable[[Cluster], Awaitable[None]] | None = None,
    ) -> None:
        self._registry = registry
        self._secrets = secrets
        self._history = history
        self._clock = clock
        self._severities = severities
        self._look_at = look_at
        self._queue: asyncio.Queue[_Received] = asyncio.Queue(queue_size)

    async def accept(self, secret: str | None, cluster: str | None, body: bytes) -> int:
        """Take a message of the cluster whose secret it is; how many alerts it tells of.

        Raises:
            AuthFailed: the secret is nobody's, or not of the cluster named; also when there is
            no such cluster.
            MalformedWebhook: the body is no such message.
            IntakeFull: too many wait.
        """
        sender = await self._sender(secret, cluster)
        if len(body) < LARGE:
            message = parse_webhook(body)
        else:
            message = await asyncio.to_thread(parse_webhook, body)
        try:
            self._queue.put_nowait(_Received(sender, message, self._clock()))
        except asyncio.QueueFull as error:
            raise IntakeFull(
                f"{self._queue.maxsize} webhook messages wait already.",
                "Send it again in a few seconds, as Alertmanager does by itself.",
            ) from error
        return len(message.alerts)

    async def _sender(self, secret: str | None, cluster: str | None) -> Cluster:
        owner: UUID | None = await self._secrets.owner(secret) if secret else None
        if owner is not None:
            with suppress(AiopsError):
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
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    async def settle(self) -> None:
        """Return when everything taken so far has been worked on."""
        await self._queue.join()

    async def _work(self) -> None:
        while True:
            received = await self._queue.get()
            try:
                await self._take_in(received)
            except AiopsError as error:
                # Lost here, found by the next poll; Alertmanager repeats what fires, too.
                _log.warning("A webhook of %s was not recorded: %s", received.cluster.name, error)
            except Exception:  # noqa: BLE001 - one message must never end the work on the others
                _log.exception("A webhook of %s could not be worked on", received.cluster.name)
            finally:
                self._queue.task_done()

    async def _take_in(self, received: _Received) -> None:
        message, cluster = received.message, received.cluster
        alerts = [self._alert(cluster, each) for each in message.alerts]
        await self._history.saw(cluster, alerts)
        firing = [alert.fingerprint for alert in alerts if alert.state is AlertState.FIRING]
        if firing:
            await self._history.touch(cluster, firing)
        if message.truncated and self._look_at is not None:
            await self._look_at(cluster)

    def _alert(self, cluster: Cluster, alert: AlertmanagerAlert) -> Alert:
        [made] = to_alerts(cluster, [alert], severities=self._severities)
        if alert.state != "resolved":
            return made
        return made.model_copy(update={"state": AlertState.RESOLVED, "ends_at": alert.ends_at})

"""What a simulated Alertmanager sends by webhook, when, and what it does with the answer.

Source: prometheus/alertmanager ``dispatch/dispatch.go`` (groups and their times),
``notify/notify.go`` (what is worth a notification; 5xx is tried again, 4xx is not),
``notify/webhook/webhook.go`` (the body, version 4). Times are shorter than Alertmanager's own.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
import orjson

Json = dict[str, Any]
Post = Callable[[bytes], Awaitable[int]]
"""Delivers a body; the status, or 0 where nobody answered."""

NEVER_ENDED = "0001-01-01T00:00:00Z"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: before a new group's first message, between a group's, before it is repeated.

    ``tries`` is how often one message is tried, ``pause`` the first pause in between; a message
    holds ``most`` alerts at the most (0: all).
    """

    group_wait: float = 5.0
    group_interval: float = 15.0
    repeat_interval: float = 4 * 3600.0
    tries: int = 4
    pause: float = 0.5
    most: int = 0


@dataclass(slots=True)
class _Group:
    labels: Json
    receiver: str
    next_flush: float
    sent_at: float = 0.0
    fired: dict[str, Json] = field(default_factory=dict[str, Json])
    """The alerts that were last sent as firing, by fingerprint."""


class WebhookSender:
    """Groups the alerts of one Alertmanager and tells a webhook of them.

    ``alerts`` gives the current ones as its API shows them; ``now`` is in unix seconds.
    """

    def __init__(
        self,
        alerts: Callable[[], Sequence[Json]],
        post: Post,
        now: Callable[[], float],
        timing: Timing | None = None,
        *,
        url: str = "http://alertmanager-main.monitoring.svc:9093",
    ) -> None:
        self._alerts = alerts
        self._post = post
        self._now = now
        self._timing = timing or Timing()
        self._url = url
        self._groups: dict[str, _Group] = {}

    async def run(self, every: float = 1.0) -> None:
        """Until it is cancelled."""
        while True:
            await self.look_once()
            await asyncio.sleep(every)

    async def look_once(self) -> int:
        """Send what is due now; how many messages were taken."""
        current = await asyncio.to_thread(self._grouped)
        now, taken = self._now(), 0
        for key, (labels, receiver, _) in current.items():
            if key not in self._groups:
                wait = now + self._timing.group_wait
                self._groups[key] = _Group(labels, receiver, wait)
        for key, group in list(self._groups.items()):
            if now < group.next_flush:
                continue
            group.next_flush = now + self._timing.group_interval
            firing = current[key][2] if key in current else {}
            taken += await self._flush(key, group, firing)
            if not firing and not group.fired:
                del self._groups[key]
        return taken

    def _grouped(self) -> dict[str, tuple[Json, str, dict[str, Json]]]:
        """The alerts that nothing mutes, by group key and fingerprint."""
        found: dict[str, tuple[Json, str, dict[str, Json]]] = {}
        for alert in self._alerts():
            if alert["status"]["state"] != "active":
                continue
            labels = {
                name: alert["labels"][name]
                for name in ("alertname", "namespace")
                if name in alert["labels"]
            }
            receiver = alert["receivers"][0]["name"]
            key = _group_key(receiver, labels)
            group = found.setdefault(key, (labels, receiver, {}))
            group[2][alert["fingerprint"]] = alert
        return found

    async def _flush(self, key: str, group: _Group, firing: Mapping[str, Json]) -> int:
        now = self._now()
        resolved = {mark: one for mark, one in group.fired.items() if mark not in firing}
        fresh = [mark for mark in firing if mark not in group.fired]
        late = bool(firing) and now - group.sent_at >= self._timing.repeat_interval
        if not (fresh or resolved or late):
            return 0
        alerts = [_alert(one, None) for one in firing.values()]
        alerts += [_alert(one, now) for one in resolved.values()]
        body = self._body(key, group, alerts)
        if not await self._deliver(orjson.dumps(body)):
            return 0
        group.fired, group.sent_at = dict(firing), now
        return 1

    def _body(self, key: str, group: _Group, alerts: list[Json]) -> Json:
        most = self._timing.most or len(alerts)
        return {
            "version": "4",
            "groupKey": key,
            "truncatedAlerts": max(0, len(alerts) - most),
            "status": "firing" if any(one["status"] == "firing" for one in alerts) else "resolved",
            "receiver": group.receiver,
            "groupLabels": group.labels,
            "commonLabels": _common([one["labels"] for one in alerts]),
            "commonAnnotations": _common([one["annotations"] for one in alerts]),
            "externalURL": self._url,
            "alerts": alerts[:most],
        }

    async def _deliver(self, body: bytes) -> bool:
        """Whether it was taken; what is refused for good is not tried again."""
        pause = self._timing.pause
        for turn in range(self._timing.tries):
            status = await self._post(body)
            if 200 <= status < 300:
                return True
            if 400 <= status < 500 and status != 429:
                _log.warning("the webhook refused a message with status %d", status)
                return False
            if turn + 1 < self._timing.tries:
                await asyncio.sleep(pause)
                pause *= 2
        return False


def _group_key(receiver: str, labels: Mapping[str, str]) -> str:
    route = "{}" if receiver == "default" else '{}/{alertname="Watchdog"}'
    inner = ", ".join(f"{name}={json.dumps(labels[name])}" for name in sorted(labels))
    return f"{route}:{{{inner}}}"


def _alert(alert: Json, resolved_at: float | None) -> Json:
    ended = NEVER_ENDED
    if resolved_at is not None:
        ended = datetime.fromtimestamp(resolved_at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    kept = ("labels", "annotations", "startsAt", "generatorURL", "fingerprint")
    status = "firing" if resolved_at is None else "resolved"
    return {"status": status, "endsAt": ended} | {name: alert[name] for name in kept}


def _common(several: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first: Mapping[str, str] = several[0] if several else {}
    return {
        name: value
        for name, value in first.items()
        if all(one.get(name) == value for one in several)
    }


def http_post(client: httpx2.AsyncClient, url: str, secret: str | None = None) -> Post:
    """Delivers to a URL, with a secret as its bearer token."""
    headers = {"content-type": "application/json", "user-agent": "Alertmanager/0.28.1"}
    if secret:
        headers["authorization"] = f"Bearer {secret}"

    async def post(body: bytes) -> int:
        try:
            return (await client.post(url, content=body, headers=headers)).status_code
        except httpx2.HTTPError as error:
            _log.warning("the webhook cannot be reached: %s", error)
            return 0

    return post

"""Client of the Alertmanager API v2, and its alerts as ours; makes and ends silences.

Source: prometheus/alertmanager ``api/v2/openapi.yaml``, 0.22 to 0.34.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar, cast
from urllib.parse import quote
from uuid import UUID, uuid5

import orjson

from aiops_mcp.backends.http import HttpClient
from aiops_mcp.errors import BackendMisbehaved, BackendRefused
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.silences import Matcher

_T = TypeVar("_T")
_OCCURRENCES = UUID("6b2f0c1a-58a4-4b7e-9a52-0d9f5f0c2c11")
_SEVERITIES = {
    AlertSeverity.CRITICAL: frozenset(
        {
            "critical",
            "crit",
            "page",
            "emergency",
            "fatal",
            "disaster",
            "high",
            "p1",
            "sev1",
            "error",
        }
    ),
    AlertSeverity.WARNING: frozenset(
        {"warning", "warn", "major", "minor", "average", "medium", "ticket", "p2", "p3", "sev2"}
    ),
    AlertSeverity.INFO: frozenset(
        {"info", "information", "informational", "none", "low", "debug", "notice", "p4", "p5"}
    ),
}
_BY_WORD = {word: severity for severity, words in _SEVERITIES.items() for word in words}


@dataclass(frozen=True, slots=True)
class AlertmanagerAlert:
    """One alert as Alertmanager tells it; ``state`` is unprocessed, active or suppressed."""

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    updated_at: datetime | None
    state: str
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()
    generator_url: str | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """``state`` is pending, active or expired."""

    id: str
    state: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class NewSilence:
    """A silence to make."""

    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str


@dataclass(frozen=True, slots=True)
class AlertmanagerStatus:
    """``cluster`` is the gossip state: ready, settling or disabled."""

    version: str
    cluster: str
    peers: tuple[str, ...] = field(default=())


class AlertmanagerClient:
    """Every method raises the errors of `HttpClient.request`."""

    def __init__(self, http: HttpClient) -> None:
        self.http = http

    async def alerts(
        self,
        *,
        active: bool = True,
        silenced: bool = True,
        inhibited: bool = True,
        unprocessed: bool = True,
        filter: Sequence[str] = (),  # noqa: A002 (Alertmanager's own name of the parameter)
        receiver: str | None = None,
    ) -> list[AlertmanagerAlert]:
        """The alerts it holds now; ``filter`` are matchers such as ``severity=~"crit.*"``."""
        flags = {
            "active": active,
            "silenced": silenced,
            "inhibited": inhibited,
            "unprocessed": unprocessed,
        }
        params = [
            *((name, "true" if flag else "false") for name, flag in flags.items()),
            *(("filter", matcher) for matcher in filter),
            *([("receiver", receiver)] if receiver else []),
        ]
        payload = await self.http.get_json("/api/v2/alerts", params)
        return self._read(parse_alerts, payload)

    async def silences(self, *, filter: Sequence[str] = ()) -> list[Silence]:  # noqa: A002 (as above)
        payload = await self.http.get_json(
            "/api/v2/silences", [("filter", matcher) for matcher in filter]
        )
        return self._read(parse_silences, payload)

    async def create_silence(self, silence: NewSilence) -> str:
        """Make a silence; its id. Sent once: a second one would be another silence."""
        body = {
            "matchers": [
                {
                    "name": matcher.name,
                    "value": matcher.value,
                    "isRegex": matcher.is_regex,
                    "isEqual": matcher.is_equal,
                }
                for matcher in silence.matchers
            ],
            "startsAt": silence.starts_at.isoformat(),
            "endsAt": silence.ends_at.isoformat(),
            "createdBy": silence.created_by,
            "comment": silence.comment,
        }
        answer = await self.http.request(
            "POST", "/api/v2/silences", content=orjson.dumps(body), repeatable=False
        )
        return self._read(_silence_id, self.http.parsed(answer))

    async def expire_silence(self, silence_id: str) -> None:
        """End a silence now.

        Raises:
            BackendRefused: there is none of this id (404), or it has ended already.
        """
        path = f"/api/v2/silence/{quote(silence_id, safe='')}"
        await self.http.request("DELETE", path, repeatable=False)

    async def status(self) -> AlertmanagerStatus:
        return self._read(parse_status, await self.http.get_json("/api/v2/status"))

    async def healthy(self) -> None:
        """Returns when it answers; else raises why not. Routes expose only ``/api``."""
        try:
            await self.http.request("GET", "/-/ready")
        except (BackendRefused, BackendMisbehaved):
            await self.status()

    async def aclose(self) -> None:
        await self.http.aclose()

    def _read(self, read: Callable[[Any], _T], payload: Any) -> _T:
        try:
            return read(payload)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            target = self.http.target
            raise BackendMisbehaved(
                f"{target}: JSON that is not Alertmanager's API v2.",
                "Check that the URL is that of an Alertmanager 0.22 or newer (without /api/v2).",
                details={"backend": target.name, "cluster": target.cluster},
            ) from error


def parse_alerts(payload: Any) -> list[AlertmanagerAlert]:
    return [parse_alert(item) for item in _list(payload)]


def parse_alert(item: dict[str, Any]) -> AlertmanagerAlert:
    """One alert of ``GET /api/v2/alerts``."""
    status: dict[str, Any] = item.get("status") or {}
    return AlertmanagerAlert(
        fingerprint=item.get("fingerprint") or label_fingerprint(item["labels"]),
        labels=dict(item["labels"]),
        annotations=dict(item.get("annotations") or {}),
        starts_at=_moment(item["startsAt"]),
        ends_at=parse_end(item.get("endsAt")),
        updated_at=parse_end(item.get("updatedAt")),
        state=status.get("state") or "active",
        silenced_by=tuple(status.get("silencedBy") or ()),
        inhibited_by=tuple(status.get("inhibitedBy") or ()),
        muted_by=tuple(status.get("mutedBy") or ()),
        receivers=tuple(receiver["name"] for receiver in item.get("receivers") or ()),
        generator_url=item.get("generatorURL") or None,
    )


def _silence_id(payload: Any) -> str:
    return str(payload["silenceID"])


def parse_silences(payload: Any) -> list[Silence]:
    return [
        Silence(
            id=item["id"],
            state=item["status"]["state"],
            matchers=tuple(_matcher(matcher) for matcher in item["matchers"]),
            starts_at=_moment(item["startsAt"]),
            ends_at=_moment(item["endsAt"]),
            created_by=item.get("createdBy") or "",
            comment=item.get("comment") or "",
        )
        for item in _list(payload)
    ]


def _matcher(item: dict[str, Any]) -> Matcher:
    # isEqual came with 0.22; absent means true.
    return Matcher(
        name=item["name"],
        value=item["value"],
        is_regex=bool(item.get("isRegex")),
        is_equal=item.get("isEqual") is not False,
    )


def parse_status(payload: Any) -> AlertmanagerStatus:
    cluster: dict[str, Any] = payload["cluster"]
    return AlertmanagerStatus(
        version=str(payload["versionInfo"]["version"]),
        cluster=str(cluster.get("status") or "disabled"),
        peers=tuple(str(peer.get("address")) for peer in cluster.get("peers") or ()),
    )


def to_alerts(
    cluster: Cluster,
    alerts: Iterable[AlertmanagerAlert],
    *,
    now: datetime | None = None,
    severities: Mapping[str, AlertSeverity] = MappingProxyType({}),
) -> tuple[Alert, ...]:
    """Alertmanager's alerts as ours; one whose end lies before ``now`` is resolved.

    ``severities`` are further words of severity labels.
    """
    return tuple(_to_alert(cluster, alert, now, severities) for alert in alerts)


def _to_alert(
    cluster: Cluster,
    alert: AlertmanagerAlert,
    now: datetime | None,
    severities: Mapping[str, AlertSeverity],
) -> Alert:
    is_over = now is not None and alert.ends_at is not None and alert.ends_at <= now
    return Alert(
        id=occurrence_id(cluster, alert.fingerprint, alert.starts_at),
        fingerprint=alert.fingerprint,
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        alertname=alert.labels.get("alertname", ""),
        severity=severity_of(alert.labels, severities),
        state=AlertState.RESOLVED if is_over else AlertState.FIRING,
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        starts_at=alert.starts_at,
        # While an alert fires, endsAt is only when Alertmanager would give it up unheard of.
        ends_at=alert.ends_at if is_over else None,
        generator_url=alert.generator_url,
        silenced_by=(*alert.silenced_by, *alert.muted_by),
        inhibited_by=alert.inhibited_by,
    )


def occurrence_id(cluster: Cluster, fingerprint: str, starts_at: datetime) -> str:
    """The same for one occurrence at every reading; another when the alert fires anew."""
    return str(uuid5(_OCCURRENCES, f"{cluster.id}/{fingerprint}/{starts_at.isoformat()}"))


def severity_of(
    labels: Mapping[str, str], more: Mapping[str, AlertSeverity] = MappingProxyType({})
) -> AlertSeverity:
    """By the ``severity`` label; one that is missing or unknown counts as a warning.

    ``more`` are words (lower case) that the caller knows, and win over ours.
    """
    word = labels.get("severity", labels.get("priority", "")).strip().lower()
    return more.get(word) or _BY_WORD.get(word, AlertSeverity.WARNING)


def label_fingerprint(labels: Mapping[str, str]) -> str:
    """Alertmanager's hash of the labels, 16 hex digits.

    Source: prometheus/common ``model/signature.go`` (FNV-1a, 64 bit, 255 between the parts).
    """
    return _fingerprint(tuple(sorted(labels.items())))


@lru_cache(maxsize=20_000)
def _fingerprint(pairs: tuple[tuple[str, str], ...]) -> str:
    # A tenth of a millisecond an alert, and the same alerts come at every look.
    state = 14695981039346656037
    for name, value in pairs:
        for byte in (*name.encode(), 255, *value.encode(), 255):
            state = ((state ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


def _list(payload: Any) -> list[Any]:
    if not isinstance(payload, list):
        raise TypeError("not a list")
    return cast("list[Any]", payload)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def parse_end(text: str | None) -> datetime | None:
    """A time that may be unset: absent, or Go's zero time."""
    return None if not text or text.startswith("0001-01-01") else _moment(text)

"""What the Alertmanager API v2 answers, as values, and what its fingerprints are. Pure.

Source: prometheus/alertmanager ``api/v2/openapi.yaml``, 0.22 to 0.34.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from aiops_mcp.models.silences import Matcher

_SILENCE_STATES = frozenset({"pending", "active", "expired"})


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


def parse_alerts(payload: Any) -> list[AlertmanagerAlert]:
    return [parse_alert(item) for item in _list(payload)]


def parse_alert(item: dict[str, Any]) -> AlertmanagerAlert:
    """One alert of ``GET /api/v2/alerts``."""
    status: dict[str, Any] = item.get("status") or {}
    return AlertmanagerAlert(
        fingerprint=item.get("fingerprint") or label_fingerprint(item["labels"]),
        labels=_texts(item["labels"]),
        annotations=_texts(item.get("annotations") or {}),
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


def parse_silence_id(payload: Any) -> str:
    """Of the answer to a silence that was made."""
    return str(payload["silenceID"])


def parse_silences(payload: Any) -> list[Silence]:
    return [
        Silence(
            id=item["id"],
            state=_silence_state(item["status"]["state"]),
            matchers=tuple(_matcher(matcher) for matcher in item["matchers"]),
            starts_at=_moment(item["startsAt"]),
            ends_at=_moment(item["endsAt"]),
            created_by=item.get("createdBy") or "",
            comment=item.get("comment") or "",
        )
        for item in _list(payload)
    ]


def _silence_state(text: str) -> str:
    if text not in _SILENCE_STATES:
        raise ValueError(f"a silence in the state {text!r}")
    return text


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


def _texts(pairs: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(text) for name, text in pairs.items()}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


def parse_end(text: str | None) -> datetime | None:
    """A time that may be unset: absent, or Go's zero time."""
    return None if not text or text.startswith("0001-01-01") else _moment(text)

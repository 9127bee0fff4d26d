"""A look at a cluster's alerts that costs next to nothing while they are the same.

The answer is compared by its bytes first, and then by what makes an occurrence, before anything is
built of it. Alertmanager rewrites ``endsAt`` and ``updatedAt`` about once a minute, so that bytes
alone do not tell.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from aiops_mcp.backends import faults
from aiops_mcp.backends.alertmanager import AlertmanagerClient
from aiops_mcp.backends.alertmanager_answers import (
    AlertmanagerAlert,
    label_fingerprint,
    parse_alert,
    parse_end,
)
from aiops_mcp.backends.prometheus import PrometheusClient
from aiops_mcp.backends.prometheus_answers import prometheus_refusal


@dataclass(frozen=True, slots=True)
class PolledAlert:
    """One firing alert, its times still text; ``read`` builds the rest of it."""

    fingerprint: str
    alertname: str
    starts_at: str
    ends_at: str | None
    raw: Mapping[str, Any]
    read: Callable[[Mapping[str, Any]], AlertmanagerAlert]

    def alert(self) -> AlertmanagerAlert:
        return self.read(self.raw)

    def ends(self) -> datetime | None:
        """When the source gives it up unless it hears of it again."""
        return parse_end(self.ends_at)


@dataclass(frozen=True, slots=True)
class Poll:
    """``alerts`` is None where the answer is the one of ``digest`` before."""

    digest: bytes
    alerts: tuple[PolledAlert, ...] | None


async def poll_alertmanager(client: AlertmanagerClient, known: bytes | None) -> Poll:
    """What it holds, suppressed alerts included. Raises as `AlertmanagerClient.alerts`."""
    answer = await client.http.request("GET", "/api/v2/alerts")
    digest = _digest(answer.body)
    if digest == known:
        return Poll(digest, None)
    payload = client.http.parsed(answer)
    return Poll(digest, _read(client, payload, _of_alertmanager))


async def poll_prometheus(client: PrometheusClient, known: bytes | None) -> Poll:
    """What its rules hold as firing. Raises as `PrometheusClient.alerts`."""
    answer = await client.http.request("GET", "/api/v1/alerts", read_error=prometheus_refusal)
    digest = _digest(answer.body)
    if digest == known:
        return Poll(digest, None)
    payload = client.http.parsed(answer)
    return Poll(digest, _read(client, payload, _of_prometheus))


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


def _read(
    client: AlertmanagerClient | PrometheusClient,
    payload: Any,
    read: Callable[[Any], tuple[PolledAlert, ...]],
) -> tuple[PolledAlert, ...]:
    try:
        return read(payload)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise faults.foreign(
            client.http.target,
            "JSON that is not a list of alerts",
            "Check that the URL is that of the backend, without its /api.",
        ) from error


def _of_alertmanager(payload: Any) -> tuple[PolledAlert, ...]:
    if not isinstance(payload, list):
        raise TypeError("not a list")
    items = cast("list[dict[str, Any]]", payload)
    return tuple(
        PolledAlert(
            fingerprint=item.get("fingerprint") or label_fingerprint(item["labels"]),
            alertname=item["labels"].get("alertname", ""),
            starts_at=item["startsAt"],
            ends_at=item.get("endsAt"),
            raw=item,
            read=_whole,
        )
        for item in items
    )


def _whole(item: Mapping[str, Any]) -> AlertmanagerAlert:
    return parse_alert(dict(item))


def _of_prometheus(payload: Any) -> tuple[PolledAlert, ...]:
    items: list[dict[str, Any]] = payload["data"].get("alerts") or []
    return tuple(
        PolledAlert(
            fingerprint=label_fingerprint(item["labels"]),
            alertname=item["labels"].get("alertname", ""),
            starts_at=item["activeAt"],
            ends_at=None,
            raw=item,
            read=_of_rule,
        )
        for item in items
        if item["state"] == "firing"
    )


def _of_rule(item: Mapping[str, Any]) -> AlertmanagerAlert:
    labels: dict[str, str] = item["labels"]
    return AlertmanagerAlert(
        fingerprint=label_fingerprint(labels),
        labels=labels,
        annotations=item.get("annotations") or {},
        starts_at=datetime.fromisoformat(item["activeAt"]),
        ends_at=None,
        updated_at=None,
        state="active",
    )

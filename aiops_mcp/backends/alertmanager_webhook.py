"""What an Alertmanager sends to a webhook, version 4, read and checked. Pure.

Source: prometheus/alertmanager ``notify/webhook/webhook.go`` and ``template/template.go``. Since
0.28 the body may be a template of the receiver's own, so nothing in it is taken for granted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, cast

import orjson

from aiops_mcp.backends.alertmanager_answers import AlertmanagerAlert, label_fingerprint, parse_end
from aiops_mcp.errors import InputError

_FINGERPRINT = re.compile(r"^[0-9a-f]{16}$")
_MOST_ALERTS = 50_000
_MOST_LABELS = 256
_HINT = "Send Alertmanager's own webhook body, version 4, without a template."


class MalformedWebhook(InputError):
    """The body is no message of Alertmanager's webhook."""

    status: ClassVar[int] = 400


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """``truncated`` is how many alerts Alertmanager left out (``max_alerts`` of the receiver)."""

    alerts: tuple[AlertmanagerAlert, ...]
    receiver: str
    group_key: str
    truncated: int


def parse_webhook(body: bytes) -> WebhookMessage:
    """A message from its JSON. An alert's ``state`` is ``firing`` or ``resolved`` here.

    Raises:
        MalformedWebhook: details name the field.
    """
    try:
        message: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedWebhook(f"The body is not valid JSON: {error.msg}.", _HINT) from error
    if not isinstance(message, dict):
        raise _wrong("(all)", "must be an object")
    fields = cast("dict[str, Any]", message)
    version = fields.get("version")
    if version is not None and version != "4":
        raise _wrong("version", 'must be "4"')
    items = fields.get("alerts")
    if not isinstance(items, list):
        raise _wrong("alerts", "must be a list")
    alerts = cast("list[Any]", items)
    if len(alerts) > _MOST_ALERTS:
        raise _wrong("alerts", f"holds more than {_MOST_ALERTS}")
    return WebhookMessage(
        alerts=tuple(_alert(item, f"alerts.{at}") for at, item in enumerate(alerts)),
        receiver=_optional_text(fields, "receiver"),
        group_key=_optional_text(fields, "groupKey"),
        truncated=_truncated(fields),
    )


def _truncated(fields: Mapping[str, Any]) -> int:
    count = fields.get("truncatedAlerts") or 0
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise _wrong("truncatedAlerts", "must be a count")
    return count


def _alert(item: Any, where: str) -> AlertmanagerAlert:
    if not isinstance(item, dict):
        raise _wrong(where, "must be an object")
    fields = cast("dict[str, Any]", item)
    status = fields.get("status")
    if status not in ("firing", "resolved"):
        raise _wrong(f"{where}.status", "must be firing or resolved")
    labels = _texts(fields.get("labels"), f"{where}.labels")
    if not labels:
        raise _wrong(f"{where}.labels", "must name at least one label")
    starts_at = _moment(fields.get("startsAt"), f"{where}.startsAt")
    if starts_at is None:
        raise _wrong(f"{where}.startsAt", "is missing")
    ends_at = _moment(fields.get("endsAt"), f"{where}.endsAt")
    if status == "resolved" and ends_at is None:
        raise _wrong(f"{where}.endsAt", "is missing of a resolved alert")
    url = fields.get("generatorURL")
    return AlertmanagerAlert(
        fingerprint=_fingerprint(fields.get("fingerprint"), labels),
        labels=labels,
        annotations=_texts(fields.get("annotations") or {}, f"{where}.annotations"),
        starts_at=starts_at,
        ends_at=ends_at if status == "resolved" else None,
        updated_at=None,
        state=status,
        generator_url=url if isinstance(url, str) and url else None,
    )


def _fingerprint(given: Any, labels: Mapping[str, str]) -> str:
    """The one sent, where it looks like one; a template may have lost it."""
    if isinstance(given, str) and _FINGERPRINT.match(given):
        return given
    return label_fingerprint(labels)


def _texts(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong(where, "must be an object")
    pairs = cast("dict[str, Any]", value)
    if len(pairs) > _MOST_LABELS:
        raise _wrong(where, f"holds more than {_MOST_LABELS}")
    for name, text in pairs.items():
        if not isinstance(text, str):
            raise _wrong(f"{where}.{name[:100]}", "must be text")
    return pairs


def _moment(text: Any, where: str) -> datetime | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise _wrong(where, "must be a time")
    form = "must be a time such as 2026-11-25T03:00:00Z"
    try:
        moment = parse_end(text)
    except ValueError as error:
        raise _wrong(where, form) from error
    # One without a zone, or that another zone does not have, cannot be compared with others.
    if moment is not None and (moment.tzinfo is None or not 1970 <= moment.year < 9999):
        raise _wrong(where, form)
    return moment


def _optional_text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise _wrong(name, "must be text")
    return value or ""


def _wrong(where: str, what: str) -> MalformedWebhook:
    fault = {"path": where, "message": what, "type": "webhook"}
    return MalformedWebhook(
        f"The webhook cannot be read: {where} {what}.", _HINT, details={"fields": [fault]}
    )

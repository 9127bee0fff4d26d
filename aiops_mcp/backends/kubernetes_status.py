"""The ``Status`` object in which Kubernetes says why not. Pure."""

from typing import Any, cast

import orjson

from aiops_mcp.backends.wire import Answer, Refusal, excerpt, plain_refusal


def kubernetes_refusal(answer: Answer) -> Refusal:
    """Reason and message of a ``Status``; a proxied backend or a proxy may answer otherwise."""
    try:
        body: Any = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return plain_refusal(answer)
    if not isinstance(body, dict):
        return plain_refusal(answer)
    status = cast("dict[str, Any]", body)
    if status.get("kind") != "Status":
        return plain_refusal(answer)
    return status_refusal(status)


def status_refusal(status: dict[str, Any]) -> Refusal:
    """``details`` hold the machine-readable ``reason``, such as ``Forbidden``."""
    reason = str(status.get("reason") or "")
    message = excerpt(str(status.get("message") or reason or "no reason given"))
    return Refusal(message, details={"reason": reason} if reason else {})

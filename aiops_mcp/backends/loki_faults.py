"""What Loki's plain-text refusals mean, as errors of ours. Pure.

Source of the texts: grafana/loki ``pkg/querier``, ``pkg/logql``, ``pkg/validation``;
observatorium/api for a LokiStack gateway.
"""

import re

from aiops_mcp.errors import (
    AiopsError,
    BackendRefused,
    BackendUnauthorized,
    InvalidLogql,
    QueryTooExpensive,
)

_NAMESPACE = ("kubernetes_namespace_name", "k8s_namespace_name")
_POSITION = re.compile(r"at line (\d+), col (\d+)")
_TOO_EXPENSIVE = (
    (
        ("max entries limit",),
        "Ask for a smaller limit (Loki takes 5000 at most) and page with the cursor.",
    ),
    (
        ("time range exceeds the limit", "query length", "range exceeds"),
        "Ask for a shorter range: a later start_time, or several questions.",
    ),
    (
        ("maximum number of series",),
        "Aggregate in the query: sum by (namespace) (…), or topk(10, …).",
    ),
    (
        ("too many bytes",),
        "Add matchers to the selector, or ask for a shorter range.",
    ),
)
_INVALID = (
    (
        ("at least one regexp or equality matcher",),
        'Begin with a matcher that cannot match empty, such as {namespace="…"}.',
    ),
    (
        ("parse error", "syntax error", "unexpected", "not supported", "invalid query"),
        "Correct the LogQL where it says.",
    ),
)
_NO_TENANT = "This Loki has tenants: append ?tenant=NAME to its URL, or set AIOPS_LOKI_TENANT."


def explained(error: BackendRefused, query: str, *, is_gateway: bool) -> AiopsError:
    """The error that says what was wrong with the query, or the same one where nothing is known."""
    if isinstance(error, BackendUnauthorized):
        return _forbidden(error, query) if is_gateway and error.http_status == 403 else error
    if error.http_status != 400:
        return error
    reason, details = error.message.lower(), dict(error.details)
    if "no org id" in reason:
        return BackendRefused(error.message, _NO_TENANT, http_status=400, details=details)
    if hint := _hint(_TOO_EXPENSIVE, reason):
        return QueryTooExpensive(error.message, hint, details=details)
    if hint := _hint(_INVALID, reason):
        if place := _POSITION.search(error.message):
            details.update(line=int(place.group(1)), column=int(place.group(2)))
        return InvalidLogql(error.message, hint, details=details)
    return error


def _hint(known: tuple[tuple[tuple[str, ...], str], ...], reason: str) -> str | None:
    return next((hint for texts, hint in known if any(text in reason for text in texts)), None)


def _forbidden(error: BackendUnauthorized, query: str) -> BackendUnauthorized:
    """A LokiStack gateway lets those who are no admins ask one namespace of theirs at a time."""
    if any(name in query for name in _NAMESPACE):
        hint = (
            "The account may not read this namespace's logs: grant it cluster-logging-"
            "application-view there (infrastructure, audit: a cluster role)."
        )
    else:
        hint = (
            'Name the namespace in the selector: {kubernetes_namespace_name="…"}, or '
            '{k8s_namespace_name="…"} where labels are OpenTelemetry\'s. Infrastructure and '
            "audit logs need a cluster role."
        )
    return BackendUnauthorized(
        error.message, hint, http_status=error.http_status, details=error.details
    )

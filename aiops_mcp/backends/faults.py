"""What the network did to a call, named: one error with a message and a hint for each kind.

Pure: an exception of the HTTP library or an answer goes in, an error of ours comes out. The
caller chains the cause.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from aiops_mcp.backends.wire import Answer, Refusal, Target
from aiops_mcp.errors import (
    BackendError,
    BackendMisbehaved,
    BackendRefused,
    BackendRejected,
    BackendUnauthorized,
    ClusterUnreachable,
    QueryTimeout,
)

_VERIFY = {
    10: ("has expired", "Renew the server's certificate."),
    18: ("is self-signed", "Store the server's CA as ca_bundle with the cluster's credentials."),
    62: ("is for another host name", "Use a URL whose host stands in the certificate."),
    64: ("is for another IP address", "Use a URL whose host stands in the certificate."),
}
_PLAIN_PORT = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"}
_UNUSABLE = (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError)
_NO_FAULT = (ssl.SSLWantReadError, ssl.SSLWantWriteError)  # only how a TLS stream waits
_UNKNOWN_CA = (
    "is signed by a CA that is not trusted here",
    "Store the server's CA (PEM) as ca_bundle with the cluster's credentials.",
)


def details_of(target: Target, **more: Any) -> dict[str, Any]:
    return {"backend": target.name, "cluster": target.cluster, **more}


def address(target: Target) -> str:
    """Scheme, host and port, without path or userinfo."""
    parts = urlsplit(target.base_url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def transport_fault(target: Target, error: Exception) -> BackendError:
    """The error for an exception of the HTTP library."""
    if isinstance(error, httpx2.ConnectTimeout):
        return ClusterUnreachable(
            f"{target}: no connection to {address(target)} in time.",
            "The host is down, or a firewall drops the packets; check the URL and the network.",
            details=details_of(target, fault="connect_timeout"),
        )
    if isinstance(error, httpx2.PoolTimeout):
        return QueryTimeout(
            f"{target}: too many calls at the same time, none ended in time.",
            "Ask for less at once, or raise the timeout.",
            details=details_of(target, fault="pool_timeout"),
        )
    if isinstance(error, httpx2.TimeoutException):
        return no_answer_in_time(target, None, 0)
    if isinstance(error, httpx2.DecodingError):
        return BackendMisbehaved(
            f"{target}: the answer's compression is broken.",
            "A proxy in between may be cutting answers.",
            details=details_of(target, fault="encoding"),
        )
    if isinstance(
        error, (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError)
    ):
        return ClusterUnreachable(
            f"{target}: the URL or a header cannot be used for a call.",
            "Correct the URL (https://host:port) and the token (one line, no spaces).",
            details=details_of(target, fault="url"),
        )
    return _connection_fault(target, error)


def is_lasting(error: BackendError) -> bool:
    """Whether trying again cannot help: a certificate or a name does not change in seconds."""
    return error.details.get("fault") in {"tls", "tls_to_plain", "dns", "url", "connect_timeout"}


def _connection_fault(target: Target, error: Exception) -> ClusterUnreachable:
    message, hint, fault = _explain(target, error)
    return ClusterUnreachable(f"{target}: {message}", hint, details=details_of(target, fault=fault))


def _explain(target: Target, error: Exception) -> tuple[str, str, str]:
    where = address(target)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            what, hint = _VERIFY.get(cause.verify_code, _UNKNOWN_CA)
            return f"the certificate of {where} {what}.", hint, "tls"
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, _NO_FAULT):
            return _explain_tls(where, cause)
        if isinstance(cause, socket.gaierror):
            host = urlsplit(target.base_url).hostname
            return (
                f"the host name {host} cannot be resolved.",
                "Check the spelling of the URL, and that this machine's DNS knows the name.",
                "dns",
            )
        if isinstance(cause, ConnectionRefusedError):
            return (
                f"{where} refuses the connection.",
                "Nothing listens there: check the port, and that the server runs.",
                "refused",
            )
    return _explain_break(target, where, error)


def _explain_tls(where: str, cause: ssl.SSLError) -> tuple[str, str, str]:
    reason = (cause.reason or "").upper()
    if reason in {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
    }:
        return (
            f"{where} does not speak TLS.",
            "It is a plain HTTP port: use http:// in the URL, or the server's TLS port.",
            "tls_to_plain",
        )
    if "CERTIFICATE_REQUIRED" in reason or "BAD_CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return (
            f"{where} does not accept the client certificate, or asks for one.",
            "Store a kubeconfig with a client certificate that its CA has signed.",
            "tls",
        )
    return (
        f"no TLS connection to {where} ({reason.replace('_', ' ').lower()}).",
        "Check that the URL names a TLS port, and the proxies in between.",
        "tls",
    )


def _explain_break(target: Target, where: str, error: Exception) -> tuple[str, str, str]:
    if isinstance(error, httpx2.ConnectError):
        if target.base_url.startswith("https:") and not any(
            isinstance(cause, OSError) for cause in _causes(error)
        ):
            return (
                f"{where} closed the connection during the TLS handshake.",
                "Check that the URL names a TLS port, and the proxies in between.",
                "tls",
            )
        return f"no connection to {where}.", "Check the URL and the network.", "connect"
    if target.base_url.startswith("http:") and isinstance(
        error, (httpx2.RemoteProtocolError, httpx2.ReadError)
    ):
        return (
            f"{where} answered nothing that is HTTP, or closed the connection.",
            "If that is a TLS port, use https:// in the URL; else the server may be restarting.",
            "closed",
        )
    hint = "The server or a proxy may be restarting; try again."
    if target.base_url.startswith("https:") and target.tls.client_cert is None:
        # With TLS 1.3 a server that misses one accepts the handshake, and then hangs up.
        hint = "It may want a client certificate, or a server or proxy may be restarting."
    return f"{where} closed the connection before its answer was complete.", hint, "closed"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that led to it, exception groups included."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            group = cast("BaseExceptionGroup[BaseException]", current)
            pending.extend(group.exceptions)
        pending.extend(e for e in (current.__cause__, current.__context__) if e is not None)


def no_answer_in_time(target: Target, seconds: float | None, received: int) -> QueryTimeout:
    within = f" within {seconds:g} s" if seconds is not None else " in time"
    so_far = f" ({received} bytes arrived)" if received else ""
    return QueryTimeout(
        f"{target}: no complete answer{within}{so_far}.",
        "Ask for less (shorter range, larger step, fewer series), or raise the timeout.",
        details=details_of(target, fault="timeout"),
    )


def too_large(target: Target, limit: int) -> BackendMisbehaved:
    return BackendMisbehaved(
        f"{target}: the answer is larger than {limit:,} bytes and was cut off.",
        "Ask for less: fewer series, a shorter range, a limit; or raise max_response_bytes.",
        details=details_of(target, fault="too_large", limit_bytes=limit),
    )


def not_json(target: Target, answer: Answer) -> BackendMisbehaved:
    """The error for an answer that should have been JSON."""
    if not answer.body.strip():
        what, hint = "an empty answer", "Check that the URL is this backend's own."
    elif answer.is_html:
        what = "an HTML page instead of JSON"
        hint = "A login page or another program answers at this URL; use the API's own URL."
    elif answer.body.lstrip()[:1] in (b"{", b"["):
        what = f"JSON that breaks off or is malformed ({len(answer.body)} bytes)"
        hint = "A proxy in between may be cutting answers, or the server died while answering."
    else:
        what = f"{answer.media_type or 'something'} instead of JSON"
        hint = "Check that the URL is this backend's own."
    return BackendMisbehaved(
        f"{target}: {what}.", hint, details=details_of(target, fault="not_json")
    )


def foreign(target: Target, what: str, hint: str) -> BackendMisbehaved:
    """What came is JSON, but not such as this backend answers."""
    return BackendMisbehaved(f"{target}: {what}.", hint, details=details_of(target))


def not_kubernetes(
    target: Target, what: str = "JSON that is not the Kubernetes API's"
) -> BackendMisbehaved:
    return foreign(target, what, "Check that the URL is that of the API server.")


def redirected(target: Target, status: int, location: str) -> BackendError:
    """Redirects are never followed: they would carry the token elsewhere."""
    parts = urlsplit(location)
    shown = f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path
    message = f"{target}: redirects to {shown or 'nowhere'} (HTTP {status}) instead of answering."
    wants_login = any(word in location.lower() for word in ("login", "oauth", "auth", "sso"))
    if wants_login or status in {302, 303}:
        return BackendUnauthorized(
            message,
            "Without a valid token it sends callers to a login page: store a token, "
            "and use the API's URL, not the console's.",
            http_status=status,
            details=details_of(target),
        )
    return BackendMisbehaved(
        message, "Register the URL it redirects to, if that is yours.", details=details_of(target)
    )


def refused(target: Target, answer: Answer, refusal: Refusal) -> BackendError:
    """The error for a status of 400 or more."""
    status = answer.status
    more: Mapping[str, Any] = refusal.details
    details = details_of(target, http_status=status, **more)
    said = f": {refusal.reason}" if refusal.reason else "."
    said = said if said.endswith((".", "!", "?", "…")) else f"{said}."
    if refusal.too_heavy or status == 504:
        return QueryTimeout(
            f"{target}: gave up on the call (HTTP {status}){said}",
            "The query is too heavy: shorten the range, enlarge the step, or select less.",
            details=details,
        )
    if status == 401:
        return BackendUnauthorized(
            f"{target}: the credentials are not accepted (HTTP 401){said}",
            "The stored token or certificate is wrong or expired: store new credentials.",
            http_status=status,
            details=details,
        )
    if status == 403:
        return BackendUnauthorized(
            f"{target}: the credentials do not allow this (HTTP 403){said}",
            _GRANTS.get(target.name, "Grant the account the right that the message names."),
            http_status=status,
            details=details,
        )
    if status in {502, 503}:
        return ClusterUnreachable(
            f"{target}: not available behind its proxy, or not ready (HTTP {status}){said}",
            "Check that the backend's pods run; try again.",
            details=details,
        )
    if status == 400 and "HTTP request" in refusal.reason and "HTTPS" in refusal.reason:
        return ClusterUnreachable(
            f"{target}: {address(target)} is a TLS port.",
            "Use https:// in the URL.",
            details={**details, "fault": "plain_to_tls"},
        )
    kind = BackendRejected if status in _REJECTIONS else BackendRefused
    return kind(
        f"{target}: refused the call (HTTP {status}){said}",
        _HINTS.get(status, "The reason is the backend's own: correct the call accordingly."),
        http_status=status,
        details=details,
    )


_REJECTIONS = (400, 413, 414, 422)
_GRANTS = {
    "prometheus": "Grant the account the right (on OpenShift: cluster-monitoring-view).",
    "alertmanager": "Grant the account the right (on OpenShift: monitoring-alertmanager-view).",
}
_HINTS = {
    404: "If everything is 404, the URL is not that of this backend.",
    405: "The URL is not that of this backend's API.",
    429: "It is overloaded: ask less often.",
}

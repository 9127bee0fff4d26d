"""Failures as HTTP answers, all in the contract's one shape, none with what must not leave.

    {"error": {"code", "message", "details", "trace_id", "timestamp"}}

Pure but for one log line about what was not foreseen.
"""

import logging
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from aiops_mcp.errors import (
    AccessError,
    AiopsError,
    AuthExpired,
    AuthFailed,
    InputError,
    RateLimited,
    ResourceNotFound,
)
from aiops_mcp.surfaces.guard import guard_json
from aiops_mcp.surfaces.ratelimit import TooManyRequests
from aiops_mcp.telemetry import current_trace_id, trace_id_of

_log = logging.getLogger(__name__)


class MethodNotAllowed(InputError):
    """The path is there, but not for this method; ``allow`` are those it takes."""

    status = 405

    def __init__(self, method: str, path: str, allow: tuple[str, ...]) -> None:
        super().__init__(f"{path} does not take {method}.", f"Use {', '.join(allow)}.")
        self.allow = allow


class UnsupportedMedia(InputError):
    """The body is not JSON, or is encoded in a way we do not read."""

    status = 415


class HostRefused(AccessError):
    """The Host header names a host that is not ours: DNS rebinding, or a name not configured."""

    code = "PERMISSION_DENIED"
    status = 421


class RequestFailed(AiopsError):
    """What Starlette refuses by itself, with its own status."""

    code = "VALIDATION_FAILED"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.http_status = status


def http_status(error: BaseException) -> int:
    """The HTTP status an error is answered with."""
    if isinstance(error, RequestFailed):
        return error.http_status
    return error.status if isinstance(error, AiopsError) else 500


def problem_body(error: BaseException, *, trace_id: str, now: datetime) -> dict[str, Any]:
    """The error's JSON; an unforeseen error says nothing but under which trace id it is logged."""
    if isinstance(error, AiopsError):
        code, message = error.code, str(error)
        details: Mapping[str, Any] = error.details
    else:
        code = AiopsError.code
        message = "Something went wrong on our side. The server's log has it under this trace id."
        details = {}
    body = {
        "code": code,
        "message": message,
        "details": dict(details),
        "trace_id": trace_id,
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return {"error": guard_json(body)}


def problem_response(
    error: Exception, *, headers: Mapping[str, str] | None = None, now: datetime | None = None
) -> Response:
    """The error as an HTTP answer, with ``Retry-After``, ``Allow`` or ``WWW-Authenticate``."""
    trace_id = current_trace_id.get() or trace_id_of(None)
    status = http_status(error)
    if not isinstance(error, AiopsError):
        _log.error("unforeseen error, trace id %s", trace_id, exc_info=error)
    elif status == 500:  # it has a name, yet the caller could not help it
        _log.warning("%s: %s", type(error).__name__, error)
    body = problem_body(error, trace_id=trace_id, now=now or datetime.now(UTC))
    return Response(
        to_json(body),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **_headers_of(error), **(headers or {})},
    )


def to_json(value: Any) -> bytes:
    """JSON bytes; NaN and infinities become null, whatever is no JSON becomes text."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)


def _headers_of(error: Exception) -> dict[str, str]:
    if isinstance(error, RateLimited):
        wait = {"retry-after": str(max(1, math.ceil(error.retry_after)))}
        return {**error.headers, **wait} if isinstance(error, TooManyRequests) else wait
    if isinstance(error, MethodNotAllowed):
        return {"allow": ", ".join(error.allow)}
    if isinstance(error, AuthExpired):
        return {"www-authenticate": 'Bearer realm="aiops", error="invalid_token"'}
    if isinstance(error, AuthFailed):
        return {"www-authenticate": 'Bearer realm="aiops"'}
    return {}


def exception_handlers() -> dict[Any, Callable[[Request, Exception], Response]]:
    """For ``Starlette(exception_handlers=…)``: also what no route of ours answers has our shape."""
    return {HTTPException: _refused, AiopsError: _named}


def _named(_request: Request, error: Exception) -> Response:
    return problem_response(error)


def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return problem_response(error)
    headers = dict(error.headers or {})
    if error.status_code == 404:
        return problem_response(not_found(request.url.path), headers=headers)
    return problem_response(RequestFailed(error.status_code, error.detail), headers=headers)


def not_found(path: str) -> ResourceNotFound:
    """The error for a path nobody answers."""
    return ResourceNotFound(f"There is nothing at {path[:200]}.", "See /openapi.json for what is.")

"""Every error a caller can see, one tree, with the contract's stable codes.

    AiopsError                       INTERNAL_ERROR 500
    ├── InputError                   VALIDATION_FAILED 422
    │   ├── InvalidClusterName       400
    │   ├── InvalidCredentials       CREDENTIALS_INVALID 400
    │   ├── InvalidPromql            400, with the position
    │   ├── InvalidLogql             400
    │   ├── InvalidSubscription      400
    │   ├── QueryTooExpensive        VALIDATION_FAILED 422
    │   ├── BodyTooLarge             VALIDATION_FAILED 413
    │   ├── Conflict                 VALIDATION_FAILED 409
    │   └── ContextTooLarge          400
    ├── AccessError
    │   ├── AuthFailed  AuthExpired  401
    │   └── PermissionDenied  PersonaReadonly  403
    ├── NotFound
    │   ├── ClusterNotFound  CredentialsNotFound  AlertNotFound  ReportNotFound …  404
    │   └── ResourceNotFound         VALIDATION_FAILED 404
    ├── ClusterAlreadyExists         409
    ├── SessionExpired               410
    ├── RateLimited                  429
    ├── DiscoveryFailed  ToolExecutionFailed  AnomalyDetectionFailed  StorageFailed  500
    ├── ModelNotAvailable            503 (retryable)
    └── BackendError                 what a cluster's backend did to us
        ├── ClusterUnreachable       503 (retryable)
        ├── CircuitOpen              CLUSTER_UNREACHABLE 503
        ├── LokiNotAvailable  TempoNotAvailable  503
        ├── BackendRefused           the backend understood and said no
        │   ├── BackendRejected      VALIDATION_FAILED 422: for what was asked
        │   └── BackendUnauthorized  CREDENTIALS_INVALID 400
        ├── BackendMisbehaved        it answered, but not in its own protocol
        └── QueryTimeout             504

The message says what was wrong, the hint what to do about it. Neither ever holds a secret.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class AiopsError(Exception):
    """Something failed in a way we can name.

    ``code`` and ``status`` (HTTP) are fixed per class; ``retryable`` says whether the same call
    may succeed later without a change by the caller.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, hint: str = "", *, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip() if self.hint else self.message


# --- what the caller sent -------------------------------------------------------------------


class InputError(AiopsError):
    """An argument is missing, malformed or contradicts another; details name the field paths."""

    code = "VALIDATION_FAILED"
    status = 422


class InvalidClusterName(InputError):
    code = "INVALID_CLUSTER_NAME"
    status = 400


class InvalidCredentials(InputError):
    code = "CREDENTIALS_INVALID"
    status = 400


class InvalidPromql(InputError):
    """A PromQL expression that cannot be used; ``position`` is a character offset from 0."""

    code = "INVALID_PROMQL"
    status = 400

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        position: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint, details=details)
        self.position = position
        if position is not None:
            self.details["position"] = position


class InvalidLogql(InputError):
    code = "INVALID_LOGQL"
    status = 400


class InvalidSubscription(InputError):
    code = "INVALID_SUBSCRIPTION"
    status = 400


class QueryTooExpensive(InputError):
    """The answer would flood the cluster or the reader; the hint says how to narrow it."""


class BodyTooLarge(InputError):
    status = 413


class Conflict(InputError):
    """It cannot be done now: a name is taken, or another change or answer came first."""

    status = 409


class ContextTooLarge(InputError):
    """More text than the model's context, or the session, can hold."""

    code = "CONTEXT_TOO_LARGE"
    status = 400


# --- who is asking --------------------------------------------------------------------------


class AccessError(AiopsError):
    status = 403


class AuthFailed(AccessError):
    code = "AUTH_FAILED"
    status = 401


class AuthExpired(AccessError):
    code = "AUTH_EXPIRED"
    status = 401


class PermissionDenied(AccessError):
    code = "PERMISSION_DENIED"


class PersonaReadonly(AccessError):
    """A built-in persona, or one of the personas' folder: its file is changed, not the API's."""

    code = "PERSONA_READONLY"


# --- what is not there, or already is -------------------------------------------------------


class NotFound(AiopsError):
    status = 404


class ResourceNotFound(NotFound):
    """No such route, page or object; the contract has no code of its own for it."""

    code = "VALIDATION_FAILED"


class ClusterNotFound(NotFound):
    code = "CLUSTER_NOT_FOUND"


class CredentialsNotFound(NotFound):
    code = "CREDENTIALS_NOT_FOUND"


class AlertNotFound(NotFound):
    code = "ALERT_NOT_FOUND"


class TraceNotFound(NotFound):
    code = "TRACE_NOT_FOUND"


class ReportNotFound(NotFound):
    code = "REPORT_NOT_FOUND"


class NoGpuNodes(NotFound):
    code = "NO_GPU_NODES"


class SessionNotFound(NotFound):
    code = "SESSION_NOT_FOUND"


class PersonaNotFound(NotFound):
    code = "PERSONA_NOT_FOUND"


class IncidentNotFound(NotFound):
    code = "INCIDENT_NOT_FOUND"


class SessionExpired(AiopsError):
    """A chat session whose time is over."""

    code = "SESSION_EXPIRED"
    status = 410


class ClusterAlreadyExists(AiopsError):
    code = "CLUSTER_ALREADY_EXISTS"
    status = 409


class RateLimited(AiopsError):
    """Too many requests; ``retry_after`` is in seconds."""

    code = "RATE_LIMITED"
    status = 429
    retryable = True

    def __init__(self, message: str, hint: str = "", *, retry_after: float) -> None:
        super().__init__(message, hint, details={"retry_after_seconds": retry_after})
        self.retry_after = retry_after


# --- what went wrong on our side ------------------------------------------------------------


class DiscoveryFailed(AiopsError):
    code = "DISCOVERY_FAILED"


class ToolExecutionFailed(AiopsError):
    code = "TOOL_EXECUTION_FAILED"


class AnomalyDetectionFailed(AiopsError):
    code = "ANOMALY_DETECTION_FAILED"


class ModelNotAvailable(AiopsError):
    """No language model answers: none is set, or all of them are away."""

    code = "MODEL_NOT_AVAILABLE"
    status = 503
    retryable = True


class StorageFailed(AiopsError):
    """The database refused: read-only, full, locked or away. Nothing was half-written."""

    retryable = True


# --- what a cluster's backend did -----------------------------------------------------------


class BackendError(AiopsError):
    """A call to a cluster's backend did not give an answer; details hold backend and cluster."""

    code = "CLUSTER_UNREACHABLE"
    status = 503


class ClusterUnreachable(BackendError):
    """No connection: refused, no route, DNS, TLS, or the server closed early."""

    retryable = True


class CircuitOpen(ClusterUnreachable):
    """Not asked at all: the last calls all failed, the breaker waits before it tries again."""


class LokiNotAvailable(BackendError):
    """None of the clusters asked has logs to ask: no Loki, and no pod logs either."""

    code = "LOKI_NOT_AVAILABLE"


class TempoNotAvailable(BackendError):
    """None of the clusters asked keeps traces."""

    code = "TEMPO_NOT_AVAILABLE"


class QueryTimeout(BackendError):
    code = "QUERY_TIMEOUT"
    status = 504
    retryable = True


class BackendRefused(BackendError):
    """The backend understood the call and said no; ``http_status`` is its answer's status."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        http_status: int,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint, details=details)
        self.http_status = http_status


class BackendRejected(BackendRefused):
    """400, 413, 414 or 422 from the backend: what was asked is wrong, wherever it is asked."""

    code = "VALIDATION_FAILED"
    status = 422


class BackendUnauthorized(BackendRefused):
    """401 or 403 from the backend: the stored credentials are wrong, expired or too weak."""

    code = "CREDENTIALS_INVALID"
    status = 400


class BackendMisbehaved(BackendError):
    """An answer that is not the backend's protocol: HTML, half a JSON, or far too large."""

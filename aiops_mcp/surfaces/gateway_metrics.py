"""What the HTTP surface counts about itself, for Prometheus; in a registry of its own."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class GatewayMetrics:
    """The ``gateway_*`` metrics. ``path`` is always a route's template, never what was sent."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, registry: CollectorRegistry | None = None, *, process: bool = True) -> None:
        self.registry = registry or CollectorRegistry()
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)
        self._requests = Counter(
            "gateway_requests",
            "HTTP requests answered",
            ("path", "method", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "gateway_request_duration_seconds",
            "Time until the answer was sent",
            ("path", "method"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._active = Gauge(
            "gateway_active_requests", "HTTP requests in progress", registry=self.registry
        )
        self._limited = Counter(
            "gateway_rate_limit_hits",
            "Requests refused by a rate limit",
            ("limit",),
            registry=self.registry,
        )
        self._unknown = Counter(
            "gateway_auth_failures",
            "Requests refused for a missing, unknown or expired token",
            registry=self.registry,
        )
        self._backend_errors = Counter(
            "gateway_backend_errors",
            "Clusters' backends that gave no answer, by error code",
            ("code",),
            registry=self.registry,
        )

    def started(self) -> None:
        self._active.inc()

    def finished(self, path: str, method: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "OTHER"
        self._active.dec()
        self._requests.labels(path, known, str(status)).inc()
        self._duration.labels(path, known).observe(seconds)

    def rate_limited(self, limit: str) -> None:
        self._limited.labels(limit).inc()

    def auth_failed(self) -> None:
        self._unknown.inc()

    def backend_errors(self, codes: Iterable[str]) -> None:
        for code in codes:
            self._backend_errors.labels(code).inc()

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)

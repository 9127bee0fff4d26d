"""What the event stream counts about itself: the ``ws_*`` metrics of the contract."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class StreamMetrics:
    """Metrics of one process's stream, in the registry of the gateway's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connected = Counter(
            "ws_connections", "WebSocket connections accepted", registry=registry
        )
        self._active = Gauge(
            "ws_connections_active", "WebSocket connections open now", registry=registry
        )
        self.sent = Counter("ws_messages_sent", "Frames sent to clients", registry=registry)
        self.received = Counter(
            "ws_messages_received", "Frames received from clients", registry=registry
        )
        self.routed = Counter(
            "ws_events_routed", "Events handed to clients, by type", ("type",), registry=registry
        )
        self.dropped = Counter(
            "ws_events_dropped", "Frames dropped as a client did not read", registry=registry
        )
        self._subscriptions = Gauge(
            "ws_subscription_count", "Subscriptions of all clients", registry=registry
        )
        self.latency = Histogram(
            "ws_message_latency_seconds",
            "From an event's publication until it was written to the last of its clients here",
            buckets=_BUCKETS,
            registry=registry,
        )

    def watch(self, connections: Callable[[], int], subscriptions: Callable[[], int]) -> None:
        """Read the gauges from these when they are asked for."""
        self._active.set_function(connections)
        self._subscriptions.set_function(subscriptions)

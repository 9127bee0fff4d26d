"""Distributed traces (W3C trace context): a span an operation and a call of a backend.

Off, a span costs a function call and nothing is imported; trace ids are passed on all the same,
so that a cluster's own traces and logs can be found by ours. Knows no surface and no setting.
"""

import os
import re
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from aiops_mcp.telemetry import current_trace_id

current_trace_flags: ContextVar[str] = ContextVar("current_trace_flags", default="00")
"""The flags of the caller's ``traceparent`` (``01``: it is recorded), passed on as they are."""

_NOTHING: AbstractContextManager[None] = nullcontext()
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class _Tracing:
    """What is on in this process: the library's tracer, or none."""

    tracer: Any = None


_tracing = _Tracing()


def start_tracing(endpoint: str, *, version: str) -> Callable[[], None]:
    """Record spans and send them by OTLP over HTTP; what is returned ends it.

    ``endpoint`` is a collector's root such as ``http://127.0.0.1:4318``, or its traces URL.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    url = endpoint if "/v1/" in endpoint else endpoint.rstrip("/") + "/v1/traces"
    provider = TracerProvider(
        resource=Resource.create({"service.name": "aiops-mcp", "service.version": version})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=5)))
    _tracing.tracer = provider.get_tracer("aiops_mcp", version)

    def end() -> None:
        _tracing.tracer = None
        provider.shutdown()

    return end


def span(name: str, **attributes: str | float) -> AbstractContextManager[None]:
    """A span around what is done within; a child of the one around it."""
    if _tracing.tracer is None:
        return _NOTHING
    return _span(name, attributes)


@contextmanager
def _span(name: str, attributes: dict[str, str | float]) -> Generator[None]:
    with _started(name, attributes=attributes):
        yield


@contextmanager
def _started(name: str, **more: Any) -> Generator[Any]:
    """A span that says which kind of error ended it, and not its text: that may quote a secret."""
    from opentelemetry.trace import Status, StatusCode

    with _tracing.tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False, **more
    ) as started:
        try:
            yield started
        except BaseException as error:
            started.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


@contextmanager
def request_span(
    name: str, traceparent: str | None, trace_id: str, **attributes: str
) -> Generator[str]:
    """The span of a request, continuing the caller's trace; yields the trace id to go by.

    ``trace_id`` is that of ``traceparent`` where it has a valid one.
    """
    matched = _TRACEPARENT.fullmatch(traceparent.strip()) if traceparent else None
    continued = matched is not None and matched[1] == trace_id
    flags = current_trace_flags.set(matched[3] if matched and continued else "00")
    try:
        if _tracing.tracer is None:
            yield trace_id
            return
        parent = _remote(trace_id, matched[2], matched[3]) if matched and continued else None
        with _started(name, context=parent, attributes=attributes) as started:
            yield f"{started.get_span_context().trace_id:032x}"
    finally:
        current_trace_flags.reset(flags)


def _remote(trace_id: str, span_id: str, flags: str) -> Any:
    from opentelemetry import trace

    remote = trace.SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(flags, 16)),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))


def outgoing_traceparent() -> str | None:
    """The ``traceparent`` for a call of a cluster's backend; ``None`` outside of a request."""
    if _tracing.tracer is not None:
        from opentelemetry import trace

        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    trace_id = current_trace_id.get()
    if not trace_id:
        return None
    # A span of ours that nobody records: the trace id is what joins the two sides.
    return f"00-{trace_id}-{os.urandom(8).hex()}-{current_trace_flags.get()}"

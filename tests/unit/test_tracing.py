"""Traces: the caller's is continued, clusters get it, and off it costs nothing."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx2
import pytest

from aiops_mcp import tracing
from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.telemetry import current_trace_id, trace_id_of
from aiops_mcp.tracing import outgoing_traceparent, request_span, span, start_tracing

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_outside_of_a_request_there_is_nothing_to_pass_on() -> None:
    assert outgoing_traceparent() is None
    with span("quiet", a="b"):
        assert outgoing_traceparent() is None
    assert span("one") is span("two")  # off: nothing is made


@pytest.mark.parametrize(
    ("header", "flags"), [(PARENT, "01"), (PARENT[:-2] + "00", "00"), (None, "00"), ("junk", "00")]
)
def test_the_callers_trace_goes_on_with_its_flags(header: str | None, flags: str) -> None:
    with request_span("GET /x", header, trace_id_of(header)) as trace_id:
        token = current_trace_id.set(trace_id)
        sent = outgoing_traceparent()
        current_trace_id.reset(token)
    assert sent is not None
    version, told, parent, told_flags = sent.split("-")
    assert (version, told, told_flags) == ("00", trace_id, flags)
    assert len(parent) == 16
    assert parent != SPAN
    if header == PARENT:
        assert told == TRACE
    assert tracing.current_trace_flags.get() == "00"


async def test_a_backend_gets_it_and_only_within_a_request() -> None:
    seen: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("traceparent"))
        return httpx2.Response(200, json={})

    client = HttpClient(
        Target("http://127.0.0.1:9", "Prometheus", "east"),
        transport=httpx2.MockTransport(answer),
    )
    await client.get_json("/one")
    token = current_trace_id.set(TRACE)
    await client.get_json("/two")
    current_trace_id.reset(token)
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1].startswith(f"00-{TRACE}-")


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", got
    server.shutdown()
    server.server_close()


def test_spans_reach_the_collector_as_one_trace(collector) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    url, got = collector
    end = start_tracing(url, version="1")
    try:
        with request_span("GET /x", PARENT, TRACE, client="test") as trace_id:
            assert trace_id == TRACE
            with span("list_clusters", surface="rest"):
                sent = outgoing_traceparent()
        with request_span("GET /y", None, "ab" * 16) as other:
            assert other not in (TRACE, "ab" * 16)
    finally:
        end()
    assert outgoing_traceparent() is None
    [(path, body)] = got
    assert path == "/v1/traces"
    found = {
        each.name: each
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for each in scope.spans
    }
    assert found["GET /x"].parent_span_id.hex() == SPAN
    assert found["GET /x"].trace_id.hex() == found["list_clusters"].trace_id.hex() == TRACE
    assert found["list_clusters"].parent_span_id == found["GET /x"].span_id
    assert sent == f"00-{TRACE}-{found['list_clusters'].span_id.hex()}-01"
    assert found["list_clusters"].attributes[0].key == "surface"

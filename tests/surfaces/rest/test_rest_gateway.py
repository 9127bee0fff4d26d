"""What a connection passes before any route: hosts, origins, CORS, body size, trace, log, metrics."""

import logging

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.middleware import BodyLimit, HostsAndOrigins, Observed, gateway, route_label
from aiops_mcp.telemetry import current_trace_id


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:80", "10.1.2.3", "hub.example.com",
             "a.wild.example.com", "hub.example.com."]
)  # fmt: skip
async def test_our_own_names_and_addresses_are_answered(serve, host):
    served = serve(allowed_hosts=("hub.example.com", "*.wild.example.com"))
    assert (await served.client.get("/api/v1/shelves", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.com", "localhost.evil.com", "wild.example.com", "example.com", "", "[",
             "127.0.0.1.evil.com", "127.0.0.1@evil.com", "1.2.3", "evil.com:127.0.0.1"]
)  # fmt: skip
async def test_other_names_are_refused_against_rebinding(serve, problem, host):
    served = serve(allowed_hosts=("hub.example.com", "*.wild.example.com"))
    problem(
        await served.client.get("/api/v1/shelves", headers={"host": host}), 421, "PERMISSION_DENIED"
    )


async def test_a_server_that_asks_for_tokens_takes_any_name_unless_told(serve):
    named = {"host": "aiops.example.com", "authorization": "Bearer x"}
    open_server = serve(api_tokens="admin=x")
    assert (await open_server.client.get("/api/v1/shelves", headers=named)).status_code == 200
    told = serve(api_tokens="admin=x", allowed_hosts=("other.example.com",))
    assert (await told.client.get("/api/v1/shelves", headers=named)).status_code == 421
    star = serve(allowed_hosts=("*",))
    assert (await star.client.get("/api/v1/shelves", headers=named)).status_code == 200


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "https://127.0.0.1:8080",
                                    "https://web.example.com", "HTTPS://web.example.com"])  # fmt: skip
async def test_pages_of_ours_may_call(serve, origin):
    served = serve(allowed_origins=("https://web.example.com",))
    answer = await served.client.get("/api/v1/shelves", headers={"origin": origin})
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.com", "null", "http://127.0.0.1:9", "http://127.0.0.1:80801", "",
                                    "file://127.0.0.1:8080", "https://web.example.com.evil.com"])  # fmt: skip
async def test_pages_of_others_may_not(serve, problem, origin):
    served = serve(allowed_origins=("https://web.example.com",))
    answer = await served.client.get("/api/v1/shelves", headers={"origin": origin})
    problem(answer, 403, "PERMISSION_DENIED")
    assert "access-control-allow-origin" not in answer.headers


async def test_cors_is_for_allowed_origins_only(serve):
    served = serve(allowed_origins=("https://web.example.com",))
    preflight = {
        "origin": "https://web.example.com",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "authorization,content-type",
    }
    answer = await served.client.options("/api/v1/shelves/hub", headers=preflight)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://web.example.com"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    got = await served.client.get("/api/v1/shelves", headers={"origin": "https://web.example.com"})
    assert "x-ratelimit-remaining" in got.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in got.headers
    plain = await serve().client.get("/api/v1/shelves", headers={"origin": "http://127.0.0.1:8080"})
    assert "access-control-allow-origin" not in plain.headers


async def test_a_body_declared_too_large_is_not_read(serve, problem):
    served = serve(max_body_bytes=100)
    answer = await served.client.post("/api/v1/query", json={"query": "u" * 200})
    assert problem(answer, 413, "VALIDATION_FAILED")["details"] == {"max_bytes": 100}


async def test_a_declared_length_is_enough_to_refuse():
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "headers": [(b"content-length", b"101")]}
    await BodyLimit(Response("never"), 100)(scope, receive, send)
    assert sent[0]["status"] == 413


async def test_a_body_that_grows_too_large_is_cut(serve, problem):
    served = serve(max_body_bytes=100)

    async def pieces():
        for _ in range(30):
            yield b"          "

    answer = await served.client.post(
        "/api/v1/query", content=pieces(), headers={"content-type": "application/json"}
    )
    problem(answer, 413, "VALIDATION_FAILED")
    exact = await served.client.post(
        "/api/v1/query",
        content=b'{"query":"' + b"u" * 88 + b'"}',
        headers={"content-type": "application/json"},
    )
    assert exact.status_code == 200


async def test_every_answer_has_the_callers_trace_id_or_a_new_one(client, problem):
    trace = "0af7651916cd43dd8448eb211c80319c"
    given = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    assert (await client.get("/api/v1/shelves", headers=given)).headers["x-trace-id"] == trace
    refused = await client.get("/nothing", headers=given)
    assert problem(refused, 404, "VALIDATION_FAILED")["trace_id"] == trace
    one, other = [(await client.get("/api/v1/shelves")).headers["x-trace-id"] for _ in range(2)]
    assert one != other
    assert current_trace_id.get() == ""
    assert len(one) == 32


async def test_requests_are_counted_by_template(serve):
    served = serve()
    await served.client.get("/api/v1/shelves/hub")
    await served.client.get("/api/v1/shelves/none")
    await served.client.request("BREW", "/api/v1/shelves/hub")
    for path in ("/wp-login.php", "/mcp/x", "/api/v1/a/b/c/d"):
        await served.client.get(path)
    text = served.metrics.text().decode()
    line = 'gateway_requests_total{{method="{}",path="{}",status="{}"}} {}'
    for expected in (
        line.format("GET", "/api/v1/shelves/{cluster}", 200, 1.0),
        line.format("GET", "/api/v1/shelves/{cluster}", 404, 1.0),
        line.format("OTHER", "/api/v1/shelves/{cluster}", 405, 1.0),
        line.format("GET", "/mcp", 404, 1.0),
        line.format("GET", "(other)", 404, 1.0),
        line.format("GET", "/api/v1/(unknown)", 404, 1.0),
        'gateway_request_duration_seconds_count{method="GET",path="/api/v1/shelves/{cluster}"} 2.0',
        "gateway_active_requests 0.0",
    ):
        assert expected in text
    assert "wp-login" not in text


@pytest.mark.parametrize(
    ("path", "label"),
    [("/", "/"), ("/health", "/health"), ("/health/detailed", "/health/detailed"),
     ("/healthy", "(other)"), ("/docs/assets/docs.js", "/docs")],
)  # fmt: skip
def test_labels_of_other_paths_are_few(path, label):
    assert route_label({"path": path}) == label


async def test_the_access_log_has_who_and_what_but_no_secret(serve, caplog):
    served = serve(api_tokens="admin=s3cr3t")
    with caplog.at_level(logging.INFO, "aiops_mcp.access"):
        await served.client.get(
            "/api/v1/shelves/a%0Ab?clusters=s3cr3t", headers={"authorization": "Bearer s3cr3t"}
        )
        await served.client.get("/health")
    (record,) = [record for record in caplog.records if record.name == "aiops_mcp.access"]
    assert record.getMessage().startswith("GET '/api/v1/shelves/a\\nb' 422 in ")
    assert record.subject == "admin-1"
    assert record.client == "127.0.0.1"
    assert "s3cr3t" not in str(vars(record))


def observed(app):
    metrics = GatewayMetrics(process=False)
    transport = httpx2.ASGITransport(app=Observed(app, metrics, clock=lambda: 0.0))
    return metrics, httpx2.AsyncClient(transport=transport, base_url="http://localhost")


async def test_what_nobody_caught_is_answered_and_counted(problem):
    async def broken(scope, receive, send):
        raise RuntimeError("s3cr3t")

    metrics, client = observed(broken)
    answer = await client.get("/")
    problem(answer, 500, "INTERNAL_ERROR")
    assert "s3cr3t" not in answer.text
    assert b'gateway_requests_total{method="GET",path="/",status="500"} 1.0' in metrics.text()


async def test_an_answer_that_broke_off_stays_broken():
    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in the middle")

    metrics, client = observed(half)
    with pytest.raises(RuntimeError, match="in the middle"):
        await client.get("/")
    assert b"gateway_active_requests 0.0" in metrics.text()


async def test_lifespan_passes_through_everything():
    seen = []

    async def inner(scope, receive, send):
        seen.append(scope["type"])

    settings = Settings(allowed_origins=("https://web.example.com",))
    app = gateway(inner, settings, GatewayMetrics(process=False), needs_token=False)
    await app({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_websockets_are_checked_too():
    async def echo(websocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    inner = Starlette(routes=[WebSocketRoute("/ws", echo)])
    app = gateway(inner, Settings(), GatewayMetrics(process=False), needs_token=False)
    with TestClient(app, base_url="http://localhost") as client:
        with client.websocket_connect("ws://localhost/ws") as websocket:
            websocket.send_text("hello")
            assert websocket.receive_text() == "hello"
        with (
            pytest.raises(WebSocketDisconnect) as caught,
            client.websocket_connect("ws://localhost/ws", headers={"origin": "https://evil.com"}),
        ):
            pass
        assert caught.value.code == 1008


async def test_starlettes_own_refusals_have_our_shape(serve, problem):
    async def only_get(request):
        return PlainTextResponse("hello")

    served = serve(extra=[Route("/plain", only_get)])
    answer = await served.client.post("/plain")
    problem(answer, 405, "VALIDATION_FAILED")
    assert "GET" in answer.headers["allow"]


async def test_a_named_error_of_another_route_has_our_shape(serve, problem):
    from aiops_mcp.errors import StorageFailed

    async def fails(request) -> Response:
        raise StorageFailed("The database is read-only.", "Free some space.")

    served = serve(extra=[Route("/fails", fails)])
    error = problem(await served.client.get("/fails"), 500, "INTERNAL_ERROR")
    assert error["message"] == "The database is read-only. Free some space."


async def test_middlewares_leave_other_scopes_alone():
    seen = []

    async def inner(scope, receive, send):
        seen.append(scope["type"])

    for app in (BodyLimit(inner, 1), HostsAndOrigins(inner, hosts=(), origins=())):
        await app({"type": "lifespan"}, None, None)
    assert seen == ["lifespan", "lifespan"]

"""The HTTP client over a mock transport: retries, deadlines, headers, bounds."""

import asyncio

import httpx2
import pytest

from aiops_mcp.backends.call import CONNECT_SECONDS
from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.retry import pause_before
from aiops_mcp.backends.wire import Refusal
from aiops_mcp.errors import (
    BackendMisbehaved,
    BackendRefused,
    BackendUnauthorized,
    ClusterUnreachable,
    QueryTimeout,
)


class Scripted:
    """Answers one after another; an exception among them is raised. Time is our own."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.now = 100.0
        self.pauses = []

    def handle(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def client(self, url="http://p:9090", **settings):
        target = Target(
            url,
            "prometheus",
            "c1",
            headers=settings.pop("headers", {}),
            bearer=settings.pop("bearer", None),
        )
        return HttpClient(
            target,
            transport=httpx2.MockTransport(self.handle),
            clock=lambda: self.now,
            sleep=self.sleep,
            jitter=lambda: 0.5,
            **settings,
        )


def ok(body=b"{}"):
    return httpx2.Response(200, content=body)


def status(code, body=b"", **headers):
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return httpx2.Response(code, content=body, headers=named)


REFUSED = httpx2.ConnectError("All connection attempts failed")


@pytest.mark.parametrize("code", [429, 502, 503, 504])
async def test_a_get_is_tried_again_where_that_may_help(code):
    server = Scripted(status(code), status(code), ok(b'{"a": 1}'))
    assert await server.client().get_json("/x") == {"a": 1}
    assert server.pauses == [0.1, 0.2]
    assert len(server.requests) == 3


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 422, 500])
async def test_others_are_not(code):
    server = Scripted(status(code))
    with pytest.raises(BackendRefused) as caught:
        await server.client().get_json("/x")
    assert caught.value.http_status == code
    assert isinstance(caught.value, BackendUnauthorized) is (code in {401, 403})


async def test_it_gives_up_after_so_many_retries():
    server = Scripted(*[status(503)] * 4)
    with pytest.raises(ClusterUnreachable, match="HTTP 503"):
        await server.client(retries=3).get_json("/x")
    assert len(server.requests) == 4


async def test_retry_after_is_kept_to():
    server = Scripted(status(429, retry_after="7"), ok())
    await server.client(timeout=30).get_json("/x")
    assert server.pauses == [7.1]


async def test_no_waiting_beyond_the_deadline():
    server = Scripted(status(429, retry_after="60"))
    with pytest.raises(BackendRefused) as caught:
        await server.client(timeout=30).get_json("/x")
    assert caught.value.http_status == 429
    assert server.pauses == []


async def test_a_retry_after_that_is_a_date_counts_as_none():
    server = Scripted(status(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), ok())
    await server.client().get_json("/x")
    assert server.pauses == [0.1]


async def test_a_failed_connection_is_tried_again_even_for_a_post():
    server = Scripted(REFUSED, ok())
    answer = await server.client().request("POST", "/x", content=b"{}")
    assert answer.body == b"{}"
    assert len(server.requests) == 2


async def test_a_post_that_may_have_arrived_is_not():
    for fault in (status(503), httpx2.ReadError("reset"), httpx2.ReadTimeout("slow")):
        server = Scripted(fault)
        with pytest.raises((ClusterUnreachable, QueryTimeout)):
            await server.client().request("POST", "/x", content=b"{}")
        assert len(server.requests) == 1


async def test_a_server_that_hangs_up_is_asked_again_where_that_is_safe():
    hung_up = httpx2.RemoteProtocolError("Server disconnected without sending a response.")
    server = Scripted(hung_up, ok(b"[1]"))
    assert await server.client().get_json("/x") == [1]
    server = Scripted(hung_up, hung_up)
    with pytest.raises(ClusterUnreachable):
        await server.client(retries=1).get_json("/x")
    assert len(server.requests) == 2


async def test_half_an_answer_is_not_asked_for_again():
    async def body():
        yield b"[1"
        raise httpx2.ReadError("reset")

    server = Scripted(httpx2.Response(200, content=body()))
    with pytest.raises(ClusterUnreachable):
        await server.client().get_json("/x")
    assert len(server.requests) == 1


async def test_a_form_post_only_reads_and_may_be_repeated():
    server = Scripted(status(502), ok(b"[1]"))
    assert await server.client().post_form_json("/q", [("a", "ä b"), ("c", "&")]) == [1]
    sent = server.requests[-1]
    assert sent.content == b"a=%C3%A4+b&c=%26"
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_query_that_is_too_heavy_is_not_repeated():
    server = Scripted(status(503))
    with pytest.raises(QueryTimeout, match="too slow"):
        await server.client().get_json(
            "/x", read_error=lambda answer: Refusal("too slow", too_heavy=True)
        )
    assert len(server.requests) == 1


async def test_a_gateway_timeout_is_a_timeout():
    server = Scripted(*[status(504)] * 4)
    with pytest.raises(QueryTimeout):
        await server.client().get_json("/x")


async def test_the_deadline_says_what_failed_before():
    server = Scripted(status(503), ok())

    async def hang(_):
        await asyncio.Event().wait()

    client = server.client(timeout=0.05)
    client._sleep = hang
    client._clock = lambda: 0.0
    client._jitter = lambda: 0.0
    with pytest.raises(ClusterUnreachable, match="HTTP 503"):
        await client.get_json("/x")


async def test_connect_timeout_is_unreachable_and_not_tried_again():
    server = Scripted(httpx2.ConnectTimeout("slow"))
    with pytest.raises(ClusterUnreachable, match="in time") as caught:
        await server.client().get_json("/x")
    assert isinstance(caught.value.__cause__, httpx2.ConnectTimeout)


async def test_time_limits_are_sent_down():
    server = Scripted(ok(), ok())
    client = server.client(timeout=30)
    await client.get_json("/x")
    limits = server.requests[0].extensions["timeout"]
    assert limits == {"connect": CONNECT_SECONDS, "read": 30, "write": 30, "pool": 30}
    await client.get_json("/x", timeout=2)
    assert server.requests[1].extensions["timeout"]["connect"] == 2


async def test_pool_timeout_and_bad_headers_are_named():
    server = Scripted(httpx2.PoolTimeout("full"), httpx2.LocalProtocolError("illegal header"))
    with pytest.raises(QueryTimeout, match="too many calls"):
        await server.client().get_json("/x")
    with pytest.raises(ClusterUnreachable, match="URL or a header"):
        await server.client().get_json("/x")


async def test_the_token_is_read_at_every_call():
    tokens = iter(["one", "two\n", None])
    server = Scripted(ok(), ok(), ok())
    client = server.client(bearer=lambda: next(tokens))
    for _ in range(3):
        await client.get_json("/x")
    sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == ["Bearer one", "Bearer two", None]


async def test_a_token_may_have_to_be_waited_for():
    async def bearer():
        await asyncio.sleep(0)
        return "fresh"

    server = Scripted(ok())
    await server.client(bearer=bearer).get_json("/x")
    assert server.requests[0].headers["authorization"] == "Bearer fresh"


async def test_userinfo_becomes_basic_auth_and_is_never_shown():
    server = Scripted(ok(), status(500))
    client = server.client("http://us%40er:pa%3Ass@p:9090/prom/")
    await client.get_json("/x", [("a", "b")])
    sent = server.requests[0]
    assert str(sent.url) == "http://p:9090/prom/x?a=b"
    assert sent.headers["authorization"] == "Basic dXNAZXI6cGE6c3M="
    with pytest.raises(BackendRefused) as caught:
        await client.get_json("/x")
    assert "pa" not in str(caught.value).replace("page", "")


@pytest.mark.parametrize("url", ["ftp://p", "p:9090", "http://", "http://p:no", "http://[::1"])
def test_a_url_that_cannot_be_used(url):
    with pytest.raises(ClusterUnreachable, match="URL cannot be used"):
        Scripted().client(url)


async def test_ipv6_hosts_keep_their_brackets():
    server = Scripted(ok())
    await server.client("http://[::1]:9090").get_json("/x")
    assert str(server.requests[0].url) == "http://[::1]:9090/x"


def test_a_target_shows_no_secret():
    target = Target("http://p", "p", "c", headers={"X-Key": "k3y"}, proxy="http://u:pw@proxy")
    assert "k3y" not in repr(target)
    assert "pw" not in repr(target)


async def test_bounds():
    server = Scripted(ok(b"x" * 101), ok(b'"' + b"x" * 98 + b'"'))
    client = server.client(max_bytes=100)
    with pytest.raises(BackendMisbehaved, match="larger than 100 bytes"):
        await client.get_json("/x")
    assert await client.get_json("/x") == "x" * 98


async def test_lines_are_cut_where_they_end_and_not_where_chunks_do():
    async def body():
        for chunk in (b'{"a"', b": 1}\n{", b'"b": 2}\n\n', b'{"c": 3}'):
            yield chunk

    server = Scripted(httpx2.Response(200, content=body()))
    client = server.client()
    lines = [line async for line in client.stream_lines("/w", idle_seconds=60)]
    assert lines == [b'{"a": 1}', b'{"b": 2}', b'{"c": 3}']
    assert server.requests[0].extensions["timeout"]["read"] == 60


async def test_a_line_without_end_is_refused():
    async def body():
        while True:
            yield b"x" * 1000

    server = Scripted(httpx2.Response(200, content=body()))
    with pytest.raises(BackendMisbehaved, match="larger than 5,000"):
        async for _ in server.client(max_bytes=5000).stream_lines("/w", idle_seconds=1):
            pass


async def test_a_stream_that_drips_ends_all_the_same():
    server = Scripted()

    async def body():
        yield b'{"a": 1}\n'
        while True:
            server.now += 100
            yield b" "

    server.answers = [httpx2.Response(200, content=body())]
    lines = server.client().stream_lines("/w", idle_seconds=300, total_seconds=1000)
    assert [line async for line in lines] == [b'{"a": 1}']
    assert server.now == 1100


async def test_a_stream_that_is_refused_or_breaks():
    async def body():
        yield b"{}\n"
        raise httpx2.ReadError("reset")

    server = Scripted(status(403), httpx2.Response(200, content=body()))
    client = server.client()
    with pytest.raises(BackendUnauthorized):
        [line async for line in client.stream_lines("/w", idle_seconds=1)]
    lines = client.stream_lines("/w", idle_seconds=1)
    assert await anext(lines) == b"{}"
    with pytest.raises(ClusterUnreachable):
        await anext(lines)


async def test_a_transport_that_is_passed_in_is_not_closed():
    class Owned(httpx2.AsyncBaseTransport):
        closed = False

        async def aclose(self):
            self.closed = True

    owned = Owned()
    client = HttpClient(Target("http://p", "p", "c"), transport=owned)
    await client.aclose()
    assert owned.closed is False


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"bare string"', "bare string"),
        (b'{"message": "m"}', "m"),
        (b'{"error": "e"}', "e"),
        (b"plain\n text ", "plain text"),
        (b'{"x": 1}', '{"x": 1}'),
        (b"<!DOCTYPE html><p>", "an HTML page"),
    ],
)
async def test_reasons_are_read_in_any_shape(body, reason):
    server = Scripted(status(400, body))
    with pytest.raises(BackendRefused) as caught:
        await server.client().get_json("/x")
    assert caught.value.message.endswith(f"(HTTP 400): {reason}.")


async def test_long_reasons_are_cut():
    server = Scripted(status(400, b"y" * 5000))
    with pytest.raises(BackendRefused) as caught:
        await server.client().get_json("/x")
    assert caught.value.message.count("y") < 510


def test_pauses():
    assert [pause_before(n, None, 1.0) for n in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert pause_before(5, None, 0.0) == 0.0
    assert pause_before(0, 3.0, 0.5) == 3.1


@pytest.mark.parametrize(
    ("code", "location", "expected"),
    [
        (302, "/login", BackendUnauthorized),
        (303, "https://oauth.example/authorize", BackendUnauthorized),
        (307, "https://oauth-openshift.example/x", BackendUnauthorized),
        (301, "https://p.example/api", BackendMisbehaved),
        (308, "", BackendMisbehaved),
    ],
)
async def test_redirects(code, location, expected):
    server = Scripted(status(code, location=location))
    with pytest.raises(expected, match=f"HTTP {code}"):
        await server.client().get_json("/x")
    assert len(server.requests) == 1


class Revocable:
    """Gives t1 until it is told to forget it."""

    def __init__(self):
        self.number = 1

    def __call__(self):
        return f"t{self.number}"

    def forget(self):
        self.number += 1


async def test_a_revoked_token_is_renewed_once():
    server = Scripted(status(401), ok(b"[1]"), status(401), status(401))
    client = server.client(bearer=Revocable(), retries=0)
    assert await client.get_json("/x") == [1]
    with pytest.raises(BackendUnauthorized):
        await client.get_json("/x")
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer t1", "Bearer t2", "Bearer t2", "Bearer t3"]


async def test_a_fixed_token_is_not_tried_again():
    server = Scripted(status(401))
    with pytest.raises(BackendUnauthorized):
        await server.client(bearer=lambda: "fixed").get_json("/x")
    assert len(server.requests) == 1

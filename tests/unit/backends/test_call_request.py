"""The request that a call becomes: its headers are complete, though httpx2 adds none."""

import httpx2
import pytest

from aiops_mcp.backends.call import Call, base_and_headers, form_bytes
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.wire import Target
from aiops_mcp.errors import BackendMisbehaved


def request(url="https://c.example/base", token=None, headers=None, **call):
    base, always = base_and_headers(Target(url, "prometheus", "c-1", headers=headers or {}))
    made = Call(**{"method": "GET", "path": "/x", "params": (), "seconds": 5.0} | call)
    return made.request(base, always, token, None)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://c.example/base", "c.example"),
        ("https://c.example:443/", "c.example"),
        ("https://c.example:6443", "c.example:6443"),
        ("http://[::1]:9090", "[::1]:9090"),
        ("https://user:secret@c.example:8443", "c.example:8443"),
        ("https://bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_host_is_that_of_the_url(url, host):
    assert request(url).headers.get_list("host") == [host]


def test_a_host_that_was_configured_stands_alone():
    assert request(headers={"host": "tenant.example"}).headers.get_list("host") == [
        "tenant.example"
    ]


@pytest.mark.parametrize(
    ("method", "content", "length"),
    [("GET", None, []), ("DELETE", None, []), ("POST", None, ["0"]), ("POST", b"abc", ["3"]),
     ("PUT", b"", ["0"]), ("DELETE", b"{}", ["2"])],
)  # fmt: skip
def test_the_length_is_said_where_there_may_be_a_body(method, content, length):
    made = request(method=method, content=content)
    assert made.headers.get_list("content-length") == length
    assert made.content == (content or b"")
    assert "transfer-encoding" not in made.headers


def test_token_type_and_time_limits_go_along():
    made = request(token="t-1", method="POST", content=b"{}", seconds=30.0)
    assert made.headers["authorization"] == "Bearer t-1"
    assert made.headers["content-type"] == "application/json"
    assert made.headers["accept-encoding"] == "gzip"
    assert str(made.url) == "https://c.example/base/x"
    assert made.extensions["timeout"] == {
        "connect": 10.0,
        "read": 30.0,
        "write": 30.0,
        "pool": 30.0,
    }


def test_a_form_is_encoded_as_a_browser_does():
    assert form_bytes((("query", 'up{a="b c"}'), ("time", "1"))) == (
        b"query=up%7Ba%3D%22b+c%22%7D&time=1"
    )


class Dripping(httpx2.AsyncByteStream):
    """Gives pieces without end, and notes that it was closed."""

    def __init__(self):
        self.given = 0
        self.closed = False

    async def __aiter__(self):
        while True:
            self.given += 1
            yield b"x" * 1000

    async def aclose(self):
        self.closed = True


async def test_an_endless_body_is_given_up_at_the_limit_and_closed():
    stream = Dripping()
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=stream))
    target = Target("https://c.example", "prometheus", "c-1")
    client = HttpClient(target, transport=transport, max_bytes=4_500)
    with pytest.raises(BackendMisbehaved):
        await client.request("GET", "/x")
    assert (stream.given, stream.closed) == (5, True)

"""What servers do to us in bad weather: each a distinct error, in bounded time and memory."""

import asyncio
import ssl
import tracemalloc
from contextlib import asynccontextmanager

import pytest
from certificates import certificate, pem, server_tls

from aiops_mcp.backends.http import HttpClient, Target, TlsSettings
from aiops_mcp.backends.prometheus import PrometheusClient
from aiops_mcp.errors import (
    BackendMisbehaved,
    BackendRefused,
    BackendUnauthorized,
    ClusterUnreachable,
    InvalidCredentials,
    QueryTimeout,
)

OK = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}'


def reply(body, *, status="200 OK", content_type="application/json", length=None, extra=()):
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *extra,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Weather:
    """A server on a loopback port that reads one request a connection and then does as told."""

    def __init__(self, port):
        self.port = port
        self.requests = []
        self.bytes_sent = 0


@asynccontextmanager
async def server(act, tls=None):
    """``act(reader, writer, weather)`` writes whatever the server is to answer."""
    weather = Weather(0)

    async def serve(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            weather.requests.append(head.decode())
            await act(writer, weather)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    weather.port = running.sockets[0].getsockname()[1]
    try:
        yield weather
    finally:
        running.close()


def sends(data):
    async def act(writer, weather):
        writer.write(data)
        await writer.drain()

    return act


async def silent(writer, weather):
    await asyncio.Event().wait()


@asynccontextmanager
async def client(port, scheme="http", host="127.0.0.1", **settings):
    options = {key: settings.pop(key) for key in ("tls", "bearer", "headers") if key in settings}
    target = Target(f"{scheme}://{host}:{port}", "prometheus", "edge-1", **options)
    made = PrometheusClient(HttpClient(target, **{"timeout": 5.0, "retries": 0, **settings}))
    try:
        yield made
    finally:
        await made.aclose()


async def fault(act, expected, *, tls_server=None, **settings):
    async with server(act, tls_server) as weather, client(weather.port, **settings) as asked:
        with pytest.raises(expected) as caught:
            await asked.query("up")
    error = caught.value
    assert "prometheus of cluster edge-1" in error.message
    assert error.hint
    assert error.details["cluster"] == "edge-1"
    return error


async def test_good_weather():
    async with server(sends(reply(OK))) as weather, client(weather.port) as asked:
        answer = await asked.query("up")
    assert answer.series[0].values == ((1, "7"),)
    assert weather.requests[0].startswith("POST /api/v1/query HTTP/1.1")


async def test_html_instead_of_json():
    error = await fault(
        sends(reply(b"<html><body>Log in</body></html>", content_type="text/html")),
        BackendMisbehaved,
    )
    assert "an HTML page instead of JSON" in error.message
    assert error.__cause__ is not None


async def test_half_a_json():
    error = await fault(sends(reply(OK[:50])), BackendMisbehaved)
    assert "breaks off" in error.message


async def test_connection_cut_in_the_middle_of_the_body():
    error = await fault(sends(reply(OK[:50], length=len(OK))), ClusterUnreachable)
    assert error.details["fault"] == "closed"
    assert error.__cause__ is not None


async def test_empty_answer():
    error = await fault(sends(reply(b"")), BackendMisbehaved)
    assert "an empty answer" in error.message


async def test_nothing_at_all():
    error = await fault(sends(b""), ClusterUnreachable)
    assert error.details["fault"] == "closed"


async def test_text_instead_of_json():
    error = await fault(sends(reply(b"hello", content_type="text/plain")), BackendMisbehaved)
    assert "text/plain instead of JSON" in error.message


async def test_json_of_something_else():
    error = await fault(sends(reply(b'{"hello": 1}')), BackendMisbehaved)
    assert "not Prometheus's" in error.message


async def test_one_byte_at_a_time_ends_at_the_deadline():
    async def drip(writer, weather):
        writer.write(reply(b"", length=1_000_000))
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    error = await fault(drip, QueryTimeout, timeout=0.4)
    assert "within 0.4 s" in error.message
    assert "bytes arrived" in error.message


async def test_no_answer_ends_at_the_deadline():
    error = await fault(silent, QueryTimeout, timeout=0.2)
    assert "within 0.2 s" in error.message


async def test_a_header_that_never_ends():
    async def drip(writer, weather):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-A: b\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert isinstance(await fault(drip, QueryTimeout, timeout=0.3), QueryTimeout)


async def flood(writer, weather):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    chunk = b"1," * 32768
    for _ in range(8000):  # 500 MB
        writer.write(chunk)
        await writer.drain()
        weather.bytes_sent += len(chunk)


async def test_500_megabytes_are_cut_off_in_constant_memory():
    tracemalloc.start()
    try:
        async with server(flood) as weather, client(weather.port, max_bytes=2_000_000) as asked:
            with pytest.raises(BackendMisbehaved, match="larger than 2,000,000 bytes"):
                await asked.query("up")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert weather.bytes_sent < 20_000_000
    assert peak < 8_000_000


async def test_an_announced_500_megabytes_are_not_even_read():
    error = await fault(sends(reply(b"[", length=500_000_000)), BackendMisbehaved, max_bytes=1000)
    assert error.details["limit_bytes"] == 1000


async def test_compressed_bomb_counts_unpacked():
    import gzip

    bomb = gzip.compress(b" " * 50_000_000)
    body = reply(bomb, extra=("Content-Encoding: gzip",))
    error = await fault(sends(body), BackendMisbehaved, max_bytes=1_000_000)
    assert "larger than 1,000,000 bytes" in error.message


async def test_broken_compression():
    body = reply(b"\x1f\x8bnot gzip at all", extra=("Content-Encoding: gzip",))
    error = await fault(sends(body), BackendMisbehaved)
    assert "compression is broken" in error.message


async def test_compressed_answers_are_read():
    import gzip

    body = reply(gzip.compress(OK), extra=("Content-Encoding: gzip",))
    async with server(sends(body)) as weather, client(weather.port) as asked:
        assert (await asked.query("up")).series[0].values == ((1, "7"),)
    assert "Accept-Encoding: gzip" in weather.requests[0]


async def test_an_endless_error_body_is_cut_off():
    async def endless(writer, weather):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"no " * 10000)
            await writer.drain()

    error = await fault(endless, BackendRefused)
    assert error.http_status == 400
    assert len(error.message) < 700


async def test_refused_connection():
    async with server(silent) as weather:
        port = weather.port
    async with client(port) as asked:
        with pytest.raises(ClusterUnreachable, match="refuses the connection") as caught:
            await asked.query("up")
    assert caught.value.details["fault"] == "refused"


async def test_a_name_that_dns_does_not_know():
    async with client(9090, host="no-such-host.invalid") as asked:
        with pytest.raises(ClusterUnreachable, match="cannot be resolved") as caught:
            await asked.query("up")
    assert caught.value.details["fault"] == "dns"
    assert "no-such-host.invalid" in caught.value.message


async def test_redirects_are_not_followed():
    location = "Location: https://sso.example.com/login?secret=1"
    error = await fault(
        sends(reply(b"", status="302 Found", extra=(location,))), BackendUnauthorized
    )
    assert "https://sso.example.com/login" in error.message
    assert "secret" not in str(error)
    moved = sends(reply(b"", status="301 Moved", extra=("Location: https://new.example.com/",)))
    error = await fault(moved, BackendMisbehaved)
    assert "https://new.example.com/" in error.message


async def test_wrong_token_is_named_but_not_repeated():
    body = reply(
        b"token s3cr3t-t0ken is wrong", status="401 Unauthorized", content_type="text/plain"
    )
    error = await fault(sends(body), BackendUnauthorized, bearer=lambda: "s3cr3t-t0ken")
    assert "not accepted (HTTP 401)" in error.message
    assert "s3cr3t" not in str(error)
    assert "wrong or expired" in error.hint


# --- TLS ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ca():
    return certificate("test CA", is_ca=True)


async def test_tls_to_a_plain_port():
    async def plain(writer, weather):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def serve(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    async with client(port, scheme="https", tls=TlsSettings(insecure=True)) as asked:
        with pytest.raises(ClusterUnreachable, match="does not speak TLS") as caught:
            await asked.query("up")
    running.close()
    assert "http://" in caught.value.hint


async def test_plain_to_a_tls_port(tmp_path, ca):
    tls = server_tls(tmp_path, certificate("s", ca))
    error = await fault(sends(b""), ClusterUnreachable, tls_server=tls)
    assert "https://" in error.hint


async def test_plain_to_a_tls_port_of_go():
    body = reply(
        b"Client sent an HTTP request to an HTTPS server.\n",
        status="400 Bad Request",
        content_type="text/plain",
    )
    error = await fault(sends(body), ClusterUnreachable)
    assert "is a TLS port" in error.message
    assert "https://" in error.hint


async def test_self_signedcertificate(tmp_path):
    tls = server_tls(tmp_path, certificate("self"))
    error = await fault(sends(reply(OK)), ClusterUnreachable, tls_server=tls, scheme="https")
    assert "is self-signed" in error.message
    assert "ca_bundle" in error.hint


async def test_unknown_ca(tmp_path, ca):
    tls = server_tls(tmp_path, certificate("s", ca))
    other = pem(certificate("another CA", is_ca=True))[0]
    error = await fault(
        sends(reply(OK)),
        ClusterUnreachable,
        tls_server=tls,
        scheme="https",
        tls=TlsSettings(ca_bundle=other),
    )
    assert "a CA that is not trusted" in error.message


async def test_custom_ca_is_trusted(tmp_path, ca):
    tls = server_tls(tmp_path, certificate("s", ca))
    settings = TlsSettings(ca_bundle=pem(ca)[0])
    async with (
        server(sends(reply(OK)), tls) as weather,
        client(weather.port, scheme="https", tls=settings) as asked,
    ):
        assert (await asked.query("up")).series[0].values == ((1, "7"),)


async def test_insecure_trusts_everything(tmp_path):
    tls = server_tls(tmp_path, certificate("self", hosts=("elsewhere",)))
    async with (
        server(sends(reply(OK)), tls) as weather,
        client(weather.port, scheme="https", tls=TlsSettings(insecure=True)) as asked,
    ):
        assert len((await asked.query("up")).series) == 1


async def test_expiredcertificate(tmp_path, ca):
    tls = server_tls(tmp_path, certificate("s", ca, days=-1))
    error = await fault(
        sends(reply(OK)),
        ClusterUnreachable,
        tls_server=tls,
        scheme="https",
        tls=TlsSettings(ca_bundle=pem(ca)[0]),
    )
    assert "has expired" in error.message


async def test_certificate_of_another_host(tmp_path, ca):
    tls = server_tls(tmp_path, certificate("s", ca, hosts=("elsewhere.example",)))
    trusting = TlsSettings(ca_bundle=pem(ca)[0])
    error = await fault(
        sends(reply(OK)), ClusterUnreachable, tls_server=tls, scheme="https", tls=trusting
    )
    assert "another" in error.message
    named = TlsSettings(ca_bundle=pem(ca)[0], server_name="elsewhere.example")
    async with (
        server(sends(reply(OK)), tls) as weather,
        client(weather.port, scheme="https", tls=named) as asked,
    ):
        assert len((await asked.query("up")).series) == 1


async def test_clientcertificate(tmp_path, ca):
    tls = server_tls(tmp_path, certificate("s", ca), client_ca=ca)
    cert, key = pem(certificate("me", ca))
    trusting = TlsSettings(ca_bundle=pem(ca)[0], client_cert=cert, client_key=key)
    async with (
        server(sends(reply(OK)), tls) as weather,
        client(weather.port, scheme="https", tls=trusting) as asked,
    ):
        assert len((await asked.query("up")).series) == 1


async def test_missing_clientcertificate(tmp_path, ca):
    tls = server_tls(tmp_path, certificate("s", ca), client_ca=ca)
    error = await fault(
        sends(reply(OK)),
        ClusterUnreachable,
        tls_server=tls,
        scheme="https",
        tls=TlsSettings(ca_bundle=pem(ca)[0]),
    )
    assert "client certificate" in str(error)


def test_a_certificate_without_its_key_is_refused(ca):
    cert = pem(certificate("me", ca))[0]
    key = pem(certificate("you", ca))[1]
    target = Target(
        "https://k", "kubernetes", "edge-1", tls=TlsSettings(client_cert=cert, client_key=key)
    )
    with pytest.raises(InvalidCredentials, match="cannot be used together"):
        HttpClient(target)
    assert "PRIVATE" not in repr(target)


def test_a_ca_bundle_that_is_none_is_refused():
    target = Target("https://k", "kubernetes", "edge-1", tls=TlsSettings(ca_bundle="nonsense"))
    with pytest.raises(InvalidCredentials, match="no certificate that can be read"):
        HttpClient(target)

"""Reports in a bucket: a server here speaks as much of the S3 protocol as keeping objects takes."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from aiops_mcp.errors import InputError, StorageFailed
from aiops_mcp.storage.report_bucket import open_bucket

SECRET = "canary-of-the-secret-key"
NAME = "2026/03/report.pdf"
SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/s3/aws4_request")


@dataclass
class Bucket:
    """``key_id`` and ``region`` are what requests must be signed with; ``fails`` answers instead."""

    name: str = "reports"
    key_id: str = "AKIDEXAMPLE"
    region: str = "eu-west-1"
    port: int = 0
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    fails: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()


def handler(bucket: Bucket) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self._refused():
                return
            bucket.objects[self._key()] = content, self.headers.get("content-type", "")
            self._answer(200)

        def do_GET(self) -> None:
            if self._refused():
                return
            found = bucket.objects.get(self._key())
            if found is None:
                self._answer(404, _error("NoSuchKey"))
            else:
                self._answer(200, found[0], found[1])

        def do_POST(self) -> None:
            """Many objects are deleted at once, and one as well."""
            content = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            if self._refused():
                return
            assert self.path.endswith("?delete"), self.path
            keys = re.findall(r"<Key>([^<]+)</Key>", content)
            for key in keys:
                bucket.objects.pop(key, None)
            gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())

        def _key(self) -> str:
            _, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
            return key

        def _refused(self) -> bool:
            bucket.asked.append(f"{self.command} {self.path}")
            signed = SIGNED.match(self.headers.get("authorization", ""))
            if bucket.fails:
                self._answer(bucket.fails.pop(0), _error("InternalError"))
            elif signed is None or signed.groups() != (bucket.key_id, bucket.region):
                self._answer(403, _error("SignatureDoesNotMatch"))
            elif not re.match(rf"/{bucket.name}[/?]", self.path):
                self._answer(404, _error("NoSuchBucket"))
            else:
                return False
            return True

        def _answer(self, status: int, content: bytes = b"", kind: str = "") -> None:
            self.send_response(status)
            if status != 204:
                self.send_header("content-length", str(len(content)))
            self.send_header("etag", '"1"')
            self.send_header("last-modified", "Tue, 10 Mar 2026 14:00:00 GMT")
            if kind:
                self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing: the tests look at ``asked``."""

    return Handler


@contextmanager
def serving() -> Iterator[Bucket]:
    bucket = Bucket()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(bucket))
    bucket.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def bucket():
    with serving() as bucket:
        yield bucket


def opened(bucket, **other):
    url = f"s3://{bucket.name}/some/prefix?endpoint={bucket.endpoint}&region={bucket.region}"
    return open_bucket(url, **{"key_id": bucket.key_id, "secret": SECRET, **other})


async def test_what_is_put_is_there_until_it_is_removed(bucket):
    blobs = opened(bucket)
    assert await blobs.get(NAME) is None
    await blobs.put(NAME, b"%PDF all of it", "application/pdf")
    assert bucket.objects == {f"some/prefix/{NAME}": (b"%PDF all of it", "application/pdf")}
    assert await blobs.get(NAME) == b"%PDF all of it"
    await blobs.remove(NAME)
    await blobs.remove(NAME)
    assert bucket.objects == {}
    await blobs.tidy(datetime.now(UTC))


async def test_a_large_report_is_one_request(bucket):
    """An object in parts could be left half-done."""
    whole = b"z" * 12_000_000
    await opened(bucket).put(NAME, whole, "text/html")
    assert bucket.objects[f"some/prefix/{NAME}"][0] == whole
    assert bucket.asked == [f"PUT /reports/some/prefix/{NAME}"]


async def test_a_server_that_stumbles_is_asked_again(bucket):
    bucket.fails = [503]
    await opened(bucket).put(NAME, b"x", "text/html")
    assert len(bucket.asked) == 2
    assert list(bucket.objects) == [f"some/prefix/{NAME}"]


async def test_keys_that_are_refused_are_told_without_them(bucket):
    blobs = opened(bucket, key_id="AKIDOTHER")
    for work in (blobs.put(NAME, b"x", "text/html"), blobs.get(NAME), blobs.remove(NAME)):
        with pytest.raises(StorageFailed) as caught:
            await work
        assert "s3://reports/some/prefix" in caught.value.message
        assert "it refuses these keys" in caught.value.message
        assert "AIOPS_REPORT_STORE" in caught.value.hint
        told = f"{caught.value.message}{caught.value.hint}"
        assert SECRET not in told
        assert "AKIDOTHER" not in told
    assert bucket.objects == {}


async def test_a_bucket_that_is_none_is_told(bucket):
    url = f"s3://other/p?endpoint={bucket.endpoint}&region={bucket.region}"
    blobs = open_bucket(url, key_id=bucket.key_id, secret=SECRET)
    with pytest.raises(StorageFailed, match="s3://other/p: there is no such bucket"):
        await blobs.put(NAME, b"x", "text/html")


async def test_nobody_there_is_told(bucket):
    url = "s3://reports/p?endpoint=http://127.0.0.1:9&region=eu-west-1"
    blobs = open_bucket(url, key_id="a", secret=SECRET)
    with pytest.raises(StorageFailed, match="cannot be kept in s3://reports/p"):
        await blobs.put(NAME, b"x", "text/html")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://example.com/reports", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://reports?acl=public", "names no bucket"),
        (f"s3://key:{SECRET}@reports/x", "holds a key"),
    ],
)
def test_a_url_that_cannot_be_used_is_told(url, says):
    with pytest.raises(InputError, match=says) as caught:
        open_bucket(url, key_id=None, secret=None)
    assert SECRET not in f"{caught.value.message}{caught.value.hint}"

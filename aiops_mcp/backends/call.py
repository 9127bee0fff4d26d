"""One call on its way: what is sent, within which time, and how far it has come.

Pure: builds URLs, headers and time limits for `http.py`, and opens nothing.
"""

import base64
import functools
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

import httpx2

from aiops_mcp.backends import faults
from aiops_mcp.backends.wire import Target
from aiops_mcp.errors import BackendError, ClusterUnreachable

Params = Iterable[tuple[str, str]]

CONNECT_SECONDS = 10.0
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(slots=True)
class Call:
    """``seconds`` is the total, ``idle_seconds`` the longest silence of a stream.

    ``received`` bytes and the ``last_fault`` tell afterwards how it failed.
    """

    method: str
    path: str
    params: Params
    seconds: float
    idle_seconds: float | None = None
    content: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    more_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    received: int = 0
    last_fault: BackendError | None = None

    def url(self, base: str) -> httpx2.URL:
        query = urlencode(list(self.params))
        return _parsed(f"{base}{self.path}?{query}" if query else f"{base}{self.path}")

    def headers(self, always: Mapping[str, str], token: str | None) -> dict[str, str]:
        headers = {"Accept": self.accept, **always, **self.more_headers}
        if self.content is not None:
            headers["Content-Type"] = self.content_type
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def request(
        self,
        base: str,
        always: Mapping[str, str],
        token: str | None,
        server_name: str | None,
    ) -> httpx2.Request:
        """The request, complete with its Content-Length; ``always`` has its Host.

        Given its body as a stream it adds no header itself, which takes longer than all the rest.
        """
        url = self.url(base)
        headers = self.headers(always, token)
        if self.content is not None or self.method not in _WITHOUT_BODY:
            headers["Content-Length"] = str(len(self.content or b""))
        request = httpx2.Request(
            self.method,
            url,
            headers=headers,
            stream=httpx2.ByteStream(self.content or b""),
            extensions=self.extensions(server_name),
        )
        request.read()
        return request

    def extensions(self, server_name: str | None) -> dict[str, Any]:
        """Time limits of each step, and the name to expect in the server's certificate."""
        limits = {
            "connect": min(self.seconds, CONNECT_SECONDS),
            "read": self.seconds if self.idle_seconds is None else self.idle_seconds,
            "write": self.seconds,
            "pool": self.seconds,
        }
        if server_name is None:
            return {"timeout": limits}
        return {"timeout": limits, "sni_hostname": server_name}


@functools.lru_cache(maxsize=64)
def form_bytes(form: tuple[tuple[str, str], ...]) -> bytes:
    """A form as it is sent; a question to the fleet is the same for all clusters."""
    return urlencode(form).encode()


@functools.lru_cache(maxsize=512)
def _parsed(url: str) -> httpx2.URL:
    """Parsing a URL costs as much as the rest of a request, and most calls go to a few."""
    return httpx2.URL(url)


def base_and_headers(target: Target) -> tuple[str, dict[str, str]]:
    """The URL to append paths to, and the headers of every call; userinfo becomes Basic auth.

    Raises:
        ClusterUnreachable: the URL cannot be used.
    """
    headers = {"User-Agent": "aiops-mcp", "Accept-Encoding": "gzip", **target.headers}
    try:
        parts = urlsplit(target.base_url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError as error:
        raise _unusable(target) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _unusable(target)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    base = urlunsplit((parts.scheme, f"{host}{port}", parts.path.rstrip("/"), "", ""))
    if not any(name.lower() == "host" for name in headers):
        headers["Host"] = _host_of(base, target)
    return base, headers


def _host_of(base: str, target: Target) -> str:
    """As it stands in the Host header: international names encoded, no default port."""
    try:
        return httpx2.URL(base).netloc.decode("ascii")
    except httpx2.InvalidURL as error:
        raise _unusable(target) from error


def _unusable(target: Target) -> ClusterUnreachable:
    return ClusterUnreachable(
        f"{target}: its URL cannot be used.",
        "Use the form https://host:port/path.",
        details=faults.details_of(target, fault="url"),
    )


async def lines(chunks: AsyncIterable[bytes], limit: int) -> AsyncGenerator[bytes]:
    """The lines of a byte stream without their ends; empty ones are left out.

    Raises:
        ValueError: a line is longer than ``limit`` bytes.
    """
    rest = bytearray()
    async for chunk in chunks:
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            rest += head
            for line in bytes(rest).split(b"\n"):
                if line.strip():
                    yield line
            rest.clear()
        rest += tail
        if len(rest) > limit:
            raise ValueError(f"a line of more than {limit} bytes")
    if rest.strip():
        yield bytes(rest)

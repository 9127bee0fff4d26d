"""Where a model server is: its URL as it is set, as it is shown, and the one client that asks it.

The client reaches that host and no other, whatever the environment or an answer says: no proxies,
no redirects, and no headers but those of the request itself (the ``openai`` package would tell of
operating system and versions, and read more headers from the environment).
"""

import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit, urlunsplit

import httpx2

from aiops_mcp.backends.tls import TlsSettings, ssl_context, unused_context
from aiops_mcp.errors import InputError, InvalidCredentials
from aiops_mcp.tracing import outgoing_traceparent

_HEADERS: Final = frozenset(
    {
        *("host", "accept", "connection"),
        *("content-type", "content-length", "transfer-encoding"),
    }
)
_LIMITS: Final = httpx2.Limits(
    max_connections=512, max_keepalive_connections=32, keepalive_expiry=4.0
)
_HUNG_UP: Final = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)
_HINT: Final = "AIOPS_MODEL_URLS takes URLs such as http://127.0.0.1:8000/v1#MODEL."


@dataclass(frozen=True, slots=True)
class Address:
    """Of one server. ``model`` is what the fragment chooses; ``shown`` has no secret in it."""

    base_url: str
    model: str | None
    shown: str


def address_of(url: str) -> Address:
    """Read one of ``AIOPS_MODEL_URLS``.

    Raises:
        InputError: no http(s) URL, without a host, or with credentials in it.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError("One of AIOPS_MODEL_URLS is no URL.", _HINT) from error
    if parts.scheme not in {"http", "https"} or not host:
        raise InputError("One of AIOPS_MODEL_URLS is no http or https URL.", _HINT)
    if "@" in parts.netloc:
        raise InputError(
            f"The model URL of {host} holds credentials.", "Set AIOPS_MODEL_API_KEY instead."
        )
    name = f"[{host}]" if ":" in host else host
    place = name if port is None else f"{name}:{port}"
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    base_url = urlunsplit((parts.scheme, place, path, parts.query, ""))
    try:
        httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise InputError("One of AIOPS_MODEL_URLS is no URL.", _HINT) from error
    shown = urlunsplit((parts.scheme, place, path, "", ""))
    return Address(base_url, parts.fragment or None, shown)


class OneHost(httpx2.AsyncBaseTransport):
    """Passes requests to one origin on, with few headers and our key, and bounds the answers."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        address: Address,
        *,
        api_key: str | None,
        max_bytes: int,
    ) -> None:
        self._inner = inner
        self._origin = _origin(httpx2.URL(address.base_url))
        self._api_key = api_key
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if _origin(request.url) != self._origin:
            raise httpx2.UnsupportedProtocol("Only the configured model server is asked.")
        headers = {name: value for name, value in request.headers.items() if name in _HEADERS}
        headers |= {"user-agent": "aiops", "accept-encoding": "identity"}
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        if (traceparent := outgoing_traceparent()) is not None:
            headers["traceparent"] = traceparent
        request.headers = httpx2.Headers(headers)
        response = await self._sent(request)
        response.stream = _Bounded(cast("httpx2.AsyncByteStream", response.stream), self._max_bytes)
        return response

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        """Sent twice where the server hung up: mostly on a connection that was kept too long."""
        try:
            return await self._inner.handle_async_request(request)
        except _HUNG_UP:
            return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """The bytes of an answer, which end with an error when they are too many."""

    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner = inner
        self._most = most

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        received = 0
        async for chunk in self._inner:
            received += len(chunk)
            if received > self._most:
                raise httpx2.DecodingError(f"answered more than {self._most} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def http_client(
    address: Address,
    *,
    api_key: str | None,
    ca_file: Path | None,
    max_bytes: int,
    connect_seconds: float,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> httpx2.AsyncClient:
    """The client of one server. How long an answer may take is for the caller to bound.

    Raises:
        InputError: the file of certificates cannot be read.
    """
    if transport is None:
        transport = httpx2.AsyncHTTPTransport(
            verify=_trust(address, ca_file), limits=_LIMITS, trust_env=False
        )
    return httpx2.AsyncClient(
        transport=OneHost(transport, address, api_key=api_key, max_bytes=max_bytes),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(None, connect=connect_seconds),
    )


def _trust(address: Address, ca_file: Path | None) -> ssl.SSLContext:
    if address.base_url.startswith("http:"):
        return unused_context()
    if ca_file is None:
        return ssl_context(TlsSettings())
    try:
        return ssl_context(TlsSettings(ca_bundle=ca_file.read_text("ascii")))
    except (OSError, ValueError, InvalidCredentials) as error:
        raise InputError(
            f"The certificates in {ca_file} cannot be read.", "AIOPS_MODEL_CA_FILE takes PEM."
        ) from error

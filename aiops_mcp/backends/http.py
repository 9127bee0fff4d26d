"""The one HTTP client: bounded in time and size, retrying only what is safe, with named errors.

Every backend's client stands on it. It talks to an httpx2 transport directly, which is the whole
seam to the network: no cookies, no redirects, no proxies from the environment. It knows no
backend's format.
"""

import asyncio
import inspect
import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import httpx2
import orjson

from aiops_mcp.backends import faults
from aiops_mcp.backends.call import Call, Params, base_and_headers, form_bytes, lines
from aiops_mcp.backends.retry import RETRY_STATUSES, pause_before
from aiops_mcp.backends.tls import TlsSettings, ssl_context, unused_context
from aiops_mcp.backends.wire import Answer, ErrorReader, Refusal, Renewable, Target, plain_refusal
from aiops_mcp.errors import BackendError, InvalidCredentials
from aiops_mcp.tracing import outgoing_traceparent, span

__all__ = ["HttpClient", "Params", "Target", "TlsSettings"]

MAX_ERROR_BYTES = 64 * 1024
_LIMITS = httpx2.Limits(max_connections=64, max_keepalive_connections=8, keepalive_expiry=60.0)
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_BROKEN = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)
_TRANSPORT_ERRORS = (httpx2.TransportError, httpx2.DecodingError, httpx2.InvalidURL)


class HttpClient:
    """A client of one target.

    A ``transport`` that is passed in belongs to the caller, who also closes it. ``timeout`` is
    the total of a call in seconds, retries and pauses included. ``max_bytes`` bounds the decoded
    answer. The clock, the sleep and the randomness are arguments for tests.
    """

    def __init__(
        self,
        target: Target,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        timeout: float = 30.0,
        max_bytes: int = 64 * 1024 * 1024,
        retries: int = 3,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.target = target
        self.timeout = timeout
        self.max_bytes = max_bytes
        self._retries = retries
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._base, self._headers = base_and_headers(target)
        self._owns_transport = transport is None
        self._transport = transport if transport is not None else _new_transport(target)

    async def get_json(
        self,
        path: str,
        params: Params = (),
        *,
        timeout: float | None = None,
        read_error: ErrorReader = plain_refusal,
    ) -> Any:
        """The parsed JSON of a GET. Raises as `request`, and on what is not JSON."""
        return self.parsed(
            await self.request("GET", path, params, timeout=timeout, read_error=read_error)
        )

    async def post_form_json(
        self,
        path: str,
        form: Params,
        *,
        timeout: float | None = None,
        read_error: ErrorReader = plain_refusal,
    ) -> Any:
        """The parsed JSON of a form POST that only reads, so that it may be repeated."""
        answer = await self.post_form(path, form, timeout=timeout, read_error=read_error)
        return self.parsed(answer)

    async def post_form(
        self,
        path: str,
        form: Params,
        *,
        timeout: float | None = None,
        read_error: ErrorReader = plain_refusal,
    ) -> Answer:
        return await self.request(
            "POST",
            path,
            content=form_bytes(tuple(form)),
            content_type="application/x-www-form-urlencoded",
            repeatable=True,
            timeout=timeout,
            read_error=read_error,
        )

    def parsed(self, answer: Answer) -> Any:
        """The body as JSON.

        Raises:
            BackendMisbehaved: HTML, half a JSON, or nothing.
        """
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            raise faults.not_json(self.target, answer) from error

    async def request(
        self,
        method: str,
        path: str,
        params: Params = (),
        *,
        content: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        repeatable: bool | None = None,
        timeout: float | None = None,
        read_error: ErrorReader = plain_refusal,
    ) -> Answer:
        """A complete answer with a status below 300.

        ``repeatable``: the call may be sent again after 429, 502, 503 or 504, or when the server
        hangs up before it answers (default: GET, HEAD). A connection that could not be made is
        tried again in any case, as nothing was sent.

        Raises:
            ClusterUnreachable, QueryTimeout, BackendRefused, BackendUnauthorized,
            BackendMisbehaved: see `faults`.
        """
        seconds = self.timeout if timeout is None else timeout
        may_repeat = method in _SAFE_METHODS if repeatable is None else repeatable
        call = Call(
            method,
            path,
            params,
            seconds,
            content=content,
            content_type=content_type,
            accept=accept,
        )
        ends = self._clock() + seconds
        try:
            with span(f"{method} {path}", backend=str(self.target)):
                async with asyncio.timeout(seconds):
                    return await self._attempts(call, may_repeat, ends, read_error)
        except TimeoutError as error:
            raise call.last_fault or faults.no_answer_in_time(
                self.target, seconds, call.received
            ) from error

    async def _attempts(
        self, call: Call, may_repeat: bool, ends: float, read_error: ErrorReader
    ) -> Answer:
        for attempt in range(self._retries + 1):
            asked_to_wait: float | None = None
            try:
                answer = await self._once(call)
                if answer.status == 401 and self._renews():
                    answer = await self._once(call)
            except _TRANSPORT_ERRORS as error:
                fault = faults.transport_fault(self.target, error)
                fault.__cause__ = error
                nothing_came = isinstance(error, _BROKEN) and call.received == 0
                unsent = isinstance(error, httpx2.ConnectError)
                again = (unsent or (may_repeat and nothing_came)) and not faults.is_lasting(fault)
            else:
                if answer.status < 300:
                    return answer
                fault, again, asked_to_wait = await self._judge(answer, read_error)
                again = again and may_repeat
            pause = pause_before(attempt, asked_to_wait, self._jitter())
            if not again or attempt == self._retries or self._clock() + pause >= ends:
                raise fault
            call.last_fault = fault
            await self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _renews(self) -> bool:
        """A token may be revoked before its time; 401 means that nothing was done with it."""
        bearer = self.target.bearer
        if not isinstance(bearer, Renewable):
            return False
        bearer.forget()
        return True

    async def _judge(
        self, answer: Answer, read_error: ErrorReader
    ) -> tuple[BackendError, bool, float | None]:
        """The error for an answer, whether another attempt may help, and how long to wait."""
        if answer.status < 400:
            location = answer.headers.get("location", "")
            return faults.redirected(self.target, answer.status, location), False, None
        refusal = read_error(answer)
        fault = faults.refused(self.target, answer, await self._without_token(refusal))
        again = answer.status in RETRY_STATUSES and not refusal.too_heavy
        return fault, again, _retry_after(answer)

    async def _without_token(self, refusal: Refusal) -> Refusal:
        """A server may repeat our token in its error; it goes no further."""
        token = await self._token()
        if token and token in refusal.reason:
            return Refusal(
                refusal.reason.replace(token, "[token]"), refusal.too_heavy, refusal.details
            )
        return refusal

    async def _once(self, call: Call) -> Answer:
        response = await self._send(call)
        try:
            limit = self.max_bytes if response.status_code < 300 else MAX_ERROR_BYTES
            body = await self._read(response, limit, call)
        finally:
            await response.aclose()
        return Answer(response.status_code, _lower(response.headers), body)

    async def _send(self, call: Call) -> httpx2.Response:
        request = call.request(
            self._base, self._headers, await self._token(), self.target.tls.server_name
        )
        if (traceparent := outgoing_traceparent()) is not None:
            request.headers["traceparent"] = traceparent  # so that its own traces join ours
        call.received = 0
        return await self._transport.handle_async_request(request)

    async def _read(self, response: httpx2.Response, limit: int, call: Call) -> bytes:
        """The decoded body; what is over the limit is refused, or cut off in an error's body."""
        is_answer = response.status_code < 300
        announced = response.headers.get("content-length", "")
        if is_answer and announced.isdigit() and int(announced) > limit:
            raise faults.too_large(self.target, limit)
        chunks: list[bytes] = []
        async with aclosing(_decoded(response)) as decoded:
            async for chunk in decoded:
                call.received += len(chunk)
                chunks.append(chunk)
                if call.received > limit:
                    if is_answer:
                        raise faults.too_large(self.target, limit)
                    break
        return b"".join(chunks)[:limit]

    async def stream_lines(
        self,
        path: str,
        params: Params = (),
        *,
        idle_seconds: float,
        total_seconds: float = math.inf,
        accept: str = "application/json",
        read_error: ErrorReader = plain_refusal,
    ) -> AsyncGenerator[bytes]:
        """The lines of an endless answer, as they come; ends when the server ends it.

        The stream is given up after ``idle_seconds`` of silence, and taken as ended at the first
        bytes after ``total_seconds``, so that a drip ends. A line longer than ``max_bytes`` is
        refused. Never repeated. Raises as `request`.
        """
        call = Call("GET", path, params, self.timeout, idle_seconds, accept=accept)
        try:
            response = await self._send(call)
            try:
                if response.status_code >= 300:
                    body = await self._read(response, MAX_ERROR_BYTES, call)
                    answer = Answer(response.status_code, _lower(response.headers), body)
                    raise (await self._judge(answer, read_error))[0]
                chunks = self._until(self._clock() + total_seconds, response.aiter_bytes())
                async with aclosing(lines(chunks, self.max_bytes)) as found:
                    async for line in found:
                        yield line
            finally:
                await response.aclose()
        except _TRANSPORT_ERRORS as error:
            raise faults.transport_fault(self.target, error) from error
        except ValueError as error:
            raise faults.too_large(self.target, self.max_bytes) from error

    async def _until(self, ends: float, chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        async with aclosing(chunks):
            async for chunk in chunks:
                if self._clock() >= ends:
                    return
                yield chunk

    @asynccontextmanager
    async def upgrade(
        self,
        path: str,
        params: Params,
        headers: Mapping[str, str],
        *,
        timeout: float,
        read_error: ErrorReader = plain_refusal,
    ) -> AsyncGenerator[httpx2.Response]:
        """A GET that must be answered with 101; its ``network_stream`` extension is the socket.

        Raises as `request` when the server answers anything else.
        """
        call = Call("GET", path, params, timeout, accept="*/*", more_headers=headers)
        try:
            async with asyncio.timeout(timeout):
                response = await self._send(call)
                if response.status_code != 101:
                    body = await self._read(response, MAX_ERROR_BYTES, call)
                    await response.aclose()
                    answer = Answer(response.status_code, _lower(response.headers), body)
                    raise (await self._judge(answer, read_error))[0]
        except TimeoutError as error:
            raise faults.no_answer_in_time(self.target, timeout, 0) from error
        except _TRANSPORT_ERRORS as error:
            raise faults.transport_fault(self.target, error) from error
        try:
            yield response
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        if self._owns_transport:
            await self._transport.aclose()

    async def _token(self) -> str | None:
        if self.target.bearer is None:
            return None
        token = self.target.bearer()
        if inspect.isawaitable(token):
            token = await token
        return token.strip() if token else None


def _new_transport(target: Target) -> httpx2.AsyncHTTPTransport:
    is_plain = target.base_url.startswith("http:")
    context = unused_context() if is_plain else ssl_context(target.tls)
    try:
        return httpx2.AsyncHTTPTransport(
            verify=context, limits=_LIMITS, trust_env=False, proxy=target.proxy
        )
    except (ValueError, httpx2.InvalidURL) as error:
        raise InvalidCredentials(
            f"{target}: its proxy URL cannot be used.", "Use the form http://host:port."
        ) from error


def _decoded(response: httpx2.Response) -> AsyncGenerator[bytes]:
    """The body's bytes; straight from the transport where nothing is to be decoded."""
    stream = response.stream
    if isinstance(stream, httpx2.AsyncByteStream) and "content-encoding" not in response.headers:
        return cast("AsyncGenerator[bytes]", aiter(stream))
    return response.aiter_bytes()


def _lower(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _retry_after(answer: Answer) -> float | None:
    text = answer.headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None

"""The seam to clients in this process: an httpx2 transport over an ASGI application.

Unlike httpx2's own it streams (a watch has no end), and needs no entering before a WebSocket is
opened. A cluster that is away refuses the connection.
"""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from typing import Any

import httpx2
from httpx2.websockets import ASGIWebSocketTransport
from starlette.types import ASGIApp, Receive, Scope, Send

Message = MutableMapping[str, Any]


class SimulatedTransport(httpx2.AsyncBaseTransport):
    """Carries requests to ``app`` while ``reachable()``, else raises ``httpx2.ConnectError``."""

    def __init__(self, app: ASGIApp, reachable: Callable[[], bool]) -> None:
        self._app = app
        self._reachable = reachable
        self._running: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request; bodies and WebSockets stream."""
        if not self._reachable():
            refusal = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
            raise httpx2.ConnectError(str(refusal), request=request) from refusal
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._upgrade(request)
        exchange = _Exchange(request)
        task = self._start(exchange.run(self._app))
        return await exchange.response(task)

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _upgrade(self, request: httpx2.Request) -> httpx2.Response:
        """Open a WebSocket; a task of its own holds the session's scope open until it is closed."""
        closed = asyncio.Event()
        answer: asyncio.Future[httpx2.Response] = asyncio.get_running_loop().create_future()

        async def hold() -> None:
            try:
                async with ASGIWebSocketTransport(
                    _denying(self._app), initial_receive_timeout=30.0
                ) as inner:
                    opened = await inner.handle_async_request(request)
                    if answer.done():  # whoever asked has given up
                        return
                    answer.set_result(opened)
                    await closed.wait()
            except BaseException as error:
                if answer.done():
                    if isinstance(error, Exception) and answer.cancelled():
                        return  # nobody is left to be told
                    raise
                answer.set_exception(_only(error))

        self._start(hold())
        response = await answer
        stream = response.extensions["network_stream"]
        response.extensions["network_stream"] = _HeldStream(stream, closed)
        return response

    async def aclose(self) -> None:
        """Stop what is still running."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _denying(app: ASGIApp) -> ASGIApp:
    """The application, told that it may refuse a WebSocket with an HTTP answer."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {"websocket.http.response": {}}}, receive, send)

    return told


def _only(error: BaseException) -> BaseException:
    """The one cause inside a group of one, as a task group wraps it."""
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())
    return _only(inner[0]) if len(inner) == 1 else error


class _HeldStream:
    """A network stream that lets its session go when it is closed."""

    def __init__(self, stream: Any, closed: asyncio.Event) -> None:
        self._stream = stream
        self._closed = closed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._closed.set()


class _Exchange:
    """One HTTP request and its streamed answer."""

    def __init__(self, request: httpx2.Request) -> None:
        self._request = request
        self._started = asyncio.Event()
        self._gone = asyncio.Event()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._sent = False

    async def run(self, app: ASGIApp) -> None:
        request = self._request
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(key.lower(), value) for key, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, request.url.port),
            "client": ("127.0.0.1", 0),
            "root_path": "",
        }
        await app(scope, self._receive, self._send)

    async def response(self, task: asyncio.Task[None]) -> httpx2.Response:
        """The response as soon as its head is there; its body is read from the application."""
        waiting = asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            waiting.cancel()
        if not self._started.is_set():
            await task
        stream = _Body(self._chunks, task, self._gone)
        return httpx2.Response(
            self._status, headers=self._headers, stream=stream, request=self._request
        )

    async def _receive(self) -> Message:
        if self._sent:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        self._sent = True
        return {"type": "http.request", "body": await self._request.aread(), "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message.get("headers", []))
            self._started.set()
            return
        if body := message.get("body", b""):
            await self._chunks.put(body)
        if not message.get("more_body", False):
            await self._chunks.put(None)


class _Body(httpx2.AsyncByteStream):
    def __init__(
        self, chunks: "asyncio.Queue[bytes | None]", task: "asyncio.Task[None]", gone: asyncio.Event
    ) -> None:
        self._chunks = chunks
        self._task = task
        self._gone = gone

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    async def aclose(self) -> None:
        self._gone.set()
        if not self._task.done():
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

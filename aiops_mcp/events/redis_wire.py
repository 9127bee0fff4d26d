"""How events lie in Redis: a stream that keeps them in order, and the channels that tell of them.

Channels and database are the contract's. A script writes both at once, and writes an event only
once however often it is sent. Knows no listener.
"""

import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from aiops_mcp.errors import InputError
from aiops_mcp.models.events import Event, EventType, Notice

DATABASE = 0
STREAM = "aiops:events:log"
ALL = "aiops:events:all"
CONTROL = "aiops:control:streaming"

_BY_TYPE = {
    EventType.ALERT_FIRED: "aiops:events:alerts",
    EventType.ALERT_RESOLVED: "aiops:events:alerts",
    EventType.GPU_UPDATE: "aiops:events:gpu",
    EventType.ANOMALY_DETECTED: "aiops:events:anomaly",
}
_ONCE_SECONDS = 900
_SILENCE_SECONDS = 5.0
_ADD = """
if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[1]) then return false end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', ARGV[3], ARGV[4])
local told = '{"sequence":"' .. id .. '",' .. string.sub(ARGV[4], 2)
for i = 5, #ARGV do redis.call('PUBLISH', ARGV[i], told) end
return id
"""


def channels_of(event: Event) -> tuple[str, ...]:
    """The channels that tell of an event (contract §4)."""
    of_cluster = (f"aiops:events:cluster:{event.cluster_id}",) if event.cluster_id else ()
    of_type = _BY_TYPE.get(event.event_type)
    return (ALL, *of_cluster, *((of_type,) if of_type else ()))


def redis_client(url: str, database: int, *, timeout: float = 2.0) -> Any:
    """A client of one database of the server at ``url``, whatever database the URL names.

    Fails at once instead of trying again by itself: who calls knows better when to. Its type is
    not told, as most of the library's methods have none that a type checker can use.

    Raises:
        InputError: the URL cannot be used; its text is not repeated, as it may hold a password.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in ("redis", "rediss"):
            url = urlunsplit(parts._replace(path=f"/{database}"))
        make = cast("Any", Redis).from_url
        return make(
            url,
            db=database,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            client_name="aiops",
        )
    except (ValueError, ssl.SSLError) as error:
        raise InputError(
            "AIOPS_REDIS_URL cannot be used.", "Use the form redis://[:password@]host:6379."
        ) from error


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the stream: JSON of an event, or of a notice."""

    sequence: str
    is_event: bool
    body: bytes


class EventStore:
    """Events in one Redis. ``keep`` is about how many the stream holds.

    All methods raise ``RedisError``, ``OSError`` or ``TimeoutError`` while Redis is away.
    """

    def __init__(self, url: str, *, keep: int = 10_000, timeout: float = 2.0) -> None:
        self._redis: Any = redis_client(url, DATABASE, timeout=timeout)
        self._add = self._redis.register_script(_ADD)
        self._keep = keep

    async def add(self, events: Sequence[Event]) -> None:
        """Put events into the stream and tell of them, each once however often it is sent."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for event in events:
                body = event.model_dump_json()
                await self._put(pipeline, "event", str(event.event_id), body, channels_of(event))
            await pipeline.execute()

    async def announce(self, notice: Notice) -> None:
        """Tell everybody, and those who are away when they come back."""
        await self._put(None, "notice", uuid4().hex, notice.model_dump_json(), (CONTROL,))

    async def _put(
        self, pipeline: Any, kind: str, name: str, body: str, channels: Sequence[str]
    ) -> None:
        await self._add(
            keys=(STREAM, f"aiops:events:once:{name}"),
            args=(_ONCE_SECONDS, self._keep, kind, body, *channels),
            client=pipeline,
        )

    async def newest(self, count: int) -> list[Entry]:
        """The last entries of the stream, oldest first."""
        found = await self._redis.xrevrange(STREAM, count=count)
        return [entry for entry in map(_entry, reversed(found)) if entry]

    async def since(self, sequence: str) -> AsyncGenerator[Entry]:
        """The entries after one, oldest first."""
        last = sequence
        while found := await self._redis.xrange(STREAM, min=f"({last}", count=500):
            for entry in found:
                if read := _entry(entry):
                    yield read
            last = cast("bytes", found[-1][0]).decode()

    async def has_lost(self, sequence: str) -> bool:
        """Whether the stream no longer has the event of this number, and so perhaps later ones."""
        return not await self._redis.xrange(STREAM, min=sequence, max=sequence)

    @asynccontextmanager
    async def listening(self) -> "AsyncGenerator[AsyncGenerator[tuple[str, bytes]]]":
        """What is said on the channels, from now on: channel and message."""
        channel = self._redis.pubsub()
        try:
            await channel.subscribe(ALL, CONTROL)
            yield _messages(channel)
        finally:
            await _quietly_close(channel)

    async def ping(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        await self._redis.aclose()


async def _messages(channel: Any) -> AsyncGenerator[tuple[str, bytes]]:
    asked = False
    while True:
        message = await channel.get_message(timeout=_SILENCE_SECONDS)
        if message is None and asked:
            raise TimeoutError("Redis does not answer")  # gone without a word
        if message is None:
            await channel.ping()
        asked = message is None
        if message is not None and message.get("type") == "message":
            yield message["channel"].decode(), message["data"]


async def _quietly_close(channel: Any) -> None:
    try:
        await channel.aclose()
    except (RedisError, OSError):
        return  # it is gone, which is what was wanted


def _entry(entry: Any) -> Entry | None:
    sequence, fields = entry
    body = fields.get(b"event", fields.get(b"notice"))
    return Entry(sequence.decode(), b"event" in fields, body) if body is not None else None

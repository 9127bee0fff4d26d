"""The call of a chat completion: asked as the server understands it, chunks as they come.

The one place that uses the ``openai`` package, imported at the first call. What a server refuses
of a request is left out and asked again, and left out from then on.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import httpx2
import orjson

from agents import model_faults as faults
from agents.conversation import ModelRequest
from agents.model_address import Address
from agents.model_deltas import TurnGathering
from agents.model_faults import ModelFault, Refusal
from agents.model_wire import EVERYTHING, PLAIN, Dialect, refused_feature, request_body
from agents.tokens import estimate_tools, estimate_turns
from aiops_mcp.errors import ContextTooLarge

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream

_COUNT_SECONDS: Final = 2.0
"""How long the count may take to follow the end of an answer."""

_LINE_SECONDS: Final = 0.25
"""How long ``[DONE]`` may take to follow; it only makes the connection fit to be used again."""

_LEAST_ROOM: Final = 128
"""An answer of fewer tokens is not worth asking for."""

_END: Final = object()


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What is set for all model servers; times in seconds."""

    api_key: str | None = None
    ca_file: Path | None = None
    first_token_timeout: float = 60.0
    stall_timeout: float = 30.0
    temperature: float = 0.1
    max_tokens: int = 1_500
    max_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that began by HTTP: of which model, of how many tokens at most.

    ``deadline`` is when its first token must have come, by the loop's clock.
    """

    stream: "AsyncStream[object]"
    model: str
    max_tokens: int
    deadline: float


async def import_openai() -> None:
    """Import the package, in a thread: it takes seconds, in which others are served."""
    if "openai" not in sys.modules:
        await asyncio.to_thread(import_module, "openai")


class ChatCalls:
    """Of one server. ``contexts`` is what it told of its models in errors, in tokens."""

    def __init__(
        self, address: Address, options: ServerOptions, client: httpx2.AsyncClient
    ) -> None:
        self.contexts: dict[str, int] = {}
        self._place = address.shown
        self._base_url = address.base_url
        self._options = options
        self._http = client
        self._openai: AsyncOpenAI | None = None
        self._dialect: Dialect = EVERYTHING
        # Many who ask at the same time begin one after the other: the loop serves others between.
        self._turnstile = asyncio.Lock()

    async def begin(self, request: ModelRequest, model: str) -> Begun:
        """Ask for a streamed answer, and again without what is refused of the request.

        Raises:
            ModelFault, ContextTooLarge: see `model_faults`.
        """
        await import_openai()
        async with self._turnstile:
            await asyncio.sleep(0)
        deadline = asyncio.get_running_loop().time() + self._options.first_token_timeout
        max_tokens = request.max_tokens or self._options.max_tokens
        dialect = self._dialect
        first_fault: ModelFault | None = None
        is_shorter = False
        while True:
            body = request_body(
                request,
                model=model,
                temperature=self._options.temperature,
                max_tokens=max_tokens,
                dialect=dialect,
            )
            try:
                stream = await self._post(body, deadline)
            except _Refused as refused:
                refusal = refused.refusal
            else:
                self._dialect = dialect
                return Begun(stream, model, max_tokens, deadline)
            if (overflow := faults.overflow_in(refusal)) is not None:
                room = self._room(overflow, request, model, max_tokens)
                if room is None or is_shorter:
                    raise overflow
                max_tokens, is_shorter = room, True
                continue
            fault = faults.refused(self._place, refusal, model=model)
            less = _less(dialect, refusal) if fault.refused else None
            if less is None or first_fault is not None:
                raise first_fault or fault
            if less == PLAIN:
                first_fault = fault
            dialect = less

    def _room(
        self, overflow: ContextTooLarge, request: ModelRequest, model: str, max_tokens: int
    ) -> int | None:
        """How long an answer may be beside that prompt; ``None`` where it is not worth asking.

        vLLM stops to count where the prompt is too long, so that often we have to guess it.
        """
        context = overflow.details.get("context_tokens")
        if context is None:
            return None
        self.contexts[model] = context
        prompt = overflow.details.get("prompt_tokens")
        if prompt is None:
            prompt = estimate_turns(request.turns) + estimate_tools(request.tools)
            prompt += prompt // 20
            max_tokens //= 2
        room = min(context - prompt, max_tokens)
        return room if room >= _LEAST_ROOM else None

    async def _post(self, body: Mapping[str, Any], deadline: float) -> "AsyncStream[object]":
        from openai import APIConnectionError, APIStatusError, AsyncStream, OpenAIError

        place = self._place
        try:
            async with asyncio.timeout_at(deadline):
                stream = await self._client().post(
                    "/chat/completions",
                    cast_to=object,
                    content=orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS),
                    options={"headers": {"content-type": "application/json"}},
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
        except TimeoutError as error:
            waited = self._options.first_token_timeout
            raise faults.too_slow(place, waited, began=False) from error
        except APIStatusError as error:
            raise _Refused(self.refusal(error.response)) from error
        except (APIConnectionError, httpx2.HTTPError) as error:
            raise faults.unreachable(place, error) from error
        except OpenAIError as error:
            raise faults.misbehaved(place, "what is no answer of this API") from error
        if "html" in stream.response.headers.get("content-type", ""):
            await stream.close()
            raise faults.not_the_api(place, "answered with a web page")
        return stream

    async def chunks(self, begun: Begun, gathering: TurnGathering) -> AsyncGenerator[object]:
        """Chunks as they come, each waited for as long as it may take, until the stream ends.

        ``gathering`` tells how far the answer is. Raises as `begin`.
        """
        loop = asyncio.get_running_loop()
        stall = self._options.stall_timeout
        deadline = begun.deadline
        try:
            with self._named_faults(gathering):
                while (chunk := await self._next(begun.stream, deadline)) is not _END:
                    yield chunk
                    if gathering.finished:
                        tail = _LINE_SECONDS if gathering.counted else _COUNT_SECONDS
                        deadline = loop.time() + min(tail, stall)
                    elif gathering.began:
                        deadline = loop.time() + stall
        finally:
            await begun.stream.close()

    async def _next(self, stream: "AsyncStream[object]", deadline: float) -> object:
        """The next chunk, or the whole answer of a server that does not stream."""
        async with asyncio.timeout_at(deadline):
            if "json" not in stream.response.headers.get("content-type", ""):
                chunk = await anext(stream, _END)
            elif stream.response.is_stream_consumed:
                return _END
            else:
                chunk = cast("object", orjson.loads(await stream.response.aread()))
        if isinstance(chunk, dict):
            told = cast("dict[str, Any]", chunk)
            # Older vLLM tells errors flat; the openai package sees only nested ones.
            if told.get("object") == "error" or told.get("error"):
                raise self._told_in_stream(told)
            return told
        return chunk

    @contextmanager
    def _named_faults(self, gathering: TurnGathering) -> Generator[None]:
        """Faults while an answer comes. After its end none matters; half a JSON ends it."""
        from openai import APIConnectionError, APIError

        try:
            yield
        except TimeoutError as error:
            if not gathering.finished:
                options, began = self._options, gathering.began
                waited = options.stall_timeout if began else options.first_token_timeout
                raise faults.too_slow(self._place, waited, began=began) from error
        except (APIConnectionError, httpx2.HTTPError) as error:
            if not gathering.finished:
                raise faults.unreachable(self._place, error) from error
        except APIError as error:
            raise self._told_in_stream(error.body or {"message": error.message}) from error
        except ValueError as error:
            if not gathering.began:
                raise faults.misbehaved(self._place, "half a JSON") from error

    def _told_in_stream(self, body: object) -> ModelFault | ContextTooLarge:
        refusal = faults.refusal_in(0, body, text="", headers={}, secret=self._options.api_key)
        return faults.overflow_in(refusal) or faults.refused(self._place, refusal, model="")

    def refusal(self, response: httpx2.Response) -> Refusal:
        """An error answer, its body already read."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        return faults.refusal_in(
            response.status_code,
            json_in(response.content),
            text=response.text,
            headers=headers,
            secret=self._options.api_key,
        )

    def _client(self) -> "AsyncOpenAI":
        if self._openai is None:
            from openai import AsyncOpenAI

            # Its debug lines would hold what is said in a chat.
            logging.getLogger("openai").setLevel(logging.WARNING)
            self._openai = AsyncOpenAI(
                api_key="set by the transport",
                organization="",
                project="",
                base_url=self._base_url,
                max_retries=0,
                timeout=self._http.timeout,
                http_client=self._http,
            )
        return self._openai


class _Refused(Exception):
    """An error answer, before it is known what of the request it is about."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def _less(dialect: Dialect, refusal: Refusal) -> Dialect | None:
    """What to send instead: without the field that is named, or plainly when none is.

    ``None``: it is not about the fields, or nothing is left to leave out.
    """
    feature = refused_feature(refusal.reason, dialect)
    if feature is not None:
        return dialect - {feature}
    if refusal.status == 404 or faults.is_about_tools(refusal) or not dialect:
        return None
    return PLAIN


def json_in(content: bytes) -> Any:
    """The JSON value; ``None`` of what is none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None

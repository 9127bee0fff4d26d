"""An OpenAI-compatible model server that says what a script tells it, over real HTTP.

For tests, benchmarks and demos: text, reasoning and tool calls in the shapes that real servers
stream, and all that goes wrong with them. Stands alone: knows nothing of the project.

    async with scripted_model([Said(calls=[("get_alerts", {})]), "All is well. [1]"]) as url:
        ...
        url.requests[0].body["messages"]

    python tests/agents/scripted_model.py --port 8000 --script turns.json --loop

A script is a list of turns, used up in order, or a function of the request. A turn is a ``Said``,
a dict of its fields (as in a file), or a text.
"""

import argparse
import asyncio
import contextlib
import json
import re
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODEL = "scripted"
BYTES_PER_TOKEN = 3.6


@dataclass
class Said:
    """One answer of the model.

    ``calls``: (name, arguments) or (name, arguments, id), or dicts of these; arguments that are
    text are sent as they are, valid or not. ``shape``: "openai" (id, name and the first bit of
    the arguments, then bits), "vllm" (id and name alone first), "llama" (index, "{" first),
    "whole" (each call at once), "zero" (whole, each with index 0), "bare" (whole, neither index
    nor id), "object" (arguments as an object). ``thinking``: where reasoning goes: a field's
    name, or "tags". ``fault``: one of ``FAULTS``, after ``after`` chunks. ``status`` above 0: an
    HTTP error with ``body`` instead. ``delay``: seconds before each chunk; ``first``: before
    the headers.
    """

    text: str = ""
    calls: Sequence[Any] = ()
    reasoning: str = ""
    pieces: Sequence[str] | None = None
    shape: str = "openai"
    thinking: str = "reasoning"
    finish: str | None = None
    usage: bool = True
    fault: str = ""
    after: int = 2
    status: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: Sequence[Any] | None = None
    delay: float = 0.0
    first: float = 0.0
    hold: asyncio.Event | None = None


FAULTS = (
    *("silent", "refuse", "html", "half_json", "stall", "disconnect", "error", "flat_error"),
    *("no_finish", "no_done", "empty", "not_streamed", "garbage", "redirect"),
)


@dataclass
class Asked:
    """A request: what was sent, and when the first chunk with content was written."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    first_delta_at: float | None = None

    @property
    def last(self) -> dict[str, Any]:
        return self.body["messages"][-1]


class ScriptedUrl(str):
    """The base URL of a server, and what it was asked."""

    __slots__ = ("answered", "asked", "left", "listings", "requests", "script")

    requests: list[Asked]
    listings: int
    answered: int
    asked: asyncio.Event  # set when the first request for an answer came
    left: asyncio.Event  # set when a client goes away in the middle of an answer
    script: "Script"


Script = Sequence[Any] | Callable[[dict[str, Any]], Any]


def by_turn(turns: Sequence[Any]) -> Callable[[dict[str, Any]], Any]:
    """A script for many conversations at once: turn n of whatever was asked last."""

    def say(body: dict[str, Any]) -> Any:
        messages = body["messages"]
        last = max(index for index, each in enumerate(messages) if each["role"] == "user")
        done = sum(each["role"] == "assistant" for each in messages[last:])
        return turns[min(done, len(turns) - 1)]

    return say


@dataclass
class Options:
    """``refuses``: fields that are answered with 400, as strict servers do."""

    model: str = MODEL
    models: Sequence[str] = ()
    context: int | None = 32_768
    api_key: str | None = None
    refuses: Sequence[str] = ()
    without_list: bool = False
    list_delay: float = 0.0
    loop: bool = False


class _Server:
    def __init__(self, script: Script, options: Options) -> None:
        self.options = options
        self.url = ScriptedUrl("")
        self.script = script
        self.place = 0
        self.requests: list[Asked] = []
        self.listings = 0
        self.answered = 0
        self.asked, self.left = asyncio.Event(), asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._one(reader, writer)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        path = target.partition("?")[0]
        key = self.options.api_key
        if key is not None and headers.get("authorization") != f"Bearer {key}":
            told = f"Incorrect API key provided: {headers.get('authorization', '')}"
            _reply(writer, 401, error(told, "AuthenticationError", 401))
        elif method == "GET":
            if self.options.list_delay:
                await asyncio.sleep(self.options.list_delay)
            self._get(path, writer)
        elif path.endswith("/chat/completions"):
            asked = Asked(path, headers, json.loads(content))
            self.requests.append(asked)
            self.asked.set()
            await self._watched(asked, reader, writer)
        else:
            _reply(writer, 404, {"detail": "Not Found"})
        await writer.drain()

    def _get(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path.endswith("/models"):
            self.listings += 1
            self.url.listings = self.listings
        if not path.endswith("/models") or self.options.without_list:
            _reply(writer, 404, {"detail": "Not Found"})
            return
        names = self.options.models or (self.options.model,)
        told = {} if self.options.context is None else {"max_model_len": self.options.context}
        data = [{"id": name, "object": "model", "owned_by": "script", **told} for name in names]
        _reply(writer, 200, {"object": "list", "data": data})

    async def _watched(
        self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer, unless the client leaves before."""
        answering = asyncio.ensure_future(self._answer(asked, writer))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self.left.set()
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if (refused := self._refusal(asked.body)) is not None:
            _reply(writer, *refused)
            await writer.drain()
            return
        said = self._next(asked.body)
        if said.first:
            await asyncio.sleep(said.first)
        if said.fault == "silent":
            await asyncio.Event().wait()
        if said.fault == "refuse":
            return
        if said.status:
            told = {"error": {"message": "scripted"}} if said.body is None else said.body
            _reply(writer, said.status, told, said.headers)
        elif said.fault == "html":
            _reply(writer, 200, "<html><body>Welcome</body></html>")
        elif said.fault == "redirect":
            _reply(writer, 307, "", {"location": "http://127.0.0.1:9/v1/chat/completions"})
        elif said.fault == "not_streamed":
            _reply(writer, 200, whole(said, self.options.model))
        else:
            await self._stream(asked, said, writer)
        await writer.drain()
        self.answered += 1
        self.url.answered = self.answered

    def _next(self, body: dict[str, Any]) -> Said:
        if callable(self.script):
            return as_said(self.script(body))
        if self.options.loop:
            self.place %= len(self.script)
        if self.place >= len(self.script):
            return Said(status=500, body=error("the script is over", "InternalServerError", 500))
        self.place += 1
        return as_said(self.script[self.place - 1])

    def _refusal(self, body: dict[str, Any]) -> tuple[int, Any] | None:
        for name in self.options.refuses:
            if name in body or (name == "strict" and '"strict"' in json.dumps(body.get("tools"))):
                return 400, error(f"[{{'type': 'extra_forbidden', 'loc': ('body', '{name}')}}]")
        known = self.options.models or (self.options.model,)
        if body.get("model") not in known:
            told = f"The model `{body.get('model')}` does not exist."
            return 404, error(told, "NotFoundError", 404)
        if self.options.context is None:
            return None
        prompt = prompt_tokens(body)
        output = int(body.get("max_completion_tokens") or body.get("max_tokens") or 1)
        if prompt + output > self.options.context:
            return 400, error(overflow(self.options.context, prompt, output))
        return None

    async def _stream(self, asked: Asked, said: Said, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        )
        await writer.drain()
        chunks = list(said.raw) if said.raw is not None else chunks_of(said, asked.body)
        in_the_middle = {"half_json", "stall", "disconnect", "error", "flat_error", "garbage"}
        fault = said.fault if said.fault in in_the_middle else ""
        if fault or said.fault == "empty":
            chunks = chunks[: said.after] if fault else []
        for chunk in chunks:
            if said.delay:
                await asyncio.sleep(said.delay)
            if asked.first_delta_at is None and _has_content(chunk):
                if said.hold is not None:
                    await said.hold.wait()
                asked.first_delta_at = time.perf_counter()
            _event(writer, chunk)
            await writer.drain()
        if fault:
            if not await self._break(fault, writer):
                return
        elif said.fault not in {"no_done", "empty"}:
            _event(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")

    async def _break(self, fault: str, writer: asyncio.StreamWriter) -> bool:
        """The fault itself; whether the answer then ends as it should by HTTP."""
        if fault == "stall":
            await asyncio.Event().wait()
        if fault == "disconnect":
            writer.transport.abort()
            return False
        if fault == "half_json":
            _event(writer, '{"choices":[{"index":0,"delta":{"conte')
        elif fault == "garbage":
            for each in ("null", "[]", "7", '"x"', '{"choices":null}', '{"choices":[null]}'):
                _event(writer, each)
            _event(writer, chunk_of({"content": " end"}, "stop"))
        else:
            told = error("CUDA out of memory", "InternalServerError", 500)
            flat = {"object": "error", "message": "CUDA out of memory", "code": 500}
            _event(writer, told if fault == "error" else flat)
        return True


# --- what is sent -----------------------------------------------------------------------------


def as_said(turn: Any) -> Said:
    if isinstance(turn, Said):
        return turn
    return Said(turn) if isinstance(turn, str) else Said(**turn)


def error(message: str, kind: str = "BadRequestError", code: int = 400) -> dict[str, Any]:
    """As vLLM tells an error."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def overflow(context: int, prompt: int, output: int) -> str:
    """As vLLM refuses a conversation that does not fit: it counts no further than it must."""
    prompt = min(prompt, context - output + 1)
    return (
        f"This model's maximum context length is {context} tokens. However, you requested "
        f"{output} output tokens and your prompt contains at least {prompt} input tokens, for a "
        f"total of at least {prompt + output} tokens. Please reduce the length of the input "
        "prompt or the number of requested output tokens."
    )


def prompt_tokens(body: dict[str, Any]) -> int:
    told = json.dumps([body["messages"], body.get("tools") or []], ensure_ascii=False)
    return int(len(told.encode()) / BYTES_PER_TOKEN)


def chunk_of(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    return {**head, "choices": [choice], **more}


def chunks_of(said: Said, body: dict[str, Any]) -> list[dict[str, Any]]:
    """All chunks of an answer, in the shape that is asked for."""
    chunks = [chunk_of({"role": "assistant", "content": ""})]
    text = said.text
    if said.reasoning and said.thinking == "tags":
        text = f"<think>\n{said.reasoning}\n</think>\n\n{text}"
    elif said.reasoning:
        chunks += [chunk_of({said.thinking: piece}) for piece in words(said.reasoning)]
    pieces = words(text) if said.pieces is None else said.pieces
    chunks += [chunk_of({"content": piece}) for piece in pieces]
    for index, call in enumerate(said.calls):
        chunks += [chunk_of({"tool_calls": [each]}) for each in call_deltas(call, index, said)]
    finish = said.finish or ("tool_calls" if said.calls else "stop")
    if said.fault != "no_finish":
        chunks.append(chunk_of({}, finish))
    if said.usage and (body.get("stream_options") or {}).get("include_usage"):
        usage = usage_of(said, body)
        chunks.append({**chunk_of({}), "choices": [], "usage": usage})
    return chunks


def usage_of(said: Said, body: dict[str, Any]) -> dict[str, int]:
    prompt = prompt_tokens(body)
    made = len(words(said.text)) + len(words(said.reasoning)) + 10 * len(said.calls)
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


def call_of(call: Any, index: int) -> tuple[str, Any, str]:
    if isinstance(call, dict):
        return call["name"], call.get("arguments", {}), call.get("id", f"call{index:05d}")
    name, arguments, *id_ = call
    return name, arguments, (id_[0] if id_ else f"call{index:05d}")


def call_deltas(call: Any, index: int, said: Said) -> list[dict[str, Any]]:
    name, given, id_ = call_of(call, index)
    raw = given if isinstance(given, str) else json.dumps(given)
    head = {"index": index, "id": id_, "type": "function"}
    bits = re.findall(r".{1,6}", raw, re.DOTALL)

    def rest(bits: Sequence[str]) -> list[dict[str, Any]]:
        return [{"index": index, "function": {"arguments": bit}} for bit in bits]

    if said.shape == "vllm":
        return [{**head, "function": {"name": name}}, *rest(bits)]
    if said.shape == "llama":
        first = {**head, "function": {"name": name, "arguments": raw[:1]}}
        return [first, *rest(re.findall(r".{1,6}", raw[1:], re.DOTALL))]
    whole = {"name": name, "arguments": raw}
    if said.shape == "whole":
        return [{**head, "function": whole}]
    if said.shape == "zero":
        return [{**head, "index": 0, "function": whole}]
    if said.shape == "bare":
        return [{"type": "function", "function": whole}]
    if said.shape == "object":
        return [{**head, "function": {"name": name, "arguments": given}}]
    first = {**head, "function": {"name": name, "arguments": ""}}
    return [first, *rest(bits)]


def whole(said: Said, model: str) -> dict[str, Any]:
    """The answer of a server that does not stream."""
    calls = []
    for index, call in enumerate(said.calls):
        name, given, id_ = call_of(call, index)
        raw = given if isinstance(given, str) else json.dumps(given)
        calls.append({"id": id_, "type": "function", "function": {"name": name, "arguments": raw}})
    message = {"role": "assistant", "content": said.text or None, "tool_calls": calls}
    finish = said.finish or ("tool_calls" if calls else "stop")
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return {
        "id": "x",
        "object": "chat.completion",
        "model": model,
        "choices": [choice],
        "usage": usage,
    }


def words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def _has_content(chunk: Any) -> bool:
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    delta = choices[0].get("delta", {}) if choices and isinstance(choices[0], dict) else {}
    return any(
        delta.get(name) for name in ("content", "reasoning", "reasoning_content", "tool_calls")
    )


def _event(writer: asyncio.StreamWriter, data: Any) -> None:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    event = f"data: {text}\n\n".encode("utf-8", "surrogatepass")
    writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")


def _reply(
    writer: asyncio.StreamWriter, status: int, told: Any, headers: dict[str, str] | None = None
) -> None:
    kind = "text/html" if isinstance(told, str) else "application/json"
    content = told.encode() if isinstance(told, str) else json.dumps(told).encode()
    lines = [f"HTTP/1.1 {status} Scripted", f"content-type: {kind}"]
    lines += [f"content-length: {len(content)}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


# --- how it is started ------------------------------------------------------------------------


@asynccontextmanager
async def scripted_model(
    script: Script,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncGenerator[ScriptedUrl]:
    """Serve a script; gives the base URL (``…/v1``). ``options`` are those of ``Options``."""
    if not callable(script):
        script = [as_said(turn) for turn in script]  # a mistake in it shows now
    serving = _Server(script, Options(**options))
    server = await asyncio.start_server(serving.connected, host, port, ssl=tls, limit=2**24)
    scheme = "http" if tls is None else "https"
    url = ScriptedUrl(f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}/v1")
    url.requests, url.script = serving.requests, script
    url.asked, url.left = serving.asked, serving.left
    url.listings = url.answered = 0
    serving.url = url
    try:
        yield url
    finally:
        server.close()
        for task in tuple(serving.tasks):
            task.cancel()
        await asyncio.gather(*serving.tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 2)


async def _serve(arguments: argparse.Namespace) -> None:
    script = json.loads(arguments.script.read_text())
    context, key = arguments.context, arguments.api_key
    serving = scripted_model(
        by_turn(script) if arguments.by_turn else script,
        port=arguments.port,
        context=context,
        api_key=key,
        model=arguments.model,
        loop=arguments.loop,
    )
    async with serving as url:
        print(url, flush=True)  # noqa: T201  # what a demo needs to know
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, required=True, help="JSON: a list of turns")
    parser.add_argument("--loop", action="store_true", help="begin again when it is over")
    parser.add_argument("--by-turn", action="store_true", help="turn n of each question")
    parser.add_argument("--context", type=int, default=32_768)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--api-key")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()

"""The language model of the agent: OpenAI-compatible servers in order of preference.

A turn goes to the first server that is fit; another takes over as long as nothing of an answer was
passed on. The ``openai`` package is imported with the first turn, or by ``warm``. Only the servers
that are set are ever contacted (`model_address`). Knows no tools and no loop.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import httpx2

from agents import model_faults as faults
from agents.conversation import Model, ModelPiece, ModelRequest
from agents.model_address import address_of
from agents.model_call import ServerOptions, import_openai
from agents.model_faults import ModelFault
from agents.model_server import ModelServer
from aiops_mcp.errors import ContextTooLarge, InputError, ModelNotAvailable
from aiops_mcp.settings import Settings

DEFAULT_CONTEXT: Final = 8_192
"""Tokens of a model that does not tell how many it holds."""

ROUNDS: Final = 3
"""How often all servers are asked before a turn is given up."""

_FIRST_PAUSE: Final = 0.4
_LONGEST_WAIT: Final = 10.0
"""A server that asks to come back later than that, in seconds, is not waited for."""


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """How one server is: its URL without secrets, the model asked for, what else it offers.

    ``context`` is in tokens, ``latency_ms`` the time of the list; ``error`` says why it is not
    reachable and what to do.
    """

    url: str
    model: str | None
    models: tuple[str, ...]
    context: int | None
    reachable: bool
    latency_ms: float | None
    error: str | None


class ModelPool(Model):
    """Several servers as one model. The clock, the sleep and the randomness are for tests."""

    def __init__(
        self,
        servers: Sequence[ModelServer],
        *,
        context: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.servers = tuple(servers)
        self._context = context
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    async def warm(self) -> None:
        """Import what a turn needs, in a thread, so that the first one need not wait."""
        await import_openai()

    async def aclose(self) -> None:
        for server in self.servers:
            await server.aclose()

    # --- a turn -----------------------------------------------------------------------------

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPiece]:
        """See `Model.stream`. Closing it ends the call to the server at once."""
        given_up: dict[str, ModelFault] = {}
        try:
            for attempt in range(ROUNDS):
                failed: dict[str, ModelFault] = {}
                for server in await self._order(request.model, failed):
                    begun = False
                    try:
                        async with aclosing(self._turn(server, request)) as pieces:
                            async for piece in pieces:
                                begun = True
                                yield piece
                    except ModelFault as fault:
                        if begun:
                            raise
                        failed[fault.place] = fault
                    else:
                        return
                given_up = failed | given_up
                pause = self._pause(attempt, tuple(failed.values()))
                failed.clear()
                if pause is None:
                    break
                await self._sleep(pause)
            raise faults.joined(tuple(given_up.values()))
        finally:
            given_up.clear()  # or error and frame, with all that was said, hold on to each other

    async def _turn(self, server: ModelServer, request: ModelRequest) -> AsyncGenerator[ModelPiece]:
        """A turn of one server, and what it tells about how the server stands."""
        try:
            model = await self._model_of(server, request.model)
            async with aclosing(server.turn(request, model)) as pieces:
                async for piece in pieces:
                    yield piece
        except ModelFault as fault:
            if not fault.refused:
                server.standing.failed(fault)
            raise
        except ContextTooLarge:
            server.standing.succeeded()
            raise
        server.standing.succeeded()

    async def _model_of(self, server: ModelServer, wanted: str | None) -> str:
        if wanted is not None and await server.offers(wanted):
            return wanted
        return await server.model_name()

    def _pause(self, attempt: int, failed: Sequence[ModelFault]) -> float | None:
        """Seconds until all are asked again; ``None`` where that is in vain or too far off."""
        again = [fault for fault in failed if fault.transient and not fault.slow]
        if attempt + 1 >= ROUNDS or not again:
            return None
        jittered = (0.5 + self._jitter() / 2) * _FIRST_PAUSE * 2.0**attempt
        pause = min(jittered if fault.wait is None else fault.wait + jittered for fault in again)
        return pause if pause <= _LONGEST_WAIT else None

    async def _order(self, wanted: str | None, failed: dict[str, ModelFault]) -> list[ModelServer]:
        """Those to ask: fit ones first, in the order of preference, of these who offer ``wanted``.

        Those that are not to be asked yet, or cannot say what they offer, leave a fault.

        Raises:
            ModelNotAvailable: all say that they do not offer ``wanted``.
        """
        open_ones: list[ModelServer] = []
        for server in self.servers:
            if seconds := server.standing.seconds_barred:
                failed[server.address.shown] = server.barred(seconds)
            else:
                open_ones.append(server)
        ordered = sorted(open_ones, key=lambda each: not each.standing.is_fit)
        return ordered if wanted is None else await self._preferring(wanted, ordered, failed)

    async def _preferring(
        self, wanted: str, ordered: Sequence[ModelServer], failed: dict[str, ModelFault]
    ) -> list[ModelServer]:
        offering: list[ModelServer] = []
        others: list[ModelServer] = []
        for server in ordered:
            try:
                (offering if await server.offers(wanted) else others).append(server)
            except ModelFault as fault:
                server.standing.failed(fault)
                failed[fault.place] = fault
        if not offering and not failed:
            raise faults.offered_nowhere(wanted, await self.models())
        return [*offering, *others]

    # --- what there is ----------------------------------------------------------------------

    async def models(self) -> tuple[str, ...]:
        """Every model that may be asked for by name, in the order of preference."""
        names: dict[str, None] = {}
        for each in await self.health():
            chosen = (each.model,) if each.model is not None else ()
            names |= dict.fromkeys(each.models or chosen)
        return tuple(names)

    async def context_tokens(self, model: str | None = None) -> int:
        """See `Model.context_tokens`: the setting, else what the server told, else 8192."""
        if self._context is not None:
            return self._context
        for server in sorted(self.servers, key=lambda each: not each.standing.is_fit):
            try:
                name = model if model is not None and await server.offers(model) else None
                if model is not None and name is None and len(self.servers) > 1:
                    continue
                told = await server.context_tokens(name)
            except ModelFault:
                continue
            return told if told is not None else DEFAULT_CONTEXT
        return DEFAULT_CONTEXT

    async def health(self) -> tuple[ModelHealth, ...]:
        """Ask every server what it offers, all at once; never raises for one that is away."""
        return tuple(await asyncio.gather(*map(self._health, self.servers)))

    async def _health(self, server: ModelServer) -> ModelHealth:
        began = self._clock()
        address = server.address
        try:
            offered = await server.offered(anew=True)
        except ModelFault as fault:
            return ModelHealth(address.shown, address.model, (), None, False, None, str(fault))
        latency = round((self._clock() - began) * 1000, 1)
        model = address.model or next(iter(offered.models), None)
        error = None
        if model is None or (address.model is not None and model not in offered.models):
            error = str(faults.not_offered(address.shown, address.model, offered.models))
        models = offered.models if address.model is None else (address.model,)
        context = self._context or (await server.context_tokens(model) if model else None)
        return ModelHealth(address.shown, model, models, context, error is None, latency, error)


def open_models(
    settings: Settings, *, transport: httpx2.AsyncBaseTransport | None = None
) -> ModelPool | None:
    """The pool of the servers that are set; ``None`` when there is none.

    Nothing is contacted yet. A ``transport`` replaces the network.

    Raises:
        InputError: one of the URLs, the key, or the file of certificates cannot be used.
    """
    if not settings.model_urls:
        return None
    options = ServerOptions(
        api_key=_key_in(settings),
        ca_file=settings.model_ca_file,
        first_token_timeout=settings.model_first_token_timeout,
        stall_timeout=settings.model_stall_timeout,
        temperature=settings.model_temperature,
        max_tokens=settings.model_max_tokens,
        max_bytes=settings.max_response_bytes,
    )
    servers = [
        ModelServer(address_of(url), options, transport=transport) for url in settings.model_urls
    ]
    return ModelPool(servers, context=settings.model_context)


def _key_in(settings: Settings) -> str | None:
    secret = settings.model_api_key
    key = secret.get_secret_value().strip() if secret is not None else ""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InputError(
            "AIOPS_MODEL_API_KEY holds what no header can carry.", "A key is one word of ASCII."
        )
    return key or None


__all__ = ["DEFAULT_CONTEXT", "ModelHealth", "ModelNotAvailable", "ModelPool", "open_models"]

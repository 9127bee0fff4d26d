"""One OpenAI-compatible server: what it offers, and one turn of it, streamed.

Every fault of its leaves as a ``ModelFault`` or a ``ContextTooLarge``. Knows no other server; the
order among several is the pool's.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx2

from agents import model_faults as faults
from agents.conversation import ModelPiece, ModelRequest
from agents.model_address import Address, http_client
from agents.model_call import Begun, ChatCalls, ServerOptions, json_in
from agents.model_deltas import TurnGathering
from agents.model_faults import ModelFault
from agents.model_listing import Offered, context_in_props, offered_in
from agents.model_standing import Standing
from agents.tokens import estimate_tools, estimate_turns

LISTING_SECONDS: Final = 5.0
"""How long a server may take to say what it offers."""

_LISTING_KEPT_SECONDS: Final = 300.0
_STALE_LISTING_SECONDS: Final = 30.0
_FAULT_SHARED_SECONDS: Final = 0.1
_CONNECT_SECONDS: Final = 5.0
_BYTES_A_TOKEN: Final = 32
"""More bytes than this for each token asked for, and the server does not keep to the limit."""


class ModelServer:
    """Asks one server. A ``transport`` that is passed in replaces the network, for tests."""

    def __init__(
        self,
        address: Address,
        options: ServerOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.address = address
        self.standing = Standing(clock)
        self._options = options
        self._clock = clock
        self._http = http_client(
            address,
            api_key=options.api_key,
            ca_file=options.ca_file,
            max_bytes=options.max_bytes,
            connect_seconds=min(_CONNECT_SECONDS, options.first_token_timeout),
            transport=transport,
        )
        self._calls = ChatCalls(address, options, self._http)
        self._begins_inside_thought = False
        self._offered = Offered()
        self._fault: ModelFault | None = None
        self._listed_until = float("-inf")
        self._listing = asyncio.Lock()

    async def aclose(self) -> None:
        await self._http.aclose()

    # --- a turn -----------------------------------------------------------------------------

    async def turn(self, request: ModelRequest, model: str) -> AsyncGenerator[ModelPiece]:
        """One turn; the last piece is a ``TurnDone``. Closing it ends the call at once.

        Raises:
            ModelFault: it did not begin, or went away in the middle.
            ContextTooLarge: the turns do not fit.
        """
        begun = await self._begun(request, model)
        gathering = TurnGathering(begins_inside_thought=self._begins_inside_thought)
        most_bytes = _BYTES_A_TOKEN * begun.max_tokens
        cut = False
        async with aclosing(self._calls.chunks(begun, gathering)) as chunks:
            async for chunk in chunks:
                for piece in gathering.feed(chunk):
                    yield piece
                if gathering.size > most_bytes:
                    cut = True
                    break
        if not (gathering.began or gathering.finished):
            raise faults.said_nothing(self.address.shown)
        for piece in gathering.rest():
            yield piece
        if (found := gathering.begins_inside_thought) is not None:
            self._begins_inside_thought = found
        estimate = estimate_turns(request.turns) + estimate_tools(request.tools)
        yield gathering.done(prompt_estimate=estimate, model=begun.model, cut=cut)

    async def _begun(self, request: ModelRequest, model: str) -> Begun:
        """The stream of the answer; of another model where the server was started anew with one."""
        try:
            return await self._calls.begin(request, model)
        except ModelFault as fault:
            if not fault.unknown_model:
                raise
            offered = await self.offered(anew=True)
            if self.address.model is not None or model in offered.models or not offered.models:
                raise faults.not_offered(self.address.shown, model, offered.models) from fault
            return await self._calls.begin(request, offered.models[0])

    # --- what it offers ---------------------------------------------------------------------

    async def offered(self, *, anew: bool = False) -> Offered:
        """The models of the server, asked once in a while.

        Raises:
            ModelFault: it does not answer, or not with a list.
        """
        async with self._listing:
            if anew or self._clock() >= self._listed_until:
                await self._list(anew=anew)
            if self._fault is not None:
                raise self._fault.anew()
            return self._offered

    async def _list(self, *, anew: bool) -> None:
        """Ask for the list. Those who waited meanwhile share what came of it."""
        seconds = self.standing.seconds_barred
        try:
            if seconds and not anew:
                raise self.barred(seconds)
            self._offered, self._fault = await self._listed(), None
        except ModelFault as fault:
            is_known = bool(self._offered.models) and not anew
            self._fault = None if is_known else fault.anew()
            kept = _STALE_LISTING_SECONDS if is_known else _FAULT_SHARED_SECONDS
        else:
            kept = _LISTING_KEPT_SECONDS
        self._listed_until = self._clock() + kept

    def barred(self, seconds: float) -> ModelFault:
        """Why it is not asked for so many seconds."""
        return faults.barred(self.address.shown, seconds, self.standing.last_fault)

    async def _listed(self) -> Offered:
        found = offered_in(await self._get(self._url("/models")))
        if found is None:
            raise faults.not_the_api(self.address.shown, "lists no models")
        if found.models and not found.contexts:
            return await self._with_props(found)
        return found

    async def _with_props(self, found: Offered) -> Offered:
        """llama.cpp tells its context elsewhere; others answer 404, and it stays unknown."""
        parts = urlsplit(self.address.base_url)
        path = parts.path.removesuffix("/v1") + "/props"
        try:
            props = await self._get(urlunsplit((parts.scheme, parts.netloc, path, "", "")))
        except ModelFault:
            return found
        context = context_in_props(props)
        return Offered(found.models, dict.fromkeys(found.models, context)) if context else found

    async def model_name(self) -> str:
        """What to ask for: the model that is set, else the first that is offered.

        Raises:
            ModelFault: as `offered`, or nothing is offered.
        """
        if self.address.model is not None:
            return self.address.model
        found = await self.offered()
        if not found.models:
            raise faults.not_the_api(self.address.shown, "offers no model")
        return found.models[0]

    async def offers(self, model: str) -> bool:
        """Whether the server may be asked for that model. Raises as `offered`."""
        if self.address.model is not None:
            return self.address.model == model
        return model in (await self.offered()).models

    async def context_tokens(self, model: str | None) -> int | None:
        """What the model holds as the server told, in an error or in its list. As `offered`."""
        name = model if model is not None else await self.model_name()
        learned = self._calls.contexts.get(name)
        return learned if learned is not None else (await self.offered()).context_of(name)

    def _url(self, path: str) -> str:
        parts = urlsplit(self.address.base_url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path + path, parts.query, ""))

    async def _get(self, url: str) -> Any:
        place = self.address.shown
        try:
            async with asyncio.timeout(LISTING_SECONDS):
                response = await self._http.get(url)
        except TimeoutError as error:
            raise faults.too_slow(place, LISTING_SECONDS, began=False) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise faults.unreachable(place, error) from error
        if response.status_code >= 300:
            raise faults.refused(place, self._calls.refusal(response), model="")
        answer = json_in(response.content)
        if answer is None:
            raise faults.not_the_api(place, "answered with what is no JSON")
        return answer

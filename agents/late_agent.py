"""The agent, made with the first question, or ahead of it where questions are sure to come.

What an answer stands on (schemas, phrases, an MCP client) takes some 20 MB and half a second, which
a server that nobody chats with does not need.
"""

import asyncio
import importlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from agents.conversation import Answerer, Consent, Question, Step, nobody_consents
from agents.model import ModelPool
from aiops_mcp.app import App
from aiops_mcp.mcp_host import OpenApp, mcp_server
from aiops_mcp.settings import Settings

if TYPE_CHECKING:
    from agents.loop import Agent
    from agents.toolbox import InMemoryTools


class LateAgent(Answerer):
    """Answers by the agent of an application; ``models`` is None where none is set.

    Raises:
        InputError: the file of more MCP servers cannot be read, or says what cannot be.
    """

    def __init__(self, app: App, models: ModelPool | None) -> None:
        self._app = app
        self._models = models
        self._making = asyncio.Lock()
        self._agent: Agent | None = None
        self._tools: InMemoryTools | None = None
        _refuse_unusable(app.settings)

    async def ready(self) -> "Agent":
        """Make the agent, and do what only its first answer would wait for."""
        async with self._making:
            if self._agent is None:
                await asyncio.to_thread(_load)
                await self._make()
                if self._models is not None:
                    await self._models.warm()
        assert self._agent is not None  # noqa: S101 - made just now
        return self._agent

    async def _make(self) -> None:
        from agents.loop import Agent
        from agents.toolbox import tools_of

        settings = self._app.settings
        tools = tools_of(mcp_server(OpenApp(self._app), settings), settings)
        self._tools = tools
        await tools.prepare()
        self._agent = Agent(self._models, tools, settings, clock=self._app.context.clock)

    async def answer(
        self, question: Question, *, consent: Consent = nobody_consents
    ) -> AsyncGenerator[Step]:
        """See `Answerer.answer`."""
        agent = await self.ready()
        async with aclosing(agent.answer(question, consent=consent)) as steps:
            async for step in steps:
                yield step

    async def aclose(self) -> None:
        if self._tools is not None:
            await self._tools.aclose()


def _load() -> None:
    """Import what takes long, and read the phrases; in a thread, as others are served meanwhile."""
    importlib.import_module("agents.loop")
    from agents.fencing import orders_in

    orders_in("")


def _refuse_unusable(settings: Settings) -> None:
    """At the start rather than with the first question. Raises InputError."""
    if settings.mcp_servers_file is not None:
        from agents.mcp_servers import read_servers

        read_servers(settings.mcp_servers_file)

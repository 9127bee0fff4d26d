"""MCP servers beside ours, from a file in the form of mcp.json, and clients to them.

    {"mcpServers": {"jira": {"url": "https://jira-mcp/mcp", "headers": {"Authorization":
      "Bearer ${JIRA_TOKEN}"}, "personas": {"default": ["get_*", "search"]}}}}

Each has a ``url`` (streamable HTTP) or a ``command`` with ``args``, ``env`` and ``cwd``; keys of
other programs are passed over. Three keys are ours: ``personas`` says who gets which tools (a list
of personas, or patterns by persona; default: everybody all), ``roles`` whose callers do (default:
administrators, for such a server knows nothing of roles), and ``confined`` that callers who see
some clusters only may use it too. ``${NAME}`` stands for a variable of the environment.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import httpx2
import orjson
from mcp.client.client import Client
from mcp.client.session import ElicitationFnT
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from agents.toolbox_calls import Source
from agents.toolbox_connection import Connection
from agents.toolbox_offer import SEPARATOR
from agents.toolbox_server import ServedTools
from aiops_mcp.errors import InputError
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.settings import with_variables

OPEN_SECONDS = 20.0
"""Until a server that is started for us answers: some fetch themselves first."""
LINGER_SECONDS = 300.0

_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Patterns = tuple[str, ...]


class ServerEntry(BaseModel):
    """One server of the file; what may hold a secret is shown by no repr."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,23}$")
    url: str | None = None
    headers: dict[str, SecretStr] = {}
    command: str | None = None
    args: Annotated[tuple[str, ...], Field(repr=False)] = ()
    env: dict[str, SecretStr] = {}
    cwd: Path | None = None
    type: str | None = None
    disabled: bool = False
    personas: dict[str, Patterns] = {"*": ("*",)}
    roles: frozenset[Role] = frozenset({Role.ADMIN})
    confined: bool = False

    @field_validator("personas", mode="before")
    @classmethod
    def _by_persona(cls, value: object) -> object:
        """A plain list of personas gives each all tools."""
        if isinstance(value, list):
            return {str(persona): ("*",) for persona in cast("list[object]", value)}
        return value

    def patterns(self, persona: Persona) -> Patterns:
        """Which of its tools a persona gets, as names that a model is told."""
        found = (
            f"{self.name}{SEPARATOR}{pattern}"
            for named, patterns in self.personas.items()
            if fnmatchcase(persona.id, named)
            for pattern in patterns
        )
        return tuple(dict.fromkeys(found))

    def is_for(self, principal: Principal) -> bool:
        """Whether this caller may use a server that cannot tell callers apart."""
        return principal.role in self.roles and (principal.clusters is None or self.confined)

    def client(self, timeout: float) -> Callable[[], Client]:
        """Makes clients to it; ``timeout`` (seconds) is of one exchange."""
        if self.url is not None:
            headers = {name: value.get_secret_value() for name, value in self.headers.items()}
            return http_client(self.url, headers, timeout=timeout)
        parameters = StdioServerParameters(
            command=self.command or "",
            args=list(self.args),
            env={name: value.get_secret_value() for name, value in self.env.items()},
            cwd=self.cwd,
        )
        return lambda: Client(_quiet(parameters), cache=None)


class ExtraServers:
    """The servers of the file, each with one connection that everybody shares."""

    def __init__(self, entries: tuple[ServerEntry, ...], *, timeout: float = 60.0) -> None:
        self._served = [
            (entry, ServedTools(_connection(entry, timeout), name=entry.name))
            for entry in entries
            if not entry.disabled
        ]

    def sources(self, persona: Persona, principal: Principal) -> list[Source]:
        """What of them this persona gets for this caller.

        A persona that names tools of a server itself gets those only, of what the file allows.
        """
        found: list[Source] = []
        for entry, served in self._served:
            allowed = entry.patterns(persona)
            if not allowed or not entry.is_for(principal):
                continue
            prefix = entry.name + SEPARATOR
            own = tuple(each for each in persona.capabilities if each.startswith(prefix))
            found.append(Source(served, (allowed, own) if own else (allowed,)))
        return found

    async def aclose(self) -> None:
        """Close every connection, and with it the servers that were started."""
        await asyncio.gather(*(served.connection.aclose() for _, served in self._served))


def read_servers(path: Path) -> tuple[ServerEntry, ...]:
    """The servers that a file names.

    Raises:
        InputError: it cannot be read, or says what cannot be; never with what stands in it.
    """
    try:
        document: Any = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise InputError(f"{path}: {error}", "AIOPS_MCP_SERVERS_FILE is a JSON file.") from error
    servers = _servers(document)
    if servers is None:
        raise InputError(
            f"{path}: there is no object mcpServers.",
            'It is {"mcpServers": {NAME: {"url": …} or {"command": …, "args": […]}}}.',
        )
    return tuple(_entry(path, name, given) for name, given in servers.items())


def _servers(document: Any) -> Mapping[str, Any] | None:
    if not isinstance(document, dict):
        return None
    fields = cast("dict[str, Any]", document)
    found = fields.get("mcpServers", fields.get("servers"))  # the latter is how VS Code writes it
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _entry(path: Path, name: str, given: object) -> ServerEntry:
    if not isinstance(given, dict):
        raise InputError(f"{path}: {name}: is no object.")
    try:
        fields = _expanded(cast("dict[str, Any]", given))
        entry = ServerEntry.model_validate({**fields, "name": name})
    except KeyError as error:
        variable = error.args[0]
        raise InputError(
            f"{path}: {name}: the variable {variable} is not set.",
            f"Set it, or write ${{{variable}:-}} where it may be empty.",
        ) from error
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or name}: {each['msg']}"
            for each in error.errors(include_input=False, include_url=False)
        )
        raise InputError(f"{path}: {name}: {said}") from None  # the cause holds what was given
    if (entry.url is None) == (entry.command is None):
        raise InputError(f"{path}: {name}: needs either a url or a command.")
    if entry.type == "sse" or (entry.url and not entry.url.startswith(("http://", "https://"))):
        raise InputError(f"{path}: {name}: only streamable HTTP and commands are spoken.")
    return entry


def _expanded(value: Any) -> Any:
    """The value with the variables in all its texts replaced."""
    if isinstance(value, str):
        return with_variables(value)
    if isinstance(value, dict):
        return {key: _expanded(each) for key, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_expanded(each) for each in cast("list[Any]", value)]
    return value


def _connection(entry: ServerEntry, timeout: float) -> Connection:
    return Connection(entry.client(timeout), open_timeout=OPEN_SECONDS, linger=LINGER_SECONDS)


def http_client(
    url: str,
    headers: Mapping[str, str],
    *,
    timeout: float,
    mode: str = "auto",
    answer: ElicitationFnT | None = None,
) -> Callable[[], Client]:
    """Makes clients over streamable HTTP; a proxy of the environment is used but for loopback."""
    trust_env = urlsplit(url).hostname not in _LOOPBACK

    @asynccontextmanager
    async def transport() -> AsyncGenerator[Any]:
        patience = httpx2.Timeout(timeout + OPEN_SECONDS, connect=OPEN_SECONDS)
        async with (
            httpx2.AsyncClient(headers=headers, timeout=patience, trust_env=trust_env) as http,
            streamable_http_client(url, http_client=http) as streams,
        ):
            yield streams

    return lambda: Client(transport(), mode=mode, cache=None, elicitation_callback=answer)


@asynccontextmanager
async def _quiet(parameters: StdioServerParameters) -> AsyncGenerator[Any]:
    """A server that was started for us; what it writes to stderr is not for our user."""
    with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 - the null device never blocks
        async with stdio_client(parameters, errlog=nowhere) as streams:
            yield streams

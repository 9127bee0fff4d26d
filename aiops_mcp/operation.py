"""What an operation is: one typed async function with a name, a route and a permission.

Plain data at the foot of the tree. A capability declares operations, a surface offers them; this
module knows neither, nor what an operation may reach (its context stays a type variable).
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Any, Protocol, TypeVar, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aiops_mcp.errors import ToolExecutionFailed
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.principal import Principal

Clusters = Annotated[
    tuple[str, ...],
    Field(
        description="Names, ids or selectors (type=EDGE env=PRODUCTION label.team=ml); empty: all",
    ),
]
ClusterArgument = Annotated[str, Field(description="Cluster name or id", min_length=1)]


class Input(BaseModel):
    """What an operation takes. Unknown arguments are refused, so a typing error is not dropped.

    ``cluster_ids`` and ``cluster_id`` mean the same as ``clusters`` (contract: either is accepted),
    and ``cluster_id`` the same as ``cluster``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _accept_cluster_ids(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return cast("object", values)
        named: dict[str, Any] = dict(cast("dict[str, Any]", values))
        if "clusters" not in cls.model_fields:
            if "cluster" in cls.model_fields and "cluster_id" in named and "cluster" not in named:
                named["cluster"] = named.pop("cluster_id")
            return named
        for alias in ("cluster_ids", "cluster_id"):
            if alias in named and "clusters" not in named:
                named["clusters"] = named.pop(alias)
        if isinstance(named.get("clusters"), str):
            named["clusters"] = (named["clusters"],)
        return named


class WriteInput(Input):
    """What an operation that changes something takes."""

    dry_run: bool = Field(default=False, description="Say what would change, and change nothing")


class Effect(StrEnum):
    """What running an operation does to the world; decides annotations and the read-only switch."""

    READ = "read"
    WRITE = "write"
    DESTROY = "destroy"


class Progress(Protocol):
    """Reports how far a long operation is: ``await progress(3, 12, "3 of 12 clusters")``."""

    async def __call__(self, done: float, total: float | None, message: str) -> None: ...


async def no_progress(done: float, total: float | None, message: str) -> None:
    """For callers that do not watch."""


class Receipt:
    """What a caller got in the end, for the record of calls: ``digest`` of the bytes sent."""

    __slots__ = ("digest",)

    def __init__(self) -> None:
        self.digest = ""

    def delivered(self, content: bytes) -> None:
        """Told by the surface, which alone knows the bytes: hashing them costs next to nothing."""
        self.digest = blake2b(content, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, through which surface (``mcp``, ``rest``, ``cli``), and who watches."""

    principal: Principal
    surface: str
    progress: Progress = no_progress
    receipt: Receipt = field(default_factory=Receipt, compare=False, repr=False)


RequestT = TypeVar("RequestT", bound=Input)
AnswerT = TypeVar("AnswerT", bound=Entity)
ContextT = TypeVar("ContextT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing a user can ask for. ``routes`` are ``METHOD /path`` below ``/api/v1``.

    ``digest`` makes the answer small for a model (pure); ``status`` is the HTTP status of success,
    ``refusals`` are those of failures that are its own, beside the usual ones.
    """

    name: str
    capability: str
    summary: str
    description: str
    request_type: type[Input]
    answer_type: type[Entity]
    run: Callable[[Any, Any], Awaitable[Entity]]
    needs: str
    effect: Effect
    routes: tuple[str, ...]
    tool: bool
    resource: str | None
    digest: Callable[[Any, Any], Digest] | None
    status: int
    limit: str | None = None
    title: str = ""
    refusals: tuple[int, ...] = ()


@dataclass(slots=True)
class Capability:
    """A named group of operations: one file of ``capabilities/``, one toolset."""

    name: str
    description: str
    operations: list[Operation] = field(default_factory=list[Operation])

    def operation(
        self,
        name: str,
        *,
        route: str | Sequence[str] = (),
        needs: str,
        effect: Effect = Effect.READ,
        tool: bool = True,
        resource: str | None = None,
        digest: Callable[[Any, AnswerT], Digest] | None = None,
        status: int = 200,
        limit: str | None = None,
        refusals: Sequence[int] = (),
    ) -> Callable[
        [Callable[[ContextT, RequestT], Awaitable[AnswerT]]],
        Callable[[ContextT, RequestT], Awaitable[AnswerT]],
    ]:
        """Declare the decorated ``async (context, request) -> answer`` as an operation.

        The request's type is the input schema, the docstring the description. A tool needs a
        ``digest``. ``limit`` names a rate limit of its own (such as ``query``).
        """

        def declare(
            function: Callable[[ContextT, RequestT], Awaitable[AnswerT]],
        ) -> Callable[[ContextT, RequestT], Awaitable[AnswerT]]:
            if tool and digest is None:
                raise TypeError(f"operation {name} is a tool and has no digest")
            hints = get_type_hints(function)
            parameters = list(inspect.signature(function).parameters)
            doc = inspect.getdoc(function) or ""
            self.operations.append(
                Operation(
                    name=name,
                    capability=self.name,
                    summary=doc.splitlines()[0] if doc else "",
                    description=" ".join(doc.split()),
                    request_type=hints[parameters[1]],
                    answer_type=hints["return"],
                    run=function,
                    needs=needs,
                    effect=effect,
                    routes=(route,) if isinstance(route, str) else tuple(route),
                    tool=tool,
                    resource=resource,
                    digest=digest,
                    status=status,
                    limit=limit,
                    title=name.replace("_", " ").capitalize(),
                    refusals=tuple(refusals),
                )
            )
            return function

        return declare


def operation_named(operations: Iterable[Operation], name: str) -> Operation:
    """The operation of that name.

    Raises:
        ToolExecutionFailed: there is none.
    """
    for each in operations:
        if each.name == name:
            return each
    raise ToolExecutionFailed(f"There is no operation {name!r}.")


class Invoke(Protocol):
    """How a surface runs an operation: permission, context, deadline and errors are inside."""

    async def __call__(self, operation: Operation, request: Input, call: Call) -> Entity: ...

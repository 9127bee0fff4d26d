"""A small fleet of fake operations behind the real REST surface, reached in process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Annotated, Any

import httpx2
import pytest
from pydantic import Field, SecretStr, field_validator
from starlette.applications import Starlette

from aiops_mcp.errors import ClusterNotFound, ClusterUnreachable
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage
from aiops_mcp.models.entity import Duration, Entity
from aiops_mcp.operation import Call, Capability, Clusters, Effect, Input, Operation, WriteInput
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import authenticator_from
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.middleware import gateway
from aiops_mcp.surfaces.problem import exception_handlers
from aiops_mcp.surfaces.ratelimit import MemoryBuckets, RateLimits
from aiops_mcp.surfaces.rest import rest_routes

demo = Capability("demo", "Fake operations.")


class Shelf(Entity):
    """What the fake operations answer: the input they were given, and by whom."""

    operation: str
    given: dict[str, Any]
    subject: str
    number: float | None = None
    coverage: Coverage | None = None


class ListInput(Input):
    clusters: Clusters = ()
    label: tuple[str, ...] = ()
    match: Annotated[tuple[str, ...], Field(description="Series selectors")] = ()
    page: int = Field(default=1, ge=1)
    has_gpu: bool | None = None
    step: Duration = "1m"


class OneInput(Input):
    cluster: str


class QueryInput(Input):
    query: Annotated[str, Field(description="PromQL", examples=["up == 0"])]
    clusters: Clusters = ()
    limit: int = Field(default=10, ge=1, le=100)


class ChangeInput(WriteInput):
    cluster: str
    region: str | None = None
    token: SecretStr | None = None

    @field_validator("region")
    @classmethod
    def _known_region(cls, value: str | None) -> str | None:
        if value == "atlantis":
            raise ValueError("there is no such region")
        return value


class NothingInput(Input):
    pass


@dataclass
class Gates:
    """Lets a test see an operation begin and being cancelled."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event = field(default_factory=asyncio.Event)


@demo.operation("list_shelves", route="GET /shelves", needs="clusters:read", tool=False)
async def list_shelves(context: Any, request: ListInput) -> Shelf:
    """List shelves.

    All of them.
    """
    return context.shelf("list_shelves", request)


@demo.operation("create_shelf", route="POST /shelves", needs="clusters:write", effect=Effect.WRITE,
                tool=False, status=201)  # fmt: skip
async def create_shelf(context: Any, request: QueryInput) -> Shelf:
    """Create a shelf."""
    return context.shelf("create_shelf", request)


@demo.operation("get_shelf", route="GET /shelves/{cluster}", needs="clusters:read", tool=False)
async def get_shelf(context: Any, request: OneInput) -> Shelf:
    """One shelf."""
    if request.cluster == "away":
        raise ClusterUnreachable("Nobody answered.", "Check the network.")
    if request.cluster == "none":
        raise ClusterNotFound("There is no shelf none.", "Did you mean nine?")
    if request.cluster == "broken":
        raise RuntimeError("password=hunter2 in a stack")
    return context.shelf("get_shelf", request)


@demo.operation(
    "get_status", route="GET /shelves/{cluster}/status", needs="clusters:read", tool=False
)
async def get_status(context: Any, request: OneInput) -> Shelf:
    """Its status."""
    return context.shelf("get_status", request)


@demo.operation(
    "get_named", route="GET /shelves/by-name/{cluster}", needs="clusters:read", tool=False
)
async def get_named(context: Any, request: OneInput) -> Shelf:
    """One shelf by name."""
    return context.shelf("get_named", request)


@demo.operation("change_shelf", route="PUT /shelves/{cluster}", needs="clusters:write",
                effect=Effect.WRITE, tool=False)  # fmt: skip
async def change_shelf(context: Any, request: ChangeInput) -> Shelf:
    """Change a shelf."""
    return context.shelf("change_shelf", request)


@demo.operation("remove_shelf", route="DELETE /shelves/{cluster}", needs="clusters:delete",
                effect=Effect.DESTROY, tool=False, status=204)  # fmt: skip
async def remove_shelf(context: Any, request: ChangeInput) -> Shelf:
    """Remove a shelf."""
    return context.shelf("remove_shelf", request)


@demo.operation("query_shelves", route=["POST /query", "POST /query_range"], needs="metrics:read",
                tool=False, limit="query")  # fmt: skip
async def query_shelves(context: Any, request: QueryInput) -> Shelf:
    """Query the shelves."""
    return context.shelf("query_shelves", request)


@demo.operation("partly", route="GET /partly", needs="metrics:read", tool=False)
async def partly(context: Any, request: NothingInput) -> Shelf:
    """Half an answer."""
    failure = ClusterFailure(
        cluster_name="edge", status=AnswerStatus.TIMEOUT, code="QUERY_TIMEOUT", error="too slow"
    )
    coverage = Coverage(queried=2, succeeded=1, failures=(failure,))
    shelf = context.shelf("partly", request)
    return shelf.model_copy(update={"coverage": coverage, "number": float("nan")})


@demo.operation("hang", route="POST /hang", needs="metrics:read", tool=False)
async def hang(context: Any, request: NothingInput) -> Shelf:
    """Waits until it is told not to."""
    context.gates.entered.set()
    try:
        await context.gates.hold.wait()
    except asyncio.CancelledError:
        context.gates.cancelled.set()
        raise
    return context.shelf("hang", request)


@dataclass
class FakeContext:
    call: Call
    gates: Gates

    def shelf(self, name: str, request: Input) -> Shelf:
        return Shelf(
            operation=name,
            given=request.model_dump(mode="json"),
            subject=self.call.principal.subject,
        )


@pytest.fixture
def operations() -> list[Operation]:
    return demo.operations


@pytest.fixture
def gates() -> Gates:
    return Gates()


@pytest.fixture
def settings() -> Settings:
    return make_settings()


def make_settings(**changed: Any) -> Settings:
    return Settings.model_validate(
        {"rate_user_per_minute": 0, "rate_query_per_minute": 0, "rate_all_per_second": 0, **changed}
    )


Serve = Callable[..., Any]


@pytest.fixture
async def serve(operations: list[Operation], gates: Gates) -> Any:
    """``serve(**settings)`` gives what ``app.py`` would put together, and a client to it."""
    clients: list[httpx2.AsyncClient] = []

    def build(*, now: Callable[[], float] = lambda: 0.0, extra: Any = (), **changed: Any) -> Any:
        settings = make_settings(**changed)
        metrics = GatewayMetrics(process=False)
        authenticator = authenticator_from(settings)
        gate = Gate(authenticator, RateLimits(MemoryBuckets(now), settings), metrics)

        async def invoke(operation: Operation, request: Input, call: Call) -> Entity:
            return await operation.run(FakeContext(call, gates), request)

        routes = [*extra, *rest_routes(operations, invoke, gate, settings, metrics)]
        inner = Starlette(routes=routes, exception_handlers=exception_handlers())
        app = gateway(inner, settings, metrics, needs_token=authenticator.required)
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1:8080"
        )
        clients.append(client)
        return SimpleNamespace(
            app=app, client=client, metrics=metrics, gate=gate, settings=settings
        )

    yield build
    for client in clients:
        await client.aclose()


@pytest.fixture
def client(serve: Serve) -> httpx2.AsyncClient:
    return serve().client


Check = Callable[[httpx2.Response, int, str], dict[str, Any]]


@pytest.fixture
def problem() -> Check:
    """Asserts the contract's error shape, and gives the error."""

    def check(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/json"
        body = response.json()
        assert set(body) == {"error"}
        error = body["error"]
        assert set(error) == {"code", "message", "details", "trace_id", "timestamp"}
        assert error["code"] == code
        assert len(error["trace_id"]) == 32
        assert error["timestamp"].endswith("Z")
        assert isinstance(error["details"], dict)
        return error

    return check


@pytest.fixture
def cancelled_client() -> Callable[[Any, str], Awaitable[list[Any]]]:
    """Posts a request and hangs up once the operation has begun; what was sent back."""

    async def post(app: Any, path: str, entered: asyncio.Event) -> list[Any]:
        sent: list[Any] = []
        bodies = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            if bodies:
                return bodies.pop()
            await entered.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1:8080")],
            "client": ("127.0.0.1", 1),
        }
        await app(scope, receive, send)
        return sent

    return post

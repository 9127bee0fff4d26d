"""Who is confined to some clusters learns nothing of the others, whatever is asked."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from pydantic import SecretStr

from aiops_mcp.app import App, open_app
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.operation import Effect, Operation
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.serving import http_application
from aiops_mcp.settings import Settings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

MOMENT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
TOKEN = "scoped-operator-token"
OWN = "prod-virginia"
NEEDS = ("clusters:read", "metrics:")
READING = [
    each
    for each in OPERATIONS
    if each.effect is Effect.READ and each.needs in {"clusters:read", "metrics:read"}
]

EVERY = [each for each in OPERATIONS if each.routes and each.needs.startswith(NEEDS)]

ARGUMENTS: dict[str, dict[str, Any]] = {
    "query_metrics": {"query": "up"},
    "query_metrics_range": {"query": "sum(up)"},
    "find_metrics": {"search": "memory"},
    "get_metric_labels": {"label_name": "namespace"},
    "query_logs": {"query": '{namespace="shop"}'},
    "query_logs_range": {"query": '{namespace="shop"}'},
    "get_log_patterns": {"query": '{namespace="shop"}'},
    "list_series": {"match": ["up"]},
    "find_resources": {"kind": "pods"},
    "get_alert": {"fingerprint": "00"},
    "compare_clusters": {"clusters": [OWN, "fleet-hub"]},
    "create_silence": {"matchers": ["alertname=X"], "duration": "1h", "comment": "work"},
    "expire_silence": {"silences": ["00000000-0000-0000-0000-000000000000"]},
}
SHARED = {
    "service_name": "payment",
    "name": "namespace",
    "label_name": "namespace",
    "trace_id": "1",
    "search": "x",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    settings = Settings(
        _env_file=None,
        home=tmp_path_factory.mktemp("home"),
        demo=True,
        allow_write=True,
        demo_incidents=("oom-loop", "cross-cluster-payment", "gpu-xid-79"),
        check_timeout=dict.fromkeys(ClusterType, 60.0),
        api_tokens=SecretStr(f"operator@{OWN}={TOKEN}"),
        rate_user_per_minute=0,
        rate_query_per_minute=0,
    )
    async with open_app(settings, watch=False, clock=lambda: MOMENT) as opened:
        await opened.check_stale_clusters()
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(app: App) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=http_application(app).asgi)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers=headers
    ) as opened:
        yield opened


async def ask(
    client: httpx2.AsyncClient, operation: Operation, arguments: dict[str, Any]
) -> httpx2.Response:
    method, _, path = operation.routes[0].partition(" ")
    left = dict(arguments)
    for name in list(left):
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", str(left.pop(name)))
    sent = {"json": left} if method == "POST" else {"params": left}
    return await client.request(method, f"/api/v1{path}", **sent)


def arguments_of(operation: Operation, cluster: str) -> dict[str, Any]:
    fields = operation.request_type.model_fields
    given = dict(ARGUMENTS.get(operation.name, {}))
    for name, value in (("cluster", cluster), ("pod", "x"), ("pod_name", "x"), ("kind", "pods")):
        # A root cause may also be asked for by an alert, which is of no use here.
        if name in fields and (fields[name].is_required() or name == "cluster"):
            given.setdefault(name, value)
    for name, value in {**SHARED, "node_name": "x"}.items():
        if name in fields and fields[name].is_required():
            given.setdefault(name, value)
    return given


@pytest.mark.parametrize("operation", READING, ids=lambda each: each.name)
async def test_no_other_cluster_is_named(
    app: App, client: httpx2.AsyncClient, operation: Operation
) -> None:
    answer = await ask(client, operation, arguments_of(operation, OWN))
    assert answer.status_code != 422, answer.text
    others = {each.name: each for each in await app.context.registry.list(LOCAL_ADMIN)}
    del others[OWN]
    known = [*others, *(str(each.id) for each in others.values())]
    given = str(ARGUMENTS.get(operation.name))  # what one asks for oneself may be said again
    if operation.name in {"analyze_root_cause", "explain"}:
        # payment.prod-frankfurt may be the cause: for all the caller knows, one of a namespace.
        given += "prod-frankfurt"
    named = [
        name
        for name in known
        # Whom its own services call, such as payment.prod-frankfurt, is its own affair.
        if name not in given and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", answer.text)
    ]
    assert named == [], answer.text[:2000]


async def test_hidden_clusters_are_chosen_by_no_selector(
    app: App, client: httpx2.AsyncClient
) -> None:
    """Whoever asks for all hubs is told that there are none, and not that one is hidden."""
    hidden = await app.context.registry.resolve("fleet-hub", LOCAL_ADMIN)
    assert hidden.cluster_type is ClusterType.HUB
    of_hidden = await client.get("/api/v1/alerts", params={"clusters": "type=HUB"})
    of_none = await client.get("/api/v1/alerts", params={"clusters": "type=FAR_EDGE"})
    assert of_hidden.status_code == of_none.status_code
    assert of_hidden.text.split('"trace_id"')[0].replace("HUB", "?") == of_none.text.split(
        '"trace_id"'
    )[0].replace("FAR_EDGE", "?")


@pytest.mark.parametrize(
    "operation",
    [each for each in EVERY if "clusters" in each.request_type.model_fields],
    ids=lambda each: each.name,
)
@pytest.mark.parametrize("named", ["fleet-hub", "no-such-hub"])
async def test_a_hidden_cluster_is_as_unknown_as_one_that_is_not_there(
    app: App, client: httpx2.AsyncClient, operation: Operation, named: str
) -> None:
    hidden = await app.context.registry.resolve("fleet-hub", LOCAL_ADMIN)
    arguments = {**arguments_of(operation, OWN), "clusters": [OWN, named]}
    answer = await ask(client, operation, arguments)
    assert answer.status_code == 404, answer.text
    error = answer.json()["error"]
    assert error["code"] == "CLUSTER_NOT_FOUND"
    told = error["message"].replace(named, "X")
    assert told == "No cluster is called 'X'. List the clusters to see all 1 names."
    assert str(hidden.id) not in answer.text


@pytest.mark.parametrize(
    "operation",
    [each for each in READING if "cluster" in each.request_type.model_fields],
    ids=lambda each: each.name,
)
async def test_another_cluster_does_not_exist(
    client: httpx2.AsyncClient, operation: Operation
) -> None:
    answer = await ask(client, operation, arguments_of(operation, "fleet-hub"))
    assert answer.status_code == 404, answer.text
    assert answer.json()["error"]["code"] == "CLUSTER_NOT_FOUND"

"""Korrel8r's REST API at wire level over one simulated cluster's own stores.

Source: korrel8r/korrel8r ``korrel8r-openapi.yaml`` (``/api/v1alpha1``). As the real one it keeps
nothing: it asks the cluster's API server, Alertmanager and Prometheus with the caller's bearer, and
leads from class to class by a few of the real rules' kinds.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import quote

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from aiops_mcp.simulation.transport import SimulatedTransport

Json = dict[str, Any]
Labels = Mapping[str, str]

BASE: Final = "/api/v1alpha1"
CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "alert": ("alert",),
    "k8s": (
        *("Pod", "Event", "Node", "Deployment.apps"),
        *("StatefulSet.apps", "DaemonSet.apps"),
    ),
    "metric": ("metric",),
}
_WORKLOADS: Final = {
    "Deployment.apps": "deployments",
    "StatefulSet.apps": "statefulsets",
    "DaemonSet.apps": "daemonsets",
}
_MOST_DEPTH: Final = 4


class BadQuery(ValueError):
    """A query that cannot be read, or of a class that is not known."""


@dataclass(frozen=True, slots=True)
class Query:
    """``DOMAIN:CLASS:{json}``."""

    domain: str
    kind: str
    selector: Labels

    @property
    def class_name(self) -> str:
        return f"{self.domain}:{self.kind}"

    @property
    def text(self) -> str:
        return f"{self.class_name}:{json.dumps(dict(self.selector), separators=(',', ':'))}"


def read_query(text: str) -> Query:
    """The query. Raises BadQuery."""
    domain, _, rest = text.partition(":")
    kind, _, selector = rest.partition(":")
    if domain not in CLASSES:
        raise BadQuery(f"domain not found: {domain}")
    if kind not in CLASSES[domain]:
        raise BadQuery(f"class not found: {domain}:{kind}")
    try:
        found = json.loads(selector or "{}")
    except json.JSONDecodeError as error:
        raise BadQuery(f"invalid selector: {selector}") from error
    if not isinstance(found, dict):
        raise BadQuery(f"invalid selector: {selector}")
    told = cast("Mapping[object, object]", found)
    return Query(domain, kind, {str(name): str(value) for name, value in told.items()})


class Stores:
    """The cluster's own APIs; ``app`` gives ``api``, ``alertmanager`` or ``prometheus``."""

    def __init__(self, app: Callable[[str], ASGIApp], bearer: str | None) -> None:
        self._app = app
        self._headers = {"Authorization": bearer} if bearer else {}

    async def _get(self, backend: str, path: str, params: Labels | None = None) -> Any:
        transport = SimulatedTransport(self._app(backend), lambda: True)
        async with httpx2.AsyncClient(transport=transport, base_url="https://store") as client:
            answer = await client.get(path, params=dict(params or {}), headers=self._headers)
        return answer.json() if answer.status_code == 200 else None

    async def alerts(self, selector: Labels) -> list[Labels]:
        """Labels of the alerts that fire and have these."""
        found: list[Json] = await self._get("alertmanager", "/api/v2/alerts") or []
        return [one["labels"] for one in found if selector.items() <= one["labels"].items()]

    async def pods(self, namespace: str, owner: str = "") -> list[str]:
        """Names of the pods of a namespace that begin as a workload's do."""
        found: Json = await self._get("api", f"/api/v1/namespaces/{quote(namespace)}/pods") or {}
        names = [str(one["metadata"]["name"]) for one in found.get("items") or ()]
        return [name for name in names if name == owner or name.startswith(f"{owner}-")]

    async def is_there(self, kind: str, namespace: str, name: str) -> bool:
        if kind == "Node":
            path = f"/api/v1/nodes/{quote(name)}"
        elif kind == "Pod":
            path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"
        else:
            path = f"/apis/apps/v1/namespaces/{quote(namespace)}/{_WORKLOADS[kind]}/{quote(name)}"
        return await self._get("api", path) is not None

    async def events(self, namespace: str, name: str) -> int:
        path = f"/api/v1/namespaces/{quote(namespace)}/events"
        found: Json = await self._get("api", path) or {}
        return sum(one["involvedObject"].get("name") == name for one in found.get("items") or ())

    async def series(self, selector: str) -> int:
        found: Json = await self._get("prometheus", "/api/v1/series", {"match[]": selector}) or {}
        return len(found.get("data") or ())


@dataclass(slots=True)
class _Graph:
    counts: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    edges: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]])

    def add(self, query: Query, count: int, of: Query | None = None, rule: str = "") -> bool:
        """Whether it is new and has objects."""
        if of is not None and count:
            self.edges.setdefault((of.class_name, query.class_name), set()).add(rule)
        known = self.counts.setdefault(query.class_name, {})
        if query.text in known or not count:
            return False
        known[query.text] = count
        return True

    def json(self) -> Json:
        nodes = [
            {
                "class": name,
                "count": sum(queries.values()),
                "queries": [{"query": text, "count": count} for text, count in queries.items()],
            }
            for name, queries in self.counts.items()
            if queries
        ]
        edges = [
            {"start": start, "goal": goal, "rules": [{"name": name} for name in sorted(rules)]}
            for (start, goal), rules in self.edges.items()
        ]
        # Go writes an empty list as null.
        return {"nodes": nodes or None, "edges": edges or None}


async def walk(stores: Stores, starts: list[Query], depth: int) -> _Graph:
    """Everything within ``depth`` rules of the starts."""
    graph, front = _Graph(), list[Query]()
    for start in starts:
        if graph.add(start, await _count(stores, start)):
            front.append(start)
    for _ in range(min(depth, _MOST_DEPTH)):
        following: list[Query] = []
        for query in front:
            for found, count, rule in await _led_to(stores, query):
                if graph.add(found, count, query, rule):
                    following.append(found)
        front = following
    return graph


async def _count(stores: Stores, query: Query) -> int:
    chosen = query.selector
    space, name = chosen.get("namespace", ""), chosen.get("name", "")
    if query.domain == "alert":
        return len(await stores.alerts(chosen))
    if query.domain == "metric":
        return await stores.series(_matchers(chosen))
    if query.kind == "Event":
        return await stores.events(space, name)
    if query.kind == "Pod" and not name:
        return len(await stores.pods(space))
    return int(await stores.is_there(query.kind, space, name))


async def _led_to(stores: Stores, query: Query) -> list[tuple[Query, int, str]]:
    """What the rules for a class lead to, with how many objects, and by which rule."""
    chosen = query.selector
    space, name = chosen.get("namespace", ""), chosen.get("name", "")
    if query.domain == "alert":
        return await _of_alerts(stores, chosen)
    if query.kind in _WORKLOADS:
        pods = await stores.pods(space, name)
        return [(_pod(space, pod), 1, "SelectorToPods") for pod in pods]
    if query.kind == "Pod" and name:
        event = Query("k8s", "Event", chosen)
        metric = Query("metric", "metric", {"namespace": space, "pod": name})
        alert = Query("alert", "alert", {"namespace": space, "pod": name})
        return [
            (event, await _count(stores, event), "AllToEvent"),
            (metric, await _count(stores, metric), "AllToMetric"),
            (alert, await _count(stores, alert), "PodToAlert"),
        ]
    if query.kind == "Node":
        metric = Query("metric", "metric", {"node": name})
        alert = Query("alert", "alert", {"node": name})
        return [
            (metric, await _count(stores, metric), "AllToMetric"),
            (alert, await _count(stores, alert), "NodeToAlert"),
        ]
    return []


async def _of_alerts(stores: Stores, chosen: Labels) -> list[tuple[Query, int, str]]:
    found: list[tuple[Query, int, str]] = []
    for labels in await stores.alerts(chosen):
        space = labels.get("namespace", "")
        if space and (pod := labels.get("pod")):
            found.append((_pod(space, pod), 1, "AlertToPod"))
        elif space and (name := labels.get("deployment") or labels.get("service")):
            query = Query("k8s", "Deployment.apps", {"namespace": space, "name": name})
            found.append((query, await _count(stores, query), "AlertToDeployment"))
        elif node := labels.get("node") or labels.get("Hostname"):
            query = Query("k8s", "Node", {"name": node})
            found.append((query, await _count(stores, query), "AlertToNode"))
    return found


def _pod(namespace: str, name: str) -> Query:
    return Query("k8s", "Pod", {"namespace": namespace, "name": name})


def _matchers(labels: Labels) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


def korrel8r_app(app: Callable[[str], ASGIApp], token: str) -> Starlette:
    """An ASGI application that answers as Korrel8r does; ``token`` is what a caller must have."""

    def answered(
        handler: Callable[[Request, Stores], Awaitable[Any]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            bearer = request.headers.get("authorization")
            if bearer != f"Bearer {token}":
                return JSONResponse({"error": "unauthorized"}, 401)
            try:
                return JSONResponse(await handler(request, Stores(app, bearer)))
            except BadQuery as error:
                return JSONResponse({"error": str(error)}, 400)

        return answer

    routes = [
        *(
            Route(f"{BASE}/graphs/{spelling}", answered(_neighbours), methods=["POST"])
            for spelling in ("neighbors", "neighbours")
        ),
    ]
    return Starlette(routes=routes)


async def _neighbours(request: Request, stores: Stores) -> Any:
    body = await _body(request)
    return (await walk(stores, _starts(body), int(body.get("depth") or 0))).json()


async def _body(request: Request) -> Json:
    try:
        found = await request.json()
    except json.JSONDecodeError as error:
        raise BadQuery("body is not JSON") from error
    if not isinstance(found, dict):
        raise BadQuery("body is not an object")
    return cast("Json", found)


def _starts(body: Json) -> list[Query]:
    start: Json = body.get("start") or {}
    queries = [read_query(str(one)) for one in start.get("queries") or ()]
    if not queries:
        raise BadQuery("no start queries")
    if len({one.class_name for one in queries}) > 1:
        raise BadQuery("start queries are of several classes")
    return queries

"""The ASGI application of one simulated API server: it reads paths, checks who asks, answers.

What objects look like stands elsewhere; here stands the protocol.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from aiops_mcp.simulation.inventory import Pod
from aiops_mcp.simulation.kubernetes import discovery, faults
from aiops_mcp.simulation.kubernetes.access import Access, User
from aiops_mcp.simulation.kubernetes.columns import table
from aiops_mcp.simulation.kubernetes.execution import converse, run
from aiops_mcp.simulation.kubernetes.listing import (
    chosen,
    listed,
    partial_list,
    partial_metadata,
    read_continue,
)
from aiops_mcp.simulation.kubernetes.logs import KubeletLogs
from aiops_mcp.simulation.kubernetes.proxy import backend_of, forward
from aiops_mcp.simulation.kubernetes.resources import Resource, groups_of, resources_of
from aiops_mcp.simulation.kubernetes.secrets import SecretStore
from aiops_mcp.simulation.kubernetes.view import Json, View
from aiops_mcp.simulation.kubernetes.watch import WatchRequest, watch_lines
from aiops_mcp.simulation.logs import LogBook
from aiops_mcp.simulation.world import World

_OPEN = ("/version", "/healthz", "/livez", "/readyz")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
DEFAULT_WATCH_SECONDS = 1800.0

ServiceBackend = Callable[[str, str], ASGIApp | None]
"""Finds what answers behind a Service, by namespace and name."""


@dataclass(frozen=True, slots=True)
class Location:
    """What a path names: a resource, maybe one object, maybe something below it."""

    resource: Resource
    namespace: str
    name: str = ""
    rest: tuple[str, ...] = ()


def kubernetes_app(
    world: World, name: str, backend: ServiceBackend, book: LogBook, *, poll: float = 1.0
) -> Starlette:
    """The API server of a cluster; ``poll`` is how often a watch looks for changes (seconds)."""
    server = _Server(world, name, backend, book, poll)
    return Starlette(
        routes=[
            WebSocketRoute("/{path:path}", server.websocket),
            Route("/{path:path}", server.http, methods=_METHODS),
        ]
    )


class _Server:
    def __init__(
        self, world: World, name: str, backend: ServiceBackend, book: LogBook, poll: float
    ) -> None:
        self._world = world
        self._cluster = world.clusters[name]
        self._store = world.store(name)
        self._backend = backend
        self._logs = KubeletLogs(world, self._cluster, book, poll)
        self._poll = poll
        self._access = Access(world.seed, name)
        self._secrets = SecretStore(world.now)
        self._resources = resources_of(self._cluster)
        self._groups = groups_of(self._resources)
        self._by_path = {(one.group, one.version, one.plural): one for one in self._resources}

    # --- entrances --------------------------------------------------------------------------

    async def http(self, request: Request) -> Response:
        """Answer any request, or refuse it with a Status."""
        try:
            path = request.url.path.rstrip("/") or "/"
            if path in _OPEN:
                return self._open(path, request)
            user = self._access.user(request.headers.get("authorization"))
            return await self._answer(path, request, user)
        except faults.Refused as refused:
            return refused.response()

    async def websocket(self, socket: WebSocket) -> None:
        """Exec; refusals come before the upgrade, as a real API server's do."""
        try:
            user = self._access.user(socket.headers.get("authorization"))
            place = self._locate(socket.url.path)
            if place and place.resource.plural == "services" and place.rest[:1] == ("proxy",):
                await self._proxied(socket, place, user)
                return
            if place is None or place.resource.plural != "pods" or place.rest != ("exec",):
                raise faults.no_such_path()
            if not user.may("create", "pods/exec"):
                raise faults.forbidden(user.name, "create", "pods/exec", "", place.namespace)
            pod = self._running_pod(place, socket.query_params.get("container", ""))
            command = socket.query_params.getlist("command")
            if not command:
                raise faults.bad_request("you must specify at least 1 command for the container")
        except faults.Refused as refused:
            await socket.send_denial_response(refused.response())
            return
        view = self._view()
        await converse(socket, await run_in_threadpool(run, view, pod, command))

    async def _proxied(self, socket: WebSocket, place: Location, user: User) -> None:
        """A WebSocket to what stands behind a Service."""
        if not user.may("get", "services/proxy"):
            raise faults.forbidden(user.name, "get", "services/proxy", "", place.namespace)
        app = backend_of(self._backend, place.namespace, place.name)
        path = "/" + "/".join(place.rest[1:])
        inner = {**socket.scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        await app(inner, socket.receive, socket.send)

    def _open(self, path: str, request: Request) -> Response:
        if path == "/version":
            version = self._cluster.spec.kubernetes_version
            major, minor, _ = version.removeprefix("v").split(".")
            return JSONResponse(
                {
                    "major": major,
                    "minor": minor,
                    "gitVersion": version,
                    "gitCommit": "0" * 40,
                    "gitTreeState": "clean",
                    "buildDate": "2026-01-01T00:00:00Z",
                    "goVersion": "go1.23.6",
                    "compiler": "gc",
                    "platform": "linux/amd64",
                }
            )
        if "verbose" in request.query_params:
            checks = "".join(f"[+]{one} ok\n" for one in ("ping", "log", "etcd", "informer-sync"))
            return PlainTextResponse(f"{checks}{path.removeprefix('/')} check passed\n")
        return PlainTextResponse("ok")

    # --- paths --------------------------------------------------------------------------------

    def _locate(self, path: str) -> Location | None:
        parts = [part for part in path.split("/") if part]
        if parts[:2] == ["api", "v1"]:
            group, version, rest = "", "v1", parts[2:]
        elif parts[:1] == ["apis"] and len(parts) > 3:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            return None
        namespace = ""
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        if not rest:
            return None
        resource = self._by_path.get((group, version, rest[0]))
        if resource is None:
            return None
        name = rest[1] if len(rest) > 1 else ""
        return Location(resource, namespace, name, tuple(rest[2:]))

    async def _answer(self, path: str, request: Request, user: User) -> Response:
        place = self._locate(path)
        if place is None:
            return await self._about(path, request, user)
        resource = place.resource
        below = place.rest[0] if place.rest else ""
        verb = _VERBS.get(request.method) or ("get" if place.name else "list")
        asked = f"{resource.plural}/{below}" if below else resource.plural
        if not user.may(verb, asked):
            raise faults.forbidden(user.name, verb, asked, resource.group, place.namespace)
        if below:
            return await self._below(place, request)
        if request.method == "GET":
            return await self._read(place, request)
        if resource.plural != "secrets":
            message = "the server does not allow this method on the requested resource"
            raise faults.Refused(405, "MethodNotAllowed", message)
        return await self._write(place, request)

    async def _about(self, path: str, request: Request, user: User) -> Response:
        parts = [part for part in path.split("/") if part]
        accepts = request.headers.get("accept", "")
        kind = parts[-1] if parts else ""
        if request.method == "POST" and kind.endswith("reviews"):
            body = await _body(request)
            return JSONResponse(self._access.review(kind, body, user), 201)
        if "as=APIGroupDiscoveryList" in accepts and path in ("/api", "/apis"):
            groups = {
                name: own for name, own in self._groups.items() if bool(name) == (path == "/apis")
            }
            return JSONResponse(
                discovery.aggregated(groups), headers={"content-type": discovery.AGGREGATED}
            )
        return JSONResponse(self._legacy_discovery(parts))

    def _legacy_discovery(self, parts: list[str]) -> Json:
        version = self._cluster.spec.kubernetes_version
        fixed: dict[tuple[str, ...], Callable[[], Json]] = {
            ("api",): discovery.api_versions,
            ("apis",): lambda: discovery.api_group_list(self._resources),
            ("api", "v1"): lambda: discovery.api_resource_list("", self._groups[""]),
            ("openapi", "v3"): lambda: {"paths": {}},
            ("openapi", "v2"): lambda: {
                "swagger": "2.0",
                "info": {"title": "Kubernetes", "version": version},
                "paths": {},
            },
        }
        for group, members in self._groups.items():
            fixed["apis", group] = partial(discovery.api_group, group)
            fixed["apis", group, "v1"] = partial(discovery.api_resource_list, group, members)
        if tuple(parts) not in fixed:
            raise faults.no_such_path()
        return fixed[tuple(parts)]()

    # --- objects ------------------------------------------------------------------------------

    def _view(self, moment: float | None = None) -> View:
        at = self._world.now() if moment is None else moment
        return View(self._cluster, self._store, self._world.anchor, at)

    def _objects(self, resource: Resource, moment: float) -> list[Json]:
        if resource.plural == "secrets":
            return self._secrets.all()
        return resource.render(self._view(moment))

    async def _read(self, place: Location, request: Request) -> Response:
        query = request.query_params
        accepts = request.headers.get("accept", "")
        as_table = "as=Table" in accepts
        only_metadata = "as=PartialObjectMetadata" in accepts and not as_table
        if query.get("watch", "") in ("1", "true"):
            return self._watch(place, query, as_table=as_table)
        now = self._world.now()
        if place.name:
            thing = await run_in_threadpool(self._one, place, now)
            if as_table:
                return _json(table(place.resource.plural, [thing], now, {}))
            return _json(partial_metadata(thing) if only_metadata else thing)
        moment, start = now, 0
        if query.get("continue"):
            moment, start = read_continue(query["continue"], now)
        limit = _whole(query.get("limit", "0"))
        things = await run_in_threadpool(self._objects, place.resource, moment)
        kept = chosen(things, place.namespace, query)
        page = listed(place.resource, kept, moment, start, limit, as_table=as_table)
        return _json(partial_list(page) if only_metadata else page)

    def _one(self, place: Location, moment: float) -> Json:
        for thing in self._objects(place.resource, moment):
            about = thing["metadata"]
            if about["name"] == place.name and about.get("namespace", "") == place.namespace:
                return thing
        raise faults.not_found(place.resource.plural, place.name, place.resource.group)

    def _watch(self, place: Location, query: Mapping[str, str], *, as_table: bool) -> Response:
        resource = place.resource
        version = query.get("resourceVersion", "")
        fields = dict(query)
        if place.name:
            fields["fieldSelector"] = f"metadata.name={place.name}"
        watched = WatchRequest(
            since=_whole(version) / 1000 if version not in ("", "0") else None,
            timeout=float(query.get("timeoutSeconds") or DEFAULT_WATCH_SECONDS),
            bookmarks=query.get("allowWatchBookmarks") in ("1", "true"),
            poll=self._poll,
            kind=resource.kind,
            api_version=resource.group_version,
        )
        chosen([], "", fields)  # a bad selector is refused before the stream begins

        def snapshot(moment: float) -> list[Json]:
            return chosen(self._objects(resource, moment), place.namespace, fields)

        def shape(thing: Json) -> Json:
            about = {"resourceVersion": thing["metadata"]["resourceVersion"]}
            return table(resource.plural, [thing], self._world.now(), about) if as_table else thing

        lines = watch_lines(snapshot, watched, self._world.now, shape)
        return StreamingResponse(lines, media_type="application/json")

    async def _write(self, place: Location, request: Request) -> Response:
        secrets, namespace, name = self._secrets, place.namespace, place.name
        if request.method == "DELETE":
            return _json(secrets.delete(namespace, name))
        body = await _body(request)
        if request.method == "POST":
            return JSONResponse(secrets.create(namespace, body), 201)
        if request.method == "PUT":
            return _json(secrets.replace(namespace, name, body))
        return _json(secrets.merge(namespace, name, body))

    # --- below objects --------------------------------------------------------------------------

    async def _below(self, place: Location, request: Request) -> Response:
        below = place.rest[0]
        if place.resource.plural == "pods" and below == "log":
            pod = self._pod(place, request.query_params.get("container", ""))
            return await run_in_threadpool(self._logs.of_pod, pod, request.query_params)
        if place.resource.plural == "pods" and below == "exec":
            raise faults.bad_request("Upgrade request required")
        if place.resource.plural == "services" and below == "proxy":
            path = "/" + "/".join(place.rest[1:])
            return await forward(self._backend, place.namespace, place.name, path, request)
        if place.resource.plural == "nodes" and place.rest[:2] == ("proxy", "logs"):
            path = "/".join(place.rest[2:])
            return await run_in_threadpool(
                self._logs.of_node, place.name, path, request.query_params
            )
        raise faults.no_such_path()

    def _pod(self, place: Location, container: str) -> Pod:
        now = self._world.now()
        for pod in self._cluster.pods_at(now):
            if (pod.namespace, pod.name) == (place.namespace, place.name):
                if container and container != pod.work.container_name:
                    raise faults.bad_request(
                        f"container {container} is not valid for pod {pod.name}"
                    )
                return pod
        raise faults.not_found("pods", place.name)

    def _running_pod(self, place: Location, container: str) -> Pod:
        pod = self._pod(place, container)
        now = self._world.now()
        if pod.history.phase.at(now) in ("Succeeded", "Failed"):
            raise faults.bad_request(
                f"cannot exec into a container in a completed pod; current phase is "
                f"{pod.history.phase.at(now)}"
            )
        if not pod.history.running.at(now):
            raise faults.Refused(
                500, "InternalError", f'container not found ("{pod.work.container_name}")'
            )
        if any(start <= now < end for start, end in self._cluster.silent(pod.node.name)):
            address = f"https://{pod.node.address}:10250"
            raise faults.Refused(
                500, "InternalError", f"error dialing backend: dial {address}: i/o timeout"
            )
        return pod


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


async def _body(request: Request) -> Json:
    try:
        content: Any = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise faults.bad_request("the object provided is unrecognized") from error
    if not isinstance(content, dict):
        raise faults.bad_request("the object provided is unrecognized")
    return cast("Json", content)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise faults.bad_request(f"invalid number: {text!r}") from error

"""Client of Korrel8r's REST API: what is near to an alert or an object. Reads only.

Source: korrel8r/korrel8r ``korrel8r-openapi.yaml`` (``/api/v1alpha1``) and ``doc/content``. A query
is ``DOMAIN:CLASS:SELECTOR``; a graph has nodes (a class with queries and how many objects they
give) and edges (rules that lead from one class to another). The caller's bearer is passed on to the
stores that Korrel8r asks.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

import orjson

from aiops_mcp.backends import faults
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.errors import BackendRefused

BASE = "/api/v1alpha1"
_SPELLINGS = ("neighbors", "neighbours")
"""The newer one first; releases before 0.8 know the other only."""


class Domain(StrEnum):
    """Korrel8r's domains, each a kind of signal."""

    K8S = "k8s"
    ALERT = "alert"
    METRIC = "metric"
    LOG = "log"
    TRACE = "trace"
    NETFLOW = "netflow"
    INCIDENT = "incident"


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One class; ``queries`` are those that gave its ``count`` objects, the richest first."""

    class_name: str
    count: int
    queries: tuple[tuple[str, int], ...] = ()

    @property
    def domain(self) -> str:
        return self.class_name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """``rules`` led from objects of ``start`` to objects of ``goal``."""

    start: str
    goal: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[GraphEdge, ...] = ()


def query_text(domain: Domain, class_name: str, selector: Mapping[str, str]) -> str:
    """A query whose selector is JSON: ``k8s:Pod:{"namespace":"a","name":"b"}``."""
    told = json.dumps(dict(selector), separators=(",", ":"), ensure_ascii=False)
    return f"{domain.value}:{class_name}:{told}"


class Korrel8rClient:
    """Every method raises the errors of `HttpClient.request`."""

    def __init__(self, http: HttpClient) -> None:
        self.http = http

    async def neighbours(
        self,
        queries: Sequence[str],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        depth: int = 2,
        limit: int = 100,
        timeout: float | None = None,
    ) -> Graph:
        """What is at most ``depth`` rules away from the objects of the queries.

        All queries must be of one class. Raises BackendRefused where a query cannot be.
        """
        body = {"start": _start(queries, start, end, limit), "depth": depth}
        for spelling in _SPELLINGS:
            try:
                return await self._graph(f"graphs/{spelling}", body, timeout)
            except BackendRefused as refusal:
                if refusal.http_status not in (404, 405) or spelling == _SPELLINGS[-1]:
                    raise
        return Graph()

    async def aclose(self) -> None:
        await self.http.aclose()

    async def _graph(self, path: str, body: Mapping[str, Any], timeout: float | None) -> Graph:
        answer = await self.http.request(
            "POST",
            f"{BASE}/{path}",
            content=orjson.dumps(body),
            repeatable=True,
            timeout=timeout,
        )
        payload = self.http.parsed(answer)
        if not isinstance(payload, dict):
            raise self._foreign()
        return read_graph(cast("Mapping[str, Any]", payload))

    def _foreign(self) -> Exception:
        return faults.foreign(
            self.http.target,
            "JSON that is not Korrel8r's",
            "Check that korrel8r_url is that of the service, without /api.",
        )


def read_graph(payload: Mapping[str, Any]) -> Graph:
    """The graph, read leniently: null stands for nothing in Go's JSON."""
    nodes: list[GraphNode] = []
    for one in _objects(payload.get("nodes")):
        queries = sorted(
            ((_text(each, "query"), _count(each)) for each in _objects(one.get("queries"))),
            key=lambda pair: (-pair[1], pair[0]),
        )
        if name := _text(one, "class"):
            nodes.append(GraphNode(name, _count(one), tuple(queries)))
    edges = [
        GraphEdge(
            _text(one, "start"),
            _text(one, "goal"),
            tuple(_text(rule, "name") for rule in _objects(one.get("rules"))),
        )
        for one in _objects(payload.get("edges"))
    ]
    return Graph(tuple(nodes), tuple(edges))


def _start(
    queries: Sequence[str], start: datetime | None, end: datetime | None, limit: int
) -> dict[str, Any]:
    constraint: dict[str, Any] = {"limit": limit}
    if start is not None:
        constraint["start"] = _moment(start)
    if end is not None:
        constraint["end"] = _moment(end)
    return {"queries": list(queries), "constraint": constraint}


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _objects(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        return []
    return [
        cast("Mapping[str, Any]", one)
        for one in cast("list[object]", value)
        if isinstance(one, dict)
    ]


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _count(value: Mapping[str, Any]) -> int:
    found = value.get("count")
    return found if isinstance(found, int) and not isinstance(found, bool) else 0

"""API servers of a few objects, over a mock transport, and the simulated fleet, behind one harness."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import httpx2
import pytest

from aiops_mcp.backends.connect import NetworkConnect
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.objects import FleetObjects
from aiops_mcp.models.cluster import (
    Cluster,
    ClusterCredentials,
    ClusterState,
    ClusterStatus,
    CredentialsInfo,
)
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.world import World

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
Json = dict[str, Any]


def ago(**span: float) -> str:
    return (NOW - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class ApiServer:
    """Answers lists from ``objects`` by path; ``refuse`` maps a path to a status."""

    objects: dict[str, Sequence[Json]] = field(default_factory=dict)
    refuse: dict[str, int] = field(default_factory=dict)
    logs: Callable[[httpx2.Request], httpx2.Response] | None = None
    expire_once: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    kinds = (
        ("", "pods", "Pod", True, ["po"]),
        ("", "nodes", "Node", False, ["no"]),
        ("", "events", "Event", True, ["ev"]),
        ("", "configmaps", "ConfigMap", True, ["cm"]),
        ("", "secrets", "Secret", True, []),
        ("", "persistentvolumeclaims", "PersistentVolumeClaim", True, ["pvc"]),
        ("apps", "deployments", "Deployment", True, ["deploy"]),
        ("apps", "replicasets", "ReplicaSet", True, ["rs"]),
        ("batch", "jobs", "Job", True, []),
    )

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path, query = request.url.path, request.url.params
        accept = request.headers["accept"]
        self.asked.append(path)
        if path in ("/api", "/apis"):
            return httpx2.Response(200, json=self._discovery(path))
        if path in self.refuse:
            code = self.refuse[path]
            body = {"kind": "Status", "reason": "Forbidden", "message": "no", "code": code}
            return httpx2.Response(code, json=body)
        if path.endswith("/log") and self.logs:
            return self.logs(request)
        where, items = self._found(path)
        if items is None:
            body = {"kind": "Status", "reason": "NotFound", "message": "not found", "code": 404}
            return httpx2.Response(404, json=body)
        if where == "one":
            return httpx2.Response(200, json=self._one(items[0], accept))
        start = int(query.get("continue") or 0)
        if start and path in self.expire_once:
            self.expire_once.discard(path)
            gone = {"kind": "Status", "reason": "Expired", "message": "too old", "code": 410}
            return httpx2.Response(410, json=gone)
        chosen = [item for item in items if self._fits(item, query.get("fieldSelector") or "")]
        limit = int(query.get("limit") or 500)
        page = chosen[start : start + limit]
        token = str(start + limit) if start + limit < len(chosen) else ""
        return httpx2.Response(200, content=json.dumps(self._list(page, token, accept)))

    def _found(self, path: str) -> tuple[str, Sequence[Json] | None]:
        parts = path.strip("/").split("/")
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = None
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        items = [
            item
            for item in self.objects.get(rest[0], ())
            if namespace in (None, item["metadata"].get("namespace"))
        ]
        if len(rest) == 1:
            return "list", items
        named = [item for item in items if item["metadata"]["name"] == rest[1]]
        return "one", named or None

    def _fits(self, item: Json, selector: str) -> bool:
        for part in filter(None, selector.split(",")):
            steps, _, value = part.partition("=")
            found: Any = item
            for step in steps.split("."):
                found = (found or {}).get(step)
            if found != value:
                return False
        return True

    def _one(self, item: Json, accept: str) -> Json:
        if "PartialObjectMetadata" in accept:
            return {"kind": "PartialObjectMetadata", "metadata": item["metadata"]}
        return item

    def _list(self, page: Sequence[Json], token: str, accept: str) -> Json:
        about = {"continue": token, "resourceVersion": "1"}
        if "as=Table" in accept and page and "cells" in page[0]:
            columns = [{"name": name, "priority": 0} for name in page[0]["columns"]]
            rows = [
                {"cells": item["cells"], "object": {"metadata": item["metadata"]}} for item in page
            ]
            return {"kind": "Table", "metadata": about, "columnDefinitions": columns, "rows": rows}
        if "PartialObjectMetadataList" in accept:
            items = [{"metadata": item["metadata"]} for item in page]
            return {"kind": "PartialObjectMetadataList", "metadata": about, "items": items}
        return {"kind": "List", "metadata": about, "items": list(page)}

    def _discovery(self, path: str) -> Json:
        groups: dict[str, list[Json]] = {}
        for group, plural, kind, namespaced, short in self.kinds:
            if bool(group) == (path == "/apis"):
                entry = {
                    "resource": plural,
                    "responseKind": {"kind": kind},
                    "scope": "Namespaced" if namespaced else "Cluster",
                    "singularResource": kind.lower(),
                    "shortNames": short,
                    "verbs": ["get", "list"],
                }
                groups.setdefault(group, []).append(entry)
        items = [
            {"metadata": {"name": name}, "versions": [{"version": "v1", "resources": entries}]}
            for name, entries in groups.items()
        ]
        return {"kind": "APIGroupDiscoveryList", "items": items}


@dataclass
class FewClusters:
    clusters: list[Cluster]
    credentials: Mapping[str, ClusterCredentials] = field(default_factory=dict)

    async def list(self, principal):
        return tuple(one for one in self.clusters if principal.sees(one.name))

    async def access_revision(self, cluster_id):
        return 0

    async def credentials_info(self, cluster_id):
        found = self._of(cluster_id)
        if found is None:
            return None
        return CredentialsInfo(auth_type=found.auth_type, created_at=NOW)

    async def load_credentials(self, cluster_id):
        return self._of(cluster_id)

    def _of(self, cluster_id):
        names = [one.name for one in self.clusters if one.id == cluster_id]
        return self.credentials.get(names[0])


def cluster(name: str, url: str = "", **fields: Any) -> Cluster:
    return Cluster(
        id=uuid5(NAMESPACE_DNS, name),
        name=name,
        api_server_url=url or f"https://{name}.example:6443",
        status=ClusterStatus(state=ClusterState.ONLINE),
        created_at=NOW,
        updated_at=NOW,
        **fields,
    )


@dataclass
class Harness:
    objects: FleetObjects
    fleet: Fleet
    clusters: dict[str, Cluster]
    principal = LOCAL_ADMIN


@pytest.fixture
async def fleet_of():
    """``fleet_of(name=ApiServer(…), …)``: a fleet of these API servers at NOW."""
    made: list[Fleet] = []

    def make(**servers: Any) -> Harness:
        settings = Settings(_env_file=None, retries=0, ttl_objects=0.0)
        transports = {
            f"https://{name}.example:6443": httpx2.MockTransport(server)
            for name, server in servers.items()
        }
        clusters = [cluster(name) for name in servers]
        return _harness(clusters, {}, transports.get, settings, lambda: NOW, made)

    yield make
    for fleet in made:
        await fleet.aclose()


@pytest.fixture
async def simulated():
    """``simulated("oom-loop", …, role="viewer")``: the demo fleet, its incidents under way."""
    made: list[Fleet] = []

    def make(*incidents: str, role: str = "admin") -> Harness:
        now = NOW.timestamp()
        started = start_incidents(incidents, read_incidents(), now)
        world = SimulatedFleet(World(1, started, lambda: now))
        settings = Settings(_env_file=None, retries=0)
        clusters, credentials = [], {}
        for new, own in world.registrations():
            fields = {
                "platform": new.platform,
                "labels": new.labels,
                "region": new.region,
                "environment": new.environment,
            }
            clusters.append(cluster(new.name, new.api_server_url, **fields))
            token = token_of(1, new.name, role)
            credentials[new.name] = own.model_copy(update={"token": type(own.token)(token)})
        return _harness(clusters, credentials, world.transport, settings, lambda: NOW, made)

    yield make
    for fleet in made:
        await fleet.aclose()


def _harness(clusters, credentials, transport_for, settings, clock, made) -> Harness:
    registry = FewClusters(clusters, credentials)
    connect = NetworkConnect(settings, transport_for)
    fleet = Fleet(registry, connect, settings, clock=clock, monotonic=lambda: 0.0)
    made.append(fleet)
    objects = FleetObjects(fleet, settings, clock)
    return Harness(objects, fleet, {one.name: one for one in clusters})


@pytest.fixture
def world():
    """Builders of objects at NOW, for tests of this folder."""
    return Builders


class Builders:
    NOW = NOW
    ApiServer = ApiServer
    ago = staticmethod(ago)

    @staticmethod
    def pod(name: str = "web-1", namespace: str = "shop", **parts: Any) -> Json:
        """A pod that is well, with parts of its status overwritten."""
        status: Json = {
            "phase": "Running",
            "startTime": ago(days=2),
            "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": ago(days=2)},
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(days=2)},
            ],
            "containerStatuses": [Builders.status()],
        }
        status |= parts.pop("status", {})
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": ago(days=2)}
        metadata |= parts.pop("metadata", {})
        spec = {"nodeName": "n1", "containers": [{"name": "web", "image": "r/web:1"}]}
        return {"metadata": metadata, "spec": spec | parts.pop("spec", {}), "status": status}

    @staticmethod
    def status(name: str = "web", **parts: Any) -> Json:
        fine = {"running": {"startedAt": ago(days=2)}}
        return {"name": name, "ready": True, "restartCount": 0, "state": fine, **parts}

    @staticmethod
    def crash(restarts: int = 12, reason: str = "OOMKilled", code: int = 137) -> Json:
        """The status of a container in a crash loop, whose pod has the phase Running."""
        died = {"reason": reason, "exitCode": code, "finishedAt": ago(minutes=3)}
        return Builders.status(
            ready=False,
            restartCount=restarts,
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
            lastState={"terminated": died},
        )

    @staticmethod
    def unready(
        minutes: float, reason: str = "ContainersNotReady", message: str = ""
    ) -> list[Json]:
        return [
            {
                "type": "Ready",
                "status": "False",
                "reason": reason,
                "message": message,
                "lastTransitionTime": ago(minutes=minutes),
            }
        ]

"""Which kinds of object an API server has: aggregated discovery, and the older way group by group.

Wire format: kubernetes.io "API concepts", discovery API. It knows no kind by name.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiops_mcp.backends import faults
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.kubernetes_status import kubernetes_refusal
from aiops_mcp.errors import BackendError

_AGGREGATED = ",".join(
    (
        *(
            f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            for version in ("v2", "v2beta1")
        ),
        "application/json",
    )
)
_GROUPS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ApiKind:
    """One kind in the version that the server prefers; ``group`` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As kubectl tells kinds apart: ``deployments.apps``, ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """The path of the group's version, without namespace and kind."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None = None) -> str:
        """The path of the list of this kind; ``namespace`` as one path segment already."""
        place = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{self.root}{place}/{self.plural}"


async def discover_kinds(http: HttpClient) -> tuple[ApiKind, ...]:
    """Every kind that can be listed, core group first, otherwise in the server's order.

    A group that does not answer (an aggregated API that is down) is left out.

    Raises:
        BackendError: as `HttpClient.request`.
    """
    core, named = await asyncio.gather(_get(http, "/api"), _get(http, "/apis"))
    kinds = [*await _kinds_of(http, core), *await _kinds_of(http, named)]
    return tuple(kind for kind in kinds if "list" in kind.verbs)


async def _get(http: HttpClient, path: str) -> dict[str, Any]:
    answer = await http.request("GET", path, accept=_AGGREGATED, read_error=kubernetes_refusal)
    return _object(http, http.parsed(answer))


async def _kinds_of(http: HttpClient, found: dict[str, Any]) -> list[ApiKind]:
    if found.get("kind") == "APIGroupDiscoveryList":
        return list(_aggregated(_items(found, "items")))
    if found.get("kind") == "APIVersions":
        versions = cast("list[str]", found.get("versions") or [])
        preferred = [("", version) for version in versions[:1]]
    else:
        groups = _items(found, "groups")
        preferred = [(str(group.get("name") or ""), _preferred_version(group)) for group in groups]
    slots = asyncio.Semaphore(_GROUPS_AT_ONCE)

    async def read(group: str, version: str) -> list[ApiKind]:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        async with slots:
            try:
                listed = await http.get_json(path, read_error=kubernetes_refusal)
            except BackendError:
                return []  # one broken aggregated API hides no other group
        return list(_legacy(group, version, _items(_object(http, listed), "resources")))

    read_groups = await asyncio.gather(*(read(group, version) for group, version in preferred))
    return [kind for kinds in read_groups for kind in kinds]


def _preferred_version(group: Mapping[str, Any]) -> str:
    preferred: Mapping[str, Any] = group.get("preferredVersion") or {}
    versions = _items(group, "versions")
    return str(preferred.get("version") or (versions[0].get("version") if versions else "v1"))


def _aggregated(groups: Iterable[Mapping[str, Any]]) -> Iterable[ApiKind]:
    for group in groups:
        about: Mapping[str, Any] = group.get("metadata") or {}
        name = str(about.get("name") or "")
        seen: set[str] = set()
        # Versions come most preferred first; an older one adds only what the newer lacks.
        for version in _items(group, "versions"):
            for entry in _items(version, "resources"):
                plural = str(entry.get("resource") or "")
                if not plural or plural in seen:
                    continue
                seen.add(plural)
                response: Mapping[str, Any] = entry.get("responseKind") or {}
                yield ApiKind(
                    group=name,
                    version=str(version.get("version") or "v1"),
                    plural=plural,
                    kind=str(response.get("kind") or plural),
                    singular=str(entry.get("singularResource") or plural.removesuffix("s")),
                    namespaced=entry.get("scope") == "Namespaced",
                    short_names=_texts(entry.get("shortNames")),
                    verbs=_texts(entry.get("verbs")),
                )


def _legacy(group: str, version: str, entries: Iterable[Mapping[str, Any]]) -> Iterable[ApiKind]:
    for entry in entries:
        plural = str(entry.get("name") or "")
        if not plural or "/" in plural:  # a subresource
            continue
        yield ApiKind(
            group=group,
            version=version,
            plural=plural,
            kind=str(entry.get("kind") or plural),
            singular=str(entry.get("singularName") or plural.removesuffix("s")),
            namespaced=bool(entry.get("namespaced")),
            short_names=_texts(entry.get("shortNames")),
            verbs=_texts(entry.get("verbs")),
        )


def _items(found: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    items = found.get(key)
    if not isinstance(items, list):
        return []
    return [
        cast("dict[str, Any]", item)
        for item in cast("list[object]", items)
        if isinstance(item, dict)
    ]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, cast("Sequence[object]", value))) if isinstance(value, list) else ()


def _object(http: HttpClient, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise faults.not_kubernetes(http.target)
    return cast("dict[str, Any]", value)

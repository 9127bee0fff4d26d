"""A thin client of the Kubernetes API on plain dicts: list, get, watch, logs, exec, reviews.

Wire format: kubernetes.io "API concepts". What the objects mean, and which are worth reading, is
for others to know.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import orjson

from aiops_mcp.backends import faults
from aiops_mcp.backends import kubernetes_access as reviews
from aiops_mcp.backends.call import Params
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.kubernetes_access import AccessVerdict, TokenVerdict, UserInfo
from aiops_mcp.backends.kubernetes_lists import PAGE_SIZE, list_all
from aiops_mcp.backends.kubernetes_paths import resource_path, segment
from aiops_mcp.backends.kubernetes_status import kubernetes_refusal
from aiops_mcp.backends.kubernetes_watch import WatchEvent, watch_objects

if TYPE_CHECKING:
    from aiops_mcp.backends.kubernetes_exec import ExecResult

Objects = list[dict[str, Any]]
Pairs = list[tuple[str, str]]

MAX_EXEC_BYTES = 16 * 1024 * 1024
_MERGE_PATCH = "application/merge-patch+json"


class KubernetesClient:
    """Every method raises the errors of `HttpClient.request`.

    ``resource`` is whatever `resource_path` takes. A ``timeout`` is in seconds.
    """

    def __init__(self, http: HttpClient) -> None:
        self.http = http

    async def version(self) -> dict[str, Any]:
        """The server's ``major``, ``minor``, ``gitVersion`` and more."""
        return await self.get("/version")

    async def ready(self) -> None:
        """Returns when the API server says that it is ready; else raises why not."""
        await self.http.request("GET", "/readyz", accept="*/*", read_error=kubernetes_refusal)

    async def list(
        self,
        path: str,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = PAGE_SIZE,
        timeout: float | None = None,
    ) -> Objects:
        """All objects of a kind, read in pages of ``limit``; items lack kind and apiVersion."""
        page = await self.list_page(
            path,
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            timeout=timeout,
        )
        return page[0]

    async def list_page(
        self,
        path: str,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = PAGE_SIZE,
        timeout: float | None = None,
    ) -> tuple[Objects, str]:
        """All objects of a kind, and the resource version that a watch goes on from."""
        page = await list_all(
            self.http,
            resource_path(path, namespace),
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            timeout=timeout,
        )
        return list(page.items), page.resource_version

    async def get(
        self,
        path: str,
        *,
        namespace: str | None = None,
        name: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """One object, or whatever JSON object stands at a path."""
        where = resource_path(path, namespace, name)
        return self._object(await self._get(where, timeout=timeout))

    def watch(
        self,
        path: str,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        resource_version: str | None = None,
    ) -> AsyncGenerator[WatchEvent]:
        """Changes without end, as `watch_objects` tells them."""
        where = resource_path(path, namespace)
        selectors = _selectors(label_selector, field_selector)
        return watch_objects(self, where, selectors, resource_version)

    async def pod_logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str | None = None,
        previous: bool = False,
        tail_lines: int | None = 1000,
        since_seconds: int | None = None,
        since_time: datetime | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
        timeout: float | None = None,
    ) -> str:
        """The log of a container as text; undecodable bytes are replaced.

        Raises:
            BackendRefused: 400 when the container is ambiguous, has not started, or has no
                previous run.
        """
        params: list[tuple[str, str]] = []
        for key, value in (
            ("container", container),
            ("previous", "true" if previous else None),
            ("tailLines", tail_lines),
            ("sinceSeconds", since_seconds),
            ("sinceTime", since_time and since_time.isoformat(timespec="seconds")),
            ("timestamps", "true" if timestamps else None),
            ("limitBytes", limit_bytes),
        ):
            if value is not None:
                params.append((key, str(value)))
        answer = await self.http.request(
            "GET",
            f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod)}/log",
            params,
            accept="*/*",
            timeout=timeout,
            read_error=kubernetes_refusal,
        )
        return answer.body.decode("utf-8", "replace")

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str | None,
        command: Sequence[str],
        *,
        timeout: float = 30.0,
        max_bytes: int = MAX_EXEC_BYTES,
    ) -> "ExecResult":
        """Run a command in a container, without stdin; see `run_in_container`."""
        # WebSockets cost 30 ms to import, and most processes never run a command.
        from aiops_mcp.backends.kubernetes_exec import run_in_container

        return await run_in_container(
            self.http, namespace, pod, container, command, timeout=timeout, max_bytes=max_bytes
        )

    async def access_review(
        self,
        verb: str,
        resource: str,
        group: str = "",
        namespace: str | None = None,
        subresource: str = "",
        name: str = "",
    ) -> AccessVerdict:
        """Whether we may do this; a ``resource`` that begins with a slash is a URL path."""
        body = reviews.own_access(verb, resource, group, namespace, subresource, name)
        return reviews.access_verdict(await self._review(reviews.OWN_ACCESS, body))

    async def subject_access_review(
        self,
        user: UserInfo,
        verb: str,
        resource: str,
        group: str = "",
        namespace: str | None = None,
    ) -> AccessVerdict:
        """Whether somebody else may do this."""
        body = reviews.subject_access(user, verb, resource, group, namespace)
        return reviews.access_verdict(await self._review(reviews.SUBJECT_ACCESS, body))

    async def token_review(self, token: str, audiences: Sequence[str] = ()) -> TokenVerdict:
        """Whose token this is; it counts only when one of ``audiences`` is confirmed."""
        body = reviews.token(token, audiences)
        return reviews.token_verdict(await self._review(reviews.TOKEN, body), audiences)

    async def self_subject_review(self) -> UserInfo:
        """Who we are to this cluster (Kubernetes 1.28 and newer)."""
        return reviews.user_info(await self._review(reviews.SELF, reviews.self_subject()))

    async def create(
        self, path: str, namespace: str | None, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Create an object. Raises ``BackendRefused`` with 409 when there is one of this name."""
        return await self._write("POST", resource_path(path, namespace), body)

    async def merge_patch(
        self, path: str, namespace: str | None, name: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        where = resource_path(path, namespace, name)
        return await self._write("PATCH", where, body, content_type=_MERGE_PATCH)

    async def replace(
        self, path: str, namespace: str | None, name: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        return await self._write("PUT", resource_path(path, namespace, name), body)

    async def delete(self, path: str, namespace: str | None, name: str) -> None:
        where = resource_path(path, namespace, name)
        await self.http.request("DELETE", where, read_error=kubernetes_refusal)

    async def aclose(self) -> None:
        await self.http.aclose()

    async def _get(self, path: str, params: Params = (), timeout: float | None = None) -> Any:
        return await self.http.get_json(
            path, params, timeout=timeout, read_error=kubernetes_refusal
        )

    async def _review(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A review changes nothing, so it may be repeated."""
        return await self._write("POST", path, body, repeatable=True)

    async def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        content_type: str = "application/json",
        repeatable: bool = False,
    ) -> dict[str, Any]:
        answer = await self.http.request(
            method,
            path,
            content=orjson.dumps(body),
            content_type=content_type,
            repeatable=repeatable,
            read_error=kubernetes_refusal,
        )
        return self._object(self.http.parsed(answer))

    def _object(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise faults.not_kubernetes(self.http.target)
        return cast("dict[str, Any]", value)


def _selectors(label_selector: str | None, field_selector: str | None) -> list[tuple[str, str]]:
    pairs = (("labelSelector", label_selector), ("fieldSelector", field_selector))
    return [(key, value) for key, value in pairs if value]

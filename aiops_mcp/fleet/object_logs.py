"""A container's log through the Kubernetes API: which pod and container, and a bounded tail.

Works for every cluster, Loki or not. Source of the calls: kubernetes.io "Pod log" subresource.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.backends.kubernetes_lists import list_pages
from aiops_mcp.errors import (
    AiopsError,
    BackendMisbehaved,
    BackendRefused,
    InputError,
    ResourceNotFound,
)
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.object_fields import Json, name_of, namespace_of
from aiops_mcp.fleet.object_kinds import list_path, near_objects
from aiops_mcp.fleet.object_log_lines import (
    Choice,
    choose_container,
    container_names,
    fold_lines,
    is_error,
    pod_trouble,
    split_lines,
)
from aiops_mcp.fleet.object_reading import ObjectReader, open_reader
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.objects import PodLog

MOST_BYTES = 4 * 1024 * 1024
_FEWER = 10
"""When a tail is too large, it is asked for again with a tenth of the lines."""


@dataclass(frozen=True, slots=True)
class LogSearch:
    """``pod`` is a name or a part of one; ``tail`` lines at most."""

    pod: str
    namespace: str | None = None
    container: str | None = None
    previous: bool = False
    tail: int = 200
    since_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class _Log:
    pod: Json
    choice: Choice
    text: str
    asked: int
    notes: tuple[str, ...]
    why_pod: str | None


async def read_pod_log(
    fleet: Fleet,
    cluster: Cluster,
    search: LogSearch,
    *,
    seconds: float,
    clock: Callable[[], datetime],
) -> PodLog:
    """The end of a container's log.

    Raises:
        ResourceNotFound: no such pod; near names are told.
        InputError: no such container; or the pod has not started, or has no earlier run.
    """

    async def ask(access: Access) -> _Log:
        reader = await open_reader(access, fleet.cache, seconds=seconds)
        pod, why = await _pod(reader, search)
        choice = choose_container(pod, search.container)
        if choice is None:
            names = ", ".join(container_names(pod))
            raise InputError(
                f"Pod {name_of(pod)} has no container {search.container!r}.",
                f"It has {names or 'none'}.",
            )
        client = KubernetesClient(reader.http)
        text, asked, notes = await _tail(client, pod, choice, search)
        return _Log(pod, choice, text, asked, notes, why)

    answer = await fleet.ask_one(cluster, ask, backend="kubernetes", deadline=seconds)
    if answer.error is not None:
        raise answer.error
    if answer.value is None:
        raise ResourceNotFound(f"{cluster.name} was not asked: {answer.skipped}.")
    return _entity(cluster, answer.value, search, clock())


async def _pod(reader: ObjectReader, search: LogSearch) -> tuple[Json, str | None]:
    """The pod of this name; else the one in most trouble of those whose names hold it."""
    kind = reader.has("pods")
    if kind is None:
        raise ResourceNotFound(f"{reader.cluster_name} has no pods to read.")
    list_path(kind, None, search.pod)
    exact = await _pods(reader, search.namespace, f"metadata.name={search.pod}", lambda _: True)
    if len(exact) == 1:
        return exact[0], None
    if exact:
        spaces = sorted(namespace_of(pod) or "" for pod in exact)
        raise InputError(
            f"Pod {search.pod} is in {len(spaces)} namespaces.", f"Give one: {', '.join(spaces)}."
        )
    names: list[str] = []

    def is_meant(pod: Json) -> bool:
        names.append(name_of(pod))
        return search.pod.lower() in names[-1].lower()

    matching = await _pods(reader, search.namespace, None, is_meant)
    if not matching:
        near = near_objects(search.pod, names)
        where = f" in {search.namespace}" if search.namespace else ""
        raise ResourceNotFound(
            f"{reader.cluster_name} has no pod {search.pod[:80]!r}{where}.",
            f"Near names: {', '.join(near)}." if near else f"It has {len(names)} pods.",
            details={"near": list(near)},
        )
    chosen = max(matching, key=pod_trouble)
    if len(matching) == 1:
        return chosen, None
    which = "the one in most trouble" if pod_trouble(chosen)[:2] > (0, 0) else "one"
    return chosen, f"{which} of {len(matching)} pods with {search.pod} in their name"


async def _pods(
    reader: ObjectReader,
    namespace: str | None,
    field_selector: str | None,
    keep: Callable[[Json], bool],
) -> list[Json]:
    kind = reader.has("pods")
    found: list[dict[str, Any]] = []
    restarts = 0
    if kind is None:
        return []
    async for page in list_pages(
        reader.http, list_path(kind, namespace), field_selector=field_selector
    ):
        if page.restarts > restarts:
            found.clear()
            restarts = page.restarts
        found.extend(item for item in page.items if keep(item))
    return list(found)


async def _tail(
    client: KubernetesClient, pod: Json, choice: Choice, search: LogSearch
) -> tuple[str, int, tuple[str, ...]]:
    """The text, how many lines were asked for, and what is to be said about it."""
    asked = search.tail + 1  # one more tells whether there are more
    while True:
        try:
            text = await client.pod_logs(
                namespace_of(pod) or "default",
                name_of(pod),
                container=choice.container,
                previous=search.previous,
                tail_lines=asked,
                since_seconds=search.since_seconds,
                timestamps=True,
                limit_bytes=MOST_BYTES,
            )
        except BackendRefused as error:
            raise _explained(error, pod, choice, search) from error
        # The server cuts at the end of what it sends, which is the newest: then ask for less.
        if len(text.encode()) < MOST_BYTES or asked <= 2:
            notes = () if asked > search.tail else (f"long lines: only the last {asked} were read",)
            return text, asked, notes
        asked = max(2, asked // _FEWER)


def _explained(error: BackendRefused, pod: Json, choice: Choice, search: LogSearch) -> AiopsError:
    if isinstance(error, BackendMisbehaved) or error.http_status != 400:
        return error
    said = error.message.partition("HTTP 400): ")[2] or error.message
    hint = (
        "It has no earlier run: ask without previous."
        if search.previous
        else "It has not started: list_unhealthy and get_resource tell why."
    )
    details = {"pod": name_of(pod), "container": choice.container}
    return InputError(f"No log of {name_of(pod)}: {said}", hint, details=details)


def _entity(cluster: Cluster, log: _Log, search: LogSearch, now: datetime) -> PodLog:
    lines = split_lines(log.text)
    is_more = len(lines) >= log.asked
    kept = lines[1:] if is_more else lines
    why = "; ".join(part for part in (log.why_pod, log.choice.why) if part)
    return PodLog(
        cluster_name=cluster.name,
        namespace=namespace_of(log.pod) or "default",
        pod=name_of(log.pod),
        container=log.choice.container,
        containers=container_names(log.pod),
        previous=search.previous,
        why=why or None,
        lines=fold_lines(kept),
        read=len(kept),
        truncated=is_more,
        errors=sum(is_error(line) for _, line in kept),
        notes=log.notes,
        simulated=cluster.is_simulated,
        as_of=now,
    )

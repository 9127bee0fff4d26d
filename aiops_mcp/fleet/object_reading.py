"""One cluster's objects during one question: several kinds at once, each of which may be refused.

What cannot be read becomes a note beside what could be; only when nothing could be read is it an
error. Knows no kind by name, and judges nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.kubernetes_kinds import ApiKind, discover_kinds
from aiops_mcp.backends.kubernetes_lists import Form, Page, list_pages
from aiops_mcp.errors import BackendError, BackendRefused, QueryTimeout
from aiops_mcp.fleet.access import Access, address
from aiops_mcp.fleet.cache import AnswerCache
from aiops_mcp.fleet.object_kinds import has_kind, list_path

T = TypeVar("T")
Json = dict[str, Any]

KINDS_TTL = 60.0
LISTS_AT_ONCE = 6
"""Of one cluster: API servers ration concurrent lists (priority and fairness)."""

GIVING_UP_SECONDS = 1.0
"""So long before the deadline what is not there yet is given up, and the rest is told."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why objects of a kind could not be read."""

    kind: str
    reason: str

    @property
    def text(self) -> str:
        return f"{self.kind} not read: {self.reason}"


@dataclass(slots=True)
class ObjectReader:
    """Reads lists of one cluster; ``ends`` is the event loop's time at which it gives up."""

    cluster_name: str
    http: HttpClient
    kinds: tuple[ApiKind, ...]
    ends: float
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    read: int = 0
    _last_error: BackendError | None = None
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LISTS_AT_ONCE))

    def has(self, qualified: str) -> ApiKind | None:
        return has_kind(self.kinds, qualified)

    async def each(
        self,
        qualified: str,
        judge: Callable[[Json], Iterable[T]],
        *,
        form: Form = Form.OBJECTS,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[T]:
        """What ``judge`` makes of every object of a kind; empty where there is no such kind.

        The objects are dropped page by page. A refusal is noted and gives an empty list.
        """
        kind = self.has(qualified)
        if kind is None:
            return []
        found: list[T] = []

        def take(page: Page) -> None:
            for item in page.items:
                found.extend(judge(item))

        pages = read_pages(
            self,
            kind,
            take,
            found.clear,
            form=form,
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        await self.attempt(qualified, pages)
        return found

    async def attempt(self, what: str, work: Awaitable[None]) -> bool:
        """Whether ``work`` was done; why not is noted. A wrong token (401) is raised."""
        try:
            async with self._slots, asyncio.timeout_at(self.ends):
                await work
        except TimeoutError:
            self._refused(what, "no answer in time", QueryTimeout(f"{what}: no answer in time."))
        except BackendRefused as error:
            if error.http_status == 401:
                raise
            if error.http_status != 404:  # a kind that went away between discovery and now
                self._refused(what, _reason(error), error)
        except BackendError as error:
            self._refused(what, _reason(error), error)
        else:
            self.read += 1
            return True
        return False

    def raise_if_nothing_read(self) -> None:
        """Raises the last refusal when there was one and nothing could be read."""
        if self._last_error is not None and not self.read:
            raise self._last_error

    def _refused(self, what: str, reason: str, error: BackendError) -> None:
        self.refusals.append(Refusal(what, reason))
        self._last_error = error


async def open_reader(access: Access, cache: AnswerCache, *, seconds: float) -> ObjectReader:
    """A reader of the cluster, its kinds known; ``seconds`` is how long the question may take."""
    ends = asyncio.get_running_loop().time() + max(seconds - GIVING_UP_SECONDS, seconds / 2)
    http = (await access.kubernetes()).http
    kinds = await kinds_of(access, cache, http)
    return ObjectReader(access.cluster.name, http, kinds, ends)


async def kinds_of(access: Access, cache: AnswerCache, http: HttpClient) -> tuple[ApiKind, ...]:
    """The cluster's kinds, as read within the last minute."""
    cluster = access.cluster
    return await cache.get(
        (cluster.id.int, address(cluster), "kubernetes", "kinds"),
        lambda: discover_kinds(http),
        ttl=KINDS_TTL,
        size=lambda kinds: 400 * len(kinds),
    )


async def read_pages(
    reader: ObjectReader,
    kind: ApiKind,
    take: Callable[[Page], None],
    drop: Callable[[], None],
    *,
    form: Form,
    namespace: str | None,
    label_selector: str | None,
    field_selector: str | None,
) -> None:
    """Hand on every page; ``drop`` is called when the list begins anew. Raises as `list_pages`."""
    restarts = 0
    pages = list_pages(
        reader.http,
        list_path(kind, namespace),
        form=form,
        label_selector=label_selector,
        field_selector=field_selector,
    )
    async with aclosing(pages):
        async for page in pages:
            if page.restarts > restarts:
                drop()
                restarts = page.restarts
            take(page)


def refusal_notes(told: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """What clusters could not read, each reason once with the clusters it holds for."""
    places: dict[str, list[str]] = {}
    for cluster_name, refusals in told:
        for refusal in refusals:
            places.setdefault(refusal, []).append(cluster_name)
    return tuple(f"{refusal} ({_some(names)})" for refusal, names in places.items())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _reason(error: BackendError) -> str:
    """In a few words: who reads an answer about the fleet wants no stack of advice."""
    if isinstance(error, BackendRefused) and error.http_status == 403:
        return "not permitted"
    first = error.message.splitlines()[0] if error.message else error.code
    return first if len(first) <= 120 else f"{first[:119]}…"

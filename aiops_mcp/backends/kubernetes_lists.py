"""Lists read page by page in one of three forms: objects, their metadata alone, or kubectl's table.

Wire format: kubernetes.io "API concepts", receiving resources as Tables and chunked results. Pages
are handed on one by one, so that who reads 5,000 pods holds 500.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from aiops_mcp.backends import faults
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.kubernetes_status import kubernetes_refusal
from aiops_mcp.errors import BackendMisbehaved, BackendRefused

PAGE_SIZE = 500
MAX_PAGES = 200
_RESTARTS = 3  # after 410 in the middle of a list

Json = dict[str, Any]


class Form(Enum):
    """What a list is asked for as; the value is the Accept header."""

    OBJECTS = "application/json"
    METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json"


@dataclass(frozen=True, slots=True)
class Page:
    """Items of one page; for a Table its rows, with ``columns`` set.

    ``restarts`` counts how often the list had to begin anew: when it grows, what came before is
    to be dropped. A watch goes on from ``resource_version``.
    """

    items: Sequence[Json]
    columns: Sequence[Json] = ()
    restarts: int = 0
    is_last: bool = True
    resource_version: str = ""


async def list_pages(
    http: HttpClient,
    path: str,
    *,
    form: Form = Form.OBJECTS,
    label_selector: str | None = None,
    field_selector: str | None = None,
    limit: int = PAGE_SIZE,
    timeout: float | None = None,
) -> AsyncGenerator[Page]:
    """The pages of a list, in order; ``path`` is that of the kind's list.

    An expired continue token (410) begins the list anew, three times at most. The metadata form
    never brings more than metadata: a server that answers with whole objects is refused.

    Raises:
        BackendError: as `HttpClient.request`; BackendMisbehaved for more than 200 pages.
    """
    selectors = [
        (key, value)
        for key, value in (("labelSelector", label_selector), ("fieldSelector", field_selector))
        if value
    ]
    restarts, token = 0, ""
    for _ in range(MAX_PAGES * (_RESTARTS + 1)):
        params = [*selectors, ("limit", str(limit)), *([("continue", token)] if token else [])]
        try:
            answer = await http.request(
                "GET",
                path,
                params,
                accept=form.value,
                timeout=timeout,
                read_error=kubernetes_refusal,
            )
        except BackendRefused as error:
            if error.http_status != 410 or restarts == _RESTARTS:
                raise
            restarts, token = restarts + 1, ""
            continue
        body = http.parsed(answer)
        token = _continue(http, body)
        yield _page(http, body, form, restarts, is_last=not token)
        if not token:
            return
    raise _foreign(http, f"a list of more than {MAX_PAGES} pages")


async def list_all(
    http: HttpClient,
    path: str,
    *,
    form: Form = Form.OBJECTS,
    label_selector: str | None = None,
    field_selector: str | None = None,
    limit: int = PAGE_SIZE,
    timeout: float | None = None,
) -> Page:
    """The whole list as one page; for kinds of which there are not many. Raises as `list_pages`."""
    items: list[Json] = []
    columns: Sequence[Json] = ()
    restarts, version = 0, ""
    pages = list_pages(
        http,
        path,
        form=form,
        label_selector=label_selector,
        field_selector=field_selector,
        limit=limit,
        timeout=timeout,
    )
    async with aclosing(pages):
        async for page in pages:
            if page.restarts > restarts:
                items.clear()
                restarts = page.restarts
            items.extend(page.items)
            columns = columns or page.columns
            version = page.resource_version
    return Page(items, columns, restarts, resource_version=version)


async def get_metadata(http: HttpClient, path: str, *, timeout: float | None = None) -> Json:
    """The metadata of one object, and nothing else of it."""
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    answer = await http.request(
        "GET", path, accept=accept, timeout=timeout, read_error=kubernetes_refusal
    )
    body = http.parsed(answer)
    found = _mapping(body).get("metadata")
    if not isinstance(found, dict):
        raise _foreign(http, "an object without metadata")
    return cast("Json", found)


def _page(http: HttpClient, body: Any, form: Form, restarts: int, *, is_last: bool) -> Page:
    found = _mapping(body)
    version = str(_mapping(found.get("metadata")).get("resourceVersion") or "")
    if found.get("kind") == "Table":
        rows, columns = _dicts(found.get("rows")), _dicts(found.get("columnDefinitions"))
        return Page(rows, columns, restarts, is_last, version)
    items = found.get("items")
    if items is not None and not isinstance(items, list):
        raise _foreign(http, "a list without items")
    if form is Form.METADATA and found.get("kind") != "PartialObjectMetadataList":
        raise _foreign(http, "whole objects where only metadata was asked for")
    return Page(_dicts(items), (), restarts, is_last, version)


def _continue(http: HttpClient, body: Any) -> str:
    if not isinstance(body, dict):
        raise _foreign(http, "a list that is no object")
    metadata = _mapping(cast("Json", body).get("metadata"))
    return str(metadata.get("continue") or "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[Json]:
    if not isinstance(value, list):
        return []
    items = cast("list[object]", value)
    return [cast("Json", item) for item in items if isinstance(item, dict)]


def _foreign(http: HttpClient, what: str) -> BackendMisbehaved:
    return faults.not_kubernetes(http.target, f"{what}, which is not the Kubernetes API's way")

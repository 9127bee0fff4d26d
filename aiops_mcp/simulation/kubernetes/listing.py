"""Lists: what a selector leaves of a resource's objects, in pages, as objects or as a Table."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from aiops_mcp.simulation.kubernetes import faults
from aiops_mcp.simulation.kubernetes.columns import table
from aiops_mcp.simulation.kubernetes.resources import Resource
from aiops_mcp.simulation.kubernetes.selectors import BadSelector, field_test, label_test
from aiops_mcp.simulation.kubernetes.view import Json

CONTINUE_KEPT = 300.0
"""How long a continue token is good for (seconds)."""


def chosen(things: list[Json], namespace: str, query: Mapping[str, str]) -> list[Json]:
    """The objects of a namespace (empty: all) that the selectors leave.

    Raises:
        Refused: 400, a selector that cannot be parsed.
    """
    try:
        by_label = label_test(query.get("labelSelector", ""))
        by_field = field_test(query.get("fieldSelector", ""))
    except BadSelector as error:
        raise faults.bad_request(str(error)) from error
    return [
        thing
        for thing in things
        if (not namespace or thing["metadata"].get("namespace") == namespace)
        and by_label(thing["metadata"].get("labels", {}))
        and by_field(thing)
    ]


def read_continue(token: str, now: float) -> tuple[float, int]:
    """The moment a paged list shows, and how many objects were shown.

    Raises:
        Refused: 400 not a token, 410 too old.
    """
    try:
        content: Any = orjson.loads(base64.urlsafe_b64decode(token))
        moment, start = float(content["rv"]) / 1000, int(content["start"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise faults.bad_request("continue key is not valid") from error
    if now - moment > CONTINUE_KEPT:
        raise faults.expired()
    return moment, start


def listed(
    resource: Resource, things: list[Json], moment: float, start: int, limit: int, *, as_table: bool
) -> Json:
    """One page of a list; items carry no kind, as an API server's do not."""
    page = things[start : start + limit] if limit else things[start:]
    version = int(moment * 1000)
    about: Json = {"resourceVersion": str(version)}
    left = len(things) - start - len(page)
    if left > 0:
        token = orjson.dumps({"rv": version, "start": start + len(page)})
        about |= {"continue": base64.urlsafe_b64encode(token).decode(), "remainingItemCount": left}
    if as_table:
        return table(resource.plural, page, moment, about)
    items = page
    if not resource.custom:
        hidden = ("kind", "apiVersion")
        items = [{k: v for k, v in thing.items() if k not in hidden} for thing in page]
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.group_version,
        "metadata": about,
        "items": items,
    }


def partial_metadata(thing: Json) -> Json:
    """An object of which only the metadata was asked for."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": thing["metadata"],
    }


def partial_list(page: Json) -> Json:
    """A page of a list of which only the metadata was asked for."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": page["metadata"],
        "items": [partial_metadata(thing) for thing in page["items"]],
    }

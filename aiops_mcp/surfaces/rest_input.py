"""From path, query string and JSON body to an operation's input, or an error that names the field.

Pure but for reading the body. Knows inputs in general and none by name.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

import orjson
from pydantic import ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from aiops_mcp.errors import InputError
from aiops_mcp.operation import Input
from aiops_mcp.surfaces.problem import UnsupportedMedia

BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
CLUSTER_ALIASES = ("cluster_ids", "cluster_id")
"""Other names of the field ``clusters`` (``Input`` reads them)."""

_MANY = (Sequence, AbstractSet, tuple, list, set, frozenset)
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "\"'`"
_JSON_TYPE = re.compile(r"^application/(?:json|[\w.!#$&^-]+\+json)$", re.IGNORECASE)


class InputReader:
    """Reads requests for one input type; built once per route."""

    def __init__(self, request_type: type[Input]) -> None:
        self._type = request_type
        self._many = {
            name
            for name, field in request_type.model_fields.items()
            if takes_many(field.annotation)
        }
        if "clusters" in self._many:
            self._many.update(CLUSTER_ALIASES)

    async def read(self, request: Request, path: Mapping[str, str]) -> Input:
        """The input that path, query and (for POST, PUT, PATCH) the JSON body make together.

        Raises:
            InputError: something is malformed, unknown, missing or given twice.
            UnsupportedMedia: the body is not JSON.
        """
        given: dict[str, Any] = dict(path)
        if request.method in BODY_METHODS:
            _merge(given, await read_json_object(request), "body")
        _merge(given, self.from_query(request.query_params), "query")
        return validate_input(self._type, given)

    def from_query(self, query: QueryParams) -> dict[str, Any]:
        """Query parameters by field; lists from repeated keys and commas, empty values dropped."""
        given: dict[str, Any] = {}
        for key in dict.fromkeys(query.keys()):
            values = [value for value in query.getlist(key) if value]
            name = key.removesuffix("[]") if key.removesuffix("[]") in self._many else key
            if not values:
                continue
            if name in self._many:
                parts = [part for value in values for part in split_commas(value)]
                given[name] = [*given.get(name, []), *parts]
            elif len(values) > 1:
                raise _field_error(name, "given more than once", "duplicate")
            else:
                given[name] = values[0]
        return given


def takes_many(annotation: Any) -> bool:
    """Whether a field of this type holds several values: tuples, lists, sets, also optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return takes_many(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return any(takes_many(part) for part in get_args(annotation))
    kind = origin or annotation
    return isinstance(kind, type) and issubclass(kind, _MANY) and not issubclass(kind, str | bytes)


def split_commas(text: str) -> list[str]:
    """The parts between commas; a comma in quotes or brackets (a PromQL selector) parts nothing."""
    parts, depth, quote, start = list[str](), 0, "", 0
    escaped = False
    for position, char in enumerate(text):
        if escaped:
            escaped = False
        elif quote:
            escaped = char == "\\" and quote != "`"
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
        elif char in _OPENING:
            depth += 1
        elif char in _CLOSING:
            depth -= 1
        elif char == "," and depth <= 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


async def read_json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object.

    Raises:
        InputError: not JSON, or JSON that is no object.
        UnsupportedMedia: said to be something else than JSON, or compressed.
    """
    body = await request.body()
    if not body.strip():
        return {}
    sent = request.headers.get("content-type", "").partition(";")[0].strip()
    if not _JSON_TYPE.match(sent):
        raise UnsupportedMedia(
            f"The body is {sent[:100] or 'of no named type'}, and only JSON is read here.",
            "Send the header Content-Type: application/json.",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("The body is compressed.", "Send it as it is.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(
            f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno}).",
            details={"line": error.lineno, "column": error.colno},
        ) from error
    if not isinstance(value, dict):
        raise InputError("The body must be a JSON object: {…}.")
    return cast("dict[str, Any]", value)


def _merge(given: dict[str, Any], more: Mapping[str, Any], where: str) -> None:
    for name, value in more.items():
        if name in given and given[name] != value and given[name] != str(value):
            raise _field_error(name, f"the {where} contradicts what was given before", "conflict")
        given[name] = value


def validate_input(request_type: type[Input], given: Mapping[str, Any]) -> Input:
    """The input, or an error whose details list ``{path, message, type}`` of every wrong field.

    Raises:
        InputError: a field is missing, unknown or of the wrong form. What was sent is not
            repeated, for it may be a secret.
    """
    try:
        return request_type.model_validate(given)
    except ValidationError as error:
        fields = [
            {
                "path": ".".join(str(step) for step in fault["loc"]) or "(all)",
                "message": _message(fault["type"], fault["msg"]),
                "type": fault["type"],
            }
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise InputError(
            _said(fields), _near(request_type, fields), details={"fields": fields}
        ) from error


def _message(kind: str, text: str) -> str:
    return (
        "Not a field of this request"
        if kind == "extra_forbidden"
        else text.removeprefix("Value error, ")
    )


def _said(fields: Sequence[Mapping[str, str]]) -> str:
    shown = [f"{fault['path']}: {_lower_first(fault['message'])}" for fault in fields[:3]]
    rest = f", and {len(fields) - 3} more" if len(fields) > 3 else ""
    return f"The request cannot be used: {'; '.join(shown)}{rest}."


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _near(request_type: type[Input], fields: Sequence[Mapping[str, str]]) -> str:
    unknown = [fault["path"] for fault in fields if fault["type"] == "extra_forbidden"]
    if not unknown:
        return ""
    names = sorted(request_type.model_fields)
    near = difflib.get_close_matches(unknown[0], names, n=1)
    return f"Did you mean {near[0]}?" if near else f"It takes {', '.join(names) or 'nothing'}."


def _field_error(name: str, message: str, kind: str) -> InputError:
    return InputError(
        f"The request cannot be used: {name}: {message}.",
        details={"fields": [{"path": name, "message": message, "type": kind}]},
    )

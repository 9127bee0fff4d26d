"""Arguments of a caller become the Input of an operation, or one error that says which is wrong.

Values are never repeated in a message: one of them may be a credential.
"""

import difflib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import orjson
from pydantic import ValidationError

from aiops_mcp.errors import InputError
from aiops_mcp.operation import Input

_CLUSTER_ALIASES = frozenset({"cluster_ids", "cluster_id"})
_SHOWN_PROBLEMS = 5


@lru_cache(maxsize=256)
def accepted_names(request_type: type[Input]) -> frozenset[str]:
    """Every argument name the input takes, other names of ``clusters`` and ``cluster`` included."""
    names = frozenset(request_type.model_fields)
    if "clusters" in names:
        return names | _CLUSTER_ALIASES
    return names | {"cluster_id"} if "cluster" in names else names


def parse_arguments(
    request_type: type[Input], arguments: Mapping[str, Any], *, caller: str
) -> Input:
    """Validate ``arguments``; ``caller`` names the tool or route in messages.

    Lists and objects sent as JSON text are read (weak models do that), and null means "not
    given" where the argument has a default and cannot be null.

    Raises:
        InputError: unknown, missing or malformed arguments; details hold ``fields``, a message
            for each field path.
    """
    known = accepted_names(request_type)
    unknown = [name for name in arguments if name not in known]
    if unknown:
        raise _unknown_arguments(request_type, unknown, caller)
    try:
        return request_type.model_validate(_forgive(request_type, arguments))
    except ValidationError as error:
        raise input_error(error, caller) from error


def input_error(error: ValidationError, caller: str) -> InputError:
    """What pydantic found, as one short message with field paths and no values."""
    fields: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        path = ".".join(str(part) for part in problem["loc"]) or "arguments"
        said = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        fields.setdefault(path, said)
    shown = [f"{path}: {said}" for path, said in list(fields.items())[:_SHOWN_PROBLEMS]]
    if len(fields) > _SHOWN_PROBLEMS:
        shown.append(f"and {len(fields) - _SHOWN_PROBLEMS} more")
    return InputError(
        f"{caller}: {'; '.join(shown)}.",
        "Correct these arguments and call again.",
        details={"fields": fields},
    )


def _unknown_arguments(request_type: type[Input], unknown: list[str], caller: str) -> InputError:
    known = sorted(request_type.model_fields)
    said: dict[str, str] = {}
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        said[name] = f"no such argument; did you mean {near[0]}?" if near else "no such argument"
    return InputError(
        f"{caller}: {'; '.join(f'{name}: {text}' for name, text in said.items())}",
        f"It takes: {', '.join(known)}." if known else "It takes no arguments.",
        details={"fields": said},
    )


def _forgive(request_type: type[Input], arguments: Mapping[str, Any]) -> dict[str, Any]:
    properties = _properties(request_type)
    forgiven: dict[str, Any] = {}
    for name, value in arguments.items():
        schema = properties.get(name, {})
        field = request_type.model_fields.get(name)
        if value is None and field is not None and not field.is_required():
            if not _allows(schema, "null"):
                continue
        elif isinstance(value, str) and value[:1] in ("[", "{") and _is_container(schema):
            try:
                forgiven[name] = orjson.loads(value)
            except orjson.JSONDecodeError:
                forgiven[name] = value
            continue
        forgiven[name] = value
    return forgiven


@lru_cache(maxsize=256)
def _properties(request_type: type[Input]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", request_type.model_json_schema().get("properties", {}))


def _allows(schema: Mapping[str, Any], kind: str) -> bool:
    branches = cast("list[dict[str, Any]]", schema.get("anyOf", [schema]))
    return any(branch.get("type") == kind for branch in branches)


def _is_container(schema: Mapping[str, Any]) -> bool:
    return (_allows(schema, "array") or _allows(schema, "object")) and not _allows(schema, "string")

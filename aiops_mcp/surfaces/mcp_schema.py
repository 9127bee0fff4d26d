"""JSON schemas of tools: small, and such that strict local model servers take them.

Those servers (llama.cpp, vLLM and Ollama grammars) want ``properties`` always present, arrays
with ``items``, patterns anchored at both ends and no ``$ref``. Pure; knows no MCP library.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from aiops_mcp.operation import Effect, Operation, WriteInput
from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN

Schema = dict[str, Any]

ANSWER_SCHEMA: Schema = {
    "type": "object",
    "properties": {"headline": {"type": "string"}},
    "required": ["headline"],
}
"""What every tool answers (a digest), kept small: a client pays for it once per tool."""

APPLY_SCHEMA: Schema = {
    "type": "string",
    "description": "Handle from the plan of the same call; without it nothing is changed",
}

_DROPPED = frozenset(
    {"title", "examples", "default", "$defs", "discriminator", "maxLength", "minLength"}
)
"""Lengths are checked when a call comes; nobody writes a better one for having read them."""

_TOOL_NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}$")


def input_schema(operation: Operation) -> Schema:
    """The arguments of an operation's tool, with references inlined and noise left out."""
    raw = operation.request_type.model_json_schema()
    schema = {"type": "object", **_simplify(raw, cast("Schema", raw.get("$defs", {})))}
    schema.pop("description", None)  # the docstring of the class; the tool has its own
    properties = cast("Schema", schema.setdefault("properties", {}))
    if operation.effect is not Effect.READ:
        properties.pop("dry_run", None)
        properties["apply"] = dict(APPLY_SCHEMA)
    schema["additionalProperties"] = False
    return schema


def is_two_step(operation: Operation) -> bool:
    """Whether the operation changes something, and so answers with a plan first.

    Raises:
        TypeError: it changes something and cannot be asked for a plan.
    """
    if operation.effect is Effect.READ:
        return False
    if not issubclass(operation.request_type, WriteInput):
        raise TypeError(f"operation {operation.name} writes, and its input is no WriteInput")
    return True


def _simplify(schema: Mapping[str, Any], definitions: Schema) -> Schema:
    if "$ref" in schema:
        target = cast("Schema", definitions[str(schema["$ref"]).rpartition("/")[2]])
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        inlined = {key: value for key, value in target.items() if key != "description"}
        return _simplify({**inlined, **beside}, definitions)
    simple: Schema = {"type": schema["type"]} if "type" in schema else {}
    for key, value in schema.items():
        if key in _DROPPED and not _is_worth_keeping(key, value):
            continue
        if key == "properties":
            named = cast("Mapping[str, Mapping[str, Any]]", value)
            simple[key] = {name: _simplify(part, definitions) for name, part in named.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            simple[key] = _simplify(cast("Mapping[str, Any]", value), definitions)
        elif key in ("anyOf", "oneOf", "allOf"):
            simple.update(_branches(cast("list[Mapping[str, Any]]", value), definitions))
        else:
            simple[key] = value
    if simple.get("type") == "object":
        simple.setdefault("properties", {})
    if simple.get("type") == "array":
        simple.setdefault("items", {})
    return simple


def _is_worth_keeping(key: str, value: object) -> bool:
    """Defaults tell a model something, unless they are null or empty."""
    return key == "default" and value is not None and value not in ("", [], {})


def _branches(branches: list[Mapping[str, Any]], definitions: Schema) -> Schema:
    """Alternatives without null: optional arguments are simply left out by callers."""
    kept = [_simplify(branch, definitions) for branch in branches if branch.get("type") != "null"]
    return kept[0] if len(kept) == 1 else {"anyOf": kept}


def list_tokens(tools: Sequence[Mapping[str, Any]]) -> int:
    """What ``tools/list`` costs every client, in tokens (bytes / 3.6); ``tools`` in wire form."""
    return round(len(orjson.dumps({"tools": list(tools)})) / BYTES_PER_TOKEN)


def tool_problems(tool: Mapping[str, Any]) -> list[str]:
    """What strict clients and local servers would refuse in one tool of ``tools/list``.

    ``tool`` is the wire form (``name``, ``description``, ``inputSchema``, ``annotations`` …).
    """
    name = str(tool.get("name", ""))
    problems: list[str] = []
    if not _TOOL_NAME.match(name):
        problems.append(f"{name}: name is not snake_case of at most 40 characters")
    described = str(tool.get("description") or "")
    if not described or len(described.encode()) > 1024:
        problems.append(f"{name}: description is empty or longer than 1024 bytes")
    annotations = cast("Mapping[str, Any]", tool.get("annotations") or {})
    hints = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
    problems.extend(
        f"{name}: annotation {hint} is missing" for hint in hints if hint not in annotations
    )
    for part in ("inputSchema", "outputSchema"):
        schema = cast("Schema", tool.get(part) or {})
        if schema.get("type") != "object":
            problems.append(f"{name}.{part}: type is not object")
            continue
        problems.extend(_schema_problems(schema, f"{name}.{part}", is_input=part[0] == "i"))
    if cast("Schema", tool.get("inputSchema") or {}).get("additionalProperties") is not False:
        problems.append(f"{name}.inputSchema: additionalProperties is not false")
    return problems


def _schema_problems(schema: Mapping[str, Any], path: str, *, is_input: bool) -> list[str]:
    problems = [f"{path}: {problem}" for problem in _own_problems(schema)]
    properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties") or {})
    for name, part in properties.items():
        if is_input and not part.get("description") and path.endswith("inputSchema"):
            problems.append(f"{path}.{name}: has no description")
        problems.extend(_schema_problems(part, f"{path}.{name}", is_input=is_input))
    for key in ("items", "additionalProperties"):
        if isinstance(part := schema.get(key), Mapping):
            inner = cast("Mapping[str, Any]", part)
            problems.extend(_schema_problems(inner, f"{path}.{key}", is_input=is_input))
    for key in ("anyOf", "oneOf", "allOf"):
        for index, part in enumerate(cast("list[Schema]", schema.get(key) or [])):
            problems.extend(_schema_problems(part, f"{path}.{key}.{index}", is_input=is_input))
    return problems


def _own_problems(schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with one schema, its parts aside."""
    pattern = schema.get("pattern")
    is_loose = isinstance(pattern, str) and not (pattern[:1] == "^" and pattern[-1:] == "$")
    found = {
        "accepts anything": not schema,
        "holds a reference": "$ref" in schema or "$defs" in schema,
        "has a title": isinstance(schema.get("title"), str),
        "an object without properties": schema.get("type") == "object"
        and "properties" not in schema,
        "an array without items": schema.get("type") == "array" and "items" not in schema,
        f"pattern {pattern} is not anchored": is_loose,
    }
    return [problem for problem, is_there in found.items() if is_there]

"""Schemas that strict local model servers take, and the checker that says so."""

from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from aiops_mcp.models.digest import Digest
from aiops_mcp.operation import Capability, Input
from aiops_mcp.surfaces.mcp_schema import ANSWER_SCHEMA, input_schema, tool_problems


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    """A nested thing."""

    color: Color
    weight: float | None = None


class Rich(Input):
    """Not shown: the tool has its own description."""

    color: Annotated[Color, Field(description="Which")] = Color.RED
    maybe: Annotated[Color | None, Field(description="Perhaps")] = None
    inner: Annotated[Inner | None, Field(description="Nested")] = None
    many: Annotated[tuple[Inner, ...], Field(description="Several")] = ()
    either: Annotated[int | str | None, Field(description="Either")] = None
    free: Annotated[dict[str, Any], Field(description="Anything")] = {}


def schema_of(request_type: type[Input]) -> dict[str, Any]:
    capability = Capability("c", "")

    async def run(context: Any, request: Input) -> Digest:
        """Runs."""
        return Digest(headline="")

    run.__annotations__["request"] = request_type
    capability.operation("run_it", needs="x:read", digest=lambda q, a: a)(run)
    return input_schema(capability.operations[0])


def test_references_are_inlined_and_noise_is_gone() -> None:
    inner = {
        "type": "object",
        "properties": {
            "color": {"type": "string", "enum": ["red", "blue"]},
            "weight": {"type": "number"},
        },
        "required": ["color"],
    }
    assert schema_of(Rich) == {
        "type": "object",
        "properties": {
            "color": {
                "type": "string",
                "enum": ["red", "blue"],
                "default": "red",
                "description": "Which",
            },
            "maybe": {"type": "string", "enum": ["red", "blue"], "description": "Perhaps"},
            "inner": {**inner, "description": "Nested"},
            "many": {"type": "array", "items": inner, "description": "Several"},
            "either": {
                "anyOf": [{"type": "integer"}, {"type": "string"}],
                "description": "Either",
            },
            "free": {
                "type": "object",
                "properties": {},
                "additionalProperties": True,
                "description": "Anything",
            },
        },
        "additionalProperties": False,
    }


def test_an_input_without_arguments_has_properties_all_the_same() -> None:
    assert schema_of(Input) == {"type": "object", "properties": {}, "additionalProperties": False}


def tool(**changes: Any) -> dict[str, Any]:
    good = {
        "name": "list_things",
        "description": "Things.",
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
        "outputSchema": ANSWER_SCHEMA,
        "annotations": {
            "readOnlyHint": True,
            "destructiveHint": False,
            "idempotentHint": True,
            "openWorldHint": False,
        },
    }
    return good | changes


def arguments(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def test_a_good_tool_has_no_problems() -> None:
    assert tool_problems(tool()) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "List"}, "snake_case"),
        ({"name": "a" * 41}, "snake_case"),
        ({"description": ""}, "description is empty"),
        ({"description": "x" * 1025}, "longer than 1024"),
        (
            {"annotations": dict.fromkeys(("readOnlyHint", "idempotentHint", "openWorldHint"))},
            "annotation destructiveHint is missing",
        ),
        ({"outputSchema": None}, "outputSchema: type is not object"),
        ({"inputSchema": {"type": "object", "properties": {}}}, "additionalProperties"),
        ({"inputSchema": {"type": "object", "additionalProperties": False}}, "without properties"),
        ({"inputSchema": arguments(a={"type": "string"})}, "a: has no description"),
        (
            {"inputSchema": arguments(a={"type": "array", "description": "d"})},
            "a: an array without items",
        ),
        (
            {"inputSchema": arguments(a={"type": "array", "description": "d", "items": {}})},
            "a.items: accepts anything",
        ),
        (
            {"inputSchema": arguments(a={"type": "string", "description": "d", "pattern": "a+$"})},
            "pattern a+$ is not anchored",
        ),
        (
            {"inputSchema": arguments(a={"$ref": "#/x", "description": "d"})},
            "a: holds a reference",
        ),
        (
            {"inputSchema": arguments(a={"type": "string", "description": "d", "title": "A"})},
            "a: has a title",
        ),
        (
            {
                "inputSchema": arguments(
                    a={"description": "d", "anyOf": [{"type": "array", "items": {"$ref": "#"}}]}
                )
            },
            "a.anyOf.0.items: holds a reference",
        ),
        (
            {
                "inputSchema": arguments(
                    a={
                        "type": "object",
                        "description": "d",
                        "properties": {},
                        "additionalProperties": {"type": "object"},
                    }
                )
            },
            "a.additionalProperties: an object without properties",
        ),
    ],
)
def test_what_a_strict_client_would_refuse_is_found(changes, problem) -> None:
    (found,) = tool_problems(tool(**changes))
    assert problem in found

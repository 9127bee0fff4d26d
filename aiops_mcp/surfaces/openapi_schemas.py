"""JSON schemas of inputs and answers, as an OpenAPI 3.1 document wants them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from aiops_mcp.operation import Operation

Schema = dict[str, Any]
COMPONENTS = "#/components/schemas/"


class _Complete(GenerateJsonSchema):
    """Answers always hold every field, also one with a default: clients may rely on it."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization":
            return not field.get("serialization_exclude", False)
        return super().field_is_required(field, total)


class Schemas:
    """Schemas of all inputs and answers under names that do not collide."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        inputs = {operation.request_type for operation in operations}
        answers = {operation.answer_type for operation in operations}
        models: list[tuple[type[BaseModel], Any]] = [
            *((model, "validation") for model in sorted(inputs, key=_name)),
            *((model, "serialization") for model in sorted(answers, key=_name)),
        ]
        refs, found = models_json_schema(
            models, ref_template=COMPONENTS + "{model}", schema_generator=_Complete
        )
        self._refs = refs
        self.all: dict[str, Schema] = found.get("$defs", {})

    def answer(self, model: type[BaseModel]) -> Schema:
        """A reference to what an operation answers."""
        return self._refs[(model, "serialization")]

    def input_ref(self, model: type[BaseModel]) -> Schema:
        """A reference to what an operation takes."""
        return self._refs[(model, "validation")]

    def input(self, model: type[BaseModel]) -> Schema:
        """What an operation takes, spelled out."""
        return self.all[self.input_ref(model)["$ref"].removeprefix(COMPONENTS)]

    def used_by(self, document: object) -> dict[str, Schema]:
        """The schemas the document refers to, and those they refer to, by name."""
        used: dict[str, Schema] = {}
        waiting = list(references(document))
        while waiting:
            name = waiting.pop()
            if name not in used and name in self.all:
                used[name] = self.all[name]
                waiting.extend(references(self.all[name]))
        return dict(sorted(used.items()))


def _name(model: type[BaseModel]) -> str:
    return f"{model.__name__} {model.__module__}"


def references(node: object) -> Iterable[str]:
    """Names of the component schemas a document refers to."""
    if isinstance(node, Mapping):
        for key, value in cast("Mapping[str, object]", node).items():
            if key == "$ref" and isinstance(value, str) and value.startswith(COMPONENTS):
                yield value.removeprefix(COMPONENTS)
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in cast("list[object]", node):
            yield from references(item)


def parameter_schema(schema: Schema) -> Schema:
    """A field's schema as a parameter's: what may be left out is not also null."""
    plain = {key: value for key, value in schema.items() if key not in ("title", "description")}
    choices = [choice for choice in plain.get("anyOf", []) if choice != {"type": "null"}]
    if "anyOf" in plain and len(choices) == 1:
        del plain["anyOf"]
        plain = {**choices[0], **plain}
    elif "anyOf" in plain:
        plain["anyOf"] = choices
    if plain.get("default", ...) is None:
        del plain["default"]
    return plain


def example_of(schema: Schema) -> dict[str, Any] | None:
    """An example from the fields' own examples; ``None`` where a required field has none."""
    properties: dict[str, Schema] = schema.get("properties", {})
    example = {
        name: field["examples"][0] for name, field in properties.items() if field.get("examples")
    }
    complete = set(schema.get("required", [])) <= set(example)
    return example if example and complete else None


def without(schema: Schema, names: Iterable[str]) -> Schema:
    """An object's schema without some of its fields: those that stand in the path."""
    gone = set(names)
    left = {name: field for name, field in schema["properties"].items() if name not in gone}
    required = [name for name in schema.get("required", []) if name not in gone]
    plain = {key: value for key, value in schema.items() if key not in ("properties", "required")}
    return {**plain, "properties": left, **({"required": required} if required else {})}

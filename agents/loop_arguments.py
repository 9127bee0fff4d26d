"""Arguments of a call held to their tool's JSON Schema before it is made.

What is plainly meant is taken as meant (``"5"`` for 5, one name for a list of names); what is
wrong is said such that a model can correct itself. Pure; never calls a tool.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, cast

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing.exceptions import Unresolvable

from agents.conversation import ToolCall, ToolSpec

_ALIASES = {
    "cluster": ("cluster_id", "cluster_name", "clusters"),
    "clusters": ("cluster", "cluster_ids", "cluster_id", "cluster_name", "cluster_names"),
}
"""What models call an argument that our tools have; the contract accepts two of them anyway."""
_PROBLEMS = 4
_SHOWN = 160
_RAW_SHOWN = 200
_DEPTH = 16
_LARGEST = 2**63 - 1


class ArgumentCheck:
    """Checks calls against the tools that are offered."""

    def __init__(self, specs: Iterable[ToolSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._validators: dict[str, Draft202012Validator] = {}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._specs)

    def spec(self, name: str) -> ToolSpec | None:
        return self._specs.get(name)

    def checked(self, call: ToolCall) -> tuple[dict[str, Any], str]:
        """The arguments as they may be sent, and what is wrong with them (empty: nothing)."""
        spec = self._specs.get(call.name)
        if spec is None:
            return {}, unknown_tool(call.name, self._specs)
        if call.arguments is None:
            return {}, _no_object(call, spec)
        plain = _plain(call.arguments)
        if plain is None:
            return {}, f"Not called. {call.name}: the arguments are no plain JSON of a usual size."
        arguments = as_meant(spec.parameters, plain)
        if problems := self._problems(spec, arguments):
            return arguments, f"Not called. {call.name}: {'; '.join(problems)}. Correct the call."
        return arguments, ""

    def _problems(self, spec: ToolSpec, arguments: Mapping[str, Any]) -> list[str]:
        validator = self._validators.get(spec.name)
        if validator is None:
            validator = self._validators[spec.name] = Draft202012Validator(spec.parameters)
        try:
            errors = validator.iter_errors(arguments)  # pyright: ignore[reportUnknownMemberType] - a parameter of the library that is not typed
            found = list(islice(errors, _PROBLEMS))
        except (SchemaError, Unresolvable, RecursionError, ValueError, TypeError):
            return []  # a schema of another server that cannot be used: that server decides
        return [_told(error, spec.parameters) for error in found]


def unknown_tool(name: str, known: Iterable[str]) -> str:
    """There is no such tool; which are near it, and which there are."""
    names = sorted(known)
    near = get_close_matches(name[:64], names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    there = f"There are: {', '.join(names)}." if names else "No tool can be called any more."
    return f"Not called: there is no tool {name[:64]!r}. {hint}{there}"


def canonical(name: str, arguments: Mapping[str, Any]) -> bytes:
    """A call as bytes that are equal for equal calls: canonical JSON, what is empty left out."""
    given = {key: value for key, value in arguments.items() if value not in (None, "", [], {})}
    return orjson.dumps([name, given], default=str, option=orjson.OPT_SORT_KEYS)


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments such that everybody can write them as JSON: no half characters.

    ``None`` where they are nested too deep, or hold a number that JSON's readers do not take.
    """
    try:
        return cast("dict[str, Any]", _plain_value(arguments, _DEPTH))
    except ValueError:
        return None


def _plain_value(value: Any, depth: int) -> Any:
    if depth == 0:
        raise ValueError("nested too deep")
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_plain_value(str(key), 1): _plain_value(item, depth - 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [_plain_value(item, depth - 1) for item in cast("Sequence[Any]", value)]
    if isinstance(value, int | float) and not -_LARGEST <= value <= _LARGEST:
        raise ValueError("no number of JSON")  # also what is no number
    return value


def as_meant(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with their evident slips put right: types and a few names."""
    properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties") or {})
    required = cast("Sequence[str]", schema.get("required") or ())
    meant: dict[str, Any] = {}
    for name, value in _renamed(properties, arguments).items():
        part = properties.get(name)
        if value is None and name not in required and not _allows(part, "null"):
            continue  # what is optional is left out
        meant[name] = value if part is None else _converted(part, value)
    return meant


def _renamed(properties: Mapping[str, object], arguments: Mapping[str, Any]) -> dict[str, Any]:
    named = {str(name): value for name, value in arguments.items()}
    for name, aliases in _ALIASES.items():
        if name not in properties or name in named:
            continue
        for alias in aliases:
            if alias in named and alias not in properties:
                named[name] = named.pop(alias)
                break
    return named


def _allows(part: Mapping[str, Any] | None, kind: str) -> bool:
    given = (part or {}).get("type")
    return kind in cast("list[str]", given) if isinstance(given, list) else given == kind


def _converted(part: Mapping[str, Any], value: Any) -> Any:
    if _allows(part, "array"):
        return _as_list(value)
    if isinstance(value, list) and not _allows(part, "array") and "type" in part:
        items = cast("list[Any]", value)
        return _converted(part, items[0]) if len(items) == 1 else items
    if isinstance(value, str):
        return _from_text(part, value)
    if isinstance(value, float) and value.is_integer() and _allows(part, "integer"):
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and _allows(part, "string"):
        return str(value)
    return cast("Any", value)


def _as_list(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return [value]
    return [item.strip() for item in text.split(",") if item.strip()]


def _from_text(part: Mapping[str, Any], text: str) -> Any:
    if _allows(part, "string") or "type" not in part:
        options = cast("list[Any]", part.get("enum") or [])
        for option in options:
            if isinstance(option, str) and option.casefold() == text.strip().casefold():
                return option
        return text
    try:
        value = orjson.loads(text.strip().lower() if _allows(part, "boolean") else text.strip())
    except orjson.JSONDecodeError:
        return text
    if isinstance(value, bool):
        return value if _allows(part, "boolean") else text
    if isinstance(value, float) and value.is_integer() and _allows(part, "integer"):
        return int(value)
    return value


def _no_object(call: ToolCall, spec: ToolSpec) -> str:
    raw = f" It was: {call.raw[:_RAW_SHOWN]}" if call.raw else ""
    return (
        f"Not called. {call.name}: the arguments are no complete JSON object.{raw}\n"
        f"Send one JSON object with: {_signature(spec.parameters)}."
    )


def _signature(schema: Mapping[str, Any]) -> str:
    properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties") or {})
    required = set(cast("Sequence[str]", schema.get("required") or ()))
    told = [
        f"{name} ({part.get('type', 'any')}{', required' if name in required else ''})"
        for name, part in properties.items()
    ]
    return ", ".join(told[:20]) or "nothing"


def _told(error: ValidationError, schema: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    at = f"{where}: " if where else ""
    kind = str(error.validator)
    if kind == "additionalProperties":
        return _unknown_arguments(error, at)
    if kind == "required":
        return f"{at}{_short(error.message)} (arguments: {_signature(schema)})"
    if kind == "enum":
        allowed = ", ".join(map(str, cast("list[object]", error.validator_value)[:24]))
        return f"{at}{_short(repr(error.instance))} is not allowed; allowed are {allowed}"
    if kind == "type":
        return f"{at}{_short(repr(error.instance))} is not of type {error.validator_value}"
    return f"{at}{_short(error.message)}"


def _unknown_arguments(error: ValidationError, at: str) -> str:
    given = cast("Mapping[str, Any]", error.instance)
    schema = cast("Mapping[str, Any]", error.schema)
    known = list(cast("Mapping[str, Any]", schema.get("properties") or {}))
    unknown = [str(name) for name in given if name not in known]
    near = [match for name in unknown for match in get_close_matches(name[:64], known, n=1)]
    hint = f"; did you mean {', '.join(dict.fromkeys(near))}" if near else ""
    return (
        f"{at}unknown argument {', '.join(name[:64] for name in unknown[:4])}{hint}; "
        f"allowed are {', '.join(known) or 'none'}"
    )


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"

"""One object without what nobody reads and without what nobody may: pruned, masked, laid out. Pure.

Values of Secrets never pass here, nor do those of fields and variables that are named like one.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

Json = Mapping[str, Any]

HIDDEN = "[hidden]"
LONGEST_TEXT = 300
MOST_KEYS = 100
_DEEPEST = 40

_LEFT_OUT = frozenset(
    {"managedFields", "uid", "resourceVersion", "generation", "selfLink", "ownerReferences"}
)
_QUIET_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "objectset.rio.cattle.io/applied",
    "kapp.k14s.io/original",
    "meta.helm.sh/",
    "banzaicloud.com/last-applied",
)
_SECRET_NAME = re.compile(
    r"(?i)(passw(or)?d|passphrase|pwd|secret|token|credential|api_?-?key|private_?-?key"
    r"|access_?-?key|auth|cookie|dsn|connection_?-?string|conn_?str)"
)
_SECRET_FIELD = re.compile(
    r"(?i)^.*(password|passwd|passphrase|token|api-?key|client-?secret|secret-?key|private-?key"
    r"|access-?key|credentials|connection-?string|cabundle)$"
)


def pruned(thing: Json, kind: str) -> dict[str, Any]:
    """The object for a reader: status first, then metadata and spec, then the rest."""
    if kind == "Secret":
        return _secret(thing)
    kept = {key: value for key, value in thing.items() if key not in {"kind", "apiVersion"}}
    if kind == "ConfigMap":
        kept = {**kept, **_config(kept)}
    order = ("status", "metadata", "spec")
    ordered = {key: kept[key] for key in order if key in kept}
    ordered |= {key: value for key, value in kept.items() if key not in order}
    ordered["metadata"] = _metadata(cast("Json", kept.get("metadata") or {}))
    return cast("dict[str, Any]", _masked(ordered, 0))


def _secret(thing: Json) -> dict[str, Any]:
    """Names and sizes of the values; annotations often hold a copy of the values."""
    metadata = _metadata(cast("Json", thing.get("metadata") or {}))
    metadata.pop("annotations", None)
    data = cast("Json", thing.get("data") or {})
    return {
        "type": thing.get("type"),
        "metadata": metadata,
        "data": {key: f"{_decoded_size(value)} bytes" for key, value in data.items()},
        **({"immutable": True} if thing.get("immutable") else {}),
    }


def _decoded_size(value: object) -> int:
    try:
        return len(base64.b64decode(str(value), validate=True))
    except (binascii.Error, ValueError):
        return len(str(value))


def _config(thing: Json) -> dict[str, Any]:
    data = cast("Json", thing.get("data") or {})
    binary = cast("Json", thing.get("binaryData") or {})
    found: dict[str, Any] = {
        "data": {
            key: HIDDEN if _SECRET_NAME.search(key) and _is_one_line(value) else value
            for key, value in data.items()
        }
    }
    if binary:
        found["binaryData"] = {
            key: f"{_decoded_size(value)} bytes" for key, value in binary.items()
        }
    return found


def _is_one_line(value: object) -> bool:
    """Whether a value is one thing, and no file of which the name tells little."""
    return "\n" not in str(value).strip()


def _metadata(metadata: Json) -> dict[str, Any]:
    kept = {key: value for key, value in metadata.items() if key not in _LEFT_OUT}
    annotations = {
        key: value
        for key, value in cast("Json", metadata.get("annotations") or {}).items()
        if not key.startswith(_QUIET_ANNOTATIONS)
    }
    kept.pop("annotations", None)
    return {**kept, **({"annotations": annotations} if annotations else {})}


def _masked(value: Any, depth: int) -> Any:
    """The value with whatever is named like a secret hidden, long texts folded."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return _masked_mapping(cast("Json", value), depth)
    if isinstance(value, list):
        return [_masked(item, depth + 1) for item in cast("list[Any]", value)]
    if isinstance(value, str):
        return folded(value)
    return value


def _masked_mapping(thing: Json, depth: int) -> dict[str, Any]:
    is_variable = isinstance(thing.get("name"), str) and isinstance(thing.get("value"), str)
    hides = is_variable and _SECRET_NAME.search(str(thing["name"])) is not None
    kept: dict[str, Any] = {}
    for key, value in list(thing.items())[:MOST_KEYS]:
        hidden = isinstance(value, str) and value and _SECRET_FIELD.match(key) is not None
        is_hidden = hidden or (hides and key == "value")
        kept[key] = HIDDEN if is_hidden else _masked(value, depth + 1)
    if len(thing) > MOST_KEYS:
        kept["…"] = f"{len(thing) - MOST_KEYS} more keys"
    return kept


def folded(text: str) -> str:
    """A long text as its beginning and its length."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[: LONGEST_TEXT - 60]}… ({len(text)} characters)"


def laid_out(value: Any, path: str = "", most: int = 150) -> Iterator[tuple[str, str]]:
    """Pairs of path and text: as much on one line as fits, deeper where it does not."""
    line = flow(value)
    if len(line) <= most and path:
        yield path, line
    elif isinstance(value, Mapping) and value:
        for key, part in cast("Json", value).items():
            yield from laid_out(part, f"{path}.{key}" if path else key, most)
    elif isinstance(value, list) and value:
        for place, part in enumerate(cast("list[Any]", value)):
            yield from laid_out(part, f"{path}[{_label(part, place)}]", most)
    else:
        yield path, line


def _label(part: Any, place: int) -> str:
    if isinstance(part, Mapping):
        thing = cast("Json", part)
        named = thing.get("name") or thing.get("type") or thing.get("key")
        if isinstance(named, str) and named:
            return named
    return str(place)


def flow(value: Any) -> str:
    """YAML's flow style, without quotes."""
    if isinstance(value, Mapping):
        pairs = cast("Json", value).items()
        return "{" + ", ".join(f"{key}: {flow(part)}" for key, part in pairs) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "[" + ", ".join(flow(part) for part in cast("Sequence[Any]", value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

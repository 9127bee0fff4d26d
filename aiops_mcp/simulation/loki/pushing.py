"""What somebody pushes: JSON to lines, refused as Loki's distributor refuses it."""

import gzip
import re
import zlib
from typing import Any, cast

import orjson

from aiops_mcp.simulation.loki.pushed import PushedEntry, PushedStreams
from aiops_mcp.simulation.loki.series import QueryRefused, key_from, shown
from aiops_mcp.simulation.loki.streams import KEPT_NS, LONGEST_LINE

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MOST_BODY = 64 * 1024 * 1024
_MOST_LABELS = 15


def take_in(body: bytes, encoding: str, pushed: PushedStreams, now: int) -> None:
    """Keep the lines of a push request.

    Raises:
        QueryRefused: it is not Loki's JSON, or breaks a limit; then good streams before are kept.
    """
    content = _decoded(body, encoding)
    streams = _object(content).get("streams")
    if not isinstance(streams, list):
        raise QueryRefused("couldn't parse push request: missing streams")
    for one in cast("list[Any]", streams):
        labels, entries = _stream(one, now)
        pushed.add(labels, entries)


def _object(content: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _decoded(body: bytes, encoding: str) -> Any:
    try:
        if encoding == "gzip":
            reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
            body = reader.decompress(body, _MOST_BODY)
        return orjson.loads(body)
    except (orjson.JSONDecodeError, gzip.BadGzipFile, zlib.error) as error:
        raise QueryRefused(f"couldn't parse push request: {error}") from error


def _stream(content: Any, now: int) -> tuple[dict[str, str], list[PushedEntry]]:
    given = _object(content)
    labels, values = given.get("stream"), given.get("values")
    if not isinstance(labels, dict) or not isinstance(values, list):
        raise QueryRefused("couldn't parse push request: a stream needs stream and values")
    named = {str(k): v for k, v in cast("dict[Any, Any]", labels).items()}
    if not named:
        raise QueryRefused("error at least one label pair is required per stream")
    if len(named) > _MOST_LABELS:
        raise QueryRefused(
            f"entry for stream '{shown(key_from(_texts(named)))}' has {len(named)} label names; "
            f"limit {_MOST_LABELS}"
        )
    for name, value in named.items():
        if not _LABEL.fullmatch(name) or not isinstance(value, str):
            raise QueryRefused(f"couldn't parse push request: invalid label {name!r}")
    texts = _texts(named)
    return texts, [_value(one, texts, now) for one in cast("list[Any]", values)]


def _texts(named: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in named.items()}


def _value(content: Any, labels: dict[str, str], now: int) -> PushedEntry:
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    if len(parts) < 2 or not isinstance(parts[0], str) or not isinstance(parts[1], str):
        raise QueryRefused('couldn\'t parse push request: a value is ["NANOSECONDS", "LINE"]')
    stamp, line = parts[0], parts[1]
    if not re.fullmatch(r"-?\d{1,19}", stamp, re.ASCII):
        raise QueryRefused(f'strconv.ParseInt: parsing "{stamp}": invalid syntax')
    ns, name = int(stamp), shown(key_from(labels))
    if ns < now - KEPT_NS:
        raise QueryRefused(f"entry for stream '{name}' has timestamp too old: {ns}")
    if ns > now + 600 * 1_000_000_000:
        raise QueryRefused(f"entry for stream '{name}' has timestamp too new: {ns}")
    size = len(line.encode("utf-8", "replace"))
    if size > LONGEST_LINE:
        raise QueryRefused(
            f"Max entry size '{LONGEST_LINE}' bytes exceeded for stream '{name}' while adding an "
            f"entry with length '{size}' bytes"
        )
    metadata: Any = parts[2] if len(parts) > 2 else {}
    if not isinstance(metadata, dict):
        raise QueryRefused("couldn't parse push request: structured metadata is an object")
    return ns, line, _texts({str(k): v for k, v in cast("dict[Any, Any]", metadata).items()})

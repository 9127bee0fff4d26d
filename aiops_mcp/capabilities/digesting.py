"""What the digests of all capabilities share: coverage lines, paging, folding of common labels.

Pure functions on answers; nothing here knows a domain.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import combinations, islice
from typing import Annotated, Any, cast

from pydantic import BaseModel, Field

from aiops_mcp.errors import InputError
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Cell


class ResponseFormat(StrEnum):
    CONCISE = "concise"
    DETAILED = "detailed"


_CANDIDATES = 12
_LOOKED_AT = 500
_CHECKED = 12
LONGEST_CALL = 60
"""A call longer than this is not repeated in the answer."""

Format = Annotated[ResponseFormat, Field(description="detailed adds columns and raw points")]
Limit = Annotated[int, Field(description="Rows at most", ge=1, le=200)]
PageNumber = Annotated[int, Field(description="From 1", ge=1, le=1_000_000)]
PageSize = Annotated[int, Field(description="Entries a page", ge=1, le=100)]
Cursor = Annotated[str, Field(description="Of the previous answer's more", max_length=64)]


def missing_line(coverage: Coverage) -> str | None:
    """``no answer: edge-7``, where the rest of the answer says how many were asked."""
    names = [failure.cluster_name for failure in coverage.failures]
    return f"no answer: {_some(names)}" if names else None


def coverage_line(coverage: Coverage) -> str:
    """``11 of 12 clusters answered; edge-7: CLUSTER_UNREACHABLE connection refused``."""
    parts = [coverage.text]
    parts.extend(
        f"{failure.cluster_name}: {failure.code} {_first_words(failure.error)}"
        for failure in coverage.failures[:5]
    )
    if len(coverage.failures) > 5:
        parts.append(f"{len(coverage.failures) - 5} more failed")
    parts.extend(
        f"{stale.cluster_name}: away, last seen {_age(stale.age_seconds)} ago"
        for stale in coverage.stale[:5]
    )
    if coverage.offline:
        parts.append(f"offline: {_some(coverage.offline)}")
    if coverage.skipped:
        parts.append(f"not asked: {_some(coverage.skipped)}")
    if coverage.simulated:
        parts.append("simulated fleet")
    return "; ".join(parts)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _first_words(text: str, most: int = 90) -> str:
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= most else line[: most - 1] + "…"


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"


def cursor_start(cursor: str | None) -> int:
    """How many rows the answers before this one showed.

    Raises:
        InputError: the cursor is not one of ours.
    """
    return _decode_cursor(cursor) if cursor else 0


def more_line(
    *, total: int, start: int, shown: int, what: str, call: str, narrow: str = ""
) -> str | None:
    """What was left out and the exact next call, or None when nothing was.

    ``call`` is the call as made, such as ``list_alerts(state="FIRING"``, without its closing. A
    long one is not said again: who made it has it.
    """
    left = total - start - shown
    if left <= 0:
        return None
    cursor = f'cursor="{_encode_cursor(start + shown)}"'
    glue = "" if call.endswith("(") else ", "
    again = (
        f"{call}{glue}{cursor})" if len(call) <= LONGEST_CALL else f"the same call with {cursor}"
    )
    hint = f"; or {narrow}" if narrow else ""
    return f"{left} more {what}: {again}{hint}"


def fitting(rows: Sequence[Sequence[Cell]], *, room: int, least: int) -> int:
    """How many of the first rows take at most ``room`` bytes as JSON; never under ``least``."""
    left = room
    for count, row in enumerate(rows):
        left -= len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()) + 1
        if left < 0 and count >= least:
            return count
    return len(rows)


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    """``name(key="value", …`` for ``more_line``: only what was given, in order."""
    given = ", ".join(f"{key}={_literal(value)}" for key, value in arguments.items())
    return f"{name}({given}"


def call_of(name: str, request: BaseModel) -> str:
    """The call that was made, without its cursor, for ``more_line``."""
    given = request.model_dump(mode="json", exclude_defaults=True, exclude={"cursor"})
    return call_text(name, given)


def _literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_literal(item) for item in cast("Sequence[Any]", value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _encode_cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(f"o{offset}".encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        return max(int(text.removeprefix("o")), 0)
    except (ValueError, binascii.Error) as error:
        raise InputError(
            f"{cursor!r} is not a cursor.", "Copy it from the more line of the answer before."
        ) from error


def common_labels(label_sets: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The labels that all have with the same value; none when there are fewer than two."""
    if len(label_sets) < 2:
        return {}
    first = label_sets[0]
    return {
        key: value
        for key, value in first.items()
        if all(labels.get(key) == value for labels in label_sets)
    }


def telling_labels(
    label_sets: Sequence[Mapping[str, str]], names: Sequence[str], clusters: Sequence[str]
) -> tuple[str, ...] | None:
    """One to three of ``names`` that tell the label sets of a cluster apart, shortest to read.

    None when no three do.
    """
    some = label_sets[:_LOOKED_AT]
    lengths = {
        name: len(name) + sum(len(labels.get(name, "")) for labels in some) / len(some)
        for name in names
    }
    short = sorted(names, key=lambda name: (lengths[name], name))[:_CANDIDATES]
    choices = (chosen for size in (1, 2, 3) for chosen in combinations(short, size))
    by_length = sorted(choices, key=lambda chosen: sum(lengths[name] for name in chosen))
    # Most choices fail on a few rows, which spares a look at ten thousand.
    likely = (each for each in by_length if _are_told_apart(some, each, clusters[:_LOOKED_AT]))
    for chosen in islice(likely, _CHECKED):
        if _are_told_apart(label_sets, chosen, clusters):
            return tuple(sorted(chosen, key=names.index))
    return None


def _are_told_apart(
    label_sets: Sequence[Mapping[str, str]], chosen: Sequence[str], clusters: Sequence[str]
) -> bool:
    seen: set[tuple[str | None, ...]] = set()
    for labels, cluster in zip(label_sets, clusters, strict=True):
        key = (cluster, *(labels.get(name) for name in chosen))
        if key in seen:
            return False  # mostly found within a few rows
        seen.add(key)
    return True


def selector_text(labels: Mapping[str, str], *, leave_out: Mapping[str, str] | None = None) -> str:
    """``name{a=b, c=d}`` as people write it; labels in ``leave_out`` are left out."""
    left_out = leave_out or {}
    rest = ", ".join(
        f"{key}={value}"
        for key, value in sorted(labels.items())
        if key != "__name__" and key not in left_out
    )
    name = "" if "__name__" in left_out else labels.get("__name__", "")
    return f"{name}{{{rest}}}" if rest and name else rest or name


def significant(value: float) -> float | int:
    """Four significant digits: what a reader can use, at half the tokens."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124  # NaN
        return value
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded

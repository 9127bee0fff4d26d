"""What the digests of all capabilities share: coverage lines, paging, folding of common labels.

Pure functions on answers; nothing here knows a domain.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, cast

from pydantic import Field

from aiops_mcp.errors import InputError
from aiops_mcp.models.coverage import Coverage


class ResponseFormat(StrEnum):
    CONCISE = "concise"
    DETAILED = "detailed"


Format = Annotated[ResponseFormat, Field(description="detailed adds columns and raw points")]
Limit = Annotated[int, Field(description="Rows at most", ge=1, le=200)]
Cursor = Annotated[str, Field(description="Of the previous answer's more", max_length=64)]


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

    ``call`` is the call as made, such as ``list_alerts(state="FIRING"``, without its closing.
    """
    left = total - start - shown
    if left <= 0:
        return None
    glue = "" if call.endswith("(") else ", "
    hint = f"; or {narrow}" if narrow else ""
    return f'{left} more {what}: {call}{glue}cursor="{_encode_cursor(start + shown)}"){hint}'


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    """``name(key="value", …`` for ``more_line``: only what was given, in order."""
    given = ", ".join(f"{key}={_literal(value)}" for key, value in arguments.items())
    return f"{name}({given}"


def _literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_literal(item) for item in cast("Sequence[Any]", value)) + "]"
    return f'"{value}"' if not isinstance(value, (int, float, bool)) else str(value).lower()


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

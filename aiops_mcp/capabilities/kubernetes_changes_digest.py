"""Changes and differences made small. Pure functions on answers."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import (
    call_of,
    coverage_line,
    cursor_start,
    fitting,
    more_line,
)
from aiops_mcp.models.ages import age_of, short_age
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.findings import Change, ChangeList, Comparison, Difference

if TYPE_CHECKING:
    from aiops_mcp.capabilities.kubernetes_changes import ChangeQuery, CompareQuery

ROOM = 2_600
LEAST = 8
MOST_TEXT = 120
MOST_SIDE = 60


def digest_changes(request: "ChangeQuery", answer: ChangeList) -> Digest:
    """One row a change, newest first; the same change of many objects is one row."""
    groups = _same(answer.changes)
    start = cursor_start(request.cursor)
    picked = groups[start : start + request.limit]
    clusters = {one.cluster_name for one in answer.changes}
    with_cluster = len(clusters) > 1
    has_who = any(one.by for one in answer.changes)
    rows = [_change_row(group, answer, cluster=with_cluster, who=has_who) for group in picked]
    rows = rows[: fitting(rows, room=ROOM, least=LEAST)]
    cluster = ("cluster",) if with_cluster else ()
    return Digest(
        headline=_changes_headline(answer, clusters),
        columns=("time", "before", *cluster, "object", "what", *(("by",) if has_who else ())),
        rows=tuple(rows),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=answer.notes[:8],
        more=more_line(
            total=len(groups),
            start=start,
            shown=len(rows),
            what="changes",
            call=call_of("get_changes", request),
        ),
    )


def _same(changes: Sequence[Change]) -> list[list[Change]]:
    """Changes of one minute that say the same of objects of one kind, on whichever cluster."""
    groups: dict[tuple[str, str, str, int], list[Change]] = {}
    for one in changes:
        key = (one.change, one.kind, one.what, int(one.at.timestamp() // 60))
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _change_row(
    group: Sequence[Change], answer: ChangeList, *, cluster: bool, who: bool
) -> tuple[Cell, ...]:
    first = group[0]
    place = f"{first.namespace}/{first.name}" if first.namespace else first.name
    more = f" +{len(group) - 1}" if len(group) > 1 else ""
    names = list(dict.fromkeys(one.cluster_name for one in group))
    others = f" +{len(names) - 1}" if len(names) > 1 else ""
    return (
        f"{first.at:%m-%dT%H:%MZ}",
        age_of(first.at, answer.until),
        *((f"{names[0]}{others}",) if cluster else ()),
        f"{first.kind} {place}{more}",
        _cut(first.what, MOST_TEXT),
        *((first.by,) if who else ()),
    )


def _changes_headline(answer: ChangeList, clusters: set[str]) -> str:
    window = short_age((answer.until - answer.since).total_seconds())
    if not answer.changes:
        if not answer.coverage.succeeded:
            return "No cluster answered."
        return (
            f"Nothing changed in the {window} before {answer.until:%Y-%m-%dT%H:%MZ} "
            f"in {answer.coverage.succeeded} clusters."
        )
    counts = ", ".join(f"{count} {change.value}" for change, count in answer.by_change.items())
    where = f"on {next(iter(clusters))}" if len(clusters) == 1 else f"in {len(clusters)} clusters"
    return (
        f"{answer.total} changes {where} in the {window} before "
        f"{answer.until:%Y-%m-%dT%H:%MZ}: {counts}."
    )


def digest_comparison(request: "CompareQuery", answer: Comparison) -> Digest:
    """One row a difference, a column a cluster; of many clusters the odd one against the rest."""
    start = cursor_start(request.cursor)
    folded = _alike(answer.differences)
    picked = folded[start : start + request.limit]
    few = len(answer.clusters) <= 4
    rows = [_side_by_side(one, answer) if few else _odd_row(one) for one in picked]
    rows = rows[: fitting(rows, room=ROOM, least=LEAST)]
    columns = answer.clusters if few else ("values",)
    odd = () if len(answer.clusters) < 3 else ("odd",)
    return Digest(
        headline=_comparison_headline(answer),
        columns=("area", "item", *columns, *odd),
        rows=tuple(rows),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=(*_agreeing(answer), *answer.notes[:6]),
        more=more_line(
            total=len(folded),
            start=start,
            shown=len(rows),
            what="differences",
            call=call_of("compare_clusters", request),
        ),
    )


def _alike(differences: Sequence[Difference]) -> list[Difference]:
    """Items of one area with the same values on every cluster become one."""
    groups: dict[tuple[str, tuple[str | None, ...]], list[Difference]] = {}
    for one in differences:
        groups.setdefault((one.area, tuple(one.values.values())), []).append(one)
    return [
        group[0]
        if len(group) == 1
        else group[0].model_copy(update={"item": _items([one.item for one in group])})
        for group in groups.values()
    ]


def _items(names: Sequence[str]) -> str:
    more = f" +{len(names) - 3}" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _side_by_side(one: Difference, answer: Comparison) -> tuple[Cell, ...]:
    values = (one.values.get(name) for name in answer.clusters)
    told = (None if value is None else _cut(value, MOST_SIDE) for value in values)
    odd = () if len(answer.clusters) < 3 else (", ".join(one.odd) or None,)
    return (one.area, one.item, *told, *odd)


def _odd_row(one: Difference) -> tuple[Cell, ...]:
    counts = Counter(one.values.values()).most_common()
    told = "; ".join(
        f"{'none' if value is None else _cut(value, 40)} x{count}" for value, count in counts[:4]
    )
    more = f"; +{len(counts) - 4} values" if len(counts) > 4 else ""
    return (one.area, one.item, told + more, ", ".join(one.odd) or None)


def _agreeing(answer: Comparison) -> tuple[str, ...]:
    if not answer.same:
        return ()
    told = ", ".join(f"{count} {area}" for area, count in answer.same.items())
    return (f"the same: {told}",)


def _comparison_headline(answer: Comparison) -> str:
    names = answer.clusters
    who = " and ".join(names) if len(names) <= 2 else f"{len(names)} clusters"
    if len(names) < 2:
        return f"Only {names[0] if names else 'nobody'} answered: there is nothing to compare."
    if not answer.differences:
        return f"{who} do not differ in what was compared."
    areas = Counter(one.area for one in answer.differences)
    told = ", ".join(f"{count} {area}" for area, count in areas.items())
    odd = Counter(name for one in answer.differences for name in one.odd).most_common(1)
    out = f" Odd one out: {odd[0][0]}, {odd[0][1]} times." if odd else ""
    return f"{who} differ in {len(answer.differences)} things: {told}.{out}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

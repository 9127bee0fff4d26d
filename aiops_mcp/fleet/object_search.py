"""Objects of one kind in the whole fleet, in kubectl's own columns, with who made them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aiops_mcp.backends.kubernetes_kinds import ApiKind
from aiops_mcp.backends.kubernetes_lists import Form, Page
from aiops_mcp.errors import BackendRefused, InputError
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.answer import FleetAnswer
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.object_kinds import KindUnknown, find_kind
from aiops_mcp.fleet.object_owners import Chains, Owner, chain_of, read_chains
from aiops_mcp.fleet.object_reading import ObjectReader, open_reader, read_pages
from aiops_mcp.fleet.object_rows import (
    PlacedRow,
    SortBy,
    Table,
    add_page,
    count_statuses,
    sorted_rows,
)
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.objects import ObjectRow, ResourceList
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; ``name`` is a part of the name, ``limit`` rows from ``start`` on."""

    kind: str
    clusters: Sequence[str] = ()
    namespace: str | None = None
    label_selector: str | None = None
    field_selector: str | None = None
    name: str | None = None
    sort: SortBy = SortBy.TROUBLE
    start: int = 0
    limit: int = 20


@dataclass(frozen=True, slots=True)
class _Found:
    """One cluster's table; without ``kind`` the cluster has no such kind, and ``near`` ones."""

    kind: ApiKind | None
    table: Table
    near: tuple[str, ...] = ()


async def search_objects(
    fleet: Fleet,
    search: Search,
    principal: Principal,
    *,
    seconds: float,
    ttl: float,
    progress: Progress = no_progress,
) -> ResourceList:
    """One page of what was found. Raises when no cluster answered.

    Raises:
        KindUnknown: no cluster that answered has such a kind.
    """

    async def ask(access: Access) -> _Found:
        reader = await open_reader(access, fleet.cache, seconds=seconds)
        try:
            return await _table(reader, search)
        except BackendRefused as error:
            if error.http_status == 400 and (search.label_selector or search.field_selector):
                raise _bad_selector(error) from error
            raise

    selectors = (search.namespace, search.label_selector, search.field_selector)
    answer = await fleet.ask(
        search.clusters,
        ask,
        principal=principal,
        backend="kubernetes",
        deadline=seconds,
        cache=CacheRule(("table", search.kind.strip().lower(), *selectors), ttl, _size),
        progress=progress,
    )
    answer.raise_if_nobody_answered()
    kind = _common_kind(search.kind, answer)
    rows = [placed for placed in _placed(answer) if _is_named(placed, search.name)]
    ordered = sorted_rows(rows, search.sort)
    shown = ordered[search.start : search.start + search.limit]
    chains = await _owners(fleet, answer, shown, seconds=seconds)
    columns, wide = _columns(answer)
    return ResourceList(
        kind=kind.kind,
        plural=kind.plural,
        api_version=kind.api_version,
        namespaced=kind.namespaced,
        columns=columns,
        items=tuple(_entity(placed, chains.get(placed.cluster_name, {})) for placed in shown),
        total=len(rows),
        start=search.start,
        by_status=count_statuses(rows),
        by_cluster=dict(Counter(placed.cluster_name for placed in rows).most_common()),
        notes=_notes(search, answer),
        coverage=answer.coverage(),
        as_of=answer.asked_at,
        wide_columns=tuple(column for column in columns if column in wide),
    )


def _bad_selector(error: BackendRefused) -> InputError:
    said = error.message.partition("HTTP 400): ")[2] or error.message
    return InputError(
        f"The cluster cannot use the selector: {said}",
        "Labels: app=web,tier in (a,b). Fields: metadata.name, and of pods status.phase and "
        "spec.nodeName.",
    )


async def _table(reader: ObjectReader, search: Search) -> _Found:
    try:
        kind = find_kind(reader.kinds, search.kind)
    except KindUnknown as unknown:
        return _Found(None, Table(), unknown.near)
    table = Table()

    def take(page: Page) -> None:
        add_page(table, page.items, page.columns)

    await read_pages(
        reader,
        kind,
        take,
        table.rows.clear,
        form=Form.TABLE,
        namespace=search.namespace,
        label_selector=search.label_selector,
        field_selector=search.field_selector,
    )
    return _Found(kind, table)


def _common_kind(wanted: str, answer: FleetAnswer[_Found]) -> ApiKind:
    near: dict[str, None] = {}
    for one in answer.succeeded():
        if one.value is not None:
            if one.value.kind is not None:
                return one.value.kind
            near |= dict.fromkeys(one.value.near)
    raise KindUnknown(wanted.strip(), tuple(near)[:5])


def _placed(answer: FleetAnswer[_Found]) -> list[PlacedRow]:
    return [
        PlacedRow(one.cluster.name, row, one.value.table.columns)
        for one in answer.succeeded()
        if one.value is not None
        for row in one.value.table.rows
    ]


def _is_named(placed: PlacedRow, part: str | None) -> bool:
    return part is None or part.lower() in placed.row.name.lower()


def _columns(answer: FleetAnswer[_Found]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Every column that some cluster has, without the name, and those for wide tables."""
    columns: dict[str, None] = {}
    wide: set[str] = set()
    for one in answer.succeeded():
        if one.value is not None:
            columns |= dict.fromkeys(one.value.table.columns)
            wide |= one.value.table.wide
    columns.pop("Name", None)
    return tuple(columns), frozenset(wide)


def _notes(search: Search, answer: FleetAnswer[_Found]) -> tuple[str, ...]:
    without = [one.cluster.name for one in answer.succeeded() if one.value and not one.value.kind]
    if not without:
        return ()
    some = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
    return (f"no {search.kind} in {some}",)


async def _owners(
    fleet: Fleet, answer: FleetAnswer[_Found], shown: Sequence[PlacedRow], *, seconds: float
) -> dict[str, Chains]:
    wanted: dict[str, set[Owner]] = {}
    for placed in shown:
        if placed.row.owner is not None:
            owner = Owner(placed.row.namespace, *placed.row.owner)
            wanted.setdefault(placed.cluster_name, set()).add(owner)
    clusters = {one.cluster.name: one.cluster for one in answer.succeeded()}
    works = [
        owners_above(fleet, clusters[name], owners, seconds=seconds)
        for name, owners in wanted.items()
    ]
    return dict(zip(wanted, await asyncio.gather(*works), strict=True))


async def owners_above(
    fleet: Fleet, cluster: Cluster, owners: set[Owner], *, seconds: float
) -> Chains:
    """Chains of these owners; empty where the cluster does not tell."""

    async def ask(access: Access) -> Chains:
        reader = await open_reader(access, fleet.cache, seconds=seconds)
        return await read_chains(reader, owners)

    found = await fleet.ask_one(cluster, ask, backend="kubernetes", deadline=seconds)
    return found.value or {}


def _entity(placed: PlacedRow, chains: Chains) -> ObjectRow:
    row = placed.row
    owner = None if row.owner is None else Owner(row.namespace, *row.owner)
    return ObjectRow(
        cluster_name=placed.cluster_name,
        namespace=row.namespace,
        name=row.name,
        cells=placed.as_cells(),
        owners=chain_of(owner, chains),
        created_at=row.created,
    )


def _size(found: _Found) -> int:
    return 1024 + len(found.table.rows) * (400 + 60 * len(found.table.columns))

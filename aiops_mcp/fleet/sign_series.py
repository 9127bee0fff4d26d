"""Reads the series of vital signs from one cluster's Prometheus.

What a cluster has no metrics for is not asked. One expression that fails is a note; all of them
failing is the cluster's failure. What is done with the series is not known here.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.access import Access, address
from aiops_mcp.fleet.cache import AnswerCache
from aiops_mcp.fleet.series_grid import SeriesGrid, Span, grid_of
from aiops_mcp.fleet.vital_signs import VitalSign, names_pattern

AT_ONCE = 6
"""Questions to one cluster at a time: its dashboards ask as many."""
MOST_NAMES = 20_000

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class SignSeries:
    """The series of one sign in one cluster."""

    sign: VitalSign
    grid: SeriesGrid


@dataclass(frozen=True, slots=True)
class SignsRead(Generic[R]):
    """What each sign's series gave, in the order of the signs, and what could not be read."""

    found: tuple[R, ...]
    notes: tuple[str, ...] = ()
    asked: int = 0


async def read_signs(
    access: Access, cache: AnswerCache, signs: Sequence[VitalSign], span: Span, *, ttl: float
) -> SignsRead[SignSeries]:
    """The series of all signs that the cluster has. Errors as `over_signs`."""
    return await over_signs(access, cache, signs, span, SignSeries, ttl=ttl)


async def over_signs(
    access: Access,
    cache: AnswerCache,
    signs: Sequence[VitalSign],
    span: Span,
    visit: Callable[[VitalSign, SeriesGrid], R],
    *,
    ttl: float,
) -> SignsRead[R]:
    """Read each sign and keep what ``visit`` makes of it, which runs in a thread.

    The series themselves are let go of, so that thousands need no memory together. ``ttl`` is
    that of the list of metrics (seconds).

    Raises:
        AiopsError: the metrics could not be listed, or no expression was answered.
    """
    present = await signs_present(access, cache, signs, ttl=ttl)
    slots = asyncio.Semaphore(AT_ONCE)
    tried = await asyncio.gather(
        *(_one(access, sign, span, visit, slots) for sign in present), return_exceptions=True
    )
    found: list[R] = []
    failures: list[tuple[VitalSign, AiopsError]] = []
    notes: list[str] = []
    for sign, result in zip(present, tried, strict=True):
        if isinstance(result, AiopsError):
            failures.append((sign, result))
        elif isinstance(result, BaseException):
            raise result
        elif result is not None:
            found.append(result[0])
            notes.extend(_cut_note(access, sign, result[1]))
    if failures and len(failures) == len(present):
        raise failures[0][1]
    notes.extend(
        f"{access.cluster.name}: {sign.name} could not be read: {error.message}"
        for sign, error in failures
    )
    return SignsRead(tuple(found), tuple(notes), len(present))


async def signs_present(
    access: Access, cache: AnswerCache, signs: Sequence[VitalSign], *, ttl: float
) -> tuple[VitalSign, ...]:
    """Those of the signs whose metrics the cluster has."""
    cluster = access.cluster

    async def load() -> frozenset[str]:
        client = await access.prometheus()
        selector = f'{{__name__=~"{names_pattern()}"}}'
        return frozenset(await client.label_values("__name__", match=(selector,), limit=MOST_NAMES))

    names = await cache.get(
        (cluster.id.int, address(cluster), "vital signs"),
        load,
        ttl=ttl,
        size=lambda some: 100 * len(some),
    )
    return tuple(sign for sign in signs if sign.is_there(names))


async def _one(
    access: Access,
    sign: VitalSign,
    span: Span,
    visit: Callable[[VitalSign, SeriesGrid], R],
    slots: asyncio.Semaphore,
) -> tuple[R, int] | None:
    """What was made of one sign's series, and how many were left out; None where there are none."""
    async with slots:
        client = await access.prometheus()
        answer = await client.query_range(
            sign.query(span.step),
            start=span.start,
            end=span.end,
            step=span.step,
            limit=span.most_series + 1,
        )
        if not answer.series:
            return None

        def work() -> tuple[R, int]:
            grid = grid_of(answer.series, span)
            return visit(sign, grid), grid.cut

        return await asyncio.to_thread(work)


def _cut_note(access: Access, sign: VitalSign, cut: int) -> tuple[str, ...]:
    if not cut:
        return ()
    what = f"{access.cluster.name}: {sign.name} has more series than are read at once"
    return (f"{what}; ask with a coarser step, or its PromQL aggregated",)

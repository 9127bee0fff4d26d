"""One cluster's Loki, asked: its tenants together, one line more than wanted. Knows no fleet."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aiops_mcp.errors import AiopsError, BackendUnauthorized
from aiops_mcp.fleet.log_merge import ClusterLines
from aiops_mcp.models.logs import LogDirection, LogSource
from aiops_mcp.models.metrics import ResultType, Series

if TYPE_CHECKING:
    from aiops_mcp.backends.loki import LokiClient
    from aiops_mcp.backends.loki_answers import LokiAnswer

TENANT_LABEL = "tenant"
"""Tells series of several tenants apart; adding them up would be wrong for most functions."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogsTold:
    """What one cluster told: lines, or a metric's series.

    ``warnings`` say what is missing, ``remarks`` how the question was understood.
    """

    source: LogSource
    lines: ClusterLines
    series: tuple[Series, ...] = ()
    result_type: ResultType | None = None
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of each cluster; ``count`` lines at most, times in nanoseconds."""

    query: str
    start: int
    end: int
    count: int
    direction: LogDirection
    tenant: str | None = None


async def loki_lines(client: "LokiClient", wanted: Wanted, timeout: float | None) -> LogsTold:
    """The lines of all tenants; one that may not be read is said where another answered."""

    def ask(tenant: str | None) -> "Coroutine[Any, Any, LokiAnswer]":
        return client.query_range(
            wanted.query,
            start=wanted.start,
            end=wanted.end,
            limit=wanted.count,
            direction=wanted.direction,
            tenant=tenant,
            timeout=timeout,
        )

    answers, warnings = await each_tenant(client.tenancy.chosen(wanted.tenant), ask)
    lines = ClusterLines()
    for _, answer in answers:
        warnings += [f"Loki: {text}" for text in answer.warnings]
        lines.truncated = lines.truncated or answer.lines >= wanted.count
        for stream in answer.streams:
            lines.add(stream.labels, stream.lines)
    return LogsTold(LogSource.LOKI, lines, warnings=tuple(warnings))


async def loki_series(
    client: "LokiClient", wanted: Wanted, step: float | None, timeout: float | None
) -> LogsTold:
    """A metric query's series; without ``step`` at the end of the span."""

    def ask(tenant: str | None) -> "Coroutine[Any, Any, LokiAnswer]":
        if step is None:
            return client.query(wanted.query, time=wanted.end, tenant=tenant, timeout=timeout)
        return client.query_range(
            wanted.query,
            start=wanted.start,
            end=wanted.end,
            step=step,
            tenant=tenant,
            timeout=timeout,
        )

    answers, warnings = await each_tenant(client.tenancy.chosen(wanted.tenant), ask)
    series: list[Series] = []
    kind: ResultType | None = None
    for tenant, answer in answers:
        kind = answer.result_type or kind
        warnings += [f"Loki: {text}" for text in answer.warnings]
        for one in answer.series:
            told = {**one.metric, TENANT_LABEL: tenant or ""} if len(answers) > 1 else one.metric
            series.append(Series(metric=told, values=one.values))
    return LogsTold(LogSource.LOKI, ClusterLines(), tuple(series), kind, tuple(warnings))


async def loki_bytes(
    client: "LokiClient", selectors: Sequence[str], start: int, end: int, tenant: str | None
) -> int:
    """About how many bytes the selectors cover; 0 where this Loki does not tell."""

    async def ask(which: str | None) -> int:
        found = [
            await client.index_stats(selector, start=start, end=end, tenant=which)
            for selector in selectors
        ]
        return sum(one.bytes for one in found if one is not None)

    answers, _ = await each_tenant(client.tenancy.chosen(tenant), ask)
    return sum(size for _, size in answers)


async def loki_names(
    client: "LokiClient",
    label: str | None,
    *,
    start: int,
    end: int,
    query: str | None,
    tenant: str | None,
) -> tuple[tuple[str, ...], list[str]]:
    """Names of labels, or values of one, over the tenants."""

    def ask(which: str | None) -> "Coroutine[Any, Any, tuple[str, ...]]":
        if label is None:
            return client.labels(start=start, end=end, query=query, tenant=which)
        return client.label_values(label, start=start, end=end, query=query, tenant=which)

    answers, warnings = await each_tenant(client.tenancy.chosen(tenant), ask)
    return tuple(sorted({name for _, names in answers for name in names})), warnings


async def each_tenant(
    tenants: Sequence[str | None], ask: Callable[[str | None], Coroutine[Any, Any, T]]
) -> tuple[list[tuple[str | None, T]], list[str]]:
    """Ask all tenants at once: who answered, and remarks on those that may not be read.

    Raises:
        AiopsError: a failure other than a missing right, or no tenant may be read.
    """
    if len(tenants) == 1:
        return [(tenants[0], await ask(tenants[0]))], []
    found = await asyncio.gather(*(ask(each) for each in tenants), return_exceptions=True)
    answers: list[tuple[str | None, T]] = []
    refused: list[tuple[str | None, AiopsError]] = []
    for tenant, one in zip(tenants, found, strict=True):
        if isinstance(one, BackendUnauthorized):
            refused.append((tenant, one))
        elif isinstance(one, BaseException):
            raise one
        else:
            answers.append((tenant, one))
    if not answers:
        raise refused[0][1]
    return answers, [f"the tenant {name} was not read: it may not be" for name, _ in refused]

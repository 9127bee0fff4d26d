"""Network functions of the whole fleet: workloads, PTP, DPDK, SR-IOV.

Objects say what there is, metrics how it does. Where one of the two cannot be had, the other
stands and the answer says what is missing. How they are judged is in ``cnf_*``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from aiops_mcp.errors import AiopsError, BackendRefused, ResourceNotFound
from aiops_mcp.fleet import cnf_dpdk, cnf_kpis, cnf_ptp, cnf_sriov
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.cnf_workloads import KINDS, cnf_workloads
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.keeping import json_codec
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.cnf import CnfWorkload, DpdkStats, PtpStatus, SriovPool, SriovStatus
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.metrics import Series
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings

T = TypeVar("T")

PODS = "/api/v1/pods"
NODES = "/api/v1/nodes"


class CnfWorkloadsOf(Entity):
    """One cluster's network functions; ``missing`` says what could not be looked at."""

    workloads: tuple[CnfWorkload, ...] = ()
    missing: str | None = None


class SriovOf(Entity):
    """One cluster's SR-IOV interfaces and pools."""

    interfaces: tuple[SriovStatus, ...] = ()
    pools: tuple[SriovPool, ...] = ()
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class CnfAnswer(Generic[T]):
    """Every asked cluster's part; ``notes`` name what single clusters could not tell."""

    found: tuple[T, ...]
    coverage: Coverage
    asked_at: datetime
    notes: tuple[str, ...] = ()


class FleetCnf:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

    async def workloads(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> CnfAnswer[CnfWorkload]:
        """All network functions. Without a selection, of clusters where discovery saw some.

        Raises when no cluster answered.
        """
        answer = await self._fleet.ask_chosen(
            await self._choose(selection, principal),
            self._workloads_of,
            backend="kubernetes",
            cache=CacheRule(("cnf workloads",), self._settings.ttl_instant_query),
            keep_last_seen=json_codec("cnf workloads", TypeAdapter(CnfWorkloadsOf)),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        parts = [(one.cluster, one.value) for one in answer.succeeded() if one.value]
        return CnfAnswer(
            tuple(work for _, part in parts for work in part.workloads),
            answer.coverage(),
            answer.asked_at,
            _notes((cluster, part.missing) for cluster, part in parts),
        )

    async def ptp(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> CnfAnswer[PtpStatus]:
        """Every clock that the PTP operator tells of. Raises when no cluster answered."""

        async def ask(access: Access) -> tuple[PtpStatus, ...]:
            series = await self._range(
                access, cnf_ptp.QUERY, cnf_ptp.LOOK_BACK_SECONDS, cnf_ptp.STEP_SECONDS
            )
            return cnf_ptp.ptp_statuses(series, access.cluster)

        answer = await self._fleet.ask(
            selection,
            ask,
            principal=principal,
            backend="prometheus",
            cache=CacheRule(("ptp",), self._settings.ttl_gpu),
            keep_last_seen=json_codec("ptp", TypeAdapter(tuple[PtpStatus, ...])),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        found = tuple(clock for one in answer.succeeded() for clock in one.value or ())
        return CnfAnswer(found, answer.coverage(), answer.asked_at)

    async def dpdk(self, cluster: Cluster, pod_name: str) -> DpdkStats:
        """The packet ports of one pod.

        Raises:
            ResourceNotFound: no exporter tells of such a pod; the hint names those there are.
            AiopsError: the cluster did not answer.
        """

        async def ask(access: Access) -> DpdkStats:
            series = await self._range(
                access,
                cnf_dpdk.pod_query(pod_name),
                cnf_dpdk.LOOK_BACK_SECONDS,
                cnf_dpdk.STEP_SECONDS,
            )
            stats = cnf_dpdk.dpdk_stats(series, access.cluster, pod_name)
            if stats is not None:
                return stats
            told = await (await access.prometheus()).query(cnf_dpdk.pods_query())
            raise _no_such_pod(access.cluster, pod_name, cnf_dpdk.pods_with_ports(told.series))

        answer = await self._fleet.ask_one(cluster, ask, backend="prometheus")
        if answer.error is not None:
            raise answer.error
        if answer.value is None:
            raise _no_such_pod(cluster, pod_name, ())
        return answer.value

    async def sriov(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> CnfAnswer[SriovOf]:
        """Every SR-IOV interface and pool; a cluster without the operator answers with none.

        Raises when no cluster answered.
        """
        answer = await self._fleet.ask(
            selection,
            self._sriov_of,
            principal=principal,
            backend="kubernetes",
            cache=CacheRule(("sriov",), self._settings.ttl_instant_query),
            keep_last_seen=json_codec("sriov", TypeAdapter(SriovOf)),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        parts = [(one.cluster, one.value) for one in answer.succeeded() if one.value]
        return CnfAnswer(
            tuple(part for _, part in parts),
            answer.coverage(),
            answer.asked_at,
            _notes((cluster, part.missing) for cluster, part in parts),
        )

    async def _choose(self, selection: Sequence[str], principal: Principal) -> Selection:
        chosen = await self._fleet.choose(selection, principal)
        if selection:
            return chosen
        return Selection(
            tuple(each for each in chosen.asked if each.capabilities.has_cnf_workloads),
            tuple(each for each in chosen.offline if each.capabilities.has_cnf_workloads),
        )

    async def _workloads_of(self, access: Access) -> CnfWorkloadsOf:
        kubernetes = await access.kubernetes()
        lists = await asyncio.gather(
            kubernetes.list(PODS), *(kubernetes.list(path) for path in KINDS.values())
        )
        pods, by_kind = lists[0], dict(zip(KINDS, lists[1:], strict=True))
        figures = await _tried(
            self._range(access, cnf_kpis.QUERY, cnf_kpis.LOOK_BACK_SECONDS, cnf_kpis.STEP_SECONDS)
        )
        found = cnf_workloads(
            by_kind, pods, cnf_kpis.kpis_by_pod(figures.value or ()), access.cluster
        )
        return CnfWorkloadsOf(workloads=found, missing=figures.why("no figures"))

    async def _sriov_of(self, access: Access) -> SriovOf:
        kubernetes = await access.kubernetes()
        try:
            states = await kubernetes.list(cnf_sriov.NODE_STATES)
        except BackendRefused as refusal:
            if refusal.http_status != 404:
                raise
            return SriovOf()  # the operator is not installed: there is nothing to tell
        nodes, pods = await asyncio.gather(kubernetes.list(NODES), kubernetes.list(PODS))
        told = await _tried(
            self._range(
                access, cnf_sriov.QUERY, cnf_sriov.LOOK_BACK_SECONDS, cnf_sriov.STEP_SECONDS
            )
        )
        metrics = cnf_sriov.vf_metrics(told.value or ())
        return SriovOf(
            interfaces=cnf_sriov.sriov_statuses(states, pods, metrics, access.cluster),
            pools=cnf_sriov.sriov_pools(nodes, pods, access.cluster),
            missing=told.why("no drops"),
        )

    async def _range(
        self, access: Access, query: str, back: float, step: float
    ) -> Sequence[Series]:
        end = self._clock().timestamp()
        prometheus = await access.prometheus()
        answer = await prometheus.query_range(query, start=end - back, end=end, step=step)
        return answer.series


@dataclass(frozen=True, slots=True)
class _Tried(Generic[T]):
    value: T | None = None
    failure: AiopsError | None = None

    def why(self, what: str) -> str | None:
        return None if self.failure is None else f"{what}: {self.failure.message}"


async def _tried(work: Awaitable[T]) -> _Tried[T]:
    try:
        return _Tried(await work)
    except AiopsError as failure:
        return _Tried(failure=failure)


def _notes(missing: Iterable[tuple[Cluster, str | None]]) -> tuple[str, ...]:
    return tuple(f"{cluster.name}: {text}" for cluster, text in missing if text)


def _no_such_pod(cluster: Cluster, pod: str, known: Sequence[str]) -> ResourceNotFound:
    some = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    return ResourceNotFound(
        f"No DPDK metrics of a pod {pod!r} in {cluster.name}.",
        f"Pods that have them: {some}." if known else "No pod there has any: is an exporter on?",
    )

"""GPU nodes of one cluster, read by running nvidia-smi in the driver's or device plugin's pods.

One node's failure is a warning on that node, never an error of the whole. It knows Kubernetes only
through ``list`` and ``exec``; parsing and joining are pure and live in nvidia_smi*.py and gpu_*.py.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from aiops_mcp.backends import nvidia_smi as smi
from aiops_mcp.backends.gpu_nodes import (
    GPU_NODE_SELECTOR,
    SMI_SOURCES,
    GpuNode,
    SmiPod,
    gpu_nodes,
    smi_pods,
)
from aiops_mcp.backends.gpu_pods import (
    GPU_RESOURCE,
    cgroup_command,
    gpu_holders,
    mig_resource,
    pods_of_processes,
    sole_holders,
    with_pods,
)
from aiops_mcp.errors import AiopsError, BackendMisbehaved
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.gpu import GPU, GPUNode, GpuSource, NvlinkState, PodRef

T = TypeVar("T")

EXEC_TIMEOUT = 15.0
"""Seconds for one nvidia-smi: without persistence mode it first starts the driver on each card."""


_NO_PLACE = (
    "no running NVIDIA driver, device-plugin or DCGM exporter pod on this node: "
    "nvidia-smi cannot be run"
)


class CommandOutput(Protocol):
    """What a command in a container wrote."""

    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...


class GpuCluster(Protocol):
    """The part of a Kubernetes client that is needed here."""

    async def list(
        self,
        path: str,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[dict[str, Any]]: ...

    async def exec(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, timeout: float
    ) -> CommandOutput: ...


async def read_gpu_nodes(
    kubernetes: GpuCluster, cluster: Cluster, *, now: datetime, concurrency: int
) -> list[GPUNode]:
    """Every GPU node of the cluster with its cards, at most ``concurrency`` nodes at a time.

    A node that cannot be read is in the list without cards; its ``warnings`` say why.

    Raises:
        BackendError: the cluster's nodes or pods could not be listed at all.
    """
    nodes = await _find_nodes(kubernetes)
    places = await _find_pods(kubernetes, nodes)
    gate = asyncio.Semaphore(concurrency)

    async def read(node: GpuNode) -> GPUNode:
        async with gate:
            gpus, warnings, pods = await _read_node(kubernetes, node, places.get(node.name))
        return GPUNode(
            cluster_id=cluster.id,
            cluster_name=cluster.name,
            node_name=node.name,
            gpus=gpus,
            source=GpuSource.NVIDIA_SMI,
            last_updated=now,
            warnings=tuple(dict.fromkeys((*warnings, *node.warnings()))),
            facts=node.facts(None if pods is None else gpu_holders(pods)),
        )

    return list(await asyncio.gather(*(read(node) for node in nodes)))


async def _find_nodes(kubernetes: GpuCluster) -> tuple[GpuNode, ...]:
    labelled = gpu_nodes(await kubernetes.list("nodes", label_selector=GPU_NODE_SELECTOR))
    # without gpu-feature-discovery there are no labels, only the device plugin's resources
    return labelled or gpu_nodes(await kubernetes.list("nodes"))


async def _find_pods(kubernetes: GpuCluster, nodes: Sequence[GpuNode]) -> dict[str, SmiPod]:
    places: dict[str, SmiPod] = {}
    for source in SMI_SOURCES:
        if all(node.name in places for node in nodes):
            break
        pods = await kubernetes.list("pods", label_selector=source.label_selector)
        places = smi_pods(pods, source) | places
    return places


async def _read_node(
    kubernetes: GpuCluster, node: GpuNode, place: SmiPod | None
) -> tuple[tuple[GPU, ...], tuple[str, ...], list[dict[str, Any]] | None]:
    """The cards, what is odd, and the node's pods (``None`` where they could not be listed)."""
    listed = _attempt(kubernetes.list("pods", field_selector=f"spec.nodeName={node.name}"))
    if place is None:
        return (), (_NO_PLACE,), (await listed).value
    shell = _Shell(kubernetes, place)
    query, log, links, pods = await asyncio.gather(
        _attempt(_query_gpus(shell, node.driver_branch)),
        _attempt(_read_log(shell)),
        _attempt(_read_nvlink(shell)),
        listed,
    )
    report = _joined(query, log)
    if report is None:
        return (), _said(query, log), pods.value
    warnings = [*_said(query, log, pods), *report.warnings]
    report, more = await _completed(shell, report, has_log=log.value is not None)
    warnings += more
    if links.value:
        report = smi.with_nvlink(report, links.value)
    on_node = pods.value or []
    by_pid = await _process_pods(shell, report.gpus, on_node)
    holders = sole_holders(on_node, _available(report.gpus, shared=node.shared))
    gpus = with_pods(report.gpus, by_pid, holders)
    if node.card_count is not None and len(gpus) < node.card_count:
        warnings.append(f"the node has {node.card_count} GPUs by its label, {len(gpus)} answer")
    return gpus, tuple(warnings), pods.value


@dataclass(frozen=True)
class _Outcome(Generic[T]):
    value: T | None = None
    error: AiopsError | None = None


async def _attempt(work: Awaitable[T]) -> _Outcome[T]:
    try:
        return _Outcome(await work)
    except AiopsError as error:
        return _Outcome(error=error)


@dataclass(frozen=True)
class _Shell:
    kubernetes: GpuCluster
    place: SmiPod

    async def run(self, *command: str) -> str:
        output = await self.kubernetes.exec(
            self.place.namespace,
            self.place.name,
            self.place.container,
            command,
            timeout=EXEC_TIMEOUT,
        )
        return "\n".join(
            part.decode(errors="replace") for part in (output.stdout, output.stderr) if part
        )


async def _query_gpus(shell: _Shell, driver_branch: int | None) -> smi.GpuReport:
    plan = list(smi.query_plan(driver_branch))
    fields = plan.pop(0)
    while True:
        output = await shell.run(*smi.query_command(fields))
        refused = smi.unknown_field(output)
        if refused is None or refused not in fields:
            return smi.parse_query_gpu(output, fields)
        # an older list first; after the last of them, the same without the field refused
        fields = plan.pop(0) if plan else tuple(name for name in fields if name != refused)


async def _read_log(shell: _Shell) -> smi.GpuReport:
    try:
        return smi.parse_xml(await shell.run("nvidia-smi", "-q", "-x"))
    except BackendMisbehaved:  # an nvidia-smi without readable XML may still write the text
        return smi.parse_text(await shell.run("nvidia-smi", "-q"))


async def _read_nvlink(shell: _Shell) -> dict[int, NvlinkState]:
    status = await shell.run("nvidia-smi", "nvlink", "-s")
    if not smi.parse_nvlink(status):
        return {}
    return smi.parse_nvlink(status, await shell.run("nvidia-smi", "nvlink", "-e"))


def _joined(query: _Outcome[smi.GpuReport], log: _Outcome[smi.GpuReport]) -> smi.GpuReport | None:
    if query.value is not None and log.value is not None:
        return smi.merge_reports(query.value, log.value)
    return query.value or log.value


def _said(*outcomes: _Outcome[Any]) -> tuple[str, ...]:
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    return tuple(dict.fromkeys(str(error) for error in errors))


async def _completed(
    shell: _Shell, report: smi.GpuReport, *, has_log: bool
) -> tuple[smi.GpuReport, tuple[str, ...]]:
    """The report with MIG names, and with processes where ``-q`` gave none."""
    warnings: tuple[str, ...] = ()
    if any(gpu.mig_enabled for gpu in report.gpus):
        listing = await _attempt(_parsed(shell, smi.parse_listing, "nvidia-smi", "-L"))
        warnings += _said(listing)
        if listing.value is not None:
            report = smi.with_listing(report, listing.value)
    if not has_log:
        command = smi.compute_apps_command()
        apps = await _attempt(_parsed(shell, smi.parse_compute_apps, *command))
        warnings += _said(apps)
        if apps.value is not None:
            report = smi.with_compute_apps(report, apps.value[0])
    return report, warnings


async def _parsed(shell: _Shell, parse: Callable[[str], T], *command: str) -> T:
    return parse(await shell.run(*command))


async def _process_pods(
    shell: _Shell, gpus: Sequence[GPU], pods: Sequence[dict[str, Any]]
) -> dict[int, PodRef]:
    pids = sorted({process.pid for gpu in gpus for process in gpu.processes})
    if not (pids and pods and shell.place.host_pid):
        return {}
    # a process that has ended meanwhile, or a container without grep, leaves the pod unknown
    output = await _attempt(shell.run(*cgroup_command(pids)))
    return pods_of_processes(output.value or "", pods)


def _available(gpus: Sequence[GPU], *, shared: bool) -> dict[str, int]:
    if shared:
        return {}
    counts: Counter[str] = Counter()
    for gpu in gpus:
        if not gpu.mig_enabled:
            counts[GPU_RESOURCE] += 1
        for mig in gpu.mig_instances:
            if mig.profile:
                counts[mig_resource(mig.profile)] += 1
    return dict(counts)

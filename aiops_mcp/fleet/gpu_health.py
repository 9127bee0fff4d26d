"""How the fleet's GPUs are, why, and what to do: evidence joined from all that tells of a card.

The cards come from nvidia-smi and DCGM (`FleetGpu`); histories, XIDs, events and kernel logs are
asked only of clusters that have cards. Judging is pure and lives in analysis/gpuhealth*.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.analysis.gpuhealth_fleet import judge_fleet
from aiops_mcp.analysis.gpuhealth_judge import ClusterEvidence
from aiops_mcp.analysis.gpuhealth_servers import ServerThresholds
from aiops_mcp.analysis.gpuhealth_xids import CardName, findings
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.gpu import FleetGpu, FleetGpuAnswer
from aiops_mcp.fleet.gpu_evidence import HISTORY, Evidence, gather_evidence
from aiops_mcp.fleet.gpu_waste import find_waste
from aiops_mcp.fleet.model_servers import read_model_servers
from aiops_mcp.models.gpu import GPUNode
from aiops_mcp.models.gpu_health import GpuHealth, ModelServers, WasteReport
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings

EVIDENCE_SECONDS = 20.0
_GAUGE_NOTE = (
    "XIDs from DCGM's gauge are changes of it: the same code twice in a row shows once, and of "
    "several between two scrapes only the last"
)


@dataclass(frozen=True, slots=True)
class _Gathered:
    found: FleetGpuAnswer
    evidence: dict[str, Evidence]
    notes: tuple[str, ...]


class FleetGpuHealth:
    """``clock`` is the wall clock."""

    def __init__(
        self, fleet: Fleet, gpu: FleetGpu, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        self._fleet = fleet
        self._gpu = gpu
        self._settings = settings
        self._clock = clock
        self.limits = Thresholds().overridden(settings.gpu_thresholds)
        self._server_limits = ServerThresholds().overridden(settings.model_server_thresholds)

    async def health(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> GpuHealth:
        """Every GPU node with its verdict, the gravest first. Raises when nobody answered."""
        gathered = await self._gather(selection, principal, progress)
        nodes = gathered.found.nodes
        evidence = {
            name: _judgeable(one, [node for node in nodes if node.cluster_name == name])
            for name, one in gathered.evidence.items()
        }
        servers = {
            (name, pod): model
            for name, one in gathered.evidence.items()
            for pod, model in one.servers.items()
        }
        judged = judge_fleet(nodes, evidence, servers, self.limits, self._clock())
        notes = gathered.notes
        if any(one.xids for one in evidence.values()):
            notes = (*notes, _GAUGE_NOTE)
        return GpuHealth(
            nodes=judged.nodes,
            fleet_reasons=judged.fleet_reasons,
            counts=judged.counts,
            notes=notes,
            window_seconds=HISTORY.total_seconds(),
            coverage=gathered.found.coverage,
            as_of=gathered.found.asked_at,
        )

    async def waste(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> WasteReport:
        """What holds cards and does nothing, what is free, and what does not fit."""
        found = await self._gpu.nodes(selection=selection, principal=principal, progress=progress)
        return await find_waste(self._fleet, found, self.limits, self._clock(), principal)

    async def model_servers(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> ModelServers:
        """Model servers (vLLM) with what their users feel, and the cards they run on."""
        return await read_model_servers(
            self._fleet,
            lambda clusters: self.health(selection=clusters, principal=principal),
            self._server_limits,
            selection=selection,
            principal=principal,
            progress=progress,
        )

    async def _gather(
        self, selection: Sequence[str], principal: Principal, progress: Progress
    ) -> _Gathered:
        found = await self._gpu.nodes(selection=selection, principal=principal, progress=progress)
        names = tuple(dict.fromkeys(node.cluster_name for node in found.nodes))
        if not names:
            return _Gathered(found, {}, ())
        answer = await self._fleet.ask(
            names,
            self._ask,
            principal=principal,
            backend="gpu-evidence",
            deadline=EVIDENCE_SECONDS,
            cache=CacheRule(("gpu-evidence",), self._settings.ttl_instant_query, _size),
        )
        evidence = {
            one.cluster.name: one.value for one in answer.succeeded() if one.value is not None
        }
        notes = [note for one in evidence.values() for note in one.notes]
        notes += [f"{one.cluster.name}: no history: {one.error}" for one in answer.failed()]
        return _Gathered(found, evidence, tuple(notes))

    async def _ask(self, access: Access) -> Evidence:
        return await gather_evidence(access, self._clock())


def _judgeable(evidence: Evidence, nodes: Sequence[GPUNode]) -> ClusterEvidence:
    cards = [
        CardName(node.node_name, gpu.index, gpu.uuid, gpu.pci_bus_id)
        for node in nodes
        for gpu in node.gpus
    ]
    # a card that is gone is still known by its history
    cards += [
        CardName(one.node_name, one.gpu_index or 0, one.uuid, None)
        for one in evidence.histories.values()
        if one.uuid not in {card.uuid for card in cards}
    ]
    return ClusterEvidence(
        evidence.histories, findings(evidence.sightings, cards), evidence.dcgm_nodes
    )


def _size(evidence: Evidence) -> int:
    return 2048 + 3000 * len(evidence.histories) + 600 * len(evidence.sightings)

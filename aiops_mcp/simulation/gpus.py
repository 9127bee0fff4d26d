"""A node's GPUs at one moment, read from the same signals as their DCGM metrics.

So ``nvidia-smi`` and Prometheus tell one story. It must not know how either is written.
"""

from collections.abc import Mapping

from aiops_mcp.simulation.cluster import SimulatedCluster
from aiops_mcp.simulation.gpu_models import (
    gpu_memory_mib,
    pcie_generation,
    power_limit_watts,
    slice_memory_mib,
)
from aiops_mcp.simulation.inventory import Gpu, Node, Pod, uid_of
from aiops_mcp.simulation.noise import key_of
from aiops_mcp.simulation.nvidia_smi import (
    SimulatedDriver,
    SimulatedGpu,
    SimulatedMigDevice,
    SimulatedProcess,
)
from aiops_mcp.simulation.store import WorldStore, evaluate_now

_READ = {
    "util": "DCGM_FI_DEV_GPU_UTIL",
    "memory_util": "DCGM_FI_DEV_MEM_COPY_UTIL",
    "temperature": "DCGM_FI_DEV_GPU_TEMP",
    "memory_temperature": "DCGM_FI_DEV_MEMORY_TEMP",
    "power": "DCGM_FI_DEV_POWER_USAGE",
    "used": "DCGM_FI_DEV_FB_USED",
    "reserved": "DCGM_FI_DEV_FB_RESERVED",
    "sm_clock": "DCGM_FI_DEV_SM_CLOCK",
    "memory_clock": "DCGM_FI_DEV_MEM_CLOCK",
    "reasons": "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS",
    "sbe": "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
    "dbe": "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
    "dbe_aggregate": "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
    "remapped": "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
    "remap_failure": "DCGM_FI_DEV_ROW_REMAP_FAILURE",
    "remap_pending": "DCGM_FI_DEV_ROW_REMAP_PENDING",
    "pcie_width": "DCGM_FI_DEV_PCIE_LINK_WIDTH",
    "pcie_gen": "DCGM_FI_DEV_PCIE_LINK_GEN",
    "nvlink_replay": "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
    "nvlink_recovery": "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
    "nvlink_crc": "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
}
_SLOWDOWN_CELSIUS = 87


def node_driver(
    cluster: SimulatedCluster, store: WorldStore, node: Node, moment: float, pod: Pod | None = None
) -> SimulatedDriver:
    """What the driver of a node says at a moment; within a pod only that pod's cards show."""
    mine = None if pod is None else {gpu.uuid for gpu, _ in pod.gpus}
    gpus = tuple(
        _card(cluster, store, gpu, moment) for gpu in node.gpus if mine is None or gpu.uuid in mine
    )
    return SimulatedDriver(gpus)


def _values(store: WorldStore, uuid: str, moment: float) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for short, name in _READ.items():
        series = [one.signal for one in store.signals(name) if one.labels["UUID"] == uuid]
        value = evaluate_now(series[:1], moment)[0] if series else None
        found[short] = 0.0 if value is None else value
    return found


def _card(cluster: SimulatedCluster, store: WorldStore, gpu: Gpu, moment: float) -> SimulatedGpu:
    present = cluster.gpu_present(gpu.uuid)
    now = _values(store, gpu.uuid, moment)
    hopper = "H100" in gpu.model
    holders = [
        (pod, place)
        for pod in cluster.pods_at(moment)
        for held, place in pod.gpus
        if held.uuid == gpu.uuid and pod.history.running.at(moment)
    ]
    used, temperature = int(now["used"]), int(now["temperature"])
    slice_use = _slice_use(gpu, used, {place for _, place in holders})
    return SimulatedGpu(
        index=gpu.index,
        uuid=gpu.uuid,
        name=gpu.model,
        pci_bus_id=gpu.pci_bus_id,
        memory_total_mb=int(gpu_memory_mib(gpu.model)),
        memory_used_mb=used,
        memory_reserved_mb=int(now["reserved"]),
        utilization_gpu=None if gpu.mig else int(now["util"]),
        utilization_memory=None if gpu.mig else int(now["memory_util"]),
        temperature=temperature,
        temperature_memory=int(now["memory_temperature"]),
        temperature_margin=max(0, _SLOWDOWN_CELSIUS - temperature) if hopper else None,
        power_draw=round(now["power"], 2),
        power_limit=power_limit_watts(gpu.model),
        performance_state="P0",
        clock_sm=int(now["sm_clock"]),
        clock_sm_max=1980 if hopper else 1410,
        clock_memory=int(now["memory_clock"]),
        throttle_reasons=int(now["reasons"]) or (0 if holders else 1),
        ecc_corrected_volatile=int(now["sbe"]),
        ecc_uncorrected_volatile=int(now["dbe"]),
        ecc_uncorrected_aggregate=int(now["dbe_aggregate"]),
        remapped_uncorrectable=int(now["remapped"]),
        remapped_failure=now["remap_failure"] > 0,
        remapped_pending=now["remap_pending"] > 0,
        pcie_gen=int(now["pcie_gen"]),
        pcie_gen_max=int(pcie_generation(gpu.model)),
        pcie_width=int(now["pcie_width"]),
        nvlink_links=18 if hopper else 12,
        nvlink_crc_errors=int(now["nvlink_crc"]),
        nvlink_replay_errors=int(now["nvlink_replay"]),
        nvlink_recovery_errors=int(now["nvlink_recovery"]),
        fabric_state="Completed" if hopper else None,
        mig_enabled=bool(gpu.mig),
        mig_devices=_slices(cluster, gpu, slice_use),
        processes=tuple(
            _process(pod, place, slice_use.get(place, used // len(holders)))
            for pod, place in holders
        ),
        lost=present is not None and not present.at(moment),
    )


def _slice_use(gpu: Gpu, used: int, held: set[int | None]) -> dict[int | None, int]:
    """The memory in use on each held MIG slice, by its place: the card's, by their sizes."""
    sizes = {
        place: slice_memory_mib(profile) for place, profile in enumerate(gpu.mig) if place in held
    }
    return {place: used * size // sum(sizes.values()) for place, size in sizes.items()}


def _slices(
    cluster: SimulatedCluster, gpu: Gpu, use: Mapping[int | None, int]
) -> tuple[SimulatedMigDevice, ...]:
    devices: list[SimulatedMigDevice] = []
    for place, profile in enumerate(gpu.mig):
        share = profile.partition(".")[0]
        devices.append(
            SimulatedMigDevice(
                gpu_instance_id=place + 7,
                profile=profile,
                uuid=f"MIG-{uid_of(cluster.seed, gpu.uuid, place)}",
                memory_total_mb=slice_memory_mib(profile),
                memory_used_mb=use.get(place, 12),
                multiprocessors=14 * int(share.removesuffix("g")),
            )
        )
    return tuple(devices)


def _process(pod: Pod, place: int | None, used: int) -> SimulatedProcess:
    return SimulatedProcess(
        pid=2000 + key_of(pod.uid) % 400_000,
        name=pod.work.process,
        used_memory_mb=used,
        gpu_instance_id=None if place is None else place + 7,
        compute_instance_id=None if place is None else 0,
        sm_percent=None,
    )

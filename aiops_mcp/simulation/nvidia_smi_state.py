"""The plain state that simulated ``nvidia-smi`` output is drawn from: a driver and its cards."""

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SimulatedProcess:
    """A process on a card; memory in MiB, ``None`` where the driver hides it."""

    pid: int
    name: str
    used_memory_mb: int | None
    type: Literal["C", "G", "C+G"] = "C"
    gpu_instance_id: int | None = None
    compute_instance_id: int | None = None
    sm_percent: int | None = None


@dataclass(frozen=True)
class SimulatedMigDevice:
    """A MIG slice; its device number is its place in ``SimulatedGpu.mig_devices``."""

    gpu_instance_id: int
    profile: str
    uuid: str
    memory_total_mb: int
    memory_used_mb: int = 0
    compute_instance_id: int = 0
    multiprocessors: int = 16


@dataclass(frozen=True)
class SimulatedGpu:
    """One card. ``None`` is what the card does not have; it prints as N/A.

    ``throttle_reasons`` is NVML's mask (1 idle, 4 power cap, 8 hardware slowdown, 0x20 and 0x40
    software and hardware thermal, 0x80 power brake). ``mig_enabled`` is ``None`` on cards that
    cannot be partitioned. A ``lost`` card has fallen off the bus.
    """

    index: int
    uuid: str
    name: str
    pci_bus_id: str
    memory_total_mb: int
    memory_used_mb: int = 0
    memory_reserved_mb: int = 0
    utilization_gpu: int | None = 0
    utilization_memory: int | None = 0
    temperature: int | None = 35
    temperature_memory: int | None = None
    temperature_margin: int | None = None
    power_draw: float | None = 50.0
    power_limit: float | None = 300.0
    fan_speed: int | None = None
    performance_state: str = "P0"
    clock_sm: int = 1410
    clock_sm_max: int = 1980
    clock_memory: int = 2619
    throttle_reasons: int = 0
    ecc_enabled: bool | None = True
    ecc_corrected_volatile: int = 0
    ecc_uncorrected_volatile: int = 0
    ecc_uncorrected_aggregate: int = 0
    remapped_correctable: int | None = 0
    remapped_uncorrectable: int | None = 0
    remapped_pending: bool = False
    remapped_failure: bool = False
    pcie_gen: int = 4
    pcie_gen_max: int = 4
    pcie_width: int = 16
    pcie_width_max: int = 16
    recovery_action: str = "None"
    fabric_state: str | None = None
    nvlink_links: int = 0
    nvlink_inactive: int = 0
    nvlink_crc_errors: int = 0
    nvlink_replay_errors: int = 0
    nvlink_recovery_errors: int = 0
    mig_enabled: bool | None = None
    mig_devices: tuple[SimulatedMigDevice, ...] = ()
    processes: tuple[SimulatedProcess, ...] = ()
    lost: bool = False

    @property
    def memory_free_mb(self) -> int:
        """What is neither used nor reserved; the driver never tells less than nothing."""
        return max(0, self.memory_total_mb - self.memory_used_mb - self.memory_reserved_mb)


@dataclass(frozen=True)
class SimulatedDriver:
    """A node's driver and its cards; ``failure`` is what nvidia-smi says instead of answering."""

    gpus: tuple[SimulatedGpu, ...]
    driver_version: str = "570.124.06"
    cuda_version: str = "12.8"
    failure: str | None = None

    @property
    def major(self) -> int:
        """The driver branch, such as 570."""
        return int(self.driver_version.split(".", 1)[0])

    @property
    def answering(self) -> tuple[SimulatedGpu, ...]:
        """The cards that have not fallen off the bus."""
        return tuple(gpu for gpu in self.gpus if not gpu.lost)


def driver_failure() -> str:
    """The text of a node whose kernel module is not loaded (exit code 9)."""
    return (
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
        "Make sure that the latest NVIDIA driver is installed and running.\n"
    )


def lost_line(gpu: SimulatedGpu) -> str:
    """The line for a card that has fallen off the bus."""
    return (
        f"Unable to determine the device handle for GPU{gpu.index}: {short_bus_id(gpu)}: "
        "Unknown Error"
    )


def short_bus_id(gpu: SimulatedGpu) -> str:
    """The bus id with a domain of four digits, as messages and kernel logs write it."""
    return re.sub(r"^0000(?=[0-9A-Fa-f]{4}:)", "", gpu.pci_bus_id)

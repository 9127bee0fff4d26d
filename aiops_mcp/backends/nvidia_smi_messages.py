"""What nvidia-smi says instead of data, or between it: failures, lost cards, unknown fields."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiops_mcp.errors import BackendError

_FAILURES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"NVIDIA-SMI has failed because .*", re.IGNORECASE),
        "Load or reinstall the driver on the node; look at the driver pod's log.",
    ),
    (
        re.compile(r"Failed to initialize NVML: Driver/library version mismatch.*", re.IGNORECASE),
        "The driver was updated under a running kernel module: drain and reboot the node.",
    ),
    (
        re.compile(r"Failed to initialize NVML:.*", re.IGNORECASE),
        "Check the driver pod and the container toolkit on the node.",
    ),
    (
        re.compile(r"NVIDIA-SMI couldn.t find libnvidia-ml.*", re.IGNORECASE),
        "The container has no driver libraries: run nvidia-smi in the driver pod.",
    ),
    (
        re.compile(r".*(?:nvidia-smi.*not found|not found.*nvidia-smi).*", re.IGNORECASE),
        "This container has no nvidia-smi: run it in the driver or device-plugin pod.",
    ),
)
_NO_DEVICES = re.compile(r"No devices (?:were )?found\.?", re.IGNORECASE)
_UNKNOWN_FIELD = re.compile(r"Field ['\"“](.+?)['\"”] is not a valid field to query", re.IGNORECASE)
_BAD_ARGUMENT = re.compile(
    r"Invalid combination of input arguments.*|(?:Option|Argument).*(?:not recognized|invalid).*",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"Unable to (?:determine|detect) the device handle for gpu\s*(?:(\d+):\s+)?"
    r"([0-9a-f]{1,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])\s*:\s*(.+?)\s*",
    re.IGNORECASE,
)
_NOTICE = re.compile(r"warning\b.*|unable to .*|.*infoROM is corrupted.*", re.IGNORECASE)


class NvidiaSmiFailed(BackendError):
    """nvidia-smi ran, or could not, and gave no data; the message is its own."""


class UnknownField(NvidiaSmiFailed):
    """This driver does not know a field that was asked for; ``field`` names it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"nvidia-smi does not know the field {name}.",
            "Ask again without it: the driver is older or newer than the field.",
            details={"field": name},
        )
        self.field = name


@dataclass(frozen=True)
class LostGpu:
    """A card that the driver still lists but cannot reach (fallen off the bus, XID 79)."""

    pci_bus_id: str
    reason: str
    index: int | None = None

    def __str__(self) -> str:
        card = f"GPU {self.index} at {self.pci_bus_id}" if self.index is not None else None
        reason = self.reason.rstrip(".")
        return (
            f"{card or f'GPU at {self.pci_bus_id}'} is lost to the driver ({reason}): "
            "it may have fallen off the bus; drain the node and reboot it"
        )


@dataclass(frozen=True)
class Sorted:
    """An output's data lines, apart from what nvidia-smi said between them."""

    lines: tuple[str, ...]
    lost: tuple[LostGpu, ...] = ()
    notices: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def unknown_field(output: str) -> str | None:
    """The field named in ``Field "x" is not a valid field to query.``, else ``None``."""
    match = _UNKNOWN_FIELD.search(output)
    return match.group(1) if match else None


def sort_lines(output: str) -> Sorted:
    """Part data from messages.

    Raises:
        UnknownField: a field was refused.
        NvidiaSmiFailed: the driver, the library or the program itself failed, the arguments were
            refused, or there is no GPU at all.
    """
    refused = unknown_field(output)
    if refused is not None:
        raise UnknownField(refused)
    lines: list[str] = []
    lost: list[LostGpu] = []
    notices: list[str] = []
    no_devices = False
    # not splitlines: a process name may hold any of the characters at which that also breaks
    for line in output.replace("\r", "").split("\n"):
        stripped = line.strip()
        gone = _LOST.fullmatch(stripped)
        if gone:
            index = int(gone.group(1)) if gone.group(1) else None
            lost.append(LostGpu(gone.group(2), gone.group(3), index))
        elif _NO_DEVICES.fullmatch(stripped):
            no_devices = True
        elif _NOTICE.fullmatch(stripped) and not line.startswith((" ", "\t")):
            notices.append(stripped)
        else:
            lines.append(line)
    _raise_failure(lines)
    if no_devices and not lost:
        raise NvidiaSmiFailed(
            "nvidia-smi found no devices.",
            "The driver runs but sees no GPU: check lspci, the kernel log and any passthrough.",
        )
    warnings = (*(str(card) for card in lost), *notices)
    return Sorted(tuple(lines), tuple(lost), tuple(notices), warnings)


def _raise_failure(lines: Sequence[str]) -> None:
    for line in lines[:20]:  # a failure is all there is; it never follows data
        stripped = line.strip()
        for pattern, hint in _FAILURES:
            if pattern.fullmatch(stripped):
                raise NvidiaSmiFailed(f"nvidia-smi failed: {stripped}", hint)
        if _BAD_ARGUMENT.fullmatch(stripped):
            raise NvidiaSmiFailed(
                f"nvidia-smi refused its arguments: {stripped}",
                "This driver's nvidia-smi lacks an option that was used.",
            )

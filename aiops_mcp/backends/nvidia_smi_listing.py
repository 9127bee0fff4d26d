"""``nvidia-smi -L`` and ``nvidia-smi nvlink``: lines below a card's heading.

``-L`` is the only output that tells the UUID and the profile of a MIG device.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aiops_mcp.backends.nvidia_smi_messages import LostGpu, Sorted, sort_lines
from aiops_mcp.errors import BackendMisbehaved
from aiops_mcp.models.gpu import NvlinkState

_CARD = re.compile(r"GPU (\d+): (.*?)\s*(?:\(UUID: ([^)]+)\))?\s*")
_MIG = re.compile(r"MIG (\S+)\s+Device\s+(\d+):\s*\(UUID: ([^)]+)\)")
# drivers up to 460 wrote the instance ids into the UUID: MIG-GPU-<uuid>/<gi>/<ci>
_OLD_MIG_UUID = re.compile(r"MIG-GPU-[0-9a-fA-F-]+/(\d+)/(\d+)")
_LINK_SPEED = re.compile(r"Link (\d+): (<?inactive>?|[0-9.]+ [GM]B/s)", re.IGNORECASE)
_LINK_ERRORS = re.compile(r"Link (\d+): (\w+)(?: [\w ]*)? Errors?(?: Count)?: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class ListedMig:
    """A MIG device of ``-L``; ``index`` is its device number on its card."""

    index: int
    profile: str
    uuid: str
    gpu_instance_id: int | None = None
    compute_instance_id: int | None = None


@dataclass(frozen=True)
class ListedGpu:
    """A card of ``-L`` with its MIG devices."""

    index: int
    name: str
    uuid: str | None
    mig_devices: tuple[ListedMig, ...] = ()


@dataclass(frozen=True)
class Listing:
    """What ``-L`` told."""

    gpus: tuple[ListedGpu, ...]
    lost: tuple[LostGpu, ...] = ()
    warnings: tuple[str, ...] = ()


def parse_listing(output: str) -> Listing:
    """``nvidia-smi -L``.

    Raises:
        NvidiaSmiFailed: nvidia-smi told of a failure instead.
        BackendMisbehaved: no line names a card, and none tells of a lost one.
    """
    data = sort_lines(output)
    gpus = [
        ListedGpu(index, name, uuid, tuple(_mig_devices(lines)))
        for index, name, uuid, lines in _cards(data)
    ]
    _check_found(bool(gpus), data, output, "-L")
    return Listing(tuple(gpus), data.lost, data.warnings)


def parse_nvlink(status: str, errors: str | None = None) -> dict[int, NvlinkState]:
    """NVLink state by card index, from ``nvlink -s`` and, where given, ``nvlink -e``.

    Cards without NVLink are left out. Raises as ``parse_listing``, for ``status``.
    """
    data = sort_lines(status)
    cards = list(_cards(data))
    _check_found(bool(cards), data, status, "nvlink -s")
    counters = _link_errors(errors) if errors else {}
    links: dict[int, NvlinkState] = {}
    for index, _, _, lines in cards:
        speeds = [match.group(2) for line in lines if (match := _LINK_SPEED.search(line))]
        if not speeds:
            continue
        inactive = sum("inactive" in speed.lower() for speed in speeds)
        counted = counters.get(index, {})
        links[index] = NvlinkState(
            active_links=len(speeds) - inactive,
            inactive_links=inactive,
            crc_errors=counted.get("crc"),
            replay_errors=counted.get("replay"),
            recovery_errors=counted.get("recovery"),
        )
    return links


def _link_errors(output: str) -> dict[int, dict[str, int]]:
    counters: dict[int, dict[str, int]] = {}
    for index, _, _, lines in _cards(sort_lines(output)):
        counted: dict[str, int] = {}
        for line in lines:
            match = _LINK_ERRORS.search(line)
            if match:
                kind = match.group(2).lower()
                counted[kind] = counted.get(kind, 0) + int(match.group(3))
        counters[index] = counted
    return counters


def _cards(data: Sorted) -> Iterator[tuple[int, str, str | None, list[str]]]:
    heading: re.Match[str] | None = None
    below: list[str] = []
    for line in (*data.lines, ""):
        match = _CARD.fullmatch(line.rstrip()) if line else None
        if match:
            if heading:
                yield _card(heading, below)
            heading, below = match, []
        else:
            below.append(line.strip())
    if heading:
        yield _card(heading, below)


def _card(heading: re.Match[str], below: list[str]) -> tuple[int, str, str | None, list[str]]:
    return int(heading.group(1)), heading.group(2), heading.group(3), below


def _mig_devices(lines: list[str]) -> Iterator[ListedMig]:
    for line in lines:
        match = _MIG.search(line)
        if match:
            uuid = match.group(3).strip()
            ids = _OLD_MIG_UUID.fullmatch(uuid)
            yield ListedMig(
                index=int(match.group(2)),
                profile=match.group(1),
                uuid=uuid,
                gpu_instance_id=int(ids.group(1)) if ids else None,
                compute_instance_id=int(ids.group(2)) if ids else None,
            )


def _check_found(found: bool, data: Sorted, output: str, command: str) -> None:
    if not found and not data.lost:
        raise BackendMisbehaved(
            f"This is no output of nvidia-smi {command}: {output.strip()[:80]!r}.",
            "Look at what the command printed on the node.",
        )

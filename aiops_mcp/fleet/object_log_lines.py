"""A container's log made readable: which container to read, its lines folded. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiops_mcp.fleet.object_fields import Json, entries, field, name_of, number, section, text
from aiops_mcp.models.objects import LogLine

LONGEST_LINE = 500
_STAMP = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?(.*)$")
_ERROR = re.compile(
    r"(?i)\b(error|err|fatal|panic|exception|traceback|critical|failed|failure|segfault|oom"
    r"|killed|refused|denied|unable to)\b|^[EF]\d{4} "
)
_CALM = re.compile(r'(?i)level"?[=:]\s*"?(info|debug|trace)\b')
_LOUD = re.compile(r'(?i)level"?[=:]\s*"?(error|fatal|panic|critical|err)\b')
_VARIABLE = re.compile(
    r"(?i)\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\dZ+:-]*|\b[0-9a-f]{8,}\b|0x[0-9a-f]+|\d+(?:\.\d+)?"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The container to read; ``why`` is None where there was nothing to choose."""

    container: str
    why: str | None = None


def container_names(pod: Json) -> tuple[str, ...]:
    """Ordinary containers first, then init and ephemeral ones."""
    return tuple(
        text(one, "name")
        for part in ("containers", "initContainers", "ephemeralContainers")
        for one in entries(pod, "spec", part)
    )


def choose_container(pod: Json, wanted: str | None) -> Choice | None:
    """The container meant; without a name the one that fails. None: there is no such one."""
    names = container_names(pod)
    if wanted:
        return Choice(wanted) if wanted in names else None
    if len(names) == 1:
        return Choice(names[0])
    statuses = [
        *entries(pod, "status", "initContainerStatuses"),
        *entries(pod, "status", "containerStatuses"),
    ]
    failing = max(statuses, key=trouble_of, default=None)
    if failing is not None and trouble_of(failing) > 0:
        return Choice(text(failing, "name"), f"of {len(names)} containers the one that fails")
    default = field(pod, "metadata", "annotations", "kubectl.kubernetes.io/default-container")
    if default in names:
        return Choice(str(default), f"the default of {len(names)} containers")
    if not names:
        return None
    return Choice(names[0], f"the first of {len(names)} containers: {', '.join(names)}")


def trouble_of(status: Json) -> int:
    """How much a container is in trouble; 0 for one that is well."""
    waiting = text(status, "state", "waiting", "reason")
    if waiting and waiting not in {"ContainerCreating", "PodInitializing"}:
        return 4
    if number(status, "state", "terminated", "exitCode"):
        return 3
    if number(section(status, "lastState", "terminated"), "exitCode"):
        return 2
    is_running = field(status, "state", "running") is not None
    return 1 if is_running and field(status, "ready") is False else 0


def pod_trouble(pod: Json) -> tuple[int, int, str]:
    """Sorts pods: the one in most trouble last, then by restarts, then by name."""
    statuses = [
        *entries(pod, "status", "initContainerStatuses"),
        *entries(pod, "status", "containerStatuses"),
    ]
    worst = max((trouble_of(one) for one in statuses), default=0)
    return worst, sum(number(one, "restartCount") for one in statuses), name_of(pod)


def split_lines(log: str) -> list[tuple[str | None, str]]:
    """Lines with the time that the kubelet put in front, where it did."""
    found: list[tuple[str | None, str]] = []
    for line in log.split("\n"):  # whatever else ends a line elsewhere stands within one here
        match = _STAMP.match(line)
        found.append((match[1], match[2]) if match else (None, line))
    return [(at, line.rstrip()) for at, line in found if line.strip()]


def is_error(line: str) -> bool:
    """Whether a line tells of something that went wrong; its own level goes before its words."""
    head = line[:2000]
    if _LOUD.search(head):
        return True
    return _ERROR.search(head) is not None and _CALM.search(head) is None


def fold_lines(lines: Sequence[tuple[str | None, str]]) -> tuple[LogLine, ...]:
    """Neighbours that differ only in numbers and times become one, with how many they are."""
    folded: list[LogLine] = []
    before: str | None = None
    for at, line in lines:
        template = _VARIABLE.sub("#", line[:2000])
        if folded and template == before:
            folded[-1] = folded[-1].model_copy(update={"count": folded[-1].count + 1})
            continue
        before = template
        folded.append(LogLine(at=at, message=_cut(line), is_error=is_error(line)))
    return tuple(folded)


def _cut(line: str) -> str:
    if len(line) <= LONGEST_LINE:
        return line
    return f"{line[: LONGEST_LINE - 30]}… ({len(line)} characters)"

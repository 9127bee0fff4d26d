"""Incidents as written down: what breaks where and when, how it spreads, and what the truth is.

One YAML file each; these models are its schema. Everything an incident does is a list of
effects; nothing in code knows an incident by name. It must not know how effects are applied.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from aiops_mcp.errors import InputError
from aiops_mcp.models.entity import duration_seconds
from aiops_mcp.simulation.signals import Bending, Shape
from aiops_mcp.simulation.topology import Seconds, Spec


class Place(Spec):
    """Which clusters: by name, by region, or every one."""

    clusters: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    everywhere: bool = False


class Effect(Spec):
    """What all effects share. It begins ``after`` the onset and ``lasts`` until the end, or less.

    ``where`` is the incident's place unless the effect names its own.
    """

    where: Place | None = None
    after: Seconds = 0.0
    lasts: Seconds | None = None


class BendMetric(Effect):
    """Bends every series whose name and labels match (anchored regular expressions).

    Exactly one of ``factor``, ``add``, ``set`` and ``set_to_onset_plus`` (a moment, such as an
    expiry date); of counters they mean the rate per second. A histogram's plain name bends what
    it observes, its ``_count`` (by a factor) how often. ``period`` is how long a ramp rises or a
    tooth lasts.
    """

    effect: Literal["bend"]
    metric: str
    labels: dict[str, str] = Field(default_factory=dict)
    shape: Shape = Shape.STEP
    period: Seconds = 600.0
    factor: float | None = None
    add: float | None = None
    set: float | None = None
    set_to_onset_plus: Seconds | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "BendMetric":
        given = [self.factor, self.add, self.set, self.set_to_onset_plus]
        if sum(one is not None for one in given) != 1:
            raise ValueError("give exactly one of factor, add, set and set_to_onset_plus")
        return self

    def bending(self, onset: float) -> tuple[Bending, float]:
        """How it bends, and by how much."""
        if self.factor is not None:
            return Bending.FACTOR, self.factor
        if self.add is not None:
            return Bending.ADD, self.add
        if self.set is not None:
            return Bending.SET, self.set
        return Bending.SET, onset + (self.set_to_onset_plus or 0.0)


class CrashLoop(Effect):
    """Containers of a workload (``namespace/name``) die after each ``run`` and are restarted.

    It strikes ``pods`` of its pods from number ``first`` on.
    """

    effect: Literal["crash_loop"]
    workload: str
    pods: int = 1
    first: int = 0
    run: Seconds = 45.0
    reason: str = "Error"
    exit_code: int = 1
    message: str = ""
    fills_memory: bool = False


class Rollout(Effect):
    """A new revision of a Deployment: one that replaces all pods (``healthy``), or never comes up.

    The pods of one that does not come up are gone at the end; old pods keep serving meanwhile.
    """

    effect: Literal["rollout"]
    workload: str
    image: str
    cause: str = ""
    pods: int = 1
    state: Literal["crash_loop", "image_pull", "not_ready", "healthy"]
    reason: str = "Error"
    exit_code: int = 1
    run: Seconds = 8.0
    message: str = ""


class NodeCondition(Effect):
    """A node's condition changes; ``silent``: nothing on the node answers scrapes any more."""

    effect: Literal["node_condition"]
    node: str
    condition: Literal["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"]
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    silent: bool = False


class Evict(Effect):
    """The kubelet evicts pods of a node; their owners start others elsewhere."""

    effect: Literal["evict"]
    node: str
    pods: int = 1
    message: str


class LoseGpu(Effect):
    """A card falls off the bus of its node."""

    effect: Literal["lose_gpu"]
    node: str
    gpu: int


class OperatorCondition(Effect):
    """A ClusterOperator's condition changes."""

    effect: Literal["operator_condition"]
    name: str
    condition: Literal["Available", "Progressing", "Degraded", "Upgradeable"]
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


class KubeEvent(Effect):
    """A Kubernetes event about an object, again every ``every``; ``name`` may be a workload's."""

    effect: Literal["event"]
    kind: str
    namespace: str = ""
    name: str
    type: Literal["Normal", "Warning"] = "Warning"
    reason: str
    message: str
    every: Seconds = 300.0
    source: str = "kubelet"


class LogLines(Effect):
    """Lines the pods of a workload write, one after another.

    With ``fills`` they are templates as in ``log_texts.yaml``. ``base64`` are further lines, for
    bytes that YAML cannot hold; ``repeat`` writes each line's text that often in one line. With a
    ``node`` only the pods there write them.
    """

    effect: Literal["log"]
    workload: str
    lines: tuple[str, ...] = ()
    base64: tuple[str, ...] = ()
    repeat: int = Field(1, ge=1, le=200_000)
    every: Seconds = Field(10.0, gt=0)
    level: str = ""
    stream: Literal["stdout", "stderr"] = "stderr"
    fills: bool = False
    node: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> "LogLines":
        if not (self.lines or self.base64):
            raise ValueError("give lines or base64")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """Every line; bytes that are no UTF-8 as surrogate escapes."""
        raw = (b64decode(one).decode("utf-8", "surrogateescape") for one in self.base64)
        return tuple(one * self.repeat for one in (*self.lines, *raw))


class JournalLines(Effect):
    """Lines in a node's journal, by the kernel or a service of it, one after another."""

    effect: Literal["journal"]
    node: str
    unit: str = "kernel"
    lines: tuple[str, ...] = Field(min_length=1)
    every: Seconds = Field(60.0, gt=0)
    level: str = ""


class ChangeConfig(Effect):
    """Keys of a ConfigMap (``namespace/name``) say something else."""

    effect: Literal["change_config"]
    config: str
    data: dict[str, str] = Field(min_length=1)
    manager: str = "kubectl-edit"


class CallFaults(Effect):
    """What failing requests of a service say in its spans, or its failing calls of ``callee``.

    How many fail and how long they take follows from the metrics; ``repeat`` makes every request
    call that often (``statement`` is what it asks a database then).
    """

    effect: Literal["call_faults"]
    workload: str
    callee: str | None = None
    exception: str = ""
    message: str = ""
    repeat: int = Field(1, ge=1, le=200)
    statement: str = ""


class Unreachable(Effect):
    """Nobody outside can reach the cluster: its backends refuse connections."""

    effect: Literal["unreachable"]


AnyEffect = Annotated[
    BendMetric
    | CrashLoop
    | Rollout
    | NodeCondition
    | Evict
    | LoseGpu
    | OperatorCondition
    | KubeEvent
    | LogLines
    | JournalLines
    | ChangeConfig
    | CallFaults
    | Unreachable,
    Field(discriminator="effect"),
]


class ExpectedAlert(Spec):
    """An alert that the incident makes fire in a cluster, with these labels among others."""

    alertname: str
    cluster: str
    labels: dict[str, str] = Field(default_factory=dict)
    within: Seconds = 1800.0
    """How long after the onset it fires at the latest."""


class Truth(Spec):
    """What a good investigator finds."""

    root_cause: str
    component: Literal["workload", "node", "gpu", "certificate", "clock", "network", "none"]
    cluster: str | None = None
    namespace: str | None = None
    name: str | None = None
    affected: tuple[str, ...] = ()
    alerts: tuple[ExpectedAlert, ...] = ()
    tolerated: tuple[str, ...] = ()
    """Names of further alerts that may fire in the struck clusters."""
    red_herring: bool = False
    remedy: str = ""


class Incident(Spec):
    """One incident file. ``age`` is how long ago it began when it is started without a time."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    where: Place
    duration: Seconds = 6 * 3600.0
    age: Seconds = 1800.0
    effects: tuple[AnyEffect, ...] = ()
    truth: Truth


@dataclass(frozen=True, slots=True)
class StartedIncident:
    """An incident with its onset (unix seconds)."""

    incident: Incident
    onset: float

    @property
    def end(self) -> float:
        return self.onset + self.incident.duration


def read_incidents(directory: Path | None = None) -> dict[str, Incident]:
    """The incidents that come with the package, and those of a directory, by name.

    Raises:
        InputError: a file is not YAML, breaks the schema, or the directory holds none.
    """
    found: dict[str, Incident] = {}
    for entry in sorted(files("aiops_mcp.simulation").joinpath("incidents").iterdir(), key=str):
        if entry.name.endswith(".yaml"):
            incident = parse_incident(entry.read_text("utf-8"), entry.name)
            found[incident.name] = incident
    if directory is None:
        return found
    paths = sorted(directory.glob("*.yaml")) + sorted(directory.glob("*.yml"))
    if not paths:
        raise InputError(
            f"{directory} holds no incident files.", "Put one incident into each *.yaml file."
        )
    for path in paths:
        incident = parse_incident(path.read_text("utf-8"), str(path))
        found[incident.name] = incident
    return found


def parse_incident(text: str, source: str) -> Incident:
    """One incident from YAML text.

    Raises:
        InputError: it is not YAML or breaks the schema; the message names the fields.
    """
    try:
        content: Any = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
        return Incident.model_validate(content)
    except yaml.YAMLError as error:
        raise InputError(
            f"{source} is not YAML: {error}", "Mend the file and start again."
        ) from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5]
        )
        raise InputError(
            f"{source} is not an incident: {wrong}",
            "The fields are documented in aiops_mcp/simulation/incident.py.",
        ) from error


_STARTED = re.compile(r"^(?P<name>[^@]+)(?:@(?P<when>.+))?$")


def start_incidents(
    wanted: Iterable[str], known: Mapping[str, Incident], now: float
) -> list[StartedIncident]:
    """Incidents given as ``NAME``, ``NAME@2026-11-25T03:00:00Z``, ``NAME@+5m`` or ``NAME@-2h``.

    Raises:
        InputError: an unknown name (near ones are named), or a time that cannot be read.
    """
    started: list[StartedIncident] = []
    for text in wanted:
        match = _STARTED.match(text.strip())
        name = match["name"] if match else text
        incident = known.get(name)
        if incident is None or match is None:
            near = get_close_matches(name, known, n=3) or sorted(known)
            raise InputError(f"No incident is called {name!r}.", f"There are: {', '.join(near)}.")
        when = match["when"]
        onset = now - incident.age if when is None else _moment(when, now)
        started.append(StartedIncident(incident, onset))
    return started


def _moment(text: str, now: float) -> float:
    try:
        if text[0] in "+-":
            seconds = duration_seconds(text[1:])
            return now + seconds if text[0] == "+" else now - seconds
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a time for an incident.",
            "Write NAME@2026-11-25T03:00:00Z, NAME@+5m or NAME@-2h.",
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

"""What an incident can do to clusters, as written down: the models of its effects.

These are the schema of ``effects`` in an incident's file; nothing here knows how they are applied.
"""

from base64 import b64decode
from typing import Annotated, Literal

from pydantic import Field, model_validator

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


class Cordon(Effect):
    """Nothing more is scheduled onto a node."""

    effect: Literal["cordon"]
    node: str


class FailJob(Effect):
    """A CronJob's next run starts and fails after ``run``."""

    effect: Literal["fail_job"]
    workload: str
    run: Seconds = 40.0
    exit_code: int = 1
    message: str = ""


class HangClaim(Effect):
    """A volume claim (``namespace/name``) is made and stays Pending; ``message`` says why."""

    effect: Literal["hang_claim"]
    claim: str
    size_gib: float = 10.0
    storage_class: str = "standard"
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
    | Cordon
    | FailJob
    | HangClaim
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

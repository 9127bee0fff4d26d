"""What the simulated fleet is made of, as written down in ``fleet.yaml``: clusters and workloads.

Plain validated data. It must not know time, incidents or any wire format.
"""

from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from aiops_mcp.models.cluster import ClusterType, Environment, Platform
from aiops_mcp.models.entity import duration_seconds

MIB = 1024.0 * 1024.0
GIB = 1024.0 * MIB

WorkloadKind = Literal["Deployment", "StatefulSet", "DaemonSet", "CronJob"]
TraceStore = Literal["tempo", "tempostack", "jaeger"]


def _seconds(value: Any) -> Any:
    return duration_seconds(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds)]
"""A duration written as ``30s`` or ``6h``, kept as seconds."""


class Spec(BaseModel):
    """What all written-down parts share: frozen, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RouteSpec(Spec):
    """One route (``METHOD /path``): its share of the requests, and whom it calls (all at once)."""

    route: str
    share: float
    calls: tuple[str, ...] = ()
    parallel: bool = False


class HttpSpec(Spec):
    """What a service answers: requests a second in all, median latency, error share."""

    rate: float
    latency_ms: float
    errors: float = 0.001
    calls: tuple[str, ...] = ()
    routes: tuple[RouteSpec, ...] = Field(min_length=1)


class DatabaseSpec(Spec):
    """A database as its clients' spans name it; the statements belong to their routes in order."""

    system: str
    name: str
    latency_ms: float
    statements: tuple[str, ...] = Field(min_length=1)


class WorkloadSpec(Spec):
    """One workload; ``nodes`` is where it may run. Memory in MiB, CPU in cores, as used."""

    kind: WorkloadKind
    namespace: str
    name: str
    image: str
    nodes: Literal["control-plane", "worker", "gpu", "any"] = "worker"
    replicas: int = 1
    container: str = ""
    cpu: float = 0.01
    cpu_limit: float | None = None
    memory: float = 64
    memory_limit: float | None = None
    port: int | None = None
    service: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    volume_gib: float = 0
    http: HttpSpec | None = None
    database: DatabaseSpec | None = None
    gpus: int = 0
    mig: bool = False
    gpu_load: float | None = None
    shares_gpu: bool = False
    process: str = "python3"
    model: str | None = None
    cnf: str | None = None
    vfs: int = 0
    hugepages_gib: int = 0
    dpdk_ports: int = 0
    ptp: bool = False

    @property
    def container_name(self) -> str:
        return self.container or self.name

    @property
    def usual_ms(self) -> float:
        """The median of what it takes to answer, where it answers anything."""
        spec = self.http or self.database
        return spec.latency_ms if spec else 0.0

    @property
    def path(self) -> str:
        """``namespace/name``, as incidents name it."""
        return f"{self.namespace}/{self.name}"


class GpuSpec(Spec):
    """The cards of each GPU node; ``mig`` are the slices of the cards in ``mig_gpus``.

    Whole cards of the nodes ``time_sliced`` are each offered as ``replicas``.
    """

    model: str
    count: int
    mig: tuple[str, ...] = ()
    mig_gpus: tuple[int, ...] = ()
    time_sliced: tuple[str, ...] = ()
    replicas: int = 4


class FlapSpec(Spec):
    """Out of reach for the first ``away`` of every ``every`` (seconds)."""

    every: Seconds
    away: Seconds


class RemoteCallSpec(Spec):
    """A call of a ``share`` of a service's requests into another cluster.

    It comes last, or ``instead_of`` the call of a service of the own cluster.
    """

    caller: str
    cluster: str
    callee: str
    share: float
    latency_ms: float
    instead_of: str | None = None

    @property
    def peer(self) -> str:
        """The callee as the caller's metrics name it."""
        return f"{self.callee}.{self.cluster}"


class ClusterSpec(Spec):
    """One cluster as written down; its nodes' clocks are ``clock_ahead_ms`` ahead of true time."""

    name: str
    display_name: str
    type: ClusterType
    platform: Platform
    version: str
    region: str
    environment: Environment
    labels: dict[str, str]
    control_plane: int
    workers: int = 0
    gpu_nodes: int = 0
    gpu: GpuSpec | None = None
    stacks: tuple[str, ...]
    remote_calls: tuple[RemoteCallSpec, ...] = ()
    clock_ahead_ms: float = 0.0
    away: bool = False
    flaps: FlapSpec | None = None

    @property
    def trace_store(self) -> TraceStore | None:
        """What keeps the cluster's traces; ``None``: nothing does."""
        if "observability" in self.stacks:
            return "tempo"
        kinds: tuple[TraceStore, ...] = ("tempo", "tempostack", "jaeger")
        return next((kind for kind in kinds if kind in self.stacks), None)

    @property
    def is_openshift(self) -> bool:
        return self.platform is Platform.OPENSHIFT

    @property
    def kubernetes_version(self) -> str:
        """OpenShift and MicroShift 4.N carry Kubernetes 1.(N+13)."""
        major, minor, patch = (int(part) for part in self.version.split("."))
        return f"v1.{minor + 13}.{patch % 10}" if major == 4 else f"v{self.version}"


class FleetSpec(Spec):
    """The whole file: named stacks of workloads, and the clusters that run them."""

    stacks: dict[str, tuple[WorkloadSpec, ...]]
    clusters: tuple[ClusterSpec, ...]

    def workloads(self, cluster: ClusterSpec) -> tuple[WorkloadSpec, ...]:
        """Everything that runs in one cluster."""
        return tuple(work for stack in cluster.stacks for work in self.stacks[stack])


@cache
def load_yaml(name: str) -> Any:
    """A package data file of the simulation, parsed once a process."""
    text = files("aiops_mcp.simulation").joinpath(name).read_text("utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader


@cache
def default_fleet() -> FleetSpec:
    """The fleet of ``fleet.yaml``."""
    return FleetSpec.model_validate(load_yaml("fleet.yaml"))

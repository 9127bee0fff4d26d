"""A fleet of made-up clusters whose answers are known, behind the real server. For benchmarks.

Each cluster is a Prometheus over arrays and an Alertmanager over a list, reached in this process
through the transport seam of ``NetworkConnect``; registry, fleet, digests and MCP server are the
real ones.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from aiops_mcp.app import App, open_app
from aiops_mcp.fleet.status_writer import StatusUpdate
from aiops_mcp.models.cluster import ClusterEndpoints, ClusterState, ClusterStatus
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.alertmanager import fingerprint
from aiops_mcp.simulation.prometheus import prometheus_app
from aiops_mcp.simulation.promql import ArrayStore, Samples, labels_from
from aiops_mcp.simulation.promql.store import MetricMetadata
from aiops_mcp.simulation.transport import SimulatedTransport

CLUSTERS = (
    "hub-london",
    "prod-us-east-1",
    "prod-us-west-2",
    "prod-eu-west-1",
    "prod-ap-south-1",
    "stage-eu-west-1",
    "ml-training-1",
    "ml-serving-1",
    "edge-hamburg",
    "edge-lyon",
    "edge-porto",
    "factory-graz",
)
BUSIEST = "prod-ap-south-1"
NAMESPACED = "prod-eu-west-1"
TOP_NAMESPACES = ("checkout", "search", "kafka", "recommendations", "monitoring")
SHIFTED = "worker-137"
SHIFT_SECONDS_AGO = 9_420
STEP = 15
HOURS = 7
"""More than the six that are asked about, so that every window is full."""


@dataclass
class Made:
    """One cluster's samples, metadata and alerts."""

    samples: list[Samples] = field(default_factory=list)
    metadata: dict[str, MetricMetadata] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)


class Story:
    """What is true in the fleet at ``now`` (Unix seconds); the same for the same ``now``."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.shift_at = now - SHIFT_SECONDS_AGO
        self._random = np.random.default_rng(11)
        self._times = np.arange(int(now) - HOURS * 3600, int(now) + 1, STEP, dtype=np.int64) * 1000
        self.clusters = {name: Made() for name in CLUSTERS}
        for name, made in self.clusters.items():
            self._nodes(name, made)
            self._names(made)
        self._namespaces(self.clusters[NAMESPACED])
        self._queue(self.clusters[NAMESPACED])
        self._alerts()

    def _add(self, made: Made, labels: Mapping[str, str], values: Any) -> None:
        made.samples.append(Samples(labels_from(dict(labels)), self._times, np.asarray(values)))

    def _nodes(self, cluster: str, made: Made) -> None:
        made.metadata["node_cpu_seconds_total"] = MetricMetadata(
            "counter", "Seconds the CPUs spent in each mode."
        )
        for node in range(6):
            busy = 0.88 if cluster == BUSIEST else 0.15 + 0.4 * self._random.random()
            busy += 0.02 * node
            for cpu in range(4):
                for mode, share in (
                    ("idle", 1 - busy),
                    ("user", busy * 0.7),
                    ("system", busy * 0.3),
                ):
                    steps = (
                        STEP * share * (1 + 0.02 * self._random.standard_normal(len(self._times)))
                    )
                    self._add(
                        made,
                        {
                            "__name__": "node_cpu_seconds_total",
                            "instance": f"10.{CLUSTERS.index(cluster)}.0.{10 + node}:9100",
                            "job": "node-exporter",
                            "cpu": str(cpu),
                            "mode": mode,
                        },
                        np.cumsum(np.maximum(steps, 0)),
                    )  # fmt: skip

    def _namespaces(self, made: Made) -> None:
        others = [f"team-{number:02}-{part}" for number in range(20) for part in ("api", "jobs")]
        for rank, namespace in enumerate((*TOP_NAMESPACES, *others)):
            for pod in range(3):
                cores = (9 - 1.3 * rank) / 3 if rank < 5 else 0.4 * self._random.random() + 0.01
                steps = STEP * cores * (1 + 0.05 * self._random.standard_normal(len(self._times)))
                self._add(
                    made,
                    {
                        "__name__": "container_cpu_usage_seconds_total",
                        "namespace": namespace,
                        "pod": f"{namespace}-{pod}",
                        "container": "main",
                    },
                    np.cumsum(np.maximum(steps, 0)),
                )

    def _queue(self, made: Made) -> None:
        """Two hundred gauges of all sizes, with noise and a daily wave; one changes its level."""
        seconds = self._times / 1000
        for number in range(200):
            level = float(10 ** self._random.uniform(0, 4))
            wave = 0.05 * np.sin(2 * np.pi * seconds / 86_400 + self._random.uniform(0, 6.28))
            noise = 0.04 * self._random.standard_normal(len(seconds))
            values = level * (1 + wave + noise)
            if f"worker-{number}" == SHIFTED:
                values = np.where(seconds >= self.shift_at, values * 1.45, values)
            self._add(
                made,
                {
                    "__name__": "queue_depth",
                    "worker": f"worker-{number}",
                    "namespace": "kafka",
                    "pod": f"worker-{number}-{7919 * number % 65536:04x}",
                    "instance": f"10.3.{number // 100}.{number % 100}:8080",
                    "shard": str(number % 16),
                    "job": "queue-exporter",
                },
                values,
            )

    def _names(self, made: Made) -> None:
        """Four hundred metrics, with those that a search for GPU temperature may mistake."""
        names = {**_NEAR_MISSES, **dict(_others())}
        for name, (kind, text) in list(names.items())[: 400 - len(made.metadata)]:
            made.metadata[name] = MetricMetadata(kind, text)
            last = self._times[-4:]
            values = np.ones(len(last))
            labels = labels_from({"__name__": name, "job": "exporter"})
            made.samples.append(Samples(labels, last, values))

    def _alerts(self) -> None:
        for cluster, alertname, severity, minutes, labels, summary in _ALERTS:
            full = {"alertname": alertname, "severity": severity, **labels, **_PLUMBING}
            started = datetime.fromtimestamp(self.now - 60 * minutes, UTC)
            self.clusters[cluster].alerts.append(
                {
                    "annotations": {
                        "summary": summary,
                        "description": f"{summary} This has been so for more than 15 minutes.",
                        "runbook_url": f"https://runbooks.example.com/{alertname.lower()}",
                    },
                    "startsAt": started.isoformat(),
                    "updatedAt": started.isoformat(),
                    "endsAt": datetime.fromtimestamp(self.now + 240, UTC).isoformat(),
                    "fingerprint": fingerprint(full),
                    "receivers": [{"name": "default"}],
                    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
                    "labels": full,
                    "generatorURL": "https://prometheus.example.com/graph?g0.expr=up",
                }
            )


_PLUMBING = {"prometheus": "openshift-monitoring/k8s", "cluster_env": "production"}
_ALERTS: tuple[tuple[str, str, str, int, dict[str, str], str], ...] = (
    ("prod-us-east-1", "KubePodCrashLooping", "critical", 42,
     {"namespace": "checkout", "pod": "payment-6d5f9c7b8-x2x8k", "container": "server"},
     "Pod is crash looping."),
    ("prod-us-east-1", "KubePodCrashLooping", "critical", 40,
     {"namespace": "checkout", "pod": "payment-6d5f9c7b8-p9kqz", "container": "server"},
     "Pod is crash looping."),
    ("prod-ap-south-1", "NodeCPUSaturation", "warning", 95,
     {"instance": "10.4.0.12:9100", "job": "node-exporter"},
     "System saturated, load per core is very high."),
    ("prod-eu-west-1", "NodeFilesystemAlmostOutOfSpace", "critical", 18,
     {"instance": "10.3.0.11:9100", "device": "/dev/sda2", "mountpoint": "/var/lib/containers"},
     "Filesystem has less than 3% space left."),
    ("ml-training-1", "GPUXidError", "critical", 7, {"node": "gpu-worker-3", "gpu": "5"},
     "GPU 5 on gpu-worker-3 reported XID 79: it has fallen off the bus."),
    ("ml-training-1", "GPUThermalThrottle", "warning", 33, {"node": "gpu-worker-1", "gpu": "0"},
     "GPU is slowed down because it is too hot."),
    ("ml-training-1", "GPUThermalThrottle", "warning", 31, {"node": "gpu-worker-1", "gpu": "1"},
     "GPU is slowed down because it is too hot."),
    ("edge-hamburg", "PtpClockOffset", "critical", 12, {"node": "edge-1", "iface": "ens2f0"},
     "PTP offset is above 100 ns for more than two minutes."),
    ("edge-lyon", "CertificateExpiringSoon", "warning", 1500,
     {"namespace": "ingress", "name": "wildcard-tls"}, "Certificate expires in 6 days."),
    ("edge-porto", "KubeNodeNotReady", "critical", 55, {"node": "edge-2"},
     "Node is not ready."),
    ("factory-graz", "PrometheusRemoteWriteBehind", "warning", 260, {"namespace": "monitoring",
     "pod": "prometheus-k8s-0", "container": "prometheus"},
     "Prometheus remote write is behind."),
    ("stage-eu-west-1", "KubeDeploymentReplicasMismatch", "warning", 75,
     {"namespace": "search", "deployment": "indexer"},
     "Deployment has not matched the expected number of replicas."),
    ("prod-us-west-2", "KubeDeploymentReplicasMismatch", "warning", 71,
     {"namespace": "search", "deployment": "indexer"},
     "Deployment has not matched the expected number of replicas."),
)  # fmt: skip

_NEAR_MISSES = {
    "DCGM_FI_DEV_GPU_TEMP": ("gauge", "GPU temperature (in C)."),
    "DCGM_FI_DEV_MEMORY_TEMP": ("gauge", "Memory temperature (in C)."),
    "DCGM_FI_DEV_GPU_UTIL": ("gauge", "GPU utilization (in %)."),
    "DCGM_FI_DEV_MEM_COPY_UTIL": ("gauge", "Memory utilization (in %)."),
    "DCGM_FI_DEV_FB_USED": ("gauge", "Framebuffer memory used (in MiB)."),
    "DCGM_FI_DEV_FB_FREE": ("gauge", "Framebuffer memory free (in MiB)."),
    "DCGM_FI_DEV_POWER_USAGE": ("gauge", "Power draw (in W)."),
    "DCGM_FI_DEV_SM_CLOCK": ("gauge", "SM clock frequency (in MHz)."),
    "DCGM_FI_DEV_XID_ERRORS": ("gauge", "Value of the last XID error encountered."),
    "DCGM_FI_DEV_THERMAL_VIOLATION": (
        "counter",
        "Throttling duration due to thermal constraints (in us).",
    ),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": ("counter", "Total number of PCIe retries."),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": ("gauge", "Ratio of time the graphics engine is active."),
    "node_hwmon_temp_celsius": ("gauge", "Hardware monitor for temperature (input)"),
    "node_hwmon_temp_max_celsius": ("gauge", "Hardware monitor for temperature (max)"),
    "node_hwmon_temp_crit_celsius": ("gauge", "Hardware monitor for temperature (crit)"),
    "node_thermal_zone_temp": ("gauge", "Zone temperature in Celsius"),
    "ipmi_temperature_celsius": ("gauge", "Temperature reading in degree Celsius."),
    "smartctl_device_temperature": ("gauge", "Device temperature celsius"),
    "kube_node_status_allocatable_gpu": ("gauge", "The allocatable GPUs of a node."),
    "gpu_operator_gpu_nodes_total": ("gauge", "Number of nodes with GPUs."),
    "gpu_operator_reconciliation_status": ("gauge", "State of the last reconciliation."),
}


def _others() -> Sequence[tuple[str, tuple[str, str]]]:
    """Plausible names of the usual exporters, to make up the number."""
    parts = {
        "etcd": ("server", "disk", "network", "mvcc", "debugging"),
        "apiserver": ("request", "admission", "storage", "watch", "audit"),
        "kubelet": ("pod", "runtime", "volume", "node", "cgroup"),
        "coredns": ("dns", "cache", "forward", "panics"),
        "kafka": ("consumergroup", "topic", "broker", "controller"),
        "postgresql": ("database", "replication", "locks", "vacuum"),
    }
    measures = (
        ("requests_total", "counter", "Requests handled"),
        ("errors_total", "counter", "Requests that failed"),
        ("duration_seconds_sum", "counter", "Time spent on requests"),
        ("duration_seconds_count", "counter", "Requests that were timed"),
        ("queue_length", "gauge", "Items waiting"),
        ("bytes_total", "counter", "Bytes handled"),
        ("connections_open", "gauge", "Connections that are open"),
        ("last_success_timestamp_seconds", "gauge", "When it last went well"),
        ("memory_bytes", "gauge", "Memory in use"),
        ("goroutines", "gauge", "Threads of execution"),
        ("retries_total", "counter", "Attempts made again"),
        ("slow_total", "counter", "Requests over a second"),
        ("workers_busy", "gauge", "Workers with something to do"),
        ("limit", "gauge", "The most that is allowed"),
        ("evictions_total", "counter", "Entries thrown out"),
    )
    return [
        (f"{system}_{part}_{name}", (kind, f"{text} by {part} of {system}."))
        for system, names in parts.items()
        for part in names
        for name, kind, text in measures
    ]


def _apps(story: Story) -> dict[str, Starlette]:
    """One ASGI application a base URL."""
    apps: dict[str, Starlette] = {}
    for name, made in story.clusters.items():
        store = ArrayStore(made.samples, made.metadata)
        apps[f"https://prometheus.{name}.example"] = prometheus_app(store, now=lambda: story.now)
        apps[f"https://alertmanager.{name}.example"] = _alertmanager(made.alerts)
    return apps


def _alertmanager(alerts: Sequence[Mapping[str, Any]]) -> Starlette:
    async def answer(_: Any) -> JSONResponse:
        return JSONResponse(list(alerts))

    return Starlette(routes=[Route("/api/v2/alerts", answer)])


@asynccontextmanager
async def synthetic_app(home: Path, story: Story) -> AsyncGenerator[App]:
    """The real application over the made-up fleet."""
    settings = Settings(home=home)
    apps = _apps(story)

    def transport(url: str) -> httpx2.AsyncBaseTransport | None:
        found = apps.get(url.rstrip("/"))
        return SimulatedTransport(found, lambda: True) if found else None

    def clock() -> datetime:
        return datetime.fromtimestamp(story.now, UTC)

    async with open_app(settings, watch=False, clock=clock, transport_for=transport) as app:
        registry = app.context.registry
        updates = []
        for name in story.clusters:
            cluster = await registry.register(
                NewCluster(
                    name=name,
                    api_server_url=f"https://api.{name}.example:6443",
                    endpoints=ClusterEndpoints(
                        prometheus_url=f"https://prometheus.{name}.example",
                        alertmanager_url=f"https://alertmanager.{name}.example",
                    ),
                ),
                None,
            )
            status = ClusterStatus(state=ClusterState.ONLINE, checked_at=clock())
            updates.append(StatusUpdate(cluster.id, status, 5.0, seen=True))
        await registry.set_statuses(updates)
        yield app

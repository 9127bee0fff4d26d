"""The simulated fleet as the rest of the program sees it: clusters to register, and transports.

Hosts are ``api.NAME.sim.invalid:6443``, and ``prometheus.``, ``alertmanager.``, ``loki.``,
``tempo.`` and, where there is one, ``korrel8r.NAME.sim.invalid``; ``invalid`` never resolves, so
nothing can leave the process.
"""

import re
from datetime import UTC, datetime
from functools import cached_property

import httpx2
from pydantic import SecretStr
from starlette.types import ASGIApp

from aiops_mcp.models.cluster import (
    SIMULATED_LABEL,
    AuthType,
    ClusterCredentials,
    ClusterEndpoints,
)
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.simulation.alerting import AlertBook
from aiops_mcp.simulation.alertmanager import SentAlerts, alertmanager_app
from aiops_mcp.simulation.korrel8r import korrel8r_app
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.kubernetes.app import kubernetes_app
from aiops_mcp.simulation.kubernetes.platform import api_url
from aiops_mcp.simulation.log_servers import (
    GATEWAY_SERVICE,
    LOKI_SERVICE,
    LogServers,
    log_path,
    log_store,
)
from aiops_mcp.simulation.prometheus import Providers, prometheus_app
from aiops_mcp.simulation.promql import Engine
from aiops_mcp.simulation.scrapes import scrape_targets
from aiops_mcp.simulation.trace_servers import GATEWAY_SERVICE as TEMPO_GATEWAY_SERVICE
from aiops_mcp.simulation.trace_servers import (
    JAEGER_SERVICE,
    TEMPO_SERVICE,
    trace_app,
    trace_url,
)
from aiops_mcp.simulation.traces import TraceBook
from aiops_mcp.simulation.transport import SimulatedTransport
from aiops_mcp.simulation.world import World

_HOST = re.compile(
    r"^(?P<backend>api|prometheus|alertmanager|loki|tempo|korrel8r)\.(?P<cluster>.+)\.sim\.invalid$"
)
_BEHIND = {
    "prometheus-k8s": "prometheus",
    "thanos-querier": "prometheus",
    "alertmanager-main": "alertmanager",
    LOKI_SERVICE: "loki",
    GATEWAY_SERVICE: "trusted-loki",
    TEMPO_SERVICE: "tempo",
    JAEGER_SERVICE: "tempo",
    TEMPO_GATEWAY_SERVICE: "trusted-tempo",
}


class SimulatedFleet:
    """The wire servers of every cluster of a world, made when they are first needed."""

    def __init__(self, world: World, *, watch_poll: float = 1.0) -> None:
        self.world = world
        self._watch_poll = watch_poll
        self._apps: dict[tuple[str, str], ASGIApp] = {}
        self._books: dict[str, AlertBook] = {}
        self._sent: dict[str, SentAlerts] = {}
        self.logs = LogServers(world, lambda: self.traces, watch_poll)

    @cached_property
    def traces(self) -> TraceBook:
        """The traces of all clusters."""
        return TraceBook(self.world)

    def registrations(self) -> list[tuple[NewCluster, ClusterCredentials]]:
        """Every cluster as one would register it, with credentials that work."""
        return [self._registration(name) for name in self.world.names]

    def _registration(self, name: str) -> tuple[NewCluster, ClusterCredentials]:
        spec = self.world.clusters[name].spec
        new = NewCluster(
            name=name,
            display_name=spec.display_name,
            api_server_url=api_url(name),
            cluster_type=spec.type,
            platform=spec.platform,
            region=spec.region,
            environment=spec.environment,
            labels={**spec.labels, SIMULATED_LABEL: "true"},
            endpoints=ClusterEndpoints(
                prometheus_url=f"https://prometheus.{name}.sim.invalid",
                alertmanager_url=f"https://alertmanager.{name}.sim.invalid",
                loki_url=self._loki_url(name),
                tempo_url=trace_url(self.world, name),
                korrel8r_url=self._korrel8r_url(name),
            ),
        )
        credentials = ClusterCredentials(
            auth_type=AuthType.SERVICE_ACCOUNT,
            token=SecretStr(token_of(self.world.seed, name)),
            created_at=datetime.fromtimestamp(self.world.now(), UTC),
        )
        return new, credentials

    def _loki_url(self, name: str) -> str | None:
        if log_store(self.world, name) is None:
            return None
        return f"https://loki.{name}.sim.invalid{log_path(self.world, name)}"

    def _korrel8r_url(self, name: str) -> str | None:
        """Korrel8r comes with OpenShift's observability operators, as its logging does."""
        if "openshift-logging" not in self.world.clusters[name].spec.stacks:
            return None
        return f"https://korrel8r.{name}.sim.invalid"

    def transport(self, url: str) -> httpx2.AsyncBaseTransport | None:
        """What carries requests to a simulated backend; ``None``: the URL is not one's."""
        match = _HOST.match(httpx2.URL(url).host)
        if match is None or match["cluster"] not in self.world.clusters:
            return None
        if match["backend"] == "loki" and log_store(self.world, match["cluster"]) is None:
            return None
        if match["backend"] == "tempo" and trace_url(self.world, match["cluster"]) is None:
            return None
        if match["backend"] == "korrel8r" and self._korrel8r_url(match["cluster"]) is None:
            return None
        cluster = self.world.clusters[match["cluster"]]
        app = self.app(cluster.name, match["backend"])
        return SimulatedTransport(app, lambda: cluster.reachable(self.world.now()))

    def app(self, name: str, backend: str) -> ASGIApp:
        """A cluster's ``api``, ``prometheus``, ``alertmanager``, ``loki``, ``tempo`` or another."""
        key = (name, backend)
        if key not in self._apps:
            self._apps[key] = self._make(name, backend)
        return self._apps[key]

    def alerts(self, name: str) -> AlertBook:
        """The alerts of a cluster."""
        if name not in self._books:
            store = self.world.store(name)
            book = AlertBook(store, self.world.now)
            store.add_computed(book)
            self._books[name] = book
        return self._books[name]

    def sent_alerts(self, name: str) -> SentAlerts:
        """What a cluster's Alertmanager was sent; its webhooks and its API tell of the same."""
        if name not in self._sent:
            self._sent[name] = SentAlerts(self.alerts(name), self.world.now)
        return self._sent[name]

    def _make(self, name: str, backend: str) -> ASGIApp:
        if backend == "api":
            return kubernetes_app(
                self.world,
                name,
                lambda _namespace, service: self._behind(name, service),
                self.logs.book(name),
                poll=self._watch_poll,
            )
        if backend in ("loki", "trusted-loki"):
            return self.logs.app(name, trusted=backend == "trusted-loki")
        if backend in ("tempo", "trusted-tempo"):
            return trace_app(self.world, self.traces, name, trusted=backend == "trusted-tempo")
        if backend == "korrel8r":
            return korrel8r_app(
                lambda which: self.app(name, which), token_of(self.world.seed, name)
            )
        if backend == "alertmanager":
            return alertmanager_app(self.sent_alerts(name), self.world.now)
        store, book = self.world.store(name), self.alerts(name)
        providers = Providers(
            rules=book.rule_groups,
            alerts=book.prometheus_alerts,
            targets=lambda: scrape_targets(store, self.world.now()),
        )
        return prometheus_app(
            store, now=self.world.now, providers=providers, engine=Engine(store), version="3.5.0"
        )

    def _behind(self, name: str, service: str) -> ASGIApp | None:
        backend = _BEHIND.get(service)
        return self.app(name, backend) if backend else None

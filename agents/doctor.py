"""`aiops doctor`: what is configured, reachable and missing, each with the next step."""

import stat
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from shutil import which

from aiops_mcp.app import App, open_app
from aiops_mcp.errors import AiopsError
from aiops_mcp.models.cluster import Cluster, ClusterState
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings, default_kubeconfig


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``next_step`` is empty where nothing is to be done."""

    what: str
    state: str
    next_step: str = ""


async def examine(settings: Settings, server: str | None, token: str | None) -> Digest:
    """Look at everything the toolkit stands on, without changing anything but old statuses."""
    findings = [*_configuration(settings), *_programs()]
    if server is not None:
        findings.append(await _server(server, token))
    try:
        async with _opened(settings) as app:
            await app.check_stale_clusters()
            findings.append(Finding("database", f"ready ({app.database.place})"))
            findings += await _texts(app)
            findings += await _clusters(app)
    except AiopsError as error:
        findings.append(Finding("database", f"FAILING: {error.message}", error.hint))
    wrong = sum(bool(finding.next_step) for finding in findings)
    return Digest(
        headline="All is well." if not wrong else f"{wrong} things to look at.",
        columns=("what", "state", "next step"),
        rows=tuple((each.what, each.state, each.next_step or None) for each in findings),
    )


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[App]:
    async with open_app(settings, watch=False) as app:
        yield app


def _configuration(settings: Settings) -> Iterable[Finding]:
    yield Finding("home", str(settings.home))
    key = settings.home / "vault.key"
    if settings.vault == "kubernetes":
        yield Finding("vault", "Secrets of this cluster")
    elif settings.vault_keys is not None:
        yield Finding("vault", "keys from AIOPS_VAULT_KEYS")
    elif not key.exists():
        yield Finding("vault", f"{key} is made when the first credentials are stored")
    elif stat.S_IMODE(key.stat().st_mode) & 0o077:
        yield Finding("vault", f"FAILING: others can read {key}", f"chmod 600 {key}")
    else:
        yield Finding("vault", f"key file {key}")
    yield Finding(
        "API tokens", "set" if settings.api_tokens else "none: loopback only, everybody is admin"
    )
    yield Finding("writing", "allowed" if settings.allow_write else "read-only")


def _programs() -> Iterable[Finding]:
    path = default_kubeconfig()
    state = f"{path}" if path.is_file() else f"none at {path}"
    yield Finding("kubeconfig", state)
    found = which("kubectl")
    yield Finding("kubectl", found or "not found (only needed by exec plugins that call it)")


async def _server(server: str, token: str | None) -> Finding:
    from agents.remote import open_remote

    try:
        async with open_remote(server, token) as remote:
            await remote.ask("get_fleet_summary", {})
    except AiopsError as error:
        return Finding("server", f"FAILING: {error.message}", error.hint or "Start it: aiops serve")
    return Finding("server", f"answers at {server}")


async def _texts(app: App) -> list[Finding]:
    """Files of the folders of personas and runbooks that cannot be used."""
    broken = [
        *(("persona", each) for each in await app.context.personas.broken()),
        *(("runbook", each) for each in await app.context.runbooks.broken()),
    ]
    return [
        Finding(f"{kind} {each.file}", f"NOT USED: {each.error.message}", each.error.hint)
        for kind, each in broken
    ]


async def _clusters(app: App) -> list[Finding]:
    clusters = await app.context.registry.list(LOCAL_ADMIN)
    if not clusters:
        step = "aiops clusters import KUBECONFIG, or aiops --demo fleet to look around"
        return [Finding("clusters", "none registered", step)]
    findings = [await _cluster(app, cluster) for cluster in clusters]
    return [Finding("clusters", f"{len(clusters)} registered"), *findings]


async def _cluster(app: App, cluster: Cluster) -> Finding:
    status = cluster.status
    what = f"cluster {cluster.name}"
    state = f"{status.state.value} (score {status.health_score})"
    if status.last_error:
        state += f": {status.last_error}"
    info = await app.context.registry.credentials_info(cluster.id)
    if info is None:
        step = f"aiops clusters credentials {cluster.name} --kubeconfig FILE"
        return Finding(what, f"{state}; no credentials", step)
    if info.expires_soon:
        when = f"{info.expires_at:%Y-%m-%d}" if info.expires_at else "soon"
        step = f"aiops clusters credentials {cluster.name} --kubeconfig FILE"
        return Finding(what, f"{state}; credentials expire {when}", step)
    if status.state is ClusterState.OFFLINE:
        return Finding(what, state, f"aiops clusters refresh {cluster.name}")
    if cluster.endpoints.prometheus_url is None:
        step = f"aiops clusters refresh {cluster.name}, or set its URL with PUT /api/v1/clusters"
        return Finding(what, f"{state}; no Prometheus known", step)
    return Finding(what, state)

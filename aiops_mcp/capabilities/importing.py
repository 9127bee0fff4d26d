"""Many clusters at once: every context of a kubeconfig, every managed cluster of a hub.

An import may be repeated: a cluster that is registered already is passed over and said to be so,
and one that cannot be taken in does not stop the others.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, cast

from pydantic import Field, SecretStr, ValidationError

from aiops_mcp.backends import kubeconfig, ocm
from aiops_mcp.backends.kubeconfig import KubeContext
from aiops_mcp.capabilities.clusters import clusters, refuse_out_of_sight
from aiops_mcp.capabilities.credentials import StoreCredentials, made_credentials
from aiops_mcp.context import Context
from aiops_mcp.errors import AiopsError, BackendRefused, InputError, InvalidCredentials
from aiops_mcp.fleet.access import Access
from aiops_mcp.models.cluster import (
    AuthType,
    Cluster,
    ClusterCredentials,
    ClusterType,
    Environment,
    Platform,
)
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.registration import Labels, NewCluster
from aiops_mcp.operation import ClusterArgument, Effect, Input, WriteInput


class Outcome(StrEnum):
    ADDED = "ADDED"
    WOULD_ADD = "WOULD_ADD"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"


class Imported(Entity):
    """What became of one context or managed cluster; ``reason`` says why it was not added."""

    source: str
    outcome: Outcome
    cluster_name: str | None = None
    server: str | None = None
    reason: str | None = None


class ImportReport(Entity):
    results: tuple[Imported, ...]
    as_of: Timestamp


def _digest_report(_: Input, answer: ImportReport) -> Digest:
    counts = [
        f"{sum(each.outcome is outcome for each in answer.results)} {outcome.value.lower()}"
        for outcome in Outcome
        if any(each.outcome is outcome for each in answer.results)
    ]
    return Digest(
        headline=f"{', '.join(counts) or 'Nothing found to import'}.".replace("_", " "),
        columns=("from", "cluster", "server", "outcome", "reason"),
        rows=tuple(
            (each.source, each.cluster_name, each.server, each.outcome.value, each.reason)
            for each in answer.results
        ),
        as_of=answer.as_of,
    )


class ImportInput(WriteInput):
    """What all imported clusters get."""

    environment: Annotated[Environment, Field(description="Of all of them")] = (
        Environment.DEVELOPMENT
    )
    cluster_type: Annotated[ClusterType, Field(description="Of all of them")] = ClusterType.SPOKE
    labels: Annotated[Labels, Field(description="For all of them")] = Field(default_factory=dict)


# --- kubeconfig -----------------------------------------------------------------------------


class ImportKubeconfig(ImportInput):
    kubeconfig: Annotated[SecretStr, Field(description="YAML text", max_length=4_000_000)]
    contexts: Annotated[tuple[str, ...], Field(description="Only these; empty: all")] = ()


@clusters.operation(
    "import_kubeconfig",
    route="POST /clusters/import",
    needs="clusters:write",
    effect=Effect.WRITE,
    tool=False,
    digest=_digest_report,
)
async def import_kubeconfig(context: Context, request: ImportKubeconfig) -> ImportReport:
    """Register every context of a kubeconfig, with its credentials, as a cluster."""
    text = request.kubeconfig.get_secret_value()
    found = kubeconfig.contexts(text)
    broken = kubeconfig.broken_contexts(text)
    if not found and not broken:
        raise InvalidCredentials(
            "The kubeconfig has no contexts.", "Check it with: kubectl config get-contexts"
        )
    wanted = _wanted(found, request.contexts)
    results = [
        _failed(name, None, None, "it names no cluster with a server; see kubectl config view")
        for name in broken
        if not request.contexts
    ]
    for number, each in enumerate(wanted):
        await context.call.progress(number, len(wanted), each.name)
        results.append(await _import_context(context, request, text, each))
    return ImportReport(results=tuple(results), as_of=context.clock())


def _wanted(found: Sequence[KubeContext], names: Sequence[str]) -> list[KubeContext]:
    """The contexts asked for, the current one first: where two lead to one cluster, it wins."""
    known = {each.name: each for each in found}
    if missing := [name for name in names if name not in known]:
        raise InputError(
            f"The kubeconfig has no context {missing[0]!r}.", f"It has: {', '.join(known)}."
        )
    chosen = [known[name] for name in names] if names else list(found)
    return sorted(chosen, key=lambda each: not each.is_current)


async def _import_context(
    context: Context, request: ImportKubeconfig, text: str, each: KubeContext
) -> Imported:
    registered = await context.registry.list(context.principal)
    known = _same_server(registered, each.server)
    if known is not None:
        return Imported(
            source=each.name,
            outcome=Outcome.SKIPPED,
            cluster_name=known.name,
            server=each.server,
            reason="this API server is registered already",
        )
    name = free_name(name_for_context(each), {cluster.name for cluster in registered})
    try:
        new = _new_cluster(request, name, each.server)
        credentials = await made_credentials(
            context,
            StoreCredentials(
                cluster=name,
                auth_type=AuthType.KUBECONFIG,
                kubeconfig=SecretStr(text),
                context=each.name,
            ),
        )
        return await _register(context, request, each.name, new, credentials)
    except AiopsError as error:
        return _failed(each.name, name, each.server, error.message)
    except ValidationError as error:
        return _failed(each.name, name, each.server, _said(error))


async def _register(
    context: Context,
    request: ImportInput,
    source: str,
    new: NewCluster,
    credentials: ClusterCredentials | None,
    reason: str | None = None,
) -> Imported:
    refuse_out_of_sight(context, new.name)
    if not request.dry_run:
        await context.registry.register(new, credentials)
    return Imported(
        source=source,
        outcome=Outcome.WOULD_ADD if request.dry_run else Outcome.ADDED,
        cluster_name=new.name,
        server=new.api_server_url,
        reason=reason,
    )


def _new_cluster(request: ImportInput, name: str, server: str, **facts: object) -> NewCluster:
    fields: dict[str, object] = {
        "name": name,
        "api_server_url": server,
        "cluster_type": request.cluster_type,
        "environment": request.environment,
        "labels": request.labels,
        "platform": Platform.KUBERNETES,
        **facts,
    }
    return NewCluster.model_validate(fields)


def _failed(source: str, name: str | None, server: str | None, reason: str) -> Imported:
    return Imported(
        source=source, outcome=Outcome.FAILED, cluster_name=name, server=server, reason=reason
    )


def _said(error: ValidationError) -> str:
    return error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")


def _same_server(clusters: Sequence[Cluster], server: str) -> Cluster | None:
    wanted = server.rstrip("/").lower()
    return next((each for each in clusters if each.api_server_url.lower() == wanted), None)


# --- names ----------------------------------------------------------------------------------

_OPENSHIFT_CONTEXT = re.compile(r"^[^/]*/(?P<host>[^/]+?)(:\d+)?/[^/]+$")
_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")


def name_for_context(context: KubeContext) -> str:
    """A cluster name for a context: ``oc``'s, EKS's and user@cluster forms lose what is noise."""
    name = context.name
    if openshift := _OPENSHIFT_CONTEXT.match(name):
        name = openshift.group("host").removeprefix("api-")
    elif name.startswith("arn:"):
        name = name.rpartition("/")[2]
    elif "@" in name:
        name = name.rpartition("@")[2]
    return _slug(name)


def _slug(text: str) -> str:
    slug = _NOT_ALLOWED.sub("-", text.lower()).strip("-")[:60].strip("-")
    return slug if len(slug) >= 3 else f"cluster-{slug}".rstrip("-")


def free_name(name: str, taken: set[str]) -> str:
    """The name itself, or with -2, -3, … where another cluster has it."""
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


# --- Open Cluster Management ----------------------------------------------------------------


class ImportManagedClusters(ImportInput):
    cluster: ClusterArgument


@clusters.operation(
    "import_managed_clusters",
    route="POST /clusters/{cluster}/import-managed",
    needs="clusters:write",
    effect=Effect.WRITE,
    tool=False,
    digest=_digest_report,
)
async def import_managed_clusters(context: Context, request: ImportManagedClusters) -> ImportReport:
    """Register every managed cluster of an Open Cluster Management hub. Credentials come after."""
    hub = await context.registry.resolve(request.cluster, context.principal)

    async def look(access: Access) -> list[ocm.ManagedClusterInfo]:
        kubernetes = await access.kubernetes()
        return ocm.managed_clusters(await kubernetes.list(ocm.MANAGED_CLUSTERS))

    answer = await context.fleet.ask_one(hub, look, backend="kubernetes")
    if isinstance(answer.error, BackendRefused) and answer.error.http_status == 404:
        raise InputError(
            f"{hub.name} is no hub: its API server knows no managed clusters.",
            "Name the cluster that Open Cluster Management (ACM) runs on.",
            details={"field": "cluster"},
        ) from answer.error
    if answer.error is not None:
        raise answer.error
    results = [
        await _import_managed(context, request, each)
        for each in cast("list[ocm.ManagedClusterInfo]", answer.value)
    ]
    return ImportReport(results=tuple(results), as_of=context.clock())


async def _import_managed(
    context: Context, request: ImportManagedClusters, each: ocm.ManagedClusterInfo
) -> Imported:
    registered = await context.registry.list(context.principal)
    if (reason := _why_not(each, registered)) is not None or each.api_url is None:
        return Imported(
            source=each.name, outcome=Outcome.SKIPPED, server=each.api_url, reason=reason
        )
    name = free_name(_slug(each.name), {cluster.name for cluster in registered})
    try:
        new = _new_cluster(
            request,
            name,
            each.api_url,
            platform=each.platform,
            region=each.region,
            labels=_labels(each.labels, request.labels),
        )
        step = f"needs credentials: aiops clusters credentials {name} --kubeconfig FILE"
        return await _register(context, request, each.name, new, None, step)
    except AiopsError as error:
        return _failed(each.name, name, each.api_url, error.message)
    except ValidationError as error:
        return _failed(each.name, name, each.api_url, _said(error))


def _why_not(each: ocm.ManagedClusterInfo, registered: Sequence[Cluster]) -> str | None:
    """Why a managed cluster is passed over, or None."""
    if each.is_hub:
        return "it is the hub itself"
    if not each.is_accepted:
        return "the hub has not accepted it"
    if each.api_url is None:
        return "the hub does not know its API server's URL"
    known = _same_server(registered, each.api_url)
    return f"registered already as {known.name}" if known else None


def _labels(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """The hub's labels under ours; what the hub keeps for itself is left out."""
    kept = {
        key: value
        for key, value in theirs.items()
        if not key.startswith(("feature.open-cluster-management.io/", "velero.io/"))
    }
    return dict(list({**kept, **ours}.items())[:64])

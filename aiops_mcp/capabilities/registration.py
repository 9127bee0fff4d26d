"""Adding clusters, changing and removing them. Their credentials: ``credentials.py``."""

from typing import Annotated, cast
from uuid import UUID

from pydantic import Field

from aiops_mcp.capabilities.clusters import OneCluster, clusters, refuse_out_of_sight
from aiops_mcp.context import Context
from aiops_mcp.errors import ClusterAlreadyExists
from aiops_mcp.models.cluster import (
    ApiServerUrl,
    Cluster,
    ClusterEndpoints,
    ClusterType,
    Environment,
    Platform,
)
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.registration import ClusterChanges, Labels, NewCluster, Region
from aiops_mcp.operation import ClusterArgument, Effect, Input, WriteInput

UNREGISTERED = UUID(int=0)
"""The id in the plan of a registration: the real one is given when it is applied."""


class FieldChange(Entity):
    field: str
    before: str | None
    after: str | None


class ChangedCluster(Cluster):
    """A cluster as it is after the change, or would be where ``applied`` is false."""

    action: str
    applied: bool
    changes: tuple[FieldChange, ...]


def _digest_change(_: Input, answer: ChangedCluster) -> Digest:
    done = {"register": "Registered", "update": "Updated", "remove": "Removed"}[answer.action]
    verb = done if answer.applied else f"Would {answer.action}"
    nothing = "" if answer.changes else " Nothing differs."
    return Digest(
        headline=f"{verb} {answer.name}.{nothing}",
        columns=("field", "before", "after"),
        rows=tuple((each.field, each.before, each.after) for each in answer.changes),
        as_of=answer.updated_at,
    )


_ADDRESS = Field(description="https://HOST:6443")
_TIER = Field(description="How it is reached decides how often it is checked")
_PLATFORM = Field(description="Which distribution")
_REGION = Field(description="Such as eu-west")
_STAGE = Field(description="What it is for")


class RegisterCluster(WriteInput):
    name: Annotated[str, Field(description="3 to 63 of a-z, 0-9 and dashes", max_length=128)]
    api_server_url: Annotated[ApiServerUrl, _ADDRESS]
    display_name: Annotated[str, Field(description="For people", max_length=128)] = ""
    cluster_type: Annotated[ClusterType, _TIER] = ClusterType.SPOKE
    platform: Annotated[Platform, _PLATFORM] = Platform.OPENSHIFT
    region: Annotated[Region | None, _REGION] = None
    environment: Annotated[Environment, _STAGE] = Environment.DEVELOPMENT
    labels: Annotated[Labels, Field(description="To select by, such as team: ml")] = Field(
        default_factory=dict
    )
    endpoints: Annotated[
        ClusterEndpoints, Field(description="URLs of its backends; what is left out is discovered")
    ] = ClusterEndpoints()


@clusters.operation(
    "register_cluster",
    route="POST /clusters",
    needs="clusters:write",
    effect=Effect.WRITE,
    digest=_digest_change,
    status=201,
)
async def register_cluster(context: Context, request: RegisterCluster) -> ChangedCluster:
    """Add a cluster to the fleet. Its credentials are stored apart, never through a model."""
    fields = dict(request)
    fields.pop("dry_run")
    new = NewCluster(**fields)
    refuse_out_of_sight(context, new.name)
    if request.dry_run:
        await _refuse_taken(context, new.name)
        now = context.clock()
        cluster = Cluster(id=UNREGISTERED, created_at=now, updated_at=now, **dict(new))
    else:
        cluster = await context.registry.register(new)
    return _changed(cluster, "register", {}, _fields_of(new), applied=not request.dry_run)


async def _refuse_taken(context: Context, name: str) -> None:
    taken = {cluster.name: cluster for cluster in await context.registry.list(context.principal)}
    if name in taken:
        raise ClusterAlreadyExists(
            f"There is a cluster {name} already ({taken[name].api_server_url}).",
            "Choose another name, or change that one with update_cluster.",
        )


class UpdateCluster(WriteInput):
    cluster: ClusterArgument
    name: Annotated[str | None, Field(description="A new name", max_length=128)] = None
    api_server_url: Annotated[ApiServerUrl | None, _ADDRESS] = None
    display_name: Annotated[str | None, Field(description="For people", max_length=128)] = None
    cluster_type: Annotated[ClusterType | None, _TIER] = None
    platform: Annotated[Platform | None, _PLATFORM] = None
    region: Annotated[Region | None, _REGION] = None
    environment: Annotated[Environment | None, _STAGE] = None
    labels: Annotated[Labels | None, Field(description="Replaces all labels")] = None
    endpoints: Annotated[ClusterEndpoints | None, Field(description="Replaces all URLs")] = None


@clusters.operation(
    "update_cluster",
    route="PUT /clusters/{cluster}",
    needs="clusters:write",
    effect=Effect.WRITE,
    digest=_digest_change,
)
async def update_cluster(context: Context, request: UpdateCluster) -> ChangedCluster:
    """Change what is registered of a cluster; only the fields given change."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    given = request.model_fields_set - {"cluster", "dry_run"}
    changes = ClusterChanges(**{field: getattr(request, field) for field in given})
    refuse_out_of_sight(context, changes.name or cluster.name)
    if request.dry_run:
        updated = cluster.model_copy(update=changes.values())
    else:
        updated = await context.registry.update(cluster.id, changes)
        context.fleet.forget(cluster.id)
    return _changed(
        updated, "update", _fields_of(cluster), _fields_of(updated), applied=not request.dry_run
    )


class RemoveCluster(OneCluster, WriteInput):
    pass


@clusters.operation(
    "remove_cluster",
    route="DELETE /clusters/{cluster}",
    needs="clusters:write",
    effect=Effect.DESTROY,
    digest=_digest_change,
)
async def remove_cluster(context: Context, request: RemoveCluster) -> ChangedCluster:
    """Take a cluster out of the fleet, with credentials and history; the cluster itself stays."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    if not request.dry_run:
        await context.registry.remove(cluster.id)
        context.fleet.forget(cluster.id)
    return _changed(cluster, "remove", _fields_of(cluster), {}, applied=not request.dry_run)


def _changed(
    cluster: Cluster, action: str, before: dict[str, str], after: dict[str, str], *, applied: bool
) -> ChangedCluster:
    changes = tuple(
        FieldChange(field=field, before=before.get(field), after=after.get(field))
        for field in _SHOWN
        if before.get(field) != after.get(field)
    )
    return ChangedCluster(**dict(cluster), action=action, applied=applied, changes=changes)


_SHOWN = (
    "name",
    "api_server_url",
    "display_name",
    "cluster_type",
    "platform",
    "region",
    "environment",
    "labels",
    "endpoints",
)


def _fields_of(value: Entity) -> dict[str, str]:
    """The fields a person sets, as text; empty ones left out."""
    dumped = value.model_dump(mode="json", include=set(_SHOWN), exclude_none=True)
    return {field: _as_text(content) for field, content in dumped.items() if content}


def _as_text(content: object) -> str:
    if isinstance(content, dict):
        pairs = cast("dict[str, str]", content)
        return ", ".join(f"{key}={text}" for key, text in sorted(pairs.items()))
    return str(content)

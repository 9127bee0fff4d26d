"""A cluster's credentials: store, try, replace, forget.

None of it is a tool: secrets never pass through a model, and no answer holds one.
"""

from typing import Annotated

from pydantic import Field, SecretStr

from aiops_mcp.backends import kubeconfig
from aiops_mcp.backends.tls import TlsSettings, ssl_context
from aiops_mcp.capabilities.clusters import OneCluster, clusters
from aiops_mcp.context import Context
from aiops_mcp.errors import AiopsError, CredentialsNotFound, InvalidCredentials
from aiops_mcp.fleet.access import Access
from aiops_mcp.models.cluster import AuthType, Cluster, ClusterCredentials, CredentialsInfo
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.operation import Effect, Input

WANTED_RIGHTS = (
    ("list", "nodes", "", ""),
    ("list", "pods", "", ""),
    ("list", "services", "", ""),
    ("get", "services", "", "proxy"),
    ("create", "pods", "", "exec"),
)
"""What the toolkit makes use of: verb, resource, group, subresource."""

Secret = Annotated[SecretStr | None, Field(max_length=1_000_000)]


class StoreCredentials(OneCluster):
    """A kubeconfig (with the name of one of its contexts), a token, or OIDC settings."""

    auth_type: Annotated[AuthType, Field(description="Which of the fields below count")]
    kubeconfig: Annotated[Secret, Field(description="YAML text")] = None
    context: Annotated[str | None, Field(description="Of the kubeconfig; default: current")] = None
    token: Annotated[Secret, Field(description="Bearer token of the API server")] = None
    oidc: Annotated[
        dict[str, SecretStr] | None,
        Field(description="issuer_url, client_id, client_secret or refresh_token"),
    ] = None
    prometheus_token: Annotated[Secret, Field(description="Where it is another one")] = None
    tempo_token: Annotated[Secret, Field(description="Where it is another one")] = None
    loki_token: Annotated[Secret, Field(description="Where it is another one")] = None
    ca_bundle: Annotated[str | None, Field(description="PEM", max_length=1_000_000)] = None
    insecure_skip_tls_verify: Annotated[
        bool, Field(description="Do not verify the API server's certificate (labs)")
    ] = False
    expires_at: Annotated[
        Timestamp | None,
        Field(description="When they end, to be warned"),
    ] = None


class StoredCredentials(CredentialsInfo):
    """What may be said of them; ``deleted`` and the rest never both."""

    cluster_name: str


def _digest_stored(_: Input, answer: StoredCredentials) -> Digest:
    expiry = f", expires {answer.expires_at:%Y-%m-%d}" if answer.expires_at else ""
    kind = answer.auth_type.value
    return Digest(headline=f"Credentials of {answer.cluster_name} are stored: {kind}{expiry}.")


@clusters.operation(
    "store_credentials",
    route="POST /clusters/{cluster}/credentials",
    needs="clusters:write",
    effect=Effect.WRITE,
    tool=False,
    digest=_digest_stored,
    status=201,
)
async def store_credentials(context: Context, request: StoreCredentials) -> StoredCredentials:
    """Store a cluster's credentials, encrypted, in place of those it has."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    credentials = await made_credentials(context, request)
    info = await context.registry.store_credentials(cluster.id, credentials)
    context.fleet.forget(cluster.id)
    return StoredCredentials(**dict(info), cluster_name=cluster.name)


@clusters.operation(
    "rotate_credentials",
    route="POST /clusters/{cluster}/credentials/rotate",
    needs="clusters:write",
    effect=Effect.WRITE,
    tool=False,
    digest=_digest_stored,
)
async def rotate_credentials(context: Context, request: StoreCredentials) -> StoredCredentials:
    """Replace a cluster's credentials by new ones that work; if they do not, the old ones stay."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    old = await context.registry.load_credentials(cluster.id)
    stored = await store_credentials(context, request)
    found = await _try(context, cluster)
    if not found.valid:
        await context.registry.store_credentials(cluster.id, old)
        context.fleet.forget(cluster.id)
        raise InvalidCredentials(
            f"The new credentials of {cluster.name} do not work: {found.error}",
            "The old ones stay in use.",
        )
    return stored


async def made_credentials(context: Context, request: StoreCredentials) -> ClusterCredentials:
    """Credentials from what was sent, checked for what they need.

    Raises:
        InvalidCredentials: something is missing, the kubeconfig is unusable, or somebody
            elsewhere sent one that would run programs or read files of this machine.
    """
    fields = dict(request)
    name: str | None = fields.pop("context")
    del fields["cluster"]
    if request.auth_type is AuthType.KUBECONFIG:
        if request.kubeconfig is None:
            raise InvalidCredentials("kubeconfig is missing.", "Send it as YAML text.")
        text = request.kubeconfig.get_secret_value()
        local = context.call.surface == "cli"
        found = await kubeconfig.target(text, cluster=request.cluster, context=name, local=local)
        ssl_context(found.tls)  # or a CA or key of no use would be stored, and every call fail
        fields["kubeconfig"] = SecretStr(kubeconfig.split_context(text, name))
    elif request.auth_type is AuthType.OIDC and not request.oidc:
        raise InvalidCredentials("oidc is missing.", "Send issuer, client id and refresh token.")
    elif request.auth_type is AuthType.SERVICE_ACCOUNT and not _says_anything(request):
        raise InvalidCredentials("token is missing.", "Send the service account's bearer token.")
    ssl_context(TlsSettings(request.ca_bundle, insecure=request.insecure_skip_tls_verify))
    return ClusterCredentials(**fields, created_at=context.clock())


def _says_anything(request: StoreCredentials) -> bool:
    """A backend may want a token, or the API server a CA, where the API server wants no token."""
    tokens = (
        request.token,
        request.prometheus_token,
        request.tempo_token,
        request.loki_token,
    )
    return (
        any(token is not None and token.get_secret_value().strip() for token in tokens)
        or bool(request.ca_bundle)
        or request.insecure_skip_tls_verify
    )


class DeletedCredentials(Entity):
    cluster_name: str
    deleted: bool


def _digest_deleted(_: Input, answer: DeletedCredentials) -> Digest:
    return Digest(headline=f"Credentials of {answer.cluster_name} are forgotten.")


@clusters.operation(
    "delete_credentials",
    route="DELETE /clusters/{cluster}/credentials",
    needs="clusters:write",
    effect=Effect.DESTROY,
    tool=False,
    digest=_digest_deleted,
)
async def delete_credentials(context: Context, request: OneCluster) -> DeletedCredentials:
    """Forget a cluster's credentials."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    if not await context.registry.delete_credentials(cluster.id):
        raise _none_stored(cluster)
    context.fleet.forget(cluster.id)
    return DeletedCredentials(cluster_name=cluster.name, deleted=True)


def _none_stored(cluster: Cluster) -> CredentialsNotFound:
    return CredentialsNotFound(
        f"No credentials are stored for {cluster.name}.",
        f"Store some with: aiops clusters credentials {cluster.name}",
    )


class NoArguments(Input):
    pass


class RotatedKey(Entity):
    """How many clusters' credentials were sealed anew."""

    resealed: int


def _digest_rotated(_: Input, answer: RotatedKey) -> Digest:
    return Digest(headline=f"{answer.resealed} clusters' credentials are sealed with a new key.")


@clusters.operation(
    "rotate_vault_key",
    route="POST /vault/rotate-key",
    needs="clusters:write",
    effect=Effect.WRITE,
    tool=False,
    digest=_digest_rotated,
)
async def rotate_vault_key(context: Context, request: NoArguments) -> RotatedKey:
    """Seal all stored credentials with a new key; the old one is dropped when all are done."""
    del request
    return RotatedKey(resealed=await context.registry.rotate_vault_key())


class Right(Entity):
    right: str
    allowed: bool


class CredentialsCheck(Entity):
    """Whether the stored credentials work, as whom, and what they may do there."""

    cluster_name: str
    valid: bool
    user: str | None = None
    rights: tuple[Right, ...] = ()
    error: str | None = None


def _digest_check(_: Input, answer: CredentialsCheck) -> Digest:
    if not answer.valid:
        return Digest(headline=f"Credentials of {answer.cluster_name} do not work: {answer.error}")
    rows: list[tuple[Cell, ...]] = [
        (right.right, "yes" if right.allowed else "no") for right in answer.rights
    ]
    who = f" as {answer.user}" if answer.user else ""
    return Digest(
        headline=f"Credentials of {answer.cluster_name} work{who}.",
        columns=("right", "allowed"),
        rows=tuple(rows),
    )


@clusters.operation(
    "validate_credentials",
    route="POST /clusters/{cluster}/credentials/validate",
    needs="clusters:read",
    tool=False,
    digest=_digest_check,
)
async def validate_credentials(context: Context, request: OneCluster) -> CredentialsCheck:
    """Try the stored credentials: do they work, as whom, and what may they do."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    if await context.registry.credentials_info(cluster.id) is None:
        raise _none_stored(cluster)
    return await _try(context, cluster)


async def _try(context: Context, cluster: Cluster) -> CredentialsCheck:
    async def look(access: Access) -> CredentialsCheck:
        kubernetes = await access.kubernetes()
        rights = [
            Right(
                right=" ".join(part for part in (verb, f"{resource}/{sub}".rstrip("/")) if part),
                allowed=(
                    await kubernetes.access_review(verb, resource, group, subresource=sub)
                ).allowed,
            )
            for verb, resource, group, sub in WANTED_RIGHTS
        ]
        try:
            user = (await kubernetes.self_subject_review()).username
        except AiopsError:
            user = None  # before Kubernetes 1.28 a cluster does not say
        return CredentialsCheck(
            cluster_name=cluster.name, valid=True, user=user, rights=tuple(rights)
        )

    answer = await context.fleet.ask_one(cluster, look, backend="credentials")
    if answer.value is not None:
        return answer.value
    error = answer.error.message if answer.error else "no answer"
    return CredentialsCheck(cluster_name=cluster.name, valid=False, error=error)

"""Credentials as Kubernetes Secrets, against a namespace held in a dictionary."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from aiops_mcp.errors import (
    BackendRefused,
    ClusterAlreadyExists,
    ClusterNotFound,
    CredentialsNotFound,
    InputError,
)
from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.fleet.registry import Registry
from aiops_mcp.fleet.vault_kubernetes import KubernetesVault
from aiops_mcp.models.cluster import AuthType, ClusterCredentials
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.storage.engine import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE = UUID("11111111-1111-4111-8111-111111111111")


class Namespace:
    """Secrets by name, as the API server would hold them: JSON that went over the wire."""

    def __init__(self):
        self.secrets = {}
        self.refuse = False

    async def get_secret(self, name):
        return json.loads(self.secrets[name]) if name in self.secrets else None

    async def put_secret(self, name, secret):
        if self.refuse:
            raise BackendRefused("kubernetes: forbidden", "Grant it.", http_status=403)
        self.secrets[name] = json.dumps(secret)

    async def delete_secret(self, name):
        return self.secrets.pop(name, None) is not None


@pytest.fixture
def namespace():
    return Namespace()


@pytest.fixture
def vault(namespace):
    return KubernetesVault(namespace, clock=lambda: NOW)


@pytest.fixture
async def registry(vault):
    database = Database("sqlite+aiosqlite:///:memory:")
    await database.migrate()
    bus = MemoryBus()
    yield Registry(database, vault, bus, lambda: NOW)
    await bus.close()
    await database.close()


def credentials(**fields):
    return ClusterCredentials(
        **{"auth_type": AuthType.SERVICE_ACCOUNT, "token": "t0ken", "created_at": NOW, **fields}
    )


def new(name="prod-1"):
    return NewCluster(name=name, api_server_url="https://x")


async def test_a_secret_by_the_contracts_name_holds_them(vault, namespace):
    given = credentials(oidc={"secret": "s"}, expires_at=NOW + timedelta(days=30))
    await vault.store(ONE, given)
    assert list(namespace.secrets) == [f"cluster-creds-{ONE}"]
    assert await vault.load(ONE) == given
    secret = json.loads(namespace.secrets[f"cluster-creds-{ONE}"])
    assert (secret["kind"], secret["type"]) == ("Secret", "Opaque")
    assert secret["metadata"]["name"] == f"cluster-creds-{ONE}"
    assert secret["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "aiops"
    assert "t0ken" not in json.dumps(secret)  # base64 in data, nothing in the annotations
    assert await vault.delete(ONE) is True
    assert await vault.delete(ONE) is False
    with pytest.raises(CredentialsNotFound, match="No credentials are stored"):
        await vault.load(ONE)


async def test_kind_and_dates_come_from_annotations(vault, namespace):
    assert await vault.info(ONE) is None
    soon = NOW + timedelta(days=7)
    await vault.store(ONE, credentials(expires_at=soon))
    info = await vault.info(ONE)
    assert info == vault.about(credentials(expires_at=soon))
    assert (info.auth_type, info.created_at, info.expires_at, info.expires_soon) == (
        AuthType.SERVICE_ACCOUNT, NOW, soon, True,
    )  # fmt: skip
    await vault.store(ONE, credentials())
    assert (await vault.info(ONE)).expires_at is None
    other = uuid4()
    assert await vault.infos(frozenset({ONE, other})) == {ONE: await vault.info(ONE)}


@pytest.mark.parametrize(
    "secret",
    [
        {"metadata": {"annotations": None}, "data": {}},
        {"metadata": {}, "data": {"credentials": "!!"}},
        {
            "metadata": {"annotations": {"aiops.io/auth-type": "MAGIC"}},
            "data": {"credentials": "e30="},
        },
        {"metadata": {}},
    ],
)
async def test_a_secret_that_somebody_else_made(vault, namespace, secret):
    namespace.secrets[f"cluster-creds-{ONE}"] = json.dumps(secret)
    assert await vault.info(ONE) is None
    with pytest.raises(CredentialsNotFound, match="is not its credentials") as caught:
        await vault.load(ONE)
    assert caught.value.__cause__ is None


async def test_there_is_no_key_of_ours_to_rotate(vault):
    with pytest.raises(InputError, match="no key of ours"):
        await vault.rotate_key()


async def test_it_takes_part_in_no_transaction(vault):
    assert vault.transactional is False
    with pytest.raises(TypeError):
        await vault.store(ONE, credentials(), transaction=object())
    with pytest.raises(TypeError):
        await vault.delete(ONE, transaction=object())


async def test_registering_stores_both_or_neither(registry, namespace):
    cluster = await registry.register(new(), credentials())
    assert (await registry.load_credentials(cluster.id)).token.get_secret_value() == "t0ken"
    with pytest.raises(ClusterAlreadyExists):
        await registry.register(new(), credentials())
    assert list(namespace.secrets) == [f"cluster-creds-{cluster.id}"]
    namespace.refuse = True
    with pytest.raises(BackendRefused):
        await registry.register(new("prod-2"), credentials())
    assert [one.name for one in await registry.list(LOCAL_ADMIN)] == ["prod-1"]


async def test_storing_and_deleting_move_the_access_revision(registry, namespace):
    cluster = await registry.register(new())
    revisions = [await registry.access_revision(cluster.id)]
    info = await registry.store_credentials(cluster.id, credentials())
    assert info.auth_type is AuthType.SERVICE_ACCOUNT
    revisions.append(await registry.access_revision(cluster.id))
    assert await registry.delete_credentials(cluster.id) is True
    revisions.append(await registry.access_revision(cluster.id))
    assert await registry.delete_credentials(cluster.id) is False
    assert revisions == sorted(set(revisions))
    assert namespace.secrets == {}


async def test_no_secret_is_left_of_or_made_for_a_cluster_that_is_not_there(registry, namespace):
    with pytest.raises(ClusterNotFound):
        await registry.store_credentials(uuid4(), credentials())
    cluster = await registry.register(new(), credentials())
    await registry.remove(cluster.id)
    assert namespace.secrets == {}

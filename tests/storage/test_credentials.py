"""Credentials at rest, on both databases."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet, MultiFernet
from pydantic import SecretStr
from sqlalchemy import text

from aiops_mcp.errors import ClusterNotFound, CredentialsNotFound, StorageFailed
from aiops_mcp.fleet.registry import Registry
from aiops_mcp.fleet.vault import DatabaseVault
from aiops_mcp.fleet.vault_keys import FileKeys, SettingsKeys
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role


def secret_keys(*keys):
    return SettingsKeys(SecretStr(",".join(keys)))


async def raw_credentials(database):
    async with database.read() as transaction:
        found = await transaction.execute(text("SELECT * FROM credentials"))
        return [tuple(row) for row in found]


async def test_credentials_come_back_whole(registry, new_cluster, credentials):
    given = credentials(
        kubeconfig="apiVersion: v1",
        oidc={"issuer": "https://idp", "client_secret": "s3"},
        prometheus_token="p",
        ca_bundle="-----BEGIN",
        insecure_skip_tls_verify=True,
    )
    cluster = await registry.register(new_cluster(), given)
    read = await registry.load_credentials(cluster.id)
    assert read == given
    assert read.oidc["client_secret"].get_secret_value() == "s3"


async def test_only_ciphertext_reaches_the_database(
    registry, database, new_cluster, credentials, canary
):
    cluster = await registry.register(new_cluster(), credentials())
    [row] = await raw_credentials(database)
    assert canary not in repr(row)
    assert cluster.id.hex in repr(row).replace("-", "")
    if database.dialect == "sqlite":
        files = [path for path in Path(database.place).parent.iterdir() if path.is_file()]
        assert len(files) >= 2
        assert not any(canary.encode() in path.read_bytes() for path in files)


async def test_stored_replaced_and_deleted_each_with_its_event(
    registry, new_cluster, credentials, bus, clock
):
    cluster = await registry.register(new_cluster())
    with pytest.raises(CredentialsNotFound, match="No credentials are stored"):
        await registry.load_credentials(cluster.id)
    info = await registry.store_credentials(cluster.id, credentials(token="one"))
    assert (info.auth_type, info.expires_soon) == ("SERVICE_ACCOUNT", False)
    await registry.store_credentials(
        cluster.id, credentials(token="two", expires_at=clock.now + timedelta(days=3))
    )
    assert (await registry.load_credentials(cluster.id)).token.get_secret_value() == "two"
    assert await registry.delete_credentials(cluster.id) is True
    assert await registry.delete_credentials(cluster.id) is False
    assert await registry.credentials_info(cluster.id) is None
    said = [event.payload for event in bus.events if "CREDENTIALS" in event.event_type]
    assert said == [
        {"action": "stored", "auth_type": "SERVICE_ACCOUNT", "expires_at": None},
        {
            "action": "stored",
            "auth_type": "SERVICE_ACCOUNT",
            "expires_at": "2026-03-04T12:00:00+00:00",
        },
        {"action": "deleted"},
    ]


async def test_credentials_of_nobody_are_refused(registry, vault, credentials, bus):
    for attempt in (
        registry.store_credentials(uuid4(), credentials()),
        vault.store(uuid4(), credentials()),
        registry.delete_credentials(uuid4()),
    ):
        with pytest.raises(ClusterNotFound):
            await attempt
    assert bus.events == []


async def test_expiry_is_warned_of_seven_days_ahead(registry, new_cluster, credentials, clock):
    for name, days in (("later", 8), ("soon", 6), ("gone", -1)):
        await registry.register(
            new_cluster(name), credentials(expires_at=clock.now + timedelta(days=days))
        )
    await registry.register(new_cluster("never"), credentials())
    await registry.register(new_cluster("without"))
    expiring = await registry.expiring_credentials(LOCAL_ADMIN)
    assert [(cluster.name, info.expires_soon) for cluster, info in expiring] == [
        ("gone", True),
        ("soon", True),
    ]
    clock.advance(days=1)
    names = [cluster.name for cluster, _ in await registry.expiring_credentials(LOCAL_ADMIN)]
    assert names == ["gone", "soon", "later"]
    confined = Principal(subject="ann", role=Role.VIEWER, clusters=frozenset({"later"}))
    seen = await registry.expiring_credentials(confined)
    assert [cluster.name for cluster, _ in seen] == ["later"]


async def test_a_row_moved_to_another_cluster_does_not_open(
    registry, database, new_cluster, credentials, canary
):
    mine = await registry.register(new_cluster("mine"), credentials())
    theirs = await registry.register(new_cluster("theirs"), credentials(token="theirs"))
    async with database.transaction() as transaction:
        await transaction.execute(text("UPDATE credentials SET ciphertext = (SELECT ciphertext FROM credentials WHERE auth_type='SERVICE_ACCOUNT' ORDER BY length(ciphertext) DESC LIMIT 1)"))  # fmt: skip
    with pytest.raises(CredentialsNotFound, match="is not its credentials") as caught:
        await registry.load_credentials(theirs.id)
    assert caught.value.__cause__ is None  # it would hold the plaintext
    assert (await registry.load_credentials(mine.id)).token.get_secret_value() == canary


async def test_another_key_is_an_error_that_says_what_to_do(
    registry, database, clock, bus, new_cluster, credentials, canary
):
    cluster = await registry.register(new_cluster(), credentials())
    other = DatabaseVault(database, secret_keys(Fernet.generate_key().decode()), clock=clock)
    with pytest.raises(CredentialsNotFound) as caught:
        await other.load(cluster.id)
    assert "cannot be opened" in caught.value.message
    assert "vault.key" in caught.value.hint
    assert "AIOPS_VAULT_KEYS" in caught.value.hint
    with pytest.raises(StorageFailed, match=str(cluster.id)):
        await other.rotate_key()
    assert (await registry.load_credentials(cluster.id)).token.get_secret_value() == canary


async def test_rotation_of_a_key_file_seals_everything_anew(
    registry, database, keys, tmp_path, new_cluster, credentials, canary
):
    clusters = [
        await registry.register(new_cluster(f"cluster-{i}"), credentials(token=f"t{i}"))
        for i in range(5)
    ]
    old_key = (tmp_path / "vault.key").read_text()
    before = await raw_credentials(database)
    assert await registry.rotate_vault_key() == 5
    new_key = (tmp_path / "vault.key").read_text()
    assert len(new_key.split()) == 1
    assert new_key != old_key
    assert (tmp_path / "vault.key").stat().st_mode & 0o777 == 0o600
    assert set(await raw_credentials(database)).isdisjoint(before)
    for i, cluster in enumerate(clusters):
        assert (await registry.load_credentials(cluster.id)).token.get_secret_value() == f"t{i}"
    assert await registry.rotate_vault_key() == 5


async def test_rotation_with_keys_from_the_settings(
    database, clock, bus, new_cluster, credentials, canary
):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    first = DatabaseVault(database, secret_keys(old), clock=clock)
    registry = Registry(database, first, bus, clock)
    cluster = await registry.register(new_cluster(), credentials())
    both = DatabaseVault(database, secret_keys(new, old), clock=clock)
    assert (await both.load(cluster.id)).token.get_secret_value() == canary
    assert await both.rotate_key() == 1
    assert await both.rotate_key() == 0
    after = DatabaseVault(database, secret_keys(new), clock=clock)
    assert (await after.load(cluster.id)).token.get_secret_value() == canary


class KilledAfterFirstStep(FileKeys):
    def end_rotation(self):
        raise KeyboardInterrupt


async def test_an_interrupted_rotation_loses_nothing_and_is_taken_up_again(
    registry, database, clock, tmp_path, new_cluster, credentials, canary
):
    cluster = await registry.register(new_cluster(), credentials())
    killed = DatabaseVault(database, KilledAfterFirstStep(tmp_path / "vault.key"), clock=clock)
    with pytest.raises(KeyboardInterrupt):
        await killed.rotate_key()
    halfway = (tmp_path / "vault.key").read_text().split()
    assert len(halfway) == 2
    assert (await registry.load_credentials(cluster.id)).token.get_secret_value() == canary
    await registry.rotate_vault_key()
    assert (tmp_path / "vault.key").read_text().split() == halfway[:1]
    assert (await registry.load_credentials(cluster.id)).token.get_secret_value() == canary


async def test_while_one_process_rotates_another_stores_and_nothing_is_lost(
    database_url, database, registry, clock, bus, tmp_path, new_cluster, credentials
):
    from aiops_mcp.storage.engine import Database

    beside = Database(database_url)
    vault = DatabaseVault(beside, FileKeys(tmp_path / "vault.key"), clock=clock)
    other = Registry(beside, vault, bus, clock)
    clusters = [await registry.register(new_cluster(f"c-{i}"), credentials()) for i in range(10)]

    async def rotate():
        for _ in range(3):
            await registry.rotate_vault_key()

    async def store():
        for cluster in clusters:
            await other.store_credentials(cluster.id, credentials(token=cluster.name))
            assert (await other.load_credentials(cluster.id)).token.get_secret_value()

    await asyncio.gather(rotate(), store())
    for cluster in clusters:
        token = (await registry.load_credentials(cluster.id)).token.get_secret_value()
        assert token == cluster.name
    await beside.close()


class LateKeys(SettingsKeys):
    """Looks at first as it did before a rotation that ended just now."""

    def __init__(self, keys, stale):
        super().__init__(keys)
        self._stale = [MultiFernet([Fernet(stale)])]

    def keys(self):
        return self._stale.pop() if self._stale else super().keys()


async def test_a_rotation_between_reading_the_row_and_the_keys_is_no_failure(
    database, clock, bus, new_cluster, credentials, canary
):
    key = Fernet.generate_key().decode()
    late = LateKeys(SecretStr(key), Fernet.generate_key().decode())
    registry = Registry(database, DatabaseVault(database, late, clock=clock), bus, clock)
    cluster = await registry.register(new_cluster(), credentials())
    assert (await registry.load_credentials(cluster.id)).token.get_secret_value() == canary

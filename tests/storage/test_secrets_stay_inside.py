"""A canary goes in as every kind of secret; nothing but ``load_credentials`` gives it out."""

import logging
import traceback

import pytest

from aiops_mcp.errors import AiopsError
from aiops_mcp.models.cluster import ClusterStatus
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.registration import ClusterChanges
from aiops_mcp.storage.credentials import all_credentials
from aiops_mcp.storage.engine import Database

SECRETS = ("kubeconfig", "token", "prometheus_token", "tempo_token", "loki_token")


@pytest.fixture
def loaded(credentials, canary):
    return credentials(
        **{name: f"{canary}-{name}" for name in SECRETS}, oidc={"client_secret": canary}
    )


async def test_no_answer_event_log_or_repr_holds_a_secret(
    registry, vault, database, bus, new_cluster, loaded, canary, tmp_path, caplog
):
    caplog.set_level(logging.DEBUG)
    key = []
    seen = [repr(loaded), str(loaded), loaded.model_dump_json(), repr(vault), repr(vars(vault))]
    cluster = await registry.register(new_cluster(), loaded)
    key.append((tmp_path / "vault.key").read_text().strip())
    seen.append(cluster.model_dump_json())
    seen.append((await registry.store_credentials(cluster.id, loaded)).model_dump_json())
    seen.append(repr(await registry.credentials_info(cluster.id)))
    await registry.rotate_vault_key()
    key.append((tmp_path / "vault.key").read_text().strip())
    await registry.set_status(cluster.id, ClusterStatus())
    seen.append(repr(await registry.update(cluster.id, ClusterChanges(region="eu"))))
    seen.append(repr(await registry.list(LOCAL_ADMIN)))
    seen.append(repr(await registry.expiring_credentials(LOCAL_ADMIN)))
    async with database.read() as transaction:
        seen.append(repr(await all_credentials(transaction)))
    loaded_again = await registry.load_credentials(cluster.id)
    seen.append(repr(loaded_again))
    assert loaded_again.token.get_secret_value() == f"{canary}-token"
    await registry.delete_credentials(cluster.id)
    await registry.remove(cluster.id)
    seen += [event.model_dump_json() for event in bus.events]
    seen += [record.getMessage() for record in caplog.records]
    everything = "\n".join(seen)
    assert len(bus.events) >= 5
    for secret in (canary, *key):
        assert secret not in everything


async def test_no_error_holds_a_secret(
    registry, database, database_url, new_cluster, loaded, canary, tmp_path
):
    cluster = await registry.register(new_cluster(), loaded)
    (tmp_path / "vault.key").unlink()  # the next use makes another key
    told = []
    for attempt in (
        registry.register(new_cluster(), loaded),
        registry.load_credentials(cluster.id),
        registry.rotate_vault_key(),
        Database(f"postgresql://me:{canary}@127.0.0.1:1/x").migrate(),
    ):
        with pytest.raises(AiopsError) as caught:
            await attempt
        told.append("".join(traceback.format_exception(caught.value)))
        told.append(repr(caught.value.details))
    assert "cannot be opened" in "".join(told)
    shown = "\n".join(line for line in "".join(told).splitlines() if 'f"postgresql' not in line)
    assert canary not in shown

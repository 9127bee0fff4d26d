"""What the application keeps things in, as the settings say: events, the database, credentials."""

from collections.abc import Callable
from datetime import datetime, timedelta

from aiops_mcp.backends.connect import own_secrets
from aiops_mcp.events.bus import LiveBus
from aiops_mcp.events.log import EventLog
from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.fleet.vault import DatabaseVault, Vault
from aiops_mcp.fleet.vault_keys import FileKeys, SettingsKeys
from aiops_mcp.fleet.vault_kubernetes import KubernetesVault
from aiops_mcp.settings import Settings
from aiops_mcp.storage.engine import Database


def event_bus(settings: Settings) -> LiveBus:
    """The bus of this process, or of all that share a Redis."""
    log = EventLog(settings.events_kept)
    if settings.redis_url is None:
        return MemoryBus(log=log)
    # Only where it is used: its client takes a while to import.
    from aiops_mcp.events.redis import RedisBus
    from aiops_mcp.events.redis_wire import EventStore

    store = EventStore(settings.redis_url.get_secret_value(), keep=2 * settings.events_kept)
    return RedisBus(store, buffer=settings.events_kept, log=log)


def database_url(settings: Settings) -> str:
    """The demo keeps to a file of its own, unless a database is set."""
    if settings.demo and settings.database_url is None:
        return f"sqlite+aiosqlite:///{settings.home / 'demo.sqlite'}"
    return settings.resolved_database_url()


def credential_vault(
    settings: Settings, database: Database, clock: Callable[[], datetime]
) -> Vault:
    warn_before = timedelta(days=settings.credentials_warn_days)
    if settings.vault == "kubernetes":
        secrets = own_secrets(settings.vault_namespace)
        return KubernetesVault(secrets, clock=clock, warn_before=warn_before)
    keys = (
        SettingsKeys(settings.vault_keys)
        if settings.vault_keys is not None
        else FileKeys(settings.home / "vault.key")
    )
    return DatabaseVault(database, keys, clock=clock, warn_before=warn_before)

"""Tokens that answers took, by user, day and model. Stays when sessions are deleted."""

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from aiops_mcp.models.chat import TokenUse
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.tables import chat_usage

_COUNTED = ("answers", "prompt_tokens", "completion_tokens")


class ChatUsageTable:
    """Adds up. All methods raise ``StorageFailed``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, use: TokenUse) -> None:
        """Count a use with what there is of the same user, day and model."""
        async with self._database.transaction() as transaction:
            made = postgresql if transaction.dialect.name == "postgresql" else sqlite
            statement = made.insert(chat_usage).values(use.model_dump())
            await transaction.execute(
                statement.on_conflict_do_update(
                    index_elements=["user_id", "day", "model"],
                    set_={name: chat_usage.c[name] + statement.excluded[name] for name in _COUNTED},
                )
            )

    async def of(self, user_id: str, *, since: str) -> tuple[TokenUse, ...]:
        """Uses of a user from a day (``2026-11-25``) on, the newest first."""
        async with self._database.read() as transaction:
            found = await transaction.execute(
                select(chat_usage)
                .where(chat_usage.c.user_id == user_id, chat_usage.c.day >= since)
                .order_by(chat_usage.c.day.desc(), chat_usage.c.model)
            )
            rows = found.mappings().all()
        return tuple(TokenUse.model_validate(dict(row)) for row in rows)

"""Insert or update in one statement, as both databases write it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import postgresql, sqlite

from aiops_mcp.storage.engine import Transaction


async def upsert(
    transaction: Transaction,
    table: Table,
    row: dict[str, Any],
    *,
    keys: Collection[str],
    only_if: ColumnElement[bool] | None = None,
) -> bool:
    """Insert the row, or update the one with the same keys; false when ``only_if`` forbade that."""
    changes = {name: value for name, value in row.items() if name not in keys}
    insert = postgresql.insert if transaction.dialect.name == "postgresql" else sqlite.insert
    statement = (
        insert(table)
        .values(row)
        .on_conflict_do_update(index_elements=list(keys), set_=changes, where=only_if)
    )
    done = await transaction.execute(statement.returning(*(table.c[name] for name in keys)))
    return done.one_or_none() is not None

"""Alembic's entry: runs the migrations on the connection it is given, in its transaction.

There is no alembic.ini and no offline mode; ``storage/upgrade.py`` is the only caller.
"""

from alembic import context

from aiops_mcp.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
)
with context.begin_transaction():
    context.run_migrations()

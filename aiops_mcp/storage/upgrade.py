"""Brings a database to the newest tables with Alembic, on a connection and lock of the caller.

Imports Alembic only when there is something to do: a start on an up-to-date database costs
one query.
"""

from pathlib import Path

from sqlalchemy.engine import Connection

from aiops_mcp.errors import StorageFailed

HEAD = "0004"
"""The newest migration; a test holds it against the files."""


def upgrade(connection: Connection) -> None:
    """Run the missing migrations within the connection's transaction.

    Raises:
        StorageFailed: the database was made by a newer version of this program.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", _script_location())
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(current)
        except CommandError as error:
            raise StorageFailed(
                f"The database is at version {current}, which this program does not know.",
                "It was made by a newer version: upgrade this program, or use another database.",
            ) from error
    command.upgrade(config, "head")


def _script_location() -> str:
    """The folder of the migrations; ``%`` in it would be read as an interpolation."""
    return str(Path(__file__).parent / "migrations").replace("%", "%%")

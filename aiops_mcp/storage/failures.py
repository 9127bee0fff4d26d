"""What a driver's error means to us: one pure mapping to ``StorageFailed`` with what to do.

Knows SQLite's error names and PostgreSQL's SQLSTATEs; opens nothing. Messages never hold a
statement, a parameter or a password.
"""

from collections.abc import Iterator

from aiops_mcp.errors import StorageFailed

_SQLITE = {
    "SQLITE_READONLY": (
        "cannot be written",
        (
            "Make the file and its directory writable for this user, or set AIOPS_HOME or "
            "AIOPS_DATABASE_URL to a place that is."
        ),
    ),
    "SQLITE_FULL": ("is full", "Free disk space or raise the quota, then try again."),
    "SQLITE_BUSY": (
        "is locked by another process",
        (
            "Wait for the other process to finish, or stop it; several servers on one database "
            "are better off with PostgreSQL."
        ),
    ),
    "SQLITE_LOCKED": ("is locked", "Try again."),
    "SQLITE_CORRUPT": (
        "is damaged",
        "Stop the server and restore the file from a backup, or move it away to start empty.",
    ),
    "SQLITE_NOTADB": (
        "is not a SQLite database",
        "Set AIOPS_DATABASE_URL to another file, or move this one away.",
    ),
    "SQLITE_CANTOPEN": (
        "cannot be opened",
        "Check that its directory exists and that this user may read and write in it.",
    ),
    "SQLITE_PERM": ("may not be accessed", "Check the permissions of the file."),
    "SQLITE_IOERR": (
        "cannot be read or written (input/output error)",
        "Check the disk and the file system; SQLite needs a local one.",
    ),
}

_POSTGRES = {
    "53100": ("is out of disk space", "Free disk space on the database server, then try again."),
    "53300": (
        "takes no more connections",
        "Raise max_connections, or run fewer replicas of this server.",
    ),
    "57P03": ("is starting up or shutting down", "Wait until it accepts connections."),
    "57P01": ("was shut down", "Start it again; nothing was half-written."),
    "28P01": ("refuses the user or password", "Correct AIOPS_DATABASE_URL."),
    "28000": ("refuses the user", "Correct AIOPS_DATABASE_URL or pg_hba.conf."),
    "3D000": ("does not exist", "Create it (createdb), or correct AIOPS_DATABASE_URL."),
    "25006": (
        "is read-only",
        "Point AIOPS_DATABASE_URL at the primary, not at a standby.",
    ),
    "42501": ("refuses this user a needed right", "Grant it CREATE and usage on the schema."),
    "40001": ("saw two writers collide", "Try again."),
    "40P01": ("saw two writers collide", "Try again."),
    "55P03": ("is locked by another process", "Wait for the other process, then try again."),
    "57014": ("took too long", "Look for a lock that another process holds, then try again."),
}

_AWAY = (
    "cannot be reached, or does not answer in time",
    (
        "Check that the database server runs and that AIOPS_DATABASE_URL is right; "
        "nothing was half-written."
    ),
)


def storage_failed(error: BaseException, place: str) -> StorageFailed:
    """The error to raise for a driver's ``error`` on the database called ``place``."""
    what, hint = _meaning(error)
    return StorageFailed(f"The database {place} {what}.", hint)


def _meaning(error: BaseException) -> tuple[str, str]:
    for cause in _causes(error):
        name: object = getattr(cause, "sqlite_errorname", None)
        if isinstance(name, str):
            found = _sqlite_meaning(name)
            if found is not None:
                return found
        state: object = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            if state in _POSTGRES:
                return _POSTGRES[state]
            if state.startswith("08"):
                return _AWAY
        if isinstance(cause, OSError):  # TimeoutError is one
            return _AWAY
    if any("connection" in str(cause).lower() for cause in _causes(error)):
        return _AWAY
    return (
        f"refused an operation ({type(error).__name__})",
        "Try again; if it stays, look at the log of the database.",
    )


def _sqlite_meaning(name: str) -> tuple[str, str] | None:
    """Extended names such as ``SQLITE_READONLY_DIRECTORY`` mean what their first part means."""
    return _SQLITE.get("_".join(name.split("_")[:2]))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what the driver said, and what that came from; each once."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [getattr(current, "orig", None), current.__cause__, current.__context__]

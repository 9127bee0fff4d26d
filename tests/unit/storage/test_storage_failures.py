"""What each driver's error is called, and what is said to do."""

import sqlite3

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from aiops_mcp.storage.failures import storage_failed


class Driver(Exception):
    def __init__(self, message="", **attributes):
        super().__init__(message)
        vars(self).update(attributes)


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("SQLITE_READONLY", "cannot be written", "writable"),
        ("SQLITE_READONLY_DIRECTORY", "cannot be written", "writable"),
        ("SQLITE_FULL", "is full", "Free disk space"),
        ("SQLITE_BUSY_SNAPSHOT", "locked by another process", "Wait"),
        ("SQLITE_LOCKED", "is locked", "Try again"),
        ("SQLITE_CORRUPT_INDEX", "is damaged", "backup"),
        ("SQLITE_NOTADB", "not a SQLite database", "another file"),
        ("SQLITE_CANTOPEN", "cannot be opened", "directory exists"),
        ("SQLITE_PERM", "may not be accessed", "permissions"),
        ("SQLITE_IOERR_FSYNC", "input/output error", "disk"),
        ("SQLITE_ERROR", "refused an operation", "log"),
    ],
)
def test_sqlite(name, said, hint):
    error = storage_failed(
        OperationalError("SELECT secret", {}, Driver(sqlite_errorname=name)), "/f"
    )
    assert said in error.message
    assert hint in error.hint
    assert "/f" in error.message
    assert "SELECT" not in str(error)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("53100", "out of disk space"),
        ("53300", "no more connections"),
        ("57P03", "starting up"),
        ("57P01", "was shut down"),
        ("28P01", "refuses the user or password"),
        ("3D000", "does not exist"),
        ("25006", "read-only"),
        ("42501", "needed right"),
        ("40P01", "collide"),
        ("57014", "took too long"),
        ("08006", "cannot be reached"),
        ("42P01", "refused an operation"),
    ],
)
def test_postgresql(state, said):
    wrapped = DBAPIError("SELECT 1", {}, Driver())
    wrapped.orig.__cause__ = Driver(sqlstate=state)
    error = storage_failed(wrapped, "db")
    assert said in error.message
    assert error.hint


@pytest.mark.parametrize(
    "cause",
    [ConnectionRefusedError(), TimeoutError(), OSError("no route")],
)
def test_away(cause):
    assert "cannot be reached" in storage_failed(cause, "db").message


def test_a_closed_connection_is_away():
    wrapped = DBAPIError("SELECT 1", {}, Driver("connection was closed in the middle"))
    assert "cannot be reached" in storage_failed(wrapped, "db").message


def test_a_ring_of_causes_ends():
    first, second = Driver("a"), Driver("b")
    first.__cause__, second.__cause__ = second, first
    assert "refused an operation (Driver)" in storage_failed(first, "db").message


def test_a_real_error_carries_its_name():
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA query_only = 1")
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert "cannot be written" in storage_failed(caught.value, "f").message

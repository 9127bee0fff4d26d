"""Where the content of reports is kept: files below a folder of this machine.

A file is written beside its place and moved there when it is whole and on the disk: whoever reads
sees all of it or nothing. Only this user may read it. Knows no report, only names and bytes.
"""

import asyncio
import errno
import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from aiops_mcp.errors import StorageFailed

T = TypeVar("T")
_UNFINISHED = ".part-"


def open_new(handle: int) -> BinaryIO:
    """A handle as a file to write."""
    return os.fdopen(handle, "wb")


Opened = Callable[[int], BinaryIO]


class Blobs(Protocol):
    """Named bytes. Every method raises ``StorageFailed``."""

    async def put(self, name: str, content: bytes, media_type: str) -> None:
        """Keep the bytes under a name that is not taken: all of them, or none."""
        ...

    async def get(self, name: str) -> bytes | None:
        """The bytes, or None where there are none of that name."""
        ...

    async def remove(self, name: str) -> None:
        """Forget them; no matter if there are none."""
        ...

    async def tidy(self, before: datetime) -> None:
        """Remove what was begun before a moment and never finished."""
        ...


class FileBlobs:
    """Files below ``folder``, which is made when the first is written, by what ``opened`` opens."""

    def __init__(self, folder: Path, *, opened: Opened = open_new) -> None:
        self._folder = folder
        self._opened = opened

    async def put(self, name: str, content: bytes, media_type: str) -> None:
        del media_type
        path = self._path(name)
        await self._run(lambda: write_whole(path, content, opened=self._opened))

    async def get(self, name: str) -> bytes | None:
        path = self._path(name)

        def read() -> bytes | None:
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

        return await self._run(read)

    async def remove(self, name: str) -> None:
        path = self._path(name)
        await self._run(lambda: path.unlink(missing_ok=True))

    async def tidy(self, before: datetime) -> None:
        def sweep() -> None:
            for path in self._folder.rglob(f"{_UNFINISHED}*"):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink(missing_ok=True)

        await self._run(sweep)

    def _path(self, name: str) -> Path:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise StorageFailed(f"{name!r} lies outside of {self._folder}.")
        return path

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise _failed(self._folder, error) from error


def write_whole(path: Path, content: bytes, *, opened: Opened = open_new) -> None:
    """Write a file that is there as a whole, or not at all. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(
        prefix=_UNFINISHED, dir=path.parent
    )  # readable by us alone
    try:
        with opened(handle) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """So that the name survives a power cut as well as the bytes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(folder: Path, error: OSError) -> StorageFailed:
    hints = {
        errno.ENOSPC: "Free disk space, or keep reports elsewhere with AIOPS_REPORT_STORE.",
        errno.EDQUOT: "Raise the quota, or keep reports elsewhere with AIOPS_REPORT_STORE.",
        errno.EACCES: "Make the folder writable for this user, or set AIOPS_HOME.",
        errno.EROFS: "Set AIOPS_HOME or AIOPS_REPORT_STORE to a place that can be written.",
    }
    hint = hints.get(error.errno or 0, "Check the disk.")
    said = error.strerror or type(error).__name__
    return StorageFailed(f"Reports cannot be kept in {folder}: {said}.", hint)

"""Reports as files: whole or not there, for this user alone, and a full disk says that it is full."""

import asyncio
import errno
import os
import resource
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiops_mcp.errors import StorageFailed
from aiops_mcp.storage.report_files import FileBlobs, write_whole

NAME = "2026/03/report.html"


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def blobs(folder) -> FileBlobs:
    return FileBlobs(folder)


def everything(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_what_is_put_is_there_until_it_is_removed(blobs, folder):
    assert await blobs.get(NAME) is None
    await blobs.put(NAME, b"\x00all of it", "text/html")
    assert await blobs.get(NAME) == b"\x00all of it"
    assert everything(folder) == [folder / NAME]
    await blobs.remove(NAME)
    await blobs.remove(NAME)
    assert await blobs.get(NAME) is None
    assert everything(folder) == []


async def test_only_this_user_may_read_them(blobs, folder):
    before = os.umask(0)
    try:
        await blobs.put(NAME, b"x", "text/html")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "2026" / "03").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../outside.html", "/etc/passwd", "2026/../../outside"])
async def test_no_name_leads_outside(blobs, folder, name):
    for work in (blobs.put(name, b"x", "text/html"), blobs.get(name), blobs.remove(name)):
        with pytest.raises(StorageFailed, match="outside"):
            await work
    assert not (folder.parent / "outside.html").exists()


class FullDisk:
    """A file on a disk that has room for half of what is written."""

    def __init__(self, handle: int, error: int) -> None:
        self._file = os.fdopen(handle, "wb")
        self._error = error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def fileno(self):
        return self._file.fileno()

    def flush(self):
        self._file.flush()

    def write(self, content: bytes):
        self._file.write(content[: len(content) // 2])
        raise OSError(self._error, os.strerror(self._error))


def test_a_write_that_fails_halfway_leaves_nothing(tmp_path):
    path = tmp_path / "a" / "report.html"
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"x" * 1000, opened=lambda handle: FullDisk(handle, errno.ENOSPC))
    assert everything(tmp_path) == []


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from aiops_mcp.errors import StorageFailed
from aiops_mcp.storage.report_files import FileBlobs

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    asyncio.run(FileBlobs(Path(sys.argv[1])).put("a/b.html", b"x" * 10_000, "text/html"))
except StorageFailed as error:
    print(error.message, "|", error.hint)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs limits of file sizes")
def test_where_the_system_takes_no_more_nothing_is_left(folder):
    told = subprocess.run(
        [sys.executable, "-c", FULL, str(folder)], capture_output=True, text=True, check=True
    )
    assert "Reports cannot be kept in" in told.stdout
    assert "File too large" in told.stdout
    assert everything(folder) == []


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "Free disk space"),
        (errno.EDQUOT, "Raise the quota"),
        (errno.EROFS, "place that can be written"),
        (errno.EACCES, "Make the folder writable"),
        (errno.EIO, "Check the disk"),
    ],
)
async def test_a_disk_that_refuses_is_told_with_what_to_do(folder, number, says):
    blobs = FileBlobs(folder, opened=lambda handle: FullDisk(handle, number))
    with pytest.raises(StorageFailed) as caught:
        await blobs.put(NAME, b"xx", "text/html")
    assert os.strerror(number) in caught.value.message
    assert says in caught.value.hint
    assert everything(folder) == []


async def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "reports").write_text("not a folder")
    with pytest.raises(StorageFailed, match="cannot be kept"):
        await FileBlobs(tmp_path / "reports").put(NAME, b"x", "text/html")


async def test_what_was_never_finished_is_swept(blobs, folder):
    await blobs.put(NAME, b"x", "text/html")
    old, new = folder / "2026" / "03" / ".part-old", folder / "2026" / "03" / ".part-new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(old, (long_ago, long_ago))
    os.utime(folder / NAME, (long_ago, long_ago))
    await blobs.tidy(datetime.now(UTC) - timedelta(days=1))
    assert sorted(path.name for path in everything(folder)) == [".part-new", "report.html"]


async def test_sweeping_where_nothing_was_ever_kept(blobs):
    await blobs.tidy(datetime.now(UTC))


async def test_one_who_reads_meanwhile_sees_all_or_nothing(blobs, folder):
    whole = b"y" * 2_000_000
    writing = asyncio.create_task(blobs.put(NAME, whole, "text/html"))
    seen = set()
    while not writing.done():
        found = await blobs.get(NAME)
        seen.add(None if found is None else len(found))
    await writing
    seen.add(len(await blobs.get(NAME) or b""))
    assert seen <= {None, len(whole)}
    assert len(whole) in seen

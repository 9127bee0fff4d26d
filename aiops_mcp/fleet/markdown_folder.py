"""Markdown files that come with the package, and those of a folder, read again when they change.

Knows neither personas nor runbooks: what reads one file's text is given. A file that cannot be
read is told, once as long as it stays so, and never stops the others.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Generic, TypeVar

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.front_matter import MOST_CHARACTERS

_log = logging.getLogger(__name__)

MOST_FILES: Final = 500
_ENDING = ".md"
_NOT_OURS = frozenset({"readme.md"})


ItemT = TypeVar("ItemT")
_State = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that cannot be used, and why."""

    file: str
    error: InputError


@dataclass(frozen=True, slots=True)
class Content(Generic[ItemT]):
    """What a folder holds, by the names of its files."""

    found: tuple[ItemT, ...] = ()
    broken: tuple[Broken, ...] = ()


def packaged(package: str, folder: str, read: Callable[[str, str], ItemT]) -> tuple[ItemT, ...]:
    """The files that come with a package; one that cannot be read is a defect, and raises."""
    place = files(package) / folder if folder else files(package)
    entries = sorted(place.iterdir(), key=lambda entry: entry.name)
    return tuple(
        read(entry.read_text(encoding="utf-8"), entry.name)
        for entry in entries
        if entry.name.endswith(_ENDING)
    )


class MarkdownFolder(Generic[ItemT]):
    """The files of ``folder`` (none: nothing).

    ``read`` makes something of a text and its file's name, ``key`` is what that is found by.
    """

    def __init__(
        self,
        folder: Path | None,
        read: Callable[[str, str], ItemT],
        *,
        key: Callable[[ItemT], str],
    ) -> None:
        self._folder = folder
        self._read = read
        self._key = key
        self._state: _State | None = None
        self._content: Content[ItemT] = Content()

    async def content(self) -> Content[ItemT]:
        """What is there now; files are only read again where one of them changed."""
        if self._folder is None:
            return self._content
        return await asyncio.to_thread(self.look, self._folder)

    def look(self, folder: Path) -> Content[ItemT]:
        """As `content`, waiting for the disk."""
        try:
            paths = _markdown(folder)
            state = tuple(_seen(path) for path in paths)
        except OSError as error:
            return self._told(Content(broken=(_unreadable(folder, error),)), None)
        if state == self._state:
            return self._content
        return self._told(self._read_all(paths), state)

    def _told(self, content: Content[ItemT], state: _State | None) -> Content[ItemT]:
        known = {str(each.error) for each in self._content.broken}
        for each in content.broken:
            if str(each.error) not in known:
                _log.warning("not used: %s", each.error)
        self._content, self._state = content, state
        return content

    def _read_all(self, paths: Sequence[Path]) -> Content[ItemT]:
        found: dict[str, ItemT] = {}
        broken: list[Broken] = []
        for path in paths[:MOST_FILES]:
            try:
                item = self._read(_text(path), path.name)
            except InputError as error:
                broken.append(Broken(path.name, error))
                continue
            key = self._key(item)
            if key in found:
                taken = InputError(f"{path.name}: another file is {key} too.", "Rename one.")
                broken.append(Broken(path.name, taken))
            found.setdefault(key, item)
        if len(paths) > MOST_FILES:
            said = f"{paths[MOST_FILES].name}: only {MOST_FILES} files are read."
            broken.append(Broken(paths[MOST_FILES].name, InputError(said, "Keep fewer there.")))
        return Content(tuple(found.values()), tuple(broken))


def look_once(
    folder: Path | None, read: Callable[[str, str], ItemT], *, key: Callable[[ItemT], str]
) -> Content[ItemT]:
    """What a folder holds now, waiting for the disk; for commands."""
    return Content() if folder is None else MarkdownFolder(folder, read, key=key).look(folder)


def _markdown(folder: Path) -> list[Path]:
    entries: Iterable[Path] = folder.iterdir()
    return sorted(
        path
        for path in entries
        if path.suffix == _ENDING
        and not path.name.startswith(".")
        and path.name.lower() not in _NOT_OURS
        and path.is_file()
    )


def _seen(path: Path) -> tuple[str, int, int, int]:
    """What changes when a file does; mounted ConfigMaps change the file behind a link."""
    stat = path.stat()
    return path.name, stat.st_mtime_ns, stat.st_size, stat.st_ino


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(4 * MOST_CHARACTERS + 1).decode()
    except OSError as error:
        raise _unreadable(path, error).error from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is no UTF-8 text.", "Save it as UTF-8.") from error


def _unreadable(path: Path, error: OSError) -> Broken:
    said = f"{path} cannot be read: {error.strerror or error}."
    return Broken(path.name, InputError(said, "Let the server's user read it."))

"""The keys of the vault: from the settings, or from a file only this user can read.

A ring holds Fernet keys, newest first; the newest seals, every one opens. Keys are never logged,
and no error or repr holds one.
"""

import os
import secrets
from pathlib import Path
from typing import Protocol

from cryptography.fernet import Fernet, MultiFernet
from pydantic import SecretStr

from aiops_mcp.errors import StorageFailed

_MAKE_KEY = (
    'Make one with: python -c "from cryptography.fernet import Fernet; '
    'print(Fernet.generate_key().decode())"'
)


class KeyRing(Protocol):
    """Where the vault's keys are kept."""

    def keys(self) -> MultiFernet:
        """The keys of this moment, newest first."""
        ...

    def newest(self) -> Fernet:
        """The key that seals."""
        ...

    def begin_rotation(self) -> None:
        """Put a new key in front of the ring, keeping the old ones."""
        ...

    def end_rotation(self) -> None:
        """Drop every key but the newest: everything is sealed with that one now."""
        ...


class SettingsKeys:
    """Keys from ``AIOPS_VAULT_KEYS``, newest first. Whoever sets them adds and drops them."""

    def __init__(self, keys: SecretStr) -> None:
        parts = [part.strip() for part in keys.get_secret_value().split(",") if part.strip()]
        self._fernets = _fernets(parts, "AIOPS_VAULT_KEYS")

    def keys(self) -> MultiFernet:
        return MultiFernet(self._fernets)

    def newest(self) -> Fernet:
        return self._fernets[0]

    def begin_rotation(self) -> None:
        """The operator has put the new key in front already."""

    def end_rotation(self) -> None:
        """The operator may drop the old keys now."""


class FileKeys:
    """Keys in a 0600 file, one a line, newest first; made at the first use.

    The file is read again whenever it changed, so that several processes follow a rotation.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._fernets: list[Fernet] = []

    def keys(self) -> MultiFernet:
        self._refresh()
        return MultiFernet(self._fernets)

    def newest(self) -> Fernet:
        self._refresh()
        return self._fernets[0]

    def begin_rotation(self) -> None:
        """A rotation that was interrupted is taken up again with the key it had made."""
        self._refresh()
        if len(self._fernets) == 1:
            self._replace([Fernet.generate_key().decode(), *self._lines()])

    def end_rotation(self) -> None:
        self._replace(self._lines()[:1])

    def _refresh(self) -> None:
        try:
            if not self._path.exists():
                self._create()
            state = self._path.stat()
            seen = (state.st_ino, state.st_mtime_ns, state.st_size)
            if seen == self._seen:
                return
            if state.st_mode & 0o077:
                raise StorageFailed(
                    f"The key file {self._path} can be read by others.",
                    f"Run: chmod 600 {self._path}. If it was readable for long, rotate the key "
                    "and the credentials.",
                )
            self._fernets = _fernets(self._lines(), f"The key file {self._path}")
            self._seen = seen
        except OSError as error:
            raise self._unusable(error) from error

    def _lines(self) -> list[str]:
        try:
            text = self._path.read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise self._unusable(error) from error
        return [line.strip() for line in text.splitlines() if line.strip()]

    def _create(self) -> None:
        """Complete or not at all, and only one of two processes that start together makes it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = self._write_beside([Fernet.generate_key().decode()])
        try:
            os.link(written, self._path)
        except FileExistsError:
            pass
        finally:
            written.unlink()

    def _replace(self, lines: list[str]) -> None:
        try:
            self._write_beside(lines).replace(self._path)
            _sync_directory(self._path.parent)
        except OSError as error:
            raise self._unusable(error) from error

    def _write_beside(self, lines: list[str]) -> Path:
        path = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write("".join(f"{line}\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink()
            raise
        return path

    def _unusable(self, error: OSError) -> StorageFailed:
        return StorageFailed(
            f"The key file {self._path} cannot be used ({error.strerror}).",
            "Set AIOPS_HOME to a directory this user may write, or set AIOPS_VAULT_KEYS.",
        )


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fernets(keys: list[str], place: str) -> list[Fernet]:
    try:
        fernets = [Fernet(key) for key in keys]
    except ValueError:
        raise StorageFailed(f"{place} holds something that is not a Fernet key.", _MAKE_KEY) from (
            None
        )
    if not fernets:
        raise StorageFailed(f"{place} holds no key.", _MAKE_KEY)
    return fernets

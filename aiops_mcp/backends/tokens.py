"""Where a bearer token comes from: it is fixed, or stands in a file that is written anew."""

import time
from collections.abc import Callable
from pathlib import Path

from aiops_mcp.backends.wire import Bearer
from aiops_mcp.errors import InvalidCredentials

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REREAD_SECONDS = 10.0


def fixed_token(token: str) -> Bearer:
    """Always the same token.

    Raises:
        InvalidCredentials: it cannot stand in a header.
    """
    stripped = token.strip()
    if not stripped or not stripped.isascii() or any(c.isspace() for c in stripped):
        raise InvalidCredentials(
            "The token is empty, or holds characters that no token has.",
            "Give it on one line, without quotes and without the word Bearer.",
        )
    return lambda: stripped


class FileToken:
    """The token in a file, read anew at most every ten seconds (the kubelet rotates it hourly)."""

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], float] = time.monotonic,
        every: float = REREAD_SECONDS,
    ) -> None:
        self._path = path
        self._now = now
        self._every = every
        self._token = ""
        self._read_at: float | None = None

    def __call__(self) -> str:
        now = self._now()
        if self._read_at is None or now - self._read_at >= self._every:
            self._token, self._read_at = _read(self._path), now
        return self._token

    def forget(self) -> None:
        """Read the file at the next call."""
        self._read_at = None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCredentials(
            f"The token file {path} cannot be read.", "Check the path and its permissions."
        ) from error

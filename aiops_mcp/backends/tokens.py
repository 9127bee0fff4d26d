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


def file_token(
    path: Path, *, now: Callable[[], float] = time.monotonic, every: float = REREAD_SECONDS
) -> Bearer:
    """The token in a file, read anew at most every ten seconds (kubelet rotates it hourly)."""
    kept: list[tuple[float, str]] = []

    def read() -> str:
        if not kept or now() - kept[0][0] >= every:
            kept[:] = [(now(), _read(path))]
        return kept[0][1]

    return read


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCredentials(
            f"The token file {path} cannot be read.", "Check the path and its permissions."
        ) from error

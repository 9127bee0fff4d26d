"""A kubeconfig as a YAML document: its lists, its sections, the files that it names."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from aiops_mcp.errors import InvalidCredentials

MAX_BYTES = 4 * 1024 * 1024
FILE_KEYS = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}

Section = dict[str, Any]


def load(source: str | Path) -> tuple[Section, Path | None]:
    """The document, and the folder that its relative paths start from."""
    folder: Path | None = None
    text: str
    if isinstance(source, Path):
        folder = source.absolute().parent
        text = file_text(source)
    else:
        text = source
    if len(text) > MAX_BYTES:
        raise InvalidCredentials("The kubeconfig is larger than 4 MB.", "Give the right file.")
    try:
        document: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" (line {line + 1})" if isinstance(line, int) else ""
        # The parser's own message would quote the text, which may be a token.
        raise InvalidCredentials(
            f"The kubeconfig is not YAML{where}.", "Check it with: kubectl config view"
        ) from None
    if not isinstance(document, dict) or not isinstance(
        cast("Section", document).get("contexts"), list
    ):
        raise InvalidCredentials(
            "This is no kubeconfig: it has no list of contexts.",
            "Check it with: kubectl config view",
        )
    return cast("Section", document), folder


def file_text(path: Path) -> str:
    """A file's text. Raises ``InvalidCredentials`` with the reason."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidCredentials(
            f"{path} cannot be read: {reason}.", "Check the path and its permissions."
        ) from error


def inlined_files(part: Section, folder: Path | None) -> Section:
    """The part with its certificate files put inline; data that is there already wins."""
    inlined = dict(part)
    for file_key, data_key in FILE_KEYS.items():
        named = inlined.pop(file_key, None)
        if isinstance(named, str) and named and not inlined.get(data_key):
            content = file_text((folder or Path()) / named)
            inlined[data_key] = base64.b64encode(content.encode()).decode()
    return inlined


def pem(part: Mapping[str, Any], key: str) -> str | None:
    """PEM text that stands there in base64."""
    value = part.get(key)
    if not value:
        return None
    try:
        return base64.b64decode(str(value), validate=False).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidCredentials(
            f"The kubeconfig's {key} is not base64 of a PEM text.",
            "Take the kubeconfig anew: kubectl config view --raw --minify --flatten",
        ) from error


def entries(document: Section, key: str) -> list[Section]:
    """The named entries of a list such as ``contexts``."""
    found: list[Any] = document.get(key) or []
    return [one for one in found if isinstance(one, dict) and "name" in one]


def named_section(document: Section, plural: str, singular: str, name: Any) -> Section | None:
    """The body of the entry of this name."""
    for entry in entries(document, plural):
        if entry["name"] == name:
            return section(entry, singular)
    return None


def section(parent: Mapping[str, Any], key: str) -> Section:
    """A part that is a mapping; an empty one where it is missing or something else."""
    value = parent.get(key)
    return cast("Section", value) if isinstance(value, dict) else {}

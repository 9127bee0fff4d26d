"""Ready configurations for MCP clients: what to paste, and where.

Formats: each client's documentation, November 2026.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_SERVER = "aiops"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """``text`` goes into the file that ``where`` names."""

    where: str
    text: str


def client_config(client: str, url: str | None = None) -> ClientConfig:
    """The configuration of ``client``; with ``url`` it connects there, else it starts the server.

    Raises:
        KeyError: the client is none of those `aiops-mcp config` names.
    """
    return _WRITERS[client](url)


def _command() -> str:
    """The installed `aiops-mcp` beside this interpreter, else the name on the PATH."""
    beside = Path(sys.executable).with_name("aiops-mcp")
    return str(beside) if beside.exists() else "aiops-mcp"


def _endpoint(url: str) -> str:
    stripped = url.rstrip("/")
    return stripped if stripped.endswith("/mcp") else f"{stripped}/mcp"


def _json(where: str, body: dict[str, Any]) -> ClientConfig:
    return ClientConfig(where, json.dumps(body, indent=2) + "\n")


def _entry(url: str | None, token: str) -> dict[str, Any]:
    """``token`` is how the client writes the variable AIOPS_TOKEN of its environment."""
    if url is None:
        return {"command": _command(), "args": []}
    return {
        "type": "http",
        "url": _endpoint(url),
        "headers": {"Authorization": f"Bearer {token}"},
    }


def _claude_code(url: str | None) -> ClientConfig:
    # With a default, because an unset variable without one drops the server silently.
    entry = _entry(url, "${AIOPS_TOKEN:-}")
    return _json(
        ".mcp.json in the project, or: claude mcp add-json", {"mcpServers": {_SERVER: entry}}
    )


def _claude_desktop(url: str | None) -> ClientConfig:
    where = "claude_desktop_config.json (Settings, Developer, Edit Config)"
    if url is None:
        return _json(where, {"mcpServers": {_SERVER: _entry(None, "")}})
    # The file only takes commands, so a bridge connects; it reads no environment of ours.
    bridge = {
        "command": "npx",
        "args": ["-y", "mcp-remote", _endpoint(url), "--header", "Authorization:${AUTH_HEADER}"],
        "env": {"AUTH_HEADER": "Bearer YOUR-TOKEN"},
    }
    return _json(where, {"mcpServers": {_SERVER: bridge}})


def _cursor(url: str | None) -> ClientConfig:
    entry = _entry(url, "${env:AIOPS_TOKEN}")
    return _json(".cursor/mcp.json", {"mcpServers": {_SERVER: entry}})


def _vscode(url: str | None) -> ClientConfig:
    if url is None:
        return _json(
            ".vscode/mcp.json", {"servers": {_SERVER: {"type": "stdio", **_entry(None, "")}}}
        )
    entry = {
        "type": "http",
        "url": _endpoint(url),
        "headers": {"Authorization": "Bearer ${input:aiops-token}"},
    }
    asked = {
        "type": "promptString",
        "id": "aiops-token",
        "description": "API token of the aiops server",
        "password": True,
    }
    return _json(".vscode/mcp.json", {"inputs": [asked], "servers": {_SERVER: entry}})


def _goose(url: str | None) -> ClientConfig:
    entry: dict[str, Any] = {"name": _SERVER, "enabled": True, "timeout": 120}
    if url is None:
        entry |= {"type": "stdio", "cmd": _command(), "args": []}
    else:
        entry |= {
            "type": "streamable_http",
            "uri": _endpoint(url),
            "env_keys": ["AIOPS_TOKEN"],
            "headers": {"Authorization": "Bearer ${AIOPS_TOKEN}"},
        }
    body = yaml.safe_dump({"extensions": {_SERVER: entry}}, sort_keys=False)
    return ClientConfig("~/.config/goose/config.yaml", body)


_WRITERS = {
    "claude-code": _claude_code,
    "claude-desktop": _claude_desktop,
    "cursor": _cursor,
    "goose": _goose,
    "vscode": _vscode,
}

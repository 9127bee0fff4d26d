"""`aiops-mcp`: the MCP server over stdio (default) or HTTP.

Imports the server only when it is to run: `--help` and `config` answer at once. On stdio, stdout
belongs to the protocol; everything a person should read goes to stderr.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.garbage import look_seldom

CLIENTS = ("claude-code", "claude-desktop", "cursor", "goose", "vscode")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aiops-mcp",
        description="An MCP server over a fleet of Kubernetes and OpenShift clusters.",
        epilog="Further settings: AIOPS_* in the environment, see docs/settings.md.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and end")
    parser.add_argument("--http", action="store_true", help="serve HTTP instead of stdio")
    parser.add_argument("--host", help="address to bind (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to bind (default 8080)")
    parser.add_argument("--demo", action="store_true", help="serve the simulated fleet")
    parser.add_argument(
        "--incident",
        action="append",
        metavar="NAME[@TIME]",
        help="an incident of the simulated fleet; repeat for more",
    )
    writing = parser.add_mutually_exclusive_group()
    writing.add_argument(
        "--read-only", action="store_true", help="offer nothing that changes things (default)"
    )
    writing.add_argument(
        "--allow-write", action="store_true", help="offer the tools that change the registry"
    )
    parser.add_argument("--toolsets", help="only these, comma-separated: clusters,metrics,…")
    commands = parser.add_subparsers(dest="command", metavar="config")
    config = commands.add_parser("config", help="print a ready configuration for a client")
    config.add_argument("client", choices=CLIENTS)
    config.add_argument("--url", help="of a running server; without it the client starts one")
    return parser


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given as options; the rest comes from the environment."""
    given: dict[str, Any] = {
        "host": arguments.host,
        "port": arguments.port,
        "demo": arguments.demo or None,
        "allow_write": True if arguments.allow_write else False if arguments.read_only else None,
        "toolsets": arguments.toolsets,
        "demo_incidents": tuple(arguments.incident) if arguments.incident else None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _serve(arguments: argparse.Namespace) -> None:
    from pydantic import ValidationError

    from aiops_mcp.settings import Settings

    try:
        settings = Settings(**_changes(arguments))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"setting {name}: {fault['msg']}") from error
    if arguments.http:
        from aiops_mcp.serving import serve_http

        serve_http(settings, say=lambda line: print(line, file=sys.stderr))  # noqa: T201 (a person)
    else:
        from aiops_mcp.mcp_host import serve_stdio

        asyncio.run(serve_stdio(settings))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code (0 ended well, 1 failed, 2 bad usage)."""
    look_seldom()
    arguments = _parser().parse_args(argv)
    if arguments.version:
        from aiops_mcp import __version__

        sys.stdout.write(f"{__version__}\n")
        return 0
    if arguments.command == "config":
        from aiops_mcp.client_config import client_config

        config = client_config(arguments.client, arguments.url)
        sys.stderr.write(f"# for {config.where}:\n")
        sys.stdout.write(config.text)
        return 0
    try:
        _serve(arguments)
    except AiopsError as error:
        sys.stderr.write(f"aiops-mcp: {error}\n")
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

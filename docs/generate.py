"""Writes the generated pages: docs/settings.md and docs/tools.md. ``--check`` only compares.

A test runs the check, so that an undocumented setting or a changed tool fails the build.
"""

import json
import sys
from pathlib import Path

from agents.chat_answering import OPERATIONS as CHAT_OPERATIONS
from aiops_mcp.operation import Effect
from aiops_mcp.operations import OPERATIONS as FLEET_OPERATIONS
from aiops_mcp.settings import Settings

HERE = Path(__file__).parent
OPERATIONS = (*FLEET_OPERATIONS, *(each for each in CHAT_OPERATIONS if each.routes))


def settings_page() -> str:
    """Every setting with its default and meaning."""
    lines = [
        "# Settings",
        "",
        "Read once at start from the environment. Times are seconds unless named otherwise;",
        'a table by cluster type takes JSON (`AIOPS_CHECK_EVERY={"HUB": 15, …}`).',
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    own = Settings.__annotations__  # those of the fleet first, then those of the agent
    fields = sorted(Settings.model_fields.items(), key=lambda each: each[0] not in own)
    for name, field in fields:
        default = field.get_default(call_default_factory=False)
        lines.append(f"| `AIOPS_{name.upper()}` | {_shown(name, default)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(name: str, default: object) -> str:
    if name == "home":
        return "`~/.local/share/aiops`"
    if default is None or default == ():
        return "—"
    if isinstance(default, dict):
        text = json.dumps({str(key): value for key, value in default.items()})
    elif isinstance(default, bool):
        text = str(default).lower()
    else:
        text = str(default)
    return f"`{text}`"


def tools_page() -> str:
    """Every operation, as a tool and as a route."""
    lines = [
        "# Operations",
        "",
        "Each is written once and reached as an MCP tool, a REST route below `/api/v1`, a",
        "resource, or several of them. What changes something is offered when writing is allowed.",
        "",
    ]
    for capability in dict.fromkeys(operation.capability for operation in OPERATIONS):
        lines += [
            f"## {capability}",
            "",
            "| operation | tool | route | changes | what |",
            "|---|---|---|---|---|",
        ]
        for operation in OPERATIONS:
            if operation.capability != capability:
                continue
            routes = "<br>".join(f"`{route}`" for route in operation.routes) or "—"
            if operation.resource:
                routes += f"<br>`{operation.resource}`"
            lines.append(
                f"| `{operation.name}` | {'yes' if operation.tool else '—'} | {routes} "
                f"| {'—' if operation.effect is Effect.READ else operation.effect.value} "
                f"| {operation.summary} |"
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


PAGES = {"settings.md": settings_page, "tools.md": tools_page}


def main() -> int:
    """Write the pages, or say which are stale."""
    check = "--check" in sys.argv
    stale = []
    for name, page in PAGES.items():
        path = HERE / name
        text = page()
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, "utf-8")
    if stale:
        print(("stale: " if check else "written: ") + ", ".join(stale))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

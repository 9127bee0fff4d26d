"""Writes docs/picture.svg: what commands print on the demo fleet while three incidents run.

The answers are real ones of the application, at a fixed moment with a fixed seed.
"""

import asyncio
import io
import re
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from agents.output import Output
from aiops_mcp.app import open_app
from aiops_mcp.settings import Settings

HERE: Final = Path(__file__).parent
MOMENT: Final = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
WIDTH: Final = 138
INCIDENTS: Final = ("gpu-xid-79", "oom-loop", "region-partition")

CPU: Final = "topk(2, sum by (namespace) (rate(container_cpu_usage_seconds_total[5m])))"
SHOWN: Final[tuple[tuple[list[str], str, dict[str, Any]], ...]] = (
    (["fleet"], "get_fleet_summary", {}),
    (["alerts", "--severity", "critical"], "list_alerts", {"severity": "CRITICAL"}),
    (
        ["query", CPU, "-c", "env=PRODUCTION type=SPOKE"],
        "query_metrics",
        {"query": CPU, "clusters": ["env=PRODUCTION type=SPOKE"]},
    ),
)
# The fonts of the template lie on a server elsewhere; every reader has a monospaced one.
_FONT_FACES: Final = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


async def picture() -> str:
    """The SVG."""
    output = Output(as_json=False)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    output.console = console
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), demo=True, demo_incidents=INCIDENTS)
        async with open_app(settings, watch=False, clock=lambda: MOMENT) as app:
            await app.check_stale_clusters()
            for command, operation, arguments in SHOWN:
                line = shlex.join(["aiops", "--demo", *command])
                console.print(Text("$ ", style="dim") + Text(line, style="bold green"))
                output.digest(await app.ask(operation, arguments))
                console.print()
    style = _FONT_FACES.sub("", CONSOLE_SVG_FORMAT)
    return console.export_svg(title="aiops", code_format=style, unique_id="aiops")


if __name__ == "__main__":
    (HERE / "picture.svg").write_text(asyncio.run(picture()), "utf-8")
    sys.stdout.write("written: picture.svg\n")

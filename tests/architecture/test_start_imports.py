"""What a start loads: a command that answers at once cannot wait for libraries it does not use."""

import subprocess
import sys

import pytest

HEAVY = ("alembic", "asyncpg", "fastmcp", "kubernetes", "numpy", "openai", "redis", "sqlalchemy")


def loaded_by(code):
    """Which of the heavy libraries a fresh interpreter has loaded after ``code``."""
    asks = f"import sys\n{code}\nprint('|'.join(n for n in {HEAVY!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", asks], check=True, capture_output=True, text=True)
    return {name for name in done.stdout.splitlines()[-1].split("|") if name}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import aiops_mcp.operations", set()),
        ("import aiops_mcp.mcp_host", {"fastmcp"}),
        (
            (
                "sys.argv = ['aiops', '--help']\nfrom agents.cli import main\n"
                "try:\n    main()\nexcept SystemExit:\n    pass"
            ),
            set(),
        ),
        (
            "sys.argv = ['aiops-mcp', '--version']\nfrom aiops_mcp.__main__ import main\nmain()",
            set(),
        ),
    ],
    ids=["operations", "mcp over stdio", "aiops --help", "aiops-mcp --version"],
)
def test_only_what_is_used_is_loaded(code, expected):
    assert loaded_by(code) == expected


def test_a_server_that_nobody_chats_with_holds_no_agent():
    asks = (
        "import asyncio, sys, tempfile\nfrom pathlib import Path\n"
        "from agents.host import open_agent_app\nfrom aiops_mcp.settings import Settings\n"
        "async def main():\n"
        "    settings = Settings(home=Path(tempfile.mkdtemp()))\n"
        "    async with open_agent_app(settings, watch=False):\n"
        "        print([n for n in ('agents.loop', 'jsonschema', 'openai') if n in sys.modules])\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", asks], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"

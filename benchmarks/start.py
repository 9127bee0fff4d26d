"""How soon a command answers: `aiops-mcp`'s first tools/list, and `aiops --help`.

    python benchmarks/start.py [--rounds 7]

The time that importing fastmcp takes stands beside it, measured in turn with it. fastmcp 4 loads
its server class only when it is first named, so there are two references: the bare import, and
the import that anything which serves must do. The best of all rounds counts, for both sides.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from figures import Figure, at_most, ratio, table

LIMIT = 1.5
BARE = "import fastmcp"
SERVING = "from fastmcp import FastMCP"
_BIN = Path(sys.executable).parent
_MESSAGES = (
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "benchmark", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
)


@dataclass
class Spent:
    """Seconds by the clock and of the processor, one entry a round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def _cpu_of_children() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def run(command: list[str], spent: Spent) -> None:
    cpu, began = _cpu_of_children(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    spent.wall.append(time.perf_counter() - began)
    spent.cpu.append(_cpu_of_children() - cpu)


def first_list(home: str, spent: Spent) -> int:
    """Start the server, ask for its tools, end it; how many bytes the list has."""
    environment = {**os.environ, "AIOPS_HOME": home}
    cpu, began = _cpu_of_children(), time.perf_counter()
    with subprocess.Popen(
        [str(_BIN / "aiops-mcp")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        process.stdin.write("".join(json.dumps(each) + "\n" for each in _MESSAGES).encode())
        process.stdin.flush()
        answer = next(line for line in process.stdout if json.loads(line).get("id") == 2)
        spent.wall.append(time.perf_counter() - began)
        # Before it opens its database, which it does a second later when nobody asks.
        process.kill()
    spent.cpu.append(_cpu_of_children() - cpu)
    tools = json.loads(answer)["result"]["tools"]
    return len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False).encode())


def loaded_by_help() -> list[str]:
    """Which of the heavy libraries `aiops --help` loads."""
    code = (
        "import sys\nsys.argv=['aiops','--help']\nfrom agents.cli import main\n"
        "try:\n main()\nexcept SystemExit: pass\n"
        "print('|'.join(n for n in ('fastmcp','openai','sqlalchemy','numpy') if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [name for name in done.stdout.splitlines()[-1].split("|") if name]


def measure(*, quick: bool = False, rounds: int = 7) -> list[Figure]:
    bare, serving, ours, helped = Spent(), Spent(), Spent(), Spent()
    size = 0
    with tempfile.TemporaryDirectory() as home:
        for _ in range(2 if quick else rounds):
            run([sys.executable, "-c", BARE], bare)
            run([sys.executable, "-c", SERVING], serving)
            size = first_list(home, ours)
            run([str(_BIN / "aiops"), "--help"], helped)
    name = "aiops-mcp over stdio: first tools/list beside"
    loaded = loaded_by_help()
    return [
        ratio(f"{name} `{SERVING}`, wall", min(ours.wall), min(serving.wall), "s", LIMIT),
        ratio(f"{name} `{SERVING}`, CPU", min(ours.cpu), min(serving.cpu), "s", LIMIT),
        ratio(f"{name} a bare `{BARE}`, wall", min(ours.wall), min(bare.wall), "s", LIMIT),
        at_most("tools/list, 40 tools that read", round(size / 3.6), "tokens", 10_900),
        Figure("aiops --help, wall", min(helped.wall), "s"),
        Figure(
            "aiops --help: of fastmcp and openai it imports",
            sum(each in ("fastmcp", "openai") for each in loaded),
            "",
            target="none",
            met=not {"fastmcp", "openai"} & set(loaded),
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    figures = measure(rounds=parser.parse_args().rounds)
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())

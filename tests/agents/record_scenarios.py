"""Records scenarios with the scripted model, for `aiops eval --replay`.

    python tests/agents/record_scenarios.py [--greedy] [--into FOLDER] [NAME …]

Run it again when tools answer otherwise than the recordings say. With ``--greedy`` the model calls
every tool it has: whether that fits a context of 32,768 tokens is what `test_context_fits` looks at.
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from investigator_script import everything, reasonable
from scripted_model import Script, scripted_model

NAMES = (
    *("oom-loop-fleet", "oom-loop-cluster", "slow-database-cluster", "bad-rollout-cluster"),
    *(
        "gpu-xid-79-cluster",
        "gpu-rack-thermal-cluster",
        "node-lost-cluster",
        "etcd-slow-disk-cluster",
    ),
    *("ptp-lock-loss-cluster", "upf-packet-loss-cluster", "certificate-expiry-cluster"),
    *("cross-cluster-virginia", "injected-crash-cluster", "hostile-text-fleet", "healthy-fleet"),
    *("follow-up-oom", "away-other"),
)
GREEDY = (
    *("oom-loop-cluster", "slow-database-cluster", "bad-rollout-cluster", "node-lost-cluster"),
    *("etcd-slow-disk-cluster", "storage-gone-cluster", "gpu-xid-79-cluster"),
    *("vllm-overload-cluster", "ptp-lock-loss-cluster", "upf-packet-loss-cluster"),
)
ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "agents/evaluate/recordings"
GREEDY_FOLDER = ROOT / "tests/data/recordings/greedy"


async def record(script: Script, folder: Path, names: Sequence[str]) -> int:
    chosen = [part for name in names for part in ("--only", name)]
    async with scripted_model(script) as url:
        command = [
            *(sys.executable, "-m", "agents.cli", "eval", "--model", str(url)),
            *("--record", str(folder), "--table", *chosen),
        ]
        process = await asyncio.to_thread(subprocess.run, command, check=False)
    return process.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--greedy", action="store_true")
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    script, folder, names = (
        (everything, GREEDY_FOLDER, GREEDY) if given.greedy else (reasonable, FOLDER, NAMES)
    )
    sys.exit(asyncio.run(record(script, given.into or folder, given.names or names)))


if __name__ == "__main__":
    main()

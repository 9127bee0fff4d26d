"""Records scenarios with the scripted model, for `aiops eval --replay`.

    python tests/agents/record_scenarios.py [FOLDER] [NAME …]

Run it again when tools answer otherwise than the recordings say.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from investigator_script import reasonable
from scripted_model import scripted_model

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
FOLDER = Path(__file__).parents[2] / "agents/evaluate/recordings"


async def record(folder: Path, names: tuple[str, ...]) -> int:
    chosen = [part for name in names for part in ("--only", name)]
    async with scripted_model(reasonable) as url:
        command = [
            *(sys.executable, "-m", "agents.cli", "eval", "--model", str(url)),
            *("--record", str(folder), "--table", *chosen),
        ]
        process = await asyncio.to_thread(subprocess.run, command, check=False)  # noqa: S603
    return process.returncode


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    sys.exit(asyncio.run(record(folder, tuple(sys.argv[2:]) or NAMES)))


if __name__ == "__main__":
    main()

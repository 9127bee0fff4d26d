"""Lines through drain3 as it comes, without masks: the reference that log patterns are set beside.

    python benchmarks/drain3_reference.py FILE ROUNDS

Prints the least seconds of processor time. It runs in an environment of its own, because drain3
asks for versions that the project cannot have.
"""

import sys
import time
from pathlib import Path

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig


def seconds(lines: list[str]) -> float:
    config = TemplateMinerConfig()
    config.profiling_enabled = False
    miner = TemplateMiner(config=config)
    began = time.process_time()
    for line in lines:
        miner.add_log_message(line)
    return time.process_time() - began


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace")
    print(min(seconds(text.splitlines()) for _ in range(int(sys.argv[2]))))

"""Lines through drain3 as it comes, without masks: the reference that log patterns are set beside.

    python benchmarks/drain3_reference.py FILE ROUNDS KNOWN

Prints the least seconds of processor time, without that of the first KNOWN lines. It runs in an
environment of its own, because drain3 asks for versions that the project cannot have.
"""

import sys
import time
from pathlib import Path

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig


def seconds(lines: list[str], known: int) -> float:
    config = TemplateMinerConfig()
    config.profiling_enabled = False
    miner = TemplateMiner(config=config)
    for line in lines[:known]:
        miner.add_log_message(line)
    began = time.process_time()
    for line in lines[known:]:
        miner.add_log_message(line)
    return time.process_time() - began


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace")
    lines = text.split("\n")
    print(min(seconds(lines, int(sys.argv[3])) for _ in range(int(sys.argv[2]))))

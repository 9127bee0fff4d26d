"""Log lines through merge and folding, and through the patterns a model gets to see.

Lines of ten clusters with ten streams each, of which every tenth is a collector's second copy; a
hundred of them are shown. Lines are counted as they come in.
"""

import time
from datetime import UTC, datetime
from uuid import UUID

from aiops_mcp.fleet.log_folding import patterns_of
from aiops_mcp.fleet.log_merge import ClusterLines, merge
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.logs import LogDirection

CLUSTERS, STREAMS = 10, 10
MIN_LINES_PER_SECOND = 200_000.0
_START = 1_772_000_000_000_000_000
_BORN = datetime(2026, 1, 1, tzinfo=UTC)


def found(lines: int) -> list[tuple[Cluster, ClusterLines]]:
    """``lines`` lines over all clusters, as their stores would have answered."""
    made: list[tuple[Cluster, ClusterLines]] = []
    each = lines // (CLUSTERS * STREAMS)
    for number in range(CLUSTERS):
        own = ClusterLines()
        for stream in range(STREAMS):
            labels = {"namespace": "shop", "app": f"app-{stream}", "pod": f"app-{stream}-x"}
            own.add(labels, _lines(number * STREAMS + stream, each - each // 10))
            own.add({**labels, "replica": "1"}, _lines(number * STREAMS + stream, each // 10))
        made.append((_cluster(number), own))
    return made


_LEVELS = ("info", "info", "warn", "error")


def _lines(seed: int, count: int) -> list[tuple[int, str, dict[str, str]]]:
    return [
        (
            _START + number * 1_000_000 + seed,
            (
                f'time={number} level={_LEVELS[number % 4]} msg="request" '
                f"path=/api/v1/items/{number * 7 % 1000} status=200 took={number % 300}ms"
            ),
            {},
        )
        for number in range(count)
    ]


def _cluster(number: int) -> Cluster:
    return Cluster(
        id=UUID(int=number + 1),
        name=f"cluster-{number}",
        display_name="",
        api_server_url="https://x",
        created_at=_BORN,
        updated_at=_BORN,
    )


def lines_per_second(lines: int) -> float:
    """Lines a second of processor time that merge and folding take in."""
    answers = found(lines)
    began = time.process_time()
    merged = merge(answers, limit=100, direction=LogDirection.BACKWARD)
    took = time.process_time() - began
    if len(merged.entries) != 100 or merged.folded == 0:
        raise RuntimeError("the merge did not do what is measured")
    return sum(len(own.lines) for _, own in answers) / took


def patterns_per_second(lines: int) -> float:
    """Lines a second of processor time that are sorted into patterns."""
    merged = merge(found(lines), limit=lines, direction=LogDirection.FORWARD)
    began = time.process_time()
    patterns_of(merged.entries)
    return len(merged.entries) / (time.process_time() - began)

"""The commands that ask again what a report tells, to copy into a shell. Pure."""

import shlex
from collections.abc import Sequence
from datetime import datetime

from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.reports import Evidence

MOST_CLUSTERS = 4
"""More than so many are not named in a command: it asks the whole fleet instead."""


def command(*words: str, clusters: Sequence[str] = (), **options: str | None) -> str:
    """``aiops unhealthy --cluster a`` with everything quoted that a shell would read."""
    named = [] if len(clusters) > MOST_CLUSTERS else [*clusters]
    parts = ["aiops", *words]
    for name in named:
        parts += ["--cluster", name]
    for option, value in options.items():
        if value is not None:
            parts += [f"--{option}", value]
    return " ".join(shlex.quote(part) for part in parts)


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def evidence(
    claim: str, asks: str, coverage: Coverage | None = None, *, query: str | None = None
) -> Evidence:
    """What a claim stands on."""
    return Evidence(
        claim=claim, query=query, command=asks, coverage=covered(coverage) if coverage else ""
    )


def covered(coverage: Coverage) -> str:
    """``14 of 15 clusters answered; offline: tower-18``."""
    parts = [coverage.text]
    if coverage.failures:
        parts.append("no answer: " + ", ".join(one.cluster_name for one in coverage.failures))
    if coverage.stale:
        parts.append("last seen: " + ", ".join(one.cluster_name for one in coverage.stale))
    if coverage.offline:
        parts.append("offline: " + ", ".join(coverage.offline))
    return "; ".join(parts)

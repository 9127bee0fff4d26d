"""Every incident of the simulated fleet, judged by triage and analyze_root_cause beside its truth.

    python benchmarks/incidents.py [NAME …] [--quick]

Each incident runs alone in a fleet of its own at a fixed time; triage is asked of the whole fleet,
the root cause of the struck cluster (nothing but its name is given) and, where the truth expects
an alert, of that alert. Healthy hours and red herrings must be left empty. A place is that of the
truth among the answers: 1 is first, 0 is not among them.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from figures import Figure

from agents.evaluate.simulated import NOW, fleet_in
from agents.evaluate.truths import names_of, place_of
from aiops_mcp.app import App
from aiops_mcp.errors import AiopsError
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.rootcause import RCAResult
from aiops_mcp.models.triage import Triage
from aiops_mcp.operation import Call
from aiops_mcp.simulation.incident import read_incidents

HEALTHY = (
    *(("prod-virginia", hours) for hours in (0, 7, 15)),
    *(("prod-frankfurt", hours) for hours in (0, 7, 15)),
    *((name, 0) for name in ("fleet-hub", "ml-oregon", "edge-munich", "stage-singapore")),
)
"""Clusters, and how many hours before noon they are asked."""
QUICK = ("slow-database", "node-lost", "gpu-xid-79", "storage-gone", "healthy", "batch-cpu-spike")
FIRST_SHARE, THREE_SHARE = 0.8, 0.95


@dataclass(frozen=True, slots=True)
class Row:
    """One question's answers; ``truth`` is empty where nothing is wrong."""

    incident: str
    cluster: str
    truth: str
    triage: str
    triage_place: int
    cause: str
    cause_place: int
    of_alert: str
    alert_place: int | None
    seconds: float

    @property
    def is_quiet(self) -> bool:
        return not self.truth


async def ask(app: App, name: str, **arguments: Any) -> object:
    """The whole answer of one operation."""
    operation = next(one for one in app.operations if one.name == name)
    request = operation.request_type.model_validate(arguments)
    return await app.invoke(operation, request, Call(LOCAL_ADMIN, "cli"))


async def judge(name: str) -> Row:
    """One incident, asked all three ways."""
    truth = read_incidents(None)[name].truth
    names, cluster = names_of(truth), truth.cluster or "prod-virginia"
    async with fleet_in((name,)) as app:
        triage = cast("Triage", await ask(app, "triage", limit=50))
        began = time.process_time()
        found = cast("RCAResult", await ask(app, "analyze_root_cause", cluster=cluster))
        seconds = time.process_time() - began
        alert: RCAResult | None = None
        if names and truth.alerts:
            first = truth.alerts[0]
            try:
                answer = await ask(
                    app, "analyze_root_cause", alert=first.alertname, cluster=first.cluster
                )
                alert = cast("RCAResult", answer)
            except AiopsError:
                alert = None  # it does not fire
    if not names:
        return quiet(name, cluster, triage, found, seconds)
    problems = [one.component for one in triage.problems]
    causes = [one.component for one in found.causes]
    of_alert = [one.component for one in alert.causes] if alert else []
    return Row(
        incident=name,
        cluster=cluster,
        truth=f"{truth.namespace}/{truth.name}" if truth.namespace else truth.name or "",
        triage=problems[0] if problems else "",
        triage_place=place_of(names, problems),
        cause=causes[0] if causes else "",
        cause_place=place_of(names, causes),
        of_alert=of_alert[0] if of_alert else "",
        alert_place=place_of(names, of_alert) if alert else None,
        seconds=seconds,
    )


def quiet(incident: str, cluster: str, triage: Triage, found: RCAResult, seconds: float) -> Row:
    """A row where nothing is wrong: what was told of that cluster all the same."""
    problems = [one.component for one in triage.problems if cluster in one.clusters]
    causes = [one.component for one in found.causes]
    told = problems[0] if problems else ""
    cause = causes[0] if causes else ""
    return Row(incident, cluster, "", told, 0, cause, 0, "", None, seconds)


async def healthy_hour(cluster: str, hours: int) -> Row:
    now = NOW - timedelta(hours=hours)
    async with fleet_in(("healthy",), now) as app:
        triage = cast("Triage", await ask(app, "triage", clusters=[cluster]))
        began = time.process_time()
        found = cast("RCAResult", await ask(app, "analyze_root_cause", cluster=cluster))
        seconds = time.process_time() - began
    return quiet(f"healthy -{hours}h", cluster, triage, found, seconds)


def rows_of(names: Sequence[str], hours: Sequence[tuple[str, int]]) -> list[Row]:
    async def every() -> list[Row]:
        rows = [await judge(name) for name in names]
        return rows + [await healthy_hour(*one) for one in hours]

    return asyncio.run(every())


def figures_of(rows: Sequence[Row]) -> list[Figure]:
    """Totals: places of the truth, and what was left empty where nothing is wrong."""
    struck = [row for row in rows if not row.is_quiet]
    calm = [row for row in rows if row.is_quiet]
    alerts = [row for row in struck if row.alert_place is not None]
    ways = (
        ("triage", [row.triage_place for row in struck]),
        ("root cause by cluster", [row.cause_place for row in struck]),
        ("root cause by alert", [row.alert_place or 0 for row in alerts]),
    )
    figures: list[Figure] = []
    for name, places in ways:
        if not places:
            continue
        for what, most, least in (("first", 1, FIRST_SHARE), ("in three", 3, THREE_SHARE)):
            share = sum(0 < place <= most for place in places) / len(places)
            about = f"{name}: truth {what}, of {len(places)} incidents"
            target = f">= {least:g}"
            figures.append(Figure(about, share, "share", target=target, met=share >= least))
    if calm:
        for name, empty in (
            ("triage", [not row.triage for row in calm]),
            ("root cause", [not row.cause for row in calm]),
        ):
            share = sum(empty) / len(empty)
            about = f"{name}: left empty, of {len(empty)} healthy hours and red herrings"
            figures.append(Figure(about, share, "share", target=">= 0.9", met=share >= 0.9))
    if rows:
        most = max(row.seconds for row in rows)
        figures.append(Figure("root cause: CPU with the simulated servers, most", most, "s"))
    return figures


def measure(*, quick: bool) -> list[Figure]:
    """The figures of `run.py`."""
    names = QUICK if quick else tuple(read_incidents(None))
    return figures_of(rows_of(names, HEALTHY[:1] if quick else HEALTHY))


def table_of(rows: Sequence[Row]) -> str:
    lines = [
        "| incident | truth | triage | place | root cause | place | by its alert | place |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        places = ("", "", "") if row.is_quiet else _places(row)
        lines.append(
            f"| {row.incident} ({row.cluster}) | {row.truth or 'nothing'} "
            f"| {row.triage or '-'} | {places[0]} | {row.cause or '-'} | {places[1]} "
            f"| {row.of_alert or '-'} | {places[2]} |"
        )
    return "\n".join(lines)


def _places(row: Row) -> tuple[str, str, str]:
    by_alert = "" if row.alert_place is None else str(row.alert_place)
    return str(row.triage_place), str(row.cause_place), by_alert


def main() -> None:
    from figures import table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="incidents; without: all, and healthy hours")
    parser.add_argument("--quick", action="store_true", help="a few of them")
    options = parser.parse_args()
    names: list[str] = options.names or list(QUICK if options.quick else read_incidents(None))
    hours = () if options.names else HEALTHY[:1] if options.quick else HEALTHY
    rows = rows_of(names, hours)
    print(table_of(rows))
    print()
    print(table(figures_of(rows)))


if __name__ == "__main__":
    main()

"""Five questions, asked as somebody asks who knows no tricks: one call each, how many tokens?

    python benchmarks/questions.py [--show]

Asked of the real MCP server through a client in the same process, over a made-up fleet whose
answers are known (see ``synthetic.py``) and over the simulated fleet. Tokens are bytes / 3.6; an
answer counts as the larger of its two forms, for a client shows its model one of them. A figure is
met when the answer is small enough and what was asked for stands in both forms.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from fastmcp import Client
from figures import Figure, at_most, table
from synthetic import BUSIEST, NAMESPACED, SHIFTED, TOP_NAMESPACES, Story, synthetic_app

from aiops_mcp.app import App, open_app
from aiops_mcp.mcp_host import OpenApp, mcp_server
from aiops_mcp.settings import Settings

BYTES_PER_TOKEN = 3.6
SUBQUERY_SECONDS = 1.1
"""What the subquery takes that somebody writes by hand for the fourth question."""
HOT_HOURS = 3
BUSY = '100 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])) * 100'
INCIDENTS = (  # the first for the fourth question
    f"gpu-rack-thermal@-{HOT_HOURS}h",
    "gpu-xid-79",
    "oom-loop",
)
BUSY_CLUSTERS = '100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5m])))'
BY_NAMESPACE = "sum by (namespace) (rate(container_cpu_usage_seconds_total[1h]))"


@dataclass(frozen=True, slots=True)
class Question:
    """``told`` says whether the answer can be read off the text it is given."""

    name: str
    limit: int
    tool: str
    arguments: Mapping[str, Any]
    told: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Asked:
    question: Question
    text: str
    structured: str
    seconds: float

    @property
    def tokens(self) -> tuple[float, float]:
        """Of the text and of the structured form."""
        return (
            len(self.text.encode()) / BYTES_PER_TOKEN,
            len(self.structured.encode()) / BYTES_PER_TOKEN,
        )

    @property
    def is_told(self) -> bool:
        """Whether both forms, each alone, tell the answer."""
        return self.question.told(self.text) and self.question.told(self.structured)


def synthetic_questions(story: Story) -> tuple[Question, ...]:
    return (
        Question(
            "which cluster has the highest CPU now (asked by instance)",
            250,
            "query_metrics",
            {"query": BUSY},
            lambda text: _first_of(text, _CLUSTER) == BUSIEST,
        ),
        Question(
            "which cluster has the highest CPU now (asked by cluster)",
            250,
            "query_metrics",
            {"query": BUSY_CLUSTERS},
            lambda text: _first_of(text, _CLUSTER) == BUSIEST,
        ),
        Question(
            "top five namespaces by CPU, last hour, one cluster",
            350,
            "query_metrics",
            {"query": BY_NAMESPACE, "clusters": [NAMESPACED]},
            lambda text: _in_order(text, TOP_NAMESPACES),
        ),
        Question(
            "firing alerts over all clusters, 13 firing",
            800,
            "list_alerts",
            {},
            lambda text: "13 alerts" in text and _all_alerts(text, story),
        ),
        Question(
            "which of 200 series changed its level in 6 h, and when",
            350,
            "query_metrics",
            {"query": "queue_depth", "start_time": "-6h"},
            lambda text: _is_near(text, SHIFTED, story.shift_at),
        ),
        Question(
            "the GPU temperature metric among 400",
            120,
            "find_metrics",
            {"search": "gpu temperature"},
            lambda text: _first_of(text, r"DCGM_\w+") == "DCGM_FI_DEV_GPU_TEMP",
        ),
    )


_CLUSTER = r"(?:hub|prod|stage|ml|edge|factory)-[a-z]+(?:-[a-z]+)?(?:-\d)?"


def simulated_questions(answers: Mapping[str, Any]) -> tuple[Question, ...]:
    """The same of the simulated fleet; ``answers`` are worked out beside the server."""
    return (
        Question(
            "simulated: which cluster has the highest CPU",
            250,
            "query_metrics",
            {"query": BUSY},
            lambda text: answers["busiest"] in text,
        ),
        Question(
            "simulated: top five namespaces by CPU",
            350,
            "query_metrics",
            {"query": BY_NAMESPACE, "clusters": [answers["cluster"]]},
            lambda text: _in_order(text, answers["namespaces"]),
        ),
        Question(
            "simulated: firing alerts over all clusters",
            800,
            "list_alerts",
            {},
            lambda text: all(name in text for name in answers["alerts"]),
        ),
        Question(
            "simulated: which series changed its level in 6 h",
            350,
            "query_metrics",
            {"query": "DCGM_FI_DEV_GPU_TEMP", "start_time": "-6h"},
            lambda text: _is_near(text, answers["shifted"], answers["since"], 10),
        ),
        Question(
            "simulated: the GPU temperature metric",
            120,
            "find_metrics",
            {"search": "gpu temperature"},
            lambda text: _first_of(text, r"DCGM_\w+") == "DCGM_FI_DEV_GPU_TEMP",
        ),
        Question(
            "simulated: which pods restart most",
            350,
            "find_resources",
            {"kind": "pods", "sort": "restarts"},
            lambda text: "recommendation-" in text and "CrashLoopBackOff" in text,
        ),
        Question(
            "simulated: which pods are unhealthy and why",
            600,
            "list_unhealthy",
            {},
            lambda text: "shop/recommendation" in text and "OOMKilled 137" in text,
        ),
    )


def _first_of(text: str, pattern: str) -> str | None:
    found = re.search(pattern, text)
    return found[0] if found else None


def _in_order(text: str, names: tuple[str, ...]) -> bool:
    """The names stand in the rows, in this order and with none between them."""
    rows = text[text.find("value") :]
    places = [rows.find(name) for name in names]
    return -1 not in places and places == sorted(places)


def _all_alerts(text: str, story: Story) -> bool:
    return all(
        alert["labels"]["alertname"] in text and cluster in text
        for cluster, made in story.clusters.items()
        for alert in made.alerts
    )


def _is_near(text: str, series: str, at: float, minutes: int = 3) -> bool:
    """The headline names the series and a moment that is at most so far from the truth."""
    for found in re.finditer(r"(\S+) at \d\d-\d\dT(\d\d):(\d\d)Z from [\d.]+ to [\d.]+", text):
        told = int(found[2]) * 60 + int(found[3])
        moment = datetime.fromtimestamp(at, UTC)
        apart = abs(told - moment.hour * 60 - moment.minute)
        if series in found[1] and min(apart, 1440 - apart) <= minutes:
            return True
    return False


async def ask(client: Client, question: Question) -> Asked:
    began = time.perf_counter()
    result = await client.call_tool_mcp(question.tool, dict(question.arguments))
    seconds = time.perf_counter() - began
    structured = orjson.dumps(result.structured_content).decode()
    if result.is_error:
        raise RuntimeError(f"{question.name}: {result.content[0].text}")
    return Asked(question, result.content[0].text, structured, seconds)


@asynccontextmanager
async def client_of(app: App) -> AsyncGenerator[Client]:
    server = mcp_server(OpenApp(app), app.settings)
    async with Client(server) as client:
        yield client


async def ask_synthetic(repeats: int) -> list[Asked]:
    """Every question once, the slow one several times with the cache emptied between."""
    story = Story(float(int(time.time()) // 60 * 60))
    answers: list[Asked] = []
    with tempfile.TemporaryDirectory() as home:
        async with synthetic_app(Path(home), story) as app, client_of(app) as client:
            for question in synthetic_questions(story):
                rounds: list[Asked] = []
                for _ in range(repeats):
                    app.context.fleet.cache.forget(None)
                    rounds.append(await ask(client, question))
                answers.append(min(rounds, key=lambda asked: asked.seconds))
    return answers


async def ask_simulated() -> list[Asked]:
    """The questions over the demo's fleet, with two incidents going on."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), demo=True, demo_incidents=INCIDENTS)
        async with open_app(settings, watch=False) as app:
            await app.check_stale_clusters()
            truth = await _truth(app)
            async with client_of(app) as client:
                return [await ask(client, question) for question in simulated_questions(truth)]


async def _truth(app: App) -> dict[str, Any]:
    """What the full answers say, which the digests must agree with."""
    from aiops_mcp.models.principal import LOCAL_ADMIN

    metrics, cluster = app.context.metrics, "prod-frankfurt"
    busy = await metrics.query(BUSY, principal=LOCAL_ADMIN)
    named = await metrics.query(BY_NAMESPACE, selection=(cluster,), principal=LOCAL_ADMIN)
    found = await app.context.alerts.alerts(principal=LOCAL_ADMIN)
    ranked = sorted(
        ((float(s.values[-1][1]), r.cluster_name) for r in busy.results for s in r.data),
        reverse=True,
    )
    namespaces = sorted(
        ((float(s.values[-1][1]), s.metric["namespace"]) for r in named.results for s in r.data),
        reverse=True,
    )
    return {
        "busiest": ranked[0][1],
        "cluster": cluster,
        "namespaces": tuple(name for _, name in namespaces[:5]),
        "shifted": "ml-",
        "since": app.context.clock().timestamp() - 3600 * HOT_HOURS,
        "alerts": {
            alert.alertname
            for alert in found.alerts
            if not alert.is_suppressed
            and alert.alertname not in app.context.settings.dead_mans_switches
        },
    }


def figures_of(answers: list[Asked]) -> list[Figure]:
    found: list[Figure] = []
    for asked in answers:
        text, structured = asked.tokens
        counted = max(text, structured)
        told = asked.is_told
        found.append(
            Figure(
                f"{asked.question.name} [text {text:.0f}, structured {structured:.0f}]",
                round(counted),
                "tokens",
                target=f"<= {asked.question.limit}, 1 call, readable",
                met=counted <= asked.question.limit and told,
            )
        )
    return found


def measure(*, quick: bool = False) -> list[Figure]:
    synthetic = asyncio.run(ask_synthetic(1 if quick else 3))
    shift = next(each for each in synthetic if "changed its level" in each.question.name)
    found = figures_of(synthetic)
    found.append(at_most("  the same, time of the call", shift.seconds, "s", SUBQUERY_SECONDS))
    return found + figures_of(asyncio.run(ask_simulated()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="print the answers too")
    if parser.parse_args().show:
        for asked in [*asyncio.run(ask_synthetic(1)), *asyncio.run(ask_simulated())]:
            print(f"### {asked.question.name}: told {asked.is_told}, {asked.seconds:.2f} s, "
                  f"tokens {asked.tokens[0]:.0f} and {asked.tokens[1]:.0f}")  # fmt: skip
            print(f"{asked.text}\n{asked.structured}\n")
        return 0
    figures = measure()
    print(table(figures))
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

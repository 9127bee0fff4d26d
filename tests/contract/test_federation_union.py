"""Three clusters asked together answer as one Prometheus that holds all their series.

Over the whole path: the fleet, the real client, the wire format, a PromQL evaluator.
"""

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import numpy as np
import pytest

from aiops_mcp.backends.connect import NetworkConnect
from aiops_mcp.errors import BackendRefused
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.models.cluster import Cluster, ClusterEndpoints, ClusterState, ClusterStatus
from aiops_mcp.models.coverage import AnswerStatus
from aiops_mcp.models.metrics import Aggregation, ResultType
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.prometheus import prometheus_app
from aiops_mcp.simulation.promql.store import ArrayStore, Samples

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEMBERS = ("east", "north", "west")
BOUNDS = ("0.1", "0.5", "1", "5", "+Inf")


def samples(name, values, **labels):
    end = int(END.timestamp() * 1000)
    times = np.arange(end - 15_000 * (len(values) - 1), end + 1, 15_000, dtype=np.int64)
    pairs = tuple(sorted({**labels, "__name__": name}.items()))
    return Samples(pairs, times, np.asarray(values, dtype=np.float64))


def cluster_series(number):
    """Pods of two namespaces; each cluster has other sizes, speeds and numbers of pods."""
    random = np.random.default_rng(number)
    made = []
    for pod in range(2 + 3 * number):
        labels = {"ns": "ab"[pod % 2], "pod": f"p-{number}-{pod}"}
        steps = 300
        made.append(samples("memory", random.uniform(1, 100 * (number + 1), steps), **labels))
        requests = np.cumsum(random.integers(0, 20 * (number + 1), steps))
        made.append(samples("requests_total", requests, **labels))
        made.append(samples("errors_total", np.cumsum(random.integers(0, 5, steps)), **labels))
        cumulative = np.zeros(steps)
        for bound in BOUNDS:
            cumulative = cumulative + np.cumsum(random.integers(0, 9 * (number + 1), steps))
            made.append(samples("latency_bucket", cumulative, **labels, le=bound))
    return made


@pytest.fixture(scope="module")
def apps():
    parts = {name: cluster_series(number) for number, name in enumerate(MEMBERS)}
    stores = {name: ArrayStore(series) for name, series in parts.items()}
    stores["union"] = ArrayStore([one for series in parts.values() for one in series])
    return {name: prometheus_app(store, now=END.timestamp) for name, store in stores.items()}


class Registry:
    def __init__(self, clusters):
        self._clusters = tuple(clusters)

    async def list(self, principal):
        return self._clusters

    async def access_revision(self, cluster_id):
        return 0

    async def credentials_info(self, cluster_id):
        return None


@pytest.fixture
async def metrics(apps):
    clusters = [
        Cluster(
            id=uuid4(),
            name=name,
            api_server_url=f"https://api.{name}.invalid",
            endpoints=ClusterEndpoints(prometheus_url=f"https://{name}.invalid"),
            status=ClusterStatus(state=ClusterState.ONLINE),
            created_at=END,
            updated_at=END,
        )
        for name in (*MEMBERS, "union")
    ]
    settings = Settings(_env_file=None)

    def transport_for(url):
        return httpx2.ASGITransport(apps[httpx2.URL(url).host.split(".")[0]])

    fleet = Fleet(
        Registry(clusters),
        NetworkConnect(settings, transport_for),
        settings,
        clock=lambda: END,
        monotonic=time.monotonic,
    )
    yield FleetMetrics(fleet, settings, lambda: END)
    await fleet.aclose()


def as_numbers(result):
    return {
        tuple(sorted(series.metric.items())): {t: float(v) for t, v in series.values}
        for series in result.data
    }


QUERIES = [
    ("sum by (ns) (memory)", Aggregation.SUM),
    ("sum(rate(requests_total[5m]))", Aggregation.SUM),
    ("count by (ns) (memory)", Aggregation.SUM),
    ("rate(requests_total[5m])", Aggregation.SUM),
    ("sum(increase(requests_total[10m])) * 6", Aggregation.SUM),
    ("sum(rate(requests_total[5m])) - sum(rate(errors_total[5m]))", Aggregation.SUM),
    ("avg_over_time(sum(memory)[10m:1m])", Aggregation.SUM),
    ("avg by (ns) (memory)", Aggregation.AVG),
    ("avg(rate(requests_total[5m])) * 60", Aggregation.AVG),
    ("sum(rate(errors_total[5m])) / sum(rate(requests_total[5m]))", Aggregation.AVG),
    (
        "100 * (1 - sum by (ns) (rate(errors_total[5m])) / sum by (ns) (rate(requests_total[5m])))",
        Aggregation.AVG,
    ),
    ("max by (ns) (memory)", Aggregation.MAX),
    ("min(memory)", Aggregation.MIN),
    ("histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m])))", Aggregation.AVG),
    ("histogram_quantile(0.5, sum by (le, ns) (rate(latency_bucket[5m])))", Aggregation.SUM),
]


@pytest.mark.parametrize(("query", "aggregation"), QUERIES)
async def test_together_they_answer_as_one(metrics, query, aggregation):
    window = {"start": END - timedelta(minutes=30), "end": END, "step": "1m"}
    fleet = await metrics.query_range(
        query, selection=MEMBERS, principal=LOCAL_ADMIN, aggregation=aggregation, **window
    )
    one = await metrics.query_range(query, selection=["union"], principal=LOCAL_ADMIN, **window)
    found, expected = as_numbers(fleet.results[0]), as_numbers(one.results[0])
    assert fleet.results[0].result_type is ResultType.MATRIX
    assert found.keys() == expected.keys()
    assert expected
    for labels, points in expected.items():
        assert len(points) == 31
        assert found[labels] == pytest.approx(points, rel=1e-9)


@pytest.mark.parametrize(("query", "aggregation"), QUERIES)
async def test_at_one_instant_too(metrics, query, aggregation):
    fleet = await metrics.query(
        query, selection=MEMBERS, principal=LOCAL_ADMIN, aggregation=aggregation
    )
    one = await metrics.query(query, selection=["union"], principal=LOCAL_ADMIN, time=END)
    found, expected = as_numbers(fleet.results[0]), as_numbers(one.results[0])
    assert expected
    assert found == {labels: pytest.approx(points) for labels, points in expected.items()}


async def test_what_a_cluster_refuses_is_told_in_its_words_beside_the_others(metrics):
    query = "memory * on (ns) requests_total"  # one pod a namespace only in the smallest cluster
    answer = await metrics.query(query, selection=MEMBERS, principal=LOCAL_ADMIN)
    east, north, west = answer.results
    assert east.status is AnswerStatus.SUCCESS
    assert len(east.data) == 2
    for refused in (north, west):
        assert refused.status is AnswerStatus.ERROR
        assert "duplicate" in refused.error or "many-to-many" in refused.error
    assert answer.coverage.text == "1 of 3 clusters answered"
    with pytest.raises(BackendRefused):
        await metrics.query(query, selection=["north", "west"], principal=LOCAL_ADMIN)


async def test_merged_results_stand_side_by_side(metrics):
    answer = await metrics.query("count(memory)", selection=MEMBERS, principal=LOCAL_ADMIN)
    assert [(r.cluster_name, r.data[0].values[0][1]) for r in answer.results] == [
        ("east", "2"),
        ("north", "5"),
        ("west", "8"),
    ]
    assert {r.status for r in answer.results} == {AnswerStatus.SUCCESS}
    assert answer.warnings == ()

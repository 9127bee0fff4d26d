"""What a PrometheusClient sends, and how it falls back."""

from datetime import UTC, datetime
from urllib.parse import parse_qs

import httpx2
import pytest

from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.prometheus import PrometheusClient, escaped_label
from aiops_mcp.backends.prometheus_answers import LARGE
from aiops_mcp.errors import (
    BackendMisbehaved,
    BackendRefused,
    BackendUnauthorized,
    ClusterUnreachable,
    QueryTimeout,
)

EMPTY = {"status": "success", "data": {"resultType": "vector", "result": []}}


def client(answer, **settings):
    sent = []

    def handle(request):
        sent.append(request)
        found = answer(request)
        return found if isinstance(found, httpx2.Response) else httpx2.Response(200, json=found)

    http = HttpClient(
        Target("https://p/base", "prometheus", "c1"),
        transport=httpx2.MockTransport(handle),
        retries=settings.pop("retries", 0),
        **settings,
    )
    return PrometheusClient(http), sent


def form(request):
    return parse_qs(request.content.decode())


async def test_a_query_is_a_form():
    prometheus, sent = client(lambda request: EMPTY)
    await prometheus.query("up", time=1700000000.1234, limit=5, timeout=12)
    assert (sent[0].method, sent[0].url.path) == ("POST", "/base/api/v1/query")
    assert form(sent[0]) == {
        "query": ["up"],
        "time": ["1700000000.123"],
        "limit": ["5"],
        "timeout": ["12"],
    }


async def test_without_time_and_timeout():
    prometheus, sent = client(lambda request: EMPTY, timeout=30.0)
    await prometheus.query("up")
    assert form(sent[0]) == {"query": ["up"], "timeout": ["30"]}


async def test_a_range():
    prometheus, sent = client(lambda request: EMPTY)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    await prometheus.query_range("up", start=moment, end=1767229200, step=0.5, timeout=1.5)
    assert form(sent[0]) == {
        "query": ["up"],
        "start": ["1767225600"],
        "end": ["1767229200"],
        "step": ["0.5"],
        "timeout": ["1.5"],
    }


async def test_the_service_proxy_lets_readers_only_get():
    def answer(request):
        if request.method == "POST":
            return httpx2.Response(403, json={"kind": "Status", "message": "cannot create"})
        return EMPTY

    prometheus, sent = client(answer)
    await prometheus.query('up{a="b"}')
    await prometheus.query("up")
    assert [request.method for request in sent] == ["POST", "GET", "GET"]
    assert sent[1].url.params["query"] == 'up{a="b"}'


async def test_a_long_query_cannot_be_a_get():
    prometheus, sent = client(lambda request: httpx2.Response(403))
    with pytest.raises(BackendUnauthorized):
        await prometheus.query(" or ".join(["up"] * 2000))
    assert [request.method for request in sent] == ["POST"]


async def test_when_get_is_refused_as_well_posts_go_on():
    prometheus, sent = client(lambda request: httpx2.Response(403))
    for _ in range(2):
        with pytest.raises(BackendUnauthorized):
            await prometheus.query("up")
    assert [request.method for request in sent] == ["POST", "GET", "POST", "GET"]


async def test_a_server_side_timeout_is_not_repeated():
    body = {"status": "error", "errorType": "timeout", "error": "query timed out"}
    prometheus, sent = client(lambda request: httpx2.Response(503, json=body), retries=3)
    with pytest.raises(QueryTimeout, match="query timed out"):
        await prometheus.query("up")
    assert len(sent) == 1


async def test_names_are_cut_at_the_limit_by_servers_that_know_none():
    prometheus, sent = client(lambda request: {"status": "success", "data": ["a", "b", "c"]})
    assert await prometheus.labels(["up", "down"], 1, 2, 2) == ("a", "b")
    assert form(sent[0]) == {
        "match[]": ["up", "down"],
        "start": ["1"],
        "end": ["2"],
        "limit": ["2"],
    }
    assert await prometheus.label_values("job", limit=None) == ("a", "b", "c")
    assert sent[1].url.path == "/base/api/v1/label/job/values"


async def test_label_names_in_paths_are_escaped():
    prometheus, sent = client(lambda request: {"status": "success", "data": []})
    await prometheus.label_values("my.label/ü")
    assert sent[0].url.raw_path == b"/base/api/v1/label/U__my_2e_label_2f__fc_/values"


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("job", "job"),
        ("__name__", "__name__"),
        ("a.b_c", "U__a_2e_b__c"),
        ("1a", "U___31_a"),
        ("a1", "a1"),
        ("größe", "U__gr_f6__df_e"),
    ],
)
def test_escaping(name, escaped):
    assert escaped_label(name) == escaped


async def test_healthy_asks_a_query_where_ready_is_not_exposed():
    def answer(request):
        return httpx2.Response(404) if request.url.path.endswith("ready") else EMPTY

    prometheus, sent = client(answer)
    await prometheus.healthy()
    assert form(sent[1])["query"] == ["vector(1)"]


@pytest.mark.parametrize("page", ["<html>Log in</html>", "", "{}"])
async def test_a_page_that_answers_to_everything_is_no_prometheus(page):
    prometheus, sent = client(lambda request: httpx2.Response(200, text=page))
    with pytest.raises(BackendMisbehaved):
        await prometheus.healthy()
    assert form(sent[1])["query"] == ["vector(1)"]


async def test_ready_is_enough():
    prometheus, sent = client(
        lambda request: httpx2.Response(200, text="Prometheus Server is Ready.\n")
    )
    await prometheus.healthy()
    assert len(sent) == 1


async def test_not_ready_is_not_healthy():
    prometheus, sent = client(lambda request: httpx2.Response(503, text="Service Unavailable"))
    with pytest.raises(ClusterUnreachable, match="Service Unavailable"):
        await prometheus.healthy()


async def test_thanos_is_known_by_its_stores():
    stores = {"status": "success", "data": {"sidecar": [{"name": "s"}]}}
    assert await client(lambda request: stores)[0].is_thanos() is True
    assert await client(lambda request: httpx2.Response(404))[0].is_thanos() is False
    html = httpx2.Response(200, text="<html>", headers={"content-type": "text/html"})
    assert await client(lambda request: html)[0].is_thanos() is False
    assert await client(lambda request: [1])[0].is_thanos() is False


async def test_metadata_and_tsdb_paths():
    prometheus, sent = client(lambda request: {"status": "success", "data": {}})
    await prometheus.metadata("up", 5)
    await prometheus.tsdb_status()
    await prometheus.buildinfo()
    assert [request.url.raw_path.decode() for request in sent] == [
        "/base/api/v1/metadata?metric=up&limit=5",
        "/base/api/v1/status/tsdb",
        "/base/api/v1/status/buildinfo",
    ]


async def test_json_that_is_not_prometheus():
    prometheus, _ = client(lambda request: {"hello": 1})
    for call in (prometheus.query("up"), prometheus.labels(), prometheus.rules()):
        with pytest.raises(BackendMisbehaved, match="not Prometheus's"):
            await call


async def test_execution_errors_keep_their_kind():
    body = {"status": "error", "errorType": "execution", "error": "many-to-many matching"}
    prometheus, _ = client(lambda request: httpx2.Response(422, json=body))
    with pytest.raises(BackendRefused) as caught:
        await prometheus.query("a * b")
    assert caught.value.http_status == 422
    assert caught.value.details["error_type"] == "execution"
    assert "many-to-many" in caught.value.message


async def test_a_large_answer():
    result = [{"metric": {"i": f"{i:050d}"}, "value": [1, "2"]} for i in range(LARGE // 60)]
    big = {"status": "success", "data": {"resultType": "vector", "result": result}}
    prometheus, _ = client(lambda request: big)
    assert len((await prometheus.query("up")).series) == len(result)

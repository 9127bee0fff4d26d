"""What a PrometheusClient answers must be the same for every backend that holds the same series."""

import asyncio
import math
import time
from datetime import UTC, datetime

import pytest
from dataset import COUNT, END, SERIES, START, STEP

from aiops_mcp.errors import BackendRefused
from aiops_mcp.models.metrics import ResultType


async def test_instant_vector_has_labels_time_and_value(prometheus):
    answer = await prometheus.client.query("contract_up", time=END)
    assert answer.result_type is ResultType.VECTOR
    found = sorted((one.metric["instance"], one.values) for one in answer.series)
    assert found == [("a", ((END, "1"),)), ("b", ((END, "0"),))]
    assert answer.series[0].metric.keys() == {"__name__", "job", "instance"}


async def test_a_datetime_is_as_good_as_unix_seconds(prometheus):
    moment = datetime.fromtimestamp(END, UTC)
    answer = await prometheus.client.query("sum(contract_requests_total)", time=moment)
    assert [one.values for one in answer.series] == [((END, "600"),)]


async def test_range_has_every_step_both_ends_included(prometheus):
    answer = await prometheus.client.query_range(
        "sum by (job) (contract_requests_total)", start=START, end=END, step=60
    )
    assert answer.result_type is ResultType.MATRIX
    [series] = answer.series
    assert series.metric == {"job": "api"}
    assert series.values == tuple((START + i * 60, str(60 * i)) for i in range(11))


async def test_range_may_be_long(prometheus):
    answer = await prometheus.client.query_range(
        "contract_requests_total", start=START, end=END, step=STEP
    )
    assert [len(one.values) for one in answer.series] == [COUNT, COUNT]


async def test_label_values_survive_quotes_and_umlauts(prometheus):
    answer = await prometheus.client.query("contract_temperature_celsius", time=END)
    assert answer.series[0].metric["room"] == 'größe, "north"\\n'
    assert float(answer.series[0].values[0][1]) == pytest.approx(40 + 5 * math.sin(10))


async def test_infinity_is_a_value(prometheus):
    answer = await prometheus.client.query("sum(contract_up) / 0", time=END)
    assert answer.series[0].values[0][1] == "+Inf"


async def test_scalar(prometheus):
    answer = await prometheus.client.query("1 + 1", time=END)
    assert [one.values for one in answer.series] == [((END, "2"),)]
    if prometheus.is_prometheus:  # VictoriaMetrics answers a vector
        assert answer.result_type is ResultType.SCALAR


async def test_string(prometheus):
    if not prometheus.is_prometheus:
        pytest.skip("VictoriaMetrics knows no strings as results")
    answer = await prometheus.client.query('"text"', time=END)
    assert answer.result_type is ResultType.STRING
    assert answer.series[0].values == ((END, "text"),)


async def test_no_data_is_an_empty_answer_and_no_error(prometheus):
    answer = await prometheus.client.query("contract_nothing", time=END)
    assert (answer.series, answer.warnings) == ((), ())


async def test_long_queries_are_sent(prometheus):
    query = " or ".join(f'contract_up{{instance="{i:040d}"}}' for i in range(200))
    assert (await prometheus.client.query(query, time=END)).series == ()


async def test_labels(prometheus):
    names = await prometheus.client.labels(['{__name__=~"contract_.*"}'], START, END)
    assert set(names) == {"__name__", "instance", "job", "room"}


async def test_label_values(prometheus):
    client = prometheus.client
    assert await client.label_values("instance", ["contract_up"], START, END) == ("a", "b")
    assert await client.label_values("instance", ["contract_up"], START, END, 1) == ("a",)
    assert await client.label_values("nowhere", ["contract_up"], START, END) == ()


async def test_series(prometheus):
    found = await prometheus.client.series(["contract_up", "contract_requests_total"], START, END)
    expected = [labels for labels, _ in SERIES if "room" not in labels]
    assert sorted(map(_pairs, found)) == sorted(map(_pairs, expected))


async def test_a_query_that_cannot_be_parsed_is_refused(prometheus):
    with pytest.raises(BackendRefused) as caught:
        await prometheus.client.query("sum(", time=END)
    assert "contract" in caught.value.message
    if prometheus.is_prometheus:
        assert caught.value.http_status == 400
        assert caught.value.details["error_type"] == "bad_data"
        assert "parse error" in caught.value.message


async def test_too_many_points_are_refused(prometheus):
    if not prometheus.is_prometheus:
        pytest.skip("VictoriaMetrics has another limit")
    with pytest.raises(BackendRefused, match="11,000 points"):
        await prometheus.client.query_range("contract_up", start=0, end=END, step=1)


async def test_a_match_that_fails_is_refused_as_execution(prometheus):
    if not prometheus.is_prometheus:
        pytest.skip("VictoriaMetrics merges what Prometheus refuses")
    with pytest.raises(BackendRefused) as caught:
        await prometheus.client.query("contract_up + on (job) contract_up", time=END)
    assert caught.value.http_status == 422
    assert caught.value.details["error_type"] == "execution"


async def test_healthy(prometheus):
    await prometheus.client.healthy()


async def test_is_no_thanos(prometheus):
    assert await prometheus.client.is_thanos() is False


async def test_buildinfo(prometheus):
    found = await prometheus.client.buildinfo()
    if prometheus.is_prometheus:
        assert found["version"].split(".")[0] in {"2", "3"}


async def test_metadata(prometheus):
    if prometheus.name == "victoria-metrics":
        assert await prometheus.client.metadata() == {}
        return
    name, kind = (
        ("contract_up", "gauge") if prometheus.name == "simulated" else ("node_load1", "gauge")
    )
    if prometheus.name == "real":
        await _until(lambda: _known(prometheus.client, name))
    found = await prometheus.client.metadata(name)
    assert found.keys() == {name}
    assert found[name].type == kind
    assert found[name].help.endswith(".")


async def test_tsdb_status(prometheus):
    found = await prometheus.client.tsdb_status()
    if prometheus.is_prometheus:
        assert found["headStats"]["numSeries"] >= len(SERIES)


async def test_rules(prometheus):
    groups = await prometheus.client.rules()
    if not prometheus.has_rules:
        assert groups == ()
        return
    [group] = groups
    assert (group.name, group.interval) == ("contract", 1.0)
    recording, firing, waiting = group.rules
    assert (recording.kind, recording.name, recording.query) == (
        "recording",
        "contract:one",
        "vector(1)",
    )
    assert (firing.kind, firing.labels) == (
        "alerting",
        {"severity": "critical", "team": "platform"},
    )
    assert firing.annotations == {"summary": "fires from the first second on"}
    assert waiting.duration == 3600.0


async def test_rule_alerts(prometheus):
    if not prometheus.has_rules:
        assert await prometheus.client.alerts() == ()
        return
    if prometheus.name == "real":
        await _until(lambda: _has_alerts(prometheus.client, 2))
    found = {one.labels["alertname"]: one for one in await prometheus.client.alerts()}
    assert found["ContractAlwaysFires"].state == "firing"
    assert found["ContractAlwaysFires"].annotations["summary"].startswith("fires")
    assert found["ContractWaits"].state == "pending"
    assert found["ContractWaits"].active_at is not None


async def test_targets(prometheus):
    if not prometheus.has_rules:
        assert await prometheus.client.targets() == ()
        return
    if prometheus.name == "real":
        await _until(lambda: _is_up(prometheus.client))
    [target] = await prometheus.client.targets()
    assert (target.scrape_pool, target.health, target.last_error) == ("node", "up", "")
    assert target.scrape_url.endswith("/metrics")
    assert target.labels["job"] == "node"


def _pairs(labels):
    return sorted(labels.items())


async def _known(client, name):
    return name in await client.metadata(name)


async def _has_alerts(client, count):
    return len(await client.alerts()) == count


async def _is_up(client):
    return [one.health for one in await client.targets()] == ["up"]


async def _until(holds):
    """Ask the real server until it says so: its own ticks cannot be awaited."""
    ends = time.monotonic() + 20
    while not await holds():
        assert time.monotonic() < ends
        await asyncio.sleep(0.05)

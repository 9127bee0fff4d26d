import json

import pytest

NOW = 1_764_050_000
TIME = {
    "query.startTimeMin": "2025-11-25T05:23:20.000000000Z",
    "query.startTimeMax": "2025-11-25T05:53:20Z",
}


@pytest.fixture
def jaeger(fleet_with, client_of):
    return client_of(fleet_with("gpu-rack-thermal"), "ml-frankfurt", "tempo")


def spans_of(answer):
    return [
        span
        for block in answer.json()["result"]["resourceSpans"]
        for scope in block["scopeSpans"]
        for span in scope["spans"]
    ]


async def test_services_and_operations(jaeger):
    services = ["chat-gateway", "vllm-llama-3-70b"]
    assert (await jaeger.get("/api/v3/services")).json() == {"services": services}
    assert (await jaeger.get("/api/services")).json()["data"] == services
    params = {"service": "chat-gateway"}
    operations = (await jaeger.get("/api/v3/operations", params=params)).json()["operations"]
    assert {"name": "POST /chat", "spanKind": "server"} in operations
    assert {"name": "POST", "spanKind": "client"} in operations
    old = await jaeger.get("/api/services/chat-gateway/operations")
    assert "POST /chat" in old.json()["data"]
    assert (await jaeger.get("/api/v3/operations")).status_code == 400


async def test_a_search_of_v3_answers_whole_traces_in_hex(jaeger):
    params = TIME | {"query.serviceName": "vllm-llama-3-70b", "query.searchDepth": "3"}
    spans = spans_of(await jaeger.get("/api/v3/traces", params=params))
    assert len({span["traceId"] for span in spans}) == 3
    assert all(len(span["traceId"]) == 32 and len(span["spanId"]) == 16 for span in spans)
    assert {span["kind"] for span in spans} == {2, 3}
    params |= {"query.durationMin": "8s", "query.searchDepth": "100"}
    slow = spans_of(await jaeger.get("/api/v3/traces", params=params))
    served = [span for span in slow if span["name"] == "POST /v1/chat/completions"]
    assert len(served) > 20  # the heat doubles what answers take
    assert all(int(s["endTimeUnixNano"]) - int(s["startTimeUnixNano"]) >= 8e9 for s in served)
    params["query.attributes"] = json.dumps({"http.response.status_code": "418"})
    nothing = await jaeger.get("/api/v3/traces", params=params)
    assert nothing.status_code == 404
    assert nothing.json()["error"] == {"httpCode": 404, "message": "No traces found"}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"query.serviceName": "chat-gateway"},
        TIME,
        TIME | {"query.serviceName": "a", "query.durationMin": "long"},
        TIME | {"query.serviceName": "a", "query.searchDepth": "-1"},
        TIME | {"query.serviceName": "a", "query.attributes": "[1]"},
        TIME | {"query.serviceName": "a", "query.attributes": '{"a": 1}'},
        TIME | {"query.serviceName": "a", "query.startTimeMin": "yesterday"},
        TIME | {"query.serviceName": "a", "query.startTimeMin": "2025-11-25T05:23:20"},
    ],
)
async def test_bad_searches_are_refused(params, jaeger):
    answer = await jaeger.get("/api/v3/traces", params=params)
    assert answer.status_code == 400
    assert answer.json()["error"]["httpCode"] == 400


async def test_a_trace_by_id_in_both_versions(jaeger):
    params = {"service": "chat-gateway", "limit": "2", "lookback": "1h"}
    found = (await jaeger.get("/api/traces", params=params)).json()["data"]
    assert len(found) == 2
    trace_id = found[0]["traceID"]
    (one,) = (await jaeger.get(f"/api/traces/{trace_id}")).json()["data"]
    assert one == found[0]
    spans = spans_of(await jaeger.get(f"/api/v3/traces/{trace_id}"))
    assert {s["spanId"] for s in spans} == {s["spanID"] for s in one["spans"]}
    by_id = {span["spanID"]: span for span in one["spans"]}
    child = next(span for span in one["spans"] if span["references"])
    assert child["references"][0]["spanID"] in by_id
    assert one["processes"][child["processID"]]["serviceName"] in (
        "chat-gateway",
        "vllm-llama-3-70b",
    )
    assert {"key": "span.kind", "type": "string", "value": "client"} in child["tags"]
    missing = await jaeger.get(f"/api/v3/traces/{'ab' * 16}")
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "trace not found")
    assert (await jaeger.get("/api/v3/traces/xyz")).status_code == 400
    gone = await jaeger.get(f"/api/traces/{'ab' * 16}")
    assert gone.json()["errors"] == [{"code": 404, "msg": "trace not found"}]


async def test_dependencies_and_what_is_off(jaeger):
    params = {"endTs": str(NOW * 1000), "lookback": "1800000"}
    (edge,) = (await jaeger.get("/api/dependencies", params=params)).json()["data"]
    assert (edge["parent"], edge["child"]) == ("chat-gateway", "vllm-llama-3-70b")
    assert edge["callCount"] > 400
    assert (await jaeger.get("/api/dependencies")).status_code == 400
    assert (await jaeger.get("/api/metrics/calls")).status_code == 501
    assert (await jaeger.get("/search")).headers["content-type"].startswith("text/html")
    assert (await jaeger.get("/api/echo")).status_code == 404
    assert (await jaeger.get("/api/traces")).status_code == 400

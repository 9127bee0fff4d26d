import base64

import pytest

NOW = 1_764_050_000
HOUR = {"start": str(NOW - 3600), "end": str(NOW)}
FAILING = '{ resource.service.name = "frontend" && status = error && kind = server }'


@pytest.fixture
def tempo(fleet_with, client_of):
    return client_of(fleet_with("oom-loop"), "prod-frankfurt", "tempo")


async def test_it_says_that_it_is_there(tempo):
    assert (await tempo.get("/ready")).text == "ready\n"
    assert (await tempo.get("/api/echo")).text == "echo"
    assert (await tempo.get("/api/status/buildinfo")).json()["version"] == "2.7.1"
    missing = await tempo.get("/api/nothing")
    assert (missing.status_code, missing.text) == (404, "404 page not found\n")


async def test_a_search_answers_hits_as_tempo_does(tempo):
    query = FAILING.replace(" }", " && span.http.response.status_code = 500 } | select(name)")
    answer = await tempo.get("/api/search", params=HOUR | {"q": query, "limit": "5", "spss": "1"})
    hits = answer.json()["traces"]
    assert len(hits) == 5
    for hit in hits:
        assert hit["rootServiceName"] == "frontend"
        assert hit["rootTraceName"].startswith(("GET /", "POST /"))
        assert (NOW - 3600) * 10**9 < int(hit["startTimeUnixNano"]) < NOW * 10**9
        assert 0 < hit["durationMs"] < 20_000
        assert not hit["traceID"].startswith("0")
        assert hit["serviceStats"]["frontend"]["errorCount"] >= 1
        (spans,) = hit["spanSets"]
        assert spans["matched"] == 1
        (span,) = spans["spans"]
        assert span["name"] == hit["rootTraceName"]
        told = {one["key"]: one["value"] for one in span["attributes"]}
        assert told["http.response.status_code"] == {"intValue": "500"}
        assert told["service.name"] == {"stringValue": "frontend"}


async def test_hits_carry_only_what_was_asked_about(tempo):
    answer = await tempo.get("/api/search", params=HOUR | {"q": "{ }", "limit": "1"})
    (hit,) = answer.json()["traces"]
    assert len(hit["spanSets"][0]["spans"]) <= 3
    assert hit["spanSets"][0]["matched"] == sum(
        one["spanCount"] for one in hit["serviceStats"].values()
    )
    assert {"spanID", "startTimeUnixNano", "durationNanos", "attributes"} == set(
        hit["spanSets"][0]["spans"][0]
    )


async def test_tags_and_durations_of_the_older_search(tempo):
    params = HOUR | {"tags": "service.name=checkout http.response.status_code=200", "limit": "50"}
    found = (await tempo.get("/api/search", params=params)).json()["traces"]
    assert len(found) == 50
    assert all("checkout" in hit["serviceStats"] for hit in found)
    slow = (await tempo.get("/api/search", params=params | {"minDuration": "900ms"})).json()
    assert 0 < len(slow["traces"]) < 50
    assert all(hit["durationMs"] >= 900 for hit in slow["traces"])
    quick = await tempo.get("/api/search", params=HOUR | {"maxDuration": "20ms"})
    assert all(hit["durationMs"] <= 20 for hit in quick.json()["traces"])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"q": "{ nme = 1 }"}, "invalid TraceQL query: parse error at line 1, col 3"),
        ({"q": "{ }", "tags": "a=b"}, "can't specify tags and q"),
        ({"q": "{ } | rate()"}, "metrics queries are not supported in search"),
        ({"start": str(NOW)}, "please provide both start and end"),
        ({"start": str(NOW), "end": str(NOW - 5)}, "start must be before end"),
        ({"start": "soon", "end": "now"}, "invalid start"),
        ({"start": str(NOW - 169 * 3600), "end": str(NOW)}, "exceeds 168h0m0s"),
        ({"limit": "0"}, "must be a positive number"),
        ({"limit": "many"}, "invalid limit"),
        ({"limit": "300000"}, "exceeds max 262144"),
        ({"spss": "101"}, "exceeds max 100"),
        ({"minDuration": "long"}, 'invalid minDuration: time: invalid duration "long"'),
        ({"tags": "alone"}, "logfmt syntax error"),
        ({"tags": 'a="'}, "invalid tags"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_plain_text(params, said, tempo):
    answer = await tempo.get("/api/search", params=params)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert said in answer.text


async def test_a_trace_by_id_in_both_forms(tempo):
    found = await tempo.get("/api/search", params=HOUR | {"q": FAILING, "limit": "1"})
    trace_id = found.json()["traces"][0]["traceID"]
    old = (await tempo.get(f"/api/traces/{trace_id}")).json()
    new = (await tempo.get(f"/api/v2/traces/{trace_id.upper()}")).json()
    assert new["status"] == "COMPLETE"
    assert new["trace"]["resourceSpans"] == old["batches"]
    spans = [
        span for block in old["batches"] for scope in block["scopeSpans"] for span in scope["spans"]
    ]
    assert {base64.b64decode(span["traceId"]).hex().lstrip("0") for span in spans} == {trace_id}
    (root,) = [span for span in spans if "parentSpanId" not in span]
    assert root["kind"] == "SPAN_KIND_SERVER"
    assert root["status"]["code"] == "STATUS_CODE_ERROR"
    assert len(base64.b64decode(root["spanId"])) == 8
    assert int(root["endTimeUnixNano"]) > int(root["startTimeUnixNano"])
    ids = {span["spanId"] for span in spans}
    assert all(span["parentSpanId"] in ids for span in spans if span is not root)
    resource = {
        one["key"]: one["value"]["stringValue"]
        for one in old["batches"][0]["resource"]["attributes"]
    }
    assert resource["k8s.cluster.name"] == "prod-frankfurt"
    assert resource["k8s.pod.name"].startswith("frontend-")


@pytest.mark.parametrize("version", ["", "/v2"])
async def test_ids_that_are_none_and_traces_that_are_not_there(version, tempo):
    missing = await tempo.get(f"/api{version}/traces/{'ab' * 16}")
    assert (missing.status_code, missing.text) == (404, "")
    odd = await tempo.get(f"/api{version}/traces/xyz")
    assert odd.status_code == 400
    assert odd.text.startswith("trace IDs can only contain hex characters: invalid character 'x'")
    assert (await tempo.get(f"/api{version}/traces/{'a' * 33}")).status_code == 400


async def test_tags_and_their_values(tempo):
    scopes = (await tempo.get("/api/v2/search/tags")).json()["scopes"]
    names = {one["name"]: one["tags"] for one in scopes}
    assert {"service.name", "k8s.pod.name"} <= set(names["resource"])
    assert {"http.route", "db.statement"} <= set(names["span"])
    only = (await tempo.get("/api/v2/search/tags", params={"scope": "resource"})).json()["scopes"]
    assert [one["name"] for one in only] == ["resource"]
    assert (await tempo.get("/api/v2/search/tags", params={"scope": "x"})).status_code == 400
    services = await tempo.get("/api/v2/search/tag/resource.service.name/values")
    values = services.json()["tagValues"]
    assert {"type": "string", "value": "frontend"} in values
    assert len(values) == 8
    old = (await tempo.get("/api/search/tag/service.name/values")).json()["tagValues"]
    assert old == [one["value"] for one in values]
    query = {"q": '{ resource.service.name = "payment" }'}
    routes = await tempo.get("/api/v2/search/tag/span.http.route/values", params=query)
    assert routes.json()["tagValues"] == [{"type": "string", "value": "/charges"}]
    status = (await tempo.get("/api/v2/search/tag/status/values")).json()["tagValues"]
    assert {"type": "keyword", "value": "error"} in status
    assert (await tempo.get("/api/v2/search/tag/nonsense/values")).status_code == 400


async def test_metrics_from_spans(tempo):
    params = HOUR | {"q": '{ kind = server && .service.name = "frontend" } | rate()', "step": "10m"}
    (one,) = (await tempo.get("/api/metrics/query_range", params=params)).json()["series"]
    assert len(one["samples"]) == 6
    assert all(0.2 < sample["value"] < 0.3 for sample in one["samples"])
    params["q"] = (
        "{ status = error && kind = server } | count_over_time() by (resource.service.name)"
    )
    (failing,) = (await tempo.get("/api/metrics/query_range", params=params)).json()["series"]
    assert failing["labels"] == [
        {"key": "resource.service.name", "value": {"stringValue": "frontend"}}
    ]
    assert [sample["value"] > 5 for sample in failing["samples"]][-4:] == [True] * 4
    params["q"] = "{ kind = server } | quantile_over_time(duration, .5, .99)"
    series = (await tempo.get("/api/metrics/query_range", params=params)).json()["series"]
    halves, most = (one["samples"][0]["value"] for one in series)
    assert 0.005 < halves < most < 5
    params["q"] = "{ } | histogram_over_time(duration)"
    buckets = (await tempo.get("/api/metrics/query", params=params)).json()["series"]
    assert sum(one["value"] for one in buckets) > 5_000
    refused = await tempo.get("/api/metrics/query_range", params=HOUR | {"q": "{ }"})
    assert refused.status_code == 400
    day = {"start": str(NOW - 90_000), "end": str(NOW), "q": "{ } | rate()"}
    assert "24h0m0s" in (await tempo.get("/api/metrics/query_range", params=day)).text


async def test_a_trace_too_large_is_422(fleet_with):
    import httpx2

    from aiops_mcp.simulation.tempo import tempo_app

    fleet = fleet_with("oom-loop")
    app = tempo_app(fleet.traces, "prod-frankfurt", fleet.world.now, most_spans=1)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as small:
        found = await small.get("/api/search", params=HOUR | {"q": FAILING, "limit": "1"})
        answer = await small.get(f"/api/v2/traces/{found.json()['traces'][0]['traceID']}")
    assert answer.status_code == 422
    assert "max size of trace" in answer.text

"""Operations over REST: inputs from path, query and body; answers; methods; cancellation."""

import asyncio
import logging

import pytest

from aiops_mcp.operation import Capability, Input
from aiops_mcp.surfaces.rest import operation_routes, rest_routes


async def given(response, status=200):
    assert response.status_code == status, response.text
    return response.json()["given"]


async def test_query_strings_become_typed_fields(client):
    url = "/api/v1/shelves?clusters=a,b&clusters=c&page=3&has_gpu=true&label=team=ml&step=5m"
    assert await given(await client.get(url)) == {
        "clusters": ["a", "b", "c"],
        "label": ["team=ml"],
        "match": [],
        "page": 3,
        "has_gpu": True,
        "step": "5m",
    }


@pytest.mark.parametrize("name", ["cluster_ids", "cluster_id", "clusters", "clusters[]"])
async def test_the_contracts_names_of_clusters_all_work(client, name):
    answer = await client.get("/api/v1/shelves", params={name: "a,b"})
    assert (await given(answer))["clusters"] == ["a", "b"]


async def test_commas_inside_a_selector_do_not_split_it(client):
    answer = await client.get(
        "/api/v1/shelves", params={"match[]": ['up{job="a,b",x=~"c)"}, node_load1', "z"]}
    )
    assert (await given(answer))["match"] == ['up{job="a,b",x=~"c)"}', "node_load1", "z"]


async def test_empty_query_values_are_not_given(client):
    assert (await given(await client.get("/api/v1/shelves?page=&has_gpu=")))["page"] == 1


async def test_body_and_path_are_one_input(client):
    answer = await client.put("/api/v1/shelves/hub", json={"region": "eu"})
    assert await given(answer) == {
        "dry_run": False,
        "cluster": "hub",
        "region": "eu",
        "token": None,
    }


async def test_query_parameters_are_taken_beside_a_body(client):
    answer = await client.put("/api/v1/shelves/hub?dry_run=true", json={"region": "eu"})
    assert (await given(answer))["dry_run"] is True


async def test_the_status_is_the_operations(client):
    created = await client.post("/api/v1/shelves", json={"query": "up"})
    assert created.status_code == 201
    removed = await client.delete("/api/v1/shelves/hub")
    assert (removed.status_code, removed.content) == (204, b"")


async def test_a_body_that_repeats_the_path_is_fine_and_one_that_contradicts_is_not(
    client, problem
):
    same = await client.put("/api/v1/shelves/hub", json={"cluster": "hub"})
    assert same.status_code == 200
    other = await client.put("/api/v1/shelves/hub", json={"cluster": "spoke"})
    error = problem(other, 422, "VALIDATION_FAILED")
    assert error["details"]["fields"][0]["path"] == "cluster"


@pytest.mark.parametrize(
    ("url", "operation"),
    [
        ("/shelves/hub", "get_shelf"),
        ("/shelves/by-name/hub", "get_named"),
        ("/shelves/by-name/status", "get_named"),
        ("/shelves/hub/status", "get_status"),
        ("/shelves/a%20b", "get_shelf"),
    ],
)
async def test_fixed_words_go_before_parameters(client, url, operation):
    assert (await client.get("/api/v1" + url)).json()["operation"] == operation


async def test_wrong_fields_are_named_by_path_and_not_repeated(client, problem):
    answer = await client.get("/api/v1/shelves?page=0&step=soon&clustrs=a")
    error = problem(answer, 422, "VALIDATION_FAILED")
    assert [fault["path"] for fault in error["details"]["fields"]] == ["page", "step", "clustrs"]
    assert "Did you mean clusters?" in error["message"]
    assert "soon" not in answer.text


async def test_an_own_validator_speaks_plainly(client, problem):
    answer = await client.put("/api/v1/shelves/hub", json={"region": "atlantis"})
    error = problem(answer, 422, "VALIDATION_FAILED")
    assert error["details"]["fields"] == [
        {"path": "region", "message": "there is no such region", "type": "value_error"}
    ]


async def test_a_secret_in_a_refused_body_is_not_repeated(client, problem):
    answer = await client.put("/api/v1/shelves/hub", json={"token": ["s3cr3t-value"]})
    problem(answer, 422, "VALIDATION_FAILED")
    assert "s3cr3t" not in answer.text


async def test_a_single_value_given_twice_is_refused(client, problem):
    error = problem(await client.get("/api/v1/shelves?page=1&page=2"), 422, "VALIDATION_FAILED")
    assert error["details"]["fields"][0]["type"] == "duplicate"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"{", "line 1"),
        (b"[]", "must be a JSON object"),
        (b'"x"', "must be a JSON object"),
        (b'{"query": "\xff"}', "not valid JSON"),
        (b'{"query":' + b"[" * 100_000, "not valid JSON"),
        (b'{"query": NaN}', "not valid JSON"),
    ],
)
async def test_malformed_json_is_said_so(client, problem, body, what):
    answer = await client.post(
        "/api/v1/query", content=body, headers={"content-type": "application/json"}
    )
    assert what in problem(answer, 422, "VALIDATION_FAILED")["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_other_content_types_are_refused(client, problem, kind):
    headers = {"content-type": kind} if kind else {}
    answer = await client.post("/api/v1/query", content=b'{"query":"up"}', headers=headers)
    problem(answer, 415, "VALIDATION_FAILED")


async def test_a_compressed_body_is_refused(client, problem):
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = await client.post("/api/v1/query", content=b"\x1f\x8b", headers=headers)
    problem(answer, 415, "VALIDATION_FAILED")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/merge+json"])
async def test_json_by_any_of_its_names_is_read(client, kind):
    answer = await client.post(
        "/api/v1/query", content=b'{"query":"up"}', headers={"content-type": kind}
    )
    assert (await given(answer))["query"] == "up"


async def test_no_body_at_all_is_an_empty_object(client, problem):
    error = problem(await client.post("/api/v1/query"), 422, "VALIDATION_FAILED")
    assert error["details"]["fields"] == [
        {"path": "query", "message": "Field required", "type": "missing"}
    ]


async def test_errors_of_operations_keep_code_status_and_hint(client, problem):
    away = problem(await client.get("/api/v1/shelves/away"), 503, "CLUSTER_UNREACHABLE")
    assert away["message"] == "Nobody answered. Check the network."
    problem(await client.get("/api/v1/shelves/none"), 404, "CLUSTER_NOT_FOUND")


async def test_an_unforeseen_error_leaks_nothing_and_is_logged(client, problem, caplog):
    trace = "0af7651916cd43dd8448eb211c80319c"
    with caplog.at_level(logging.ERROR):
        answer = await client.get(
            "/api/v1/shelves/broken",
            headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
        )
    error = problem(answer, 500, "INTERNAL_ERROR")
    assert error["trace_id"] == trace
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text
    record = next(r for r in caplog.records if r.name == "aiops_mcp.surfaces.problem")
    assert trace in record.getMessage()
    assert record.exc_info[0] is RuntimeError


async def test_part_of_the_fleet_failing_is_a_200_with_null_for_nan(serve):
    served = serve()
    answer = await served.client.get("/api/v1/partly")
    assert answer.status_code == 200
    assert answer.json()["coverage"]["failures"][0]["code"] == "QUERY_TIMEOUT"
    assert answer.json()["number"] is None
    assert b'gateway_backend_errors_total{code="QUERY_TIMEOUT"} 1.0' in served.metrics.text()


async def test_all_of_the_fleet_failing_is_counted(serve):
    served = serve()
    await served.client.get("/api/v1/shelves/away")
    assert b'gateway_backend_errors_total{code="CLUSTER_UNREACHABLE"} 1.0' in served.metrics.text()


async def test_unknown_paths_have_the_contracts_shape(client, problem):
    for path in ("/api/v1/nothing", "/api/v1/shelves/a/b/c", "/nothing", "/api/v1/"):
        error = problem(await client.get(path), 404, "VALIDATION_FAILED")
        assert path in error["message"]


async def test_a_method_that_is_not_there_is_405_with_allow(client, problem):
    answer = await client.patch("/api/v1/shelves/hub", json={})
    problem(answer, 405, "VALIDATION_FAILED")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PUT, OPTIONS"


async def test_head_answers_as_get_without_a_body(client):
    got, head = await client.get("/api/v1/shelves/hub"), await client.head("/api/v1/shelves/hub")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_options_tells_the_methods(client):
    answer = await client.options("/api/v1/shelves")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")


async def test_answers_are_not_kept_by_caches(client):
    assert (await client.get("/api/v1/shelves")).headers["cache-control"] == "no-store"


async def test_secrets_in_answers_are_masked(client):
    secret = "ghp_" + "a1B2" * 9
    answer = await client.get("/api/v1/shelves", params={"label": f"x={secret}"})
    assert secret not in answer.text
    assert "[redacted:" in answer.text


async def test_a_large_answer_is_whole_and_masked_too(client):
    secret, names = "ghp_" + "a1B2" * 9, [f"cluster-{number}" for number in range(30_000)]
    answer = await client.post(
        "/api/v1/query", json={"query": f"x{{a='{secret}'}}", "clusters": names}
    )
    assert (await given(answer))["clusters"] == names
    assert secret not in answer.text


async def test_a_client_that_hangs_up_cancels_the_operation(serve, gates, cancelled_client):
    served = serve()
    sent = await cancelled_client(served.app, "/api/v1/hang", gates.entered)
    assert gates.cancelled.is_set()
    assert sent[0]["status"] == 499


async def test_a_request_over_its_time_is_a_504(serve, gates, problem):
    served = serve(request_timeout=0.02)
    problem(await served.client.post("/api/v1/hang"), 504, "QUERY_TIMEOUT")
    assert gates.cancelled.is_set()


async def test_a_body_that_drips_runs_into_the_same_time(serve, problem):
    served = serve(request_timeout=0.02)

    async def drip():
        yield b'{"query"'
        await asyncio.Event().wait()

    answer = await served.client.post(
        "/api/v1/query", content=drip(), headers={"content-type": "application/json"}
    )
    problem(answer, 504, "QUERY_TIMEOUT")


class Empty(Input):
    pass


def declare(route, limit=None):
    capability = Capability("x", "x")

    @capability.operation("do_it", route=route, needs="x:read", tool=False, limit=limit)
    async def do_it(context: None, request: Empty) -> Empty:
        """Do."""
        return request

    return capability.operations


@pytest.mark.parametrize(
    ("route", "what"),
    [
        ("GET /x/{cluster}", "names {'cluster'}"),
        ("get /x", "is no route"),
        ("GET x", "is no route"),
        (["GET /x", "GET /x"], "is taken by do_it"),
    ],
)
def test_a_wrong_route_is_found_at_start(route, what):
    with pytest.raises(ValueError, match=what):
        operation_routes(declare(route))


def test_an_unknown_limit_is_found_at_start(serve):
    served = serve()
    with pytest.raises(ValueError, match="names the limit 'fast'"):
        rest_routes(
            declare("GET /x", limit="fast"), None, served.gate, served.settings, served.metrics
        )

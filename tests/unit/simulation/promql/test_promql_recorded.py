"""Answers recorded from a real Prometheus 2.42, over queries whose answer 3.x gives as well."""

import json

import pytest
from starlette.testclient import TestClient

from aiops_mcp.simulation.prometheus import prometheus_app


@pytest.fixture(scope="module")
def client(recorded, recorded_store):
    return TestClient(prometheus_app(recorded_store, now=lambda: recorded["time"]))


def rows_of(data, times):
    rows = {}
    for one in data["result"]:
        if "value" in one:
            values = [one["value"][1]]
        elif times is None:
            values = [cell for point in one["values"] for cell in point]
        else:
            by_time = dict(one["values"])
            values = [by_time.get(time) for time in times]
        key = json.dumps(one["metric"], sort_keys=True)
        assert key not in rows
        rows[key] = values
    return rows


def expected_rows(case):
    rows = {}
    for metric, values in case["rows"]:
        flat = values if isinstance(values, list) else [values]
        if flat and isinstance(flat[0], list):
            flat = [cell for point in flat for cell in point]
        rows[json.dumps(metric, sort_keys=True)] = flat
    return rows


def check(answer, expected, times, close):
    if isinstance(expected, list):
        assert [answer.status_code, answer.json()["errorType"]] == expected
        return
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert data["resultType"] == expected["type"]
    if "value" in expected:
        if expected["type"] == "string":
            assert data["result"][1] == expected["value"]
        else:
            assert close(data["result"][1], expected["value"])
        return
    got, want = rows_of(data, times), expected_rows(expected)
    assert set(got) == set(want)
    for key, values in want.items():
        pairs = zip(got[key], values, strict=True)
        assert all(close(a, b) for a, b in pairs), (key, got[key], values)


def test_every_recorded_query_is_answered_as_recorded(client, recorded, close):
    wrong = []
    for case in recorded["cases"]:
        instant = {"query": case["query"], "time": recorded["time"]}
        ranged = {"query": case["query"], **recorded["range"]}
        span = recorded["range"]
        steps = int((span["end"] - span["start"]) / span["step"]) + 1
        times = [span["start"] + number * span["step"] for number in range(steps)]
        for kind, path, parameters in (
            ("instant", "query", instant),
            ("range", "query_range", ranged),
        ):
            answer = client.get(f"/api/v1/{path}", params=parameters)
            raw = kind == "instant" and answer.json().get("data", {}).get("resultType") == "matrix"
            try:
                check(answer, case[kind], None if raw or kind == "instant" else times, close)
            except AssertionError as error:
                wrong.append(f"{kind} {case['query']}: {str(error)[:300]}")
    assert not wrong, "\n".join(wrong)
    assert len(recorded["cases"]) > 150

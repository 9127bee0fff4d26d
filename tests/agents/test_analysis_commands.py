"""`aiops anomalies`, `since-when`, `forecast` on the demo, and what they pass on."""

import pytest


@pytest.fixture
def demo(aiops):
    def run(*arguments, incidents="slow-database"):
        return aiops("--demo", *arguments, AIOPS_DEMO_INCIDENTS=incidents)

    return run


def test_what_is_unusual_and_since_when(demo):
    found = demo("anomalies", "-c", "prod-frankfurt", "-n", "5").json()
    assert found["rows"][0][:2] == ["HIGH", "prod-frankfurt"]
    assert "shop/catalogue" in str(found["rows"])
    assert len(found["rows"]) <= 5
    query = "sum by (instance) (node_memory_MemTotal_bytes)"
    moved = demo("since-when", query, "-c", "prod-virginia", "--window", "2h").json()
    assert moved["headline"].startswith("No change of level in 8 series over 2h")
    assert moved["query"] == query


def test_what_runs_out(demo):
    soon = demo("forecast", "-c", "stage-singapore", incidents="certificate-expiry").json()
    assert soon["rows"][0][2] == "shop/checkout-tls"
    far = demo(
        *("forecast", "node_filesystem_avail_bytes", "--threshold", "0"),
        *("-c", "fleet-hub", "--horizon", "1h", "--window", "1h", "-n", "3"),
    ).json()
    assert far["headline"] == "Nothing of 18 series runs out within 60m."


@pytest.mark.parametrize(
    ("arguments", "field", "said"),
    [
        (("anomalies", "--window", "5m"), "window", "too few"),
        (("anomalies", "up", "--step", "0s", "--window", "1h"), "step", "longer than 0"),
        (("anomalies", "--until", "2099-01-01T00:00:00Z"), "end_time", "future"),
        (("since-when", "up", "--until", "soon"), "end_time", "no time"),
        (("forecast", "up"), "threshold", "threshold"),
        (("forecast", "--horizon", "99999w"), "horizon", "further than"),
        (("anomalies", "sum("), None, "parse error"),
    ],
)
def test_what_cannot_be_asked_is_said_with_the_field(demo, arguments, field, said):
    ended = demo(*arguments)
    assert ended.code == 2
    error = ended.error()
    assert error["details"].get("field") == field
    assert said in error["message"]


def test_a_sensitivity_that_is_none_is_refused(demo):
    assert demo("anomalies", "--sensitivity", "huge").error()["code"] == "VALIDATION_FAILED"

import pytest

from aiops_mcp.errors import InvalidLogql, LokiNotAvailable
from aiops_mcp.fleet.log_filters import LineFilters
from aiops_mcp.fleet.log_pod_choice import pod_logs_of
from aiops_mcp.fleet.log_pods import check_pods_can, parse_lines
from aiops_mcp.logql import parse, parse_selector


def passes(query, text, **labels):
    return LineFilters(parse(query), "edge-1").passes(labels, text)


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ('{a="b"} |= "error"', "an error", True),
        ('{a="b"} |= "error"', "an ERROR", False),
        ('{a="b"} != "error"', "an error", False),
        ('{a="b"} |~ "(?i)error"', "an ERROR", True),
        ('{a="b"} !~ "debug|trace"', "trace", False),
        ('{a="b"} |= "x" or "y"', "only y", True),
        ('{a="b"} |= "x" != "y"', "x and y", False),
        ('{a="b"} |> "took <_> ms"', "took 12 ms", True),
        ('{a="b"} |> "took <_> ms"', "took 12 s", False),
        ('{a="b"} | detected_level="error"', "level=error msg=x", True),
        ('{a="b"} | level=~"warn|error"', "WARNING: x", True),
        ('{a="b"} | level="error"', "level=info msg=error", False),
    ],
)
def test_filters_on_lines(query, text, expected):
    assert passes(query, text) is expected


def test_filters_on_labels_that_pods_have():
    assert passes('{a="b"} | pod="x" and container!="y"', "", pod="x", container="z")
    assert not passes('{a="b"} | pod="x" or node="n"', "", pod="y", node="m")


@pytest.mark.parametrize(
    "query",
    [
        '{a="b"} | json',
        '{a="b"} | logfmt | x > 5',
        '{a="b"} |= ip("10.0.0.0/8")',
        '{a="b"} | x > 5',
    ],
)
def test_what_needs_a_loki_is_refused_by_name(query):
    with pytest.raises(LokiNotAvailable, match="edge-1 has no Loki"):
        LineFilters(parse(query), "edge-1")


def test_a_metric_query_needs_a_loki():
    with pytest.raises(LokiNotAvailable, match="a metric query"):
        check_pods_can(parse('rate({a="b"}[5m])'), "edge-1")


def test_an_expression_that_re2_refuses():
    with pytest.raises(InvalidLogql):
        LineFilters(parse('{a="b"} |~ "(?=x)"'), "edge-1")


def pod(name, namespace="shop", *, restarts=0, ready=True, labels=None, containers=("main",)):
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {"app": "cart"}},
        "spec": {"nodeName": "n1", "containers": [{"name": each} for each in containers]},
        "status": {
            "containerStatuses": [
                {
                    "name": each,
                    "restartCount": restarts,
                    "ready": ready,
                    "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                }
                for each in containers
            ]
        },
    }


def chosen(selector, *pods):
    return [
        (log.pod, log.container) for log in pod_logs_of(pods, parse_selector(selector), "edge-1")
    ]


@pytest.mark.parametrize(
    "selector",
    [
        '{namespace="shop", app="cart"}',
        '{kubernetes_namespace_name="shop", kubernetes_pod_name=~"cart-.*"}',
        '{k8s_namespace_name="shop", k8s_container_name="main"}',
        '{service_name="cart"}',
        '{node="n1"}',
    ],
)
def test_names_of_all_collectors_mean_the_same_pods(selector):
    other = pod("pay-1", "bank", labels={"app": "pay"}, containers=("sidecar",))
    other["spec"]["nodeName"] = "n2"
    assert chosen(selector, pod("cart-1"), other) == [("cart-1", "main")]


def test_those_with_trouble_come_first():
    pods = [pod("a-1"), pod("a-2", restarts=4), pod("a-3", ready=False)]
    assert [name for name, _ in chosen('{namespace="shop"}', *pods)] == ["a-3", "a-2", "a-1"]


def test_a_label_that_no_pod_has_is_empty():
    assert chosen('{namespace="shop", tier!="x"}', pod("a-1")) == [("a-1", "main")]
    assert chosen('{namespace="shop", tier="x"}', pod("a-1")) == []


def test_a_label_that_only_a_loki_knows():
    with pytest.raises(LokiNotAvailable, match="filename"):
        chosen('{filename="/var/log/x"}', pod("a-1"))


def test_lines_with_their_times():
    text = (
        "2026-03-01T12:00:00.123456789Z first\n"
        "2026-03-01T12:00:00.123456790Z \n"
        "\tat x.y(Z.java)\n"
        "\n"
        "2026-03-01T12:00:01Z last\r\n"
    )
    found = parse_lines(text)
    assert [line for _, line in found] == ["first", "", "\tat x.y(Z.java)", "last"]
    assert found[1][0] - found[0][0] == 1
    assert found[2][0] == found[1][0]
    assert parse_lines("no time at all\n") == []

import pytest

from aiops_mcp.fleet.log_labels import real_name, translate
from aiops_mcp.logql import parse, to_text
from aiops_mcp.models.metrics import Series

VIAQ = frozenset(
    {
        "kubernetes_namespace_name",
        "kubernetes_pod_name",
        "kubernetes_container_name",
        "kubernetes_host",
        "log_type",
        "level",
    }
)
OTEL = frozenset({"k8s_namespace_name", "k8s_pod_name", "k8s_container_name", "service_name"})
PLAIN = frozenset({"namespace", "pod", "container", "app", "node_name"})


def said(query, labels):
    return to_text(translate(parse(query), labels).query)


@pytest.mark.parametrize(
    ("query", "labels", "expected"),
    [
        ('{namespace="shop"}', VIAQ, '{kubernetes_namespace_name="shop"}'),
        ('{namespace="shop"}', OTEL, '{k8s_namespace_name="shop"}'),
        ('{kubernetes_namespace_name="shop"}', PLAIN, '{namespace="shop"}'),
        (
            '{namespace="shop", app="cart"}',
            OTEL,
            '{k8s_namespace_name="shop", service_name="cart"}',
        ),
        ('{namespace="shop"}', PLAIN, '{namespace="shop"}'),
        ('{log_type="audit"}', PLAIN, '{log_type="audit"}'),
        ('{container=~"a|b"} |= "x"', VIAQ, '{kubernetes_container_name=~"a|b"} |= "x"'),
        (
            "sum by (namespace) (rate({pod=~`a.*`}[5m]))",
            VIAQ,
            'sum by (kubernetes_namespace_name) (rate({kubernetes_pod_name=~"a.*"}[5m]))',
        ),
    ],
)
def test_a_query_in_a_cluster_s_own_words(query, labels, expected):
    assert said(query, labels) == to_text(parse(expected))


def test_an_app_is_read_off_the_pods_names():
    made = translate(parse('{app="cart.v2"}'), VIAQ)
    assert to_text(made.query) == to_text(parse(r'{kubernetes_pod_name=~"cart\\.v2(?:-.*)?"}'))
    assert made.remarks == ("app read off the beginning of kubernetes_pod_name",)
    assert said('{app!="cart", pod="x"}', VIAQ) == to_text(
        parse('{app!="cart", kubernetes_pod_name="x"}')
    )  # what fits the empty label fits here as well


def test_a_label_that_the_lines_give_is_left_alone():
    query = 'sum by (app) (count_over_time({namespace="a"} | json [5m]))'
    assert said(query, OTEL) == to_text(
        parse('sum by (app) (count_over_time({k8s_namespace_name="a"} | json [5m]))')
    )


def test_the_answer_has_the_names_that_were_asked_for():
    made = translate(parse('sum by (namespace) (rate({namespace="a"}[5m]))'), VIAQ)
    one = Series(metric={"kubernetes_namespace_name": "a", "x": "y"}, values=((1.0, "2"),))
    assert made.back([one])[0].metric == {"namespace": "a", "x": "y"}
    assert made.remarks == ("namespace read as kubernetes_namespace_name",)


def test_a_store_that_names_no_labels_is_asked_as_it_was_written():
    made = translate(parse('{namespace="a"}'), frozenset())
    assert to_text(made.query) == '{namespace="a"}'
    assert made.remarks == ()


def test_names_of_labels():
    assert real_name("namespace", VIAQ) == "kubernetes_namespace_name"
    assert real_name("namespace", PLAIN) == "namespace"
    assert real_name("level", VIAQ) == "level"
    assert real_name("tier", VIAQ) == "tier"
    assert real_name("pod", {"pod_name", "kubernetes_pod_name"}) == "pod_name"

"""Which vLLM metrics there are decides what is asked; names of three ages and a prefix."""

from aiops_mcp.backends.vllm_metrics import DISCOVERY, HOLDERS, figures_query, known_names, servers
from aiops_mcp.models.metrics import Series
from aiops_mcp.promql import parse


def series(value, **labels):
    return Series(metric=labels, values=((1.0, value),))


def test_only_what_is_there_is_asked_for_by_its_newest_name():
    names = frozenset(
        {
            "vllm:num_requests_running",
            "vllm:gpu_cache_usage_perc",
            "vllm:time_per_output_token_seconds_bucket",
            "vllm:inter_token_latency_seconds_bucket",
        }
    )
    query = figures_query(names)
    assert query is not None
    parse(query)
    assert "vllm:gpu_cache_usage_perc" in query
    lasting = "min_over_time(vllm:gpu_cache_usage_perc[10m]) and vllm:gpu_cache_usage_perc offset"
    assert lasting + " 10m" in query
    assert "vllm:inter_token_latency_seconds_bucket[5m]" in query
    assert "time_per_output_token" not in query
    assert "num_requests_waiting" not in query


def test_a_prefix_is_a_family_of_its_own():
    query = figures_query(frozenset({"kserve_vllm:request_success_total"}))
    assert query is not None
    assert 'rate(kserve_vllm:request_success_total{finished_reason="abort"}[5m])' in query


def test_nothing_there_is_nothing_asked():
    assert figures_query(frozenset()) is None
    assert figures_query(frozenset({"up"})) is None
    assert known_names([series("3", __name__="vllm:num_requests_running"), series("1")]) == {
        "vllm:num_requests_running"
    }


def test_the_fixed_queries_are_promql():
    parse(DISCOVERY)
    parse(HOLDERS)


def test_figures_are_gathered_by_server_and_nan_is_no_figure():
    where = {"model_name": "llama", "namespace": "monitoring", "exported_namespace": "inference"}
    where |= {"pod": "prometheus-0", "exported_pod": "vllm-0", "instance": "10.0.0.1:8000"}
    found = servers(
        [
            series("3", figure="running", **where),
            series("NaN", figure="ttft_p95", **where),
            series("oops", figure="waiting", **where),
            series("1", figure="running", model_name="other"),
        ]
    )
    assert [(one.model, one.namespace, one.pod, dict(one.values)) for one in found] == [
        ("llama", "inference", "vllm-0", {"running": 3.0}),
        ("other", None, None, {"running": 1.0}),
    ]

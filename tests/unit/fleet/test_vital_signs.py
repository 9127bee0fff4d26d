"""The vital signs are PromQL that can be asked, name what they are of, and say what is trouble."""

import re

import pytest
from pydantic import ValidationError

from aiops_mcp.fleet.vital_signs import (
    POD_OWNER,
    Area,
    SignKind,
    VitalSign,
    names_pattern,
    sign_named,
    signs_of,
    vital_signs,
)
from aiops_mcp.promql import metric_names, parse, result_type

NAMES = [sign.name for sign in vital_signs()]


def test_names_are_told_apart():
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_expression_is_promql_that_names_its_component(name):
    sign = sign_named(name)
    node = parse(sign.query())
    assert result_type(node) == "vector"
    assert "$" not in re.sub(r'"\$1"', "", sign.query())
    assert sign.component or sign.called
    plain = sign.expression.startswith(("{", "DCGM"))
    for label in (*sign.component, *([sign.callee] if sign.callee else [])):
        assert plain or re.search(rf"\b{label}\b", sign.query()), label


@pytest.mark.parametrize("name", NAMES)
def test_every_sign_has_a_floor_a_limit_or_only_explains_others(name):
    sign = sign_named(name)
    assert sign.evidence or sign.least > 0 or sign.limit is not None
    if sign.by_limit_only:
        assert sign.limit is not None
    if sign.countdown:
        assert sign.runs_out is not None


def test_the_rate_window_holds_four_scrapes_and_a_step():
    sign = sign_named("API requests rejected")
    assert "[120s]" in sign.query(60)
    assert "[120s]" in sign.query(15)
    assert "[330s]" in sign.query(300)


def test_what_happens_rarely_is_counted_over_ten_minutes():
    sign = sign_named("restarts")
    assert "[600s]" in sign.query(60)
    assert "[930s]" in sign.query(900)


def test_pods_are_folded_into_their_workload():
    query = sign_named("restarts").query()
    assert query.startswith("sum by (namespace, workload) (label_replace(increase(")
    assert f'"pod", "{POD_OWNER}"' in query


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("frontend-96zjzb2bm-lwrrc", "frontend"),
        ("node-exporter-vdt7x", "node-exporter"),
        ("catalogue-db-0", "catalogue-db"),
        ("prometheus-k8s-12", "prometheus-k8s"),
        ("warehouse-sync-29926080-x2x4z", "warehouse-sync"),
        ("istio-proxy", "istio-proxy"),
        ("telemetry-gateway-7d9f8b6c5d-4pv76", "telemetry-gateway"),
    ],
)
def test_a_pod_is_named_by_its_workload(pod, workload):
    matched = re.fullmatch(POD_OWNER, pod)
    assert matched is not None
    assert matched[1] == workload


def test_a_component_is_named_by_its_labels_without_a_port():
    errors = sign_named("service errors")
    assert errors.component_of({"namespace": "shop", "service": "cart"}) == "shop/cart"
    assert errors.component_of({"service": "cart"}) == "cart"
    cpu = sign_named("node CPU")
    assert cpu.component_of({"instance": "worker-3:9100"}) == "worker-3"
    assert cpu.component_of({"instance": "10.0.0.7:9100"}) == "10.0.0.7"
    assert sign_named("API latency").component_of({}) == "apiserver"
    assert sign_named("GPU XID").component_of({"Hostname": "gpu-1", "gpu": "3"}) == "gpu-1/3"


def test_what_tells_series_of_a_component_apart():
    labels = {"namespace": "shop", "service": "cart", "peer_service": "redis"}
    assert sign_named("call errors").detail_of(labels) == "to redis"
    disk = sign_named("filesystem used")
    assert disk.detail_of({"instance": "worker-3", "mountpoint": "/var"}) == "/var"
    assert sign_named("service errors").detail_of({"namespace": "shop", "service": "a"}) == ""


def test_a_sign_is_asked_only_where_all_its_metrics_are():
    size = sign_named("etcd size")
    assert not size.is_there({"etcd_mvcc_db_total_size_in_bytes"})
    assert size.is_there({"etcd_mvcc_db_total_size_in_bytes", "etcd_server_quota_backend_bytes"})
    waiting = sign_named("requests waiting")
    assert waiting.is_there({"kserve_vllm:num_requests_waiting"})
    assert not waiting.is_there({"vllm:num_requests_running"})


def test_the_pattern_matches_every_metric_that_is_read():
    pattern = re.compile(names_pattern())
    for sign in vital_signs():
        for name in metric_names(parse(sign.query())):
            assert pattern.fullmatch(name), name
    assert not pattern.fullmatch("go_goroutines")


def test_signs_are_chosen_by_area_and_kind():
    gpu = signs_of([Area.GPU])
    assert {sign.area for sign in gpu} == {Area.GPU}
    assert not any(sign.evidence for sign in gpu)
    assert "GPU use" in {sign.name for sign in signs_of([Area.GPU], evidence=True)}
    latency = signs_of(kinds=[SignKind.LATENCY])
    assert {sign.kind for sign in latency} == {SignKind.LATENCY}
    with pytest.raises(KeyError):
        sign_named("no such sign")


def test_a_misspelt_field_is_an_error():
    with pytest.raises(ValidationError, match="leest"):
        VitalSign.model_validate(
            {
                "name": "x",
                "expression": "up",
                "area": "nodes",
                "of": "node",
                "kind": "errors",
                "unit": "",
                "leest": 1,
            }
        )

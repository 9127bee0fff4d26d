"""Model servers: each threshold, and a limping card before all else."""

import pytest

from aiops_mcp.analysis.gpuhealth_servers import (
    ServerThresholds,
    aborted_share,
    judge_server,
    prefix_share,
)
from aiops_mcp.errors import InputError
from aiops_mcp.models.gpu_health import CardHealth, GpuReason, ModelServer, Verdict

SERVER = ModelServer(cluster_name="ml-1", model="llama", pod="vllm-0", verdict=Verdict.UNKNOWN)
FINE = {
    "running": 4.0,
    "waiting": 0.0,
    "kv_cache_used": 0.5,
    "ttft_p95": 0.4,
    "inter_token_p95": 0.03,
    "queue_p95": 0.01,
    "preemptions": 0.0,
    "generation_tokens": 200.0,
    "requests": 1.0,
    "aborted": 0.01,
}


def judged(cards=(), **values):
    return judge_server(SERVER, {**FINE, **values}, cards)


def test_a_server_that_is_well():
    found = judged()
    assert (found.verdict, found.reasons, found.gpus) == (Verdict.HEALTHY, (), ())


@pytest.mark.parametrize(
    ("rule", "bad", "edge", "evidence"),
    [
        (
            "kv-cache",
            {"kv_cache_used": 0.97, "kv_cache_held": 0.93},
            {"kv_cache_used": 0.9, "kv_cache_held": 0.9},
            "97 %, 93 % or more for 10 min",
        ),
        ("preemptions", {"preemptions": 0.6}, {"preemptions": 0.02}, "0.6 a second"),
        (
            "queue",
            {"waiting": 37.0, "waiting_held": 4.0},
            {"waiting": 37.0, "waiting_held": 0.0},
            "37 waiting, 4 or more for 5 min",
        ),
        ("queue-time", {"queue_p95": 1.5}, {"queue_p95": 1.0}, "1.5 s p95"),
        ("ttft", {"ttft_p95": 3.0}, {"ttft_p95": 2.0}, "3 s p95"),
        ("inter-token", {"inter_token_p95": 0.2}, {"inter_token_p95": 0.1}, "0.2 s p95"),
        ("aborted", {"aborted": 0.2}, {"aborted": 0.05}, "20% of requests"),
    ],
)
def test_each_threshold(rule, bad, edge, evidence):
    found = judged(**bad)
    assert found.verdict is Verdict.DEGRADED
    assert [(reason.rule, reason.evidence) for reason in found.reasons] == [(rule, evidence)]
    assert judged(**edge).verdict is Verdict.HEALTHY


def test_thresholds_that_are_set_hold_instead():
    limits = ServerThresholds().overridden({"ttft": 0.3, "kv_cache": 0.99})
    found = judge_server(SERVER, {**FINE, "kv_cache_used": 0.97}, (), limits)
    assert [(reason.rule, reason.threshold) for reason in found.reasons] == [("ttft", "0.3 s")]
    with pytest.raises(InputError, match="'tfft'"):
        ServerThresholds().overridden({"tfft": 1.0})


def test_requests_that_wait_while_nothing_comes_out_are_a_stall():
    found = judged(waiting=3.0, generation_tokens=0.0)
    assert (found.verdict, found.reasons[0].rule) == (Verdict.FAILING, "stalled")
    assert judged(running=0.0, waiting=0.0, generation_tokens=0.0).verdict is Verdict.HEALTHY


def test_a_throttled_card_explains_slow_tokens():
    reason = GpuReason(
        rule="hw-thermal",
        verdict=Verdict.FAILING,
        what="the hardware slows it down for heat",
        evidence="28% of the time",
        action="look at cooling",
        source="NVIDIA",
    )
    hot = CardHealth(index=1, uuid="GPU-1", name="H100", verdict=Verdict.FAILING, reasons=(reason,))
    cool = CardHealth(index=0, uuid="GPU-0", name="H100", verdict=Verdict.HEALTHY)
    found = judged((("gpu-1", cool), ("gpu-1", hot)), inter_token_p95=0.3)
    assert found.verdict is Verdict.FAILING
    assert found.reasons[0].what == "its GPU gpu-1/1: the hardware slows it down for heat"
    assert found.reasons[1].rule == "inter-token"
    assert found.gpus == ("gpu-1/0", "gpu-1/1")


def test_a_server_that_tells_nothing_is_unknown():
    assert judge_server(SERVER, {}, ()).verdict is Verdict.UNKNOWN


def test_shares_without_requests_are_unknown():
    assert aborted_share({}) is None
    assert aborted_share({"requests": 4.0}) == 0.0
    assert prefix_share({"prefix_queries": 0.0}) is None
    assert prefix_share({"prefix_queries": 10.0, "prefix_hits": 4.0}) == 0.4


def test_a_server_too_young_for_a_verdict_on_its_queue_has_none():
    assert judged(waiting=37.0, kv_cache_used=0.99).verdict is Verdict.HEALTHY

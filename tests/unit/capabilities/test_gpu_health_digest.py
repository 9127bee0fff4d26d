"""Health made small: the verdict first, the worst first, a fleet of 2,000 in 500 tokens."""

from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest

from aiops_mcp.capabilities.gpu_health_digest import (
    Paging,
    digest_gpu_health,
    digest_gpu_waste,
    digest_model_servers,
)
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.gpu_health import (
    Attribution,
    CardHealth,
    GpuHealth,
    GpuReason,
    GpuWaste,
    ModelServer,
    ModelServers,
    NodeHealth,
    Verdict,
    WasteKind,
    WasteReport,
    worst,
)
from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN, digest_payload, guard

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
COVERAGE = Coverage(queried=2, succeeded=2)
H, D, F = Verdict.HEALTHY, Verdict.DEGRADED, Verdict.FAILING


def reason(rule="pcie-width", verdict=D, what="the PCIe link is narrow", evidence="x8 of x16"):
    return GpuReason(
        rule=rule, verdict=verdict, what=what, evidence=evidence, action="reseat", source="NVIDIA"
    )


def card(index, *reasons, **held):
    return CardHealth(
        index=index,
        uuid=f"GPU-{index}",
        name="H100",
        verdict=worst([one.verdict for one in reasons]),
        reasons=reasons,
        held_by=Attribution(**held),
    )


def node(name, *cards, reasons=()):
    return NodeHealth(
        cluster_id=uuid4(),
        cluster_name="ml-1",
        node_name=name,
        verdict=worst([one.verdict for one in (*cards, *reasons)]),
        reasons=reasons,
        cards=cards,
    )


def health(*nodes, **facts):
    verdicts = [one.verdict for each in nodes for one in each.cards]
    counts = {verdict: verdicts.count(verdict) for verdict in (F, D, Verdict.UNKNOWN, H)}
    return GpuHealth(
        nodes=nodes, counts=counts, window_seconds=3600, coverage=COVERAGE, as_of=NOW, **facts
    )


def made(answer, limit=10, start=0):
    return digest_gpu_health(answer, Paging(limit, start, "get_gpu_health("))


def test_cards_that_share_a_reason_are_one_row_and_the_worst_is_first():
    failed = reason("row-remap-failed", F, "row remapping failed", "yes")
    held = {"owners": ("ml/Job/a",), "model_servers": ("llama",)}
    cards = [card(i, reason(), **held) for i in (0, 1, 2, 5)]
    digest = made(health(node("n-1", *cards, card(7)), node("n-2", card(0, failed, reason()))))
    rows = [dict(zip(digest.columns, row, strict=True)) for row in digest.rows]
    assert [(row["verdict"], row["node"], row["gpus"]) for row in rows] == [
        ("FAILING", "ml-1/n-2", "0"),
        ("DEGRADED", "ml-1/n-1", "0-2,5"),
        ("DEGRADED", "ml-1/n-2", "0"),
    ]
    assert rows[1]["held_by"] == "ml/Job/a, serves llama"
    assert rows[0]["do"] == "reseat"


def test_what_is_only_worth_knowing_is_no_row():
    digest = made(health(node("n-1", card(0, reason(verdict=H)))))
    assert digest.rows == ()
    assert digest.headline == "All 1 GPUs of 1 nodes are HEALTHY."
    assert made(health()).headline == "No GPU nodes in the clusters that answered."


def test_a_hot_rack_is_told_by_its_nodes_with_one_reason_for_heat():
    heat = (reason("hw-thermal", F, "slowed for heat"), reason("hot", D, "hot"))
    rack = reason("rack-heat", F, "rack B07 is hot")
    skew = reason("driver-skew", D, "ml-1: 2 driver versions")
    digest = made(
        health(node("n-1", card(0, *heat, reason()), reasons=(rack,)), fleet_reasons=(rack, skew))
    )
    assert [row[3] for row in digest.rows] == [
        "rack B07 is hot",
        "slowed for heat",
        "the PCIe link is narrow",
    ]
    assert digest.notes == ("ml-1: 2 driver versions: x8 of x16. Do: reseat",)


def test_not_attributable_is_said():
    digest = made(health(node("n-1", card(0, reason(), not_attributable="time-slicing"))))
    assert digest.rows[0][-1] == "not attributable"


@pytest.mark.parametrize("start", [0, 3])
def test_two_thousand_ill_cards_fit_and_the_rest_is_a_call_away(start):
    long = reason(what="the hardware slows it down for heat", evidence="28% of the time in 60 min")
    nodes = [
        node(
            f"cluster-gpu-node-{number:03}.example.com",
            *(card(i, long, owners=(f"training/StatefulSet/job-{number}",)) for i in range(8)),
        )
        for number in range(250)
    ]
    digest = made(health(*nodes, notes=("a note",) * 10), start=start)
    told = orjson.dumps(digest_payload(guard(digest)))
    assert len(told) / BYTES_PER_TOKEN <= 500
    shown = len(digest.rows)
    assert shown >= 4
    assert digest.more is not None
    assert digest.more.startswith(f"{250 - start - shown} more findings: get_gpu_health(cursor=")
    assert digest.notes[-1] == "7 more notes"
    assert digest.rows[0][1] == f"ml-1/cluster-gpu-node-{start:03}.example.com"


def waste(kind=WasteKind.IDLE, owner="ml/StatefulSet/nb", node_name="n-1", hours=2.0, **facts):
    return GpuWaste(
        kind=kind,
        cluster_name="ml-1",
        node_name=node_name,
        gpus=1.0,
        gpu_hours=hours,
        owner=owner,
        what="GPU 0 computes nothing",
        action="ask its owner",
        **facts,
    )


def report(*found, total=8):
    return WasteReport(
        found=found, total_gpus=total, allocated_gpus=4.0, coverage=COVERAGE, as_of=NOW
    )


def test_cards_of_one_owner_are_one_row_of_waste():
    found = (waste(), waste(node_name="n-2", at_least=True), waste(owner="ml/Job/x", hours=1.0))
    digest = digest_gpu_waste(report(*found), Paging(10, 0, "get_gpu_waste("))
    assert digest.headline == (
        "3 IDLE of 8 GPUs (4 allocated); 5 GPU-hours wasted in the last 24 h."
    )
    assert digest.rows[0][:6] == (
        "IDLE",
        "ml-1, 2 nodes",
        2,
        ">=4",
        "n-1: GPU 0 computes nothing; 1 more like it",
        "ml/StatefulSet/nb",
    )
    assert digest.rows[1][1:4] == ("ml-1/n-1", 1, "1")


def test_nothing_wasted_and_no_cards():
    none = digest_gpu_waste(report(), Paging(10, 0, "get_gpu_waste("))
    assert (none.headline, none.columns) == ("Nothing is wasted of 8 GPUs.", ())
    empty = digest_gpu_waste(report(total=0), Paging(10, 0, "get_gpu_waste("))
    assert empty.headline == "No GPUs in the clusters that answered."


def server(verdict=H, *reasons, pod="vllm-0"):
    return ModelServer(
        cluster_name="ml-1",
        pod=pod,
        model="llama",
        verdict=verdict,
        reasons=reasons,
        kv_cache_used=0.97251,
        ttft_p95=3.34567,
    )


def test_servers_with_figures_and_the_first_reasons():
    full = reason("kv-cache", D, "its KV cache is full", "97 %")
    answer = ModelServers(servers=(server(D, full), server()), coverage=COVERAGE, as_of=NOW)
    digest = digest_model_servers(answer, Paging(10, 0, "get_model_servers("))
    assert digest.headline == (
        "DEGRADED: 1 of 2 model servers want attention, first vllm-0: its KV cache is full: 97 %."
    )
    row = dict(zip(digest.columns, digest.rows[0], strict=True))
    assert (row["kv_cache_%"], row["ttft_p95_s"], row["why"]) == (
        97.25,
        3.346,
        "its KV cache is full",
    )
    assert digest.rows[1][-2:] == (None, None)
    nobody = ModelServers(servers=(), coverage=COVERAGE, as_of=NOW)
    told = digest_model_servers(nobody, Paging(10, 0, "get_model_servers("))
    assert told.headline == "No vLLM server in the clusters that answered."

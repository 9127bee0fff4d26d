"""Verdicts of cards and nodes: each rule at its threshold, and what is not told is no health."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from aiops_mcp.analysis.gpuhealth_facts import CardFacts, Thresholds
from aiops_mcp.analysis.gpuhealth_fleet import judge_fleet
from aiops_mcp.analysis.gpuhealth_judge import ClusterEvidence, driver_skew, judge_node
from aiops_mcp.analysis.gpuhealth_rules import CARD_RULES
from aiops_mcp.analysis.gpuhealth_xids import CardName, findings
from aiops_mcp.errors import InputError
from aiops_mcp.models.gpu import (
    GPU,
    EccCounts,
    GpuHolder,
    GPUNode,
    GpuNodeFacts,
    GpuSource,
    MigInstance,
    NvlinkState,
    PodRef,
    RetiredPages,
    RowRemapping,
)
from aiops_mcp.models.gpu_health import CardHistory, Verdict, XidSighting, XidSource

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
LIMITS = Thresholds()
H, U, D, F = Verdict.HEALTHY, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.FAILING


def gpu(index=0, **facts):
    return GPU(index=index, uuid=f"GPU-{index}", name="NVIDIA H100", **facts)


def history(uuid="GPU-0", seconds=3600.0, ago=0.0, **facts):
    last = NOW - timedelta(seconds=ago)
    return CardHistory(
        uuid=uuid,
        node_name="gpu-1",
        gpu_index=int(uuid.rsplit("-", 1)[1]),
        window_seconds=seconds,
        first_sample=last - timedelta(seconds=seconds),
        last_sample=last,
        **facts,
    )


def node(*gpus, warnings=(), facts=None, name="gpu-1"):
    return GPUNode(
        cluster_id=uuid4(),
        cluster_name="ml-1",
        node_name=name,
        gpus=gpus,
        source=GpuSource.NVIDIA_SMI,
        last_updated=NOW,
        warnings=warnings,
        facts=facts,
    )


def rules_of(card, past=None):
    facts = CardFacts(card, past, LIMITS, NOW)
    return {r.rule: r for rule in CARD_RULES if (r := rule.reason(facts)) is not None}


GROWN = {
    "ecc-double-bit": ("ECC_DBE_VOL_TOTAL", 0, 1),
    "ecc-single-bit": ("ECC_SBE_VOL_TOTAL", 100, 101),
    "nvlink-recovery": ("NVLINK_RECOVERY_ERROR_COUNT_TOTAL", 0, 1),
    "nvlink-errors": ("NVLINK_REPLAY_ERROR_COUNT_TOTAL", 10, 11),
    "nvlink-crc": ("NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", 360_000, 360_001),
    "pcie-replays": ("PCIE_REPLAY_COUNTER", 480, 481),
}


@pytest.mark.parametrize("rule", GROWN)
def test_counters_are_judged_by_their_growth(rule):
    name, still, over = GROWN[rule]
    assert rule not in rules_of(gpu(), history(increases={name: float(still)}))
    assert rule in rules_of(gpu(), history(increases={name: float(over)}))
    half = history(seconds=1800, increases={name: float(over)})
    assert rule in rules_of(gpu(), half)


STATES = [
    ("recovery", F, {"recovery_action": "GPU Reset"}, {"recovery_action": "None"}),
    (
        "ecc-double-bit-before",
        D,
        {"ecc": EccCounts(uncorrected_volatile=2)},
        {"ecc": EccCounts(uncorrected_volatile=0)},
    ),
    ("ecc-aggregate", H, {"ecc": EccCounts(uncorrected_aggregate=1)}, {"ecc": EccCounts()}),
    ("row-remap-failed", F, {"row_remapping": RowRemapping(failure=True)}, {}),
    (
        "row-remap-pending",
        D,
        {"row_remapping": RowRemapping(pending=True)},
        {"row_remapping": RowRemapping(pending=False)},
    ),
    (
        "rows-remapped",
        D,
        {"row_remapping": RowRemapping(correctable=300, uncorrectable=100)},
        {"row_remapping": RowRemapping(correctable=300, uncorrectable=99)},
    ),
    ("pages-pending", D, {"retired_pages": RetiredPages(pending=True)}, {}),
    (
        "pages-retired",
        F,
        {"retired_pages": RetiredPages(single_bit=50, double_bit=10)},
        {"retired_pages": RetiredPages(single_bit=50, double_bit=9)},
    ),
    (
        "nvlink-inactive",
        D,
        {"nvlink": NvlinkState(active_links=17, inactive_links=1)},
        {"nvlink": NvlinkState(active_links=0, inactive_links=18)},
    ),
    (
        "pcie-width",
        D,
        {"pcie_link_width": 8, "pcie_link_width_max": 16},
        {"pcie_link_width": 16, "pcie_link_width_max": 16},
    ),
    (
        "pcie-generation",
        D,
        {"pcie_link_gen": 3, "pcie_link_gen_max": 5, "utilization_gpu_percent": 95.0},
        {"pcie_link_gen": 1, "pcie_link_gen_max": 5, "utilization_gpu_percent": 0.0},
    ),
    (
        "hw-thermal",
        F,
        {"throttle_reasons": ("hw_thermal_slowdown",)},
        {"throttle_reasons": ("sw_thermal_slowdown",)},
    ),
    (
        "thermal",
        D,
        {"throttle_reasons": ("sw_thermal_slowdown",)},
        {"throttle_reasons": ("gpu_idle",)},
    ),
    ("too-hot", F, {"temperature_celsius": 91.0}, {"temperature_celsius": 80.0}),
    (
        "too-hot",
        F,
        {"temperature_celsius": 92.0, "temperature_limit_margin_celsius": 0.0},
        {"temperature_celsius": 92.0, "temperature_limit_margin_celsius": 6.0},
    ),
    (
        "hot",
        D,
        {"temperature_celsius": 86.0},
        {"temperature_celsius": 90.0, "temperature_limit_margin_celsius": 6.0},
    ),
    (
        "hot",
        D,
        {"temperature_celsius": 70.0, "temperature_limit_margin_celsius": 4.0},
        {"temperature_celsius": 85.0},
    ),
    ("hot-memory", D, {"temperature_memory_celsius": 96.0}, {"temperature_memory_celsius": 95.0}),
    ("power-brake", F, {"throttle_reasons": ("hw_power_brake_slowdown",)}, {}),
    (
        "hw-slowdown",
        D,
        {"throttle_reasons": ("hw_slowdown",)},
        {"throttle_reasons": ("hw_slowdown", "hw_thermal_slowdown")},
    ),
    (
        "slow-clock",
        D,
        {"clock_sm_mhz": 1300.0, "clock_sm_max_mhz": 1980.0, "utilization_gpu_percent": 90.0},
        {
            "clock_sm_mhz": 1300.0,
            "clock_sm_max_mhz": 1980.0,
            "utilization_gpu_percent": 90.0,
            "throttle_reasons": ("sw_power_cap",),
        },
    ),
    ("fabric", F, {"fabric_state": "In Progress"}, {"fabric_state": "Completed"}),
    ("power-limit", H, {"throttle_reasons": ("sw_power_cap",)}, {}),
]


@pytest.mark.parametrize(("rule", "verdict", "bad", "good"), STATES)
def test_states_are_judged_one_by_one(rule, verdict, bad, good):
    reason = rules_of(gpu(**bad))[rule]
    assert reason.verdict is verdict
    assert reason.action
    assert reason.evidence
    assert rule not in rules_of(gpu(**good))


def test_every_rule_is_tried_here():
    tried = {rule for rule, *_ in STATES} | set(GROWN) | {"violation"}
    assert {rule.name for rule in CARD_RULES} == tried


def test_of_what_is_not_told_nothing_is_said():
    assert rules_of(gpu()) == {}
    assert rules_of(gpu(), history()) == {}


def test_shares_of_time_are_told():
    thermal = rules_of(gpu(), history(throttled={"thermal": 0.28}))["thermal"]
    assert thermal.evidence == "28% of the time in 60 min"
    assert thermal.threshold == "thermal_share 0.01"
    assert rules_of(gpu(), history(throttled={"thermal": 0.01})) == {}
    assert "violation" in rules_of(gpu(), history(throttled={"reliability": 0.06}))
    assert "power-limit" in rules_of(gpu(), history(throttled={"power": 0.5}))


def test_new_double_bit_errors_hide_the_old_ones():
    card = gpu(ecc=EccCounts(uncorrected_volatile=3, uncorrected_aggregate=9))
    assert set(rules_of(card, history(increases={"ECC_DBE_VOL_TOTAL": 1.0}))) == {"ecc-double-bit"}
    assert set(rules_of(card)) == {"ecc-double-bit-before"}


def test_thresholds_are_settings_and_a_wrong_name_is_refused():
    cool = LIMITS.overridden({"temperature": 60.0})
    facts = CardFacts(gpu(temperature_celsius=61.0), None, cool, NOW)
    assert any(rule.reason(facts) for rule in CARD_RULES)
    with pytest.raises(InputError, match="temprature"):
        LIMITS.overridden({"temprature": 60.0})


# --- nodes ----------------------------------------------------------------------------


def judged(one, **evidence):
    return judge_node(one, ClusterEvidence(**evidence), LIMITS, NOW)


def xids(*codes_and_ages, uuid="GPU-0", pod=None):
    seen = [
        XidSighting(
            code=code,
            at=NOW - timedelta(seconds=age),
            node_name="gpu-1",
            sources=(XidSource.DCGM,),
            uuid=uuid,
            pod=pod,
        )
        for code, age in codes_and_ages
    ]
    return findings(
        seen, [CardName("gpu-1", 0, "GPU-0", None), CardName("gpu-1", 1, "GPU-1", None)]
    )


def test_a_healthy_node_has_healthy_cards_and_no_reasons():
    facts = GpuNodeFacts(
        ready=True, capacity={"nvidia.com/gpu": 2}, allocatable={"nvidia.com/gpu": 2}, card_count=2
    )
    found = judged(node(gpu(0), gpu(1), facts=facts))
    assert (found.verdict, found.reasons) == (H, ())
    assert [card.verdict for card in found.cards] == [H, H]


@pytest.mark.parametrize(
    ("code", "age", "verdict"),
    [(79, 60, F), (79, 3700, D), (63, 60, D), (31, 60, H), (45, 60, H), (154, 60, H), (999, 60, D)],
)
def test_an_xid_makes_of_a_card_what_its_class_and_age_say(code, age, verdict):
    found = judged(node(gpu(0)), xids=xids((code, age)))
    assert found.verdict is verdict
    assert found.cards[0].xids[0].code == code


def test_an_xid_says_how_often_and_what_followed():
    found = judged(node(gpu(0)), xids=xids((48, 120), (63, 119), (45, 118)))
    [reason] = found.cards[0].reasons
    assert reason.what == "XID 48, double-bit ECC error (memory)"
    assert reason.evidence == "GPU 0: 2 min ago; followed by 63, 45"
    assert reason.action.startswith("drain the node")


def test_the_gauges_old_code_is_worth_knowing_and_no_more():
    found = judged(node(gpu(0)), histories={"GPU-0": history(held_xid=79)})
    assert found.verdict is H
    assert found.cards[0].reasons[0].rule == "xid-before"


def test_an_application_error_over_many_jobs_is_the_card():
    holders = tuple(
        GpuHolder(namespace="ml", pod=pod, owner_kind="Job", owner_name=pod) for pod in ("a", "b")
    )
    facts = GpuNodeFacts(ready=True, capacity={"nvidia.com/gpu": 1}, holders=holders)
    seen = [
        XidSighting(
            code=31,
            at=NOW - timedelta(seconds=age),
            node_name="gpu-1",
            sources=(XidSource.DCGM,),
            uuid="GPU-0",
            pod=f"ml/{pod}",
        )
        for age, pod in ((900, "a"), (60, "b"))
    ]
    found = judged(node(gpu(0), facts=facts), xids=findings(seen, []))
    assert found.cards[0].verdict is D
    assert (
        found.cards[0]
        .reasons[0]
        .evidence.endswith("2 applications met it on this one card: the card")
    )


def test_a_card_that_is_gone_is_told_with_when_and_its_xid():
    facts = GpuNodeFacts(ready=True, capacity={"nvidia.com/gpu": 2}, card_count=2)
    found = judged(
        node(gpu(0), facts=facts),
        histories={"GPU-0": history("GPU-0"), "GPU-1": history("GPU-1", ago=1500)},
        xids=xids((79, 1500), uuid="GPU-1"),
    )
    rules = {reason.rule: reason for reason in found.reasons}
    assert set(rules) == {"card-gone", "xid", "allocatable"}
    assert rules["card-gone"].what == "1 of 2 cards no longer answer"
    assert "GPU-1) since 02:35Z" in rules["card-gone"].evidence
    assert rules["xid"].evidence.startswith("GPU 1: 25 min ago")
    assert found.verdict is F


def test_a_card_that_was_seen_a_moment_ago_is_not_gone():
    found = judged(node(gpu(0)), histories={"GPU-1": history("GPU-1", ago=60)})
    assert found.reasons == ()


def test_79_over_two_cards_is_the_nodes_power_or_bus():
    both = xids((79, 60)) + xids((79, 61), uuid="GPU-1")
    found = judged(node(gpu(0), gpu(1)), xids=both)
    assert found.reasons[0].rule == "xid-over-node"
    assert found.reasons[0].what == "XID 79 on 2 cards of gpu-1 at once"


def test_what_kubernetes_says():
    facts = GpuNodeFacts(
        ready=True, capacity={"nvidia.com/gpu": 8}, allocatable={"nvidia.com/gpu": 7}
    )
    [reason] = judged(node(gpu(0), facts=facts)).reasons
    assert (reason.rule, reason.verdict, reason.evidence) == (
        "allocatable",
        D,
        "allocatable 7 of 8",
    )
    [reason] = judged(node(gpu(0), facts=GpuNodeFacts(ready=False))).reasons
    assert (reason.rule, reason.verdict) == ("node-not-ready", F)
    [reason] = judged(node(gpu(0), facts=GpuNodeFacts(ready=True))).reasons
    assert (reason.rule, reason.verdict) == ("no-gpu-resource", F)


def test_a_silent_exporter_and_a_node_of_which_nothing_is_known():
    silent = judged(node(gpu(0)), dcgm_nodes=frozenset({"gpu-2.example.com"}))
    assert [(r.rule, r.verdict) for r in silent.reasons] == [("exporter-silent", D)]
    heard = judged(node(gpu(0)), dcgm_nodes=frozenset({"gpu-1.example.com"}))
    assert heard.reasons == ()
    unknown = judged(node(warnings=("no driver pod",)))
    assert (unknown.verdict, unknown.reasons[0].evidence) == (U, "no driver pod")


def test_inforom_and_mixed_ecc_are_told():
    found = judged(
        node(
            gpu(0, ecc_enabled=True), gpu(1, ecc_enabled=False), warnings=("infoROM is corrupted",)
        )
    )
    assert {reason.rule for reason in found.reasons} == {"inforom", "ecc-off"}
    assert judged(node(gpu(0, ecc_enabled=False))).reasons == ()


def test_driver_versions_that_differ_within_a_cluster():
    nodes = [
        node(gpu(0, driver_version=version), name=name)
        for name, version in (("a", "570.1"), ("b", "570.1"), ("c", "565.9"))
    ]
    [reason] = driver_skew(nodes)
    assert reason.evidence == "2 nodes 570.1; c 565.9"
    assert driver_skew(nodes[:2]) == ()


def test_driver_versions_that_differ_between_clusters():
    here, there = node(gpu(0, driver_version="570.1")), node(gpu(0, driver_version="565.9"))
    there = there.model_copy(update={"cluster_name": "ml-2"})
    [reason] = driver_skew([here, there])
    assert (reason.rule, reason.verdict) == ("driver-skew-fleet", H)
    assert reason.evidence == f"570.1: {here.cluster_name}; 565.9: ml-2"


# --- holders --------------------------------------------------------------------------


def held(one, index=0):
    cards = {card.index: card for card in judged(one).cards}
    return cards[index].held_by


def holder(pod, resource="nvidia.com/gpu", amount=1, **facts):
    return GpuHolder(namespace="ml", pod=pod, resources={resource: amount}, **facts)


def facts_of(*holders, **more):
    return GpuNodeFacts(
        ready=True,
        capacity={"nvidia.com/gpu": 2},
        allocatable={"nvidia.com/gpu": 2},
        holders=holders,
        holders_known=True,
        **more,
    )


def test_a_pod_is_named_with_what_owns_it():
    owner = holder("w-0", owner_kind="StatefulSet", owner_name="w")
    one = node(gpu(0, pod=PodRef(namespace="ml", pod="w-0")), facts=facts_of(owner))
    found = held(one)
    assert (found.pods, found.owners) == (("ml/w-0",), ("ml/StatefulSet/w",))
    assert found.not_attributable is None


def test_a_number_of_gpus_is_not_which():
    found = held(node(gpu(0), gpu(1), facts=facts_of(holder("a"), holder("b"))))
    assert found.pods == ()
    assert found.not_attributable.endswith("it may be held by ml/a, ml/b")


def test_time_slices_mig_and_dra_are_said_not_to_tell():
    shared = facts_of(holder("a"), holder("b"), sharing="time-slicing")
    assert held(node(gpu(0), facts=shared)).not_attributable.startswith("time-slicing: any of 2")
    claims = facts_of(GpuHolder(namespace="ml", pod="a", claims=("gpu",)))
    assert held(node(gpu(0), facts=claims)).not_attributable.startswith("DRA: 1 pods")
    slices = (
        MigInstance(gpu_instance_id=7, profile="1g.5gb", pod=PodRef(namespace="ml", pod="a")),
        MigInstance(gpu_instance_id=8, profile="1g.5gb"),
    )
    mig = gpu(0, mig_enabled=True, mig_instances=slices)
    resource = "nvidia.com/mig-1g.5gb"
    known = held(node(mig, facts=facts_of(holder("a", resource))))
    assert (known.pods, known.not_attributable) == (("ml/a",), None)
    unknown = held(node(mig, facts=facts_of(holder("a", resource), holder("b", resource))))
    assert unknown.not_attributable == "MIG: 1 slices may be held by ml/b"


def test_a_free_card_is_held_by_nobody():
    found = held(node(gpu(0), facts=facts_of()))
    assert (found.pods, found.not_attributable) == ((), None)


# --- the fleet ------------------------------------------------------------------------


def test_the_gravest_node_is_first_and_model_servers_are_named():
    bad = node(gpu(0, row_remapping=RowRemapping(failure=True)), name="gpu-2")
    served = node(gpu(0, pod=PodRef(namespace="ml", pod="vllm-0")), name="gpu-1")
    found = judge_fleet([served, bad], {}, {("ml-1", "ml/vllm-0"): "llama"}, LIMITS, NOW)
    assert [one.node_name for one in found.nodes] == ["gpu-2", "gpu-1"]
    assert found.nodes[1].cards[0].held_by.model_servers == ("llama",)
    assert found.counts == {F: 1, D: 0, U: 0, H: 1}

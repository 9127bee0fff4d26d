"""Stragglers among cards of one job, and heat that is a whole rack's."""

from datetime import UTC, datetime

import pytest

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.analysis.gpuhealth_peers import (
    Peer,
    deviation,
    hot_racks,
    rack_reason,
    stragglers,
)
from aiops_mcp.models.gpu_health import CardHistory, Verdict

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
LIMITS = Thresholds()


def peer(index, clock=1400.0, busy=80.0, *, node="n-1", owner="ml/Job/train", **facts):
    history = CardHistory(
        uuid=f"{node}-{index}",
        node_name=node,
        window_seconds=3600.0,
        first_sample=NOW,
        last_sample=NOW,
        engine_percent=busy,
        sm_clock_mhz=clock,
        power_watts=facts.pop("power", 400.0),
    )
    known = {"model": "A100", "rack": None, "is_hot": False, **facts}
    return Peer("ml-1", node, index, history.uuid, owner=owner, history=history, **known)


def test_the_slow_card_of_a_job_is_found_across_nodes():
    peers = [peer(i, 1400 + i) for i in range(4)]
    peers += [peer(i, 1400 - i, node="n-2") for i in range(3)]
    peers.append(peer(3, 700, 99, node="n-2", power=250.0))
    found = stragglers(peers, LIMITS)
    assert set(found) == {"n-2-3"}
    reason = found["n-2-3"]
    assert reason.verdict is Verdict.DEGRADED
    assert reason.what == "slower than its 7 peers of job ml/Job/train"
    assert reason.evidence == "700 MHz SM clock, peers 1400; 99 % busy, peers 80; 250 W, peers 400"


@pytest.mark.parametrize(
    "peers",
    [
        [*(peer(i) for i in range(7)), peer(7, 1330)],  # 5 % is noise
        [*(peer(i) for i in range(2)), peer(2, 700)],  # too few to tell
        [*(peer(i) for i in range(4)), *(peer(i, 700) for i in range(4, 8))],  # half is no odd one
        [*(peer(i, busy=5) for i in range(7)), peer(7, 300, 5)],  # idle cards clock down
        [*(peer(i) for i in range(4)), peer(4, 700, owner="ml/Job/other")],
        [*(peer(i) for i in range(4)), peer(4, 700, model="V100")],
        [],
    ],
)
def test_what_is_no_straggler(peers):
    assert stragglers(peers, LIMITS) == {}


def test_without_owners_the_busy_cards_of_a_node_are_compared():
    peers = [peer(i, owner=None) for i in range(5)] + [peer(5, 700, owner=None)]
    assert set(stragglers(peers, LIMITS)) == {"n-1-5"}


def test_the_deviation_is_robust_and_has_a_floor():
    assert deviation(100, [100, 100, 100, 100]) == 0
    assert deviation(90, [100, 100, 100, 90]) == pytest.approx(-5.0)
    assert deviation(10, [10, 20, 30]) == pytest.approx(-10 / 14.826)


def rack_of(rack, *, hot, nodes):
    return [peer(i, node=node, rack=rack, is_hot=node in hot) for node in nodes for i in range(4)]


def test_a_rack_in_which_two_nodes_are_hot():
    peers = rack_of("B07", hot={"a", "b"}, nodes=("a", "b")) + rack_of("B08", hot={"c"}, nodes="c")
    [rack] = hot_racks(peers)
    assert (rack.rack, rack.nodes, rack.hot, rack.cards) == ("B07", ("a", "b"), 8, 8)
    assert "8 of 8 GPUs of a, b" in rack_reason(rack).evidence
    assert "rack B07" in rack_reason(rack).what


def test_one_hot_node_is_no_rack_and_without_labels_it_is_said():
    assert hot_racks(rack_of("B07", hot={"a"}, nodes=("a", "b"))) == ()
    [some] = hot_racks(rack_of(None, hot={"a", "b"}, nodes=("a", "b", "c")))
    assert "no rack label" in rack_reason(some).what
    # a whole cluster that is hot without labels may as well be its work
    assert hot_racks(rack_of(None, hot={"a", "b"}, nodes=("a", "b"))) == ()

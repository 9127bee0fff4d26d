"""Rules of known patterns: the ones that ship, and others that are given."""

from typing import Any

import pytest

from aiops_mcp.analysis.rootcause import Cause, Clue, ClueItem
from aiops_mcp.analysis.rootcause_known import KNOWN
from aiops_mcp.analysis.rootcause_rules import Clause, Rule, known_patterns, rules_of
from aiops_mcp.errors import InputError


def cause(*items: ClueItem) -> Cause:
    return Cause("c", "m", 1.0, None, items)


def event(name: str, text: str = "") -> ClueItem:
    return ClueItem(Clue.EVENT, name, 8.0, text)


def log(text: str) -> ClueItem:
    return ClueItem(Clue.LOG, "", 8.0, text)


def alert(name: str) -> ClueItem:
    return ClueItem(Clue.ALERT, name, 8.0)


def metric(name: str, amount: float, kind: str = "other") -> ClueItem:
    return ClueItem(Clue.DEVIATES, name, amount, kind)


def change(name: str) -> ClueItem:
    return ClueItem(Clue.CHANGE, name, 8.0)


@pytest.mark.parametrize(
    ("items", "name"),
    [
        ([event("OOMKilled")], "oom_killed"),
        ([event("BackOff", "back-off restarting failed container")], "crash_loop"),
        ([event("Unhealthy"), event("Killing")], "liveness_kill"),
        ([event("Failed", "ErrImagePull: not found")], "image_pull"),
        ([event("FailedScheduling", "insufficient cpu")], "unschedulable"),
        ([event("FailedMount")], "volume_mount"),
        ([log("write /data: no space left on device")], "volume_full"),
        ([change("rollout"), metric("http_errors", 9.0, "errors")], "bad_rollout"),
        ([change("ConfigMap app"), metric("p95", 9.0, "latency")], "configuration_change"),
        ([metric("container_cpu_cfs_throttled", 9.0, "saturation")], "cpu_throttled"),
        ([event("NodeNotReady")], "node_not_ready"),
        ([event("Evicted")], "node_pressure"),
        ([alert("NodeClockSkewDetected")], "clock_skew"),
        ([alert("etcdHighFsyncDurations")], "etcd_slow_disk"),
        ([log("etcdserver: mvcc: database space exceeded")], "etcd_full"),
        ([log("dial tcp: lookup orders: no such host")], "dns"),
        ([log("x509: certificate has expired or is not yet valid")], "certificate_expired"),
        ([log("NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus")], "gpu_lost"),
        ([log("NVRM: Xid (PCI:0000:3b:00): 95, pid=1")], "gpu_memory_fault"),
        ([metric("gpu_temp", 9.0), metric("sm_clock", -9.0)], "gpu_hot"),
        ([alert("HighPtpSyncOffset")], "ptp_lost"),
        ([metric("dpdk_imissed", 9.0)], "packets_missed"),
        ([ClueItem(Clue.KEPT_WAITING, "web", 9.0)], "slow_dependency_network"),
        ([ClueItem(Clue.ASKED_LESS, "mail", 9.0)], "stopped_asking"),
    ],
)
def test_a_shipped_rule_names_its_signature(items: list[ClueItem], name: str) -> None:
    assert known_patterns(cause(*items), KNOWN)[0].rule.name == name


def test_shipped_rules_are_complete_and_told_apart() -> None:
    assert len({rule.name for rule in KNOWN}) == len(KNOWN) >= 40
    for rule in KNOWN:
        assert rule.all or rule.any, rule.name
        assert rule.cause, rule.name
        assert rule.remedy.endswith("."), rule.name
        assert rule.source, rule.name
        assert all(each == each.strip() for c in (*rule.all, *rule.any) for each in c.words)


def test_nothing_fits_what_only_deviates() -> None:
    assert known_patterns(cause(metric("request_latency", 30.0, "latency")), KNOWN) == ()
    assert known_patterns(cause(), KNOWN) == ()


def test_the_direction_counts() -> None:
    assert known_patterns(cause(metric("gpu_temp", -9.0), metric("sm_clock", -9.0)), KNOWN) == ()


RULE = Rule(
    "leak",
    "It leaks",
    "Mend it.",
    all=(Clause(Clue.DEVIATES, ("memory",), rises=True),),
    any=(Clause(Clue.EVENT, ("OOM",)), Clause(Clue.CHANGE)),
)


def test_all_clauses_of_one_kind_and_one_of_the_other() -> None:
    grown, killed, rolled = metric("rss", 9.0, "memory"), event("OOMKilled"), change("rollout")
    assert known_patterns(cause(grown), [RULE]) == ()
    assert known_patterns(cause(killed), [RULE]) == ()
    (found,) = known_patterns(cause(grown, killed), [RULE])
    assert found.seen == (grown, killed)
    assert found.unseen == (RULE.any[1],)
    (found,) = known_patterns(cause(rolled, killed, grown), [RULE])
    assert found.seen == (grown, killed, rolled)
    assert found.unseen == ()


def test_the_most_completely_seen_comes_first() -> None:
    small = Rule("small", "x", "y.", all=(Clause(Clue.EVENT),))
    both = cause(metric("memory", 9.0), event("OOMKilled"))
    assert [each.rule.name for each in known_patterns(both, [small, RULE])] == ["leak", "small"]


def test_words_are_text_and_no_expressions() -> None:
    rule = Rule("r", "x", "y.", all=(Clause(Clue.LOG, ("a.c",)),))
    assert known_patterns(cause(log("ABC abc")), [rule]) == ()
    assert known_patterns(cause(log("is A.C here")), [rule])[0].rule is rule


GIVEN: dict[str, Any] = {
    "name": "leak",
    "cause": "It leaks",
    "remedy": "Mend it.",
    "all": [{"clue": "deviates", "words": ["memory"], "rises": True}],
    "any": [{"clue": "event", "words": ["OOM"]}, {"clue": "change"}],
}


def test_rules_are_read_from_plain_mappings() -> None:
    assert rules_of([GIVEN]) == (RULE,)
    assert rules_of([{**GIVEN, "source": "us"}])[0].source == "us"
    assert rules_of([]) == ()


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"name": "x"}, "the rules should hold a list"),
        (["x"], "rule 1 is not a mapping"),
        ([GIVEN, {"cause": "x"}], "rule 2 needs 'name'"),
        ([{**GIVEN, "remedy": ""}], "rule 'leak' needs 'remedy'"),
        ([{**GIVEN, "because": "x"}], "unknown field 'because'"),
        ([{**GIVEN, "all": [], "any": []}], "would fit everything"),
        ([{**GIVEN, "all": {"clue": "event"}}], "should hold a list"),
        ([{**GIVEN, "all": [{"clue": "smell"}]}], "knows no clue 'smell'"),
        ([{**GIVEN, "all": [{"clue": "event", "words": [""]}]}], "a word that is no text or empty"),
        ([{**GIVEN, "all": [{"clue": "event", "words": [3]}]}], "a word that is no text or empty"),
        ([{**GIVEN, "all": [{"clue": "deviates", "rises": "yes"}]}], "rises to be true or false"),
        ([{**GIVEN, "all": [{"clue": "event", "word": "x"}]}], "unknown field 'word'"),
    ],
)
def test_a_rule_that_is_wrong_is_refused_by_name(document: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        rules_of(document)

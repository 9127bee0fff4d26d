"""Scenario files: ours, other people's, and those that are hardly any."""

from pathlib import Path

import pytest
import yaml

from agents.evaluate.causes_wanted import cause_from
from agents.evaluate.reading import read_incident_folder, read_scenarios
from agents.evaluate.scenario import Fact, WantedCause
from agents.evaluate.truths import CONTROL, drawn_for, drawn_scenarios, names_of, place_of
from aiops_mcp.errors import InputError
from aiops_mcp.simulation.incident import Truth, read_incidents

FOLDER = Path(__file__).parents[2] / "agents/evaluate"
KNOWN = read_incidents(None)


def _write(folder: Path, **files: object) -> Path:
    for name, content in files.items():
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (folder / f"{name}.yaml").write_text(text)
    return folder


def _one(folder: Path, content: object):
    found = read_scenarios(_write(folder, one=content), KNOWN)
    (scenario,) = found.scenarios
    return scenario, found.warnings


def test_those_that_come_along_are_sound_and_of_all_kinds():
    warnings: list[str] = []
    ours = read_incident_folder(FOLDER / "incidents", warnings)
    found = read_scenarios(FOLDER / "scenarios", {**KNOWN, **ours})
    assert warnings == found.warnings == []
    scenarios = {one.name: one for one in found.scenarios}
    assert len(scenarios) >= 40
    assert [one.name for one in found.scenarios if one.fault] == []
    asked_of = {incident for one in scenarios.values() for incident in one.incidents}
    assert {*asked_of, "healthy"} == {*KNOWN, *ours}
    for name, incident in {**KNOWN, **ours}.items():
        if incident.truth.component != "none":
            about = [one for one in scenarios.values() if one.incidents == (name,)]
            assert {bool(one.clusters) for one in about} == {True, False}, name
            assert all(one.causes for one in about), name
    assert sum(one.is_healthy for one in scenarios.values()) >= 10
    assert any(one.away for one in scenarios.values())
    assert any(one.history for one in scenarios.values())
    assert sum(one.must_notice_orders for one in scenarios.values()) >= 2
    assert {one.persona for one in scenarios.values()} == {
        *("default", "platform-ops", "gpu-expert", "network-cnf", "telco-5g")
    }


def test_our_own_format(tmp_path):
    scenario, warnings = _one(
        tmp_path,
        {
            "name": "slow-shop",
            "title": "A slow shop",
            "incidents": ["slow-database", "gpu-xid-79@-35m"],
            "away": ["tower-17"],
            "now": "-7h",
            "history": [{"role": "user", "text": "Hello?"}, {"role": "assistant", "text": "Yes."}],
            "question": "Why?",
            "persona": "gpu-expert",
            "clusters": ["prod-frankfurt"],
            "time": {"start": "2026-11-25T10:00:00Z"},
            "facts": {
                "must": ["catalogue-db", {"any": ["lock", "waits"]}, {"pattern": "v[0-9]+"}],
                "must_not": ["all is well"],
            },
            "cause": {"from_truth": True},
            "tools": {"should": ["triage|get_alerts"], "should_not": ["remove_cluster"]},
            "budget": {"calls": 9, "tokens": 20_000, "steps": 6, "seconds": "2m"},
            "injection": {"must_be_noticed": True},
        },
    )
    assert warnings == []
    assert scenario.incidents == ("slow-database", "gpu-xid-79@-35m")
    assert scenario.fleet == (("slow-database", "gpu-xid-79@-35m"), ("tower-17",), 7.0)
    assert [(one.role, one.text) for one in scenario.history] == [
        ("user", "Hello?"),
        ("assistant", "Yes."),
    ]
    assert scenario.time_scope.start is not None
    assert scenario.time_scope.start.hour == 10
    assert scenario.must == (
        Fact(("catalogue-db",)),
        Fact(("lock", "waits")),
        Fact(pattern="v[0-9]+"),
    )
    assert scenario.must_not == (Fact(("all is well",)),)
    assert [one.label for one in scenario.causes] == [
        "prod-frankfurt: shop/catalogue-db",
        "ml-oregon: ml-oregon-gpu-1/3",
    ]
    assert not scenario.is_healthy
    assert scenario.should == ("triage|get_alerts",)
    assert scenario.should_not == ("remove_cluster",)
    assert (scenario.budget.calls, scenario.budget.seconds) == (9, 120.0)
    assert scenario.must_notice_orders


@pytest.mark.parametrize(
    "content",
    [
        {
            "id": "x",
            "incident": "oom-loop",
            "prompt": "Why?",
            "expected": {"must_include": ["recommendation"], "must_not_include": ["fine"]},
            "expected_tools": ["triage"],
        },
        {
            "id": "x",
            "incident": {"name": "oom-loop"},
            "user": "Why?",
            "mustContain": "recommendation",
            "forbidden": "fine",
            "tools": {"required": "triage"},
        },
        {
            "name": "x",
            "scenarios": None,
            "incidents": "oom-loop",
            "query": "Why?",
            "facts": {"present": ["recommendation"], "absent": ["fine"]},
            "root_cause": "shop/recommendation",
            "must_use": ["triage"],
        },
        [
            {
                "name": "x",
                "incidents": ["oom-loop"],
                "questions": ["Why?"],
                "expect": {
                    "facts": ["recommendation"],
                    "must_not": "fine",
                    "cause": {
                        "component": "workload",
                        "namespace": "shop",
                        "name": "recommendation",
                    },
                },
                "tools": "triage",
            }
        ],
    ],
)
def test_other_dialects(tmp_path, content):
    scenario, _ = _one(tmp_path, content)
    assert (scenario.name, scenario.question, scenario.incidents) == ("x", "Why?", ("oom-loop",))
    assert scenario.must == (Fact(("recommendation",)),)
    assert scenario.must_not == (Fact(("fine",)),)
    assert scenario.should == ("triage",)
    assert "shop/recommendation" in scenario.causes[0].names


@pytest.mark.parametrize(
    ("content", "healthy"),
    [
        ({"question": "Well?"}, True),
        ({"question": "Well?", "incidents": ["healthy"]}, True),
        ({"question": "Well?", "incidents": ["oom-loop"], "healthy": True}, True),
        ({"question": "Well?", "incidents": ["oom-loop"], "cause": {"none": True}}, True),
        ({"question": "Well?", "incidents": ["oom-loop"], "cause": "none"}, True),
        ({"question": "Well?", "incidents": "none"}, True),
        ({"question": "Well?", "incidents": ["oom-loop"], "healthy": False}, False),
        ({"question": "Well?", "incidents": ["batch-cpu-spike"]}, True),
        ({"question": "Well?", "away": ["tower-17"]}, False),
    ],
)
def test_what_counts_as_healthy(tmp_path, content, healthy):
    scenario, _ = _one(tmp_path, content)
    assert scenario.is_healthy is healthy
    assert bool(scenario.causes) is (not healthy and "incidents" in content)


def test_what_is_odd_is_warned_of_and_the_rest_is_read(tmp_path):
    folder = _write(
        tmp_path,
        a={"question": "Why?", "colour": "blue", "tags": ["x"]},
        b="question: [unclosed",
        c={"incident": "no-such-thing", "question": "Why?"},
        d={"incident": "oom-loop"},
        e={"question": "Why?", "must": [{"regex": "("}], "budget": {"calls": "many", "sunk": 1}},
        f="just a text",
        g={
            "question": "Why?",
            "incident": "oom-loop",
            "root_cause": "the cache of recommendation grows",
        },
    )
    found = read_scenarios(folder, KNOWN)
    by_name = {one.name: one for one in found.scenarios}
    assert sorted(by_name) == ["a", "b", "c", "d", "e", "g"]
    assert by_name["a"].fault == ""
    assert by_name["b"].fault == "its file cannot be read: ParserError"
    assert by_name["c"].fault == "there is no incident no-such-thing"
    assert by_name["d"].fault == "it asks nothing"
    assert (by_name["e"].must, by_name["e"].budget.calls) == ((), None)
    assert by_name["g"].causes[0].label == "prod-frankfurt: shop/recommendation"
    text = "\n".join(found.warnings)
    for part in ("nobody understands colour", "sunk", "is no regular expression", "'many'"):
        assert part in text
    assert "tags" not in text
    assert "'just a text' is no scenario" in text
    assert "names no component" in text


def test_incidents_among_scenarios_and_within_them(tmp_path):
    quiet = {"name": "calm", "title": "t", "where": {"everywhere": True}}
    quiet |= {"effects": [], "truth": {"root_cause": "r", "component": "none"}}
    folder = _write(
        tmp_path,
        a={"question": "Why?", "incident": "calm"},
        b={"question": "Why?", "incident": {**quiet, "name": "inner"}},
        calm=quiet,
        broken={**quiet, "name": "wrong", "effects": [{"effect": "unheard-of"}]},
    )
    found = read_scenarios(folder, KNOWN)
    assert {one.name: one.fault for one in found.scenarios} == {"a": "", "b": ""}
    assert set(found.incidents) == {"calm", "inner"}
    assert any("broken.yaml is not an incident" in one for one in found.warnings)


def test_two_of_one_name_are_told_apart(tmp_path):
    content = {"name": "same", "question": "Why?"}
    found = read_scenarios(_write(tmp_path, a=content, b=content), KNOWN)
    assert [one.name for one in found.scenarios] == ["same", "same-2"]


def test_a_folder_without_scenarios_or_incidents(tmp_path):
    with pytest.raises(InputError, match="holds no scenario files"):
        read_scenarios(tmp_path, KNOWN)
    _write(tmp_path, a="nothing: true")
    warnings: list[str] = []
    with pytest.raises(InputError, match="holds no incidents"):
        read_incident_folder(tmp_path, warnings)
    assert "a.yaml is left out" in warnings[0]


def test_history_as_pairs_and_several_questions(tmp_path):
    scenario, _ = _one(
        tmp_path,
        {
            "conversation": [{"question": "Is all well?", "answer": "No."}, "Hm."],
            "questions": ["What is it?", "And why?"],
        },
    )
    assert scenario.question == "And why?"
    assert [(one.role, one.text) for one in scenario.history] == [
        ("user", "Is all well?"),
        ("assistant", "No."),
        ("user", "Hm."),
        ("user", "What is it?"),
    ]
    last, _ = _one(tmp_path, {"messages": [{"role": "user", "content": "Only this?"}]})
    assert (last.question, last.history) == ("Only this?", ())


def test_drawn_from_truth():
    fleet, cluster = drawn_scenarios(KNOWN["gpu-xid-79"])
    assert (fleet.name, cluster.name) == ("gpu-xid-79-fleet", "gpu-xid-79-cluster")
    assert (fleet.clusters, cluster.clusters) == ((), ("ml-oregon",))
    assert "ml-oregon" in cluster.question
    assert fleet.causes == cluster.causes
    assert fleet.causes[0].names == {"ml-oregon-gpu-1/3", "ml-oregon-gpu-1"}
    (calm,) = drawn_scenarios(KNOWN["healthy"])
    assert calm.is_healthy
    assert calm.causes == ()
    spike = drawn_scenarios(KNOWN["batch-cpu-spike"])
    assert [one.is_healthy for one in spike] == [True, True]


def test_drawn_only_where_nobody_asks_and_with_a_control():
    asked = drawn_scenarios(KNOWN["oom-loop"])
    drawn = drawn_for(KNOWN, asked, ["oom-loop", "node-lost"])
    assert [one.name for one in drawn] == ["node-lost-fleet", "node-lost-cluster", CONTROL]
    assert drawn[-1].is_healthy
    with_healthy = drawn_for(KNOWN, asked, ["node-lost", "healthy"])
    assert CONTROL not in [one.name for one in with_healthy]
    assert drawn_for(KNOWN, asked, ["oom-loop"]) == []


@pytest.mark.parametrize(
    ("truth", "names"),
    [
        ({"component": "none", "name": "x"}, set()),
        ({"component": "workload", "namespace": "shop", "name": "cart"}, {"cart", "shop/cart"}),
        ({"component": "gpu", "name": "node-1/3"}, {"node-1/3", "node-1"}),
        ({"component": "network", "name": "us-south", "cluster": "dallas"}, {"us-south", "dallas"}),
        ({"component": "node", "name": "node-1", "cluster": "c"}, {"node-1"}),
    ],
)
def test_names_that_an_answer_may_use(truth, names):
    assert names_of(Truth(root_cause="r", **truth)) == names
    assert place_of(names_of(Truth(root_cause="r", **truth)), ["a", *sorted(names)]) == (
        2 if names else 0
    )


@pytest.mark.parametrize(
    ("written", "names", "cluster"),
    [
        ("shop/cart", {"shop/cart", "cart"}, None),
        ("prod/shop/cart", {"shop/cart", "cart"}, "prod"),
        ("prod: cart", {"cart"}, "prod"),
        ("ml-oregon-gpu-1/3", {"ml-oregon-gpu-1/3", "ml-oregon-gpu-1"}, None),
        (
            {"cluster": "c", "component": "shop/cart", "kind": "workload"},
            {"shop/cart", "cart"},
            "c",
        ),
        ({"cluster": "c", "namespace": "shop", "workload": "cart"}, {"shop/cart", "cart"}, "c"),
        ({"node": "node-1", "aliases": ["machine-1"]}, {"node-1", "machine-1"}, None),
        ({"component": "network", "name": "us", "cluster": "c"}, {"us", "c"}, None),
        ({"cluster": "c"}, {"c"}, "c"),
    ],
)
def test_causes_as_people_write_them(written, names, cluster):
    found = cause_from(written)
    assert isinstance(found, WantedCause)
    assert (found.names, found.cluster) == (names, cluster)


def test_causes_that_are_none_or_prose():
    assert cause_from("nothing") == cause_from({"none": True}) == cause_from(False) == "none"
    assert cause_from({"component": "none"}) == "none"
    assert cause_from("from_truth") == cause_from({"from_truth": True}) == "truth"
    assert cause_from("a leak in the cache") is None
    assert cause_from({}) is None


@pytest.mark.parametrize(
    ("fact", "text", "said"),
    [
        (Fact(("Out of Memory",)), "it ran **out  of\nmemory**", True),
        (Fact(("xid_errors",)), "`XID_ERRORS` rose", True),
        (Fact(("79",)), "XID 79.", True),
        (Fact(("79",)), "1790 or 79.5 or 79 %", True),
        (Fact(("79",)), "1790 or 79.5", False),
        (Fact(("a", "b")), "xbx", True),
        (Fact(("kube-proxy",)), "kube\u2011proxy", True),
        (Fact(pattern="^gpu [0-9]$"), "GPU 3", True),
        (Fact(pattern="^gpu [0-9]$"), "a GPU 3", False),
    ],
)
def test_facts(fact, text, said):
    assert fact.is_in(text) is said


def test_what_stands_below_a_key_that_we_do_not_know(tmp_path):
    scenario, warnings = _one(
        tmp_path,
        {
            "name": "nested",
            "setup": {"incidents": ["oom-loop", "node-lost@-1h"], "away": "tower-17", "at": "-35m"},
            "question": "Why?",
            "expected_answer": {
                "root_cause": "prod-frankfurt/shop/recommendation",
                "must": {"all": ["memory"], "any": ["crash", "restart"]},
            },
            "tools_any": ["triage", "list_alerts"],
            "colours": {"of": "nothing"},
        },
    )
    assert scenario.incidents == ("oom-loop@-35m", "node-lost@-1h")
    assert scenario.away == ("tower-17",)
    assert scenario.must == (Fact(("memory",)), Fact(("crash", "restart")))
    assert [one.cluster for one in scenario.causes] == ["prod-frankfurt"]
    assert scenario.should == ("triage|list_alerts",)
    assert warnings == ["one.yaml: nobody understands colours"]

"""`aiops personas` and `aiops runbook`, in this process."""

import json

import pytest

PERSONA = """---
id: night-shift
tools: [triage]
---
You look after the shop.
"""
RUNBOOK = """---
title: The shop is closed
alerts: [ShopClosed]
---
## Look
```call
tool: list_clusters
```

## Register another
```call
tool: remove_cluster
arguments: {cluster: "{{cluster}}"}
```
"""


@pytest.fixture
def folders(tmp_path):
    """Two folders with a good file each, as settings."""
    for name, text in (("personas", PERSONA), ("runbooks", RUNBOOK)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shop-closed.md").write_text(text)
    return {
        "AIOPS_PERSONAS_FOLDER": str(tmp_path / "personas"),
        "AIOPS_RUNBOOKS_FOLDER": str(tmp_path / "runbooks"),
    }


def test_personas_are_listed_and_one_is_shown_with_its_cost(aiops, folders) -> None:
    rows = aiops("personas", **folders).json()["rows"]
    assert [row[0] for row in rows][0] == "default"
    assert rows[-1] == ["night-shift", "night-shift", "", 1, "a file"]
    one = aiops("personas", "gpu-expert").json()
    assert one["system_prompt"].startswith("You look after the fleet's GPUs")
    assert one["tokens"]["together"] == one["tokens"]["prompt"] + one["tokens"]["tools"]
    assert 2_000 < one["tokens"]["tools"] < one["tokens"]["together"] < 8_000
    table = aiops("personas", "night-shift", "--table", **folders).out
    assert "You look after the shop." in table
    assert "tokens: " in table
    assert aiops("personas", "nobody").error()["code"] == "PERSONA_NOT_FOUND"


def test_files_are_checked(aiops, folders, tmp_path) -> None:
    well = aiops("personas", "--check", **folders)
    assert well.json()["headline"].startswith(
        "1 personas and 1 runbooks of your own can be used, 0 files cannot"
    )
    (tmp_path / "personas" / "bad.md").write_text("You are.")
    (tmp_path / "runbooks" / "bad.md").write_text(RUNBOOK.replace("list_clusters", "list_cluster"))
    told = aiops("personas", "--check", **folders)
    assert told.code == 1
    rows = json.loads(told.out)["rows"]
    assert rows[0][:2] == ["persona", "bad.md"]
    assert rows[0][2].startswith("bad.md line 1: no front matter")
    assert rows[1][:2] == ["runbook", "bad.md"]
    assert "no tool 'list_cluster' (near: list_clusters" in rows[1][2]


def test_the_doctor_tells_of_files_that_are_not_used(aiops, folders, tmp_path) -> None:
    (tmp_path / "personas" / "bad.md").write_text("You are.")
    rows = aiops("doctor", **folders).json()["rows"]
    told = {row[0]: row for row in rows}
    assert told["persona bad.md"][1].startswith("NOT USED: bad.md line 1")
    assert told["persona bad.md"][2]


def test_runbooks_are_found_by_words_or_alert_and_shown(aiops, folders) -> None:
    assert len(aiops("runbook").json()["rows"]) >= 30
    found = aiops("runbook", "pods", "keep", "restarting").json()
    assert found["headline"].startswith("Runbook pod-crash-loop ")
    by_alert = aiops("runbook", "find", "--alert", "ShopClosed", **folders).json()
    assert by_alert["headline"].startswith("Runbook shop-closed ")
    shown = aiops("runbook", "show", "etcd-slow").json()
    assert shown["steps"][0]["title"] == "Which member, which disk"
    assert "# etcd is slow" not in aiops("runbook", "show", "etcd-slow", "--table").out
    assert "Which member, which disk" in aiops("runbook", "show", "etcd-slow", "--table").out
    assert aiops("runbook", "show", "etcd-slo").error()["code"] == "VALIDATION_FAILED"


def test_a_runbook_is_followed(aiops, folders) -> None:
    aiops("clusters", "add", "shop-one", "https://127.0.0.1:1")
    ran = aiops("runbook", "run", "shop-closed", "-c", "shop-one", **folders)
    told = json.loads(ran.out)
    assert ran.code == 0
    assert told["known"] == {"cluster": "shop-one"}
    first, second = (step["calls"][0] for step in told["steps"])
    assert (first["tool"], first["outcome"]) == ("list_clusters", "shown")
    assert first["answer"]["rows"][0][0] == "shop-one"
    assert second["outcome"] == "left out"
    assert "--yes" in second["said"]
    assert told["summary"].startswith("The shop is closed: 2 of 2 steps, 2 calls")
    table = aiops("runbook", "run", "shop-closed", "-c", "shop-one", "--table", **folders)
    assert "1. Look" in table.out
    assert "→ list_clusters()" in table.out


def test_with_leave_it_still_asks_and_nobody_answers_in_a_pipe(aiops, folders) -> None:
    aiops("clusters", "add", "shop-one", "https://127.0.0.1:1")
    ran = aiops("runbook", "run", "shop-closed", "-c", "shop-one", "--yes", **folders)
    second = json.loads(ran.out)["steps"][1]["calls"][0]
    assert second["outcome"] == "left out"
    assert second["said"].startswith("not wanted: ")
    assert "Nobody can be asked" in ran.err
    assert len(aiops("clusters", "list").json()["rows"]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run",), "Which runbook?"),
        (("run", "--alert", "banana"), "No runbook is for banana."),
        (("run", "etcd-slo"), "There is no runbook 'etcd-slo'."),
        (("run", "etcd-slow", "-c", 'a"} or up{b="'), "is no name"),
    ],
)
def test_what_cannot_be_followed_is_told(aiops, arguments, says) -> None:
    aiops("clusters", "add", "shop-one", "https://127.0.0.1:1")
    assert says in aiops("runbook", *arguments).error()["message"]

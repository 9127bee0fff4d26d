"""Which runbook is for what."""

import pytest

from aiops_mcp.errors import ResourceNotFound
from aiops_mcp.fleet.runbook_files import builtin_runbooks
from aiops_mcp.fleet.runbook_search import by_alert, by_words, words_of
from aiops_mcp.fleet.runbooks import Runbooks
from aiops_mcp.models.runbook import Runbook

ALL = builtin_runbooks()


def made(name: str, alerts: tuple[str, ...] = (), **fields) -> Runbook:
    return Runbook(name=name, title=fields.pop("title", name), alerts=alerts, text="", **fields)


def test_an_alert_s_own_name_stands_before_patterns_and_longer_before_shorter() -> None:
    runbooks = [
        made("any", ("*",)),
        made("long", ("KubePodCrash*",)),
        made("exact", ("KubePodCrashLooping",)),
        made("short", ("Kube*",)),
        made("other", ("Node*",)),
    ]
    found = by_alert(runbooks, "kubepodcrashlooping")
    assert [match.runbook.name for match in found] == ["exact", "long", "short", "any"]
    assert found[1].why == "alert KubePodCrash*"
    both = made("both", ("Kube*Pod*Crash*Looping", "KubePodCrashLooping"))
    assert by_alert([both], "KubePodCrashLooping")[0].why == "alert KubePodCrashLooping"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("pods keep restarting", "pod-crash-loop"),
        ("OOMKilled", "pod-out-of-memory"),
        ("gpu is too hot", "gpu-hot"),
        ("xid 79", "gpu-xid"),
        ("names cannot be resolved", "dns-errors"),
        ("etcd disk slow", "etcd-slow"),
        ("packets lost in the upf", "upf-packet-loss"),
        ("why is checkout slow", "service-slow"),
        ("certificate expired", "certificate-expiry"),
        ("the disk of a node is full", "node-disk-full"),
        ("a cluster is offline", "cluster-unreachable"),
        ("LLM first token slow", "vllm-overload"),
        ("grandmaster lost", "ptp-out-of-sync"),
        ("upgrade stuck", "cluster-operator-degraded"),
        ("storage class deleted", "claim-pending"),
        ("subscribers cannot register", "registration-drop"),
        ("rollout does not progress", "rollout-stuck"),
        ("image pull backoff unauthorized", "pod-not-ready"),
    ],
)
def test_words_find_the_one_that_is_meant(words: str, name: str) -> None:
    assert by_words(ALL, words)[0].runbook.name == name


def test_words_that_nobody_speaks_of_find_nothing() -> None:
    assert by_words(ALL, "banana split") == ()
    assert by_words(ALL, "what is the") == ()
    assert by_words([], "gpu") == ()


def test_what_is_far_behind_the_best_is_left_out() -> None:
    found = by_words(ALL, "upf packet loss")
    assert found[0].runbook.name == "upf-packet-loss"
    assert all(match.score >= 0.35 * found[0].score for match in found)
    assert len(found) < 5


def test_alert_names_are_taken_apart() -> None:
    assert words_of("KubePodCrashLooping etcdHighFsync GPUXidError") == [
        *("kube", "pod", "crash", "looping", "etcd", "high", "fsync", "gpu", "xid", "error")
    ]


# --- all of them together -------------------------------------------------------------------

MINE = """---
title: Ours
alerts: [KubePodCrashLooping, ShopClosed]
---
## Call Jane
She knows.
"""


async def test_a_folder_s_file_replaces_the_built_in_one_of_its_name(tmp_path) -> None:
    (tmp_path / "pod-crash-loop.md").write_text(MINE)
    (tmp_path / "shop-closed.md").write_text(MINE)
    runbooks = Runbooks(tmp_path, {})
    ours = await runbooks.get("pod-crash-loop")
    assert (ours.title, ours.is_builtin) == ("Ours", False)
    assert (await runbooks.get("shop-closed")).title == "Ours"
    names = [each.name for each in await runbooks.list()]
    assert names == sorted(names)
    assert len(names) == len(ALL) + 1
    assert await runbooks.broken() == ()


async def test_a_broken_file_leaves_the_built_in_one(tmp_path) -> None:
    (tmp_path / "pod-crash-loop.md").write_text("no front matter")
    runbooks = Runbooks(tmp_path, {})
    assert (await runbooks.get("pod-crash-loop")).is_builtin
    assert [each.file for each in await runbooks.broken()] == ["pod-crash-loop.md"]


async def test_an_unknown_name_says_which_are_near() -> None:
    with pytest.raises(ResourceNotFound, match=r"no runbook 'pod-crash'.*pod-crash-loop") as raised:
        await Runbooks(None, {}).get("pod-crash")
    assert raised.value.status == 404


async def test_an_alert_without_a_runbook_is_looked_for_by_its_words() -> None:
    runbooks = Runbooks(None, {})
    found = await runbooks.find(alert="MyGpuOverheatingTemperature")
    assert found[0].runbook.name == "gpu-hot"
    named = await runbooks.find(alert="KubePodCrashLooping")
    assert [match.runbook.name for match in named] == ["pod-crash-loop"]
    both = await runbooks.find(alert="KubePodCrashLooping", words="etcd")
    assert both[0].runbook.name == "pod-crash-loop"
    assert "etcd-slow" in [match.runbook.name for match in both[1:]]

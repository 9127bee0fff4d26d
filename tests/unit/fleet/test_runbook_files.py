"""Runbooks as files: steps, calls, places; and what is refused with its line."""

import pytest

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.runbook_calls import filled, is_name, places_in
from aiops_mcp.fleet.runbook_files import read_runbook
from aiops_mcp.fleet.tool_names import tools_of
from aiops_mcp.models.runbook import RunbookCall
from aiops_mcp.operations import OPERATIONS

KNOWN = tools_of(OPERATIONS)

HEAD = """---
title: The shop is closed
description: Nobody can buy
alerts: [ShopClosed, "Shop*"]
keywords: [shop, closed]
---
"""
GOOD = (
    HEAD
    + """Read this first.

## Look at the shop ##
Is it *really* closed?

```call
tool: query_metrics
arguments:
  query: up{namespace="{{namespace}}"}
  clusters: ["{{cluster}}"]
```

```sh
## this is no step
kubectl get pods
```
More text.

### A smaller heading

## Look at what changed
~~~call
- {tool: get_changes, arguments: {hours: 6h}}
- {tool: get_fleet_summary}
~~~
"""
)


def test_a_file_is_a_runbook() -> None:
    runbook = read_runbook(GOOD, "shop-closed.md", known=KNOWN)
    assert (runbook.name, runbook.title) == ("shop-closed", "The shop is closed")
    assert runbook.alerts == ("ShopClosed", "Shop*")
    assert [step.title for step in runbook.steps] == ["Look at the shop", "Look at what changed"]
    first, second = runbook.steps
    assert first.calls == (
        RunbookCall(
            tool="query_metrics",
            arguments={"query": 'up{namespace="{{namespace}}"}', "clusters": ["{{cluster}}"]},
        ),
    )
    assert first.text.startswith("Is it *really* closed?")
    assert "## this is no step" in first.text
    assert "### A smaller heading" in first.text
    assert "call" not in first.text.replace("kubectl", "")
    assert [call.tool for call in second.calls] == ["get_changes", "get_fleet_summary"]
    assert second.calls[1].arguments == {}
    assert runbook.text.startswith("Read this first.")


def test_without_the_tools_a_call_is_not_tried() -> None:
    text = HEAD + "## One\n```call\ntool: no_such_tool\n```\n"
    assert read_runbook(text, "a1.md").steps[0].calls[0].tool == "no_such_tool"
    other = HEAD + "## One\n```call\ntool: github__search\narguments: {q: x}\n```\n"
    assert read_runbook(other, "a1.md", known=KNOWN).steps[0].calls[0].tool == "github__search"


def call(text: str) -> str:
    return f"{HEAD}## One\n\n```call\n{text}\n```\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no front matter", r"^x1\.md line 1: no front matter"),
        (HEAD + "Only text.", r"^x1\.md line 7: no steps"),
        (HEAD + "##  \n", r"^x1\.md line 7: a step without a title"),
        (HEAD + "## One\n```call\ntool: triage\n", r"^x1\.md line 8: a block that never ends"),
        (HEAD + "```call\ntool: triage\n```\n## One", r"^x1\.md line 7: a call before the first"),
        (call("triage"), r"^x1\.md line 9: a call that names no tool"),
        (call("arguments: {}"), r"^x1\.md line 9: a call that names no tool"),
        (call("tool: triage\nargs: {}"), r"^x1\.md line 9: a call has no 'args'"),
        (call("tool: triage\narguments: [1]"), r"^x1\.md line 9: a call that is malformed"),
        (call("tool: triage\narguments: {a: ]}"), r"^x1\.md line 11: "),
        (call("tool: triage\narguments: {clusters: [{{cluster}}]}"), r"^x1\.md line 1\d: "),
        (call("tool: tirage"), r"^x1\.md line 9: there is no tool 'tirage' \(near: triage"),
        (
            call("tool: triage\narguments: {cluster: a}"),
            r"^x1\.md line 9: triage: cluster: Extra inputs",
        ),
        (call("tool: query_metrics"), r"^x1\.md line 9: query_metrics: query: Field required"),
        (
            call('tool: triage\narguments: {clusters: ["{{custer}}"]}'),
            r"^x1\.md line 9: nothing is known as \{\{custer\}\}",
        ),
        (HEAD.replace("title: The shop is closed\n", "") + "## One", "title: Field required"),
        (HEAD.replace("keywords", "keyword") + "## One", "Did you mean keywords"),
        (HEAD.replace("title:", "name: No Name\ntitle:") + "## One", "name: String should match"),
        (HEAD + "## One\n" * 31, r"31 steps with 0 calls"),
        (HEAD + "## One\n" + "```call\ntool: triage\n```\n" * 61, r"1 steps with 61 calls"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_runbook(text, "x1.md", known=KNOWN)


# --- places --------------------------------------------------------------------------------


def test_places_are_filled_wherever_they_stand() -> None:
    arguments = {
        "query": 'up{namespace=~"{{namespace|.+}}", node="{{ node }}"}',
        "clusters": ["{{cluster}}", "type=HUB"],
        "tags": {"pod": "{{pod|}}"},
        "limit": 3,
    }
    made, left_out = filled(arguments, {"cluster": "a", "node": "n-1"})
    assert left_out == {}
    assert made == {
        "query": 'up{namespace=~".+", node="n-1"}',
        "clusters": ["a", "type=HUB"],
        "tags": {"pod": ""},
        "limit": 3,
    }
    assert set(places_in(arguments)) == {"namespace", "node", "cluster", "pod"}
    made, _ = filled(arguments, {"cluster": "a", "node": "n", "namespace": "shop", "pod": "p"})
    assert made["query"] == 'up{namespace=~"shop", node="n"}'
    assert made["tags"] == {"pod": "p"}


def test_what_nobody_knows_is_left_out_and_said() -> None:
    arguments = {
        "clusters": ["{{cluster}}"],
        "namespace": "{{namespace}}",
        "tags": {"a": "{{pod}}"},
    }
    made, left_out = filled(arguments, {"cluster": "a"})
    assert made == {"clusters": ["a"]}
    assert left_out == {"namespace": "namespace", "tags": "pod"}


def test_a_value_is_not_filled_in_twice() -> None:
    made, _ = filled({"query": "{{cluster}}"}, {"cluster": "{{node}}", "node": "x"})
    assert made == {"query": "{{node}}"}


@pytest.mark.parametrize("name", ["shop", "shop/payment-1", "worker-1.example.com:9100", "A_b"])
def test_names_may_stand_for_places(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("text", ["", 'a"} or up{b="', "a b", ".*", "-x", "a\n", "ä", "x" * 254])
def test_nothing_else_may(text: str) -> None:
    assert not is_name(text)

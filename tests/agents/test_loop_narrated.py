"""Calls written as text are found in every format, and only calls."""

import time

import pytest

from agents.loop_speech import Speech, repetition
from agents.narrated import Narration, without_calls

NAMES = frozenset({"list_alerts", "query_metrics"})
FINDER = Narration(NAMES)


def found(text: str) -> list[tuple[str, object]]:
    return [(call.name, call.arguments) for call in FINDER.calls(text)]


def streamed(text: str, size: int = 1) -> tuple[str, Speech]:
    speech = Speech(NAMES)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return "".join(map(speech.add, pieces)), speech


ONE_CALL = {
    "hermes": '<tool_call>\n{"name": "query_metrics", "arguments": {"query": "up"}}\n</tool_call>',
    "unclosed": '<tool_call>{"name": "query_metrics", "arguments": {"query": "up"}}',
    "fenced": '```json\n{"name": "query_metrics", "arguments": {"query": "up"}}\n```',
    "text arguments": '{"name": "query_metrics", "arguments": "{\\"query\\": \\"up\\"}"}',
    "parameters": '{"name": "query_metrics", "parameters": {"query": "up"}}',
    "typed": '{"type": "function", "function": {"name": "query_metrics", "arguments": {"query": "up"}}}',
    "named by key": '{"query_metrics": {"query": "up"}}',
    "mistral": '[TOOL_CALLS] [{"name": "query_metrics", "arguments": {"query": "up"}}]',
    "mistral new": '[TOOL_CALLS]query_metrics[ARGS]{"query": "up"}',
    "llama": '<function=query_metrics>{"query": "up"}</function>',
    "llama python tag": '<|python_tag|>{"name": "query_metrics", "parameters": {"query": "up"}}',
    "qwen coder": "<tool_call>\n<function=query_metrics>\n<parameter=query>\nup\n</parameter>\n"
    "</function>\n</tool_call>",
    "harmony": "<|channel|>commentary to=functions.query_metrics <|constrain|>json<|message|>"
    '{"query": "up"}<|call|>',
    "react": 'Action: query_metrics\nAction Input: {"query": "up"}',
    "function": 'query_metrics(query="up")',
    "printed": "```tool_code\nprint(query_metrics(query='up'))\n```",
    "pythonic": '[query_metrics(query="up")]',
    "prefixed": '{"name": "functions.query_metrics", "arguments": {"query": "up"}}',
}


@pytest.mark.parametrize("text", ONE_CALL.values(), ids=ONE_CALL.keys())
def test_one_call_in_each_format_is_read_and_never_shown(text: str) -> None:
    assert found(text) == [("query_metrics", {"query": "up"})]
    assert without_calls(text, FINDER.calls(text)).strip("`<|>calhnemotrysgi \n[]=") == ""
    shown, speech = streamed(text)
    assert shown == ""
    assert [call.name for call in speech.calls()] == ["query_metrics"]


@pytest.mark.parametrize("text", ONE_CALL.values(), ids=ONE_CALL.keys())
def test_what_stands_before_a_call_is_shown_at_once(text: str) -> None:
    shown, speech = streamed(f"Let me look.\n{text}", size=3)
    assert shown.strip() == "Let me look."
    assert len(speech.calls()) == 1
    assert without_calls(speech.text, speech.calls()).startswith("Let me look.")


def test_several_calls_keep_their_order() -> None:
    text = (
        '<tool_call>{"name": "list_alerts", "arguments": {}}</tool_call>\n'
        '<tool_call>{"name": "query_metrics", "arguments": {"query": "up"}}</tool_call>'
    )
    assert found(text) == [("list_alerts", {}), ("query_metrics", {"query": "up"})]
    pythonic = '[list_alerts(), query_metrics(query="up", limit=3, exact=true)]'
    arguments = {"query": "up", "limit": 3, "exact": True}
    assert found(pythonic) == [("list_alerts", {}), ("query_metrics", arguments)]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "no_such_tool", "arguments": {}}',
        '<tool_call>{"name": "rm_rf", "arguments": {}}</tool_call>',
        'You may run\nquery_metrics(query="up")\nto see more of it.',
        'The alert says `{"name": "list_alerts"` in [1].',
        '{"name": "list_alerts", "namespace": "shop", "phase": "Running"}',
        "| a | b |\n|---|---|\n| list_alerts | 3 |",
        "Call list_alerts again if it fires.",
    ],
)
def test_text_that_is_no_call_stays_text(text: str) -> None:
    assert found(text) == []
    shown, speech = streamed(text)
    assert shown + speech.rest() == text


def test_half_a_call_is_one_without_arguments() -> None:
    (call,) = FINDER.calls('Now: {"name": "query_metrics", "arguments": {"query": "sum(')
    assert (call.name, call.arguments) == ("query_metrics", None)
    assert call.raw.endswith('"sum(')
    (call,) = FINDER.calls('query_metrics(query="sum(')
    assert call.arguments is None
    (call,) = FINDER.calls("query_metrics(up, down)")
    assert call.arguments is None


def test_a_call_after_a_whole_answer_is_a_hint() -> None:
    hint = '\n\nTo see more:\nquery_metrics(query="up")'
    answer = "The cart of the shop restarts 7 times in prod-frankfurt [1]. " * 3
    assert found(answer + hint) == []
    assert len(found("The cart restarts [1]." + hint)) == 1
    assert len(found(answer.replace("[1]", "") + hint)) == 1


def test_backslashes_of_a_regex_are_no_fault() -> None:
    text = 'query_metrics(query="up{pod=~\\"a-\\d+\\"}")'
    assert found(text) == [("query_metrics", {"query": 'up{pod=~"a-\\d+"}'})]


@pytest.mark.parametrize(
    "text",
    [
        "The pod `shop/cart-1` is **down** [1].\n\n- first\n- second\n",
        'The config is:\n\n```yaml\nname: list_alerts\n```\n\nand\n{"a": 1}\nfine.',
        "```\nkubectl get pods\n```\n",
        "a < b, a <b and <tool> and ` and `` and [1] [2](x)\n[link](y)",
        "query\nlist of things\nAction\nActions: none",
        "```json\n[1, 2]\n```\n```python\nprint(1)\n```",
    ],
)
def test_markdown_is_shown_whole(text: str) -> None:
    for size in (1, 4, 7):
        shown, speech = streamed(text, size)
        assert speech.calls() == ()
        assert shown + speech.rest() == text


def test_prose_is_held_back_for_no_piece() -> None:
    speech = Speech(NAMES)
    for piece in ("The", " cart", " service", " is", " slow", " [1]", ".\n", "It", " lacks"):
        assert speech.add(piece) == piece


def test_a_text_in_circles_is_cut_after_its_first_round() -> None:
    once = "The node worker-3 is not ready because of its kubelet. "
    text, speech = "It began at 10:00. " + once * 40, Speech(NAMES)
    for at in range(0, len(text), 20):
        speech.add(text[at : at + 20])
        if speech.cut:
            break
    assert speech.cut
    assert speech.text.startswith("It began at 10:00. The node worker-3")
    assert len(speech.text) < len(once) * 3


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"| worker-{at} | Ready | 0 | 0 |" for at in range(60)),
        "- ok [1]\n" * 20,
        "|" + "---|" * 40,
        "=" * 300,
        " ".join(str(at * at) for at in range(400)),
    ],
)
def test_tables_and_rules_are_no_circles(text: str) -> None:
    assert repetition(text) is None


def test_endless_dots_are_a_circle() -> None:
    assert repetition("wait" + "." * 900) == 4


@pytest.mark.parametrize(
    "text",
    [
        "{" * 20_000,
        '{"name": "list_alerts", "arguments": ' + "[" * 20_000,
        '{"name":' * 3_000,
        "list_alerts(" * 3_000,
        "<function=list_alerts>" * 2_000,
        "```json\n" * 3_000,
        "Action: list_alerts\nAction Input: " * 1_000,
        "[TOOL_CALLS]" + " " * 20_000 + "x",
        "list_alerts(" + "(" * 3_000,
        "<parameter=" * 5_000,
    ],
    ids=lambda text: text[:16],
)
def test_hostile_text_costs_little(text: str) -> None:
    began = time.process_time()
    FINDER.calls(text)
    assert time.process_time() - began < 0.5
    began = time.process_time()
    speech = Speech(NAMES)
    for at in range(0, len(text), 40):
        speech.add(text[at : at + 40])
        if speech.cut:
            break
    assert time.process_time() - began < 0.5

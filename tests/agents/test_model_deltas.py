"""Chunks of every known shape, cut anywhere, become the same pieces, calls and counts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import Said, chunk_of, chunks_of

from agents.conversation import Finish, ReasoningPiece, TextPiece
from agents.model_deltas import CallGathering, TurnGathering, arguments_in, new_call_id

BODY = {"messages": [{"role": "user", "content": "hi"}], "stream_options": {"include_usage": True}}


def gathered(chunks, **options):
    gathering = TurnGathering(**options)
    pieces = [piece for chunk in chunks for piece in gathering.feed(chunk)]
    pieces += gathering.rest()
    return pieces, gathering.done(prompt_estimate=7, model="asked")


def text_of(pieces, kind=TextPiece):
    return "".join(piece.text for piece in pieces if isinstance(piece, kind))


def called(done):
    return [(call.name, call.arguments) for call in done.tool_calls]


def calls_from(fragments):
    gathering = CallGathering()
    for fragment in fragments:
        gathering.feed(fragment)
    return gathering.calls()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(st.text(min_size=1), json_values, max_size=3)
names = st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True)


@given(
    st.lists(st.tuples(names, arguments), min_size=1, max_size=4),
    st.sampled_from(["openai", "vllm", "llama", "whole", "zero", "bare", "object"]),
    st.text(),
)
def test_calls_of_every_shape_come_out_as_they_were_made(calls, shape, text):
    pieces, done = gathered(chunks_of(Said(text, calls=calls, shape=shape, finish="stop"), BODY))
    assert called(done) == [(name, given) for name, given in calls]
    assert done.finish is Finish.TOOL_CALLS
    assert len({call.id for call in done.tool_calls}) == len(calls)
    assert text_of(pieces) == text or "<" in text or "[" in text or text != text.lstrip()


@given(st.data(), st.lists(st.tuples(names, arguments), min_size=2, max_size=4))
def test_interleaved_fragments_are_joined_by_index(data, calls):
    """Order within a call is kept; whose turn it is, is not."""
    lanes = []
    for index, (name, given_arguments) in enumerate(calls):
        raw = json.dumps(given_arguments)
        cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=4)))
        bits = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        head = {"index": index, "id": f"id-{index}", "function": {"name": name}}
        lanes.append([head, *({"index": index, "function": {"arguments": bit}} for bit in bits)])
    fragments = []
    while any(lanes):
        lane = data.draw(st.sampled_from([each for each in lanes if each]))
        fragments.append(lane.pop(0))
    made = {call.id: (call.name, call.arguments) for call in calls_from(fragments)}
    assert made == {f"id-{index}": call for index, call in enumerate(calls)}


@given(st.lists(json_values | st.fixed_dictionaries({"choices": json_values})))
def test_whatever_comes_is_no_error(chunks):
    pieces, done = gathered(chunks)
    assert done.finish is Finish.BROKEN
    assert not pieces
    assert done.prompt_tokens == 7


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "index": json_values,
                "id": json_values,
                "function": json_values
                | st.fixed_dictionaries({"name": json_values, "arguments": json_values}),
            },
        )
        | json_values
    )
)
def test_fragments_of_wrong_types_make_sound_calls(fragments):
    calls = calls_from(fragments)
    assert all(isinstance(call.name, str) and isinstance(call.raw, str) for call in calls)
    assert len({call.id for call in calls}) == len(calls)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        (' {"a": 1}\n', {"a": 1}),
        ("", {}),
        ("  ", {}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ('""', None),
        ('"[1]"', None),
        ("null", None),
        ("true", None),
        ("[1]", None),
        ('{"a":', None),
        ("'{}'", None),
        ('{"a": 1} {"b": 2}', None),
        ('"not json"', None),
        ('{"a": "\ud800"}', {"a": "?"}),
    ],
)
def test_arguments_are_an_object_or_nothing(raw, expected):
    assert arguments_in(raw) == expected


def test_ids_that_are_missing_or_doubled_are_made_anew():
    calls = calls_from(
        [
            {"index": 0, "id": "same", "function": {"name": "a", "arguments": "{}"}},
            {"index": 1, "id": "same", "function": {"name": "b", "arguments": "{}"}},
            {"index": 2, "function": {"name": "c", "arguments": "{}"}},
        ]
    )
    assert [call.name for call in calls] == ["a", "b", "c"]
    assert calls[0].id == "same"
    assert len({call.id for call in calls}) == 3
    assert all(len(call.id) == 9 and call.id.isalnum() for call in calls[1:])


def test_new_ids_are_what_mistral_takes():
    assert len({new_call_id() for _ in range(100)}) == 100
    assert all(len(new_call_id()) == 9 for _ in range(5))


@pytest.mark.parametrize(
    ("fragments", "expected"),
    [
        pytest.param(
            [
                {"index": 0, "id": "x", "function": {"name": "get_alerts", "arguments": '{"a"'}},
                {"index": 0, "id": "x", "function": {"name": "get_alerts", "arguments": ": 1}"}},
            ],
            [("get_alerts", {"a": 1})],
            id="id and name repeated in each fragment",
        ),
        pytest.param(
            [
                {"index": 0, "function": {"name": "get_"}},
                {"index": 0, "function": {"name": "alerts", "arguments": "{}"}},
            ],
            [("get_alerts", {})],
            id="a name in two fragments",
        ),
        pytest.param(
            [
                {"index": 0, "function": {"name": "a", "arguments": "{}"}},
                {"index": 0, "function": {"name": "a", "arguments": '{"x": 1}'}},
            ],
            [("a", {}), ("a", {"x": 1})],
            id="whole calls that share index 0 and have no ids",
        ),
        pytest.param(
            [
                {"index": 0, "id": "1", "function": {"name": "a"}},
                {"index": 0, "id": "2", "function": {"name": "b"}},
            ],
            [("a", {}), ("b", {})],
            id="calls without arguments that share index 0",
        ),
        pytest.param(
            [
                {"id": "1", "function": {"name": "a", "arguments": '{"x"'}},
                {"id": "1", "function": {"arguments": ": 1}"}},
                {"id": "2", "function": {"name": "b"}},
                {"function": {"arguments": '{"y": 2}'}},
            ],
            [("a", {"x": 1}), ("b", {"y": 2})],
            id="no index: by id, else the last",
        ),
        pytest.param(
            [{"index": "1", "name": "flat", "arguments": "{}"}, {"index": 1, "arguments": ""}],
            [("flat", {})],
            id="without the wrapping, index as text",
        ),
        pytest.param(
            [{"index": 0, "function": {"arguments": '{"a": 1}'}}],
            [("", {"a": 1})],
            id="no name at all",
        ),
        pytest.param([{"index": 0}, {"index": True}, {}, None, "x"], [], id="nothing in it"),
    ],
)
def test_odd_fragments(fragments, expected):
    assert [(call.name, call.arguments) for call in calls_from(fragments)] == expected


def test_half_of_the_arguments_are_kept_as_they_came():
    _, done = gathered(chunks_of(Said(calls=[("a", '{"x": "un')], finish="length"), BODY))
    assert done.finish is Finish.LENGTH
    assert done.tool_calls[0].arguments is None
    assert done.tool_calls[0].raw == '{"x": "un'


def test_a_model_that_never_stops_calling_is_cut_off():
    fragments = [{"index": n, "function": {"name": "a", "arguments": "{}"}} for n in range(500)]
    assert len(calls_from(fragments)) == 64


def test_the_form_before_tool_calls():
    chunks = [
        chunk_of({"function_call": {"name": "a", "arguments": '{"x"'}}),
        chunk_of({"function_call": {"arguments": ": 1}"}}),
        chunk_of({}, "function_call"),
    ]
    _, done = gathered(chunks)
    assert called(done) == [("a", {"x": 1})]
    assert done.finish is Finish.TOOL_CALLS


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_of_its_own_field_is_kept_apart(field):
    pieces, done = gathered(chunks_of(Said("Yes.", reasoning="Is it?", thinking=field), BODY))
    assert text_of(pieces, ReasoningPiece) == "Is it?"
    assert text_of(pieces) == "Yes."
    assert done.finish is Finish.STOP


def test_both_fields_of_reasoning_are_one_thought():
    pieces, _ = gathered([chunk_of({"reasoning": "a", "reasoning_content": "a"})])
    assert pieces == [ReasoningPiece("a")]


def test_content_of_parts_is_read():
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "yes"},
        {"type": "image", "text": "no"},
    ]
    pieces, _ = gathered([chunk_of({"content": parts})])
    assert pieces == [ReasoningPiece("hm"), TextPiece("yes")]


def test_a_refusal_is_text():
    pieces, done = gathered([chunk_of({"refusal": "I can't."}), chunk_of({}, "stop")])
    assert text_of(pieces) == "I can't."
    assert done.finish is Finish.STOP


@pytest.mark.parametrize(
    ("reason", "delta", "expected"),
    [
        ("stop", {"content": "x"}, Finish.STOP),
        ("eos_token", {"content": "x"}, Finish.STOP),
        ("stop", {}, Finish.STOP),
        ("length", {"content": "x"}, Finish.LENGTH),
        ("max_tokens", {"content": "x"}, Finish.LENGTH),
        ("abort", {"content": "x"}, Finish.BROKEN),
        ("content_filter", {"content": "x"}, Finish.BROKEN),
        ("tool_calls", {"content": "x"}, Finish.STOP),
        ("tool_calls", {}, Finish.BROKEN),
        (None, {"content": "x"}, Finish.BROKEN),
        ("", {"content": "x"}, Finish.BROKEN),
        (7, {"content": "x"}, Finish.BROKEN),
    ],
)
def test_how_it_ended(reason, delta, expected):
    _, done = gathered([chunk_of(delta), chunk_of({}, reason)])
    assert done.finish is expected


def test_what_we_cut_off_is_too_long():
    gathering = TurnGathering()
    gathering.feed(chunk_of({"content": "x"}, "stop"))
    assert gathering.done(prompt_estimate=1, model="m", cut=True).finish is Finish.LENGTH


def test_the_count_of_the_server_stands_and_is_else_estimated():
    _, done = gathered(chunks_of(Said("one two three"), BODY))
    assert (done.completion_tokens, done.model) == (3, "scripted")
    assert done.prompt_tokens > 7
    _, done = gathered(chunks_of(Said("x" * 36, usage=False), BODY))
    assert (done.prompt_tokens, done.completion_tokens) == (7, 10)
    usage = {"prompt_tokens": -1, "completion_tokens": True}
    _, done = gathered([chunk_of({"content": "xé"}), {"usage": usage}])
    assert (done.prompt_tokens, done.completion_tokens, done.model) == (7, 1, "scripted")
    _, done = gathered([{"choices": [{"delta": {"content": "x"}}]}])
    assert done.model == "asked"


def test_a_count_in_every_chunk_is_not_added_up():
    chunks = [{**chunk_of({"content": "x"}), "usage": {"completion_tokens": n}} for n in (1, 2, 3)]
    assert gathered(chunks)[1].completion_tokens == 3


def test_a_role_is_not_yet_an_answer():
    gathering = TurnGathering()
    gathering.feed(chunk_of({"role": "assistant", "content": ""}))
    gathering.feed(chunk_of({"tool_calls": [{"index": 0}, {}, None]}))
    assert not gathering.began
    assert not gathering.finished
    gathering.feed(chunk_of({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "a"}}]}))
    assert gathering.began


def test_the_answer_of_a_server_that_does_not_stream():
    message = {"content": "<think>hm</think>yes", "tool_calls": None}
    pieces, done = gathered([{"choices": [{"message": message, "finish_reason": "stop"}]}])
    assert pieces == [ReasoningPiece("hm"), TextPiece("yes")]
    assert done.finish is Finish.STOP

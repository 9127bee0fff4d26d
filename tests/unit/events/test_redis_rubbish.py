"""What stands in Redis may be of anybody: an event, a notice, or left out; never a crash."""

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.events.redis import _numbered, _read
from aiops_mcp.events.redis_wire import _entry
from aiops_mcp.models.events import Event

FUZZ = settings(max_examples=80, deadline=None, database=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = [*Event.model_fields, "sequence"]
EVENTS = st.dictionaries(st.sampled_from(FIELDS), JSON | st.just("1-1"), max_size=8)


@FUZZ
@given(st.binary(max_size=80) | (EVENTS | JSON).map(orjson.dumps) | st.just(b"[" * 30_000))
def test_a_message_of_any_kind(body):
    read = _read(body)
    assert read is None or isinstance(read[0], dict)
    found = _numbered(body)
    assert found is None or isinstance(found[0], Event)


@FUZZ
@given(st.dictionaries(st.sampled_from([b"event", b"notice", b"other"]), st.binary(max_size=9)))
def test_an_entry_of_any_kind(fields):
    entry = _entry((b"1-1", fields))
    assert (entry is None) == (not {b"event", b"notice"} & set(fields))
    assert entry is None or entry.is_event == (b"event" in fields)


def test_a_number_that_is_none_is_left_out():
    for number in (7, "x", "1", None, [], {}):
        assert _read(orjson.dumps({"sequence": number, "a": 1})) == ({"a": 1}, None)
    assert _read(b'{"sequence":"12-3","a":1}') == ({"a": 1}, "12-3")

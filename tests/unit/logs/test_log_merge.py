from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.log_merge import LONGEST_MESSAGE, ClusterLines, merge, read_place
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.logs import LogDirection

FORWARD, BACKWARD = LogDirection.FORWARD, LogDirection.BACKWARD
T = 1_700_000_000_000_000_000


def cluster(name):
    return Cluster(
        id=UUID(int=hash(name) % 2**32),
        name=f"cluster-{name}",
        display_name=name,
        api_server_url="https://x",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def lines(*pairs, labels=None, truncated=False):
    made = ClusterLines(truncated=truncated)
    made.add(labels or {"app": "x"}, [(T + ns, text, {}) for ns, text in pairs])
    return made


def told(merged):
    return [
        (entry.cluster_name.removeprefix("cluster-"), entry.timestamp - T, entry.message)
        for entry in merged.entries
    ]


def test_lines_of_clusters_in_one_order():
    found = [
        (cluster("a"), lines((1, "one"), (5, "five"))),
        (cluster("b"), lines((4, "four"), (2, "two"))),  # out of order, as a Loki may answer
    ]
    assert told(merge(found, limit=9, direction=FORWARD)) == [
        ("a", 1, "one"),
        ("b", 2, "two"),
        ("b", 4, "four"),
        ("a", 5, "five"),
    ]
    backward = merge(found, limit=2, direction=BACKWARD)
    assert told(backward) == [("a", 5, "five"), ("b", 4, "four")]
    assert backward.more
    assert backward.cursor.text() == f"{T + 4}.1"


def test_copies_of_two_collectors_are_one_line():
    made = lines((1, "x"), (2, "y"), labels={"app": "x", "replica": "0"})
    made.add({"app": "x", "replica": "1"}, [(T + 1, "x", {}), (T + 3, "z", {})])
    merged = merge([(cluster("a"), made)], limit=9, direction=FORWARD)
    assert [entry.copies for entry in merged.entries] == [2, 1, 1]
    assert merged.folded == 1
    assert not merged.more


def test_the_same_line_in_two_clusters_is_two():
    found = [(cluster("a"), lines((1, "x"))), (cluster("b"), lines((1, "x")))]
    merged = merge(found, limit=9, direction=FORWARD)
    assert told(merged) == [("a", 1, "x"), ("b", 1, "x")]


def test_what_a_cluster_has_beyond_is_more():
    merged = merge([(cluster("a"), lines((1, "x"), truncated=True))], limit=5, direction=FORWARD)
    assert merged.more
    assert merged.cursor is not None


def test_a_line_of_a_megabyte_is_cut_and_says_so():
    [entry] = merge(
        [(cluster("a"), lines((1, "x" * 1_000_000)))], limit=5, direction=FORWARD
    ).entries
    assert len(entry.message) < LONGEST_MESSAGE + 60
    assert "characters cut off" in entry.message


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 6), st.sampled_from("abc")), max_size=12),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 4),
    st.sampled_from([FORWARD, BACKWARD]),
)
def test_pages_meet_whatever_the_times(clusters, size, direction):
    found = [(cluster(f"c{number}"), lines(*pairs)) for number, pairs in enumerate(clusters)]
    whole = told(merge(found, limit=1000, direction=direction))
    paged, after = [], None
    for _ in range(100):
        page = merge(
            [(each, _from(own, after, direction)) for each, own in found],
            limit=size,
            direction=direction,
            after=after,
        )
        paged += told(page)
        after = page.cursor
        if after is None:
            break
    assert paged == whole


def _from(own, after, direction):
    """What a store would give from where a page ended on, its nanosecond included."""
    if after is None:
        return own
    made = ClusterLines()
    kept = [
        line
        for line in own.lines
        if (line.ns >= after.ns if direction is FORWARD else line.ns <= after.ns)
    ]
    made.add(own.streams[0], [(line.ns, line.text, {}) for line in kept])
    return made


@pytest.mark.parametrize("cursor", ["", "1", "a.b", "1.", ".1", "-1.2", "1.2.3"])
def test_a_cursor_of_somebody_else_is_refused(cursor):
    with pytest.raises(InputError, match="cursor"):
        read_place(cursor)


def test_a_cursor_is_read_back():
    assert read_place(f"{T}.3") == (T, 3)

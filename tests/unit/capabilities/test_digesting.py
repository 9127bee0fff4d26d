"""What all digests share: cursors, coverage lines, call texts, numbers."""

import pytest

from aiops_mcp.capabilities.digesting import (
    call_text,
    coverage_line,
    cursor_start,
    fitting,
    missing_line,
    more_line,
    selector_text,
    significant,
    telling_labels,
)
from aiops_mcp.errors import InputError
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage, StaleAnswer


def test_a_cursor_leads_to_where_the_rows_ended():
    line = more_line(total=35, start=10, shown=10, what="rows", call='x(a="b"')
    assert line.startswith('15 more rows: x(a="b", cursor="')
    assert cursor_start(line.split('cursor="')[1].rstrip('")')) == 20
    assert cursor_start(None) == 0


@pytest.mark.parametrize("cursor", ["nonsense!", "b3gx", "Zm9v"])
def test_a_foreign_cursor_is_refused(cursor):
    with pytest.raises(InputError, match="is not a cursor"):
        cursor_start(cursor)


def test_nothing_more_is_no_line():
    assert more_line(total=5, start=0, shown=5, what="rows", call="x(") is None


def test_coverage_names_who_failed_who_is_stale_and_who_was_skipped():
    line = coverage_line(
        Coverage(
            queried=9,
            succeeded=3,
            failures=tuple(
                ClusterFailure(
                    cluster_name=f"c-{n}",
                    status=AnswerStatus.ERROR,
                    code="X",
                    error="why\nsecond line",
                )
                for n in range(6)
            ),
            stale=(
                StaleAnswer(cluster_name="far-1", as_of="2026-11-25T00:00:00Z", age_seconds=7200),
            ),
            offline=("o-1", "o-2"),
            skipped=("d-1 (no Prometheus)",),
            simulated=True,
        )
    )
    assert line.startswith("3 of 11 clusters answered; c-0: X why; ")
    assert "second line" not in line
    assert "1 more failed" in line
    assert "far-1: away, last seen 2h ago" in line
    assert "offline: o-1, o-2; not asked: d-1 (no Prometheus)" in line
    assert line.endswith("simulated fleet")


def test_calls_are_written_as_one_would_make_them():
    assert (
        call_text("f", {"a": "x", "n": 3, "b": True, "l": ["p", "q"]})
        == 'f(a="x", n=3, b=true, l=["p", "q"]'
    )


@pytest.mark.parametrize(
    ("value", "shown"), [(0.123456, 0.1235), (1234567.0, 1235000), (12.0, 12), (0.0, 0)]
)
def test_four_significant_digits(value, shown):
    assert significant(value) == shown


def test_selectors_as_people_write_them():
    labels = {"__name__": "up", "job": "x", "pod": "y"}
    assert selector_text(labels) == "up{job=x, pod=y}"
    assert selector_text(labels, leave_out={"job": "x"}) == "up{pod=y}"
    assert selector_text({"__name__": "up"}) == "up"
    assert selector_text({"pod": "y"}) == "pod=y"


def test_a_call_is_repeated_so_that_it_can_be_copied():
    call = call_text("query_metrics", {"query": 'up{job="x"}', "clusters": ["a-1"], "deep": True})
    assert call == 'query_metrics(query="up{job=\\"x\\"}", clusters=["a-1"], deep=true'
    line = more_line(total=9, start=0, shown=4, what="rows", call='f(query="q"')
    assert line == '5 more rows: f(query="q", cursor="bzQ")'


def test_a_long_call_is_not_said_again():
    line = more_line(total=9, start=0, shown=4, what="rows", call=f'f(query="{"q" * 60}"')
    assert line == '5 more rows: the same call with cursor="bzQ"'


def test_rows_fit_by_their_bytes_but_never_too_few():
    rows = [("x" * 10, 1)] * 8  # 16 bytes each, and a comma
    assert fitting(rows, room=51, least=1) == 3
    assert fitting(rows, room=50, least=1) == 2
    assert fitting(rows, room=0, least=5) == 5
    assert fitting(rows[:3], room=0, least=5) == 3


def gpus(**more):
    return [
        {"uuid": f"GPU-{host}-{gpu}-5e78-8563", "host": f"gpu-{host}", "gpu": str(gpu)}
        | {name: str(gpu // 2) for name in more}
        for host in range(2)
        for gpu in range(4)
    ]


def test_the_shortest_labels_that_tell_rows_apart():
    names = ["gpu", "host", "uuid"]
    assert telling_labels(gpus(), names, ["c-1"] * 8) == ("gpu", "host")
    # In clusters of their own the number alone is enough.
    assert telling_labels(gpus(), names, ["c-1"] * 4 + ["c-2"] * 4) == ("gpu",)
    assert telling_labels(gpus(numa=1), ["numa", "uuid"], ["c-1"] * 8) == ("uuid",)
    assert telling_labels(gpus(numa=1), ["host", "numa"], ["c-1"] * 8) is None


def test_who_is_missing_in_short():
    failed = ClusterFailure(
        cluster_name="far-1", status=AnswerStatus.ERROR, code="CLUSTER_UNREACHABLE", error="refused"
    )
    assert missing_line(Coverage(queried=2, succeeded=1, failures=(failed,))) == "no answer: far-1"
    assert missing_line(Coverage(queried=2, succeeded=2)) is None

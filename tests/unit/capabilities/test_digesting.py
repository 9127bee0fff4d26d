"""What all digests share: cursors, coverage lines, call texts, numbers."""

import pytest

from aiops_mcp.capabilities.digesting import (
    call_text,
    coverage_line,
    cursor_start,
    more_line,
    selector_text,
    significant,
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

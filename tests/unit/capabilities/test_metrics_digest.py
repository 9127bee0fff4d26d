"""Metric answers made small: what a reader needs stands in them, within a few hundred tokens."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
import pytest

from aiops_mcp.capabilities.metrics_digest import digest_metrics
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.metrics import MetricAnswer, MetricResult, ResultType, Series

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
START = datetime(2026, 11, 24, 21, 0, tzinfo=UTC)


def answer(series, *, start=None, kind=ResultType.VECTOR, failures=(), warnings=(), query="q"):
    """``series`` maps a cluster to its list of (labels, values)."""
    results = tuple(
        MetricResult(
            cluster_id=uuid4(),
            cluster_name=name,
            status=AnswerStatus.SUCCESS,
            result_type=kind,
            data=tuple(
                Series(metric=labels, values=tuple((float(t), str(v)) for t, v in values))
                for labels, values in rows
            ),
        )
        for name, rows in series.items()
    )
    answered = len(results)
    return MetricAnswer(
        results=results,
        total_query_time_ms=12.0,
        clusters_queried=answered + len(failures),
        clusters_succeeded=answered,
        warnings=warnings,
        coverage=Coverage(
            queried=answered + len(failures),
            succeeded=answered,
            failures=tuple(
                ClusterFailure(
                    cluster_name=name,
                    status=AnswerStatus.ERROR,
                    code="CLUSTER_UNREACHABLE",
                    error="refused",
                )
                for name in failures
            ),
        ),
        query=query,
        start_time=start,
        end_time=NOW,
        step_seconds=60.0 if start else None,
    )


def instant(values, **more):
    return answer({name: [({}, [(NOW.timestamp(), v)])] for name, v in values.items()}, **more)


def digest(given, *, limit=10, start=0, detailed=False):
    return digest_metrics(
        given, limit=limit, start=start, call='query_metrics(query="q"', detailed=detailed
    )


def tokens(made):
    """Of the dearer of the two forms, at 3.6 bytes a token."""
    structured = json.dumps(made.model_dump(mode="json", exclude_none=True))
    return max(len(structured.encode()), len(made.text().encode())) / 3.6


def test_which_cluster_has_the_highest_cpu():
    values = {f"edge-{n:02}": 0.2 + n / 100 for n in range(11)} | {"spoke-gpu-1": 0.912345}
    made = digest(instant(values, failures=("far-1",), query="1 - avg(rate(x[5m]))"))
    assert made.headline.startswith("12 series: highest spoke-gpu-1 0.9123")
    assert made.rows[0] == ("spoke-gpu-1", 0.9123)
    assert made.columns == ("cluster", "value")
    assert "12 of 13 clusters answered" in made.coverage
    assert "far-1: CLUSTER_UNREACHABLE refused" in made.coverage
    assert "spoke-gpu-1 0.9123 (stands out), median 0.255, lowest edge-00 0.2." in made.headline
    assert made.notes == ()
    assert tokens(made) <= 250


def test_rows_are_cut_with_the_exact_next_call():
    made = digest(instant({f"c-{n:03}": n for n in range(30)}))
    assert [row[1] for row in made.rows] == list(range(29, 19, -1))
    assert "20 more series" in made.more
    cursor = made.more.split('cursor="')[1].split('"')[0]
    assert cursor == "bzEw"
    assert 'query_metrics(query="q", cursor="bzEw")' in made.more
    last = digest(instant({f"c-{n:03}": n for n in range(30)}), start=20)
    assert last.more is None
    assert len(last.rows) == 10


@pytest.mark.parametrize(("length", "rows"), [(1, 10), (40, 7), (90, 5), (230, 5)])
def test_without_a_limit_there_are_as_many_rows_as_a_short_answer_holds(length, rows):
    point = [(NOW.timestamp(), 5)]
    given = answer({"c-1": [({"pod": f"{n:03}" + "x" * length}, point) for n in range(20)]})
    made = digest(given, limit=None)
    assert len(made.rows) == rows
    assert made.more.startswith(f"{20 - rows} more series")
    assert len(digest(given, limit=12).rows) == 12


def test_clusters_are_ranked_where_rows_are_cut():
    point = NOW.timestamp()
    fleet = {
        name: [({"node": f"{name}-{n}"}, [(point, value + n)]) for n in range(6)]
        for name, value in {"low-1": 10, "high-1": 50, "mid-1": 30, "odd-1": 20}.items()
    }
    made = digest(answer(fleet), limit=3)
    assert "clusters by mean: high-1 52.5, mid-1 32.5, odd-1 22.5" in made.notes
    assert not any("by mean" in note for note in digest(answer(fleet), limit=24).notes)
    single = instant({f"c-{n}": n for n in range(20)})
    assert not any("by mean" in note for note in digest(single, limit=3).notes)


def test_how_to_aggregate_is_said_to_who_did_not():
    many = {f"c-{n:03}": n for n in range(30)}
    assert "aggregate" in digest(instant(many, query="up")).more
    assert "aggregate" not in digest(instant(many, query="sum by (x) (up)")).more


def test_the_least_comes_first_when_the_query_asks_for_it():
    made = digest(instant({"a-1": 3, "b-1": 1, "c-1": 2}, query="bottomk(3, up)"))
    assert [row[0] for row in made.rows] == ["b-1", "c-1", "a-1"]


def test_who_stands_out_beside_the_ends_is_a_note():
    made = digest(instant({f"c-{n:02}": n for n in range(20)} | {"x-1": 900, "y-1": 901}))
    assert "highest y-1 901 (stands out), median 10.5, lowest c-00 0." in made.headline
    assert made.notes == ("stand out: x-1",)


def test_nan_comes_last_and_is_said():
    made = digest(instant({"a-1": "NaN", "b-1": 1, "c-1": 2}))
    assert [row[1] for row in made.rows] == [2, 1, "nan"]


def test_common_labels_are_said_once_and_differing_ones_become_columns():
    point = [(NOW.timestamp(), 5)]
    rows = [({"__name__": "up", "job": "x", "pod": f"p{n}"}, point) for n in range(3)]
    made = digest(answer({"only": rows}))
    assert made.columns == ("pod", "value")
    assert made.notes == ("all have cluster=only, job=x",)


def test_many_differing_labels_share_one_column():
    point = [(NOW.timestamp(), 5)]
    bits = [[(n >> bit) & 1 for bit in range(4)] for n in range(16)]
    rows = [(dict(zip("abcd", map(str, own), strict=True)), point) for own in bits]
    made = digest(answer({"only": rows}), limit=16)
    assert made.columns == ("series", "value")
    assert made.rows[5][0] == "a=1, b=0, c=1, d=0"


def test_no_data_is_not_zero_and_not_unreachable():
    made = digest(answer({"a-1": []}))
    assert made.headline == "No data."
    assert "find_metrics" in made.notes[0]
    nobody = digest(answer({}, failures=("a-1",)))
    assert nobody.headline == "No cluster answered."
    assert nobody.notes == ()


def series_with_a_shift(count=200, shifted=137, at=240):
    grid = START.timestamp() + 60 * np.arange(360)
    noise = np.random.default_rng(1).normal(100, 1, (count, 360))
    noise[shifted, at:] += 25
    return {
        "spoke-1": [
            ({"pod": f"pod-{n}"}, list(zip(grid, noise[n], strict=True))) for n in range(count)
        ]
    }


def test_which_of_200_series_changed_its_level_and_when():
    made = digest(answer(series_with_a_shift(), start=START, kind=ResultType.MATRIX))
    assert "1 changed level: pod-137 at 11-25T01:00Z from 99.96 to 125" in made.headline
    assert made.rows[0][0] == "pod-137"  # the highest mean, too
    assert made.rows[0][-1] == "99.96->125 11-25T01:00Z"
    assert tokens(made) <= 350


def test_what_changed_comes_first_though_others_are_higher():
    given = series_with_a_shift(count=40, shifted=7)
    labels, points = given["spoke-1"][7]
    given["spoke-1"][7] = (labels, [(at, value / 2) for at, value in points])
    made = digest(answer(given, start=START, kind=ResultType.MATRIX), limit=3)
    assert made.rows[0][0] == "pod-7"
    means = [row[1] for row in made.rows]
    assert means[0] < 60 < means[2] <= means[1]
    again = digest(answer(given, start=START, kind=ResultType.MATRIX), limit=40, start=3)
    seen = [row[0] for row in (*made.rows, *again.rows)]
    assert len(set(seen)) == 40 == len(seen)


def test_a_range_without_a_shift_says_so_and_names_trends():
    grid = START.timestamp() + 60 * np.arange(60)
    rows = [
        ({"pod": "a"}, list(zip(grid, np.linspace(100, 200, 60), strict=True))),
        ({"pod": "b"}, list(zip(grid, np.full(60, 10.0), strict=True))),
    ]
    made = digest(answer({"c-1": rows}, start=START, kind=ResultType.MATRIX))
    assert "no change of level" in made.headline
    assert made.rows[0] == ("a", 150, 100, 200, 200, "trend +67%")
    assert made.rows[1] == ("b", 10, 10, 10, 10, None)


def test_detailed_brings_points():
    made = digest(
        answer(series_with_a_shift(count=2, shifted=0), start=START, kind=ResultType.MATRIX),
        detailed=True,
    )
    assert made.columns[-1] == "values from 11-24T21:00Z every 360s"
    assert len(made.rows[0][-1].split(",")) == 60


def test_series_with_gaps_share_one_grid():
    t = START.timestamp()
    rows = [
        ({"pod": "a"}, [(t, 1), (t + 60, 2), (t + 120, 3)]),
        ({"pod": "b"}, [(t, 5), (t + 120, 7)]),
    ]
    made = digest(answer({"c-1": rows}, start=START, kind=ResultType.MATRIX), detailed=True)
    assert made.rows[0][-1] == "5,-,7"


@pytest.mark.parametrize(
    ("value", "said"),
    [(84153.0, "84150"), (9999.5, "10000"), (12.5, "12.5"), (0.00000123, "1.23e-06")],
)
def test_large_numbers_are_plain_in_the_text(value, said):
    assert Digest(headline="x", columns=("v",), rows=((value,),)).text().splitlines()[2] == said


def test_text_says_all_that_the_structure_says():
    made = digest(instant({"a-1": 3, "b-1": 1}, warnings=("PARTIAL_RESULTS",)))
    text = made.text()
    for part in (
        made.headline,
        "a-1 | 3",
        "note: PARTIAL_RESULTS",
        "2 of 2 clusters answered",
        "query: q",
    ):
        assert part in text


def test_of_many_labels_only_those_that_tell_rows_apart_are_shown():
    point = [(NOW.timestamp(), 5)]
    rows = [
        ({"gpu": str(n % 4), "host": f"h-{n // 4}", "uuid": f"GPU-{n:020}", "bus": f"0000:{n}"}, point)
        for n in range(8)
    ]  # fmt: skip
    made = digest(answer({"only": rows}))
    assert made.columns == ("bus", "value")
    assert made.rows[3] == ("0000:3", 5)
    assert made.notes == (
        "all have cluster=only",
        "3 more labels differ (response_format=detailed)",
    )
    full = digest(answer({"only": rows}), detailed=True)
    assert full.columns == ("series", "value")
    assert full.rows[3][0] == "bus=0000:3, gpu=3, host=h-0, uuid=GPU-00000000000000000003"
    assert full.notes == ("all have cluster=only",)

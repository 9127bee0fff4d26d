"""Metric answers made small: what a reader needs stands in them, within a few hundred tokens."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np

from aiops_mcp.capabilities.metrics_digest import digest_metrics
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage
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
    assert any("stands out" in note and "spoke-gpu-1" in note for note in made.notes)
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


def test_the_least_comes_first_when_the_query_asks_for_it():
    made = digest(instant({"a-1": 3, "b-1": 1, "c-1": 2}, query="bottomk(3, up)"))
    assert [row[0] for row in made.rows] == ["b-1", "c-1", "a-1"]


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
    rows = [({"a": str(n), "b": str(n), "c": str(n), "d": str(n)}, point) for n in range(2)]
    made = digest(answer({"only": rows}))
    assert made.columns == ("series", "value")
    assert made.rows[0][0] == "a=0, b=0, c=0, d=0"


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
    assert made.rows[0][-1] == "level at 11-25T01:00Z from 99.96 to 125"
    assert tokens(made) <= 350


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

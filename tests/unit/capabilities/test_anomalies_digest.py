"""Anomalies, changes and forecasts made small: folded, worst or soonest first, cut with the call."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from aiops_mcp.capabilities.anomalies import AnomalyQuery
from aiops_mcp.capabilities.anomalies_changes import ForecastQuery, LevelQuery
from aiops_mcp.capabilities.anomalies_changes_digest import digest_forecast, digest_level_changes
from aiops_mcp.capabilities.anomalies_digest import digest_anomalies
from aiops_mcp.models.anomaly import (
    AnomalyAnswer,
    AnomalyDetection,
    AnomalySeverity,
    AnomalyType,
    ChangeAnswer,
    ForecastAnswer,
    RunningOut,
    Sensitivity,
    SeriesChange,
)
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALL_WELL = Coverage(queried=3, succeeded=3)


def found(component="shop/cart", cluster="prod-1", minutes=30, **fields):
    values = {
        "id": uuid4(),
        "cluster_id": UUID(int=1),
        "cluster_name": cluster,
        "metric_name": "service errors",
        "query": "q",
        "component": component,
        "component_kind": "service",
        "unit": "ratio",
        "severity": AnomalySeverity.HIGH,
        "confidence_score": 0.876,
        "anomaly_type": AnomalyType.SPIKE,
        "expected_value": 0.0012345,
        "actual_value": 0.21987,
        "deviation_percent": 100.0,
        "explanation": "…",
        "started_at": NOW - timedelta(minutes=minutes),
        "detected_at": NOW,
        **fields,
    }
    return AnomalyDetection(**values)


def answer(*anomalies, **fields):
    counts = {}
    for one in anomalies:
        counts[one.severity.value] = counts.get(one.severity.value, 0) + 1
    values = {
        "anomalies": anomalies,
        "total": len(anomalies),
        "by_severity": counts,
        "series_judged": 120,
        "expressions": 40,
        "since": NOW - timedelta(hours=6),
        "until": NOW,
        "step_seconds": 60.0,
        "sensitivity": Sensitivity.MEDIUM,
        "coverage": ALL_WELL,
        "as_of": NOW,
        **fields,
    }
    return AnomalyAnswer(**values)


def test_one_row_a_component_with_what_else_is_unusual_there():
    digest = digest_anomalies(
        AnomalyQuery(),
        answer(
            found(),
            found(metric_name="call latency", detail="to redis", unit="seconds", minutes=31),
            found(metric_name="service latency", unit="seconds"),
            found("shop/web", severity=AnomalySeverity.LOW, minutes=10),
        ),
    )
    assert digest.columns == (
        *("severity", "cluster", "of", "what", "since"),
        *("expected", "actual", "type", "sure", "also"),
    )
    assert digest.rows == (
        (
            *("HIGH", "prod-1", "shop/cart", "service errors (ratio)", "03-01T11:30Z"),
            *(0.001234, 0.2199, "SPIKE", 0.88, "call latency, service latency"),
        ),
        (
            *("LOW", "prod-1", "shop/web", "service errors (ratio)", "03-01T11:50Z"),
            *(0.001234, 0.2199, "SPIKE", 0.88, None),
        ),
    )
    assert digest.headline == (
        "4 anomalies on prod-1 (3 HIGH, 4 going on) in 120 series over 6 h to 03-01T12:00Z; "
        "worst service errors of shop/cart: 0.001234 -> 0.2199 ratio; "
        "first call latency to redis of shop/cart at 03-01T11:29Z."
    )
    assert digest.more is None


def test_components_that_do_the_same_together_are_one_row():
    gpus = [found(f"gpu-1/{i}", metric_name="GPU temperature", unit="celsius") for i in range(5)]
    later = found("gpu-1/7", metric_name="GPU temperature", unit="celsius", minutes=5)
    digest = digest_anomalies(AnomalyQuery(), answer(*gpus, later))
    assert [row[2] for row in digest.rows] == ["gpu-1/0, gpu-1/1, gpu-1/2 +2", "gpu-1/7"]


def test_one_component_in_many_clusters_is_one_row():
    some = [found(cluster=f"prod-{i}") for i in range(3)]
    digest = digest_anomalies(AnomalyQuery(), answer(*some))
    assert [row[1:3] for row in digest.rows] == [("prod-0 +2", "shop/cart")]
    assert "3 anomalies in 3 clusters" in digest.headline


def test_what_is_over_says_until_when_and_stands_apart():
    over = found("shop/web", ended_at=NOW - timedelta(minutes=20))
    digest = digest_anomalies(AnomalyQuery(), answer(found(), over))
    assert [row[4] for row in digest.rows] == ["03-01T11:30Z", "03-01T11:30-11:40Z"]
    assert "(2 HIGH, 1 going on)" in digest.headline


def test_a_query_is_not_said_again_in_every_row():
    digest = digest_anomalies(
        AnomalyQuery(query="sum(x)"), answer(found(metric_name="sum(x)"), query="sum(x)")
    )
    assert "what" not in digest.columns
    assert digest.headline.count("sum(x)") == 0
    assert digest.query == "sum(x)"
    assert "1 anomaly on prod-1" in digest.headline


def test_nothing_unusual_no_data_and_nobody_are_three_answers():
    assert digest_anomalies(AnomalyQuery(), answer()).headline == (
        "Nothing unusual in 120 series over 6 h to 03-01T12:00Z."
    )
    nothing = digest_anomalies(AnomalyQuery(), answer(series_judged=0))
    assert nothing.headline.startswith("No data")
    failure = ClusterFailure(
        cluster_name="prod-1", status=AnswerStatus.TIMEOUT, code="QUERY_TIMEOUT", error="slow"
    )
    away = Coverage(queried=1, succeeded=0, failures=(failure,))
    nobody = digest_anomalies(AnomalyQuery(), answer(coverage=away, series_judged=0))
    assert nobody.headline == "No cluster answered."
    assert "prod-1: QUERY_TIMEOUT" in (nobody.coverage or "")


def test_what_was_cut_comes_with_the_next_call():
    some = [found(f"n/s{i}", minutes=10 * i) for i in range(8)]
    digest = digest_anomalies(AnomalyQuery(limit=3, clusters=("prod-1",)), answer(*some))
    assert len(digest.rows) == 3
    assert digest.more == (
        '5 more components: detect_anomalies(clusters=["prod-1"], limit=3, cursor="bzM")'
    )
    following = digest_anomalies(AnomalyQuery(limit=3, cursor="bzM"), answer(*some))
    assert [row[2] for row in following.rows] == ["n/s3", "n/s4", "n/s5"]


def change(component="shop/cart", minutes=30, strength=50.0, **fields):
    values = {
        "cluster_id": UUID(int=1),
        "cluster_name": "prod-1",
        "metric_name": "call latency",
        "component": component,
        "detail": "to redis",
        "unit": "seconds",
        "at": NOW - timedelta(minutes=minutes),
        "before": 0.1,
        "after": 0.43219,
        "change_percent": 332.19,
        "strength": strength,
        "goes_on": True,
        **fields,
    }
    return SeriesChange(**values)


def changes(*some, **fields):
    values = {
        "changes": some,
        "total": len(some),
        "onset": tuple(dict.fromkeys(one.cluster_name for one in some)),
        "series_judged": 9,
        "since": NOW - timedelta(hours=6),
        "until": NOW,
        "step_seconds": 60.0,
        "coverage": ALL_WELL,
        "as_of": NOW,
        **fields,
    }
    return ChangeAnswer(**values)


def test_changes_stand_in_the_order_of_time_the_strongest_kept():
    some = [
        change(minutes=40, strength=20.0, cluster_name="prod-2"),
        change(minutes=30, strength=90.0),
        change("shop/web", minutes=20, strength=5.0, goes_on=False),
    ]
    digest = digest_level_changes(LevelQuery(limit=2), changes(*some))
    assert digest.rows == (
        (
            *("03-01T11:20Z", "prod-2", "shop/cart to redis", "call latency (seconds)"),
            *(0.1, 0.4322, "+332%"),
        ),
        (
            *("03-01T11:30Z", "prod-1", "shop/cart to redis", "call latency (seconds)"),
            *(0.1, 0.4322, "+332%"),
        ),
    )
    assert digest.headline == (
        "3 changes of level in 9 series over 6h to 03-01T12:00Z; "
        "first call latency of shop/cart to redis on prod-2 at 03-01T11:20Z, "
        "0.1 -> 0.4322 seconds; "
        "clearest call latency of shop/cart to redis on prod-1 at 03-01T11:30Z, "
        "0.1 -> 0.4322 seconds; clusters in the order of onset: prod-2, prod-1."
    )
    assert (digest.more or "").startswith("1 more weaker changes: find_changes(limit=2, cursor=")


def test_a_change_that_did_not_last_says_so_and_a_query_names_the_component_alone():
    one = change(goes_on=False, change_percent=None, detail="", unit="", metric_name="sum(x)")
    digest = digest_level_changes(LevelQuery(query="sum(x)"), changes(one, query="sum(x)"))
    assert digest.rows == (("03-01T11:30Z (for a time)", "prod-1", "shop/cart", 0.1, 0.4322, None),)
    assert digest.headline == (
        "1 change of level in 9 series over 6h to 03-01T12:00Z; "
        "first shop/cart on prod-1 at 03-01T11:30Z, 0.1 -> 0.4322."
    )


def test_no_change_no_data_and_nobody():
    assert digest_level_changes(LevelQuery(), changes()).headline == (
        "No change of level in 9 series over 6h to 03-01T12:00Z."
    )
    assert digest_level_changes(LevelQuery(), changes(series_judged=0)).headline.startswith("No da")
    away = Coverage(queried=1, succeeded=0)
    assert (
        digest_level_changes(LevelQuery(), changes(coverage=away)).headline
        == "No cluster answered."
    )


def running_out(hours=5.0, **fields):
    values = {
        "cluster_id": UUID(int=1),
        "cluster_name": "prod-1",
        "metric_name": "filesystem used",
        "component": "worker-3",
        "detail": "/var",
        "component_kind": "node",
        "unit": "ratio",
        "now": 0.81234,
        "limit": 1.0,
        "per_day": 0.91,
        "at": NOW + timedelta(hours=hours),
        "earliest": NOW + timedelta(hours=hours - 1),
        "latest": None,
        **fields,
    }
    return RunningOut(**values)


def forecast(*some, **fields):
    values = {
        "running_out": some,
        "total": len(some),
        "series_judged": 70,
        "since": NOW - timedelta(days=1),
        "until": NOW,
        "horizon_seconds": 604_800.0,
        "coverage": ALL_WELL,
        "as_of": NOW,
        **fields,
    }
    return ForecastAnswer(**values)


def test_what_runs_out_says_in_how_long_and_how_sure():
    full = running_out(0, reason="beyond 0.95 already")
    digest = digest_forecast(ForecastQuery(), forecast(running_out(), full))
    assert digest.rows[0] == (
        *("5h", "prod-1", "worker-3 /var", "filesystem used (ratio)", 0.8123, 1, 0.91),
        *("03-01T17:00Z", "03-01T16:00Z", None),
    )
    assert digest.rows[1][0] == "beyond 0.95 already"
    assert digest.headline == (
        "2 of 70 series reach their limit within 7d or are near it; "
        "first filesystem used of worker-3 /var on prod-1 in 5h, at 03-01T17:00Z."
    )
    assert digest_forecast(ForecastQuery(), forecast(full)).headline.endswith(
        "on prod-1 is beyond 0.95 already."
    )


def test_nothing_runs_out_no_data_and_nobody():
    assert digest_forecast(ForecastQuery(), forecast()).headline == (
        "Nothing of 70 series runs out within 7d."
    )
    assert digest_forecast(ForecastQuery(), forecast(series_judged=0)).headline.startswith("No da")
    away = Coverage(queried=1, succeeded=0)
    assert digest_forecast(ForecastQuery(), forecast(coverage=away)).headline == (
        "No cluster answered."
    )
